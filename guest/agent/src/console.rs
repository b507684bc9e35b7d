//! Lines for the serial console: why a boot failed, why the machine resets, where it panicked. The host reads them
//! when the agent can no longer answer.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::panic;

use crate::machine_end;

pub fn say(line: &str) {
    const O_NOCTTY: i32 = rustix::fs::OFlags::NOCTTY.bits() as i32;
    let console = OpenOptions::new().write(true).custom_flags(O_NOCTTY).open("/dev/console");
    if let Ok(mut console) = console {
        // One write, so that lines of others do not end up in the middle; a dead console has nobody to tell.
        let _ = console.write_all(format!("banger-agent: {line}\r\n").as_bytes());
    }
}

/// Panics are printed on the console. In PID 1 the machine then resets, because a kernel without PID 1 panics without
/// saying why.
pub fn report_panics() {
    panic::set_hook(Box::new(|panic| {
        say(&format!("panic: {}", panic.to_string().replace('\n', " ")));
        if rustix::process::getpid() == rustix::process::Pid::INIT {
            machine_end::reset();
        }
    }));
}
