//! Reading what a process writes, and writing what it reads, without blocking the runtime.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::frames::{HEADER_BYTES, PAYLOAD_LIMIT_BYTES, ToHost, header};
use crate::sys;

/// What a pipe holds, so that the process and the agent take longer turns
const PIPE_BYTES: usize = 256 * 1024;

/// One end of a pipe or a terminal
#[derive(Clone)]
pub struct GuestFile(Arc<AsyncFd<OwnedFd>>);

/// A pipe for the process's output: our end and its end.
pub fn output_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    prepare(&ours)?;
    Ok((ours, theirs))
}

/// A pipe for the process's input: our end and its end.
pub fn input_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (theirs, ours) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    prepare(&ours)?;
    Ok((ours, theirs))
}

fn prepare(ours: &OwnedFd) -> io::Result<()> {
    // A user's pipes may be limited to the usual size, which works as well.
    let _ = rustix::pipe::fcntl_setpipe_size(ours, PIPE_BYTES);
    Ok(rustix::io::ioctl_fionbio(ours, true)?)
}

impl GuestFile {
    pub fn new(file: OwnedFd, interest: Interest) -> io::Result<Self> {
        Ok(Self(Arc::new(sys::watch_descriptor(file, interest)?)))
    }

    pub fn descriptor(&self) -> &OwnedFd {
        self.0.get_ref()
    }

    /// The next output as a frame; `None` at its end.
    pub async fn read_frame(&self, kind: ToHost) -> Option<Bytes> {
        loop {
            let mut guard = self.0.readable().await.ok()?;
            let mut frame = Vec::with_capacity(HEADER_BYTES + PAYLOAD_LIMIT_BYTES);
            frame.resize(HEADER_BYTES, 0);
            match rustix::io::read(self.0.get_ref(), spare_capacity(&mut frame)) {
                Ok(0) => return None,
                Ok(count) => {
                    frame[..HEADER_BYTES].copy_from_slice(&header(kind, count));
                    return Some(frame.into());
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                // A terminal whose last user is gone answers EIO.
                Err(_) => return None,
            }
        }
    }

    /// Writes some of the bytes; an error means that nobody will ever read them.
    pub async fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut guard = self.0.writable().await?;
            match rustix::io::write(self.0.get_ref(), bytes) {
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                done => return Ok(done?),
            }
        }
    }
}
