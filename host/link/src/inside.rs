//! In the namespace that pasta made: close it, open what the guest finds in it, and become passt.

use std::convert::Infallible;
use std::fmt::{Display, Write as _};
use std::fs::File;
use std::io::{self, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::arguments::Link;
use crate::handover::{self, Sockets};

const NAMES_PORT: u16 = 53;

pub fn become_program(link: &Link, program: &[String]) -> Result<ExitCode, String> {
    match become_passt(link, program) {
        Ok(never) => match never {},
        Err(problem) => Err(problem),
    }
}

fn become_passt(link: &Link, program: &[String]) -> Result<Infallible, String> {
    run_ip(&ip_commands(link))?;
    let sockets = open_sockets(link).map_err(because("the sockets of the namespace"))?;
    handover::send(rustix::stdio::stdin(), &sockets).map_err(because("handing the sockets out"))?;
    drop(sockets);
    // pasta does not end what it started when it is killed.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(because("tying passt to pasta"))?;
    let nothing = File::open("/dev/null").map_err(because("/dev/null"))?;
    let [name, arguments @ ..] = program else { return Err("there is no program to become".to_owned()) };
    Err(because(name)(Command::new(name).args(arguments).stdin(nothing).exec()))
}

/// Rules, not routes: pasta copies the host's routes, and a more specific one would win. What is local goes before any
/// rule, and so the namespace's own addresses stay.
fn ip_commands(link: &Link) -> String {
    let mut commands = format!("address add {}/32 dev lo\naddress add {}/32 dev lo\n", link.names, link.host);
    for network in &link.closed {
        let _ = writeln!(commands, "rule add priority 100 to {network} prohibit");
    }
    commands
}

fn run_ip(commands: &str) -> Result<(), String> {
    let mut ip = Command::new("/bin/ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(because("/bin/ip of the package iproute2"))?;
    let written = ip.stdin.take().map(|mut stdin| stdin.write_all(commands.as_bytes()));
    let status = ip.wait().map_err(because("ip"))?;
    match written {
        Some(Ok(())) if status.success() => Ok(()),
        _ => Err(format!("ip could not set up the namespace: {status}")),
    }
}

fn open_sockets(link: &Link) -> io::Result<Sockets> {
    Ok(Sockets {
        names_udp: UdpSocket::bind((link.names, NAMES_PORT))?,
        names_tcp: TcpListener::bind((link.names, NAMES_PORT))?,
        host_ports: link
            .host_ports
            .iter()
            .map(|port| TcpListener::bind((link.host, *port)))
            .collect::<io::Result<_>>()?,
    })
}

fn because<Fault: Display>(what: &str) -> impl Fn(Fault) -> String {
    move |fault| format!("{what}: {fault}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_is_closed_by_rules() {
        let link = Link {
            names: [10, 0, 2, 3].into(),
            host: [10, 0, 2, 2].into(),
            host_ports: vec![],
            closed: vec!["169.254.0.0/16".to_owned()],
            resolvers: "/etc/resolv.conf".into(),
        };
        assert!(ip_commands(&link).ends_with("\nrule add priority 100 to 169.254.0.0/16 prohibit\n"));
    }
}
