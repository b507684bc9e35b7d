//! What the daemon wants, in the words of `network/network-command.ts`. Both sides read the same words.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, PartialEq)]
pub enum Arguments {
    /// And the program that it becomes
    Inside(Link, Vec<String>),
    /// And the program that it starts
    Outside(Link, Vec<String>),
    /// And the program that it becomes
    Tap(Tap, Vec<String>),
    /// The device of the hypervisor, and where it is written why the network has ended
    Relay(String, PathBuf),
    /// And the program that it becomes
    Routed(Wire, Vec<String>),
    /// Which machine's it is, its words tell to whoever looks for it
    Carry,
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

#[derive(Debug, PartialEq)]
pub struct Tap {
    /// Where passt takes and gives frames
    pub socket: PathBuf,
    /// The device that the program takes
    pub device: String,
    /// Written when the network has ended
    pub ended: PathBuf,
}

#[derive(Debug, PartialEq)]
pub struct Wire {
    /// The device of the host's that is there for one machine
    pub device: String,
    /// Where its hypervisor takes and gives frames
    pub socket: PathBuf,
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
        match words.next().as_deref() {
            Some("inside") => Link::parse(words).map(|(link, program)| Self::Inside(link, program)),
            Some("outside") => Link::parse(words).map(|(link, program)| Self::Outside(link, program)),
            Some("tap") => Tap::parse(words).map(|(tap, program)| Self::Tap(tap, program)),
            Some("relay") => {
                let mut next = || words.next().ok_or("the relay is told too little");
                Ok(Self::Relay(next()?, next()?.into()))
            }
            Some("routed") => Wire::parse(words).map(|(wire, program)| Self::Routed(wire, program)),
            Some("carry") => Ok(Self::Carry),
            _ => Err("the first word is not inside, outside, tap, relay, routed or carry".to_owned()),
        }
    }
}

impl Link {
    fn parse(words: impl Iterator<Item = String>) -> Result<(Self, Vec<String>), String> {
        let mut link = Self {
            names: Ipv4Addr::UNSPECIFIED,
            host: Ipv4Addr::UNSPECIFIED,
            host_ports: Vec::new(),
            closed: Vec::new(),
            resolvers: PathBuf::new(),
        };
        let program = read_options(words, |option, value| {
            let invalid = |_| format!("{option} {value} is not understood");
            match option {
                "--names" => link.names = value.parse().map_err(invalid)?,
                "--host" => link.host = value.parse().map_err(invalid)?,
                "--host-port" => link.host_ports.push(value.parse().map_err(|_| format!("{value} is no port"))?),
                "--closed" => link.closed.push(value.parse()?),
                "--resolvers" => link.resolvers = value.into(),
                _ => return Err(format!("{option} is not known")),
            }
            Ok(())
        })?;
        Ok((link, program))
    }
}

impl Tap {
    fn parse(words: impl Iterator<Item = String>) -> Result<(Self, Vec<String>), String> {
        let mut tap = Self { socket: PathBuf::new(), device: String::new(), ended: PathBuf::new() };
        let program = read_options(words, |option, value| {
            match option {
                "--socket" => tap.socket = value.into(),
                "--tap" => value.clone_into(&mut tap.device),
                "--ended" => tap.ended = value.into(),
                _ => return Err(format!("{option} is not known")),
            }
            Ok(())
        })?;
        Ok((tap, program))
    }
}

impl Wire {
    fn parse(words: impl Iterator<Item = String>) -> Result<(Self, Vec<String>), String> {
        let mut wire = Self { device: String::new(), socket: PathBuf::new() };
        let program = read_options(words, |option, value| {
            match option {
                "--tap" => value.clone_into(&mut wire.device),
                "--socket" => wire.socket = value.into(),
                _ => return Err(format!("{option} is not known")),
            }
            Ok(())
        })?;
        Ok((wire, program))
    }
}

/// Gives each option with its value to `take`; what comes after them is the program.
fn read_options(
    mut words: impl Iterator<Item = String>,
    mut take: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<Vec<String>, String> {
    while let Some(option) = words.next() {
        if option == "--" {
            return Ok(words.collect());
        }
        let value = words.next().ok_or_else(|| format!("{option} has no value"))?;
        take(&option, &value)?;
    }
    Err("there is no program after --".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_where_the_program_begins() {
        let words = "inside --names 10.0.2.3 --host 10.0.2.2 --host-port 5432 --closed 10.0.0.0/8 -- passt --names x";
        let Arguments::Inside(link, program) = parse(words).unwrap() else { panic!("it is another side") };
        assert_eq!(link.host_ports, [5432]);
        assert_eq!(link.closed, [Network { address: [10, 0, 0, 0].into(), prefix: 8 }]);
        assert_eq!(program, ["passt", "--names", "x"]);
        let words = "tap --socket s --tap fc0 --ended e -- firecracker --tap x";
        let Arguments::Tap(tap, program) = parse(words).unwrap() else { panic!("it is another side") };
        assert_eq!(tap, Tap { socket: "s".into(), device: "fc0".to_owned(), ended: "e".into() });
        assert_eq!(program, ["firecracker", "--tap", "x"]);
        let words = "routed --tap bgr0123456789ab --socket s -- bwrap -- banger-link carry bgr0123456789ab s";
        let Arguments::Routed(wire, program) = parse(words).unwrap() else { panic!("it is another side") };
        assert_eq!(wire, Wire { device: "bgr0123456789ab".to_owned(), socket: "s".into() });
        assert_eq!(parse(&program[3..].join(" ")).unwrap(), Arguments::Carry);
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
            "tap --names 10.0.2.3 -- p",
            "tap --tap fc0",
            "relay fc0",
            "routed --tap bgr0123456789ab",
            "routed --names 10.0.2.3 -- p",
        ] {
            assert!(parse(words).is_err(), "{words}");
        }
    }

    fn parse(words: &str) -> Result<Arguments, String> {
        Arguments::parse(words.split_terminator(' ').map(str::to_owned))
    }
}
