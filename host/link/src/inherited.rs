//! Descriptors that go by their numbers from one program to the one that it becomes.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};

use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

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

/// To be called once for each number.
pub fn take(number: RawFd) -> Result<OwnedFd, Errno> {
    #[allow(unsafe_code)]
    // SAFETY: nothing else in this process has this number; where it is not open, the first use says so.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    if let Err(fault) = fcntl_getfd(&descriptor) {
        let _ = descriptor.into_raw_fd(); // nobody's, and not to be closed
        return Err(fault);
    }
    Ok(descriptor)
}
