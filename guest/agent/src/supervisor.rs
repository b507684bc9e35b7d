//! PID 1 where the image has no init: reaps orphans, and ends the machine when asked or when the agent is gone. Beside
//! an image's init only the last of these. One thread, no allocation to speak of, no way to panic.

use std::fs;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount_remount};
use rustix::process::{Pid, WaitOptions, wait};

use crate::{console, sys};

/// What the programs `poweroff`, `halt` and `reboot` of busybox and systemd send to PID 1, and what Ctrl-Alt-Del does
const POWER_OFF: [i32; 3] = [libc::SIGUSR1, libc::SIGUSR2, SYSTEMD_POWER_OFF];
const RESTART: [i32; 3] = [libc::SIGTERM, libc::SIGINT, SYSTEMD_RESTART];
const SYSTEMD_POWER_OFF: i32 = 38;
const SYSTEMD_RESTART: i32 = 39;
const SIGNALS: [i32; 7] =
    [libc::SIGCHLD, libc::SIGUSR1, libc::SIGUSR2, SYSTEMD_POWER_OFF, libc::SIGTERM, libc::SIGINT, SYSTEMD_RESTART];

/// How long processes may take to end after SIGTERM
const PATIENCE: Duration = Duration::from_secs(3);

pub fn run(agent_pid: i32) -> ! {
    sys::block_signals(&SIGNALS);
    let _ = rustix::system::reboot(rustix::system::RebootCommand::CadOff);
    loop {
        reset_when_gone(agent_pid);
        match sys::next_signal(&SIGNALS, 60_000) {
            Some(signal) if POWER_OFF.contains(&signal) => {
                stop_everything(agent_pid);
                console::say("the machine powers off");
                console::power_off()
            }
            Some(signal) if RESTART.contains(&signal) => {
                stop_everything(agent_pid);
                console::say("the machine resets");
                console::reset_machine()
            }
            _ => {}
        }
    }
}

/// Beside the image's init: nothing to do but to say why, and to reset, when the agent is gone.
pub fn watch(agent_pid: i32) -> ! {
    sys::block_signals(&SIGNALS);
    loop {
        reset_when_gone(agent_pid);
        sys::next_signal(&[libc::SIGCHLD], 60_000);
    }
}

/// A machine that nobody can reach is better ended, with a reason, than left running.
fn reset_when_gone(agent_pid: i32) {
    if let Some(end) = reap(agent_pid) {
        console::say(&format!("the agent ended ({end}), the machine resets"));
        console::reset_machine();
    }
}

/// Takes in every child that ended; how the agent did, if it was among them.
fn reap(agent_pid: i32) -> Option<String> {
    let mut agent_end = None;
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if pid.as_raw_nonzero().get() == agent_pid {
            agent_end = Some(match (status.exit_status(), status.terminating_signal()) {
                (_, Some(signal)) => format!("killed by signal {signal}"),
                (code, None) => format!("exit code {}", code.unwrap_or_default()),
            });
        }
    }
    agent_end
}

fn stop_everything(agent_pid: i32) {
    const EVERYTHING: i32 = -1;
    let _ = sys::send_signal(EVERYTHING, libc::SIGTERM);
    let _ = sys::send_signal(EVERYTHING, libc::SIGCONT);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && has_others(agent_pid) {
        sys::next_signal(&[libc::SIGCHLD], 20);
        if reap(agent_pid).is_some() {
            break;
        }
    }
    let _ = sys::send_signal(EVERYTHING, libc::SIGKILL);
    while reap(agent_pid).is_none() && rustix::process::test_kill_process(pid_of(agent_pid)).is_ok() {
        sys::next_signal(&[libc::SIGCHLD], 20);
    }
    leave_disks_clean();
}

/// Whether a process besides us, the agent and the kernel's own threads still runs.
fn has_others(agent_pid: i32) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| pid != 1 && pid != agent_pid)
        .any(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|arguments| !arguments.is_empty()))
}

/// The overlay first, then the ext4 below it, which `/root` is a folder of.
fn leave_disks_clean() {
    rustix::fs::sync();
    for mount_point in ["/", "/root"] {
        let _ = mount_remount(mount_point, MountFlags::RDONLY, c"");
    }
}

fn pid_of(raw: i32) -> Pid {
    Pid::from_raw(raw).unwrap_or(Pid::INIT)
}
