//! Others load their rules anew, and with them goes what machines need. It is put back as soon as they are done.

use std::convert::Infallible;
use std::io;
use std::os::fd::AsFd as _;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::kernel::RuleChanges;
use crate::operations::Helper;

/// Between two changes of one reload lies less
const QUIET: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Who changes all the time is not waited for for ever.
const MAX_CHANGES: usize = 5000;

/// Restores what an earlier helper left, and then after each change.
pub fn start(helper: &Arc<Mutex<Helper>>) -> io::Result<()> {
    let changes = RuleChanges::listen()?; // before the first look, so that no change is missed
    let helper = Arc::clone(helper);
    thread::Builder::new().spawn(move || {
        let Err(fault) = restore_for_ever(&changes, &helper);
        // Without it machines may lose their way, or their walls: systemd starts another.
        eprintln!("the host's rules cannot be followed: {fault}");
        process::exit(1);
    })?;
    Ok(())
}

fn restore_for_ever(changes: &RuleChanges, helper: &Mutex<Helper>) -> io::Result<Infallible> {
    loop {
        let outcome = helper.lock().unwrap_or_else(PoisonError::into_inner).restore();
        if let Err(refusal) = outcome {
            eprintln!("after a change of the host's rules: {:?}: {}", refusal.code, refusal.message);
        }
        wait_for_change(changes)?;
    }
}

/// Until it is over.
fn wait_for_change(changes: &RuleChanges) -> io::Result<()> {
    changes.take()?;
    for _ in 0..MAX_CHANGES {
        match poll(&mut [PollFd::from_borrowed_fd(changes.as_fd(), PollFlags::IN)], Some(&QUIET)) {
            Ok(0) => return Ok(()),
            Ok(_) => changes.take()?,
            Err(rustix::io::Errno::INTR) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}
