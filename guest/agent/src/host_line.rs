//! Which line leads to the host: the hypervisor's, as the kernel command line says.

use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::boot_failure::BootFailure;
use crate::command_line::{CommandLine, LineKind};
use crate::line::Line;
use crate::serial_line::SerialLine;
use crate::socket_line::SocketLine;

/// The driver may still be finding it, and an agent before this one may still have it.
pub fn open_when_there(patience: Duration) -> Result<Box<dyn Line>, BootFailure> {
    match CommandLine::of_this_machine().line {
        LineKind::Serial => Ok(Box::new(SerialLine::open_when_there(patience)?)),
        LineKind::Vsock => Ok(Box::new(open_vsock(patience)?)),
    }
}

fn open_vsock(patience: Duration) -> Result<SocketLine, BootFailure> {
    let deadline = Instant::now() + patience;
    loop {
        match SocketLine::on_vsock() {
            Ok(line) => return Ok(line),
            // The modules are loaded, or there are none.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::AFNOSUPPORT) => {
                return Err(BootFailure::new("PORT_MISSING", "the kernel has no vsock"));
            }
            Err(error) if Instant::now() > deadline => {
                return Err(BootFailure::new("PORT_MISSING", format!("the machine has no vsock: {error}")));
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}
