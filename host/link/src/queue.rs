//! The queue of the hypervisor's device. The kernel drops what does not fit, and passt sends such a frame again late or
//! never: it is used to QEMU, which lets it wait. Nothing tells when there is room, so the device's counters are read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::links::QUEUE_FRAMES;

const COUNTERS: &str = "/proc/self/net/dev";
/// More than a few devices take
const MAX_COUNTERS_BYTES: usize = 4096;
/// In a device's line, after its name
const TAKEN: usize = 9;
const DROPPED: usize = 11;

pub struct Queue {
    counters: File,
    device: String,
    /// Frames that were put in
    given: u64,
    /// Of those, frames that are known not to be in it any more
    gone: u64,
}

impl Queue {
    pub fn open(device: &str) -> io::Result<Self> {
        Ok(Self { counters: File::open(COUNTERS)?, device: device.to_owned(), given: 0, gone: 0 })
    }

    /// Whether one more frame fits.
    pub fn has_room(&mut self) -> io::Result<bool> {
        if self.is_full() {
            let mut text = [0; MAX_COUNTERS_BYTES];
            let length = self.counters.read_at(&mut text, 0)?;
            let gone = frames_gone(&String::from_utf8_lossy(&text[..length]), &self.device);
            self.gone = gone.ok_or_else(|| io::Error::other("the device has no counters"))?;
        }
        Ok(!self.is_full())
    }

    pub fn gave_one(&mut self) {
        self.given += 1;
    }

    fn is_full(&self) -> bool {
        self.given.saturating_sub(self.gone) >= QUEUE_FRAMES.into()
    }
}

/// Taken by the hypervisor, or dropped
fn frames_gone(counters: &str, device: &str) -> Option<u64> {
    let line = counters.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'))?;
    let count = |place| line.split_whitespace().nth(place)?.parse::<u64>().ok();
    Some(count(TAKEN)? + count(DROPPED)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_and_what_was_dropped_is_gone() {
        let counters = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 2 0 0 0 0 0 0 3 4 0 0 0 0 0 0
  fc01: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
   fc0: 4672639    8854    0    0    0     0          0         0 18743717   12397    0 3661    0     0       0          0
";
        assert_eq!(frames_gone(counters, "fc0"), Some(12_397 + 3661));
        assert_eq!(frames_gone(counters, "fc"), None);
        assert_eq!(frames_gone("fc0: 1 2 3", "fc0"), None);
    }
}
