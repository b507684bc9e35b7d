//! What a program needs besides its own file before the kernel can run it: the interpreter of a script, or the loader
//! of a program that is linked to libraries. Images of a single program often lack it, and the kernel then says of the
//! program itself that it is not there.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// As much of a script's first line as the kernel reads
const FIRST_LINE_BYTES: usize = 256;
const PATH_LIMIT_BYTES: u64 = 4096;
const SEGMENTS_LIMIT: u16 = 128;

/// The path of what is not there; none also where the file cannot be understood, which the kernel then tells.
pub fn missing(program: &Path) -> Option<String> {
    let file = File::open(program).ok()?;
    let mut head = Vec::new();
    (&file).take(FIRST_LINE_BYTES as u64).read_to_end(&mut head).ok()?;
    let needed = if head.starts_with(b"#!") { interpreter(&head) } else { loader(&file, &head) }?;
    (!Path::new(&needed).exists()).then_some(needed)
}

fn interpreter(head: &[u8]) -> Option<String> {
    let line = head[2..].split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    // One that is relative depends on where the program will be started.
    line.split([' ', '\t']).find(|word| !word.is_empty()).filter(|word| word.starts_with('/')).map(str::to_owned)
}

/// Of a 64-bit program: what its segment `PT_INTERP` names.
fn loader(file: &File, head: &[u8]) -> Option<String> {
    const MAGIC_64_BIT_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
    const SEGMENT_BYTES: usize = 56;
    const PT_INTERP: u32 = 3;
    if !head.starts_with(MAGIC_64_BIT_LITTLE_ENDIAN) {
        return None;
    }
    let table_at = u64_at(head, 32)?;
    let segment_bytes = u64::from(u16_at(head, 54)?);
    let count = u16_at(head, 56)?.min(SEGMENTS_LIMIT);
    for number in 0..u64::from(count) {
        let mut segment = [0; SEGMENT_BYTES];
        let at = table_at.checked_add(number * segment_bytes)?;
        file.read_exact_at(&mut segment, at).ok()?;
        if u32_at(&segment, 0)? != PT_INTERP {
            continue;
        }
        let (at, length) = (u64_at(&segment, 8)?, u64_at(&segment, 32)?.min(PATH_LIMIT_BYTES));
        let mut path = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut path, at).ok()?;
        let path = path.split(|&byte| byte == 0).next()?;
        return String::from_utf8(path.to_vec()).ok().filter(|path| path.starts_with('/'));
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;
    use std::fs;

    #[test]
    fn a_script_needs_its_interpreter_and_a_linked_program_its_loader() {
        let folder = TestFolder::new("needs");
        let script = folder.join("script");
        for (text, needed) in [
            ("#!/no/such/bash -e\n", Some("/no/such/bash")),
            ("#! /no/such/env\tbash\n", Some("/no/such/env")),
            ("#!/bin/sh\n", None),
            ("#!no-such-interpreter\n", None),
            ("#!\n", None),
            ("", None),
            ("no program", None),
        ] {
            fs::write(&script, text).unwrap();
            assert_eq!(missing(&script).as_deref(), needed, "{text:?}");
        }
        assert_eq!(missing(Path::new("/bin/sh")), None, "its loader is there");

        let mut program = fs::read("/bin/sh").unwrap();
        let loader = b"/lib64/ld-linux";
        let at = program.windows(loader.len()).position(|window| window == loader).unwrap();
        program[at + 1] = b'x';
        let linked = folder.join("linked");
        fs::write(&linked, &program).unwrap();
        assert!(missing(&linked).unwrap().starts_with("/xib64/ld-linux"));
        for length in [5, 40, 60, 100, at] {
            fs::write(&linked, &program[..length]).unwrap();
            assert_eq!(missing(&linked), None, "cut after {length} bytes");
        }
    }
}
