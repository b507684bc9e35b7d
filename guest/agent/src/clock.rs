//! The machine's clock follows the host's. A machine stands still while its host sleeps, or while it is stopped, and its
//! clock with it; the host says now and then what time it is.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

use crate::console;

/// What the host says was true a moment ago, or longer ago on a busy one: a clock that is a little ahead is right
const TOLERATED_BEHIND_MS: i64 = 500;
const TOLERATED_AHEAD_MS: i64 = 5000;
/// A hello may have waited in the socket for as long as the machine booted
const TOLERATED_AHEAD_AT_BOOT_MS: i64 = 60_000;

/// Sets the clock from the first word of the host.
pub fn catch_up(host_unix_ms: u64) {
    let ahead_ms = now_unix_ms() as i64 - host_unix_ms as i64;
    if !(-TOLERATED_BEHIND_MS..=TOLERATED_AHEAD_AT_BOOT_MS).contains(&ahead_ms) {
        // A clock that cannot be set is no reason not to boot.
        let _ = set(host_unix_ms);
    }
}

/// Compares the clock with the host's, again and again.
#[derive(Default)]
pub struct Keeper(Mutex<Option<Compared>>);

/// What both clocks said when this one was right, or when it was last set
#[derive(Clone, Copy, Debug, PartialEq)]
struct Compared {
    host_ms: i64,
    /// For how long the machine had run
    ran_ms: i64,
    /// Whether this clock has agreed with the host's since then; if not, somebody set it
    has_agreed: bool,
}

impl Keeper {
    pub fn has_compared(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub fn follow(&self, host_unix_ms: u64) -> io::Result<()> {
        let mut compared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = now_unix_ms() as i64;
        let (step_ms, next) = compare(*compared, host_unix_ms as i64, ran_ms(), now_ms);
        if step_ms != 0 {
            set((now_ms + step_ms).max(0) as u64)?;
            console::say(&format!("the clock was set by {step_ms} ms"));
        }
        *compared = Some(next);
        Ok(())
    }
}

/// By how much the clock is to be set. One that was set in the machine, and so disagrees on purpose, keeps its distance.
fn compare(last: Option<Compared>, host_ms: i64, ran_ms: i64, now_ms: i64) -> (i64, Compared) {
    let here = |has_agreed| Compared { host_ms, ran_ms, has_agreed };
    let is_little = |ahead_ms: i64| (-TOLERATED_BEHIND_MS..=TOLERATED_AHEAD_MS).contains(&ahead_ms);
    let ahead_ms = now_ms - host_ms;
    let Some(last) = last else {
        return if is_little(ahead_ms) { (0, here(true)) } else { (-ahead_ms, here(true)) };
    };
    let stood_still_ms = (host_ms - last.host_ms) - (ran_ms - last.ran_ms);
    // What is left of the difference is somebody's doing.
    let was_set = !last.has_agreed || !is_little(ahead_ms + stood_still_ms);
    match (is_little(ahead_ms), was_set, is_little(-stood_still_ms)) {
        (true, _, true) => (0, Compared { has_agreed: true, ..last }),
        (true, _, false) => (0, here(true)),
        (false, false, _) => (-ahead_ms, here(true)),
        (false, true, true) => (0, Compared { has_agreed: false, ..last }),
        (false, true, false) => (stood_still_ms, here(false)),
    }
}

fn set(unix_ms: u64) -> io::Result<()> {
    let time = Timespec { tv_sec: (unix_ms / 1000) as i64, tv_nsec: (unix_ms % 1000 * 1_000_000) as i64 };
    Ok(clock_settime(ClockId::Realtime, time)?)
}

pub fn now_unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

fn ran_ms() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine's clocks beside the host's
    struct Clocks {
        host_ms: i64,
        ran_ms: i64,
        now_ms: i64,
        last: Option<Compared>,
    }

    impl Clocks {
        fn new() -> Self {
            Self { host_ms: 1_000_000, ran_ms: 5000, now_ms: 1_000_000, last: None }
        }

        fn run(&mut self, ms: i64) {
            self.stand_still(ms);
            self.ran_ms += ms;
            self.now_ms += ms;
        }

        fn stand_still(&mut self, ms: i64) {
            self.host_ms += ms;
        }

        fn compare(&mut self) -> i64 {
            let (step_ms, next) = compare(self.last, self.host_ms, self.ran_ms, self.now_ms);
            self.last = Some(next);
            self.now_ms += step_ms;
            step_ms
        }
    }

    #[test]
    fn a_clock_that_stood_still_is_set_and_one_that_runs_is_not() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.compare(), 0);
        clocks.run(20_000);
        assert_eq!(clocks.compare(), 0);
        clocks.stand_still(3_600_000);
        assert_eq!(clocks.compare(), 3_600_000);
        clocks.run(20_000);
        assert_eq!(clocks.compare(), 0);
    }

    #[test]
    fn a_clock_that_is_a_little_slow_is_set_once_it_is_behind() {
        let mut clocks = Clocks::new();
        let steps: Vec<i64> = std::iter::repeat_with(|| {
            clocks.run(20_000);
            clocks.stand_still(200);
            clocks.compare()
        })
        .take(6)
        .collect();
        assert_eq!(steps, [0, 0, 600, 0, 0, 600]);
    }

    #[test]
    fn a_clock_that_was_set_inside_keeps_its_distance_also_over_a_sleep() {
        let mut clocks = Clocks::new();
        clocks.compare();
        clocks.now_ms -= 86_400_000;
        for _ in 0..3 {
            clocks.run(20_000);
            assert_eq!(clocks.compare(), 0);
        }
        clocks.stand_still(60_000);
        assert_eq!(clocks.compare(), 60_000);
        assert_eq!(clocks.host_ms - clocks.now_ms, 86_400_000);
    }

    #[test]
    fn what_the_host_says_late_is_no_reason_to_go_back() {
        let mut clocks = Clocks::new();
        clocks.compare();
        clocks.run(4000);
        clocks.host_ms -= 4000;
        assert_eq!(clocks.compare(), 0);
    }

    #[test]
    fn another_program_may_have_set_it_already() {
        let mut clocks = Clocks::new();
        clocks.compare();
        clocks.stand_still(60_000);
        clocks.now_ms = clocks.host_ms;
        assert_eq!(clocks.compare(), 0);
        clocks.run(20_000);
        clocks.now_ms += 60_000;
        assert_eq!(clocks.compare(), 0, "this time by hand");
    }
}
