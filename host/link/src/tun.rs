//! Tap devices of the kernel, which are made by opening them.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Ioctl, Opcode, Updater, ioctl};
use rustix::process::getuid;

use crate::program::because;

const TUN: &str = "/dev/net/tun";
const ATTACH: Opcode = 0x4004_54ca;
const KEEP: Opcode = 0x4004_54cb;
const OWN: Opcode = 0x4004_54cc;
const TELL: Opcode = 0x8004_54d2;
const TAP: u16 = 0x2;
/// Frames alone, with nothing of the kernel's before them
const PLAIN: u16 = 0x1000;
/// With a header of virtio's before each frame
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

/// A device that is there for whoever opens it next, and stays as long as its namespace.
pub fn make_for_virtio(name: &str) -> Result<(), String> {
    let device = attach(name, TAP | PLAIN | VIRTIO)?;
    // What belongs to nobody is opened by everybody on some kernels, and on others by who has power over the network.
    set::<OWN>(&device, getuid().as_raw() as usize).map_err(because(name))?;
    set::<KEEP>(&device, 1).map_err(because(name))
}

/// A device of ours, which does nothing for a sender: its frames are whole ones, each with its checksum. Never waits.
pub fn make_plain(name: &str) -> Result<OwnedFd, String> {
    attach(name, TAP | PLAIN)
}

/// The other end of a device that is there, plain as well. Who may make devices would else get a new one that leads nowhere.
pub fn open_plain(name: &str) -> Result<OwnedFd, String> {
    let device = attach(name, TAP | PLAIN)?;
    let mut told = Request { name: [0; 16], flags: 0, unused: [0; 22] };
    #[allow(unsafe_code)]
    // SAFETY: the kernel writes one `ifreq`, and so is this.
    let telling = unsafe { Updater::<TELL, Request>::new(&mut told) };
    change(&device, telling).map_err(because(name))?;
    if told.flags & KEPT == 0 { Err(format!("{name}: there is no such device")) } else { Ok(device) }
}

fn attach(name: &str, flags: u16) -> Result<OwnedFd, String> {
    let mut request = Request { name: [0; 16], flags, unused: [0; 22] };
    if !(1..request.name.len()).contains(&name.len()) {
        return Err(format!("\"{name}\" is no name for a device: it has 1 to 15 bytes"));
    }
    request.name[..name.len()].copy_from_slice(name.as_bytes()); // a zero ends it
    let device = open(TUN, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).map_err(because(TUN))?;
    #[allow(unsafe_code)]
    // SAFETY: the kernel reads and writes one `ifreq`, and so is this.
    let attaching = unsafe { Updater::<ATTACH, Request>::new(&mut request) };
    change(&device, attaching).map_err(because(name))?;
    Ok(device)
}

fn set<const WHAT: Opcode>(device: &OwnedFd, number: usize) -> Result<(), Errno> {
    #[allow(unsafe_code)]
    // SAFETY: the kernel takes the number for a switch or a user, and no pointer.
    let setting = unsafe { IntegerSetter::<WHAT>::new_usize(number) };
    change(device, setting)
}

fn change<Change: Ioctl<Output = ()>>(device: &OwnedFd, how: Change) -> Result<(), Errno> {
    #[allow(unsafe_code)]
    // SAFETY: both kinds of change that there are here name no memory but their own.
    unsafe {
        ioctl(device, how)
    }
}
