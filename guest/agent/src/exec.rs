//! `POST /v1/exec`: one client's stream of frames, for a new command or a session that is there.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::{FlowControl, RecvStream, SendStream};
use serde::Deserialize;

use crate::agent::Agent;
use crate::frames::{Decoder, FromHost, ToHost, json_frame};
use crate::http_answers::{Refusal, parse_json};
use crate::process::signal_number;
use crate::session::Session;
use crate::start_session::start_session;

/// How long a host that was told everything may take to close
const FAREWELL: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Attach {
    id: String,
}

#[derive(Deserialize)]
pub struct Signal {
    pub signal: String,
}

pub async fn run(agent: Arc<Agent>, body: RecvStream, mut client: SendStream<Bytes>) {
    let mut input = Input::new(body);
    match find_session(&agent, &mut input).await {
        Ok(session) => {
            session.attach(client);
            tokio::select! {
                () = session.over() => input.drain().await,
                () = feed(&session, &mut input) => {}
            }
        }
        Err(refusal) => {
            // One small frame fits any window.
            let _ = client.send_data(json_frame(ToHost::Failed, &refusal), true);
        }
    }
}

async fn find_session(agent: &Agent, input: &mut Input) -> Result<Arc<Session>, Refusal> {
    match input.next_frame().await {
        Some(Ok(FromHost::Start(json))) => start_session(agent, parse_json(&json)?).await,
        Some(Ok(FromHost::Attach(json))) => agent.sessions.get(&parse_json::<Attach>(&json)?.id),
        Some(Err(refusal)) => Err(refusal),
        _ => Err(Refusal::bad_request("the first frame is neither START nor ATTACH")),
    }
}

/// Passes the client's frames on until it has no more. Signals overtake input that the process does not read.
async fn feed(session: &Session, input: &mut Input) {
    let mut waiting = Waiting::default();
    let mut has_more = true;
    while has_more || !waiting.is_empty() {
        tokio::select! {
            biased;
            written = waiting.write_some(session), if !waiting.is_empty() => input.give_back(written),
            frame = input.next_frame(), if has_more => match frame {
                Some(Ok(frame)) => input.give_back(obey(session, frame, &mut waiting)),
                Some(Err(_)) => return session.refuse_client(),
                None => has_more = false,
            },
        }
    }
}

/// Does what a frame says; the bytes of window that it is done with.
fn obey(session: &Session, frame: FromHost, waiting: &mut Waiting) -> usize {
    match frame {
        FromHost::Stdin(bytes) => waiting.pieces.push_back(bytes),
        FromHost::StdinEnd => waiting.is_ending = true,
        FromHost::Resize(json) => drop(parse_json(&json).map(|size| session.resize(size))),
        FromHost::Signal(json) => {
            let number = parse_json::<Signal>(&json).and_then(|signal| signal_number(&signal.signal));
            drop(number.map(|number| session.process.signal_group(number)));
        }
        FromHost::Start(_) | FromHost::Attach(_) => {}
    }
    0
}

/// Input that the process has not read yet; the stream's window bounds it.
#[derive(Default)]
struct Waiting {
    pieces: VecDeque<Bytes>,
    is_ending: bool,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.pieces.is_empty() && !self.is_ending
    }

    /// Writes what the process takes; the number of bytes that wait no more.
    async fn write_some(&mut self, session: &Session) -> usize {
        let Some(piece) = self.pieces.front_mut() else {
            session.end_stdin().await;
            self.is_ending = false;
            return 0;
        };
        let written = match session.stdin() {
            Some(stdin) => stdin.write_some(piece).await.unwrap_or(piece.len()),
            None => piece.len(), // nobody reads it any more
        };
        let _ = piece.split_to(written);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        written
    }
}

/// The client's side of the stream, cut into frames
struct Input {
    body: RecvStream,
    window: FlowControl,
    decoder: Decoder,
    bytes: Bytes,
}

impl Input {
    fn new(mut body: RecvStream) -> Self {
        let window = body.flow_control().clone();
        Self { body, window, decoder: Decoder::default(), bytes: Bytes::new() }
    }

    /// The window is given back at once, except for STDIN: those bytes are given back when they are written.
    async fn next_frame(&mut self) -> Option<Result<FromHost, Refusal>> {
        loop {
            let before = self.bytes.len();
            let frame = self.decoder.next(&mut self.bytes);
            let used = before - self.bytes.len();
            match frame {
                Ok(Some(FromHost::Stdin(piece))) => {
                    self.give_back(used - piece.len());
                    return Some(Ok(FromHost::Stdin(piece)));
                }
                Ok(Some(frame)) => {
                    self.give_back(used);
                    return Some(Ok(frame));
                }
                Ok(None) => self.give_back(used),
                Err(error) => return Some(Err(Refusal::bad_request(format!("frame: {error:?}")))),
            }
            self.bytes = self.body.data().await?.ok()?;
        }
    }

    /// Until the host closes, having read all. To let go of a stream that the host has not closed is to reset it, and a
    /// host that is slow then loses what it has not read, the exit above all.
    async fn drain(&mut self) {
        let rest = async { while self.next_frame().await.is_some_and(|frame| frame.is_ok()) {} };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
    }

    fn give_back(&mut self, bytes: usize) {
        if bytes > 0 {
            // A stream that has ended needs no window.
            let _ = self.window.release_capacity(bytes);
        }
    }
}
