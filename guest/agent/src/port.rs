//! The virtio-serial port to the host. Without a host its reads return 0 and a plain poll reports a hangup at once, for
//! ever; so waiting goes through an edge-triggered epoll, which only wakes when something changed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::boot_failure::{BootFailure, ToBootFailure};

const PORT_NAME: &str = "banger.agent";

pub struct Port {
    file: File,
    changes: OwnedFd,
}

impl Port {
    /// Opens the port; the driver may still be finding it.
    pub fn open_when_there(patience: Duration) -> Result<Self, BootFailure> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(device) = find_port() {
                return Self::open(&device).or_fail("PORT_MISSING", &device);
            }
            if Instant::now() > deadline {
                return Err(BootFailure::new("PORT_MISSING", format!("no virtio-serial port is named {PORT_NAME}")));
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn open(device: &str) -> io::Result<Self> {
        const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = OpenOptions::new().read(true).write(true).custom_flags(O_NONBLOCK).open(device)?;
        let changes = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&changes, &file, EventData::new_u64(0), EventFlags::IN | EventFlags::OUT | EventFlags::ET)?;
        Ok(Self { file, changes })
    }

    /// `Ok(0)`: no host is connected. `WouldBlock`: it has nothing to say.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buffer)
    }

    /// `WouldBlock`: the host does not read; `BrokenPipe`: there is none.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&self.file).write(bytes);
        if matches!(&written, Err(error) if error.kind() == io::ErrorKind::WouldBlock) && self.is_hung_up() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written
    }

    pub fn wait_for_change(&self, patience: Duration) {
        let timeout = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: patience.subsec_nanos().into() };
        self.take_changes(&timeout);
    }

    /// The descriptor that becomes readable when the port changed.
    pub fn changes(&self) -> &OwnedFd {
        &self.changes
    }

    pub fn forget_changes(&self) {
        self.take_changes(&Timespec { tv_sec: 0, tv_nsec: 0 });
    }

    fn take_changes(&self, timeout: &Timespec) {
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 1];
        // An interrupted wait is a change like any other: the caller looks again.
        let _ = epoll::wait(&self.changes, &mut events, Some(timeout));
    }

    fn is_hung_up(&self) -> bool {
        let mut polled = [PollFd::new(&self.file, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
    }
}

fn find_port() -> Option<String> {
    for entry in fs::read_dir("/sys/class/virtio-ports").ok()?.flatten() {
        let is_ours = fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim() == PORT_NAME);
        let device = format!("/dev/{}", entry.file_name().to_string_lossy());
        if is_ours && fs::exists(&device).unwrap_or(false) {
            return Some(device);
        }
    }
    None
}
