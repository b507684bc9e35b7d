//! In the host's own network: start pasta, serve the sockets that come out of its namespace, end when it ends.

use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitCode, ExitStatus};

use crate::arguments::Link;
use crate::program::{command, start_tied};
use crate::{handover, host_ports, names, own_addresses};

pub fn serve_until_end(link: &Link, program: &[String]) -> Result<ExitCode, String> {
    let (mut ours, theirs) = UnixStream::pair().map_err(|fault| fault.to_string())?;
    let mut pasta = command(program)?;
    pasta.stdin(OwnedFd::from(theirs));
    let mut child = start_tied(pasta)?;
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

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
