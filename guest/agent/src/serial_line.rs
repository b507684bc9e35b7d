//! A virtio-serial port as the line to the host. Without a host its reads return 0, and a plain poll reports a hangup at
//! once, for ever.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::line::{Changes, Line};

const PORT_NAME: &str = "banger.agent";

pub struct SerialLine {
    file: File,
    changes: Changes,
}

impl SerialLine {
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
        let changes = Changes::new()?;
        changes.watch(&file)?;
        Ok(Self { file, changes })
    }

    fn is_hung_up(&self) -> bool {
        let mut polled = [PollFd::new(&self.file, PollFlags::OUT)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut polled, Some(&now)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
    }
}

impl Line for SerialLine {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = (&self.file).write(bytes);
        if matches!(&written, Err(error) if error.kind() == io::ErrorKind::WouldBlock) && self.is_hung_up() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        written
    }

    fn changes(&self) -> &Changes {
        &self.changes
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
