//! The tar format, both ways: header blocks and the extended headers before them, as `contract/src/tar` has it for the
//! host. Names are bytes. A stranger may have made what is read, so every length is bounded.

use std::io;

use rustix::fs::Timespec;

pub const BLOCK_BYTES: usize = 512;
/// Of one entry: long names and times, and the attributes that are not taken
const EXTENSION_LIMIT_BYTES: u64 = 1 << 20;

pub mod kind {
    pub const FILE: u8 = b'0';
    pub const HARD_LINK: u8 = b'1';
    pub const SYMLINK: u8 = b'2';
    pub const CHARACTER_DEVICE: u8 = b'3';
    pub const BLOCK_DEVICE: u8 = b'4';
    pub const FOLDER: u8 = b'5';
    pub const PIPE: u8 = b'6';
    pub const CONTIGUOUS_FILE: u8 = b'7';
    pub const OLD_SPARSE_FILE: u8 = b'S';
    pub const EXTENSION: u8 = b'x';
    pub const GLOBAL_EXTENSION: u8 = b'g';
    pub const LONG_NAME: u8 = b'L';
    pub const LONG_LINK: u8 = b'K';
}

#[derive(Clone, Debug)]
pub struct Block {
    pub kind: u8,
    pub name: Vec<u8>,
    pub link: Vec<u8>,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of what follows, before padding
    pub size: u64,
    pub mtime: Timespec,
    pub device: (u32, u32),
}

type Field = std::ops::Range<usize>;
const NAME: Field = 0..100;
const MODE: Field = 100..108;
const UID: Field = 108..116;
const GID: Field = 116..124;
const SIZE: Field = 124..136;
const MTIME: Field = 136..148;
const CHECKSUM: Field = 148..156;
const KIND: usize = 156;
const LINK: Field = 157..257;
const MAGIC: Field = 257..265;
const MAJOR: Field = 329..337;
const MINOR: Field = 337..345;
const PREFIX: Field = 345..500;

impl Block {
    pub fn new(kind: u8, name: &[u8]) -> Self {
        Self {
            kind,
            name: name.to_vec(),
            link: Vec::new(),
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: Timespec { tv_sec: 0, tv_nsec: 0 },
            device: (0, 0),
        }
    }

    pub fn read(bytes: &[u8; BLOCK_BYTES]) -> io::Result<Self> {
        if number(&bytes[CHECKSUM])? != i64::from(checksum(bytes)) {
            return Err(damaged("a header with a wrong checksum"));
        }
        let mut name = text(&bytes[NAME]).to_vec();
        let prefix = if bytes[MAGIC].starts_with(b"ustar\0") { text(&bytes[PREFIX]) } else { b"" };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        // Before there was a kind for folders, they were files whose names end with a slash.
        let kind = match bytes[KIND] {
            0 if name.ends_with(b"/") => kind::FOLDER,
            0 => kind::FILE,
            kind => kind,
        };
        let is_device = matches!(kind, kind::CHARACTER_DEVICE | kind::BLOCK_DEVICE);
        Ok(Self {
            kind,
            name,
            link: text(&bytes[LINK]).to_vec(),
            mode: unsigned(&bytes[MODE])?,
            uid: unsigned(&bytes[UID])?,
            gid: unsigned(&bytes[GID])?,
            size: unsigned(&bytes[SIZE])?,
            mtime: Timespec { tv_sec: number(&bytes[MTIME])?, tv_nsec: 0 },
            device: if is_device { (unsigned(&bytes[MAJOR])?, unsigned(&bytes[MINOR])?) } else { (0, 0) },
        })
    }

    /// With an extended header before it where the block has no room. `records` are further ones.
    pub fn write(&self, records: &[(String, Vec<u8>)]) -> Vec<u8> {
        let mut records = records.to_vec();
        if self.name.len() > NAME.len() && !records.iter().any(|(key, _)| key == "GNU.sparse.name") {
            records.push(("path".to_owned(), self.name.clone()));
        }
        if self.link.len() > LINK.len() {
            records.push(("linkpath".to_owned(), self.link.clone()));
        }
        if self.mtime.tv_nsec != 0 || self.mtime.tv_sec < 0 {
            records.push(("mtime".to_owned(), time_text(self.mtime).into_bytes()));
        }
        let mut whole = if records.is_empty() { Vec::new() } else { extension(kind::EXTENSION, &records) };
        whole.extend_from_slice(&self.bytes());
        whole
    }

    fn bytes(&self) -> [u8; BLOCK_BYTES] {
        let mut bytes = [0; BLOCK_BYTES];
        put(&mut bytes[NAME], &self.name);
        put_number(&mut bytes[MODE], self.mode.into());
        put_number(&mut bytes[UID], self.uid.into());
        put_number(&mut bytes[GID], self.gid.into());
        put_number(&mut bytes[SIZE], self.size);
        put_number(&mut bytes[MTIME], u64::try_from(self.mtime.tv_sec).unwrap_or(0));
        bytes[KIND] = self.kind;
        put(&mut bytes[LINK], &self.link);
        put(&mut bytes[MAGIC], b"ustar\x0000");
        put_number(&mut bytes[MAJOR], self.device.0.into());
        put_number(&mut bytes[MINOR], self.device.1.into());
        let sum = format!("{:06o}\0 ", checksum(&bytes));
        put(&mut bytes[CHECKSUM], sum.as_bytes());
        bytes
    }
}

/// What the host is to know and a tar has no word for; other readers of tar pass over a comment.
pub fn comment(text: &str) -> Vec<u8> {
    extension(kind::GLOBAL_EXTENSION, &[("comment".to_owned(), text.as_bytes().to_vec())])
}

pub fn padding(size: u64) -> usize {
    (BLOCK_BYTES - (size % BLOCK_BYTES as u64) as usize) % BLOCK_BYTES
}

fn extension(kind: u8, records: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        // The length counts its own digits.
        let mut length = rest + 1;
        while length.to_string().len() + rest != length {
            length = length.to_string().len() + rest;
        }
        content.extend_from_slice(format!("{length} {key}=").as_bytes());
        content.extend_from_slice(value);
        content.push(b'\n');
    }
    let size = content.len() as u64;
    let mut whole = Block { size, ..Block::new(kind, b"././@PaxHeader") }.bytes().to_vec();
    whole.append(&mut content);
    whole.resize(whole.len() + padding(size), 0);
    whole
}

/// The records that describe one entry, gathered from the headers before it
#[derive(Default)]
pub struct Records {
    found: Vec<(Vec<u8>, Vec<u8>)>,
    taken_bytes: u64,
}

impl Records {
    /// How long the header's content may be; an error when there has been too much of it.
    pub fn expect(&mut self, block: &Block) -> io::Result<usize> {
        self.taken_bytes = self.taken_bytes.saturating_add(block.size).saturating_add(BLOCK_BYTES as u64);
        if self.taken_bytes > EXTENSION_LIMIT_BYTES {
            return Err(damaged("too long a header before one entry"));
        }
        Ok(block.size as usize)
    }

    pub fn add(&mut self, kind: u8, content: &[u8]) -> io::Result<()> {
        match kind {
            kind::LONG_NAME => self.found.push((b"path".to_vec(), text(content).to_vec())),
            kind::LONG_LINK => self.found.push((b"linkpath".to_vec(), text(content).to_vec())),
            kind::EXTENSION => self.add_records(content).ok_or_else(|| damaged("a damaged extended header"))?,
            _ => {} // a global one holds comments; nothing in it belongs to an entry
        }
        Ok(())
    }

    pub fn get(&self, key: &str) -> Option<&[u8]> {
        let found = self.found.iter().rev().find(|(name, _)| name == key.as_bytes());
        found.map(|(_, value)| &value[..])
    }

    pub fn number(&self, key: &str) -> io::Result<Option<u64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let parsed = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        parsed.map(Some).ok_or_else(|| damaged("a number that is none"))
    }

    fn add_records(&mut self, mut content: &[u8]) -> Option<()> {
        while !content.is_empty() {
            let space = content.iter().take(11).position(|byte| *byte == b' ')?;
            let length: usize = std::str::from_utf8(&content[..space]).ok()?.parse().ok()?;
            let record = content.get(space + 1..length)?.strip_suffix(b"\n")?;
            let equals = record.iter().position(|byte| *byte == b'=')?;
            self.found.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
            content = &content[length..];
        }
        Some(())
    }
}

/// "-1.5" is one and a half seconds before 1970.
pub fn parse_time(value: &[u8]) -> Option<Timespec> {
    let text = std::str::from_utf8(value).ok()?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !seconds.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let seconds = sign * seconds.parse::<i64>().ok()?;
    if sign < 0 && nanos > 0 {
        return Some(Timespec { tv_sec: seconds - 1, tv_nsec: 1_000_000_000 - nanos });
    }
    Some(Timespec { tv_sec: seconds, tv_nsec: nanos })
}

fn time_text(time: Timespec) -> String {
    let is_negative = time.tv_sec < 0;
    let (seconds, nanos) = match (is_negative, time.tv_nsec) {
        (true, 0) => (-time.tv_sec, 0),
        (true, nanos) => (-time.tv_sec - 1, 1_000_000_000 - nanos),
        (false, nanos) => (time.tv_sec, nanos),
    };
    let text = format!("{}{seconds}.{nanos:09}", if is_negative { "-" } else { "" });
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the tar stream has {what}"))
}

/// Up to the first zero
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal text, or GNU's binary form for what does not fit.
pub fn number(field: &[u8]) -> io::Result<i64> {
    let wrong = || damaged("a number that is none");
    let first = field[0];
    if first < 0x80 {
        let digits = std::str::from_utf8(text(field)).map_err(|_| wrong())?.trim();
        return if digits.is_empty() { Ok(0) } else { i64::from_str_radix(digits, 8).map_err(|_| wrong()) };
    }
    let start: i64 = if first >= 0xc0 { -1 } else { (first & 0x3f).into() };
    field[1..]
        .iter()
        .try_fold(start, |value, byte| value.checked_mul(256)?.checked_add((*byte).into()))
        .ok_or_else(wrong)
}

fn unsigned<T: TryFrom<i64>>(field: &[u8]) -> io::Result<T> {
    T::try_from(number(field)?).map_err(|_| damaged("a number that is none"))
}

/// The sum of all bytes, those of the sum itself taken as blanks
fn checksum(bytes: &[u8; BLOCK_BYTES]) -> u32 {
    let outside = bytes[..CHECKSUM.start].iter().chain(&bytes[CHECKSUM.end..]);
    outside.map(|byte| u32::from(*byte)).sum::<u32>() + CHECKSUM.len() as u32 * 0x20
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

fn put_number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let octal = format!("{value:0digits$o}");
    if octal.len() == digits {
        put(field, octal.as_bytes());
        return;
    }
    let bytes = value.to_be_bytes();
    let start = field.len().saturating_sub(bytes.len());
    put(&mut field[start..], &bytes[bytes.len().saturating_sub(digits + 1)..]);
    field[0] = 0x80;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(block: &Block) -> Block {
        Block::read(&block.bytes()).unwrap()
    }

    #[test]
    fn a_block_gives_back_what_was_written() {
        let time = Timespec { tv_sec: 1_700_000_000, tv_nsec: 0 };
        let written =
            Block { mode: 0o4755, uid: 3_000_000_000, size: 1 << 40, mtime: time, ..Block::new(kind::FILE, b"a\xffb") };
        let read = again(&written);
        assert_eq!((read.name, read.mode, read.uid, read.size), (b"a\xffb".to_vec(), 0o4755, 3_000_000_000, 1 << 40));
        assert_eq!(read.mtime, time);
    }

    #[test]
    fn times_have_a_fraction_and_may_be_before_1970() {
        for (text, seconds, nanos) in
            [("0", 0, 0), ("-1.5", -2, 500_000_000), ("-0.25", -1, 750_000_000), ("-3", -3, 0), ("7.000000001", 7, 1)]
        {
            let time = Timespec { tv_sec: seconds, tv_nsec: nanos };
            assert_eq!(parse_time(text.as_bytes()), Some(time));
            assert_eq!(time_text(time), text);
        }
        for text in ["", "x", "1e9", "1.5.", "1.-5"] {
            assert_eq!(parse_time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn records_that_lie_about_their_length_are_refused() {
        for content in ["99 path=x\n", "9 path=x", "0 a=b\n", "-1 a=b\n", "path=x\n", "7 path\n", "1 a=b\n"] {
            assert!(Records::default().add(kind::EXTENSION, content.as_bytes()).is_err(), "{content}");
        }
    }

    #[test]
    fn headers_without_an_entry_are_bounded() {
        let block = Block { size: 400, ..Block::new(kind::EXTENSION, b"x") };
        let mut records = Records::default();
        assert!((0..2000).any(|_| records.expect(&block).is_err()));
    }
}
