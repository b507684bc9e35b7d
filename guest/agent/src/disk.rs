//! The vm's own disk: grown to its size, and the folders of it that the machine uses without the overlay.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::mounts::{DISK, IMAGE, attach, attach_still, detached_copy};
use crate::sys;

const HOME: (&str, &str) = ("root", "/root");

/// Folder on the disk, where it belongs in the machine, its mode. Container storage is an overlay of its own, which
/// the kernel refuses on top of ours.
const FOLDERS: [(&str, &str, u32); 4] = [
    (HOME.0, HOME.1, 0o700),
    ("docker", "/var/lib/docker", 0o710),
    ("containerd", "/var/lib/containerd", 0o711),
    ("containers", "/var/lib/containers", 0o755),
];

pub struct DiskFolder {
    tree: OwnedFd,
    target: &'static str,
}

/// Grows the filesystem when the drive is larger, as it is at the first boot and after `banger vm set --disk`.
pub fn grow(drive: &str) -> io::Result<()> {
    const SECTOR_BYTES: u64 = 512;
    let sectors = fs::read_to_string(format!("/sys/class/block/{drive}/size"))?;
    let drive_bytes = sectors.trim().parse::<u64>().map_err(io::Error::other)? * SECTOR_BYTES;
    let mount_point = File::open(DISK)?;
    let filesystem = rustix::fs::fstatvfs(&mount_point)?;
    let block_bytes = filesystem.f_frsize;
    let blocks = drive_bytes / block_bytes;
    // f_blocks leaves out what ext4 needs for itself, so ask for the size in its superblock instead.
    if blocks > superblock_blocks(drive)? {
        sys::resize_ext4(mount_point.as_fd(), blocks)?;
    }
    Ok(())
}

/// The folders, made at the first boot; `/root` begins as a copy of the image's.
pub fn open_folders() -> Result<Vec<DiskFolder>, BootFailure> {
    let mut folders = Vec::new();
    for (name, target, mode) in FOLDERS {
        let folder = format!("{DISK}/{name}");
        if !Path::new(&folder).exists() {
            make_folder(&folder, target, mode).or_fail("DISK_UNREADABLE", &folder)?;
        }
        let tree = detached_copy(&folder).or_fail("MOUNT_FAILED", &folder)?;
        folders.push(DiskFolder { tree, target });
    }
    Ok(folders)
}

pub fn attach_folders(folders: &[DiskFolder]) -> Result<(), BootFailure> {
    folders.iter().try_for_each(|folder| attach(&folder.tree, folder.target))
}

/// For a machine whose files are only read. Container storage stays where it is: a machine begins without any, whatever its
/// image has there.
pub fn attach_home_still() -> Result<(), BootFailure> {
    attach_still(&format!("{DISK}/{}", HOME.0), HOME.1)
}

/// Filled under another name and then renamed: a machine that dies in between starts over.
fn make_folder(folder: &str, target: &str, mode: u32) -> io::Result<()> {
    let unfinished = format!("{folder}.unfinished");
    if Path::new(&unfinished).exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir(&unfinished)?;
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(mode))?;
    let seed = format!("{IMAGE}{target}");
    if target == HOME.1 && fs::symlink_metadata(&seed).is_ok_and(|there| there.is_dir()) {
        copy_content(Path::new(&seed), Path::new(&unfinished))?;
        rustix::fs::syncfs(File::open(&unfinished)?)?;
    }
    fs::rename(&unfinished, folder)
}

/// Files, folders and symbolic links with their owners, modes and times; a home has nothing else worth keeping.
fn copy_content(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let (source, target) = {
            let entry = entry?;
            (entry.path(), to.join(entry.file_name()))
        };
        let there = fs::symlink_metadata(&source)?;
        if there.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
            lchown(&target, Some(there.uid()), Some(there.gid()))?;
        } else if there.is_dir() {
            fs::create_dir(&target)?;
            copy_content(&source, &target)?;
            chown(&target, Some(there.uid()), Some(there.gid()))?;
            fs::set_permissions(&target, there.permissions())?;
        } else if there.is_file() {
            fs::copy(&source, &target)?;
            chown(&target, Some(there.uid()), Some(there.gid()))?;
            fs::set_permissions(&target, there.permissions())?;
        } else {
            continue;
        }
        // By them git and make know what has changed.
        let time = Timespec { tv_sec: there.mtime(), tv_nsec: there.mtime_nsec() };
        let times = Timestamps { last_access: time, last_modification: time };
        utimensat(CWD, &target, &times, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// The number of blocks that the mounted filesystem has, as its superblock says.
fn superblock_blocks(drive: &str) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;
    const SUPERBLOCK_OFFSET: u64 = 1024;
    const BLOCKS_LOW: usize = 0x4;
    const BLOCKS_HIGH: usize = 0x150;
    const FEATURE_INCOMPATIBLE: usize = 0x60;
    const FEATURE_64BIT: u32 = 0x80;
    let mut superblock = [0; 1024];
    File::open(format!("/dev/{drive}"))?.read_exact_at(&mut superblock, SUPERBLOCK_OFFSET)?;
    let word =
        |at: usize| u32::from_le_bytes([superblock[at], superblock[at + 1], superblock[at + 2], superblock[at + 3]]);
    let has_high_half = word(FEATURE_INCOMPATIBLE) & FEATURE_64BIT != 0;
    let high = if has_high_half { u64::from(word(BLOCKS_HIGH)) } else { 0 };
    Ok(high << 32 | u64::from(word(BLOCKS_LOW)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;
    use std::process::Command;

    #[test]
    fn a_home_is_copied_with_modes_and_times() {
        let folder = TestFolder::new("home");
        let script = "mkdir -p from/.config/deep to; echo x >from/.config/deep/file; chmod 600 from/.config/deep/file
            ln -s file from/.config/deep/link; mkfifo from/pipe; chmod 700 from/.config; touch -d '2020-02-02 02:02:02.5 UTC' from/.config/deep/*
            touch -h -d '2019-01-01 UTC' from/.config/deep/link; touch -d '2001-01-01 UTC' from/.config/deep from/.config";
        let made = Command::new("bash").args(["-ec", script]).current_dir(&*folder).status().unwrap();
        assert!(made.success());
        copy_content(&folder.join("from"), &folder.join("to")).unwrap();
        let list = |name: &str| {
            let format = r"%P %y %m %T@ %l\n";
            let mut find = Command::new("find");
            let find = find.args([".", "-mindepth", "1", "!", "-type", "p", "-printf", format]);
            let output = find.current_dir(folder.join(name)).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        assert_eq!(list("to"), list("from"));
        assert_eq!(list("to").lines().count(), 4);
    }
}
