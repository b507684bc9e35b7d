//! The words that others choose from, and the names that follow from them.

use serde::{Deserialize, Serialize};

/// Of the names of banger's devices: what the policy and the administrator know them by
pub const PREFIX: &str = "bgr";
const ID_DIGITS: usize = 12;

/// What the daemon gives each vm: 12 lower-case hex digits
#[derive(Clone, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String")]
pub struct VmId(String);

impl VmId {
    /// As long as the kernel lets a name be
    pub fn tap(&self) -> String {
        format!("{PREFIX}{}", self.0)
    }

    /// None for a device that is no tap of a vm
    pub fn of_tap(name: &str) -> Option<Self> {
        Self::try_from(name.strip_prefix(PREFIX)?.to_owned()).ok()
    }
}

impl TryFrom<String> for VmId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_id = text.len() == ID_DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if is_id { Ok(Self(text)) } else { Err("that is no id of a vm") }
    }
}

/// What a machine may reach besides the internet
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// What the host serves, at any of its addresses
    Host,
    /// The networks of homes, companies, providers and VPNs
    Private,
    LinkLocal,
    /// Where clouds give credentials to whoever asks from this host
    Metadata,
    /// Other machines that have this too
    Machines,
}

impl Reach {
    pub const ALL: [Self; 5] = [Self::Host, Self::Private, Self::LinkLocal, Self::Metadata, Self::Machines];

    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Metadata => "metadata",
            Self::Machines => "machines",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tap_tells_its_vm() {
        let vm = VmId::try_from("0123456789ab".to_owned()).unwrap();
        assert_eq!(vm.tap(), "bgr0123456789ab");
        assert_eq!(VmId::of_tap(&vm.tap()), Some(vm));
        for other in ["bgr-names", "bgr", "bgr0123456789AB", "tap0123456789ab", "bgr0123456789abc"] {
            assert_eq!(VmId::of_tap(other), None, "{other}");
        }
    }

    #[test]
    fn a_word_is_said_as_it_is_read() {
        for reach in Reach::ALL {
            assert_eq!(serde_json::to_value(reach).unwrap(), reach.word());
        }
    }
}
