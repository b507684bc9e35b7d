//! Names of files that are not whole yet, and the end of those that an agent left which is gone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const PREFIX: &str = ".banger-copy-";
const ID_DIGITS: usize = 16;

/// A new name beside the file that it will become.
pub fn beside(place: &Path) -> PathBuf {
    static MADE: AtomicU64 = AtomicU64::new(0);
    place.with_file_name(format!("{PREFIX}{}-{}", own_id(), MADE.fetch_add(1, Ordering::Relaxed)))
}

/// Removes what an agent left here that was killed, or whose machine lost its power.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_of_another) {
            let _ = fs::remove_file(entry.path()); // a folder of somebody's with such a name is no half-made file
        }
    }
    Ok(())
}

fn is_of_another(name: &str) -> bool {
    let Some((id, number)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-')) else { return false };
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) && id != own_id()
}

/// Of this process; there is one agent in a machine.
fn own_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let mut id: String = uuid.chars().filter(char::is_ascii_hexdigit).take(ID_DIGITS).collect();
        while id.len() < ID_DIGITS {
            id.push('0');
        }
        id
    })
}
