//! When each step of the boot ended, as kernel uptime. Printed on the console when the command line has
//! `banger.trace=1`.

use std::sync::Mutex;

use rustix::time::{ClockId, clock_gettime};

static STEPS: Mutex<Vec<(&'static str, u64)>> = Mutex::new(Vec::new());

pub fn mark(step: &'static str) {
    if let Ok(mut steps) = STEPS.lock() {
        steps.push((step, uptime_us()));
    }
}

pub fn print() {
    let Ok(steps) = STEPS.lock() else { return };
    let steps: Vec<String> =
        steps.iter().map(|(step, us)| format!("\"{step}\":{}.{:03}", us / 1000, us % 1000)).collect();
    crate::console::say(&format!("trace {{{}}}", steps.join(",")));
}

fn uptime_us() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}
