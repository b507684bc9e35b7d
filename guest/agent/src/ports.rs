//! `GET /v1/ports`: what listens in the machine, and which process it is.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use serde_json::json;

use crate::blocking::off_the_runtime;
use crate::http_answers::{Answer, Refusal};

/// A machine may have more of each; the answer then says that it is cut.
const MAX_PORTS: usize = 1024;
const MAX_DESCRIPTORS: usize = 200_000;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Port {
    protocol: &'static str,
    port: u16,
    address: String,
    pid: Option<u32>,
    process: Option<String>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct Listener {
    protocol: &'static str,
    address: IpAddr,
    port: u16,
    inode: u64,
}

struct Owner {
    pid: u32,
    name: String,
}

pub async fn list() -> Result<Answer, Refusal> {
    off_the_runtime(|| {
        let listeners: Vec<Listener> = ["tcp", "tcp6", "udp", "udp6"].into_iter().flat_map(read_table).collect();
        let (owners, has_all_owners) = owners(&listeners);
        Ok(answer(listeners, &owners, has_all_owners))
    })
    .await
}

/// Where programs listen on this port.
pub fn tcp_addresses(port: u16) -> Vec<IpAddr> {
    let all = ["tcp", "tcp6"].into_iter().flat_map(read_table);
    all.filter(|listener| listener.port == port).map(|listener| listener.address).collect()
}

fn read_table(table: &str) -> Vec<Listener> {
    listeners(table, &fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default())
}

fn answer(listeners: Vec<Listener>, owners: &HashMap<u64, Owner>, has_all_owners: bool) -> Answer {
    let mut ports: Vec<Port> = listeners.into_iter().map(|listener| describe(listener, owners)).collect();
    ports.sort();
    ports.dedup();
    let is_cut = ports.len() > MAX_PORTS || !has_all_owners;
    ports.truncate(MAX_PORTS);
    Answer::Json(json!({ "ports": ports, "isCut": is_cut }))
}

fn describe(Listener { protocol, address, port, inode }: Listener, owners: &HashMap<u64, Owner>) -> Port {
    let owner = owners.get(&inode);
    Port {
        protocol,
        port,
        address: address.to_string(),
        pid: owner.map(|owner| owner.pid),
        process: owner.map(|owner| owner.name.clone()),
    }
}

/// The rows of one of the kernel's tables that wait for somebody: listening for TCP, bound and not connected for UDP.
fn listeners(table: &str, text: &str) -> Vec<Listener> {
    let (protocol, waiting) = if table.starts_with("tcp") { ("tcp", "0A") } else { ("udp", "07") };
    let rows = text.lines().skip(1).filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, port) = columns.get(1)?.split_once(':')?;
        let is_waiting = *columns.get(3)? == waiting;
        let listener = Listener {
            protocol,
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            inode: columns.get(9)?.parse().ok()?,
        };
        is_waiting.then_some(listener)
    });
    rows.collect()
}

/// The kernel prints addresses as 32-bit words of the machine's own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).into())
        }
        _ => None,
    }
}

/// Who holds the sockets: of several processes the first, which is the parent of the others. False when the machine has
/// more descriptors than are looked at.
fn owners(listeners: &[Listener]) -> (HashMap<u64, Owner>, bool) {
    let mut owners = HashMap::new();
    let mut descriptors = 0;
    for pid in process_ids() {
        // A process that ended meanwhile owns nothing.
        for link in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            descriptors += 1;
            if descriptors > MAX_DESCRIPTORS {
                return (owners, false);
            }
            let Some(inode) = fs::read_link(link.path()).ok().and_then(|target| socket_inode(target.to_str()?)) else {
                continue;
            };
            if listeners.iter().any(|listener| listener.inode == inode) {
                owners.entry(inode).or_insert_with(|| Owner { pid, name: process_name(pid) });
            }
        }
    }
    (owners, true)
}

fn process_ids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut ids: Vec<u32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    ids
}

fn process_name(pid: u32) -> String {
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned()
}

/// `socket:[4711]`
fn socket_inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_shared_sample_is_what_the_kernels_tables_say() {
        let sample: Value =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/ports.json")).unwrap();
        let tables = sample["tables"].as_object().unwrap();
        let found = tables.iter().flat_map(|(table, text)| listeners(table, text.as_str().unwrap())).collect();
        let owners = HashMap::from([
            (1001, Owner { pid: 312, name: "sshd".into() }),
            (1003, Owner { pid: 700, name: "node".into() }),
        ]);
        let Answer::Json(answer) = answer(found, &owners, true) else { panic!("no JSON") };
        assert_eq!(answer, sample["answer"]);
    }

    #[test]
    fn a_listening_socket_of_this_process_is_found_by_name() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = listeners("tcp", &fs::read_to_string("/proc/net/tcp").unwrap());
        let mine = found.iter().find(|listener| listener.port == port).unwrap();
        let (owners, _) = owners(&found);
        assert_eq!(owners[&mine.inode].pid, std::process::id());
    }

    #[test]
    fn a_table_that_is_not_one_has_no_rows() {
        assert_eq!(listeners("tcp", "header\n0: nonsense\n1: 00:11 22 0A\n\n"), []);
        assert_eq!(parse_address("0100007"), None);
    }
}
