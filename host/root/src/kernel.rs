//! A line to the kernel about the network namespace in which it was opened.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

use crate::netlink::{self, Heard};

/// What the kernel says at once is at most half of it
const BUFFER_BYTES: usize = 64 * 1024;
/// A list that changes while it is read is read again.
const MAX_READS: usize = 16;
/// Of the kernel's groups of listeners: changes of any table
const RULES: u32 = 1 << 6;

pub struct Kernel(OwnedFd);

impl Kernel {
    pub fn open() -> io::Result<Self> {
        open(None).map(Self)
    }

    pub fn ask(&self, message: &[u8]) -> io::Result<()> {
        send(&self.0, message, SendFlags::empty())?;
        match self.hear()?[..] {
            [Heard::Outcome(0)] => Ok(()),
            [Heard::Outcome(code)] => Err(io::Error::from_raw_os_error(code)),
            _ => Err(io::Error::other("the kernel answers something else")),
        }
    }

    /// What the messages of a list say, the kind left out.
    pub fn list(&self, message: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..MAX_READS {
            send(&self.0, message, SendFlags::empty())?;
            if let Some(items) = self.read_list()? {
                return Ok(items);
            }
        }
        Err(io::Error::other("what is listed changes all the time"))
    }

    /// None when it changed meanwhile.
    fn read_list(&self) -> io::Result<Option<Vec<Vec<u8>>>> {
        let (mut items, mut is_whole) = (Vec::new(), true);
        loop {
            for heard in self.hear()? {
                match heard {
                    Heard::Item(_, body) => items.push(body),
                    Heard::Interrupted => is_whole = false,
                    Heard::Done => return Ok(is_whole.then_some(items)),
                    Heard::Outcome(code) => return Err(io::Error::from_raw_os_error(code)),
                }
            }
        }
    }

    fn hear(&self) -> io::Result<Vec<Heard>> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let (length, _) = recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
        Ok(netlink::parse(&buffer[..length]))
    }
}

/// Told whenever somebody changes rules of nftables.
pub struct RuleChanges(OwnedFd);

impl RuleChanges {
    pub fn listen() -> io::Result<Self> {
        let socket = open(Some(NETFILTER))?;
        bind(&socket, &SocketAddrNetlink::new(0, RULES))?;
        Ok(Self(socket))
    }

    /// Takes one that has come. More than fit are as good as one.
    pub fn take(&self) -> io::Result<()> {
        match recv(&self.0, &mut [0; 1][..], RecvFlags::TRUNC) {
            Ok(_) | Err(Errno::NOBUFS | Errno::INTR) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }
}

impl AsFd for RuleChanges {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?)
}
