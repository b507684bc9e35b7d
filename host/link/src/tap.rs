//! In the namespace of a hypervisor that takes only a tap device: give it one that leads to passt, and become it.

use std::convert::Infallible;
use std::env;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use banger_kernel::sys::{ignore_ended_children, keep_tap, make_plain_tap, make_tap};
use rustix::process::getuid;

use crate::arguments::Tap;
use crate::program::{because, become_program as become_command, command, start_tied};
use crate::{links, power};

const ROUTES: &str = "/proc/self/net/route";
/// Its other side of the hub
const OURS: &str = "relay";

pub fn become_program(tap: &Tap, program: &[String]) -> Result<ExitCode, String> {
    match become_hypervisor(tap, program) {
        Ok(never) => match never {},
        Err(problem) => Err(problem),
    }
}

fn become_hypervisor(tap: &Tap, program: &[String]) -> Result<Infallible, String> {
    let hypervisor = command(program)?;
    refuse_foreign_namespace()?;
    let device = make_devices(&tap.device)?;
    let socket = connect(&tap.socket).map_err(because(&tap.socket.to_string_lossy()))?;
    power::give_up().map_err(because("giving up all power"))?;
    start_relay(tap, device, socket)?;
    ignore_ended_children(); // the hypervisor does not know that it has one
    become_command(hypervisor)
}

/// Where walls are missing this may be the host's own, whose network is not ours to change. It has routes, or no vm has a
/// network.
fn refuse_foreign_namespace() -> Result<(), String> {
    let routes = fs::read_to_string(ROUTES).map_err(because(ROUTES))?;
    let has_routes = routes.lines().nth(1).is_some(); // after the names of the columns
    if has_routes { Err("this is no network namespace of its own: it has routes".to_owned()) } else { Ok(()) }
}

/// Two devices: what the hypervisor puts into its own may be long and without checksums, for the network card to finish. The
/// kernel makes plain frames of it for the other, which is ours.
fn make_devices(name: &str) -> Result<OwnedFd, String> {
    // What belongs to nobody is opened by everybody on some kernels, and on others by who has power over the network.
    make_tap(name, getuid().as_raw()).and_then(|device| keep_tap(&device)).map_err(because(name))?;
    let ours = make_plain_tap(OURS).map_err(because(OURS))?;
    links::connect([name, OURS]).map_err(because("connecting the devices"))?;
    Ok(ours)
}

/// passt takes one connection, and ends with it.
fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = UnixStream::connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn start_relay(tap: &Tap, device: OwnedFd, socket: OwnedFd) -> Result<(), String> {
    let mut relay = Command::new(env::args_os().next().unwrap_or_default());
    relay.arg("relay").arg(&tap.device).arg(&tap.ended).stdin(device).stdout(socket).stderr(Stdio::null());
    start_tied(relay).map(drop)
}
