//! Who this machine is: its name, its id, and how it finds others by name.

use std::fs;
use std::io;

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::command_line::BootConfig;

/// Marks our line in `/etc/hosts`
const MARK: &str = "# banger";

pub fn write(config: &BootConfig) -> Result<(), BootFailure> {
    const CODE: &str = "IDENTITY_FAILED";
    rustix::system::sethostname(config.hostname.as_bytes()).or_fail(CODE, "setting the host name")?;
    fs::create_dir_all("/etc").or_fail(CODE, "/etc")?;
    replace("/etc/hostname", &format!("{}\n", config.hostname)).or_fail(CODE, "/etc/hostname")?;
    replace("/etc/machine-id", &format!("{}\n", config.machine_id)).or_fail(CODE, "/etc/machine-id")?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    replace("/etc/hosts", &hosts_with(&hosts, &config.hostname)).or_fail(CODE, "/etc/hosts")?;
    if let Some(network) = &config.network {
        let servers: String = network.dns.iter().map(|server| format!("nameserver {server}\n")).collect();
        replace("/etc/resolv.conf", &servers).or_fail(CODE, "/etc/resolv.conf")?;
    }
    Ok(())
}

/// The image's hosts, with `localhost` and exactly one line of ours.
fn hosts_with(hosts: &str, hostname: &str) -> String {
    let mut lines: Vec<String> = hosts.lines().filter(|line| !line.ends_with(MARK)).map(str::to_owned).collect();
    let names_localhost = |line: &String| {
        let mut words = line.split_whitespace();
        words.next() == Some("127.0.0.1") && words.any(|word| word == "localhost")
    };
    if !lines.iter().any(names_localhost) {
        lines.insert(0, "127.0.0.1 localhost".to_owned());
        lines.insert(1, "::1 localhost ip6-localhost ip6-loopback".to_owned());
    }
    lines.push(format!("127.0.1.1 {hostname} {MARK}"));
    lines.join("\n") + "\n"
}

/// Writes the file if it says something else; a symbolic link in its place is replaced, not followed. A rename is also
/// quicker than writing into a file of the image, which the overlay would first copy and sync.
fn replace(path: &str, content: &str) -> io::Result<()> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|there| there.is_file());
    if is_file && fs::read(path).is_ok_and(|there| there == content.as_bytes()) {
        return Ok(());
    }
    let unfinished = format!("{path}.banger");
    fs::write(&unfinished, content)?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_keeps_what_the_image_says_and_one_line_of_ours() {
        let once = hosts_with("127.0.0.1 localhost\n10.1.2.3 db\n", "web");
        assert_eq!(once, "127.0.0.1 localhost\n10.1.2.3 db\n127.0.1.1 web # banger\n");
        let renamed = hosts_with(&once, "shop");
        assert_eq!(renamed, "127.0.0.1 localhost\n10.1.2.3 db\n127.0.1.1 shop # banger\n");
    }

    #[test]
    fn an_image_without_hosts_gets_localhost() {
        assert!(hosts_with("", "web").starts_with("127.0.0.1 localhost\n::1 localhost"));
    }
}
