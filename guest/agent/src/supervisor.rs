//! PID 1 where the image has no init: reaps orphans, and ends the machine when asked. Beside an image's init too: ends
//! the machine when the agent has ended and none comes back. One thread, no way to panic.

use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, mount_remount};
use rustix::process::{WaitOptions, wait};

use crate::{comeback, console, machine_end, process_list, sys};

/// What the programs `poweroff`, `halt` and `reboot` of busybox and systemd send to PID 1, and what Ctrl-Alt-Del does
const POWER_OFF: [i32; 3] = [libc::SIGUSR1, libc::SIGUSR2, SYSTEMD_POWER_OFF];
const RESTART: [i32; 3] = [libc::SIGTERM, libc::SIGINT, SYSTEMD_RESTART];
const SYSTEMD_POWER_OFF: i32 = 38;
const SYSTEMD_RESTART: i32 = 39;
const SIGNALS: [i32; 7] =
    [libc::SIGCHLD, libc::SIGUSR1, libc::SIGUSR2, SYSTEMD_POWER_OFF, libc::SIGTERM, libc::SIGINT, SYSTEMD_RESTART];

/// How long processes may take to end after SIGTERM
const PATIENCE: Duration = Duration::from_secs(3);

/// How long processes may take to be gone after SIGKILL: one that waits for a dead disk never is
const KILL_PATIENCE: Duration = Duration::from_secs(5);

pub fn run(agent_pid: i32) -> ! {
    sys::block_signals(&SIGNALS);
    let _ = rustix::system::reboot(rustix::system::RebootCommand::CadOff);
    loop {
        replace_or_reset(agent_pid);
        match sys::next_signal(&SIGNALS, 60_000) {
            Some(signal) if POWER_OFF.contains(&signal) => {
                stop_everything();
                console::say("the machine powers off");
                machine_end::power_off()
            }
            Some(signal) if RESTART.contains(&signal) => {
                stop_everything();
                console::say("the machine resets");
                machine_end::reset()
            }
            _ => {}
        }
    }
}

/// Beside the image's init: nothing to do once another agent has come.
pub fn watch(agent_pid: i32) -> ! {
    sys::block_signals(&SIGNALS);
    while !replace_or_reset(agent_pid) {
        sys::next_signal(&[libc::SIGCHLD], 60_000);
    }
    std::process::exit(0)
}

/// A machine that nobody can reach is better ended, with a reason, than left running. True when the agent that was
/// started at boot has ended and another one is there; the kernel looks after that one.
fn replace_or_reset(agent_pid: i32) -> bool {
    let Some(end) = reap(agent_pid) else { return false };
    if !comeback::has_come_back() {
        console::say(&format!("the agent ended ({end}), the machine resets"));
        machine_end::reset();
    }
    console::say(&format!("the agent ended ({end}), another one took its place"));
    true
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

/// All but the agent are asked first. An agent that comes back after the end of all has nothing open on the disk.
fn stop_everything() {
    const EVERYTHING: i32 = -1;
    let _ = sys::send_signal(EVERYTHING, libc::SIGTERM);
    let _ = sys::send_signal(EVERYTHING, libc::SIGCONT);
    wait_while(PATIENCE, process_list::has_others);
    let agents: Vec<u32> = process_list::agents().collect();
    let _ = sys::send_signal(EVERYTHING, libc::SIGKILL);
    wait_while(KILL_PATIENCE, || process_list::has_others() || process_list::agents().any(|pid| agents.contains(&pid)));
    leave_disks_clean();
}

fn wait_while(patience: Duration, is_so: impl Fn() -> bool) {
    const NOBODY: i32 = 0;
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline && is_so() {
        sys::next_signal(&[libc::SIGCHLD], 20);
        reap(NOBODY);
    }
}

/// The overlay first, then the ext4 below it, which `/root` is a folder of.
fn leave_disks_clean() {
    rustix::fs::sync();
    for mount_point in ["/", "/root"] {
        let _ = mount_remount(mount_point, MountFlags::RDONLY, c"");
    }
}
