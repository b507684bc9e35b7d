//! Serves the socket that systemd hands over, for the owner that the installation names. For tests both are arguments:
//!
//! ```text
//! banger-root [--socket <path> --install <path>]
//! ```
#![forbid(unsafe_code)]

use std::env;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use banger_kernel::sys;
use banger_root::install::{INSTALL, read_owner};
use banger_root::operations::Helper;
use banger_root::{serve, watch};

/// The first of those that systemd hands over
const FIRST_HANDED: i32 = 3;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("banger-root: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (listener, install) = match words[..] {
        [] => (handed_over()?, PathBuf::from(INSTALL)),
        ["--socket", socket, "--install", install] => (bind(Path::new(socket))?, PathBuf::from(install)),
        _ => return Err("it takes --socket and --install, or nothing".to_owned()),
    };
    let owner = read_owner(&install).map_err(|fault| format!("{}: {fault}", install.display()))?;
    let helper = Helper::new(owner).map_err(|fault| format!("a line to the kernel: {fault}"))?;
    let helper = Arc::new(Mutex::new(helper));
    watch::start(&helper).map_err(|fault| format!("following the host's rules: {fault}"))?;
    serve::serve(&listener, owner, &helper);
    Ok(())
}

fn handed_over() -> Result<UnixListener, String> {
    let is_ours = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if !is_ours || env::var("LISTEN_FDS").as_deref() != Ok("1") {
        return Err("systemd hands no socket over, or more than one".to_owned());
    }
    let socket = sys::inherited(FIRST_HANDED).map_err(|fault| format!("the socket: {fault}"))?;
    check_listens(&socket).map_err(|fault| format!("the socket: {fault}"))?;
    Ok(socket.into())
}

fn check_listens(socket: impl std::os::fd::AsFd) -> io::Result<()> {
    let is_unix = rustix::net::sockopt::socket_domain(&socket)? == rustix::net::AddressFamily::UNIX;
    let listens = rustix::net::sockopt::socket_acceptconn(&socket)?;
    if is_unix && listens { Ok(()) } else { Err(io::Error::other("it is no unix socket that listens")) }
}

fn bind(path: &Path) -> Result<UnixListener, String> {
    UnixListener::bind(path).map_err(|fault| format!("{}: {fault}", path.display()))
}
