//! A network namespace with a thread in it, which does there what it is given.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::fd::AsRawFd as _;
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

type Work = Box<dyn FnOnce() + Send>;

pub struct Corner {
    work: Sender<Work>,
    namespace: File,
}

impl Corner {
    pub fn new() -> Self {
        let namespace = new_namespace();
        let (work, given) = channel::<Work>();
        let inside = namespace.try_clone().unwrap();
        thread::spawn(move || {
            enter(&inside);
            given.iter().for_each(|work| work());
        });
        Self { work, namespace }
    }

    /// In its thread, and so for whatever is opened or started by that.
    pub fn run<Outcome: Send + 'static>(&self, work: impl FnOnce() -> Outcome + Send + 'static) -> Outcome {
        let (tell, told) = channel();
        self.work.send(Box::new(move || tell.send(work()).unwrap())).unwrap();
        told.recv().expect("the work in a corner ends with an outcome")
    }

    /// Each line as for `ip`
    pub fn ip(&self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let output = self.run(move || Command::new("ip").args(words).output().unwrap());
            assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// What nft says to these words, with this on its standard input.
    pub fn nft(&self, words: &str, input: &str) -> String {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let input = input.to_owned();
        self.run(move || {
            let mut nft = Command::new("/usr/sbin/nft");
            let mut child = nft.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "nft {input}");
            String::from_utf8(output.stdout).unwrap()
        })
    }

    /// As `ip` takes it
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.namespace.as_raw_fd())
    }
}

/// Held by its file; the process that made it is gone.
fn new_namespace() -> File {
    let mut child = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", "ip link set lo up && echo there && read -r _"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "there\n");
    let namespace = File::open(format!("/proc/{}/ns/net", child.id())).unwrap();
    drop(child.stdin.take());
    child.wait().unwrap();
    namespace
}

fn enter(namespace: &File) {
    move_into_link_name_space(std::os::fd::AsFd::as_fd(namespace), Some(LinkNameSpaceType::Network)).unwrap();
}
