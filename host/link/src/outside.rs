//! In the host's own network: start pasta, serve the sockets that come out of its namespace, end when it ends.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::arguments::Link;
use crate::{handover, host_ports, names, own_addresses};

pub fn serve_until_end(link: &Link, program: &[String]) -> Result<ExitCode, String> {
    let (mut ours, theirs) = UnixStream::pair().map_err(|fault| fault.to_string())?;
    let mut child = start_tied(program, theirs.into())?;
    if let Some(sockets) = handover::receive(ours.as_fd()).map_err(|fault| fault.to_string())? {
        own_addresses::close_each(sockets.kernel).map_err(|fault| format!("closing the host's addresses: {fault}"))?;
        names::serve(sockets.names_udp, sockets.names_tcp, link);
        for (listener, port) in sockets.host_ports.into_iter().zip(&link.host_ports) {
            host_ports::serve(listener, *port);
        }
        ours.write_all(b"x").map_err(|fault| fault.to_string())?;
    }
    let status = child.wait().map_err(|fault| fault.to_string())?;
    Ok(exit_code(status))
}

/// Ended together with this process, however that ends.
fn start_tied(program: &[String], channel: OwnedFd) -> Result<Child, String> {
    let [name, arguments @ ..] = program else { return Err("there is no program to start".to_owned()) };
    let mut command = Command::new(name);
    command.args(arguments).stdin(channel);
    #[allow(unsafe_code)]
    // SAFETY: between fork and exec it makes one system call, and allocates nothing.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    command.spawn().map_err(|fault| format!("{name}: {fault}"))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
