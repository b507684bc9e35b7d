//! In the host's own network: open what a machine with an address of its own is made of there, and become the program that
//! serves it, behind walls.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use banger_kernel::sys::open_plain_tap;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with};

use crate::arguments::Wire;
use crate::inherited::{DEVICE, SOCKET, keep_as};
use crate::program::{because, become_program as become_command, command};

pub fn become_program(wire: &Wire, program: &[String]) -> Result<ExitCode, String> {
    match become_carrier(wire, program) {
        Ok(never) => match never {},
        Err(problem) => Err(problem),
    }
}

fn become_carrier(wire: &Wire, program: &[String]) -> Result<Infallible, String> {
    let carrier = command(program)?;
    let device = open_plain_tap(&wire.device).map_err(because(&wire.device))?;
    keep_as(DEVICE, &device).map_err(because(&wire.device))?;
    let socket = make_socket(&wire.socket).map_err(because(&wire.socket.to_string_lossy()))?;
    keep_as(SOCKET, &socket).map_err(because("the socket"))?;
    become_command(carrier)
}

/// Nobody can connect before `carry` listens.
fn make_socket(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}
