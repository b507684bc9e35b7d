//! A boot that went wrong ends here: one line on the console, one answer to the host, then the machine resets.

use std::time::{Duration, Instant};

use crate::boot_failure::BootFailure;
use crate::console;
use crate::handshake::{Heard, Scanner, fail_line};
use crate::host_line;
use crate::line::Line;
use crate::machine_end;

pub fn report_and_reset(failure: &BootFailure) -> ! {
    console::say(&format!("boot failed: {} {}", failure.code, failure.message));
    if let Ok(line) = host_line::open_when_there(Duration::from_secs(2)) {
        answer_hellos(&*line, failure);
    }
    machine_end::reset()
}

/// Tells every hello of the failure, until the host has read it and hung up or 2 s have passed.
fn answer_hellos(line: &dyn Line, failure: &BootFailure) {
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut scanner = Scanner::default();
    let mut buffer = vec![0; 32 * 1024];
    let mut has_answered = false;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        match line.read(&mut buffer) {
            Ok(0) if has_answered => return,
            Ok(count) if count > 0 => {
                for heard in scanner.hear_all(&buffer[..count]) {
                    if let Heard::Hello { nonce, .. } = heard {
                        has_answered |=
                            line.write(fail_line(&nonce, failure.code, &failure.message).as_bytes()).is_ok();
                    }
                }
            }
            _ => line.changes().wait(left),
        }
    }
}
