//! Carries frames between a device and a stream, until one of them has ended. What a guest sends costs this process time,
//! and no memory.
//!
//! Beside a hypervisor with a device the stream is passt's, or that of a tap of root's: when it has ended the machine goes on
//! without a network, and a file tells it.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::stdio::{stdin, stdout};

use crate::frames::{Incoming, Malformed, Outgoing};
use crate::queue::Queue;

/// Of the hypervisor's queue while it is full; each time twice as long as before
const SHORTEST_PAUSE_MS: i64 = 1;
const LONGEST_PAUSE_MS: i64 = 64;

/// The kept device is its standard input, the socket its standard output. Neither waits.
pub fn carry_until_end(device: &str, ended: &Path) -> Result<ExitCode, String> {
    let Err(why) = Queue::open(device).and_then(|queue| carry(stdin(), stdout(), Some(queue), "the network"));
    fs::write(ended, format!("{why}\n")).map_err(|fault| format!("{}: {fault}", ended.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// Without a queue the device takes all at once. `other` is who is at the other end of the stream. Neither of the two waits.
pub fn carry(device: BorrowedFd, socket: BorrowedFd, queue: Option<Queue>, other: &str) -> io::Result<Infallible> {
    let mut relay = Relay {
        device,
        socket,
        incoming: Incoming::new(),
        outgoing: Outgoing::new(),
        queue,
        pause_ms: SHORTEST_PAUSE_MS,
        other,
    };
    loop {
        relay.carry_once()?;
    }
}

struct Relay<'a> {
    device: BorrowedFd<'a>,
    socket: BorrowedFd<'a>,
    incoming: Incoming,
    outgoing: Outgoing,
    queue: Option<Queue>,
    pause_ms: i64,
    other: &'a str,
}

impl Relay<'_> {
    /// What there is now, both ways, of which neither waits for the other. While the stream takes nothing, nothing is read from
    /// the device; while the device takes nothing, nothing from the stream.
    fn carry_once(&mut self) -> io::Result<()> {
        let is_delivered = self.deliver()?;
        let from_socket = if is_delivered { PollFlags::IN } else { PollFlags::empty() };
        let [from_device, to_socket] = match self.outgoing.waiting() {
            [] => [PollFlags::IN, PollFlags::empty()],
            _ => [PollFlags::empty(), PollFlags::OUT],
        };
        let mut wanted = [
            PollFd::from_borrowed_fd(self.device, from_device),
            PollFd::from_borrowed_fd(self.socket, from_socket | to_socket),
        ];
        let pause = (!is_delivered).then(|| self.next_pause());
        retry_on_intr(|| poll(&mut wanted, pause.as_ref()))?;
        let [device, socket] = wanted.map(|one| one.revents());
        if device.contains(PollFlags::ERR) {
            return Err(device_gone(Errno::IO));
        }
        if socket.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.receive()?;
        }
        if device.contains(PollFlags::IN) {
            self.collect()?;
        }
        self.send()
    }

    fn next_pause(&mut self) -> Timespec {
        let pause = Timespec { tv_sec: 0, tv_nsec: self.pause_ms * 1_000_000 };
        self.pause_ms = LONGEST_PAUSE_MS.min(self.pause_ms * 2);
        pause
    }

    /// Gives the device what has come for it; false when its queue is full.
    fn deliver(&mut self) -> io::Result<bool> {
        while self.has_room()? {
            match self.incoming.take_frame() {
                Ok(None) => return Ok(true),
                Ok(Some(frame)) => {
                    // One that the device does not take is lost, as on any wire.
                    if write(self.device, frame).is_ok()
                        && let Some(queue) = &mut self.queue
                    {
                        queue.gave_one();
                    }
                    self.pause_ms = SHORTEST_PAUSE_MS;
                }
                Err(Malformed) => return Err(io::Error::other(format!("{} sent what is no frame", self.other))),
            }
        }
        Ok(false)
    }

    fn has_room(&mut self) -> io::Result<bool> {
        self.queue.as_mut().map_or(Ok(true), Queue::has_room)
    }

    /// Also called when the other side has ended: then there may be no room for its last words, which counts as their end.
    fn receive(&mut self) -> io::Result<()> {
        match unless_it_waits(read(self.socket, self.incoming.room())).map_err(|fault| self.name_end(fault))? {
            None => Ok(()),
            Some(0) => Err(self.name_end(Errno::PIPE)),
            Some(count) => {
                self.incoming.add(count);
                Ok(())
            }
        }
    }

    fn collect(&mut self) -> io::Result<()> {
        while let Some(room) = self.outgoing.room() {
            match unless_it_waits(read(self.device, room)).map_err(device_gone)? {
                None => break,
                Some(length) => self.outgoing.add(length),
            }
        }
        Ok(())
    }

    fn send(&mut self) -> io::Result<()> {
        if self.outgoing.waiting().is_empty() {
            return Ok(());
        }
        let outcome = unless_it_waits(write(self.socket, self.outgoing.waiting()));
        if let Some(count) = outcome.map_err(|fault| self.name_end(fault))? {
            self.outgoing.has_left(count);
        }
        Ok(())
    }

    /// Of the stream.
    fn name_end(&self, fault: Errno) -> io::Error {
        match fault {
            Errno::CONNRESET | Errno::PIPE => io::Error::other(format!("{} has closed its connection", self.other)),
            _ => fault.into(),
        }
    }
}

fn device_gone(fault: Errno) -> io::Error {
    match fault {
        Errno::IO | Errno::BADFD => io::Error::other("the device is gone"),
        _ => fault.into(),
    }
}

fn unless_it_waits(outcome: Result<usize, Errno>) -> Result<Option<usize>, Errno> {
    match outcome {
        Ok(count) => Ok(Some(count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(fault) => Err(fault),
    }
}
