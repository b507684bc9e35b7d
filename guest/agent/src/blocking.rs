//! Work that waits, away from the one thread that answers the host.

use crate::http_answers::{Code, Refusal};

/// Work that waits for the guest's disk.
pub async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::new(Code::Internal, error.to_string())))
}
