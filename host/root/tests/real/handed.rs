//! Started as systemd starts it: with a socket that listens, and nothing else.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::corner::Corner;
use crate::helper::{new_folder, send};

/// What the installation leaves, in a folder that nobody else sees
const INSTALLED: &str = r#"
    mount -t tmpfs none /etc && mkdir /etc/banger
    echo '{"owner":{"uid":1000}}' >/etc/banger/install.json"#;

#[test]
fn it_serves_the_socket_that_systemd_hands_over() {
    let corner = Corner::new();
    let folder = new_folder();
    let socket = folder.join("socket");
    let listener = OwnedFd::from(UnixListener::bind(&socket).unwrap());
    let mut child = corner.run(move || {
        started(&format!("{INSTALLED}\nexport LISTEN_PID=$$ LISTEN_FDS=1"), listener)
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    });
    let answer = String::from_utf8(send(&socket, b"{\"do\":\"report\"}\n")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    fs::remove_dir_all(folder).unwrap();
    assert!(answer.contains("\"owner\":1000"), "{answer}");
}

#[test]
fn it_serves_nothing_else_that_it_is_handed() {
    let corner = Corner::new();
    let ends = |environment: &'static str| {
        let Output { status, stderr, .. } =
            corner.run(move || started(environment, File::open("/dev/null").unwrap()).output().unwrap());
        assert!(!status.success());
        String::from_utf8(stderr).unwrap()
    };
    assert!(ends("").contains("hands no socket over"));
    assert!(ends("export LISTEN_PID=1 LISTEN_FDS=1").contains("hands no socket over"));
    assert!(ends("export LISTEN_PID=$$ LISTEN_FDS=2").contains("more than one"));
    assert!(ends("export LISTEN_PID=$$ LISTEN_FDS=1").contains("the socket: "));
}

/// Descriptor 3 is the first that systemd hands over.
fn started(setting: &str, handed: impl Into<Stdio>) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("set -e\n{setting}\nexec 3<&0 </dev/null\nexec \"$0\"");
    command.args(["--mount", "--", "sh", "-c", &script]).arg(PathBuf::from(env!("CARGO_BIN_EXE_banger-root")));
    command.stdin(handed);
    command
}
