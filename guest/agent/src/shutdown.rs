//! `POST /v1/shutdown`: asks PID 1, in the way that it understands.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;

use crate::handshake::InitKind;
use crate::routes::Agent;
use crate::sys;

#[derive(Clone, Copy, Deserialize)]
pub struct Order {
    how: How,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum How {
    Poweroff,
    Reboot,
}

pub async fn run(agent: &Agent, order: Order) {
    const SYSTEMD_POWER_OFF: i32 = 38; // SIGRTMIN+4
    const SYSTEMD_RESTART: i32 = 39; // SIGRTMIN+5
    // The answer leaves the machine before the machine goes.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let has_systemd = agent.info.init == InitKind::Image && Path::new("/run/systemd/system").exists();
    let (program, signal) = match (order.how, has_systemd) {
        (How::Poweroff, true) => (None, SYSTEMD_POWER_OFF),
        (How::Reboot, true) => (None, SYSTEMD_RESTART),
        (How::Poweroff, false) => (Some("/sbin/poweroff"), libc::SIGUSR2),
        (How::Reboot, false) => (Some("/sbin/reboot"), libc::SIGTERM),
    };
    let program = program.filter(|_| agent.info.init == InitKind::Image);
    let has_started = program.is_some_and(|program| Command::new(program).spawn().is_ok());
    if !has_started {
        let _ = sys::send_signal(1, signal);
    }
}
