//! Lines to the kernel about the network namespace in which they were opened.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use banger_kernel::line::Line;
use banger_kernel::netlink::Heard;
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;
use rustix::net::{RecvFlags, recv};

/// A list that changes while it is read is read again.
const MAX_READS: usize = 16;
/// Of the kernel's groups of listeners: changes of any table
const RULES: u32 = 1 << 6;

pub struct Kernel(Line);

impl Kernel {
    /// About devices, addresses and routes
    pub fn open() -> io::Result<Self> {
        Line::open(None).map(Self)
    }

    /// About the firewall
    pub fn of_firewall() -> io::Result<Self> {
        Line::open(Some(NETFILTER)).map(Self)
    }

    pub fn ask(&self, message: &[u8]) -> io::Result<()> {
        self.0.ask(message)
    }

    /// The one message that answers
    pub fn get(&self, message: &[u8]) -> io::Result<Vec<u8>> {
        self.0.say(message)?;
        match &mut self.0.hear()?[..] {
            [Heard::Item(_, body)] => Ok(std::mem::take(body)),
            [Heard::Outcome(code)] => Err(io::Error::from_raw_os_error(*code)),
            _ => Err(io::Error::other("the kernel answers something else")),
        }
    }

    /// What becomes of the messages of a list, of which none is kept, and the kind left out. A list that changes meanwhile is told
    /// anew, from the beginning.
    pub fn fold<Outcome: Default>(&self, message: &[u8], take: impl Fn(&mut Outcome, &[u8])) -> io::Result<Outcome> {
        for _ in 0..MAX_READS {
            self.0.say(message)?;
            if let Some(outcome) = self.read_list(&take)? {
                return Ok(outcome);
            }
        }
        Err(io::Error::other("what is listed changes all the time"))
    }

    /// None when it changed meanwhile.
    fn read_list<Outcome: Default>(&self, take: impl Fn(&mut Outcome, &[u8])) -> io::Result<Option<Outcome>> {
        let (mut outcome, mut is_whole) = (Outcome::default(), true);
        loop {
            for heard in self.0.hear()? {
                match heard {
                    Heard::Item(_, body) => take(&mut outcome, &body),
                    Heard::Interrupted => is_whole = false,
                    Heard::Done => return Ok(is_whole.then_some(outcome)),
                    Heard::Outcome(code) => return Err(io::Error::from_raw_os_error(code)),
                }
            }
        }
    }
}

/// Told whenever somebody changes rules of nftables.
pub struct RuleChanges(Line);

impl RuleChanges {
    pub fn listen() -> io::Result<Self> {
        Line::listen(Some(NETFILTER), RULES).map(Self)
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
