//! A listening socket as the line to the host. A host that connects takes the place of the one before it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::line::{Changes, Line};
use crate::vsock;

pub struct SocketLine {
    listener: OwnedFd,
    host: Mutex<Host>,
    changes: Changes,
    /// Others who connect are turned away
    is_host: fn(&OwnedFd) -> bool,
}

#[derive(Default)]
struct Host {
    stream: Option<OwnedFd>,
    had_another: bool,
    /// The one before it left, which nobody has been told yet
    is_new: bool,
}

impl SocketLine {
    /// What an earlier one left at `path` is replaced.
    pub fn listen(path: &Path) -> io::Result<Self> {
        let _ = fs::remove_file(path);
        Self::new(UnixListener::bind(path)?.into(), None, |_| true)
    }

    /// A host that waits for this machine is called; one that comes later finds it.
    pub fn on_vsock() -> io::Result<Self> {
        let listener = vsock::listen()?;
        Self::new(listener, vsock::call_host()?, vsock::is_host)
    }

    fn new(listener: OwnedFd, called: Option<OwnedFd>, is_host: fn(&OwnedFd) -> bool) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&listener, true)?;
        let line = Self { listener, host: Mutex::default(), changes: Changes::new()?, is_host };
        line.changes.watch(&line.listener)?;
        if let Some(called) = called {
            rustix::io::ioctl_fionbio(&called, true)?;
            line.seat(&mut line.host(), called)?;
        }
        Ok(line)
    }

    fn let_in(&self, host: &mut Host) -> io::Result<()> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let Ok(newcomer) = accept_with(&self.listener, flags) else { return Ok(()) };
        // Of another one that waits already nothing more would be told.
        self.changes.watch_again(&self.listener)?;
        if (self.is_host)(&newcomer) { self.seat(host, newcomer) } else { Ok(()) }
    }

    fn seat(&self, host: &mut Host, newcomer: OwnedFd) -> io::Result<()> {
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
            // What it has said already was a change before this one.
            host.stream.as_ref().map_or(Ok(()), |stream| self.changes.watch_again(stream))?;
            return Ok(0);
        }
        self.let_in(&mut host)?;
        if host.is_new {
            return Err(io::ErrorKind::WouldBlock.into()); // a newcomer is a change, so the next read comes at once
        }
        let Some(stream) = host.stream.as_ref() else { return Ok(0) };
        match rustix::io::read(stream, buffer) {
            Ok(count) if count > 0 => Ok(count),
            Err(error @ (Errno::WOULDBLOCK | Errno::INTR)) => Err(error.into()),
            Ok(_) | Err(_) => {
                host.stream = None;
                Ok(0)
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let host = self.host();
        let stream = host.stream.as_ref().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(rustix::io::write(stream, bytes)?)
    }

    fn changes(&self) -> &Changes {
        &self.changes
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::time::{Duration, Instant};

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, connect, socket};

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
        line.changes().forget();
        assert_eq!(read(&line).unwrap(), b"", "the first has left");
        let waited = Instant::now();
        line.changes().wait(Duration::from_secs(20));
        assert!(waited.elapsed() < Duration::from_secs(10), "what it has said already is told again");
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

    /// For whom a name of its own stands for the host's number.
    fn has_name(connection: &OwnedFd) -> bool {
        let address = rustix::net::getpeername(connection).ok().flatten();
        address.and_then(|address| SocketAddrUnix::try_from(address).ok()).is_some_and(|unix| unix.path().is_some())
    }

    fn connect_by_name(name: &Path, path: &Path) -> UnixStream {
        let client = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&client, &SocketAddrUnix::new(name).unwrap()).unwrap();
        connect(&client, &SocketAddrUnix::new(path).unwrap()).unwrap();
        client.into()
    }

    #[test]
    fn who_is_not_the_host_is_turned_away_and_hides_nobody() {
        let folder = TestFolder::new("socket-line-strangers");
        let path = folder.join("line.sock");
        let line = SocketLine::new(UnixListener::bind(&path).unwrap().into(), None, has_name).unwrap();
        line.changes().forget();

        let mut strangers: Vec<UnixStream> = (0..3).map(|_| UnixStream::connect(&path).unwrap()).collect();
        for stranger in &mut strangers {
            stranger.write_all(b"BANGER-HELLO").unwrap();
        }
        let mut host = connect_by_name(&folder.join("host.sock"), &path);
        host.write_all(b"hello").unwrap();
        // One change tells of all of them; each that is let in or turned away tells of the rest.
        let deadline = Instant::now() + Duration::from_secs(10);
        while read(&line).unwrap() != b"hello" {
            line.changes().wait(Duration::from_secs(20));
            assert!(Instant::now() < deadline, "nobody told of those who wait");
        }
        for stranger in &mut strangers {
            let told = stranger.read(&mut [0; 8]);
            assert!(matches!(told, Ok(0) | Err(_)), "{told:?}");
        }
        line.write(b"ready").unwrap();
        let mut answer = [0; 5];
        host.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"ready");
        UnixStream::connect(&path).unwrap();
        assert_eq!(read(&line).unwrap_err().kind(), io::ErrorKind::WouldBlock, "the host stays");
    }

    #[test]
    fn a_host_that_was_called_is_the_first_and_leaves_for_one_that_comes() {
        let folder = TestFolder::new("socket-line-called");
        let path = folder.join("line.sock");
        let (mut called, ours) = UnixStream::pair().unwrap();
        let listener = UnixListener::bind(&path).unwrap();
        let line = SocketLine::new(listener.into(), Some(ours.into()), |_| true).unwrap();
        assert_eq!(read(&line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        called.write_all(b"one").unwrap();
        assert_eq!(read(&line).unwrap(), b"one");

        let mut second = UnixStream::connect(&path).unwrap();
        second.write_all(b"two").unwrap();
        assert_eq!(read(&line).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(read(&line).unwrap(), b"", "the one that was called has left");
        assert_eq!(read(&line).unwrap(), b"two");
        assert_eq!(called.read(&mut [0; 8]).unwrap(), 0);

        drop(second);
        assert_eq!(read(&line).unwrap(), b"");
        line.changes().forget();
        let waited = Instant::now();
        line.changes().wait(Duration::from_millis(50));
        assert!(waited.elapsed() >= Duration::from_millis(50), "a host that is gone wakes nobody");
    }
}
