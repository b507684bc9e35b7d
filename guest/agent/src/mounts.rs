//! The mounts that make a machine: the kernel's own filesystems, the image, the disk, and the overlay of both.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind, mount_change, mount_move,
    move_mount, open_tree,
};

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::sys;

pub const IMAGE: &str = "/banger/image";
const LAYERS: &str = "/banger/layers";
pub const DISK: &str = "/banger/disk";
const MODULES: &str = "/banger/modules";
pub const NEW_ROOT: &str = "/banger/root";

/// A driver finds its device after the module is loaded, in its own time.
const DRIVE_PATIENCE: Duration = Duration::from_secs(5);

/// `/proc`, `/sys`, `/dev`, `/run` and what systemd would mount below them, by a process each. What fails here is missed
/// later, with a reason.
pub fn mount_kernel_filesystems() {
    let none = MountFlags::empty();
    let strict = MountFlags::NOSUID | MountFlags::NODEV;
    let mounts = [
        ("proc", "/proc", strict | MountFlags::NOEXEC, c""),
        ("sysfs", "/sys", strict | MountFlags::NOEXEC, c""),
        ("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=755"),
        ("devpts", "/dev/pts", MountFlags::NOSUID | MountFlags::NOEXEC, c"gid=5,mode=620,ptmxmode=666"),
        ("tmpfs", "/dev/shm", strict, c"mode=1777"),
        ("tmpfs", "/run", strict | MountFlags::STRICTATIME, c"mode=755"),
        ("hugetlbfs", "/dev/hugepages", none, c"pagesize=2M"),
        ("mqueue", "/dev/mqueue", strict | MountFlags::NOEXEC, c""),
        ("debugfs", "/sys/kernel/debug", strict | MountFlags::NOEXEC, c""),
        ("tracefs", "/sys/kernel/tracing", strict | MountFlags::NOEXEC, c""),
        ("cgroup2", "/sys/fs/cgroup", strict | MountFlags::NOEXEC, c"nsdelegate,memory_recursiveprot"),
    ];
    for (kind, target, flags, options) in mounts {
        let _ = fs::create_dir_all(target);
        let _ = mount(kind, target, kind, none | flags, options);
    }
    make_devices();
    for (target, link) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        let _ = symlink(target, link);
    }
}

/// Devices that ordinary users may open, as udev says wherever it runs. Here already, since an image may have no udev, and
/// the kernel loads the driver when a node is opened. `devices_stay_open` keeps them so.
const OPEN_DEVICES: [(&str, u32, u32); 2] = [("/dev/net/tun", 10, 200), ("/dev/fuse", 10, 229)];
const OPEN_TO_ALL: u32 = 0o666;

fn make_devices() {
    use rustix::fs::{FileType, Mode, makedev, mknodat};
    for (path, major, minor) in OPEN_DEVICES {
        let _ = Path::new(path).parent().map(fs::create_dir_all);
        let _ = mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), makedev(major, minor));
        // The mode of a new node would depend on the umask, and the driver may have made it before.
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(OPEN_TO_ALL));
    }
}

/// systemd would close them: the kernel's modules list them without a mode.
pub fn devices_stay_open() {
    let lines: String =
        OPEN_DEVICES.iter().map(|(path, ..)| format!("z {path} {OPEN_TO_ALL:04o} root root - -\n")).collect();
    let _ =
        fs::create_dir_all("/run/tmpfiles.d").and_then(|()| fs::write("/run/tmpfiles.d/banger-devices.conf", lines));
}

/// The image: one drive, or several that lie over one another. What the root's overlay has below is returned.
pub fn mount_images(drives: &[String]) -> Result<String, BootFailure> {
    if let [drive] = drives {
        mount_image(drive, IMAGE)?;
        return Ok(IMAGE.to_owned());
    }
    let layers: Vec<String> = (0..drives.len()).map(|number| format!("{LAYERS}/{number}")).collect();
    for (drive, folder) in drives.iter().zip(&layers) {
        mount_image(drive, folder)?;
    }
    let lower = uppermost_first(&layers);
    make_folder(IMAGE)?;
    let options = CString::new(format!("lowerdir={lower}")).or_fail("OVERLAY_FAILED", "options")?;
    mount("overlay", IMAGE, "overlay", MountFlags::RDONLY, options.as_c_str())
        .or_fail("OVERLAY_FAILED", "the layers")?;
    // Not the overlay just made: one on top of another leaves the machine none of its own.
    Ok(lower)
}

/// As an overlay names its layers.
fn uppermost_first(layers: &[String]) -> String {
    layers.iter().rev().map(String::as_str).collect::<Vec<_>>().join(":")
}

/// A drive whose kind nobody told us.
fn mount_image(drive: &str, folder: &str) -> Result<(), BootFailure> {
    let device = wait_for_drive(drive).ok_or_else(|| missing("IMAGE_DRIVE_MISSING", drive))?;
    make_folder(folder)?;
    let kinds = [("squashfs", c""), ("erofs", c""), ("ext4", c"noload")];
    let mut problems = Vec::new();
    for (kind, options) in kinds {
        match mount(&device, folder, kind, MountFlags::RDONLY, options) {
            Ok(()) => return Ok(()),
            Err(Errno::NODEV) => {} // this kernel does not know the kind
            Err(error) => problems.push(format!("{kind}: {error}")),
        }
    }
    Err(BootFailure::new("IMAGE_UNREADABLE", format!("{device} could not be mounted, {}", problems.join(", "))))
}

/// The vm's own disk.
pub fn mount_disk(drive: &str) -> Result<(), BootFailure> {
    let device = wait_for_drive(drive).ok_or_else(|| missing("DISK_DRIVE_MISSING", drive))?;
    make_folder(DISK)?;
    // What is deleted is given back to the host at once: the disk's file there is sparse, and would only ever grow.
    mount(&device, DISK, "ext4", MountFlags::NOATIME, c"errors=remount-ro,discard").or_fail("DISK_UNREADABLE", &device)
}

/// The disk of a machine whose files are only read.
pub fn mount_still_disk(drive: &str) -> Result<(), BootFailure> {
    let device = wait_for_drive(drive).ok_or_else(|| missing("DISK_DRIVE_MISSING", drive))?;
    make_folder(DISK)?;
    mount(&device, DISK, "ext4", MountFlags::RDONLY, c"errors=remount-ro").or_fail("DISK_UNREADABLE", &device)
}

/// The root as the machine has it, to be read. False for a machine that never ran, whose files are its image's.
pub fn mount_still_root(lower: &str) -> Result<bool, BootFailure> {
    make_folder(NEW_ROOT)?;
    let upper = format!("{DISK}/upper");
    if !is_folder(&upper) {
        mount_bind(IMAGE, NEW_ROOT).or_fail("MOUNT_FAILED", NEW_ROOT)?;
        return Ok(false);
    }
    let options =
        CString::new(format!("lowerdir={upper}:{lower},redirect_dir=follow,index=off,metacopy=off,xino=auto"))
            .or_fail("OVERLAY_FAILED", "options")?;
    mount("overlay", NEW_ROOT, "overlay", MountFlags::RDONLY, options.as_c_str())
        .or_fail("OVERLAY_FAILED", "mounting the root")?;
    Ok(true)
}

/// Puts a folder of the disk where the machine has it.
pub fn attach_still(folder: &str, target: &str) -> Result<(), BootFailure> {
    let target = format!("{NEW_ROOT}{target}");
    if !is_folder(folder) || !is_folder(&target) {
        return Ok(());
    }
    mount_bind(folder, &target).or_fail("MOUNT_FAILED", &target)
}

/// And no link to one.
fn is_folder(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_dir())
}

/// For the last moment of a machine: the disk below the overlay, which nobody could unmount, is as after an unmount, with
/// nothing in its journal. Whoever still writes to it waits from then on.
pub fn settle_disk(drive: &str) -> Result<(), BootFailure> {
    const FOLDER: &str = "/disk";
    const CODE: &str = "DISK_UNREADABLE";
    make_folder(FOLDER)?;
    mount(format!("/dev/{drive}"), FOLDER, "ext4", MountFlags::NOATIME, c"").or_fail(CODE, FOLDER)?;
    fs::File::open(FOLDER).and_then(|folder| sys::freeze(folder.as_fd())).or_fail(CODE, "freezing it")
}

/// The modules of this kernel, for `modprobe` in the machine.
pub fn mount_modules(drive: &str) -> Result<OwnedFd, BootFailure> {
    const CODE: &str = "MODULES_DRIVE_UNREADABLE";
    let device = wait_for_drive(drive).ok_or_else(|| missing("MODULES_DRIVE_MISSING", drive))?;
    make_folder(MODULES)?;
    mount(&device, MODULES, "squashfs", MountFlags::RDONLY, c"").or_fail(CODE, &device)?;
    detached_copy(MODULES).or_fail(CODE, MODULES)
}

/// The root: the disk over `lower`.
pub fn mount_overlay(lower: &str) -> Result<(), BootFailure> {
    for folder in [&format!("{DISK}/upper"), &format!("{DISK}/work"), NEW_ROOT] {
        make_folder(folder)?;
    }
    let options = CString::new(format!(
        "lowerdir={lower},upperdir={DISK}/upper,workdir={DISK}/work,redirect_dir=on,index=off,metacopy=off,xino=auto"
    ))
    .or_fail("OVERLAY_FAILED", "options")?;
    mount("overlay", NEW_ROOT, "overlay", MountFlags::empty(), options.as_c_str())
        .or_fail("OVERLAY_FAILED", "mounting the root")
}

/// A mount of `folder` that is nowhere yet. It can be attached after the switch to the new root, when paths already
/// mean what they mean in the machine: an image's symbolic links cannot lead it astray.
pub fn detached_copy(folder: &str) -> rustix::io::Result<OwnedFd> {
    open_tree(CWD, folder, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC)
}

pub fn attach(tree: &OwnedFd, target: &str) -> Result<(), BootFailure> {
    make_folder(target)?;
    move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).or_fail("MOUNT_FAILED", target)
}

/// Makes the overlay `/`, and gives back the memory of the initramfs.
pub fn switch_root() -> Result<(), BootFailure> {
    const CODE: &str = "SWITCH_ROOT_FAILED";
    for folder in ["/proc", "/sys", "/dev", "/run"] {
        let target = format!("{NEW_ROOT}{folder}");
        // In an image this can be anything, but a mount point it must be.
        if !fs::symlink_metadata(&target).is_ok_and(|there| there.is_dir()) {
            let _ = fs::remove_file(&target);
            make_folder(&target)?;
        }
        mount_move(folder, &target).or_fail(CODE, folder)?;
    }
    let _ = fs::remove_file("/init");
    let _ = fs::remove_dir_all("/modules");
    rustix::process::chdir(NEW_ROOT).or_fail(CODE, NEW_ROOT)?;
    mount_move(".", "/").or_fail(CODE, "moving the root")?;
    rustix::process::chroot(".").or_fail(CODE, "chroot")?;
    rustix::process::chdir("/").or_fail(CODE, "chdir")
}

/// Programs count on it, and an image of a single program has none.
pub fn make_temporary_folder() {
    const STICKY_AND_OPEN: u32 = 0o1777;
    // One that is there, whatever it is, is the image's.
    if fs::create_dir("/tmp").is_ok() {
        let _ = fs::set_permissions("/tmp", fs::Permissions::from_mode(STICKY_AND_OPEN));
    }
}

/// Containers expect mounts to spread into their namespaces, as systemd sets them up.
pub fn share_mounts() {
    let _ = mount_change("/", MountPropagationFlags::SHARED | MountPropagationFlags::REC);
}

pub fn make_folder(path: &str) -> Result<(), BootFailure> {
    fs::create_dir_all(path).or_fail("MOUNT_FAILED", path)
}

fn wait_for_drive(drive: &str) -> Option<String> {
    let device = format!("/dev/{drive}");
    let deadline = Instant::now() + DRIVE_PATIENCE;
    while !Path::new(&device).exists() {
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Some(device)
}

fn missing(code: &'static str, drive: &str) -> BootFailure {
    BootFailure::new(code, format!("/dev/{drive} did not appear within {} s", DRIVE_PATIENCE.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_images_the_last_lies_on_top() {
        let layers = ["/a", "/b", "/c"].map(str::to_owned);
        assert_eq!(uppermost_first(&layers), "/c:/b:/a");
    }
}
