//! Every `unsafe` call of banger-link and banger-root, each behind a safe function that says why it is sound.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_getfd;
use rustix::ioctl::{IntegerSetter, Ioctl, Opcode, Updater, ioctl};
use rustix::process::{
    Resource, Rlimit, Signal, getpid, getppid, getrlimit, set_parent_process_death_signal, setrlimit,
};

const TUN: &str = "/dev/net/tun";
const ATTACH: Opcode = 0x4004_54ca;
const KEEP: Opcode = 0x4004_54cb;
const OWN: Opcode = 0x4004_54cc;
const TELL: Opcode = 0x8004_54d2;
const TAP: u16 = 0x2;
/// Frames alone, with nothing of the kernel's before them
const PLAIN: u16 = 0x1000;
/// With a header of virtio's before each frame, as hypervisors take it
const VIRTIO: u16 = 0x4000;
/// It outlives whoever holds it
const KEPT: u16 = 0x800;

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
    let device = attach(name, TAP | PLAIN | VIRTIO, OFlags::empty())?;
    // SAFETY: the kernel takes the number for a user, and no pointer.
    change(&device, unsafe { IntegerSetter::<OWN>::new_usize(owner as usize) })?;
    Ok(device)
}

/// From now on it stays when its descriptor is closed.
pub fn keep_tap(device: &OwnedFd) -> io::Result<()> {
    // SAFETY: the kernel takes the number for a switch, and no pointer.
    change(device, unsafe { IntegerSetter::<KEEP>::new_usize(1) })
}

/// A device that does nothing for a sender: its frames are whole ones, each with its checksum. Never waits.
pub fn make_plain_tap(name: &str) -> io::Result<OwnedFd> {
    attach(name, TAP | PLAIN, OFlags::NONBLOCK)
}

/// The other end of a device that is there, plain as well. Who may make devices would else get a new one that leads nowhere.
pub fn open_plain_tap(name: &str) -> io::Result<OwnedFd> {
    let device = make_plain_tap(name)?;
    let mut told = Request { name: [0; 16], flags: 0, unused: [0; 22] };
    // SAFETY: the kernel writes one `ifreq`, and so is this.
    change(&device, unsafe { Updater::<TELL, Request>::new(&mut told) })?;
    if told.flags & KEPT == 0 { Err(io::Error::other("there is no such device")) } else { Ok(device) }
}

fn attach(name: &str, flags: u16, how: OFlags) -> io::Result<OwnedFd> {
    let mut request = Request { name: [0; 16], flags, unused: [0; 22] };
    if !(1..request.name.len()).contains(&name.len()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a device has a name of 1 to 15 bytes"));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes()); // a zero ends it
    let device = open(TUN, how | OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|fault| {
        let fault = io::Error::from(fault);
        io::Error::new(fault.kind(), format!("{TUN}: {fault}"))
    })?;
    // SAFETY: the kernel reads and writes one `ifreq`, and so is this.
    let attaching = unsafe { Updater::<ATTACH, Request>::new(&mut request) };
    change(&device, attaching).map_err(|fault| match fault.kind() {
        io::ErrorKind::InvalidInput => io::ErrorKind::AlreadyExists.into(), // a device of another kind has the name
        _ => fault,
    })?;
    Ok(device)
}

fn change<Change: Ioctl<Output = ()>>(device: &OwnedFd, how: Change) -> io::Result<()> {
    // SAFETY: the kinds of change that there are here name no memory but their own.
    Ok(unsafe { ioctl(device, how) }?)
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

/// The program has no more memory than this, no file of it becomes larger than that, and it leaves no core. By prlimit64, which
/// systemd's filters let through.
pub fn bound(command: &mut Command, memory_bytes: u64, file_bytes: u64) {
    let limits =
        [(Resource::As, memory_bytes), (Resource::Fsize, file_bytes), (Resource::Core, 0)].map(|(what, most)| {
            let most = getrlimit(what).maximum.map_or(most, |own| own.min(most)); // nobody raises its own
            (what, Rlimit { current: Some(most), maximum: Some(most) })
        });
    let work = move || Ok(limits.iter().try_for_each(|(what, limit)| setrlimit(*what, *limit))?);
    // SAFETY: between fork and exec this makes three system calls, and takes neither memory nor a lock.
    unsafe {
        command.pre_exec(work);
    }
}

/// A descriptor that this process was started with, to be taken once.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: nothing else in this process has this number; where it is not open, the next line says so.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    if let Err(fault) = fcntl_getfd(&descriptor) {
        let _ = descriptor.into_raw_fd(); // nobody's, and not to be closed
        return Err(fault.into());
    }
    Ok(descriptor)
}

/// One that has ended is to leave nothing, though nobody waits for it: also in the program that this one becomes.
pub fn ignore_ended_children() {
    const CHILD_ENDED: i32 = 17;
    const IGNORE: usize = 1;
    // SAFETY: the C library that this is linked with has it, and ignoring a signal runs no code of ours.
    unsafe {
        unsafe extern "C" {
            fn signal(number: i32, handler: usize) -> usize;
        }
        signal(CHILD_ENDED, IGNORE);
    }
}
