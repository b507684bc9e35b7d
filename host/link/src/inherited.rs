//! Descriptors that go by their numbers from one program to the one that it becomes.

use std::io;
use std::os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

/// Far from those that a program starts with
pub const DEVICE: RawFd = 10;
pub const SOCKET: RawFd = 11;
/// Given by whoever starts the first of them, to be told something
pub const REPORT: RawFd = 3;

/// Under this number, for the program that this one becomes.
pub fn keep_as(number: RawFd, descriptor: &OwnedFd) -> io::Result<()> {
    let kept = fcntl_dupfd_cloexec(descriptor, number)?;
    if kept.as_raw_fd() != number {
        return Err(io::Error::other(format!("descriptor {number} is taken")));
    }
    fcntl_setfd(&kept, FdFlags::empty())?;
    let _ = kept.into_raw_fd(); // it stays open
    Ok(())
}
