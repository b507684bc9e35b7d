//! The byte stream to the host, whatever carries it. It knows nothing of sessions: what an earlier host left unread is
//! in it still.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};

pub trait Line: Send + Sync {
    /// `Ok(0)`: no host is connected, or the one that was has left. `WouldBlock`: it has nothing to say.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// `WouldBlock`: the host does not read; `BrokenPipe`: there is none.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    fn changes(&self) -> &Changes;
}

const WATCHED: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::ET);

/// Waiting for a line. Edge-triggered, so that a host that is not there wakes nobody again and again.
pub struct Changes(OwnedFd);

impl Changes {
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// What is closed is watched no more.
    pub fn watch(&self, file: impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.0, file, EventData::new_u64(0), WATCHED)?)
    }

    /// What is ready still is a change once more.
    pub fn watch_again(&self, file: impl AsFd) -> io::Result<()> {
        Ok(epoll::modify(&self.0, file, EventData::new_u64(0), WATCHED)?)
    }

    pub fn wait(&self, patience: Duration) {
        self.take(&Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() });
    }

    /// The descriptor that becomes readable when the line changed.
    pub fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    pub fn forget(&self) {
        self.take(&Timespec { tv_sec: 0, tv_nsec: 0 });
    }

    fn take(&self, timeout: &Timespec) {
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 2];
        // An interrupted wait is a change like any other: the caller looks again.
        let _ = epoll::wait(&self.0, &mut events, Some(timeout));
    }
}
