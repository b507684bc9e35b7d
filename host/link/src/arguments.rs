//! What the daemon wants, in the words of `network/network-command.ts`. Both sides read the same words.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

pub struct Arguments {
    pub side: Side,
    pub link: Link,
    /// Started by `outside`, and what `inside` becomes
    pub program: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    Inside,
    Outside,
}

#[derive(Debug, PartialEq)]
pub struct Link {
    /// Where the guest asks for names
    pub names: Ipv4Addr,
    /// Where the guest finds the ports of the host that it was given
    pub host: Ipv4Addr,
    pub host_ports: Vec<u16>,
    /// What the guest does not reach
    pub closed: Vec<Network>,
    /// The host's list of name servers
    pub resolvers: PathBuf,
}

/// "169.254.0.0/16"
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Network {
    pub address: Ipv4Addr,
    pub prefix: u8,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (address, prefix) = text.split_once('/')?;
            Some(Self { address: address.parse().ok()?, prefix: prefix.parse().ok().filter(|bits| *bits <= 32)? })
        };
        read().ok_or_else(|| format!("{text} is no network"))
    }
}

impl Arguments {
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let side = match words.next().as_deref() {
            Some("inside") => Side::Inside,
            Some("outside") => Side::Outside,
            _ => return Err("the first word is neither inside nor outside".to_owned()),
        };
        let mut link = Link {
            names: Ipv4Addr::UNSPECIFIED,
            host: Ipv4Addr::UNSPECIFIED,
            host_ports: Vec::new(),
            closed: Vec::new(),
            resolvers: PathBuf::new(),
        };
        while let Some(option) = words.next() {
            if option == "--" {
                return Ok(Self { side, link, program: words.collect() });
            }
            let value = words.next().ok_or_else(|| format!("{option} has no value"))?;
            let invalid = |_| format!("{option} {value} is not understood");
            match option.as_str() {
                "--names" => link.names = value.parse().map_err(invalid)?,
                "--host" => link.host = value.parse().map_err(invalid)?,
                "--host-port" => link.host_ports.push(value.parse().map_err(|_| format!("{value} is no port"))?),
                "--closed" => link.closed.push(value.parse()?),
                "--resolvers" => link.resolvers = value.into(),
                _ => return Err(format!("{option} is not known")),
            }
        }
        Err("there is no program after --".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_the_program_begins() {
        let words = "inside --names 10.0.2.3 --host 10.0.2.2 --host-port 5432 --closed 10.0.0.0/8 -- passt --names x";
        let read = Arguments::parse(words.split(' ').map(str::to_owned)).unwrap();
        assert_eq!(read.side, Side::Inside);
        assert_eq!(read.link.host_ports, [5432]);
        assert_eq!(read.link.closed, [Network { address: [10, 0, 0, 0].into(), prefix: 8 }]);
        assert_eq!(read.program, ["passt", "--names", "x"]);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for words in [
            "",
            "beside",
            "inside",
            "inside --names",
            "inside --names x -- p",
            "inside --host-port 70000 -- p",
            "inside --closed 10.0.0.0 -- p",
            "inside --closed 10.0.0.0/33 -- p",
        ] {
            assert!(Arguments::parse(words.split_terminator(' ').map(str::to_owned)).is_err(), "{words}");
        }
    }
}
