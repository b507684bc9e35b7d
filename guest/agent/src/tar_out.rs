//! Packs a file or a folder as a tar stream.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{SeekFrom, Timespec, lgetxattr, lgetxattr_query, llistxattr, llistxattr_query};
use tokio::sync::mpsc::Sender;

use crate::http_answers::Refusal;
use crate::still_root::Choice;
use crate::tar_format::{BLOCK_BYTES, Block, comment, kind, padding};

const PIECE_BYTES: usize = 64 * 1024;
/// What has no size although there is something to read, as in /proc, is read up to here
const UNSIZED_LIMIT_BYTES: u64 = 16 << 20;
/// Of a file with holes; the rest of it is one piece
const PIECES_LIMIT: usize = 65_536;
/// Files with several names whose first name is remembered; further ones become copies
const LINKED_LIMIT: usize = 100_000;
const STAT_BLOCK_BYTES: u64 = 512;
/// Those that an image can keep
const ATTRIBUTES: [&str; 3] = ["user.", "security.", "trusted."];

/// Entry names begin with the path's last part. Blocks while the queue is full. What goes wrong is told in the stream,
/// which then has no end mark.
pub fn pack(path: &Path, pieces: Sender<Bytes>) -> io::Result<()> {
    let name = path.file_name().map_or_else(|| b"root".to_vec(), |name| name.as_bytes().to_vec());
    pack_tree(path, name, None, pieces)
}

/// All that is below `root`, with extended attributes, as `choice` says.
pub fn pack_root(root: &Path, choice: Choice, pieces: Sender<Bytes>) -> io::Result<()> {
    pack_tree(root, Vec::new(), Some(choice), pieces)
}

/// With a choice attributes are kept; an empty name is that of a root, which has no entry.
fn pack_tree(path: &Path, name: Vec<u8>, choice: Option<Choice>, pieces: Sender<Bytes>) -> io::Result<()> {
    let stream = BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces));
    let keeps_attributes = choice.is_some();
    let choice = choice.unwrap_or_default();
    let mut packing = Packing { stream, links: HashMap::new(), skipped: 0, keeps_attributes, choice };
    match packing.append_all(path, name) {
        Ok(()) => packing.finish()?,
        Err(error) => packing.stream.write_all(&comment(&fault(&error)))?,
    }
    packing.stream.flush()
}

/// The kind of fault, by the names that a refusal has.
fn fault(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return "banger-fault SHRANK".to_owned();
    }
    let code = serde_json::to_value(Refusal::of_io(error, "").code);
    format!("banger-fault {}", code.ok().as_ref().and_then(|code| code.as_str()).unwrap_or("INTERNAL"))
}

struct Packing<W: Write> {
    stream: W,
    links: HashMap<(u64, u64), Vec<u8>>,
    skipped: u64,
    keeps_attributes: bool,
    choice: Choice,
}

/// Of an extended header
type Record = (String, Vec<u8>);

impl<W: Write> Packing<W> {
    /// Each folder goes before what is in it, and that in the order of the names.
    fn append_all(&mut self, path: &Path, name: Vec<u8>) -> io::Result<()> {
        let mut waiting = vec![(path.to_path_buf(), name)];
        while let Some((path, name)) = waiting.pop() {
            let path = self.choice.elsewhere(&name).unwrap_or(path);
            if name.is_empty() || self.append(&path, &name)? {
                let mut names =
                    fs::read_dir(&path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
                names.sort_unstable_by(|a, b| b.cmp(a));
                waiting.extend(names.into_iter().map(|child| {
                    let slash: &[u8] = if name.is_empty() { b"" } else { b"/" };
                    let entry = [&name[..], slash, child.as_bytes()].concat();
                    (path.join(PathBuf::from(std::ffi::OsString::from_vec(child.into_vec()))), entry)
                }));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.skipped > 0 {
            self.stream.write_all(&comment(&format!("banger-skipped {}", self.skipped)))?;
        }
        self.stream.write_all(&[0; 2 * BLOCK_BYTES])
    }

    /// True for a folder, whose content is to follow.
    fn append(&mut self, path: &Path, name: &[u8]) -> io::Result<bool> {
        let there = match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false), // it went away meanwhile
            there => there?,
        };
        if self.choice.leaves_out(name, path, &there) {
            return Ok(false);
        }
        let kind = there.file_type();
        if kind.is_dir() {
            let block = block_of(&there, kind::FOLDER, &[name, b"/"].concat());
            self.stream.write_all(&block.write(&self.attributes_of(path)?))?;
        } else if kind.is_symlink() {
            let link = fs::read_link(path)?.into_os_string().into_vec();
            let block = Block { link, ..block_of(&there, kind::SYMLINK, name) };
            self.stream.write_all(&block.write(&self.attributes_of(path)?))?;
        } else if kind.is_file() {
            self.append_file(path, name, &there)?;
        } else if kind.is_socket() {
            self.skipped += 1; // a tar has no word for one
        } else {
            self.stream.write_all(&device_of(&there, name).write(&self.attributes_of(path)?))?;
        }
        Ok(kind.is_dir())
    }

    fn append_file(&mut self, path: &Path, name: &[u8], looked: &Metadata) -> io::Result<()> {
        let id = (looked.dev(), looked.ino());
        if let Some(first) = self.links.get(&id) {
            let block = Block { link: first.clone(), ..block_of(looked, kind::HARD_LINK, name) };
            return self.stream.write_all(&block.write(&[]));
        }
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let there = file.metadata()?;
        let attributes = self.attributes_of(path)?;
        if let Some(content) = self.choice.content(name) {
            let block = Block { size: content.len() as u64, ..block_of(&there, kind::FILE, name) };
            self.stream.write_all(&block.write(&attributes))?;
            self.stream.write_all(content)?;
            return self.pad(block.size);
        }
        if there.nlink() > 1 && self.links.len() < LINKED_LIMIT {
            self.links.insert(id, name.to_vec());
        }
        let block = block_of(&there, kind::FILE, name);
        if there.len() <= PIECE_BYTES as u64 {
            self.append_small(block, &mut file, there.len(), &attributes)
        } else if there.blocks() * STAT_BLOCK_BYTES < there.len() {
            self.append_sparse(block, &file, there.len(), &attributes)
        } else {
            self.stream.write_all(&Block { size: there.len(), ..block }.write(&attributes))?;
            self.append_piece(&mut file, there.len())?;
            self.pad(there.len())
        }
    }

    fn attributes_of(&self, path: &Path) -> io::Result<Vec<Record>> {
        if !self.keeps_attributes {
            return Ok(Vec::new());
        }
        let names = read_attribute(llistxattr_query(path), |buffer| llistxattr(path, buffer))?;
        let names = names.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
        // One with an equals sign would be another one in a tar.
        let kept = names.filter(|name| ATTRIBUTES.iter().any(|kind| name.starts_with(kind)) && !name.contains('='));
        kept.map(|name| {
            let value = read_attribute(lgetxattr_query(path, name), |buffer| lgetxattr(path, name, buffer))?;
            Ok((format!("SCHILY.xattr.{name}"), value))
        })
        .collect()
    }

    /// Read before it is announced: those of /proc and /sys have other sizes than they say.
    fn append_small(&mut self, block: Block, file: &mut File, size: u64, attributes: &[Record]) -> io::Result<()> {
        let mut content = Vec::with_capacity(size as usize);
        let limit = if size == 0 { UNSIZED_LIMIT_BYTES } else { size };
        file.take(limit).read_to_end(&mut content)?;
        let size = content.len() as u64;
        self.stream.write_all(&Block { size, ..block }.write(attributes))?;
        self.stream.write_all(&content)?;
        self.pad(size)
    }

    fn append_sparse(&mut self, block: Block, file: &File, real_size: u64, attributes: &[Record]) -> io::Result<()> {
        let pieces = pieces_of(file, real_size)?;
        let mut map = format!("{}\n", pieces.len());
        for (offset, length) in &pieces {
            map.push_str(&format!("{offset}\n{length}\n"));
        }
        let mut map = map.into_bytes();
        map.resize(map.len() + padding(map.len() as u64), 0);
        let content: u64 = pieces.iter().map(|(_, length)| length).sum();
        let mut records = vec![
            ("GNU.sparse.major".to_owned(), b"1".to_vec()),
            ("GNU.sparse.minor".to_owned(), b"0".to_vec()),
            ("GNU.sparse.name".to_owned(), block.name.clone()),
            ("GNU.sparse.realsize".to_owned(), real_size.to_string().into_bytes()),
        ];
        records.extend_from_slice(attributes);
        let size = map.len() as u64 + content;
        self.stream.write_all(&Block { name: b"GNUSparseFile.0/file".to_vec(), size, ..block }.write(&records))?;
        self.stream.write_all(&map)?;
        let mut file = file;
        for (offset, length) in pieces {
            file.seek(io::SeekFrom::Start(offset))?;
            self.append_piece(&mut file, length)?;
        }
        self.pad(content)
    }

    /// A file that shrinks while it is read is not what was announced, and nobody is to take it for that.
    fn append_piece(&mut self, file: &mut impl Read, length: u64) -> io::Result<()> {
        let copied = io::copy(&mut file.take(length), &mut self.stream)?;
        if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        self.stream.write_all(&[0; BLOCK_BYTES][..padding(size)])
    }
}

/// `size` is what it asks for, and for most files there is nothing.
fn read_attribute(
    size: rustix::io::Result<usize>,
    read: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
) -> io::Result<Vec<u8>> {
    let size = match size {
        Err(rustix::io::Errno::NOTSUP) | Ok(0) => return Ok(Vec::new()),
        size => size?,
    };
    let mut value = vec![0; size];
    let length = read(&mut value)?;
    value.truncate(length);
    Ok(value)
}

/// Where the file has content, in whole blocks of a tar.
fn pieces_of(file: &File, size: u64) -> io::Result<Vec<(u64, u64)>> {
    let block = BLOCK_BYTES as u64;
    let mut pieces: Vec<(u64, u64)> = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Err(rustix::io::Errno::NXIO) => break, // the rest is a hole
            start => start?.min(size) / block * block,
        };
        let end = rustix::fs::seek(file, SeekFrom::Hole(start))?.max(start + 1).next_multiple_of(block).min(size);
        let is_full = pieces.len() == PIECES_LIMIT;
        match pieces.last_mut() {
            Some(last) if is_full || last.0 + last.1 >= start => last.1 = end - last.0,
            _ => pieces.push((start, end - start)),
        }
        at = end;
    }
    if pieces.last().is_none_or(|last| last.0 + last.1 < size) {
        pieces.push((size, 0)); // by which GNU tar knows the size of a file that ends with a hole
    }
    Ok(pieces)
}

fn block_of(there: &Metadata, kind: u8, name: &[u8]) -> Block {
    Block {
        mode: there.mode() & 0o7777,
        uid: there.uid(),
        gid: there.gid(),
        mtime: Timespec { tv_sec: there.mtime(), tv_nsec: there.mtime_nsec() },
        ..Block::new(kind, name)
    }
}

fn device_of(there: &Metadata, name: &[u8]) -> Block {
    let kind = match there.file_type() {
        kind if kind.is_fifo() => kind::PIPE,
        kind if kind.is_block_device() => kind::BLOCK_DEVICE,
        _ => kind::CHARACTER_DEVICE,
    };
    let device = (rustix::fs::major(there.rdev()), rustix::fs::minor(there.rdev()));
    Block { device, ..block_of(there, kind, name) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar_in::{Wanted, unpack};
    use crate::test_folder::TestFolder;
    use crate::users::User;
    use std::process::{Command, Stdio};

    /// What a copy keeps
    const TREE: &str = r"
        mkdir -p tree/sub/empty 'tree/a b'; cd tree
        echo text >sub/file; chmod 640 sub/file; ln sub/file twin
        echo odd >$(printf 'odd\377'); echo other >$(printf 'odd\376')
        long=$(printf 'n%.0s' $(seq 200)); mkdir -p $long/$long; echo deep >$long/$long/end; ln -s $long/$long/end link
        truncate -s 8M holes; printf middle | dd of=holes bs=1 seek=4194304 conv=notrunc status=none
        truncate -s 1M hollow; head -c 300000 /dev/urandom >large; : >none; mkfifo pipe
        touch -h -d '1969-12-31 23:59:58.25 UTC' link; touch -d '1960-01-01 UTC' sub/file
        touch -d '2020-02-02 02:02:02.123456789 UTC' large; chmod 1777 'a b'; chmod 555 sub/empty
        touch -d '2001-01-01 UTC' sub 'a b' .";

    struct Folder(TestFolder);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = Self(TestFolder::new(name));
            folder.run(TREE);
            folder
        }

        fn run(&self, script: &str) -> Vec<u8> {
            let output = Command::new("bash").args(["-ec", script]).current_dir(&*self.0).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        }

        /// Of all that is in there; of the files with holes also whether they still have them
        fn listing(&self, folder: &str) -> String {
            let format = r"%P %y %m %s %n %T@ %l\n";
            let content = "find . -type f -exec cksum {} + | sort";
            let holes = "stat -c '%n %b' holes hollow | awk '{ print $1, ($2 < 100) }'";
            let list = self.run(&format!("cd {folder}; find . -printf '{format}' | sort; {content}; {holes}"));
            String::from_utf8_lossy(&list).into_owned()
        }
    }

    fn packed(path: &Path) -> Vec<u8> {
        let (pieces, mut queue) = tokio::sync::mpsc::channel(1024);
        pack(path, pieces).unwrap();
        let mut whole = Vec::new();
        while let Ok(piece) = queue.try_recv() {
            whole.extend_from_slice(&piece);
        }
        whole
    }

    fn unpacked(folder: PathBuf, stream: &[u8]) {
        let (pieces, queue) = tokio::sync::mpsc::channel(1);
        pieces.try_send(Ok(Bytes::copy_from_slice(stream))).unwrap();
        drop(pieces);
        let ids = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let texts = || (String::new(), String::new(), String::new());
        let (name, home, shell) = texts();
        let owner = Some(User { name, uid: ids.0, gid: ids.1, groups: vec![], home, shell });
        unpack(Wanted { folder, owner, is_durable: false }, queue).unwrap();
    }

    #[test]
    fn gnu_tar_unpacks_what_was_packed_as_it_was() {
        let folder = Folder::new("packed");
        fs::create_dir(folder.0.join("out")).unwrap();
        let mut tar = Command::new("tar");
        let mut tar = tar.args(["-xpf", "-"]).current_dir(folder.0.join("out")).stdin(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(&packed(&folder.0.join("tree"))).unwrap();
        assert!(tar.wait().unwrap().success());
        assert_eq!(folder.listing("out/tree"), folder.listing("tree"));
    }

    #[test]
    fn what_was_packed_is_unpacked_as_it_was() {
        let folder = Folder::new("both");
        fs::create_dir(folder.0.join("out")).unwrap();
        unpacked(folder.0.join("out"), &packed(&folder.0.join("tree")));
        assert_eq!(folder.listing("out/tree"), folder.listing("tree"));
    }

    #[test]
    fn what_gnu_tar_packs_is_unpacked_as_it_unpacks_it_itself() {
        let folder = Folder::new("unpacked");
        for format in ["--format=posix --sparse", "--format=gnu --sparse", "--format=gnu"] {
            folder.run("rm -rf out theirs; mkdir out theirs");
            let stream = folder.run(&format!("tar {format} -cf - tree"));
            folder.run(&format!("tar {format} -cf - tree | tar -C theirs -xpf -"));
            unpacked(folder.0.join("out"), &stream);
            assert_eq!(folder.listing("out/tree"), folder.listing("theirs/tree"), "{format}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_and_the_tar_has_no_end_mark() {
        let folder = Folder::new("unreadable");
        let whole = packed(&folder.0.join("tree"));
        assert!(whole.ends_with(&[0; 1024]));
        // Opening works and reading does not.
        let stream = packed(Path::new("/proc/self/mem"));
        assert!(String::from_utf8_lossy(&stream).contains("comment=banger-fault INTERNAL\n"));
        assert!(!stream.ends_with(&[0; 1024]));
    }

    #[test]
    fn what_has_no_size_is_read_all_the_same() {
        let stream = packed(Path::new("/proc/version"));
        assert!(String::from_utf8_lossy(&stream).contains("Linux version"));
    }
}
