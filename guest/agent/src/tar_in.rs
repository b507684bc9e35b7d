//! Unpacks a tar stream in a folder, and nowhere else.

use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::lchown;
use std::path::{Component, Path};

use bytes::{Buf, Bytes};
use tar::{Archive, Entry, EntryType};
use tokio::sync::mpsc::Receiver;

use crate::http_answers::Refusal;
use crate::users::User;

/// Blocks while the queue is empty. Without an owner, the numbers in the stream are the owners.
pub fn unpack(folder: &Path, owner: Option<&User>, queue: Receiver<io::Result<Bytes>>) -> Result<(), Refusal> {
    let there = fs::metadata(folder).map_err(|error| Refusal::of_io(&error, "the folder"))?;
    if !there.is_dir() {
        return Err(Refusal::new("NOT_A_DIRECTORY", "the path is not a folder"));
    }
    // Refusals of single entries name them; what fails here is the stream itself.
    let failed = |error: io::Error| Refusal::of_io(&error, "unpacking");
    let folder = fs::canonicalize(folder).map_err(failed)?;
    let mut archive = Archive::new(BufReader::with_capacity(64 * 1024, Pieces { queue, piece: Bytes::new() }));
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(owner.is_none());
    archive.set_overwrite(true);
    for entry in archive.entries().map_err(failed)? {
        unpack_entry(&folder, owner, entry.map_err(failed)?)?;
    }
    Ok(())
}

fn unpack_entry(folder: &Path, owner: Option<&User>, mut entry: Entry<impl Read>) -> Result<(), Refusal> {
    let name = entry.path().map_err(|error| Refusal::of_io(&error, "an entry's name"))?.into_owned();
    let failed = |error: io::Error| Refusal::of_io(&root_cause(error), &format!("unpacking {}", name.display()));
    if name.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(Refusal::bad_request(format!("{} leads out of the folder", name.display())));
    }
    if matches!(entry.header().entry_type(), EntryType::Block | EntryType::Char) {
        return Err(Refusal::bad_request(format!("{} is a device", name.display())));
    }
    let target = folder.join(&name);
    // `unpack_in` checks every folder on the way, so that a symbolic link inside cannot lead out either.
    if !entry.unpack_in(folder).map_err(failed)? {
        return Err(Refusal::bad_request(format!("{} leads out of the folder", name.display())));
    }
    match owner {
        Some(owner) if target != folder => lchown(&target, Some(owner.uid), Some(owner.gid)).map_err(failed),
        _ => Ok(()),
    }
}

/// The kernel's error, below the words that the tar crate puts around it.
fn root_cause(error: io::Error) -> io::Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(code) = inner.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        cause = inner.source();
    }
    error
}

struct Pieces {
    queue: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.queue.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
