//! banger-root in a corner, with the one power that its unit gives it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, process, thread};

use serde_json::{Value, json};

use crate::corner::Corner;

pub const OWNER: u32 = 1000;

pub struct Helper {
    child: Child,
    folder: PathBuf,
}

impl Helper {
    pub fn start(corner: &Corner) -> Self {
        let folder = new_folder();
        let (socket, install) = (folder.join("socket"), folder.join("install.json"));
        fs::write(&install, json!({ "version": "1", "owner": { "uid": OWNER, "name": "ada" } }).to_string()).unwrap();
        fs::set_permissions(&install, fs::Permissions::from_mode(0o644)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set", "-all,+net_admin", "--inh-caps", "-all", "--no-new-privs", "--"]);
        command.arg(env!("CARGO_BIN_EXE_banger-root")).args(["--socket"]).arg(&socket).arg("--install").arg(&install);
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut child = corner.run(move || command.stdin(Stdio::null()).stderr(log).spawn().unwrap());
        while UnixStream::connect(&socket).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "{}", fs::read_to_string(folder.join("log")).unwrap());
            thread::yield_now();
        }
        // Who may connect is for systemd's socket to say; here everybody may.
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
        Self { child, folder }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// What it answers to one request.
    #[track_caller]
    pub fn ask(&self, request: &Value) -> Value {
        let answer = send(&self.socket(), format!("{request}\n").as_bytes());
        serde_json::from_slice(&answer).unwrap_or_else(|fault| panic!("{fault}: {}", self.log()))
    }

    #[track_caller]
    pub fn done(&self, request: &Value) -> Value {
        let answer = self.ask(request);
        answer.get("done").unwrap_or_else(|| panic!("{request}: {answer}")).clone()
    }

    #[track_caller]
    pub fn refused(&self, request: &Value) -> String {
        let answer = self.ask(request);
        answer["refused"]["code"].as_str().unwrap_or_else(|| panic!("{request}: {answer}")).to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had
    pub fn peak_kib(&self) -> u32 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// All that comes back for these bytes.
pub fn send(socket: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    let _ = stream.write_all(bytes); // it may have answered and gone by now
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub fn attach(vm: &str, lease: u16, reach: &[&str]) -> Value {
    json!({ "do": "attach", "vm": vm, "subnet": 0, "lease": lease, "reach": reach })
}

pub fn verb(name: &str) -> Value {
    json!({ "do": name })
}

pub fn sweep(known: &[&str]) -> Value {
    json!({ "do": "sweep", "known": known })
}

/// For what serves and what is served
pub fn new_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder =
        env::temp_dir().join(format!("banger-root-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
