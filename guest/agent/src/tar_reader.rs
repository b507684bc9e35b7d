//! Reads a tar stream, entry by entry: ustar, pax and GNU's long names, and files with holes in the two ways that GNU tar
//! writes today.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use crate::tar_format::{BLOCK_BYTES, Block, Records, damaged, kind, number, padding, parse_time};

/// A file with more of them is refused: their places are kept in memory
const PIECES_LIMIT: u64 = 1 << 20;
const COPY_BYTES: usize = 256 * 1024;

pub struct Entry {
    /// With the names, the times and the owner that the headers before it give
    pub block: Block,
    /// Of the file, once it is unpacked
    pub size: u64,
    pieces: Vec<(u64, u64)>,
}

pub struct Reader<R> {
    source: R,
    /// Of the entry at hand: content that nobody has read yet, and what fills up its last block
    left: u64,
    padding: usize,
}

impl<R: Read> Reader<R> {
    pub fn new(source: R) -> Self {
        Self { source, left: 0, padding: 0 }
    }

    /// None at the tar's end mark. An end without it is an error: the stream was cut.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        self.skip_rest()?;
        let mut records = Records::default();
        loop {
            let bytes = self.take_block()?;
            if bytes.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            let block = Block::read(&bytes)?;
            match block.kind {
                kind::EXTENSION | kind::GLOBAL_EXTENSION | kind::LONG_NAME | kind::LONG_LINK => {
                    let mut content = vec![0; records.expect(&block)?];
                    self.source.read_exact(&mut content).map_err(cut)?;
                    self.skip(padding(block.size) as u64)?;
                    records.add(block.kind, &content)?;
                }
                _ => return self.open(block, &bytes, &records).map(Some),
            }
        }
    }

    /// Writes the entry's content at its places in the file, which is empty.
    pub fn copy_content(&mut self, entry: &Entry, file: &File) -> io::Result<()> {
        let mut buffer = vec![0; COPY_BYTES.min(self.left as usize)];
        for (offset, length) in &entry.pieces {
            let mut done = 0;
            while done < *length {
                let wanted = buffer.len().min((length - done) as usize);
                let chunk = &mut buffer[..wanted];
                self.source.read_exact(chunk).map_err(cut)?;
                self.left -= wanted as u64;
                file.write_all_at(chunk, offset + done)?;
                done += wanted as u64;
            }
        }
        file.set_len(entry.size)?;
        self.skip_rest()
    }

    fn open(&mut self, mut block: Block, bytes: &[u8; BLOCK_BYTES], records: &Records) -> io::Result<Entry> {
        apply(&mut block, records)?;
        let has_content = matches!(block.kind, kind::FILE | kind::CONTIGUOUS_FILE | kind::OLD_SPARSE_FILE);
        self.left = if has_content { block.size } else { 0 };
        self.padding = padding(self.left);
        let (size, pieces) = match (block.kind, records.number("GNU.sparse.major")?) {
            (kind::OLD_SPARSE_FILE, _) => self.read_old_map(bytes)?,
            (kind::FILE, Some(1)) => (records.number("GNU.sparse.realsize")?.unwrap_or(0), self.read_map()?),
            (kind::FILE, None) if records.get("GNU.sparse.size").is_none() => (self.left, vec![(0, self.left)]),
            (kind::FILE, _) => return Err(damaged("a file with holes in a way that is not known")),
            _ => (self.left, vec![(0, self.left)]),
        };
        check_pieces(&pieces, size, self.left)?;
        if block.kind == kind::OLD_SPARSE_FILE || block.kind == kind::CONTIGUOUS_FILE {
            block.kind = kind::FILE;
        }
        Ok(Entry { block, size, pieces })
    }

    /// GNU's first way: four pieces in the header block, twenty-one in each block after it.
    fn read_old_map(&mut self, bytes: &[u8; BLOCK_BYTES]) -> io::Result<(u64, Vec<(u64, u64)>)> {
        let size = unsigned(&bytes[483..495])?;
        let mut pieces = Vec::new();
        add_old_pieces(&mut pieces, &bytes[386..482])?;
        let mut has_more = bytes[482] != 0;
        while has_more {
            let more = self.take_block()?;
            add_old_pieces(&mut pieces, &more[..504])?;
            has_more = more[504] != 0;
        }
        Ok((size, pieces))
    }

    /// Its latest way: decimal lines at the beginning of the content, how many and then where and how long.
    fn read_map(&mut self) -> io::Result<Vec<(u64, u64)>> {
        let mut lines = MapLines { reader: self, block: [0; BLOCK_BYTES], at: BLOCK_BYTES };
        let count = lines.next()?;
        if count > PIECES_LIMIT {
            return Err(damaged("a file with too many holes"));
        }
        (0..count).map(|_| Ok((lines.next()?, lines.next()?))).collect()
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.left) + std::mem::take(&mut self.padding) as u64;
        self.skip(rest)
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.source.by_ref().take(length), &mut io::sink())?;
        if skipped == length { Ok(()) } else { Err(cut(io::ErrorKind::UnexpectedEof.into())) }
    }

    fn take_block(&mut self) -> io::Result<[u8; BLOCK_BYTES]> {
        let mut bytes = [0; BLOCK_BYTES];
        self.source.read_exact(&mut bytes).map_err(cut)?;
        Ok(bytes)
    }
}

struct MapLines<'a, R> {
    reader: &'a mut Reader<R>,
    block: [u8; BLOCK_BYTES],
    at: usize,
}

impl<R: Read> MapLines<'_, R> {
    fn next(&mut self) -> io::Result<u64> {
        let mut value: u64 = 0;
        loop {
            if self.at == BLOCK_BYTES {
                let wrong = || damaged("a map of holes without an end");
                self.reader.left = self.reader.left.checked_sub(BLOCK_BYTES as u64).ok_or_else(wrong)?;
                self.block = self.reader.take_block()?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            let wrong = || damaged("a map of holes that cannot be");
            match byte {
                b'\n' => return Ok(value),
                b'0'..=b'9' => {
                    let next = value.checked_mul(10).and_then(|tens| tens.checked_add((byte - b'0').into()));
                    value = next.ok_or_else(wrong)?;
                }
                _ => return Err(wrong()),
            }
        }
    }
}

fn apply(block: &mut Block, records: &Records) -> io::Result<()> {
    if let Some(name) = records.get("GNU.sparse.name").or_else(|| records.get("path")) {
        block.name = name.to_vec();
    }
    if let Some(link) = records.get("linkpath") {
        block.link = link.to_vec();
    }
    if let Some(size) = records.number("size")? {
        block.size = size;
    }
    let id = |key| -> io::Result<Option<u32>> {
        records.number(key)?.map(|id| id.try_into().map_err(|_| damaged("an owner that is none"))).transpose()
    };
    block.uid = id("uid")?.unwrap_or(block.uid);
    block.gid = id("gid")?.unwrap_or(block.gid);
    if let Some(time) = records.get("mtime").and_then(parse_time) {
        block.mtime = time;
    }
    Ok(())
}

fn add_old_pieces(pieces: &mut Vec<(u64, u64)>, fields: &[u8]) -> io::Result<()> {
    for piece in fields.chunks_exact(24).filter(|piece| piece[0] != 0) {
        if pieces.len() as u64 == PIECES_LIMIT {
            return Err(damaged("a file with too many holes"));
        }
        pieces.push((unsigned(&piece[..12])?, unsigned(&piece[12..])?));
    }
    Ok(())
}

/// They lie one after another within the file, are all of its content, and each but the last fills its blocks.
fn check_pieces(pieces: &[(u64, u64)], size: u64, content: u64) -> io::Result<()> {
    let (mut end, mut sum) = (0_u64, 0_u64);
    for (offset, length) in pieces {
        let next = offset.checked_add(*length);
        if *offset < end || next.is_none_or(|next| next > size) || (*length > 0 && sum % BLOCK_BYTES as u64 != 0) {
            return Err(damaged("a map of holes that cannot be"));
        }
        end = offset + length;
        sum += length;
    }
    if sum == content { Ok(()) } else { Err(damaged("a map of holes that does not fit its file")) }
}

fn unsigned(field: &[u8]) -> io::Result<u64> {
    number(field)?.try_into().map_err(|_| damaged("a number that is none"))
}

fn cut(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { damaged("an end in the middle") } else { error }
}
