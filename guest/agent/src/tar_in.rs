//! Unpacks a tar stream in a folder, each file whole or not at all.
//!
//! A file is written under another name beside its place, and takes the place by a rename. Files are renamed in batches, so
//! that one sync does for many of them. What came before the stream was cut stays; the file that was cut leaves nothing,
//! and what it would have replaced is as it was.
//!
//! - A folder that is there keeps its mode, owner and time.
//! - A link that is there is followed, as cp does; those of the stream are made at its end, so that none of its entries
//!   goes through one of them.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, futimens, makedev, mknodat, syncfs, utimensat};
use rustix::process::{getgid, getuid};
use tokio::sync::mpsc::Receiver;

use crate::http_answers::{Code, Refusal};
use crate::tar_format::{Block, kind};
use crate::tar_reader::{Entry, Reader};
use crate::temporaries;
use crate::users::User;

/// Renamed together, after one sync
const BATCH_FILES: usize = 256;
const BATCH_BYTES: u64 = 64 << 20;

pub struct Wanted {
    pub folder: PathBuf,
    /// None: the numbers in the stream are the owners. With one, set-user-id bits are lost and devices are refused, so that
    /// nobody's program becomes root's
    pub owner: Option<User>,
    /// Whether a machine that loses its power keeps what was there before, or has all of it once this has returned
    pub is_durable: bool,
}

/// Blocks while the queue is empty.
pub fn unpack(wanted: Wanted, queue: Receiver<io::Result<Bytes>>) -> Result<(), Refusal> {
    let there = fs::metadata(&wanted.folder).map_err(|error| Refusal::of_io(&error, "the folder"))?;
    if !there.is_dir() {
        return Err(Refusal::new(Code::NotADirectory, "the path is not a folder"));
    }
    let mut reader = Reader::new(BufReader::with_capacity(64 * 1024, Pieces { queue, piece: Bytes::new() }));
    let mut unpacking =
        Unpacking { wanted, batch: Vec::new(), batch_bytes: 0, links: Vec::new(), folders: Vec::new(), entered: None };
    while let Some(entry) = reader.next().map_err(|error| Refusal::of_io(&error, "unpacking"))? {
        let name = String::from_utf8_lossy(&entry.block.name).into_owned();
        unpacking.add(entry, &mut reader).map_err(|fault| fault.told_of(&name))?;
    }
    unpacking.finish().map_err(|fault| fault.told_of("the last of it"))
}

struct Unpacking {
    wanted: Wanted,
    batch: Vec<Staged>,
    batch_bytes: u64,
    links: Vec<Link>,
    /// Those that were made here, whose times are set when all is in them
    folders: Vec<(PathBuf, Timespec)>,
    /// The folder of the entry before, which is there
    entered: Option<PathBuf>,
}

/// Whole, and not yet at its place
struct Staged {
    temporary: PathBuf,
    place: PathBuf,
}

struct Link {
    place: PathBuf,
    block: Block,
}

enum Fault {
    Io(io::Error),
    Refused(Code, &'static str),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for Fault {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl Fault {
    fn told_of(self, name: &str) -> Refusal {
        match self {
            Self::Io(error) => Refusal::of_io(&error, &format!("unpacking {name}")),
            Self::Refused(code, why) => Refusal::new(code, format!("{name} {why}")),
        }
    }
}

impl Unpacking {
    fn add(&mut self, entry: Entry, reader: &mut Reader<impl Read>) -> Result<(), Fault> {
        let words = words_of(&entry.block.name)?;
        let place = self.place_of(&words);
        let Some((_, above)) = words.split_last() else {
            let is_folder = entry.block.kind == kind::FOLDER; // the folder itself, which stays as it is
            return if is_folder { Ok(()) } else { Err(Fault::Refused(Code::BadRequest, "is no name of a file")) };
        };
        self.enter(&self.place_of(above))?;
        match entry.block.kind {
            kind::FOLDER => self.add_folder(place, &entry.block),
            kind::FILE => self.add_file(&place, &entry, reader),
            kind::HARD_LINK => self.add_hard_link(place, entry.block),
            kind::SYMLINK => {
                self.links.push(Link { place, block: entry.block });
                Ok(())
            }
            kind::PIPE | kind::CHARACTER_DEVICE | kind::BLOCK_DEVICE => self.add_device(place, &entry.block),
            _ => Err(Fault::Refused(Code::BadRequest, "is of a kind that is not known")),
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        self.rename_batch()?;
        for Link { place, block } in std::mem::take(&mut self.links) {
            let temporary = temporaries::beside(&place);
            self.stage(temporary, expect_replaceable(place)?, |path, own| {
                symlink(OsStr::from_bytes(&block.link), path)?;
                own(path, &block)?;
                Ok(utimensat(CWD, path, &times(block.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
            })?;
        }
        self.rename_batch()?;
        for (folder, mtime) in self.folders.iter().rev() {
            utimensat(CWD, folder, &times(*mtime), AtFlags::empty())?;
        }
        let folder = File::open(&self.wanted.folder)?;
        if self.wanted.is_durable {
            syncfs(folder)?;
        }
        Ok(())
    }

    fn place_of(&self, words: &[&[u8]]) -> PathBuf {
        let mut place = self.wanted.folder.clone();
        place.extend(words.iter().map(|word| OsStr::from_bytes(word)));
        place
    }

    /// Makes the folder and those above it, where they are missing.
    fn enter(&mut self, folder: &Path) -> Result<(), Fault> {
        if self.entered.as_deref() == Some(folder) {
            return Ok(());
        }
        match fs::metadata(folder) {
            Ok(there) if there.is_dir() => temporaries::sweep(folder)?,
            Ok(_) => return Err(Fault::Refused(Code::NotADirectory, "has a file where a folder is needed")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(above) = folder.parent() {
                    self.enter(above)?;
                }
                self.make_folder(folder, 0o755, (getuid().as_raw(), getgid().as_raw()))?;
            }
            Err(error) => return Err(error.into()),
        }
        self.entered = Some(folder.to_path_buf());
        Ok(())
    }

    fn add_folder(&mut self, place: PathBuf, block: &Block) -> Result<(), Fault> {
        match fs::metadata(&place) {
            Ok(there) if there.is_dir() => Ok(()),
            Ok(_) => Err(Fault::Refused(Code::Exists, "is a file here, and a folder in the stream")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_folder(&place, block.mode, (block.uid, block.gid))?;
                self.folders.push((place, block.mtime));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn make_folder(&self, place: &Path, mode: u32, ids: (u32, u32)) -> Result<(), Fault> {
        fs::create_dir(place)?;
        self.give(place, ids)?;
        Ok(fs::set_permissions(place, Permissions::from_mode(self.allowed(mode)))?)
    }

    fn add_file(&mut self, place: &Path, entry: &Entry, reader: &mut Reader<impl Read>) -> Result<(), Fault> {
        let place = match follow(place) {
            // What is synced at each start comes in whatever the machine's users left there.
            Err(Fault::Refused(Code::Exists, _)) if self.wanted.owner.is_some() => place.to_path_buf(),
            place => place?,
        };
        let temporary = temporaries::beside(&place);
        let mode = self.allowed(entry.block.mode);
        self.stage(temporary, place, |path, own| {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            reader.copy_content(entry, &file)?;
            own(path, &entry.block)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok(futimens(&file, &times(entry.block.mtime))?)
        })?;
        self.batch_bytes += entry.size;
        if self.batch.len() >= BATCH_FILES || self.batch_bytes >= BATCH_BYTES { self.rename_batch() } else { Ok(()) }
    }

    fn add_hard_link(&mut self, place: PathBuf, block: Block) -> Result<(), Fault> {
        let target = self.place_of(&words_of(&block.link)?);
        if let Some(link) = self.links.iter().rev().find(|link| link.place == target) {
            let block = link.block.clone(); // a link that is not made yet: another one like it
            self.links.push(Link { place, block });
            return Ok(());
        }
        let target = follow(&target)?;
        let staged = self.batch.iter().rev().find(|staged| staged.place == target);
        let existing = staged.map_or(target, |staged| staged.temporary.clone());
        let temporary = temporaries::beside(&place);
        self.stage(temporary, expect_replaceable(place)?, |path, _| Ok(fs::hard_link(&existing, path)?))
    }

    fn add_device(&mut self, place: PathBuf, block: &Block) -> Result<(), Fault> {
        let file_type = match block.kind {
            kind::PIPE => FileType::Fifo,
            kind::BLOCK_DEVICE => FileType::BlockDevice,
            _ => FileType::CharacterDevice,
        };
        if self.wanted.owner.is_some() && file_type != FileType::Fifo {
            return Err(Fault::Refused(Code::BadRequest, "is a device"));
        }
        let mode = self.allowed(block.mode);
        let temporary = temporaries::beside(&place);
        self.stage(temporary, expect_replaceable(place)?, |path, own| {
            mknodat(CWD, path, file_type, Mode::from_raw_mode(0o600), makedev(block.device.0, block.device.1))?;
            own(path, block)?;
            fs::set_permissions(path, Permissions::from_mode(mode))?;
            Ok(utimensat(CWD, path, &times(block.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
        })
    }

    /// Makes it under its other name; from then on it is in the batch, which is removed when the copy fails.
    fn stage(
        &mut self,
        temporary: PathBuf,
        place: PathBuf,
        make: impl FnOnce(&Path, &dyn Fn(&Path, &Block) -> io::Result<()>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.batch.push(Staged { temporary: temporary.clone(), place });
        make(&temporary, &|path, block| self.give(path, (block.uid, block.gid)))
    }

    /// Before the mode is set: a new owner takes the set-user-id bits off.
    fn give(&self, path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
        let (uid, gid) = self.wanted.owner.as_ref().map_or((uid, gid), |owner| (owner.uid, owner.gid));
        lchown(path, Some(uid), Some(gid))
    }

    fn allowed(&self, mode: u32) -> u32 {
        mode & if self.wanted.owner.is_some() { 0o1777 } else { 0o7777 }
    }

    fn rename_batch(&mut self) -> Result<(), Fault> {
        if self.wanted.is_durable {
            sync_all(&self.batch)?;
        }
        self.batch_bytes = 0;
        for Staged { temporary, place } in &self.batch {
            fs::rename(temporary, place)?;
            let _ = fs::remove_file(temporary); // still there when both names were the same file already
        }
        self.batch.clear();
        Ok(())
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        for Staged { temporary, .. } in &self.batch {
            let _ = fs::remove_file(temporary); // renamed already, or never made
        }
    }
}

/// Content first, so that no rename is on the disk before what it names. One sync for each filesystem.
fn sync_all(batch: &[Staged]) -> Result<(), Fault> {
    let mut devices = Vec::new();
    for folder in batch.iter().filter_map(|staged| staged.place.parent()) {
        let device = fs::metadata(folder)?.dev();
        if !devices.contains(&device) {
            syncfs(File::open(folder)?)?;
            devices.push(device);
        }
    }
    Ok(())
}

/// Where a file goes: a link that is there is followed to what it leads to.
fn follow(place: &Path) -> Result<PathBuf, Fault> {
    let place = match fs::symlink_metadata(place) {
        Ok(there) if there.is_symlink() => fs::canonicalize(place)
            .map_err(|_| Fault::Refused(Code::Exists, "is a link here, which leads to nothing"))?,
        _ => place.to_path_buf(),
    };
    match fs::symlink_metadata(&place) {
        Ok(there) if there.is_file() => Ok(place),
        Ok(there) if there.is_dir() => {
            Err(Fault::Refused(Code::IsADirectory, "is a folder here, and a file in the stream"))
        }
        Ok(_) => Err(Fault::Refused(Code::Exists, "is neither a file nor a folder here")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(place),
        Err(error) => Err(error.into()),
    }
}

/// What is no file replaces a file, a link or nothing.
fn expect_replaceable(place: PathBuf) -> Result<PathBuf, Fault> {
    match fs::symlink_metadata(&place) {
        Ok(there) if there.is_dir() => {
            Err(Fault::Refused(Code::IsADirectory, "is a folder here, and none in the stream"))
        }
        Ok(there) if there.file_type().is_socket() => Err(Fault::Refused(Code::Exists, "is a socket here")),
        Ok(_) => Ok(place),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(place),
        Err(error) => Err(error.into()),
    }
}

fn words_of(name: &[u8]) -> Result<Vec<&[u8]>, Fault> {
    let words = name.split(|byte| *byte == b'/').filter(|word| !word.is_empty() && *word != b".").collect::<Vec<_>>();
    if name.starts_with(b"/") || words.contains(&&b".."[..]) {
        return Err(Fault::Refused(Code::BadRequest, "leads out of the folder"));
    }
    Ok(words)
}

fn times(mtime: Timespec) -> Timestamps {
    Timestamps { last_access: mtime, last_modification: mtime }
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
    use crate::tar_format::padding;
    use crate::test_folder::TestFolder;

    struct Folder(TestFolder);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = TestFolder::new(name);
            fs::create_dir_all(folder.join("in")).unwrap();
            Self(folder)
        }

        /// With an error after the stream, when it is `cut`
        fn receive(&self, stream: &[u8], cut: bool) -> Result<(), Refusal> {
            let (pieces, queue) = tokio::sync::mpsc::channel(stream.len() / 700 + 2);
            for piece in stream.chunks(700) {
                pieces.try_send(Ok(Bytes::copy_from_slice(piece))).unwrap();
            }
            if cut {
                pieces.try_send(Err(io::ErrorKind::ConnectionReset.into())).unwrap();
            }
            drop(pieces);
            unpack(Wanted { folder: self.0.join("in"), owner: None, is_durable: true }, queue)
        }

        /// As files of the owner's home come
        fn unpack_synced(&self, stream: &[u8]) -> Result<(), Refusal> {
            let (pieces, queue) = tokio::sync::mpsc::channel(1);
            pieces.try_send(Ok(Bytes::copy_from_slice(stream))).unwrap();
            drop(pieces);
            let (uid, gid) = own_ids();
            let [name, home, shell] = [String::new(), String::new(), String::new()];
            let owner = Some(User { name, uid, gid, groups: vec![], home, shell });
            unpack(Wanted { folder: self.0.join("in"), owner, is_durable: false }, queue)
        }

        fn unpack(&self, stream: &[u8]) -> Result<(), Refusal> {
            self.receive(stream, false)
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join("in").join(name)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(self.0.join("in")).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    fn own_ids() -> (u32, u32) {
        (getuid().as_raw(), getgid().as_raw())
    }

    fn entry(kind: u8, name: &str, link: &str, content: &str) -> Vec<u8> {
        let size = content.len() as u64;
        let (uid, gid) = own_ids();
        let block = Block { mode: 0o4640, uid, gid, size, link: link.into(), ..Block::new(kind, name.as_bytes()) };
        [&block.write(&[])[..], content.as_bytes(), &[0; 512][..padding(size)]].concat()
    }

    fn file(name: &str, content: &str) -> Vec<u8> {
        entry(kind::FILE, name, "", content)
    }

    fn whole(entries: &[Vec<u8>]) -> Vec<u8> {
        [entries.concat(), vec![0; 1024]].concat()
    }

    #[test]
    fn a_file_goes_into_the_folder() {
        let folder = Folder::new("inside");
        folder.unpack(&whole(&[file("sub/./file", "text")])).unwrap();
        assert_eq!(folder.read("sub/file"), "text");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let folder = Folder::new("outside");
        for name in ["../file", "/file", "sub/../../file"] {
            let refusal = folder.unpack(&whole(&[file(name, "text")])).unwrap_err();
            assert_eq!(refusal.code, Code::BadRequest, "{name}");
        }
        assert!(!folder.0.join("file").exists());
    }

    #[test]
    fn a_link_of_the_stream_is_not_gone_through() {
        let folder = Folder::new("sent-link");
        fs::create_dir(folder.0.join("elsewhere")).unwrap();
        let link = entry(kind::SYMLINK, "door", "../elsewhere", "");
        let refusal = folder.unpack(&whole(&[link, file("door/file", "text")])).unwrap_err();
        assert_eq!(refusal.code, Code::IsADirectory);
        assert_eq!(fs::read_dir(folder.0.join("elsewhere")).unwrap().count(), 0);
    }

    #[test]
    fn a_link_that_is_there_is_followed() {
        let folder = Folder::new("own-link");
        let inside = folder.0.join("in");
        fs::create_dir(folder.0.join("elsewhere")).unwrap();
        fs::write(folder.0.join("real"), "old").unwrap();
        symlink("../elsewhere", inside.join("door")).unwrap();
        symlink("../real", inside.join("name")).unwrap();
        symlink("nothing", inside.join("dangling")).unwrap();
        let stream = [entry(kind::FOLDER, "door/", "", ""), file("door/file", "text"), file("name", "new")];
        folder.unpack(&whole(&stream)).unwrap();
        assert_eq!(fs::read_to_string(folder.0.join("elsewhere/file")).unwrap(), "text");
        assert_eq!(fs::read_to_string(folder.0.join("real")).unwrap(), "new");
        assert!(fs::symlink_metadata(inside.join("name")).unwrap().is_symlink());
        assert_eq!(folder.unpack(&whole(&[file("dangling", "text")])).unwrap_err().code, Code::Exists);
    }

    #[test]
    fn synced_files_lose_setuid_bits_and_replace_links_to_nothing() {
        let folder = Folder::new("synced");
        symlink("nothing", folder.0.join("in/file")).unwrap();
        folder.unpack_synced(&whole(&[file("file", "text")])).unwrap();
        assert_eq!(fs::symlink_metadata(folder.0.join("in/file")).unwrap().mode(), 0o100_640);
        let device = folder.unpack_synced(&whole(&[entry(kind::CHARACTER_DEVICE, "device", "", "")]));
        assert_eq!(device.unwrap_err().code, Code::BadRequest);
    }

    #[test]
    fn what_the_stream_says_of_setuid_counts_without_an_owner() {
        let folder = Folder::new("setuid");
        folder.unpack(&whole(&[file("file", "text")])).unwrap();
        assert_eq!(fs::metadata(folder.0.join("in/file")).unwrap().mode(), 0o104_640);
    }

    #[test]
    fn a_folder_that_is_there_keeps_its_mode() {
        let folder = Folder::new("mode");
        fs::set_permissions(folder.0.join("in"), Permissions::from_mode(0o1777)).unwrap();
        let folders = ["./", "new/"].map(|name| entry(kind::FOLDER, name, "", ""));
        folder.unpack(&whole(&folders)).unwrap();
        let mode = |path: &str| fs::metadata(folder.0.join(path)).unwrap().mode() & 0o7777;
        assert_eq!((mode("in"), mode("in/new") & 0o777), (0o1777, 0o640));
    }

    #[test]
    fn a_stream_that_is_cut_leaves_the_old_file_whole_and_nothing_else() {
        let folder = Folder::new("cut");
        fs::write(folder.0.join("in/file"), "old").unwrap();
        let stream = whole(&[file("before", "text"), file("file", &"new".repeat(1000))]);
        for cut_at in (0..stream.len() - 1024).step_by(100) {
            assert!(folder.receive(&stream[..cut_at], cut_at % 200 == 0).is_err(), "{cut_at}");
            assert_eq!(folder.read("file"), "old");
            assert!(folder.names().iter().all(|name| name == "file" || name == "before"), "{:?}", folder.names());
        }
        folder.unpack(&stream).unwrap();
        assert_eq!(folder.read("file"), "new".repeat(1000));
    }

    #[test]
    fn what_a_killed_agent_left_goes_with_the_next_copy() {
        let folder = Folder::new("leftover");
        for name in [".banger-copy-0123456789abcdef-7", ".banger-copy-mine", ".banger-notes"] {
            fs::write(folder.0.join("in").join(name), "").unwrap();
        }
        fs::create_dir(folder.0.join("in/.banger-copy-0123456789abcdef-8")).unwrap();
        folder.unpack(&whole(&[file("file", "text")])).unwrap();
        let kept = [".banger-copy-0123456789abcdef-8", ".banger-copy-mine", ".banger-notes", "file"];
        assert_eq!(folder.names(), kept);
    }

    #[test]
    fn hard_links_stay_links_in_one_batch_and_over_several() {
        let folder = Folder::new("links");
        let mut entries = vec![file("first", "text"), entry(kind::HARD_LINK, "second", "first", "")];
        entries.extend((0..300).map(|each| file(&format!("f{each}"), "")));
        entries.push(entry(kind::HARD_LINK, "third", "first", ""));
        for _ in 0..2 {
            folder.unpack(&whole(&entries)).unwrap();
            assert_eq!(fs::metadata(folder.0.join("in/first")).unwrap().nlink(), 3);
            assert_eq!(folder.names().len(), 303);
        }
    }

    #[test]
    fn what_is_no_tar_stream_is_refused() {
        let folder = Folder::new("garbage");
        assert_eq!(folder.unpack(&[7; 4096]).unwrap_err().code, Code::BadRequest);
        assert!(folder.unpack(&file("file", "text")).is_err());
        assert!(folder.unpack(&file("file", "text")[..514]).is_err());
        assert_eq!(folder.names(), [""; 0]);
    }
}
