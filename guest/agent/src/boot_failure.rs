//! A boot that went wrong: one line on the console, one answer to the host, then the machine resets.

use std::fmt::Display;
use std::time::{Duration, Instant};

use crate::console;
use crate::handshake::{Heard, Scanner, fail_line};
use crate::port::Port;

#[derive(Debug)]
pub struct BootFailure {
    pub code: &'static str,
    pub message: String,
}

impl BootFailure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn report_and_reset(self) -> ! {
        let Self { code, message } = &self;
        console::say(&format!("boot failed: {code} {message}"));
        if let Ok(port) = Port::open_when_there(Duration::from_secs(2)) {
            answer_hellos(&port, &self);
        }
        console::reset_machine()
    }
}

/// Tells every hello of the failure, until the host has read it and hung up or 2 s have passed.
fn answer_hellos(port: &Port, failure: &BootFailure) {
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut scanner = Scanner::default();
    let mut buffer = vec![0; 32 * 1024];
    let mut has_answered = false;
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        match port.read(&mut buffer) {
            Ok(0) if has_answered => return,
            Ok(count) if count > 0 => {
                for heard in scanner.hear_all(&buffer[..count]) {
                    if let Heard::Hello { nonce, .. } = heard {
                        has_answered |=
                            port.write(fail_line(&nonce, failure.code, &failure.message).as_bytes()).is_ok();
                    }
                }
            }
            _ => port.wait_for_change(left),
        }
    }
}

pub trait ToBootFailure<T> {
    /// Says what was tried when it failed, under the code that the host knows.
    fn or_fail(self, code: &'static str, tried: &str) -> Result<T, BootFailure>;
}

impl<T, E: Display> ToBootFailure<T> for Result<T, E> {
    fn or_fail(self, code: &'static str, tried: &str) -> Result<T, BootFailure> {
        self.map_err(|error| BootFailure::new(code, format!("{tried}: {error}")))
    }
}
