//! A line to the kernel about one network namespace, and what is said on it here.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use banger_kernel::line::Line;
use banger_kernel::netlink::Heard;

use crate::addresses;
use crate::arguments::Network;

const IPV4_ADDRESSES: u32 = 0x10;

pub struct Kernel(Line);

impl Kernel {
    pub fn open() -> io::Result<Self> {
        Line::open(None).map(Self)
    }

    /// One that is told of every address that comes.
    pub fn listen() -> io::Result<Self> {
        Line::listen(None, IPV4_ADDRESSES).map(Self)
    }

    /// To the namespace's loopback.
    pub fn add_address(&self, address: Ipv4Addr) -> io::Result<()> {
        self.0.ask(&addresses::add_address(address))
    }

    /// Safe to repeat.
    pub fn close(&self, network: Network) -> io::Result<()> {
        match self.0.ask(&addresses::close(network)) {
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            outcome => outcome,
        }
    }

    pub fn list_addresses(&self) -> io::Result<()> {
        self.0.say(&addresses::list_addresses())
    }

    pub fn hear(&self) -> io::Result<Vec<Heard>> {
        self.0.hear()
    }

    /// Has a message of `links` done.
    pub fn change_link(&self, message: &[u8]) -> io::Result<()> {
        self.0.ask(message)
    }
}

impl AsFd for Kernel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Kernel {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }
}
