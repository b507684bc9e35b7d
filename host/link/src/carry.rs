//! Behind walls, with a tap and a socket and nothing else: carries frames between the two, for one hypervisor, until it or the
//! tap has ended. What it prints says which.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;

use banger_kernel::sys::inherited;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use rustix::net::{SocketFlags, accept_with, listen};

use crate::inherited::{DEVICE, REPORT, SOCKET};
use crate::program::because;
use crate::{power, relay};

pub fn carry_until_end() -> Result<ExitCode, String> {
    let device = inherited(DEVICE).map_err(because("the device"))?;
    let socket = inherited(SOCKET).map_err(because("the socket"))?;
    power::give_up().map_err(because("giving up all power"))?;
    listen(&socket, 1).map_err(because("the socket"))?;
    report_ready().map_err(because("telling that it is ready"))?;
    let outcome = await_machine(&device, socket)
        .and_then(|machine| relay::carry(device.as_fd(), machine.as_fd(), None, "the machine"));
    let Err(why) = outcome;
    println!("banger-link: {why}");
    Ok(ExitCode::SUCCESS)
}

fn report_ready() -> io::Result<()> {
    File::from(inherited(REPORT)?).write_all(b"ready")
}

/// One machine has this network, and has it once.
fn await_machine(device: &OwnedFd, socket: OwnedFd) -> io::Result<OwnedFd> {
    let mut wanted = [
        PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN),
        PollFd::from_borrowed_fd(device.as_fd(), PollFlags::empty()),
    ];
    retry_on_intr(|| poll(&mut wanted, None))?;
    if !wanted[1].revents().is_empty() {
        return Err(io::Error::other("the device is gone"));
    }
    Ok(accept_with(&socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?)
}
