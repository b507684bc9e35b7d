//! Programs of the system, by fixed paths. They get no environment, no arguments from anybody, and limited time and memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use banger_kernel::sys::{bound, tie};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::answers::{Code, Refusal};

const MAX_TIME: Duration = Duration::from_secs(20);
/// Less than the unit has: a program that wants more fails and says so, where the kernel would end whom it likes
const MAX_MEMORY_BYTES: u64 = 192 * 1024 * 1024;
const MAX_OUTPUT_BYTES: u64 = 4 * 1024 * 1024;
const MAX_COMPLAINT_BYTES: usize = 300;

/// Gives `input` to the program, and returns what it prints. Files in memory stand in for pipes, so that neither side waits
/// for the other.
pub fn run(path: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Refusal> {
    let wrong = |fault: io::Error| match fault.kind() {
        io::ErrorKind::NotFound => Refusal::new(Code::Missing, format!("{path} is not there")),
        _ => Refusal::new(Code::Failed, format!("{path}: {fault}")),
    };
    let (stdin, mut stdout, mut stderr) =
        (file_with(input).map_err(wrong)?, file_with(b"").map_err(wrong)?, file_with(b"").map_err(wrong)?);
    let mut command = Command::new(path);
    command.args(arguments).env_clear().current_dir("/");
    command.stdin(stdin).stdout(same(&stdout).map_err(wrong)?).stderr(same(&stderr).map_err(wrong)?);
    // What it has not done yet would come after the sweep of the next helper.
    tie(&mut command);
    bound(&mut command, MAX_MEMORY_BYTES, MAX_OUTPUT_BYTES);
    let mut child = command.spawn().map_err(wrong)?;
    if !ends_in_time(&child).map_err(wrong)? {
        end(&mut child);
        return Err(Refusal::new(Code::Failed, format!("{path} took longer than {} s", MAX_TIME.as_secs())));
    }
    let status = child.wait().map_err(wrong)?;
    if !status.success() {
        let complaint = read_whole(&mut stderr).map_err(wrong)?;
        let said = first_line(&complaint).unwrap_or_else(|| status.to_string());
        return Err(Refusal::new(Code::Failed, format!("{path}: {said}")));
    }
    read_whole(&mut stdout).map_err(wrong)
}

fn ends_in_time(child: &Child) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + MAX_TIME;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)], Some(&left)) {
            Ok(ended) => return Ok(ended > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
}

fn end(child: &mut Child) {
    let _ = child.kill(); // fails when it has ended by now, as it should
    let _ = child.wait();
}

fn file_with(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("banger-root", MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

fn same(file: &File) -> io::Result<Stdio> {
    Ok(OwnedFd::from(file.try_clone()?).into())
}

fn read_whole(file: &mut File) -> io::Result<Vec<u8>> {
    let mut printed = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut printed)?;
    Ok(printed)
}

fn first_line(printed: &[u8]) -> Option<String> {
    let shown = &printed[..printed.len().min(MAX_COMPLAINT_BYTES)];
    String::from_utf8_lossy(shown).lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wants_more_memory_than_it_may_have_or_prints_without_end_fails() {
        assert_eq!(run("/bin/cat", &[], b"said").unwrap(), b"said");
        let endless = "BEGIN { text = \"x\"; while (length(text) < 2 ^ 28) text = text text; printf \"done\" }";
        for (path, argument, says) in [("/usr/bin/awk", endless, "memory"), ("/usr/bin/yes", "again", "SIGXFSZ")] {
            let refusal = run(path, &[argument], b"").unwrap_err();
            assert_eq!(refusal.code, Code::Failed);
            assert!(refusal.message.contains(says), "{}", refusal.message);
        }
    }
}
