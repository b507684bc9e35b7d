//! What the machine's image says about running it: the host tells it once after the boot, and START says whether it counts.

use std::fs::{self, File};
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::comeback;
use crate::http_answers::{Code, Refusal};

/// What the host takes of an image, when every byte of it is escaped in JSON
pub const LIMIT_BYTES: usize = 6 << 20;

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageConfig {
    /// `NAME=value`
    pub env: Vec<String>,
    /// `user`, `uid`, and either with `:group` or `:gid`
    pub user: Option<String>,
    pub working_dir: Option<String>,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub stop_signal: Option<String>,
}

/// What of the image counts for a command
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ImageUse {
    /// Its environment, user and folder, where the command has none of its own
    Defaults,
    /// Besides, its entrypoint goes before the words, and its command stands in for words that are not there
    Command,
}

impl ImageConfig {
    /// The variables that can be any; the last of a name counts.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> + '_ {
        let split = self.env.iter().filter_map(|line| line.split_once('='));
        let is_variable =
            |(name, value): &(&str, &str)| !name.is_empty() && !name.contains('\0') && !value.contains('\0');
        split.filter(is_variable).map(|(name, value)| (name.to_owned(), value.to_owned()))
    }

    pub fn sets(&self, variable: &str) -> bool {
        self.variables().any(|(name, _)| name == variable)
    }

    /// As an absolute path; one that is relative begins at the root.
    pub fn folder(&self) -> Option<String> {
        let folder = self.working_dir.as_deref().filter(|folder| !folder.is_empty())?;
        Some(if folder.starts_with('/') { folder.to_owned() } else { format!("/{folder}") })
    }

    /// What is run when `words` are asked for with `ImageUse::Command`.
    pub fn command_of(&self, words: &[String]) -> Vec<String> {
        let words = if words.is_empty() { &self.command } else { words };
        [&self.entrypoint, words].concat()
    }
}

/// The configuration, as long as the machine runs
#[derive(Default)]
pub struct KeptConfig {
    config: Mutex<Option<Arc<ImageConfig>>>,
    /// Whether an agent that takes the place of this one is to find it
    is_lasting: bool,
}

impl KeptConfig {
    /// Of a machine, which an agent before this one may have been told.
    pub fn of_machine() -> Self {
        let mut json = Vec::new();
        let read = File::open(comeback::IMAGE).and_then(|file| file.take(LIMIT_BYTES as u64).read_to_end(&mut json));
        let config = read.ok().and_then(|_| serde_json::from_slice(&json).ok());
        Self { config: Mutex::new(config.map(Arc::new)), is_lasting: true }
    }

    pub fn get(&self) -> Option<Arc<ImageConfig>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a file, so not for the runtime's thread.
    pub fn set(&self, config: ImageConfig) -> Result<(), Refusal> {
        if self.is_lasting {
            let json = serde_json::to_vec(&config).map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
            let kept = comeback::make_folder().and_then(|()| fs::write(comeback::IMAGE, json));
            kept.map_err(|error| Refusal::of_io(&error, comeback::IMAGE))?;
        }
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(config));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::stop_signal_number;
    use crate::start_request::StartRequest;

    #[derive(Deserialize)]
    struct Sample {
        config: ImageConfig,
        runs: Vec<Run>,
        #[serde(rename = "stopSignals")]
        stop_signals: std::collections::BTreeMap<String, Option<i32>>,
    }

    #[derive(Deserialize)]
    struct Run {
        start: StartRequest,
        argv: Vec<String>,
    }

    #[test]
    fn the_shared_sample_says_what_runs() {
        let sample: Sample =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/image-config.json")).unwrap();
        for Run { start, argv } in &sample.runs {
            assert_eq!(&start.words(Some(&sample.config)), argv, "{start:?}");
        }
        for (name, number) in &sample.stop_signals {
            assert_eq!(stop_signal_number(name), *number, "{name}");
        }
        let again: ImageConfig = serde_json::from_str(&serde_json::to_string(&sample.config).unwrap()).unwrap();
        assert_eq!(again, sample.config, "what is kept for the next agent");
    }

    #[test]
    fn what_is_no_variable_is_left_out_and_a_folder_begins_at_the_root() {
        let env = ["A=b=c", "EMPTY=", "=x", "none", "NUL=\0", "A=last"].map(str::to_owned).to_vec();
        let config = ImageConfig { env, working_dir: Some("app".to_owned()), ..ImageConfig::default() };
        let named: Vec<_> = config.variables().collect();
        let expected = [("A", "b=c"), ("EMPTY", ""), ("A", "last")];
        assert_eq!(named, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(config.folder().as_deref(), Some("/app"));
        assert_eq!(ImageConfig { working_dir: Some(String::new()), ..config }.folder(), None);
    }
}
