//! In the namespace that pasta made: close it, open what the guest finds in it, and become passt.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::process::CommandExt as _;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::arguments::Link;
use crate::handover::{self, Sockets};
use crate::kernel::Kernel;
use crate::program::{because, command};

const NAMES_PORT: u16 = 53;

pub fn become_program(link: &Link, program: &[String]) -> Result<ExitCode, String> {
    match become_passt(link, program) {
        Ok(never) => match never {},
        Err(problem) => Err(problem),
    }
}

fn become_passt(link: &Link, program: &[String]) -> Result<Infallible, String> {
    let kernel = set_up(link).map_err(because("setting up the namespace"))?;
    let sockets = open_sockets(kernel, link).map_err(because("the sockets of the namespace"))?;
    handover::send(rustix::stdio::stdin(), &sockets).map_err(because("handing the sockets out"))?;
    drop(sockets);
    // pasta does not end what it started when it is killed.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(because("tying passt to pasta"))?;
    io::stdin().read_exact(&mut [0]).map_err(because("waiting for the last walls"))?;
    let nothing = File::open("/dev/null").map_err(because("/dev/null"))?;
    let mut passt = command(program)?;
    Err(because("passt")(passt.stdin(nothing).exec()))
}

/// What is local goes before any rule, and so the namespace's own addresses stay.
fn set_up(link: &Link) -> io::Result<Kernel> {
    let kernel = Kernel::open()?;
    for address in [link.names, link.host] {
        kernel.add_address(address)?;
    }
    for network in &link.closed {
        kernel.close(*network)?;
    }
    Ok(kernel)
}

fn open_sockets(kernel: Kernel, link: &Link) -> io::Result<Sockets> {
    Ok(Sockets {
        kernel,
        names_udp: UdpSocket::bind((link.names, NAMES_PORT))?,
        names_tcp: TcpListener::bind((link.names, NAMES_PORT))?,
        host_ports: link
            .host_ports
            .iter()
            .map(|port| TcpListener::bind((link.host, *port)))
            .collect::<io::Result<_>>()?,
    })
}
