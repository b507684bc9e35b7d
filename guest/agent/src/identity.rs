//! Who this machine is: its name, its id, and how it finds others by name.

use std::fs;
use std::io;

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::command_line::{BootConfig, InterfaceConfig, is_host_name};

/// Ends our line in `/etc/hosts`, which says under which names this machine knew itself at its last boot: the host name,
/// and the vm's
const MARK: &str = "# banger";

pub fn write(config: &BootConfig) -> Result<(), BootFailure> {
    const CODE: &str = "IDENTITY_FAILED";
    fs::create_dir_all("/etc").or_fail(CODE, "/etc")?;
    let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
    let set_inside = fs::read_to_string("/etc/hostname").unwrap_or_default();
    let hostname = host_name(&hosts, &set_inside, &config.hostname);
    rustix::system::sethostname(hostname.as_bytes()).or_fail(CODE, "setting the host name")?;
    replace("/etc/hostname", &format!("{hostname}\n")).or_fail(CODE, "/etc/hostname")?;
    replace("/etc/machine-id", &format!("{}\n", config.machine_id)).or_fail(CODE, "/etc/machine-id")?;
    replace("/etc/hosts", &hosts_with(&hosts, hostname, &config.hostname)).or_fail(CODE, "/etc/hosts")?;
    if let Some(way_out) = config.interfaces.first() {
        replace("/etc/resolv.conf", &resolv_conf(way_out)).or_fail(CODE, "/etc/resolv.conf")?;
    }
    Ok(())
}

/// What somebody has set in the machine stays; the vm's name at the first boot, and on the disk of another vm.
fn host_name<'a>(hosts: &str, set_inside: &'a str, vm_name: &'a str) -> &'a str {
    let known_as = hosts.lines().find_map(|line| line.strip_suffix(MARK)?.split_whitespace().last());
    let set_inside = set_inside.trim();
    let is_ours = known_as == Some(vm_name);
    if is_ours && is_host_name(set_inside) { set_inside } else { vm_name }
}

fn resolv_conf(network: &InterfaceConfig) -> String {
    let mut lines: Vec<String> = network.dns.iter().map(|server| format!("nameserver {server}\n")).collect();
    if !network.search.is_empty() {
        lines.push(format!("search {}\n", network.search.join(" ")));
    }
    lines.concat()
}

/// The image's hosts, with `localhost` and exactly one line of ours.
fn hosts_with(hosts: &str, hostname: &str, vm_name: &str) -> String {
    let mut lines: Vec<String> = hosts.lines().filter(|line| !line.ends_with(MARK)).map(str::to_owned).collect();
    let names_localhost = |line: &String| {
        let mut words = line.split_whitespace();
        words.next() == Some("127.0.0.1") && words.any(|word| word == "localhost")
    };
    if !lines.iter().any(names_localhost) {
        lines.insert(0, "127.0.0.1 localhost".to_owned());
        lines.insert(1, "::1 localhost ip6-localhost ip6-loopback".to_owned());
    }
    let names = if hostname == vm_name { vm_name.to_owned() } else { format!("{hostname} {vm_name}") };
    lines.push(format!("127.0.1.1 {names} {MARK}"));
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
        let once = hosts_with("127.0.0.1 localhost\n10.1.2.3 db\n", "web", "web");
        assert_eq!(once, "127.0.0.1 localhost\n10.1.2.3 db\n127.0.1.1 web # banger\n");
        let renamed = hosts_with(&once, "shop", "web");
        assert_eq!(renamed, "127.0.0.1 localhost\n10.1.2.3 db\n127.0.1.1 shop web # banger\n");
    }

    #[test]
    fn names_are_asked_of_the_servers_and_completed_with_the_domains() {
        let mut network = InterfaceConfig {
            address: [10, 0, 2, 15].into(),
            prefix: 24,
            gateway: [10, 0, 2, 2].into(),
            dns: vec![[10, 0, 2, 3].into()],
            search: vec![],
        };
        assert_eq!(resolv_conf(&network), "nameserver 10.0.2.3\n");
        network.search = vec!["corp.example".to_owned(), "lan".to_owned()];
        assert_eq!(resolv_conf(&network), "nameserver 10.0.2.3\nsearch corp.example lan\n");
    }

    #[test]
    fn an_image_without_hosts_gets_localhost() {
        assert!(hosts_with("", "web", "web").starts_with("127.0.0.1 localhost\n::1 localhost"));
    }

    #[test]
    fn a_name_that_was_set_inside_stays_and_no_other_does() {
        let ours = hosts_with("", "web", "web");
        assert_eq!(host_name("", "debian\n", "web"), "web", "of the image");
        assert_eq!(host_name(&ours, "shop\n", "web"), "shop");
        assert_eq!(host_name(&hosts_with(&ours, "shop", "web"), "shop\n", "web"), "shop", "at the boot after that");
        assert_eq!(host_name(&ours, "shop\n", "copy"), "copy", "the disk came from another vm");
        for wrong in ["", "\n", "a b", "-x\u{1b}", &"x".repeat(64)] {
            assert_eq!(host_name(&ours, wrong, "web"), "web", "{wrong:?}");
        }
    }
}
