//! `POST /v1/shutdown`: asks PID 1, in the way that it understands.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::agent::{Agent, World};
use crate::command_line::{CommandLine, EndKind};
use crate::handshake::InitKind;
use crate::sys;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    how: How,
    /// How long the host waits before it ends the machine by force
    within_ms: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Poweroff,
    Reboot,
}

pub async fn run(agent: &Agent, order: Order) {
    // The answer leaves the machine before the machine goes.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _ = tokio::time::timeout(patience(order.within_ms), agent.sessions.stop_own_command()).await;
    if agent.world == World::Process {
        std::process::exit(0)
    }
    let has_systemd = agent.info.init == InitKind::Image && Path::new("/run/systemd/system").exists();
    let init = match agent.info.init {
        InitKind::Agent => Init::Supervisor,
        InitKind::Image if has_systemd => Init::Systemd,
        InitKind::Image => Init::Other,
    };
    let (program, signal) = request(order.how, init, CommandLine::of_this_machine().end);
    let has_started = program.is_some_and(|program| Command::new(program).spawn().is_ok());
    if !has_started {
        // Our own supervisor listens from the start, and while it waits for a signal its mask looks empty from outside.
        if agent.info.init == InitKind::Image {
            wait_until_init_listens(signal).await;
        }
        let _ = sys::send_signal(1, signal);
    }
}

/// How long the image's own command may take to end. The rest of the host's time is for everything else.
fn patience(within_ms: Option<u64>) -> Duration {
    const USUAL: Duration = Duration::from_secs(10);
    const REST: Duration = Duration::from_secs(10);
    within_ms.map(Duration::from_millis).map_or(USUAL, |within| within.saturating_sub(REST).max(within / 2))
}

#[derive(Clone, Copy)]
enum Init {
    Systemd,
    /// Of the image, with programs that ask it
    Other,
    Supervisor,
}

/// The program that asks for it, and the signal where there is none.
fn request(how: How, init: Init, end: EndKind) -> (Option<&'static str>, i32) {
    const SYSTEMD_POWER_OFF: i32 = 38; // SIGRTMIN+4
    const SYSTEMD_RESTART: i32 = 39; // SIGRTMIN+5
    match (how, init) {
        (How::Poweroff, Init::Systemd) => (None, SYSTEMD_POWER_OFF),
        (How::Reboot, Init::Systemd) => (None, SYSTEMD_RESTART),
        (How::Poweroff, Init::Supervisor) => (None, libc::SIGUSR2),
        (How::Reboot, Init::Supervisor) => (None, libc::SIGTERM),
        (How::Poweroff, Init::Other) if end == EndKind::PowerOff => (Some("/sbin/poweroff"), libc::SIGUSR2),
        // Where only a reset ends the machine, a power-off would halt it.
        (_, Init::Other) => (Some("/sbin/reboot"), libc::SIGTERM),
    }
}

/// The kernel drops what PID 1 does not handle, and a machine can be told to go before its init has set itself up.
async fn wait_until_init_listens(signal: i32) {
    const PATIENCE: Duration = Duration::from_secs(20);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let status = std::fs::read_to_string("/proc/1/status").unwrap_or_default();
        if listens_to(&status, signal) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a process catches the signal, or blocks it to read it from a descriptor.
fn listens_to(status: &str, signal: i32) -> bool {
    let set = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    };
    (set("SigBlk:") | set("SigCgt:")) & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_init_that_powers_off_by_itself_restarts_where_that_ends_the_machine() {
        let ask = |init, end| request(How::Poweroff, init, end);
        assert_eq!(ask(Init::Other, EndKind::PowerOff), (Some("/sbin/poweroff"), libc::SIGUSR2));
        assert_eq!(ask(Init::Other, EndKind::Reset), (Some("/sbin/reboot"), libc::SIGTERM));
        for init in [Init::Systemd, Init::Supervisor] {
            assert_eq!(ask(init, EndKind::Reset), ask(init, EndKind::PowerOff), "systemd's last program is ours");
        }
    }

    #[test]
    fn the_images_command_has_most_of_the_hosts_time_and_leaves_some() {
        for (within_ms, seconds) in [(None, 10.0), (Some(30_000), 20.0), (Some(1000), 0.5), (Some(600_000), 590.0)] {
            assert_eq!(patience(within_ms), Duration::from_secs_f64(seconds), "{within_ms:?}");
        }
    }

    #[test]
    fn an_init_listens_to_what_it_blocks_or_catches() {
        let status =
            "Name:\tsystemd\nSigBlk:\t0000002000000000\nSigIgn:\t0000000000004000\nSigCgt:\t0000000000000800\n";
        assert!(listens_to(status, 38) && listens_to(status, libc::SIGUSR2));
        assert!(!listens_to(status, libc::SIGTERM) && !listens_to("", 38));
    }
}
