//! One session: a process, its input, and what others may ask of it. Its output is the business of `session_output`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use h2::SendStream;
use serde::Serialize;
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::frames::ToHost;
use crate::http_answers::{Code, Refusal};
use crate::output::{GuestFile, input_pipe, output_pipe};
use crate::process::{self, Exit, Process, ProcessFiles};
use crate::pty;
use crate::session_output::{Order, SessionOutput};
use crate::sessions::Sessions;
use crate::start_request::{StartRequest, TerminalSize};
use crate::users::find_user;

pub struct Session {
    pub id: String,
    pub process: Process,
    pub keep: bool,
    argv: Vec<String>,
    user: String,
    started_unix_ms: u64,
    terminal: Option<GuestFile>,
    stdin: Mutex<Option<GuestFile>>,
    orders: mpsc::UnboundedSender<Order>,
    status: Mutex<Status>,
    has_ended: watch::Sender<bool>,
}

#[derive(Clone, Default)]
pub struct Status {
    pub is_attached: bool,
    pub exit: Option<Exit>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    pub id: String,
    argv: Vec<String>,
    user: String,
    tty: bool,
    keep: bool,
    attached: bool,
    pub started_unix_ms: u64,
    exit: Option<Exit>,
}

/// What is listed of a command that may be megabytes long
const LISTED_BYTES: usize = 4096;

/// Our ends of what the process reads and writes
struct Ends {
    terminal: Option<GuestFile>,
    stdin: Option<GuestFile>,
    outputs: Vec<(ToHost, GuestFile)>,
}

/// Starts the command; it is in the table, and waits for a client to attach.
pub async fn start(sessions: &Arc<Sessions>, request: StartRequest) -> Result<Arc<Session>, Refusal> {
    let slot = sessions.take_slot()?;
    let (request, user, plan) = off_the_runtime(move || {
        let user = find_user(request.user.as_deref())?;
        let plan = request.plan(&user)?;
        Ok((request, user, plan))
    })
    .await?;
    let (ends, files) = match request.tty {
        Some(size) => open_terminal(pty::open(size, &user).map_err(internal)?).map_err(internal)?,
        None => open_pipes(request.stdin).map_err(internal)?,
    };
    let user_name = user.name.clone();
    let pid = off_the_runtime(move || process::spawn(&plan, &user, files)).await?;

    let (orders, received_orders) = mpsc::unbounded_channel();
    let session = Arc::new(Session {
        id: sessions.next_id(),
        process: Process::watch(pid).map_err(internal)?,
        keep: request.keep,
        argv: shorten(request.argv),
        user: user_name,
        started_unix_ms: clock::now_unix_ms(),
        terminal: ends.terminal,
        stdin: Mutex::new(ends.stdin),
        orders,
        status: Mutex::default(),
        has_ended: watch::Sender::new(false),
    });
    sessions.add(session.clone());
    let output = SessionOutput::new(session.clone(), ends.outputs, received_orders);
    let sessions = sessions.clone();
    tokio::spawn(async move {
        let session = output.session().clone();
        output.run(&sessions).await;
        sessions.forget(&session.id);
        session.has_ended.send_replace(true);
        drop(slot);
    });
    Ok(session)
}

impl Session {
    /// The client gets the output from now on; the one before is cut off.
    pub fn attach(&self, client: SendStream<Bytes>) {
        // A session that has just ended drops the client's stream, which resets it.
        let _ = self.orders.send(Order::Attach(client));
    }

    /// The client that is attached is cut off.
    pub fn refuse_client(&self) {
        let _ = self.orders.send(Order::Refuse);
    }

    /// Ends the process group, with force after 2 s.
    pub fn close(&self) {
        let _ = self.orders.send(Order::Close);
    }

    pub fn resize(&self, size: TerminalSize) {
        if let Some(terminal) = &self.terminal {
            // A terminal that is gone needs no size.
            let _ = pty::resize(terminal.descriptor(), size);
        }
    }

    /// Where input goes; `None` after its end.
    pub fn stdin(&self) -> Option<GuestFile> {
        self.lock_stdin().clone()
    }

    /// The process reads the end of its input, once what was written before is read.
    pub async fn end_stdin(&self) {
        const END_OF_INPUT: &[u8] = b"\x04";
        let stdin = self.lock_stdin().take();
        if let Some(stdin) = stdin.filter(|_| self.terminal.is_some()) {
            let _ = stdin.write_some(END_OF_INPUT).await;
        }
    }

    pub async fn ended(&self) {
        let mut has_ended = self.has_ended.subscribe();
        let _ = has_ended.wait_for(|has_ended| *has_ended).await;
    }

    pub fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn info(&self) -> SessionInfo {
        let Status { is_attached, exit } = self.status().clone();
        SessionInfo {
            id: self.id.clone(),
            argv: self.argv.clone(),
            user: self.user.clone(),
            tty: self.terminal.is_some(),
            keep: self.keep,
            attached: is_attached,
            started_unix_ms: self.started_unix_ms,
            exit,
        }
    }

    fn lock_stdin(&self) -> MutexGuard<'_, Option<GuestFile>> {
        self.stdin.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words that fit, and an ellipsis for the rest.
fn shorten(argv: Vec<String>) -> Vec<String> {
    let mut left = LISTED_BYTES;
    let mut kept = Vec::new();
    for mut word in argv {
        if word.len() + 1 > left {
            let end = (0..=left).rev().find(|&at| word.is_char_boundary(at));
            word.truncate(end.unwrap_or(0));
            word.push('…');
            kept.push(word);
            break;
        }
        left -= word.len() + 1;
        kept.push(word);
    }
    kept
}

fn open_terminal(pty: pty::Pty) -> std::io::Result<(Ends, ProcessFiles)> {
    let ours = GuestFile::new(pty.ours, Interest::READABLE | Interest::WRITABLE)?;
    let files = ProcessFiles {
        stdin: pty.theirs.try_clone()?.into(),
        stdout: pty.theirs.try_clone()?.into(),
        stderr: pty.theirs.into(),
        is_terminal: true,
    };
    let outputs = vec![(ToHost::Stdout, ours.clone())];
    Ok((Ends { terminal: Some(ours.clone()), stdin: Some(ours), outputs }, files))
}

fn open_pipes(has_stdin: bool) -> std::io::Result<(Ends, ProcessFiles)> {
    let (stdout, their_stdout) = output_pipe()?;
    let (stderr, their_stderr) = output_pipe()?;
    let (stdin, their_stdin) = match has_stdin {
        true => {
            let (stdin, theirs) = input_pipe()?;
            (Some(GuestFile::new(stdin, Interest::WRITABLE)?), theirs.into())
        }
        false => (None, std::process::Stdio::null()),
    };
    let outputs = vec![
        (ToHost::Stdout, GuestFile::new(stdout, Interest::READABLE)?),
        (ToHost::Stderr, GuestFile::new(stderr, Interest::READABLE)?),
    ];
    let files = ProcessFiles {
        stdin: their_stdin,
        stdout: their_stdout.into(),
        stderr: their_stderr.into(),
        is_terminal: false,
    };
    Ok((Ends { terminal: None, stdin, outputs }, files))
}

/// Work that waits for the guest's disk.
pub async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Refusal::new(Code::Internal, error.to_string())))
}

fn internal(error: std::io::Error) -> Refusal {
    Refusal::new(Code::Internal, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_any_length_is_listed_short() {
        let short = vec!["make".to_owned(), "test".to_owned()];
        assert_eq!(shorten(short.clone()), short);
        let long = shorten(vec!["é".repeat(5000), "x".to_owned()]);
        assert_eq!((long.len(), long[0].ends_with('…')), (1, true));
        let many = shorten(vec![String::new(); 100_000]);
        assert_eq!((many.len(), many.last().map(String::as_str)), (LISTED_BYTES + 1, Some("…")));
    }
}
