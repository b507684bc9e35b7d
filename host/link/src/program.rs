//! Programs that this one starts or becomes.

use std::convert::Infallible;
use std::fmt::Display;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use banger_kernel::sys::tie;

pub fn command(program: &[String]) -> Result<Command, String> {
    let [name, arguments @ ..] = program else { return Err("there is no program after --".to_owned()) };
    let mut command = Command::new(name);
    command.args(arguments);
    Ok(command)
}

/// Ended together with this process, however that ends.
pub fn start_tied(mut command: Command) -> Result<Child, String> {
    tie(&mut command);
    command.spawn().map_err(because(&command.get_program().to_string_lossy()))
}

pub fn become_program(mut command: Command) -> Result<Infallible, String> {
    let fault = command.exec();
    Err(because(&command.get_program().to_string_lossy())(fault))
}

pub fn because<Fault: Display>(what: &str) -> impl Fn(Fault) -> String {
    move |fault| format!("{what}: {fault}")
}
