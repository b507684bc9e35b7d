//! Packs a file or a folder as a tar stream.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use tokio::sync::mpsc::Sender;

const PIECE_BYTES: usize = 64 * 1024;

/// Entry names begin with the path's last part. Blocks while the queue is full.
pub fn pack(path: &Path, pieces: Sender<Bytes>) -> io::Result<()> {
    let mut tar = Builder::new(BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces)));
    let name = path.file_name().map_or_else(|| Path::new("root"), Path::new);
    append(&mut tar, path, name)?;
    tar.into_inner()?.flush()
}

fn append(tar: &mut Builder<impl Write>, path: &Path, name: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()), // it went away meanwhile
        there => there?,
    };
    let kind = there.file_type();
    let mut header = header_of(&there);
    if kind.is_dir() {
        header.set_entry_type(EntryType::Directory);
        tar.append_data(&mut header, name, io::empty())?;
        let mut entries = fs::read_dir(path)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            append(tar, &entry.path(), &name.join(entry.file_name()))?;
        }
        Ok(())
    } else if kind.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        tar.append_link(&mut header, name, fs::read_link(path)?)
    } else if kind.is_file() {
        header.set_entry_type(EntryType::Regular);
        header.set_size(there.len());
        // A file that shrinks while it is read is filled up, so that the entry keeps the size it announced.
        let content = File::open(path)?.chain(io::repeat(0)).take(there.len());
        tar.append_data(&mut header, name, content)
    } else if kind.is_fifo() {
        header.set_entry_type(EntryType::Fifo);
        tar.append_data(&mut header, name, io::empty())
    } else {
        Ok(()) // sockets and devices mean nothing elsewhere
    }
}

fn header_of(there: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(there.mode() & 0o7777);
    header.set_uid(there.uid().into());
    header.set_gid(there.gid().into());
    header.set_mtime(there.mtime().max(0) as u64);
    header.set_size(0);
    header
}

struct Pieces(Sender<Bytes>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(piece).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
