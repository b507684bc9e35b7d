//! Who else runs in the machine, for those who outlive it all.

use std::fs;

/// What the agent calls itself. systemd spares processes whose name begins with "@" when it kills all others.
pub const AGENT_TITLE: &str = "@banger-agent";

/// The agent's processes.
pub fn agents() -> impl Iterator<Item = u32> {
    with_command_lines().filter(|(_, line)| is_agent(line)).map(|(pid, _)| pid)
}

/// Whether a process besides PID 1, the agent and the kernel's own threads still runs.
pub fn has_others() -> bool {
    with_command_lines().any(|(pid, line)| pid != 1 && !is_agent(&line))
}

/// A thread of the kernel, and a process that has ended, have no command line.
fn with_command_lines() -> impl Iterator<Item = (u32, Vec<u8>)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        (!line.is_empty()).then_some((pid, line))
    })
}

fn is_agent(command_line: &[u8]) -> bool {
    command_line.starts_with(AGENT_TITLE.as_bytes())
}
