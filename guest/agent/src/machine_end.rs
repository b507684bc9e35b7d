//! How the machine ends. QEMU runs with -no-reboot, so that a reset ends it as a power-off does. Where a power-off would only
//! halt it, a reset stands for both, and the host is told before which of the two is meant.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::system::{RebootCommand, reboot};

use crate::command_line::{CommandLine, EndKind, LineKind};
use crate::{console, mounts, vsock};

/// How systemd calls what it runs as the last program
pub const CALLED_BY_SYSTEMD: &str = "/shutdown";

/// An end waits no longer for the host to be told
const PATIENCE: Duration = Duration::from_secs(1);

/// Nor for the disk: what has been synced is safe in its journal
const DISK_PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goodbye {
    PowerOff,
    Reset,
}

impl Goodbye {
    pub fn word(self) -> &'static str {
        match self {
            Self::PowerOff => "power-off",
            Self::Reset => "reset",
        }
    }

    /// What systemd's word for an end means.
    fn of_verb(verb: &str) -> Self {
        if matches!(verb, "poweroff" | "halt") { Self::PowerOff } else { Self::Reset }
    }
}

pub fn reset() -> ! {
    end(Goodbye::Reset, EndKind::Reset)
}

pub fn power_off() -> ! {
    end(Goodbye::PowerOff, CommandLine::of_this_machine().end)
}

/// In the place of systemd, which has stopped everything and unmounted what it sees. Only where a reset ends the machine.
pub fn end_after_systemd(verb: &str) -> ! {
    rustix::fs::sync();
    wait_for(DISK_PATIENCE, || {
        let settled =
            CommandLine::of_this_machine().boot_config().and_then(|config| mounts::settle_disk(&config.disk_drive));
        if let Err(failure) = settled {
            console::say(&format!("the disk is left as after a power cut: {} {}", failure.code, failure.message));
        }
    });
    end(Goodbye::of_verb(verb), EndKind::Reset)
}

fn end(goodbye: Goodbye, by: EndKind) -> ! {
    rustix::fs::sync();
    if CommandLine::of_this_machine().line == LineKind::Vsock {
        tell_host(goodbye, vsock::call_for_goodbye);
    }
    let command = match by {
        EndKind::PowerOff => RebootCommand::PowerOff,
        EndKind::Reset => RebootCommand::Restart,
    };
    if let Err(error) = reboot(command) {
        console::say(&format!("reboot was refused: {error}"));
    }
    loop {
        thread::park();
    }
}

/// A host that is not there, or slow, does not hear it.
fn tell_host(goodbye: Goodbye, call: impl FnOnce() -> io::Result<OwnedFd> + Send + 'static) {
    wait_for(PATIENCE, move || {
        if let Ok(host) = call() {
            // Closing then waits until the hypervisor has taken what was written.
            let _ = set_socket_linger(&host, Some(PATIENCE));
            let _ = rustix::io::write(&host, format!("{}\n", goodbye.word()).as_bytes());
        }
    });
}

/// What is not done by then goes on alone.
fn wait_for(patience: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let working = thread::Builder::new().spawn(move || {
        work();
        let _ = done.send(());
    });
    if working.is_ok() {
        let _ = is_done.recv_timeout(patience);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_host_is_told_in_a_line_and_an_end_waits_for_no_host_that_does_not_answer() {
        let (mut host, guest) = UnixStream::pair().unwrap();
        tell_host(Goodbye::PowerOff, || Ok(guest.into()));
        let mut said = String::new();
        host.read_to_string(&mut said).unwrap();
        assert_eq!(said, "power-off\n");

        let (_kept, nobody) = mpsc::channel::<()>();
        let (began, call) = (Instant::now(), move || {
            let _ = nobody.recv_timeout(Duration::from_secs(60));
            Err(io::ErrorKind::TimedOut.into())
        });
        tell_host(Goodbye::Reset, call);
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn what_systemd_calls_an_end_is_a_power_off_or_a_reset() {
        assert_eq!(["poweroff", "halt"].map(Goodbye::of_verb), [Goodbye::PowerOff; 2]);
        assert_eq!(["reboot", "kexec", ""].map(Goodbye::of_verb), [Goodbye::Reset; 3]);
    }
}
