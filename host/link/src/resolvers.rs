//! The name servers of the host, as its resolv.conf has them now: they change with networks and VPNs.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open};

const PORT: u16 = 53;
/// As many as the C library uses
const MAX_SERVERS: usize = 3;
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// How long one that did not answer is asked last
const REST: Duration = Duration::from_secs(30);
/// More than there can be without the host's list changing all the time
const MAX_RESTING: usize = 16;

pub struct Resolvers {
    path: PathBuf,
    resting: Mutex<Vec<(SocketAddr, Instant)>>,
}

impl Resolvers {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), resting: Mutex::default() }
    }

    /// In the order in which they are to be asked. Read anew each time: the file is small, and in memory.
    pub fn now(&self) -> Vec<SocketAddr> {
        let mut servers = parse(&read(&self.path).unwrap_or_default());
        let mut resting = self.resting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        resting.retain(|(_, until)| *until > Instant::now());
        servers.sort_by_key(|server| resting.iter().any(|(rests, _)| rests == server));
        servers
    }

    pub fn note_silence(&self, server: SocketAddr) {
        let mut resting = self.resting.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        resting.retain(|(rests, _)| *rests != server);
        if resting.len() < MAX_RESTING {
            resting.push((server, Instant::now() + REST));
        }
    }
}

fn read(path: &Path) -> Option<String> {
    let descriptor = open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let file = File::from(descriptor);
    let mut bytes = Vec::new();
    file.metadata().ok().filter(fs::Metadata::is_file)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Without any the host's own is asked, as the C library does.
fn parse(text: &str) -> Vec<SocketAddr> {
    let mut servers: Vec<_> = text
        .lines()
        .filter_map(|line| {
            line.trim_start().strip_prefix("nameserver")?.split_whitespace().next().and_then(parse_server)
        })
        .take(MAX_SERVERS)
        .collect();
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
    }
    servers
}

fn parse_server(word: &str) -> Option<SocketAddr> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, PORT));
    }
    let (address, interface) = word.split_once('%')?;
    let scope = interface.parse().ok().or_else(|| index_of(interface))?;
    Some(SocketAddrV6::new(address.parse().ok()?, PORT, 0, scope).into())
}

fn index_of(interface: &str) -> Option<u32> {
    if interface.contains('/') {
        return None;
    }
    fs::read_to_string(format!("/sys/class/net/{interface}/ifindex")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_first_three_servers_are_asked_in_their_order() {
        let text = "# dhcp\nsearch lan\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 # x\nnameserver nonsense\n\
                    nameserver fe80::1%7\nnameserver 192.0.2.4\n";
        let servers: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%7]:53"]);
    }

    #[test]
    fn without_any_the_hosts_own_is_asked() {
        assert_eq!(parse("options edns0\n"), ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn what_programs_write_into_it_is_understood() {
        let servers = |text: &str| parse(text).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let many: String = (1..=10).map(|host| format!("nameserver 192.0.2.{host}\n")).collect();
        for (text, expected) in [
            ("", "127.0.0.1:53"),
            ("\u{fffd}\0nameserver\nnameserver \nnameserver 1.2.3\nnameserver fe80::1%../x\n", "127.0.0.1:53"),
            ("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", "127.0.0.53:53"),
            ("nameserver 2001:db8::1\nnameserver 2001:db8::2\n", "[2001:db8::1]:53 [2001:db8::2]:53"),
            ("nameserver 192.0.2.1\r\noptions timeout:1\r\n", "192.0.2.1:53"),
            (many.as_str(), "192.0.2.1:53 192.0.2.2:53 192.0.2.3:53"),
        ] {
            assert_eq!(servers(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_put_in_its_place_counts_however_it_came_there() {
        let folder = std::env::temp_dir().join(format!("banger-link-replaced-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("resolv.conf");
        let resolvers = Resolvers::new(&path);
        let first = || resolvers.now()[0].ip().to_string();
        for (name, server) in [("wifi", "192.0.2.1"), ("vpn", "192.0.2.2")] {
            fs::write(folder.join(name), format!("nameserver {server}\n")).unwrap();
            symlink(name, folder.join("link")).unwrap();
            fs::rename(folder.join("link"), &path).unwrap();
            assert_eq!(first(), server);
        }
        fs::rename(folder.join("wifi"), &path).unwrap();
        assert_eq!(first(), "192.0.2.1");
        fs::remove_file(&path).unwrap();
        assert_eq!(first(), "127.0.0.1");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_change_counts_at_once_and_one_that_is_silent_is_asked_last() {
        let path = std::env::temp_dir().join(format!("banger-link-resolvers-{}", std::process::id()));
        fs::write(&path, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n").unwrap();
        let resolvers = Resolvers::new(&path);
        let first = resolvers.now()[0];
        for _ in 0..2 * MAX_RESTING {
            resolvers.note_silence("192.0.2.7:53".parse().unwrap()); // many questions at once wait for one server
        }
        resolvers.note_silence(first);
        assert_eq!(resolvers.now()[0], "192.0.2.2:53".parse().unwrap());
        assert_eq!(resolvers.now()[1], first);
        fs::write(&path, "nameserver 192.0.2.9\n").unwrap();
        assert_eq!(resolvers.now(), ["192.0.2.9:53".parse().unwrap()]);
        fs::remove_file(&path).unwrap();
    }
}
