//! Which terminals the machine knows: the programs in it look a terminal up by its name, and many do little without.

use std::path::Path;

/// What nearly every machine knows, and nearly every terminal understands
pub const USUAL: &str = "xterm-256color";

const FOLDERS: [&str; 4] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo"];

/// The name itself, or the usual one where the machine does not know it. A machine that knows none is told the truth.
pub fn known_or_usual(name: &str, home: &str) -> String {
    let own = format!("{home}/.terminfo");
    let folders: Vec<&str> =
        FOLDERS.into_iter().chain([own.as_str()]).filter(|path| Path::new(path).is_dir()).collect();
    choose(name, &folders)
}

fn choose(name: &str, folders: &[&str]) -> String {
    let is_known = |name: &str| folders.iter().any(|folder| has_entry(folder, name));
    if is_known(name) || !is_known(USUAL) { name.to_owned() } else { USUAL.to_owned() }
}

/// An entry lies below the first letter of its name, or that letter's number.
fn has_entry(folder: &str, name: &str) -> bool {
    let is_plain = !name.starts_with('.') && !name.contains(['/', '\0']);
    let Some(&letter) = name.as_bytes().first().filter(|_| is_plain) else { return false };
    let shelves = [char::from(letter).to_string(), format!("{letter:x}")];
    shelves.iter().any(|shelf| Path::new(folder).join(shelf).join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn a_terminal_that_the_machine_does_not_know_becomes_one_that_it_does() {
        let folder = TestFolder::new("terminfo");
        for entry in ["x/xterm-256color", "66/foot"] {
            std::fs::create_dir_all(folder.join(entry).parent().unwrap()).unwrap();
            std::fs::write(folder.join(entry), "").unwrap();
        }
        let folders = [folder.to_str().unwrap()];
        for (name, chosen) in [
            ("xterm-256color", "xterm-256color"),
            ("foot", "foot"),
            ("xterm-ghostty", USUAL),
            ("", USUAL),
            ("../x/xterm-256color", USUAL),
            (".", USUAL),
        ] {
            assert_eq!(choose(name, &folders), chosen, "{name}");
        }
        assert_eq!(choose("xterm-kitty", &[]), "xterm-kitty", "nothing is known there anyway");
    }
}
