//! What the host asked for on the kernel command line: the mode, the boot configuration, tracing.

use std::net::Ipv4Addr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::boot_failure::{BootFailure, ToBootFailure};

#[derive(Default)]
pub struct CommandLine {
    pub is_floor: bool,
    pub is_traced: bool,
    pub line: LineKind,
    pub end: EndKind,
    encoded_config: Option<String>,
}

/// What leads to the host. Not part of the configuration: it has to be known when that is wrong, too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum LineKind {
    #[default]
    Serial,
    Vsock,
}

/// What ends the machine
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum EndKind {
    #[default]
    PowerOff,
    /// A power-off halts it, which is no end
    Reset,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BootConfig {
    v: u32,
    pub hostname: String,
    pub machine_id: String,
    /// Read-only, each over the one before it
    pub image_drives: Vec<String>,
    pub disk_drive: String,
    pub modules_drive: Option<String>,
    /// In the order of their devices; the first has the way out
    pub interfaces: Vec<InterfaceConfig>,
    pub unix_ms: u64,
    /// Its files are only read: nothing of it runs, and nothing of the disk is changed
    #[serde(default)]
    pub is_still: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
pub struct InterfaceConfig {
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Ipv4Addr,
    pub dns: Vec<Ipv4Addr>,
    /// Domains that complete a name
    pub search: Vec<String>,
}

impl CommandLine {
    pub fn of_this_machine() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/cmdline").unwrap_or_default())
    }

    pub fn parse(text: &str) -> Self {
        let mut line = Self::default();
        for word in text.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("banger.boot", config)) => line.encoded_config = Some(config.to_owned()),
                Some(("banger.mode", mode)) => line.is_floor = mode == "floor",
                Some(("banger.line", "vsock")) => line.line = LineKind::Vsock,
                Some(("banger.end", "reset")) => line.end = EndKind::Reset,
                Some(("banger.trace", value)) => line.is_traced = value == "1",
                _ => {}
            }
        }
        line
    }

    pub fn boot_config(&self) -> Result<BootConfig, BootFailure> {
        const CODE: &str = "CONFIG_INVALID";
        let encoded = self
            .encoded_config
            .as_ref()
            .ok_or_else(|| BootFailure::new(CODE, "the kernel command line has no banger.boot"))?;
        let json = URL_SAFE_NO_PAD.decode(encoded).or_fail(CODE, "banger.boot is not base64url")?;
        let config: BootConfig = serde_json::from_slice(&json).or_fail(CODE, "banger.boot")?;
        config.check().map_err(|problem| BootFailure::new(CODE, problem))?;
        Ok(config)
    }
}

impl BootConfig {
    fn check(&self) -> Result<(), String> {
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_drive =
            |name: &str| !name.is_empty() && name.len() <= 16 && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_domain = |name: &str| {
            (1..=253).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        if self.v != 2 {
            return Err(format!("version {} of banger.boot is not known to this agent", self.v));
        }
        if !is_host_name(&self.hostname) {
            return Err("hostname is not a host name".to_owned());
        }
        if self.machine_id.len() != 32 || !is_hex(&self.machine_id) {
            return Err("machineId is not 32 hex digits".to_owned());
        }
        if self.image_drives.is_empty() {
            return Err("there is no image drive".to_owned());
        }
        let mut drives = self.image_drives.iter().chain([&self.disk_drive]).chain(&self.modules_drive);
        if !drives.all(|name| is_drive(name)) {
            return Err("a drive is not a device name".to_owned());
        }
        if self.interfaces.iter().any(|interface| interface.prefix > 32) {
            return Err("the prefix of an interface is above 32".to_owned());
        }
        if !self.interfaces.iter().flat_map(|interface| &interface.search).all(|domain| is_domain(domain)) {
            return Err("an interface searches what is no domain".to_owned());
        }
        Ok(())
    }
}

pub fn is_host_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        encoded: String,
        decoded: BootConfig,
    }

    #[test]
    fn the_shared_sample_is_understood() {
        let vector: Vector =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/boot-config.json")).unwrap();
        let line = CommandLine::parse(&format!("console=ttyS0 quiet banger.boot={} banger.trace=1\n", vector.encoded));
        assert!(line.is_traced && !line.is_floor);
        assert_eq!(line.boot_config().unwrap(), vector.decoded);
        assert!(!vector.decoded.is_still);
    }

    #[test]
    fn the_sample_of_a_machine_whose_files_are_only_read_is_understood() {
        let vector: Vector =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/boot-config-still.json")).unwrap();
        let config = CommandLine::parse(&format!("banger.boot={}", vector.encoded)).boot_config().unwrap();
        assert!(config.is_still);
        assert_eq!(config, vector.decoded);
    }

    #[test]
    fn the_driver_says_what_leads_to_the_host_and_what_ends_the_machine() {
        let plain = CommandLine::parse("console=ttyS0 banger.mode=floor");
        assert_eq!((plain.line, plain.end), (LineKind::Serial, EndKind::PowerOff));
        let words = CommandLine::parse("banger.mode=floor banger.line=vsock banger.end=reset");
        assert_eq!((words.line, words.end), (LineKind::Vsock, EndKind::Reset));
    }

    #[test]
    fn a_wrong_configuration_is_refused_with_a_reason() {
        let missing = CommandLine::parse("quiet").boot_config().unwrap_err();
        assert_eq!(missing.code, "CONFIG_INVALID");
        assert!(CommandLine::parse("banger.boot=%%%").boot_config().is_err());
        let machine =
            r#""hostname":"web","machineId":"0123456789abcdef0123456789abcdef","modulesDrive":null,"unixMs":1"#;
        let lan = r#"{"address":"10.0.2.15","prefix":24,"gateway":"10.0.2.2","dns":[],"search":[]}"#;
        for (reason, rest) in [
            ("version 1", r#""v":1,"imageDrives":["vda"],"diskDrive":"vdb","interfaces":[]"#.to_owned()),
            ("drive", r#""v":2,"imageDrives":["../vda"],"diskDrive":"vdb","interfaces":[]"#.to_owned()),
            ("no image", r#""v":2,"imageDrives":[],"diskDrive":"vdb","interfaces":[]"#.to_owned()),
            ("prefix", {
                let wide = lan.replace("24", "33");
                format!(r#""v":2,"imageDrives":["vda"],"diskDrive":"vdb","interfaces":[{lan},{wide}]"#)
            }),
            ("search", {
                let wrong = lan.replace(r#""search":[]"#, r#""search":["a b"]"#);
                format!(r#""v":2,"imageDrives":["vda"],"diskDrive":"vdb","interfaces":[{lan},{wrong}]"#)
            }),
        ] {
            let config = URL_SAFE_NO_PAD.encode(format!("{{{machine},{rest}}}"));
            let failure = CommandLine::parse(&format!("banger.boot={config}")).boot_config().unwrap_err();
            assert!(failure.message.contains(reason), "{reason}: {}", failure.message);
        }
    }
}
