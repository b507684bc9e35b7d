//! The machine's own variables, from `/etc/environment`: those that PAM gives to logins, given to commands too.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

const PATH: &str = "/etc/environment";
const MAX_BYTES: u64 = 64 * 1024;

/// Nothing where there is no such file; what lies beyond the bound is left out.
pub fn read() -> Vec<(String, String)> {
    read_file(PATH).map(|text| parse(&text)).unwrap_or_default()
}

/// Whoever is root in the machine may have put a pipe or a device there, which must not hold us.
fn read_file(path: &str) -> Option<String> {
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Read as `pam_env` reads it: one variable a line, no escapes, a comment wherever a "#" begins.
fn parse(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).trim_start().split_once('=')?;
    let is_name = !name.is_empty() && name.chars().all(|each| each.is_ascii_alphanumeric() || each == '_');
    (is_name && !value.contains('\0')).then(|| (name.to_owned(), unquoted(value).to_owned()))
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn a_line_is_a_variable_and_what_is_none_is_left_out() {
        let text = "# http_proxy=no\n\nhttp_proxy=http://proxy:3128\nexport PATH=\"/bin:/opt\"\nA='b c' # d\nE=\n\
                    no variable\n=x\nB C=d\nF=\"open\nG=\0\n";
        let found = parse(text);
        let expected =
            [("http_proxy", "http://proxy:3128"), ("PATH", "/bin:/opt"), ("A", "b c"), ("E", ""), ("F", "\"open")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn what_is_no_file_is_not_waited_for_and_a_long_one_is_cut() {
        let folder = TestFolder::new("environment");
        let pipe = folder.join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(read_file(pipe.to_str().unwrap()), None);
        let long = folder.join("long");
        fs::write(&long, "a".repeat(100_000)).unwrap();
        assert_eq!(read_file(long.to_str().unwrap()).unwrap().len(), 65_536);
        assert_eq!(read_file(folder.join("missing").to_str().unwrap()), None);
    }
}
