//! What the installation says: whose banger this is.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;
use serde::Deserialize;

pub const INSTALL: &str = "/etc/banger/install.json";
const MAX_BYTES: u64 = 1024 * 1024;
const OTHERS_WRITE: u32 = 0o022;

/// The rest of the file is for others.
#[derive(Deserialize)]
struct Install {
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    uid: u32,
}

/// Refuses a file that somebody else could have written.
pub fn read_owner(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.mode() & OTHERS_WRITE != 0 || ![0, geteuid().as_raw()].contains(&metadata.uid()) {
        return Err(io::Error::other("others than root may write it"));
    }
    let mut text = Vec::new();
    file.by_ref().take(MAX_BYTES).read_to_end(&mut text)?;
    let Install { owner } = serde_json::from_slice(&text)?;
    match owner.uid {
        0 => Err(io::Error::other("root owns no machines")),
        u32::MAX => Err(io::Error::other("the owner is nobody")),
        uid => Ok(uid),
    }
}
