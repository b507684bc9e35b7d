//! A line to the kernel about one network namespace: that in which it was opened, whoever holds it now.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use crate::netlink::{self, Heard};

/// What the kernel says at once is at most half of it
const BUFFER_BYTES: usize = 64 * 1024;

pub struct Line(OwnedFd);

impl Line {
    /// Without a protocol it is about devices, addresses and routes.
    pub fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?))
    }

    /// One that is also told of changes; `groups` are bits.
    pub fn listen(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let line = Self::open(protocol)?;
        bind(&line.0, &SocketAddrNetlink::new(0, groups))?;
        Ok(line)
    }

    pub fn say(&self, message: &[u8]) -> io::Result<()> {
        send(&self.0, message, SendFlags::empty())?;
        Ok(())
    }

    pub fn hear(&self) -> io::Result<Vec<Heard>> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let (length, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
        Ok(netlink::parse(&buffer[..length]))
    }

    /// Has a change done, of which the kernel says how it went.
    pub fn ask(&self, message: &[u8]) -> io::Result<()> {
        self.say(message)?;
        match self.hear()?[..] {
            [Heard::Outcome(0)] => Ok(()),
            [Heard::Outcome(code)] => Err(io::Error::from_raw_os_error(code)),
            _ => Err(io::Error::other("the kernel answers something else")),
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Line {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}
