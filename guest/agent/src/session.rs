//! One session: a process, its input, and what others may ask of it. `start_session` begins it, and its output is the
//! business of `session_output`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use h2::SendStream;
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;

use crate::clock;
use crate::output::GuestFile;
use crate::process::{Exit, Process};
use crate::pty;
use crate::start_request::TerminalSize;

/// What others ask of a session's output
pub enum Order {
    Attach(SendStream<Bytes>),
    /// The client sent what is no frame
    Refuse,
    Close,
}

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
    stage: watch::Sender<Stage>,
    stop_signal: Option<i32>,
}

/// How far a session has come
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Runs,
    /// Its process has ended
    Exited,
    /// Nobody can ask about it any more
    Over,
}

/// What it was started with, as it is listed
pub struct Command {
    pub argv: Vec<String>,
    pub user: String,
    pub keep: bool,
    /// What is sent to it before the machine shuts down; only the image's own command has one
    pub stop_signal: Option<i32>,
}

/// Where the process reads from, as far as it does
pub struct Ends {
    pub terminal: Option<GuestFile>,
    pub stdin: Option<GuestFile>,
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

/// What is listed of a command that may be megabytes long, and no more words than that
const LISTED_BYTES: usize = 4096;

impl Session {
    /// The session, and where what is asked of its output arrives.
    pub fn new(id: String, process: Process, command: Command, ends: Ends) -> (Arc<Self>, UnboundedReceiver<Order>) {
        let (orders, received_orders) = mpsc::unbounded_channel();
        let session = Arc::new(Self {
            id,
            process,
            keep: command.keep,
            argv: shorten(command.argv),
            user: command.user,
            started_unix_ms: clock::now_unix_ms(),
            terminal: ends.terminal,
            stdin: Mutex::new(ends.stdin),
            orders,
            status: Mutex::default(),
            stage: watch::Sender::new(Stage::Runs),
            stop_signal: command.stop_signal,
        });
        (session, received_orders)
    }

    pub fn mark_exited(&self, exit: Exit) {
        self.status().exit = Some(exit);
        self.stage.send_replace(Stage::Exited);
    }

    pub fn mark_over(&self) {
        self.stage.send_replace(Stage::Over);
    }

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

    pub async fn over(&self) {
        self.reached(Stage::Over).await;
    }

    /// Tells the image's own command to end; whether it is that.
    pub fn tell_to_stop(&self) -> bool {
        if let Some(signal) = self.stop_signal {
            self.process.signal_group(signal);
        }
        self.stop_signal.is_some()
    }

    pub async fn exited(&self) {
        self.reached(Stage::Exited).await;
    }

    async fn reached(&self, stage: Stage) {
        let mut stages = self.stage.subscribe();
        let _ = stages.wait_for(|now| *now >= stage).await;
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
    // One word more is the ellipsis of an empty one.
    let mut left = LISTED_BYTES - 1;
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
        assert_eq!((many.len(), many.last().map(String::as_str)), (LISTED_BYTES, Some("…")));
    }
}
