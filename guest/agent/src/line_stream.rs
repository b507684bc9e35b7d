//! The line as the byte stream of an HTTP/2 session. What HTTP/2 writes is gathered here and goes out once per turn of
//! the session, because every write to the line is a trip out of the machine.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::line::Line;
use crate::sys;

/// HTTP/2 writes no more while this much waits to go out
const GATHER_LIMIT_BYTES: usize = 256 * 1024;
/// The kernel takes no more in one write
const WRITE_LIMIT_BYTES: usize = 32 * 1024;

/// The line, and waiting for it, in the runtime
pub struct LiveLine {
    line: Box<dyn Line>,
    changes: AsyncFd<std::os::fd::OwnedFd>,
}

impl LiveLine {
    pub fn new(line: Box<dyn Line>) -> io::Result<Self> {
        let changes = sys::watch_descriptor(line.changes().descriptor().try_clone()?, Interest::READABLE)?;
        Ok(Self { line, changes })
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_read(context, buffer)).await
    }

    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let count = std::future::poll_fn(|context| self.poll_write(context, bytes)).await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub async fn changed(&self) {
        std::future::poll_fn(|context| self.poll_changed(context)).await;
    }

    /// Reads as much as there is: the kernel hands it out in small pieces.
    fn poll_read(&self, context: &mut Context, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.line.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                Err(_) if filled > 0 => break,
                Err(_) => ready!(self.poll_changed(context)),
            }
        }
        Poll::Ready(Ok(filled))
    }

    fn poll_write(&self, context: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.line.write(&bytes[..bytes.len().min(WRITE_LIMIT_BYTES)]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_changed(context)),
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_changed(&self, context: &mut Context) -> Poll<()> {
        if let Ok(mut guard) = ready!(self.changes.poll_read_ready(context)) {
            self.line.changes().forget();
            guard.clear_ready();
        }
        Poll::Ready(())
    }
}

/// One session's view of the line
pub struct LineStream {
    line: Arc<LiveLine>,
    /// What was read before the session began
    beginning: VecDeque<u8>,
    gathered: Gathered,
}

/// What waits to go out, shared with the one who sends it
#[derive(Clone)]
pub struct Gathered {
    line: Arc<LiveLine>,
    bytes: Arc<Mutex<VecDeque<u8>>>,
}

impl LineStream {
    pub fn new(line: Arc<LiveLine>, beginning: Vec<u8>) -> (Self, Gathered) {
        let gathered = Gathered { line: line.clone(), bytes: Arc::default() };
        (Self { line, beginning: beginning.into(), gathered: gathered.clone() }, gathered)
    }
}

impl Gathered {
    /// Sends what HTTP/2 has written; to be called after each of its turns, by the same task.
    pub fn poll_send(&self, context: &mut Context) -> Poll<io::Result<()>> {
        let mut bytes = self.lock();
        while !bytes.is_empty() {
            let count = ready!(self.line.poll_write(context, bytes.make_contiguous()))?;
            bytes.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for LineStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context, buffer: &mut ReadBuf) -> Poll<io::Result<()>> {
        let from_beginning = self.beginning.len().min(buffer.remaining());
        if from_beginning > 0 {
            let bytes: Vec<u8> = self.beginning.drain(..from_beginning).collect();
            buffer.put_slice(&bytes);
            return Poll::Ready(Ok(()));
        }
        let count = ready!(self.line.poll_read(context, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.gathered.lock().len() >= GATHER_LIMIT_BYTES {
            ready!(self.gathered.poll_send(context))?;
        }
        self.gathered.lock().extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// HTTP/2 flushes after every frame; what it wrote goes out at the end of its turn.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context) -> Poll<io::Result<()>> {
        self.gathered.poll_send(context)
    }
}
