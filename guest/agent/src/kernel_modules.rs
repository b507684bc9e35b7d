//! Loads the modules that came with the initramfs, in the order that came with them.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::system::finit_module;

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::command_line::LineKind;
use crate::mounts;

/// Those of a vsock only where one leads to the host.
pub fn load_all(line: LineKind) -> Result<(), BootFailure> {
    load("order")?;
    if line == LineKind::Vsock { load("order-vsock") } else { Ok(()) }
}

fn load(order: &str) -> Result<(), BootFailure> {
    const CODE: &str = "MODULE_FAILED";
    const FOLDER: &str = "/modules";
    if !Path::new(FOLDER).exists() {
        return Ok(()); // a kernel with everything built in
    }
    let order = fs::read_to_string(format!("{FOLDER}/{order}")).or_fail(CODE, "reading the order of modules")?;
    for name in order.lines().map(str::trim).filter(|name| !name.is_empty()) {
        let file = File::open(format!("{FOLDER}/{name}")).or_fail(CODE, name)?;
        match finit_module(&file, c"", 0) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(BootFailure::new(CODE, format!("{name}: {error}"))),
        }
    }
    Ok(())
}

/// Puts the modules image where `modprobe` looks, in images with `/lib` as a link to `/usr/lib` and in others.
pub fn attach(modules: &OwnedFd) -> Result<(), BootFailure> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let (usr_lib, lib) = (format!("/usr/lib/modules/{release}"), format!("/lib/modules/{release}"));
    mounts::attach(modules, &usr_lib)?;
    if fs::canonicalize(&lib).is_ok_and(|real| real == Path::new(&usr_lib)) {
        return Ok(());
    }
    let again = mounts::detached_copy(&usr_lib).or_fail("MOUNT_FAILED", &usr_lib)?;
    mounts::attach(&again, &lib)
}
