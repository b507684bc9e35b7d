//! Programs that this one starts or becomes.

use std::convert::Infallible;
use std::fmt::Display;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

pub fn command(program: &[String]) -> Result<Command, String> {
    let [name, arguments @ ..] = program else { return Err("there is no program after --".to_owned()) };
    let mut command = Command::new(name);
    command.args(arguments);
    Ok(command)
}

/// Ended together with this process, however that ends.
pub fn start_tied(mut command: Command) -> Result<Child, String> {
    let own = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Gone before the kernel was told, we would not be missed.
        if getppid() == Some(own) { Ok(()) } else { Err(ErrorKind::BrokenPipe.into()) }
    };
    #[allow(unsafe_code)]
    // SAFETY: between fork and exec it makes two system calls, and allocates nothing.
    unsafe {
        command.pre_exec(tie);
    }
    command.spawn().map_err(because(&command.get_program().to_string_lossy()))
}

pub fn become_program(mut command: Command) -> Result<Infallible, String> {
    let fault = command.exec();
    Err(because(&command.get_program().to_string_lossy())(fault))
}

pub fn because<Fault: Display>(what: &str) -> impl Fn(Fault) -> String {
    move |fault| format!("{what}: {fault}")
}
