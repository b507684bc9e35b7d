//! The machine's clock, set from what the host says.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_settime};

/// Sets the clock when it is behind the host's by more than 500 ms. The host's word may have waited in the socket while
/// the machine booted, so it is only a lower bound: a clock that is ahead of it by a little is left alone.
pub fn catch_up(host_unix_ms: u64) {
    const TOLERATED_BEHIND_MS: i64 = 500;
    const TOLERATED_AHEAD_MS: i64 = 60_000;
    let ahead_ms = now_unix_ms() as i64 - host_unix_ms as i64;
    if !(-TOLERATED_BEHIND_MS..=TOLERATED_AHEAD_MS).contains(&ahead_ms) {
        // A clock that cannot be set is no reason not to boot.
        let _ = set(host_unix_ms);
    }
}

pub fn set(unix_ms: u64) -> io::Result<()> {
    let time = Timespec { tv_sec: (unix_ms / 1000) as i64, tv_nsec: (unix_ms % 1000 * 1_000_000) as i64 };
    Ok(clock_settime(ClockId::Realtime, time)?)
}

pub fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}
