//! `banger.mode=floor`: the least that a machine can do, to measure how fast any machine can be and to see whether a
//! hypervisor really runs one.

use std::time::Duration;

use crate::command_line::CommandLine;
use crate::failed_boot;
use crate::handshake::{AgentInfo, Heard, InitKind, Scanner, ready_line};
use crate::host_line;
use crate::kernel_modules;
use crate::line::Line;
use crate::machine_end;

pub fn run(command_line: &CommandLine) -> ! {
    let line =
        kernel_modules::load_all(command_line.line).and_then(|()| host_line::open_when_there(Duration::from_secs(10)));
    match line {
        Ok(line) => answer_until_bye(&*line),
        Err(failure) => failed_boot::report_and_reset(&failure),
    }
    machine_end::reset()
}

fn answer_until_bye(line: &dyn Line) {
    let info = AgentInfo::of_this_machine(InitKind::Agent);
    let mut scanner = Scanner::default();
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let Some(count) = line.read(&mut buffer).ok().filter(|&count| count > 0) else {
            line.changes().wait(Duration::from_secs(3600));
            continue;
        };
        for heard in scanner.hear_all(&buffer[..count]) {
            match heard {
                // A host that hung up asks again.
                Heard::Hello { nonce, .. } => drop(line.write(ready_line(&nonce, &info).as_bytes())),
                Heard::Bye => return,
                Heard::Preface => {}
            }
        }
    }
}
