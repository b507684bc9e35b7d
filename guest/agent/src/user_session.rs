//! The session that systemd keeps for an ordinary user: a folder for sockets below `/run/user`, and a manager for
//! services of the user's own. A login begins it; a command of the host's is no login, so it is begun here.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::users::User;

/// While the machine boots, systemd first starts what a user's session needs; a command waits no longer for it
const LIMIT: Timespec = Timespec { tv_sec: 15, tv_nsec: 0 };
/// Who logs in; Debian gives lower numbers to services, which have no session
const ORDINARY_UIDS: std::ops::Range<u32> = 1000..60_000;

/// The variables by which programs find the session; none where there is no session to be had. Waits for systemd, so not
/// for the runtime's thread.
pub fn open(user: &User) -> Vec<(&'static str, String)> {
    if !ORDINARY_UIDS.contains(&user.uid) || !Path::new("/run/systemd/system").is_dir() {
        return Vec::new();
    }
    let folder = format!("/run/user/{}", user.uid);
    let bus = format!("{folder}/bus");
    if !is_socket(&bus) {
        begin(user.uid);
    }
    if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir() && found.uid() == user.uid) {
        return Vec::new();
    }
    let bus = is_socket(&bus).then(|| ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={bus}")));
    [("XDG_RUNTIME_DIR", folder)].into_iter().chain(bus).collect()
}

fn is_socket(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// A refusal, or a systemd that takes too long, costs the command its session and nothing else.
fn begin(uid: u32) {
    let unit = format!("user@{uid}.service");
    let mut command = Command::new("/usr/bin/systemctl");
    command.args(["--quiet", "--no-ask-password", "start", &unit]).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return };
    let ended = Pid::from_raw(child.id() as i32).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    if let Some(ended) = ended {
        let _ = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&LIMIT));
    }
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::find_user;

    #[test]
    fn root_and_services_have_no_session() {
        for name in ["root", "33", "65534"] {
            assert!(open(&find_user(Some(name)).unwrap()).is_empty(), "{name}");
        }
    }
}
