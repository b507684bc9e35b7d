//! One process of a session: started in a session of its own, watched through a pidfd, so that nobody else's children
//! are ever reaped.

use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use serde::Serialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::http_answers::{Code, Refusal};
use crate::start_request::CommandPlan;
use crate::users::User;
use crate::{comeback, sys};

/// How a process ended, as the protocol says it: `{"code":n}` or `{"signal":"…"}`
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    Code(i32),
    Signal(String),
}

pub struct Process {
    pub pid: i32,
    pidfd: AsyncFd<OwnedFd>,
    /// The number of a reaped process may already be another's
    is_reaped: Mutex<bool>,
}

/// What the process reads and writes
pub struct ProcessFiles {
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
    pub is_terminal: bool,
}

/// Starts the program and answers its pid; waits for its file to be read, so not for the runtime's thread.
pub fn spawn(plan: &CommandPlan, user: &User, files: ProcessFiles) -> Result<i32, Refusal> {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(&plan.program);
    command.arg0(&plan.name).args(&plan.arguments).env_clear().envs(&plan.env);
    command.stdin(files.stdin).stdout(files.stdout).stderr(files.stderr);
    become_user(&mut command, user, files.is_terminal, &plan.cwd)?;
    let child = command.spawn().map_err(|error| {
        let tried = format!("starting {}", plan.program.display());
        match Refusal::of_io(&error, &tried) {
            Refusal { code: Code::NotFound, message } => Refusal::new(Code::CommandNotFound, message),
            Refusal { code: Code::Permission, message } => Refusal::new(Code::CommandNotExecutable, message),
            other if error.kind() == io::ErrorKind::ArgumentListTooLong => {
                Refusal::new(Code::CommandTooLong, other.message)
            }
            other if error.raw_os_error() == Some(libc::ENOEXEC) => {
                Refusal::new(Code::CommandNotExecutable, other.message)
            }
            other => other,
        }
    })?;
    Ok(child.id() as i32)
}

/// The steps between fork and exec: a session and a terminal of its own, then the user's rights.
fn become_user(command: &mut Command, user: &User, is_terminal: bool, cwd: &str) -> Result<(), Refusal> {
    use rustix::thread::{Gid, Uid};
    let groups: Vec<Gid> = user.groups.iter().map(|&gid| Gid::from_raw(gid)).collect();
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    let own = rustix::process::geteuid();
    // Without a machine of its own the agent need not be root, and then has no other user to become.
    let may_only_be = (!own.is_root()).then_some(own);
    let group = comeback::group_of_commands();
    let cwd = std::ffi::CString::new(cwd).map_err(|_| Refusal::bad_request("cwd has a NUL"))?;
    sys::before_exec(command, move || {
        sys::reset_signals();
        if let Some(group) = group {
            let _ = rustix::io::write(group, b"0");
        }
        rustix::process::setsid()?;
        if is_terminal {
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
        }
        // The agent goes first and is never killed for memory; its commands are like any others.
        let _ = rustix::process::setpriority_process(None, 0);
        if let Ok(file) = rustix::fs::open(c"/proc/self/oom_score_adj", rustix::fs::OFlags::WRONLY, 0.into()) {
            let _ = rustix::io::write(&file, b"0");
        }
        if may_only_be != Some(uid) {
            rustix::thread::set_thread_groups(&groups)?;
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        }
        Ok(rustix::process::chdir(cwd.as_c_str())?)
    });
    Ok(())
}

impl Process {
    pub fn watch(pid: i32) -> io::Result<Self> {
        let raw = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        let pidfd = pidfd_open(raw, PidfdFlags::NONBLOCK)?;
        Ok(Self { pid, pidfd: sys::watch_descriptor(pidfd, Interest::READABLE)?, is_reaped: Mutex::new(false) })
    }

    /// Waits for the end and reaps.
    pub async fn exit(&self) -> Exit {
        loop {
            let Ok(mut guard) = self.pidfd.readable().await else { return Exit::Signal("KILL".to_owned()) };
            let mut is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
            match waitid(WaitId::PidFd(rustix::fd::AsFd::as_fd(self.pidfd.get_ref())), WaitIdOptions::EXITED) {
                Ok(Some(status)) => {
                    *is_reaped = true;
                    return match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Exit::Code(code),
                        (None, Some(signal)) => Exit::Signal(signal_name(signal)),
                        (None, None) => Exit::Signal("KILL".to_owned()),
                    };
                }
                Ok(None) | Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => guard.clear_ready(),
                Err(_) => return Exit::Signal("KILL".to_owned()),
            }
        }
    }

    /// Sends a signal to the process group; one that has ended gets none.
    pub fn signal_group(&self, signal: i32) {
        let is_reaped = self.is_reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_reaped {
            let _ = sys::send_signal(-self.pid, signal);
        }
    }
}

const SIGNAL_NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

pub fn signal_number(name: &str) -> Result<i32, Refusal> {
    let index = SIGNAL_NAMES.iter().position(|known| *known == name);
    index.map(|index| index as i32 + 1).ok_or_else(|| Refusal::bad_request(format!("there is no signal \"{name}\"")))
}

/// As an image names the signal that its program ends by: with or without SIG, in any case, by its number, or counted
/// from the ends of those that have no name. None for what is no signal.
pub fn stop_signal_number(text: &str) -> Option<i32> {
    let is_signal = |number: &i32| (1..=SIGNAL_MAX).contains(number);
    if let Ok(number) = text.parse::<i32>() {
        return Some(number).filter(is_signal);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    if let Some(up) = name.strip_prefix("RTMIN") {
        return counted(up, '+').map(|up| SIGNAL_RTMIN + up).filter(is_signal);
    }
    if let Some(down) = name.strip_prefix("RTMAX") {
        return counted(down, '-').map(|down| SIGNAL_MAX - down).filter(|number| *number >= SIGNAL_RTMIN);
    }
    signal_number(name).ok()
}

/// The first that libraries leave to programs
const SIGNAL_RTMIN: i32 = 34;
const SIGNAL_MAX: i32 = 64;

/// The small number after `sign`; 0 when there is neither.
fn counted(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    text.strip_prefix(sign)?.parse::<u8>().ok().map(i32::from)
}

fn signal_name(number: i32) -> String {
    let known = usize::try_from(number - 1).ok().and_then(|index| SIGNAL_NAMES.get(index));
    known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_numbers_of_the_kernel() {
        assert_eq!(signal_number("TERM").unwrap(), libc::SIGTERM);
        assert_eq!(signal_number("WINCH").unwrap(), libc::SIGWINCH);
        assert_eq!(signal_number("SYS").unwrap(), libc::SIGSYS);
        assert!(signal_number("SIGTERM").is_err());
        assert_eq!((signal_name(9), signal_name(35)), ("KILL".to_owned(), "35".to_owned()));
    }

    #[test]
    fn an_exit_is_told_as_the_protocol_says() {
        assert_eq!(serde_json::to_string(&Exit::Code(3)).unwrap(), r#"{"code":3}"#);
        assert_eq!(serde_json::to_string(&Exit::Signal("KILL".into())).unwrap(), r#"{"signal":"KILL"}"#);
    }
}
