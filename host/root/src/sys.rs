//! Every `unsafe` call of banger-root, each behind a safe function that says why it is sound.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::ioctl::{IntegerSetter, Ioctl, Opcode, Updater, ioctl};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

const TUN: &str = "/dev/net/tun";
const ATTACH: Opcode = 0x4004_54ca;
const KEEP: Opcode = 0x4004_54cb;
const OWN: Opcode = 0x4004_54cc;
const TAP: u16 = 0x2;
/// Frames alone, with nothing of the kernel's before them
const PLAIN: u16 = 0x1000;
/// With a header of virtio's before each frame, as hypervisors take it
const VIRTIO: u16 = 0x4000;

/// The kernel's `ifreq`
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    unused: [u8; 22],
}

/// A tap that nobody but this user opens. It is gone with the descriptor, until it is kept. AlreadyExists for a device that is
/// no tap.
pub fn make_tap(name: &str, owner: u32) -> io::Result<OwnedFd> {
    let mut request = Request { name: [0; 16], flags: TAP | PLAIN | VIRTIO, unused: [0; 22] };
    if !(1..request.name.len()).contains(&name.len()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes()); // a zero ends it
    let device = open(TUN, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // SAFETY: the kernel reads and writes one `ifreq`, and so is this.
    let attaching = unsafe { Updater::<ATTACH, Request>::new(&mut request) };
    change(&device, attaching).map_err(|fault| match fault.kind() {
        io::ErrorKind::InvalidInput => io::ErrorKind::AlreadyExists.into(), // a device of another kind has the name
        _ => fault,
    })?;
    // SAFETY: the kernel takes the number for a user, and no pointer.
    change(&device, unsafe { IntegerSetter::<OWN>::new_usize(owner as usize) })?;
    Ok(device)
}

/// From now on it stays when its descriptor is closed.
pub fn keep_tap(device: &OwnedFd) -> io::Result<()> {
    // SAFETY: the kernel takes the number for a switch, and no pointer.
    change(device, unsafe { IntegerSetter::<KEEP>::new_usize(1) })
}

/// The program is killed once the thread that starts it is gone, as when all of this process is killed.
pub fn tie(command: &mut Command) {
    let own = getpid();
    let work = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Gone before the kernel was told, it would not be missed.
        if getppid() == Some(own) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec this makes two system calls, and takes neither memory nor a lock.
    unsafe {
        command.pre_exec(work);
    }
}

/// A descriptor that this process was started with. Once, and before anything else opens or closes one.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: nothing of this process has opened or closed a descriptor yet, and what fcntl knows is open; so it is whoever
    // started us that gave it, for us to own.
    unsafe {
        rustix::io::fcntl_getfd(std::os::fd::BorrowedFd::borrow_raw(number))?;
        Ok(OwnedFd::from_raw_fd(number))
    }
}

fn change<Change: Ioctl<Output = ()>>(device: &OwnedFd, how: Change) -> io::Result<()> {
    // SAFETY: the kinds of change that there are here name no memory but their own.
    Ok(unsafe { ioctl(device, how) }?)
}
