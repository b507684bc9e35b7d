//! Pseudo-terminals for sessions that want one.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, Uid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::start_request::TerminalSize;
use crate::users::{User, terminal_group};

pub struct Pty {
    pub ours: OwnedFd,
    pub theirs: OwnedFd,
}

pub fn open(size: TerminalSize, user: &User) -> io::Result<Pty> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    resize(&ours, size)?;
    let (mode, group) = match terminal_group() {
        Some(group) => (Mode::from_raw_mode(0o620), group),
        None => (Mode::from_raw_mode(0o600), user.gid),
    };
    rustix::fs::fchown(&theirs, Some(Uid::from_raw(user.uid)), Some(Gid::from_raw(group)))?;
    rustix::fs::fchmod(&theirs, mode)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok(Pty { ours, theirs })
}

pub fn resize(ours: impl std::os::fd::AsFd, size: TerminalSize) -> io::Result<()> {
    Ok(tcsetwinsize(ours, Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 })?)
}
