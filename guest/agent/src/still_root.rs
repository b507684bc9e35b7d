//! `POST /v1/root`: all files of a machine that was booted only for that, as an image of it has them.
//!
//! The machine's root is mounted below a folder of the agent's, and nothing of it runs. What of it belongs to no image, the
//! host says. The disk may be that of a hostile machine: links in it lead nowhere outside of its root.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, open, openat2};
use serde::Deserialize;

use crate::command_line::CommandLine;
use crate::http_answers::Refusal;
use crate::mounts;
use crate::percent::decode_percent;

/// Of the request: names of files that were brought in, thousands of them
pub const LIMIT_BYTES: usize = 16 << 20;
/// Of a file that is changed on its way
const TEXT_LIMIT_BYTES: u64 = 4 << 20;
/// Of files whose text is cut out of another one
const TEXTS_LIMIT: usize = 1000;

/// Where the files of a machine are that does not run
#[derive(Clone)]
pub struct StillRoot {
    pub root: PathBuf,
    /// What the machine was made from, without its disk
    pub image: PathBuf,
}

/// Names have no slash before them. Those that stand alone are percent-encoded bytes, as in a query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// Left out, with what is in it; and what it leads to, if it is a link
    without: Vec<String>,
    /// All that begins so is left out
    without_starting: Vec<String>,
    /// Given as the image has it, or left out
    as_in_image: Vec<String>,
    without_lines: Vec<MarkedLines>,
    without_texts_of: Vec<TextsOf>,
    without_links_to: Vec<InFolder>,
}

/// In a file: a line that ends with the mark, and those after it up to so many
#[derive(Debug, Deserialize)]
struct MarkedLines {
    file: String,
    mark: String,
    lines: usize,
}

/// In a file: what the files of a folder say whose names begin so
#[derive(Debug, Deserialize)]
struct TextsOf {
    file: String,
    folder: String,
    start: String,
}

/// In a folder: links to what is called so in the beginning
#[derive(Debug, Deserialize)]
struct InFolder {
    folder: String,
    start: String,
}

impl StillRoot {
    /// None in a machine that runs.
    pub fn of_machine() -> Option<Self> {
        let is_still = CommandLine::of_this_machine().boot_config().is_ok_and(|config| config.is_still);
        is_still.then(|| Self { root: mounts::NEW_ROOT.into(), image: mounts::IMAGE.into() })
    }

    /// Reads what the wishes are about; the rest is decided file by file.
    pub fn choose(&self, wanted: Wanted) -> Result<Choice, Refusal> {
        let decoded = |names: &[String]| names.iter().map(|name| decode_percent(name)).collect::<Result<Vec<_>, _>>();
        let without = decoded(&wanted.without)?;
        let as_in_image = decoded(&wanted.as_in_image)?;
        Ok(Choice {
            ids: without.iter().filter_map(|name| self.id_of(name)).collect(),
            contents: self.contents(&wanted).map_err(|error| Refusal::of_io(&error, "what is to be changed"))?,
            names: without.into_iter().collect(),
            starts: decoded(&wanted.without_starting)?,
            elsewhere: as_in_image.into_iter().map(|name| (name.clone(), self.image.join(path_of(&name)))).collect(),
            links: wanted.without_links_to,
        })
    }

    /// Of what is found there at last, wherever in the root that is.
    fn id_of(&self, name: &[u8]) -> Option<(u64, u64)> {
        let found = self.open(name, OFlags::PATH, ResolveFlags::IN_ROOT).ok()?;
        let there = fstat(found).ok()?;
        Some((there.st_dev, there.st_ino))
    }

    fn contents(&self, wanted: &Wanted) -> io::Result<HashMap<Vec<u8>, Vec<u8>>> {
        let mut contents = HashMap::new();
        for MarkedLines { file, mark, lines } in &wanted.without_lines {
            self.change(&mut contents, file, |text| without_lines(text, mark.as_bytes(), *lines))?;
        }
        for TextsOf { file, folder, start } in &wanted.without_texts_of {
            let texts = self.texts(folder, start)?;
            self.change(&mut contents, file, |text| without_texts(text, &texts))?;
        }
        Ok(contents)
    }

    /// What comes out as it was is not in `contents`, nor is what is no file.
    fn change(
        &self,
        contents: &mut HashMap<Vec<u8>, Vec<u8>>,
        name: &str,
        change: impl FnOnce(&[u8]) -> Vec<u8>,
    ) -> io::Result<()> {
        let before =
            contents.remove(name.as_bytes()).map_or_else(|| self.text(name.as_bytes()), |text| Ok(Some(text)))?;
        let Some(before) = before else { return Ok(()) };
        let after = change(&before);
        if after != before {
            contents.insert(name.as_bytes().to_vec(), after);
        }
        Ok(())
    }

    fn texts(&self, folder: &str, start: &str) -> io::Result<Vec<Vec<u8>>> {
        let Ok(entries) = fs::read_dir(self.root.join(folder)) else { return Ok(Vec::new()) };
        let mut texts = Vec::new();
        for entry in entries.take(TEXTS_LIMIT) {
            let name = entry?.file_name().into_vec();
            if name.starts_with(start.as_bytes()) {
                texts.extend(self.text(&[folder.as_bytes(), b"/", &name].concat())?);
            }
        }
        Ok(texts)
    }

    /// None for what is no file, or is reached by a link, which gives it another name.
    fn text(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let Ok(found) = self.open(name, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS) else {
            return Ok(None);
        };
        let file = File::from(found);
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let mut text = Vec::new();
        file.take(TEXT_LIMIT_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > TEXT_LIMIT_BYTES {
            let name = String::from_utf8_lossy(name);
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("/{name} is too long to be looked through"),
            ));
        }
        Ok(Some(text))
    }

    fn open(&self, name: &[u8], flags: OFlags, resolve: ResolveFlags) -> rustix::io::Result<OwnedFd> {
        let root = open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        openat2(root, path_of(name), flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }
}

/// What of a tree is packed otherwise than as it is there; nothing by default.
#[derive(Default)]
pub struct Choice {
    names: HashSet<Vec<u8>>,
    starts: Vec<Vec<u8>>,
    /// Of those with a name, whatever other names they have
    ids: HashSet<(u64, u64)>,
    elsewhere: HashMap<Vec<u8>, PathBuf>,
    contents: HashMap<Vec<u8>, Vec<u8>>,
    links: Vec<InFolder>,
}

impl Choice {
    pub fn leaves_out(&self, name: &[u8], path: &Path, there: &Metadata) -> bool {
        self.names.contains(name)
            || self.ids.contains(&(there.dev(), there.ino()))
            || self.starts.iter().any(|start| name.starts_with(start))
            || (there.is_symlink() && self.links.iter().any(|links| links.mean(name, path)))
    }

    /// Where it is taken from instead
    pub fn elsewhere(&self, name: &[u8]) -> Option<PathBuf> {
        self.elsewhere.get(name).cloned()
    }

    /// What a file says instead
    pub fn content(&self, name: &[u8]) -> Option<&[u8]> {
        self.contents.get(name).map(Vec::as_slice)
    }
}

impl InFolder {
    fn mean(&self, name: &[u8], path: &Path) -> bool {
        let is_inside = path_of(name).parent() == Some(Path::new(&self.folder));
        let leads_there =
            |target: PathBuf| target.file_name().is_some_and(|last| last.as_bytes().starts_with(self.start.as_bytes()));
        is_inside && fs::read_link(path).is_ok_and(leads_there)
    }
}

fn without_lines(text: &[u8], mark: &[u8], count: usize) -> Vec<u8> {
    let mut left = 0;
    let mut kept = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii_end().ends_with(mark) {
            left = count;
        }
        if left == 0 {
            kept.extend_from_slice(line);
        }
        left = left.saturating_sub(1);
    }
    kept
}

fn without_texts(text: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut kept = text.to_vec();
    for other in others {
        let other = other.trim_ascii_end();
        while let Some(at) = (!other.is_empty()).then(|| find(&kept, other)).flatten() {
            let end = at + other.len();
            let with_its_newline = end + usize::from(kept.get(end) == Some(&b'\n'));
            kept.drain(at..with_its_newline);
        }
    }
    kept
}

fn find(text: &[u8], other: &[u8]) -> Option<usize> {
    text.windows(other.len()).position(|piece| piece == other)
}

fn path_of(name: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tar_out::pack_root;
    use crate::test_folder::TestFolder;
    use bytes::Bytes;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// A machine, and the image that it was made from
    const FILES: &str = r"
        mkdir -p image/etc root/etc/ssh root/root/.config root/home/mia root/certs root/own root/work/deep
        echo of-image >image/etc/name; echo of-machine >root/etc/name; echo own >root/etc/only-here
        for kind in rsa ed25519; do echo secret >root/etc/ssh/host_${kind}_key; done; echo kept >root/etc/ssh/config
        echo token >root/root/.config/token; ln root/root/.config/token root/root/again
        echo behind >root/home/mia/token; ln -s /home/mia/token root/root/led
        ln -s /work root/root/project; echo code >root/work/deep/file
        echo one >root/twin; ln root/twin root/etc/twin
        printf 'A=1
# mark
secret=1
B=2
  # mark
secret=2' >root/etc/environment
        printf 'begin one
end
' >root/own/host-1; printf 'begin two
end' >root/own/host-2; echo theirs >root/own/other
        printf 'begin mine
end
begin two
end
begin one
end
' >root/certs/all
        ln -s host-1.pem root/certs/0a1b.0; ln -s ../own/host-1 root/certs/host-1.pem; ln -s mine.pem root/certs/0c.0
        echo odd >$(printf 'root/oddÿ')";

    struct Machine(TestFolder);

    impl Machine {
        fn new(name: &str, script: &str) -> Self {
            let folder = TestFolder::new(name);
            let made = Command::new("bash").args(["-ec", script]).current_dir(&*folder).status().unwrap();
            assert!(made.success());
            Self(folder)
        }

        fn choose(&self, wanted: &str) -> Result<Choice, Refusal> {
            let still = StillRoot { root: self.0.join("root"), image: self.0.join("image") };
            still.choose(serde_json::from_str(wanted).unwrap())
        }

        /// What GNU tar makes of it, as a folder
        fn unpacked(&self, wanted: &str) -> PathBuf {
            let (pieces, mut queue) = tokio::sync::mpsc::channel::<Bytes>(1024);
            pack_root(&self.0.join("root"), self.choose(wanted).unwrap(), pieces).unwrap();
            let out = self.0.join("out");
            fs::create_dir(&out).unwrap();
            let mut tar = Command::new("tar");
            let tar = tar.args(["--xattrs", "-xpf", "-"]).current_dir(&out).stdin(Stdio::piped());
            let mut tar = tar.spawn().unwrap();
            let mut stdin = tar.stdin.take().unwrap();
            while let Ok(piece) = queue.try_recv() {
                stdin.write_all(&piece).unwrap();
            }
            drop(stdin);
            assert!(tar.wait().unwrap().success());
            out
        }
    }

    fn listing(folder: &Path) -> Vec<String> {
        let find = Command::new("find").args([".", "-mindepth", "1", "-printf", r"%P\n"]).current_dir(folder).output();
        let mut names: Vec<String> =
            String::from_utf8_lossy(&find.unwrap().stdout).lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn said(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    const NOTHING: &str = r#"{"without":[],"withoutStarting":[],"asInImage":[],"withoutLines":[],"withoutTextsOf":[],"withoutLinksTo":[]}"#;

    #[test]
    fn a_root_has_everything_but_an_entry_of_its_own() {
        let machine = Machine::new("still-all", FILES);
        let all = machine.unpacked(NOTHING);
        assert_eq!(listing(&all), listing(&machine.0.join("root")));
        let id = |name: &str| fs::metadata(all.join(name)).unwrap().ino();
        assert_eq!(id("twin"), id("etc/twin"));
    }

    #[test]
    fn what_is_left_out_is_under_no_name_and_what_is_elsewhere_is_the_images() {
        let machine = Machine::new("still-names", FILES);
        let out = machine.unpacked(
            r#"{"without":["root/.config/token","root/led","root%2Fproject","odd%FF","not/there"],
                "withoutStarting":["etc/ssh/host_"],"asInImage":["etc/name","etc/only-here"],
                "withoutLines":[],"withoutTextsOf":[],"withoutLinksTo":[{"folder":"certs","start":"host-"}]}"#,
        );
        let kept = listing(&machine.0.join("root"));
        let gone = [
            "certs/0a1b.0",
            "certs/host-1.pem",
            "etc/only-here",
            "etc/ssh/host_ed25519_key",
            "etc/ssh/host_rsa_key",
            "home/mia/token", // a link led there
            "odd\u{fffd}",
            "root/.config/token",
            "root/again", // another name of the one before
            "root/led",
            "root/project",
            "work", // a link led there
            "work/deep",
            "work/deep/file",
        ];
        let expected: Vec<String> = kept.into_iter().filter(|name| !gone.contains(&name.as_str())).collect();
        assert_eq!(listing(&out), expected);
        assert_eq!(said(&out, "etc/name"), "of-image\n");
    }

    #[test]
    fn lines_and_texts_are_cut_out_and_the_rest_stays_as_it_was() {
        let machine = Machine::new("still-texts", FILES);
        let out = machine.unpacked(
            r##"{"without":[],"withoutStarting":["own/host-"],"asInImage":[],"withoutLinksTo":[],
                "withoutLines":[{"file":"etc/environment","mark":"# mark","lines":2},{"file":"no","mark":"x","lines":1}],
                "withoutTextsOf":[{"file":"certs/all","folder":"own","start":"host-"},{"file":"no","folder":"no","start":""}]}"##,
        );
        assert_eq!(said(&out, "etc/environment"), "A=1\nB=2\n");
        assert_eq!(said(&out, "certs/all"), "begin mine\nend\n");
        assert_eq!(said(&out, "own/other"), "theirs\n");
    }

    #[test]
    fn links_of_a_hostile_disk_lead_nowhere_outside_of_it() {
        let machine = Machine::new(
            "still-hostile",
            "mkdir -p image root/x; echo outside >outside; ln -s ../../outside root/x/up; ln -s /etc root/etc; ln -s loop root/loop",
        );
        let choice = machine
            .choose(
                r#"{"without":["x/up","loop"],"withoutStarting":[],"asInImage":[],"withoutTextsOf":[],"withoutLinksTo":[],
                    "withoutLines":[{"file":"x/up","mark":"outside","lines":1},{"file":"etc/passwd","mark":"","lines":1}]}"#,
            )
            .unwrap();
        assert!(choice.ids.is_empty() && choice.contents.is_empty());
        let large = Machine::new("still-large", "mkdir -p image root; truncate -s 5M root/large");
        let refused = large
            .choose(
                &NOTHING.replace(r#""withoutLines":[]"#, r#""withoutLines":[{"file":"large","mark":"x","lines":1}]"#),
            )
            .err()
            .unwrap();
        assert!(refused.message.contains("/large is too long"), "{}", refused.message);
    }

    #[test]
    fn attributes_that_an_image_can_keep_are_in_it() {
        use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};
        let machine = Machine::new("still-attributes", "mkdir -p image root/folder; echo x >root/file");
        let root = machine.0.join("root");
        for name in ["file", "folder"] {
            lsetxattr(root.join(name), "user.note", b"kept\0\n", XattrFlags::empty()).unwrap();
        }
        let out = machine.unpacked(NOTHING);
        for name in ["file", "folder"] {
            let mut value = [0; 16];
            let length = lgetxattr(out.join(name), "user.note", &mut value).unwrap();
            assert_eq!(&value[..length], b"kept\0\n", "{name}");
        }
    }

    #[derive(Deserialize)]
    struct Sample {
        request: Wanted,
    }

    #[test]
    fn the_shared_sample_is_understood() {
        let Sample { request } =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/root.json")).unwrap();
        let still = StillRoot { root: "/not-there".into(), image: "/image".into() };
        let choice = still.choose(request).unwrap();
        for name in [&b"root/.gitconfig"[..], b"srv/a b*\xff"] {
            assert!(choice.names.contains(name), "{name:?}");
        }
        assert_eq!(choice.starts, [b"etc/ssh/ssh_host_".to_vec()]);
        assert_eq!(choice.elsewhere(b"etc/hostname"), Some("/image/etc/hostname".into()));
        assert_eq!(choice.links[0].folder, "etc/ssl/certs");
    }
}
