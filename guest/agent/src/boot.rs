//! The boot, from a bare kernel to a machine that can run commands.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::command_line::CommandLine;
use crate::handshake::{AgentInfo, InitKind};
use crate::line::Line;
use crate::{clock, disk, host_line, identity, image_init, init_ready, kernel_modules, mounts, network, trace};

pub struct Machine {
    pub line: Box<dyn Line>,
    pub info: AgentInfo,
    /// The image's init, when it has one
    pub image_init: Option<&'static str>,
    /// Where that init says that it has finished its boot, if it does
    pub init_notices: Option<UnixDatagram>,
}

pub fn boot(command_line: &CommandLine) -> Result<Machine, BootFailure> {
    kernel_modules::load_all(command_line.line)?;
    trace::mark("modules");
    let config = command_line.boot_config()?;
    clock::catch_up(config.unix_ms);

    let lower = mounts::mount_images(&config.image_drives)?;
    trace::mark("image");
    if config.is_still {
        return boot_still(&lower, &config.disk_drive);
    }
    mounts::mount_disk(&config.disk_drive)?;
    disk::grow(&config.disk_drive).or_fail("DISK_UNREADABLE", "growing the disk")?;
    trace::mark("disk");
    let modules = config.modules_drive.as_deref().map(mounts::mount_modules).transpose()?;
    let folders = disk::open_folders()?;
    trace::mark("folders");
    mounts::mount_overlay(&lower)?;
    trace::mark("overlay");

    mounts::switch_root()?;
    // From here on every path is the machine's own.
    disk::attach_folders(&folders)?;
    if let Some(modules) = modules {
        kernel_modules::attach(&modules)?;
    }
    mounts::make_temporary_folder();
    trace::mark("root");
    identity::write(&config)?;
    network::configure(&config.interfaces)?;
    trace::mark("network");

    let image_init = image_init::find();
    match image_init {
        Some(_) => image_init::prepare_systemd(),
        None => mounts::share_mounts(),
    }
    let init_notices = image_init.filter(|init| image_init::is_systemd(init)).map(|_| init_ready::listen()).transpose();
    let init_notices = init_notices.or_fail("INIT", "a socket for the init")?;
    let line = host_line::open_when_there(Duration::from_secs(10))?;
    let info = AgentInfo::of_this_machine(if image_init.is_some() { InitKind::Image } else { InitKind::Agent });
    trace::mark("booted");
    if command_line.is_traced {
        trace::print();
    }
    Ok(Machine { line, info, image_init, init_notices })
}

/// The machine's files can be read, by an agent that stays outside of them: nothing of the machine runs, and of its disk
/// nothing is changed but what the journal has left to do.
fn boot_still(lower: &str, disk_drive: &str) -> Result<Machine, BootFailure> {
    mounts::mount_still_disk(disk_drive)?;
    if mounts::mount_still_root(lower)? {
        disk::attach_home_still()?;
    }
    let line = host_line::open_when_there(Duration::from_secs(10))?;
    let info = AgentInfo::of_this_machine(InitKind::Agent);
    Ok(Machine { line, info, image_init: None, init_notices: None })
}
