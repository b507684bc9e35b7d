//! The image's own init: whether it has one, what systemd should leave alone in a vm, and becoming it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::{console, init_ready, machine_end, mounts, sys};

const CANDIDATES: [&str; 4] = ["/sbin/init", "/usr/sbin/init", "/lib/systemd/systemd", "/usr/lib/systemd/systemd"];

/// Units that wait for something a vm does not have, or that cost a fresh machine time: consoles nobody sits at,
/// networks that are already there, mount options that are ours, a screen, partitions, what a crash left in a firmware,
/// housekeeping.
const MASKED_UNITS: [&str; 16] = [
    // It would cover the files of a command that began before it.
    "tmp.mount",
    "getty@tty1.service",
    "console-getty.service",
    "serial-getty@ttyS0.service",
    "systemd-networkd-wait-online.service",
    "NetworkManager-wait-online.service",
    "systemd-firstboot.service",
    "systemd-remount-fs.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "modprobe@drm.service",
    "systemd-pstore.service",
    "systemd-repart.service",
    // Modules that have something there load it by themselves.
    "sys-kernel-config.mount",
];

/// They look for terminals, partitions, a sleep to wake up from and an update to finish, each as a process of every boot.
const MASKED_GENERATORS: [&str; 6] = [
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-system-update-generator",
    "systemd-veritysetup-generator",
];

/// The path of an init that would do something. Busybox is one only with scripts to run: without them it starts
/// terminals on consoles that are not there.
pub fn find() -> Option<&'static str> {
    let init = CANDIDATES.into_iter().find(|path| is_executable(path))?;
    let real = fs::canonicalize(init).unwrap_or_default();
    let is_busybox = real.file_name().is_some_and(|name| name == "busybox");
    let has_scripts = ["/sbin/openrc", "/etc/init.d/rcS"].iter().any(|script| is_executable(script));
    (!is_busybox || has_scripts).then_some(init)
}

/// Whether the machine has an init of the image's own, and a program is that.
pub fn is_it(program: &Path) -> bool {
    find().is_some_and(|init| is_same_file(Path::new(init), program))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

/// By its file, which `/sbin/init` is a link to.
pub fn is_systemd(init: &str) -> bool {
    fs::canonicalize(init).is_ok_and(|real| real.file_name().is_some_and(|name| name == "systemd"))
}

/// Masks for this boot only; the image's own files stay as they are.
pub fn prepare_systemd() {
    let folder = Path::new("/run/systemd/system");
    // `/run/systemd/system` also tells programs that systemd runs, so it is made only where it will.
    if !CANDIDATES[2..].iter().any(|path| is_executable(path)) || fs::create_dir_all(folder).is_err() {
        return;
    }
    for unit in MASKED_UNITS {
        let _ = symlink("/dev/null", folder.join(unit));
    }
    let generators = Path::new("/run/systemd/system-generators");
    let _ = fs::create_dir_all(generators);
    for generator in MASKED_GENERATORS {
        let _ = symlink("/dev/null", generators.join(generator));
    }
    empty_tmp();
    mounts::devices_stay_open();
}

/// systemd empties /tmp while it boots, when commands may already run and have files there. So the agent does it before
/// the first command, and systemd is told to leave it alone.
fn empty_tmp() {
    for entry in fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if is_folder { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
    }
    let _ = fs::create_dir_all("/run/tmpfiles.d");
    let _ = fs::write("/run/tmpfiles.d/tmp.conf", "q /tmp 1777 root root 10d\nq /var/tmp 1777 root root 30d\n");
}

pub fn become_init(path: &str) -> ! {
    sys::reset_signals();
    let error =
        Command::new(path).env_clear().env("TERM", "linux").env("NOTIFY_SOCKET", init_ready::NOTIFY_SOCKET).exec();
    console::say(&format!("{path} could not be started: {error}"));
    machine_end::reset()
}

fn is_executable(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn an_init_is_known_by_its_file_under_any_name() {
        let folder = TestFolder::new("init");
        let [init, link, other] = ["systemd", "init", "other"].map(|name| folder.join(name));
        fs::write(&init, "").unwrap();
        fs::write(&other, "").unwrap();
        symlink("systemd", &link).unwrap();
        assert!(is_same_file(&link, &init) && is_same_file(&init, &link));
        assert!(!is_same_file(&init, &other) && !is_same_file(&folder.join("none"), &folder.join("none")));
        assert!(!is_it(&other));
    }
}
