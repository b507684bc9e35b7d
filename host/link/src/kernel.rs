//! A line to the kernel about one network namespace: that in which it was opened, whoever holds it now.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

use crate::arguments::Network;
use crate::netlink::{self, Heard};

/// What the kernel says at once is at most half of it
const BUFFER_BYTES: usize = 64 * 1024;
const IPV4_ADDRESSES: u32 = 0x10;

pub struct Kernel(OwnedFd);

impl Kernel {
    pub fn open() -> io::Result<Self> {
        // Of the kernel's protocols, networks are number 0.
        Ok(Self(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?))
    }

    /// One that is told of every address that comes.
    pub fn listen() -> io::Result<Self> {
        let kernel = Self::open()?;
        bind(&kernel.0, &SocketAddrNetlink::new(0, IPV4_ADDRESSES))?;
        Ok(kernel)
    }

    /// To the namespace's loopback.
    pub fn add_address(&self, address: Ipv4Addr) -> io::Result<()> {
        self.ask(&netlink::add_address(address))
    }

    /// Safe to repeat.
    pub fn close(&self, network: Network) -> io::Result<()> {
        match self.ask(&netlink::close(network)) {
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    pub fn list_addresses(&self) -> io::Result<()> {
        self.say(&netlink::list_addresses())
    }

    pub fn hear(&self) -> io::Result<Vec<Heard>> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let (length, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
        Ok(netlink::parse(&buffer[..length]))
    }

    /// Has a message of `links` done.
    pub fn change_link(&self, message: &[u8]) -> io::Result<()> {
        self.ask(message)
    }

    fn say(&self, message: &[u8]) -> io::Result<()> {
        send(&self.0, message, SendFlags::empty())?;
        Ok(())
    }

    fn ask(&self, message: &[u8]) -> io::Result<()> {
        self.say(message)?;
        match self.hear()?[..] {
            [Heard::Outcome(0)] => Ok(()),
            [Heard::Outcome(code)] => Err(io::Error::from_raw_os_error(code)),
            _ => Err(io::Error::other("the kernel answers something else")),
        }
    }
}

impl AsFd for Kernel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Kernel {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}
