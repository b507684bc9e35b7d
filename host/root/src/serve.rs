//! One socket, one request a connection: a line of JSON, and one back. The kernel says who calls.

use std::fmt::Display;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;

use crate::answers::{Answer, Code, Done, Refusal};
use crate::operations::{Helper, Operation};

/// Room for each id that a host may have machines for
pub const MAX_REQUEST_BYTES: usize = 64 * 1024;
const MAX_TIME: Duration = Duration::from_secs(5);
const MAX_AT_ONCE: usize = 16;
const MAX_LOGGED: usize = 200;
const STACK_BYTES: usize = 256 * 1024;

struct Caller {
    uid: u32,
    pid: i32,
}

/// For ever.
pub fn serve(listener: &UnixListener, owner: u32, helper: &Arc<Mutex<Helper>>) {
    let busy = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            thread::sleep(Duration::from_millis(100)); // out of descriptors: others end meanwhile
            continue;
        };
        let Ok(caller) = who_calls(&stream) else { continue };
        if !is_allowed(caller.uid, owner) {
            let refusal = Refusal::new(Code::NotAllowed, "only the owner of this banger and root may ask for anything");
            finish(&stream, &caller, "?", Err(refusal));
            continue;
        }
        let place = Place(Arc::clone(&busy));
        if place.0.fetch_add(1, Ordering::Relaxed) >= MAX_AT_ONCE {
            finish(&stream, &caller, "?", Err(Refusal::new(Code::Busy, "too many ask at once")));
            continue;
        }
        let helper = Arc::clone(helper);
        let work = move || {
            let _place = place;
            answer(&stream, &caller, &helper);
        };
        // Without a thread the work is dropped, and with it the connection.
        let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    }
}

/// Every request is checked in full before anything is done.
pub fn parse(line: &[u8]) -> Result<Operation, Refusal> {
    serde_json::from_slice(line).map_err(|fault| Refusal::new(Code::BadRequest, fault.to_string()))
}

fn who_calls(stream: &UnixStream) -> io::Result<Caller> {
    let credentials = socket_peercred(stream)?;
    stream.set_write_timeout(Some(MAX_TIME))?;
    Ok(Caller { uid: credentials.uid.as_raw(), pid: credentials.pid.as_raw_nonzero().get() })
}

fn is_allowed(uid: u32, owner: u32) -> bool {
    uid == 0 || uid == owner
}

fn answer(stream: &UnixStream, caller: &Caller, helper: &Mutex<Helper>) {
    match read_line(stream).and_then(|line| parse(&line)) {
        Ok(operation) => {
            let outcome = helper.lock().unwrap_or_else(PoisonError::into_inner).perform(&operation);
            finish(stream, caller, shown(&operation), outcome);
        }
        Err(refusal) => finish(stream, caller, "?", Err(refusal)),
    }
}

/// The time is for the whole line, however it comes.
fn read_line(mut stream: &UnixStream) -> Result<Vec<u8>, Refusal> {
    let deadline = Instant::now() + MAX_TIME;
    let (mut line, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refusal::new(Code::TooSlow, "the request did not come in time"));
        }
        let read = stream.set_read_timeout(Some(left)).and_then(|()| stream.read(&mut buffer));
        let count = match read {
            Ok(0) => return Err(Refusal::new(Code::BadRequest, "the request ends before its line does")),
            Ok(count) => count,
            Err(fault) if matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => continue,
            Err(fault) => return Err(Refusal::new(Code::BadRequest, fault.to_string())),
        };
        line.extend_from_slice(&buffer[..count]);
        if line.len() > MAX_REQUEST_BYTES {
            return Err(Refusal::new(Code::TooLong, format!("a request has at most {MAX_REQUEST_BYTES} bytes")));
        }
        match line.iter().position(|byte| *byte == b'\n') {
            Some(end) if end + 1 == line.len() => return Ok(line),
            Some(_) => return Err(Refusal::new(Code::BadRequest, "a connection has one request")),
            None => {}
        }
    }
}

/// One line for the journal, whether or not the caller waits for its own.
fn finish(mut stream: &UnixStream, caller: &Caller, what: impl Display, outcome: Result<Done, Refusal>) {
    let Caller { uid, pid } = caller;
    let answer = match outcome {
        Ok(done) => {
            eprintln!("uid {uid} pid {pid}: {what}: done");
            Answer::Done(done)
        }
        Err(refusal) => {
            eprintln!("uid {uid} pid {pid}: {what}: {:?}: {}", refusal.code, cut(&refusal.message));
            Answer::Refused(refusal)
        }
    };
    let mut line = serde_json::to_vec(&answer).unwrap_or_default();
    line.push(b'\n');
    let _ = stream.write_all(&line); // who does not wait for it does not get it
}

/// What was understood, said again: nothing of the caller's own text.
fn shown(operation: &Operation) -> String {
    cut(&serde_json::to_string(operation).unwrap_or_default())
}

fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(MAX_LOGGED).collect()
}

/// Given back however the work ends
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
