//! What the host asks to run, and the decisions about it: which program, with which environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::http_answers::{Code, Refusal};
use crate::image_config::{ImageConfig, ImageUse};
use crate::process::stop_signal_number;
use crate::programs::{SHELL, find_program, is_executable};
use crate::users::{self, User};
use crate::{image_init, machine_environment, terminal_names, user_session};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Debug, Deserialize)]
pub struct StartRequest {
    pub argv: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub cwd: Option<String>,
    pub user: Option<String>,
    pub tty: Option<TerminalSize>,
    #[serde(default)]
    pub stdin: bool,
    #[serde(default)]
    pub keep: bool,
    /// None of the image counts when it is not said
    pub image: Option<ImageUse>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct TerminalSize {
    pub cols: u16,
    pub rows: u16,
}

/// A program to run, decided in every detail
#[derive(Debug)]
pub struct CommandPlan {
    pub program: PathBuf,
    /// What the program is told its name is
    pub name: String,
    pub arguments: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: String,
    /// What was asked for, with what the image puts before it; none for a shell
    pub words: Vec<String>,
    /// What ends it before the machine shuts down, where it is the image's own command
    pub stop_signal: Option<i32>,
}

impl StartRequest {
    /// Looks at the machine's files, so not for the runtime's thread.
    pub fn find_user(&self, image: Option<&ImageConfig>) -> Result<User, Refusal> {
        match (&self.user, self.defaults(image).and_then(|config| config.user.as_deref())) {
            (Some(user), _) => users::find_user(Some(user)),
            (None, Some(user)) if !user.is_empty() => users::find_user_of_image(user),
            _ => users::find_user(None),
        }
    }

    /// Looks at the machine's files, so not for the runtime's thread.
    pub fn plan(&self, user: &User, image: Option<&ImageConfig>) -> Result<CommandPlan, Refusal> {
        let image = self.defaults(image);
        let words = self.words(image);
        let has_nul = |text: &str| text.contains('\0');
        let is_wrong_name = |name: &str| name.is_empty() || name.contains('=') || has_nul(name);
        if words.iter().any(|word| has_nul(word))
            || self.env.iter().any(|(name, value)| is_wrong_name(name) || has_nul(value))
        {
            return Err(Refusal::bad_request("argv or env has a NUL, or a name that is empty or has a \"=\""));
        }
        let env = self.environment(user, image);
        let runs = image.filter(|_| self.image == Some(ImageUse::Command) && !words.is_empty());
        let cwd = self.working_folder(user, image, runs.is_some())?;
        let path = env.get("PATH").map_or(PATH, String::as_str);
        let named = words.split_first().map(|(name, arguments)| {
            find_program(name, path, &cwd).map(|program| (program, name.clone(), arguments.to_vec()))
        });
        let (program, name, arguments) = match named.transpose()? {
            // The machine's init runs already.
            Some((program, ..)) if runs.is_some() && image_init::is_it(&program) => login_shell(user, image)?,
            Some(named) => named,
            None => login_shell(user, image)?,
        };
        let stop_signal = runs.map(|image| stop_signal(image, self.tty.is_some()));
        Ok(CommandPlan { program, name, arguments, env, cwd, words, stop_signal })
    }

    /// What is run; nothing is a shell.
    pub fn words(&self, image: Option<&ImageConfig>) -> Vec<String> {
        match image {
            Some(config) if self.image == Some(ImageUse::Command) => config.command_of(&self.argv),
            _ => self.argv.clone(),
        }
    }

    /// The image, where it counts for this command
    fn defaults<'a>(&self, image: Option<&'a ImageConfig>) -> Option<&'a ImageConfig> {
        image.filter(|_| self.image.is_some())
    }

    fn environment(&self, user: &User, image: Option<&ImageConfig>) -> BTreeMap<String, String> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut env: BTreeMap<String, String> = [("PATH", PATH), ("LANG", "C.UTF-8")].map(owned).into();
        env.extend(machine_environment::read());
        let own = [("HOME", &user.home), ("USER", &user.name), ("LOGNAME", &user.name), ("SHELL", &user.shell)];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.clone())));
        env.extend(user_session::open(user).into_iter().map(|(name, value)| (name.to_owned(), value)));
        env.extend(image.into_iter().flat_map(ImageConfig::variables));
        env.extend(self.env.clone());
        if self.tty.is_some() {
            let term = env.get("TERM").map_or(terminal_names::USUAL, String::as_str);
            let term = terminal_names::known_or_usual(term, &user.home);
            env.insert("TERM".to_owned(), term);
        }
        env
    }

    /// The folder that was asked for, the image's, or the user's home. What the image runs itself begins at the root where
    /// it names none: its paths may be relative to that.
    fn working_folder(
        &self,
        user: &User,
        image: Option<&ImageConfig>,
        is_own_command: bool,
    ) -> Result<String, Refusal> {
        match (&self.cwd, image.and_then(ImageConfig::folder)) {
            (Some(cwd), _) if cwd.contains('\0') || !cwd.starts_with('/') => {
                Err(Refusal::bad_request("cwd is not an absolute path"))
            }
            (Some(cwd), _) if !Path::new(cwd).is_dir() => {
                Err(Refusal::new(Code::CwdNotFound, format!("the machine has no folder {cwd}")))
            }
            (Some(cwd), _) => Ok(cwd.clone()),
            (None, Some(folder)) => {
                // Many an image names one that none of its layers has.
                let made = fs::create_dir_all(&folder);
                made.map_err(|error| Refusal::new(Code::CwdNotFound, format!("the image's folder {folder}: {error}")))?;
                Ok(folder)
            }
            (None, None) if is_own_command => Ok("/".to_owned()),
            // As login does: a user without a home starts at the root.
            (None, None) if Path::new(&user.home).is_dir() => Ok(user.home.clone()),
            (None, None) => Ok("/".to_owned()),
        }
    }
}

fn stop_signal(image: &ImageConfig, has_terminal: bool) -> i32 {
    // A shell on a terminal does not listen to SIGTERM.
    let usual = if has_terminal { libc::SIGHUP } else { libc::SIGTERM };
    image.stop_signal.as_deref().and_then(stop_signal_number).unwrap_or(usual)
}

/// The program, its name, and no arguments. `/etc/profile`, which a login shell reads, would undo an image's `PATH`.
fn login_shell(user: &User, image: Option<&ImageConfig>) -> Result<(PathBuf, String, Vec<String>), Refusal> {
    let shell = [user.shell.as_str(), SHELL].into_iter().find(|shell| is_executable(Path::new(shell)));
    let shell = shell.ok_or_else(|| Refusal::new(Code::NoShell, format!("there is no {SHELL} in this image")))?;
    let base_name = shell.rsplit('/').next().unwrap_or(shell);
    let is_login = !image.is_some_and(|image| image.sets("PATH"));
    Ok((shell.into(), if is_login { format!("-{base_name}") } else { base_name.to_owned() }, vec![]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;
    use crate::users::find_user;

    fn request(json: &str) -> StartRequest {
        serde_json::from_str(json).unwrap()
    }

    fn plan(json: &str) -> Result<CommandPlan, Refusal> {
        request(json).plan(&find_user(None).unwrap(), None)
    }

    #[test]
    fn a_command_is_found_in_its_own_path() {
        let found = plan(r#"{"argv":["sh","-c","true"],"env":{"PATH":"/nowhere:/bin"},"cwd":"/"}"#).unwrap();
        assert_eq!((found.program.to_str(), found.name.as_str()), (Some("/bin/sh"), "sh"));
        let missing = plan(r#"{"argv":["sh"],"env":{"PATH":"/nowhere"},"cwd":"/"}"#).unwrap_err();
        assert_eq!(missing.code, Code::CommandNotFound);
        assert_eq!(plan(r#"{"argv":["/etc/passwd"],"cwd":"/"}"#).unwrap_err().code, Code::CommandNotExecutable);
    }

    #[test]
    fn what_a_later_host_says_besides_is_skipped() {
        let later = request(r#"{"argv":["sh"],"cwd":"/","later":{"than":"this"}}"#);
        assert_eq!(later.plan(&find_user(None).unwrap(), None).unwrap().name, "sh");
    }

    #[test]
    fn no_command_is_the_login_shell() {
        let shell = plan(r#"{"argv":[],"cwd":"/","tty":{"cols":80,"rows":24}}"#).unwrap();
        assert!(shell.name.starts_with('-') && shell.arguments.is_empty());
        assert_eq!(shell.env["TERM"], "xterm-256color");
    }

    fn image() -> ImageConfig {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        ImageConfig {
            env: words(&["PATH=/nowhere:/bin", "HOME=/opt", "MODE=image"]),
            user: Some("65534:12".to_owned()),
            entrypoint: words(&["sh", "-c"]),
            command: words(&["true"]),
            ..ImageConfig::default()
        }
    }

    #[test]
    fn an_image_counts_where_the_command_says_nothing_of_its_own() {
        let image = image();
        let all = request(r#"{"argv":[],"image":"command"}"#);
        let user = all.find_user(Some(&image)).unwrap();
        assert_eq!((user.uid, user.gid), (65534, 12));
        let own = all.plan(&user, Some(&image)).unwrap();
        assert_eq!((own.words.as_slice(), own.cwd.as_str()), (["sh", "-c", "true"].map(str::to_owned).as_slice(), "/"));
        let variables = ["PATH", "HOME", "MODE"].map(|name| own.env[name].as_str());
        assert_eq!(variables, ["/nowhere:/bin", "/opt", "image"]);

        let chosen = request(r#"{"argv":["sh"],"image":"defaults","env":{"MODE":"mine"},"cwd":"/etc","user":"root"}"#);
        let user = chosen.find_user(Some(&image)).unwrap();
        let plan = chosen.plan(&user, Some(&image)).unwrap();
        assert_eq!((user.uid, plan.cwd.as_str(), plan.env["MODE"].as_str()), (0, "/etc", "mine"));
        assert_eq!((plan.words.as_slice(), plan.stop_signal), (["sh".to_owned()].as_slice(), None));

        let without = request(r#"{"argv":["sh"]}"#);
        let user = without.find_user(Some(&image)).unwrap();
        let plan = without.plan(&user, Some(&image)).unwrap();
        assert_eq!(
            (user.uid, plan.env.get("MODE"), plan.env["PATH"].as_str()),
            (0, None, PATH),
            "banger's own commands"
        );
    }

    #[test]
    fn the_images_own_command_ends_by_its_signal() {
        let user = find_user(None).unwrap();
        let signal = |named: Option<&str>, start: &str| {
            let image = ImageConfig { stop_signal: named.map(str::to_owned), ..image() };
            request(start).plan(&user, Some(&image)).unwrap().stop_signal
        };
        let (plain, terminal) =
            (r#"{"argv":[],"image":"command"}"#, r#"{"argv":[],"image":"command","tty":{"cols":80,"rows":24}}"#);
        assert_eq!(signal(Some("SIGQUIT"), plain), Some(libc::SIGQUIT));
        assert_eq!((signal(None, plain), signal(None, terminal)), (Some(libc::SIGTERM), Some(libc::SIGHUP)));
        assert_eq!(signal(Some("SIGQUIT"), r#"{"argv":["sh"],"image":"defaults"}"#), None);
        let without = request(r#"{"argv":["sh"],"image":"command"}"#).plan(&user, None).unwrap();
        assert_eq!((without.stop_signal, without.cwd == user.home), (None, Path::new(&user.home).is_dir()), "no image");
    }

    #[test]
    fn an_image_with_a_path_gets_a_shell_that_keeps_it_and_one_that_runs_nothing_a_shell() {
        let user = find_user(None).unwrap();
        let bare = ImageConfig { entrypoint: vec![], command: vec![], ..image() };
        for image_use in ["command", "defaults"] {
            let json = format!(r#"{{"argv":[],"cwd":"/","image":"{image_use}"}}"#);
            let shell = request(&json).plan(&user, Some(&bare)).unwrap();
            assert!(!shell.name.starts_with('-') && shell.words.is_empty() && shell.stop_signal.is_none());
            let without = request(&json).plan(&user, None).unwrap();
            assert!(without.name.starts_with('-'));
        }
    }

    #[test]
    fn a_folder_of_the_image_is_made() {
        let folder = TestFolder::new("image-folder");
        let wanted = folder.join("srv/app");
        let image = ImageConfig { working_dir: wanted.to_str().map(str::to_owned), ..image() };
        let plan = request(r#"{"argv":["sh"],"image":"defaults"}"#).plan(&find_user(None).unwrap(), Some(&image));
        assert!(plan.unwrap().cwd.ends_with("/srv/app") && wanted.is_dir());
        let file = ImageConfig { working_dir: Some("/etc/passwd/x".to_owned()), ..image };
        let refusal = request(r#"{"argv":["sh"],"image":"defaults"}"#).plan(&find_user(None).unwrap(), Some(&file));
        assert_eq!(refusal.unwrap_err().code, Code::CwdNotFound);
    }

    #[test]
    fn what_cannot_be_an_argument_is_refused() {
        for wrong in [
            r#"{"argv":["a\u0000b"],"cwd":"/"}"#,
            r#"{"argv":["sh"],"env":{"A=B":"c"},"cwd":"/"}"#,
            r#"{"argv":["sh"],"cwd":"relative"}"#,
        ] {
            assert_eq!(plan(wrong).unwrap_err().code, Code::BadRequest);
        }
        assert_eq!(plan(r#"{"argv":["sh"],"cwd":"/no/such/folder"}"#).unwrap_err().code, Code::CwdNotFound);
    }
}
