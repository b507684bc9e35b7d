//! A listening socket as the line to the host. A host that connects takes the place of the one before it.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::line::{Changes, Line};

pub struct SocketLine {
    listener: UnixListener,
    host: Mutex<Host>,
    changes: Changes,
}

#[derive(Default)]
struct Host {
    stream: Option<UnixStream>,
    had_another: bool,
    /// The one before it left, which nobody has been told yet
    is_new: bool,
}

impl SocketLine {
    /// What an earlier one left at `path` is replaced.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let _ = fs::remove_file(path);
        let listener = UnixListener::bind(path)?;
        listener.set_nonblocking(true)?;
        let changes = Changes::new()?;
        changes.watch(&listener)?;
        Ok(Self { listener, host: Mutex::default(), changes })
    }

    fn let_in(&self, host: &mut Host) -> io::Result<()> {
        let Ok((newcomer, _)) = self.listener.accept() else { return Ok(()) };
        newcomer.set_nonblocking(true)?;
        self.changes.watch(&newcomer)?;
        host.stream = Some(newcomer);
        host.is_new = std::mem::replace(&mut host.had_another, true);
        Ok(())
    }

    fn host(&self) -> MutexGuard<'_, Host> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line for SocketLine {
    /// That a host has left is told by a read of its own, so that what was read before it is not taken for the next one's.
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut host = self.host();
        if std::mem::take(&mut host.is_new) {
            return Ok(0);
        }
        self.let_in(&mut host)?;
        if host.is_new {
            return Err(io::ErrorKind::WouldBlock.into()); // a newcomer is a change, so the next read comes at once
        }
        let Some(stream) = host.stream.as_mut() else { return Ok(0) };
        match stream.read(buffer) {
            Ok(count) if count > 0 => Ok(count),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Err(error),
            Ok(_) | Err(_) => {
                host.stream = None;
                Ok(0)
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.host().stream.as_mut() {
            Some(stream) => stream.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    fn read(line: &SocketLine) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 64];
        let count = line.read(&mut buffer)?;
        Ok(buffer[..count].to_vec())
    }

    #[test]
    fn a_newcomer_takes_the_place_of_the_host_before_it() {
        let folder = TestFolder::new("socket-line");
        let path = folder.join("line.sock");
        let line = SocketLine::listen(&path).unwrap();
        assert_eq!(read(&line).unwrap(), b"");
        assert_eq!(line.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);

        let mut first = UnixStream::connect(&path).unwrap();
        first.write_all(b"one").unwrap();
        assert_eq!(read(&line).unwrap(), b"one");
        assert_eq!(read(&line).unwrap_err().kind(), io::ErrorKind::WouldBlock);

        let mut second = UnixStream::connect(&path).unwrap();
        second.write_all(b"two").unwrap();
        assert_eq!(read(&line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(read(&line).unwrap(), b"", "the first has left");
        assert_eq!(read(&line).unwrap(), b"two");
        assert_eq!(first.read(&mut [0; 8]).unwrap(), 0);
        line.write(b"hello").unwrap();
        drop(second);
        assert_eq!(read(&line).unwrap(), b"");
        assert_eq!(read(&line).unwrap(), b"", "and still nobody is there");

        UnixStream::connect(&path).unwrap().write_all(b"three").unwrap();
        assert_eq!(read(&line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(read(&line).unwrap(), b"", "each has one before it");
        assert_eq!(read(&line).unwrap(), b"three");
    }
}
