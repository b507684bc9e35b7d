//! Unpacks a tar stream in a folder, and nowhere else.

use std::fs;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::lchown;
use std::path::{Component, Path};

use bytes::{Buf, Bytes};
use tar::{Archive, Entry, EntryType};
use tokio::sync::mpsc::Receiver;

use crate::http_answers::{Code, Refusal};
use crate::users::User;

/// Blocks while the queue is empty. Without an owner, the numbers in the stream are the owners;
/// with one, set-user-id bits are lost, so that nobody's program becomes root's.
pub fn unpack(folder: &Path, owner: Option<&User>, queue: Receiver<io::Result<Bytes>>) -> Result<(), Refusal> {
    let there = fs::metadata(folder).map_err(|error| Refusal::of_io(&error, "the folder"))?;
    if !there.is_dir() {
        return Err(Refusal::new(Code::NotADirectory, "the path is not a folder"));
    }
    let failed = |error: io::Error| refusal(&error, "unpacking");
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
    let failed = |error: io::Error| refusal(&error, &format!("unpacking {}", name.display()));
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

/// The kernel's error, when there is one below the words that the tar crate puts around it; else the stream is at fault.
fn refusal(error: &io::Error, tried: &str) -> Refusal {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(code) = inner.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Refusal::of_io(&io::Error::from_raw_os_error(code), tried);
        }
        cause = inner.source();
    }
    Refusal::bad_request(format!("{tried}: {error}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A folder of its own for each test, gone with it
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("banger-agent-{name}-{}", std::process::id()));
            fs::create_dir_all(path.join("in")).unwrap();
            Self(path)
        }

        fn unpack(&self, stream: &[u8]) -> Result<(), Refusal> {
            let (pieces, queue) = tokio::sync::mpsc::channel(64);
            for piece in stream.chunks(700) {
                pieces.try_send(Ok(Bytes::copy_from_slice(piece))).unwrap();
            }
            drop(pieces);
            let nobody_else = User {
                name: String::new(),
                uid: rustix::process::getuid().as_raw(),
                gid: rustix::process::getgid().as_raw(),
                groups: vec![],
                home: String::new(),
                shell: String::new(),
            };
            unpack(&self.0.join("in"), Some(&nobody_else), queue)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A stream with one file, whose name is written as it is
    fn stream_with(name: &str) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(4);
        header.set_mode(0o640);
        header.set_cksum();
        tar.append(&header, &b"text"[..]).unwrap();
        tar.into_inner().unwrap()
    }

    #[test]
    fn a_file_goes_into_the_folder() {
        let folder = Folder::new("inside");
        folder.unpack(&stream_with("sub/./file")).unwrap();
        assert_eq!(fs::read(folder.0.join("in/sub/file")).unwrap(), b"text");
    }

    #[test]
    fn nothing_goes_outside_the_folder() {
        let folder = Folder::new("outside");
        symlink("..", folder.0.join("in/up")).unwrap();
        for name in ["../file", "/file", "sub/../../file", "up/file"] {
            assert_eq!(folder.unpack(&stream_with(name)).unwrap_err().code, Code::BadRequest, "{name}");
        }
        assert!(!folder.0.join("file").exists());
    }

    #[test]
    fn what_is_no_tar_stream_is_refused() {
        let folder = Folder::new("garbage");
        assert_eq!(folder.unpack(&[7; 4096]).unwrap_err().code, Code::BadRequest);
        let half = &stream_with("file")[..514];
        assert!(folder.unpack(half).is_err());
    }
}
