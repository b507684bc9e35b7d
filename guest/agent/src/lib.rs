//! The guest agent: `/init` of the initramfs that every vm boots with. It puts the machine together from the image and
//! the vm's disk, hands it over to the image's init (or stays as a small supervisor), and answers the host.

mod agent;
mod blocking;
mod boot;
mod boot_failure;
mod clock;
mod comeback;
mod command_line;
mod console;
mod disk;
mod exec;
mod failed_boot;
mod files;
mod floor;
mod forward;
mod frames;
mod handshake;
mod host_line;
mod http_answers;
mod identity;
mod image_config;
mod image_init;
mod init_ready;
mod kernel_modules;
mod line;
mod line_stream;
mod machine_end;
mod machine_environment;
mod mounts;
mod needs;
mod network;
mod output;
mod percent;
mod ports;
mod process;
mod process_list;
mod programs;
mod pty;
mod routes;
mod scrollback;
mod serial_line;
mod serve;
mod session;
mod session_output;
mod sessions;
mod shutdown;
mod socket_line;
mod start_request;
mod start_session;
mod still_root;
mod supervisor;
mod sys;
mod tar_format;
mod tar_in;
mod tar_out;
mod tar_reader;
mod temporaries;
mod terminal_names;
#[cfg(test)]
mod test_folder;
mod trace;
mod user_session;
mod users;
mod vsock;

use std::path::Path;
use std::process::ExitCode;

use command_line::CommandLine;
use rustix::process::Pid;
use socket_line::SocketLine;
use still_root::StillRoot;

/// What the program does; as PID 1 and as the agent it does not end.
pub fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if words.get(1).is_some_and(|word| word == comeback::CALLED_BY_KERNEL) {
        serve::come_back()
    }
    if rustix::process::getpid() != Pid::INIT {
        return run_on_host(&words);
    }
    console::report_panics();
    if words.first().is_some_and(|name| name == machine_end::CALLED_BY_SYSTEMD) {
        machine_end::end_after_systemd(words.get(1).map_or("", String::as_str))
    }
    mounts::mount_kernel_filesystems();
    trace::mark("init");

    let command_line = CommandLine::of_this_machine();
    if command_line.is_floor {
        floor::run(&command_line)
    }
    match boot::boot(&command_line) {
        Ok(machine) => hand_over(machine),
        Err(failure) => failed_boot::report_and_reset(&failure),
    }
}

/// `--serve <socket>` answers there as in a machine that has booted; each host that connects takes the place of the last.
/// With two folders behind it, as in a machine whose files are only read: those in the first; its image is the second.
fn run_on_host(words: &[String]) -> ExitCode {
    let (path, still) = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "--serve", path] => (path, None),
        [_, "--serve", path, root, image] => (path, Some(StillRoot { root: root.into(), image: image.into() })),
        _ => {
            println!("banger-agent {}: the /init of a banger vm", env!("CARGO_PKG_VERSION"));
            return ExitCode::FAILURE;
        }
    };
    match SocketLine::listen(Path::new(path)) {
        Ok(line) => serve::run_on_host(line, still),
        Err(error) => {
            eprintln!("banger-agent: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// PID 1 becomes the image's init, or the supervisor of the agent; the agent answers the host as another process.
fn hand_over(machine: boot::Machine) -> ! {
    match machine.image_init {
        Some(init) => match fork_or_reset() {
            sys::Fork::Child => {
                serve::become_lasting();
                supervise(machine, supervisor::watch)
            }
            sys::Fork::Parent { .. } => {
                drop((machine.line, machine.init_notices));
                image_init::become_init(init)
            }
        },
        None => supervise(machine, supervisor::run),
    }
}

/// The child is the agent, the parent its supervisor.
fn supervise(machine: boot::Machine, supervisor: fn(i32) -> !) -> ! {
    match fork_or_reset() {
        sys::Fork::Child => serve::run(machine),
        sys::Fork::Parent { child_pid } => {
            drop((machine.line, machine.init_notices));
            supervisor(child_pid)
        }
    }
}

fn fork_or_reset() -> sys::Fork {
    sys::fork_single_threaded().unwrap_or_else(|error| {
        console::say(&format!("boot failed: FORK_FAILED {error}"));
        machine_end::reset()
    })
}
