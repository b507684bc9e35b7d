//! The agent comes back when it ends, whatever the machine's init is: the kernel starts it again.
//!
//! A hierarchy of control groups may name a program that the kernel runs when one of its groups is empty. The agent is
//! alone in such a group; what it starts leaves the group before it runs. So `kill -9 -1`, which spares only PID 1, costs
//! the commands that ran and nothing else. Each life of the agent leaves a word for the next one in `/run/banger`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{machine_end, process_list};

/// What the kernel gives as the program's first argument: the group's path in its hierarchy
pub const CALLED_BY_KERNEL: &str = "/agent";

const FOLDER: &str = "/run/banger";
const PROGRAM: &str = "/run/banger/agent";
const MOUNT_POINT: &str = "/run/banger/group";
const LIVES: &str = "/run/banger/lives";
const INIT: &str = "/run/banger/init";
/// What `image_config` keeps
pub const IMAGE: &str = "/run/banger/image";
const LIVES_LIMIT_BYTES: u64 = 64 * 1024;

/// How long the kernel may take to start the next agent
const PATIENCE: Duration = Duration::from_secs(5);

/// The group that commands go to; set before the agent goes into its own
static GROUP_OF_COMMANDS: OnceLock<File> = OnceLock::new();

/// From now on the kernel starts the agent again when it ends. `id` is this life's.
pub fn arrange(id: &str) -> io::Result<()> {
    make_folder()?;
    writeln!(OpenOptions::new().create(true).append(true).open(LIVES)?, "{id}")?;
    if !Path::new(PROGRAM).exists() {
        copy_program()?;
    }
    fs::create_dir_all(MOUNT_POINT)?;
    let strict = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("banger", MOUNT_POINT, "cgroup", strict, c"none,name=banger,release_agent=/run/banger/agent")?;
    // What is open stays, and nobody else has to see it among the machine's mounts.
    let joined = join_group();
    unmount(MOUNT_POINT, UnmountFlags::DETACH)?;
    joined
}

/// For the end of a machine that only a reset ends: systemd runs what is there as its last program.
pub fn end_after_systemd() -> io::Result<()> {
    const FOLDER_OF_LAST: &str = "/run/initramfs";
    fs::create_dir_all(FOLDER_OF_LAST)?;
    match fs::hard_link(PROGRAM, format!("{FOLDER_OF_LAST}{}", machine_end::CALLED_BY_SYSTEMD)) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The ids of the agents before this one.
pub fn earlier_lives() -> Vec<String> {
    let mut text = String::new();
    let _ = File::open(LIVES).and_then(|file| file.take(LIVES_LIMIT_BYTES).read_to_string(&mut text));
    text.lines().map(str::to_owned).collect()
}

/// What a process of one thread must write "0" to before it runs what the agent was asked to, else the group never gets
/// empty.
pub fn group_of_commands() -> Option<BorrowedFd<'static>> {
    GROUP_OF_COMMANDS.get().map(AsFd::as_fd)
}

/// What the next agent has to know of the machine's init, in a word.
pub fn remember_init(word: &str) -> io::Result<()> {
    make_folder()?;
    fs::write(INIT, word)
}

pub fn recall_init() -> String {
    fs::read_to_string(INIT).unwrap_or_default()
}

/// Whether another agent takes the place of the one that has just ended.
pub fn has_come_back() -> bool {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if process_list::agents().any(|pid| pid != std::process::id()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

pub fn make_folder() -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).recursive(true).create(FOLDER)
}

/// Under another name first: half a program is worse than none.
fn copy_program() -> io::Result<()> {
    const UNFINISHED: &str = "/run/banger/agent.new";
    let mut program = OpenOptions::new().write(true).create(true).truncate(true).mode(0o700).open(UNFINISHED)?;
    io::copy(&mut File::open("/proc/self/exe")?, &mut program)?;
    drop(program);
    fs::rename(UNFINISHED, PROGRAM)
}

fn join_group() -> io::Result<()> {
    let group = format!("{MOUNT_POINT}{CALLED_BY_KERNEL}");
    fs::create_dir_all(&group)?;
    fs::write(format!("{group}/notify_on_release"), "1")?;
    // By `cgroup.procs` a process with all its threads would move, for which the kernel first stops every fork: some 10 ms.
    let commands = OpenOptions::new().write(true).open(format!("{MOUNT_POINT}/tasks"))?;
    let _ = GROUP_OF_COMMANDS.set(commands);
    fs::write(format!("{group}/cgroup.procs"), "0")
}
