//! Why a boot went wrong, under a code that the host knows.

use std::fmt::Display;

#[derive(Debug)]
pub struct BootFailure {
    pub code: &'static str,
    pub message: String,
}

impl BootFailure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
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
