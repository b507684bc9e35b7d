//! The agent at work: greets the host, serves one HTTP/2 session after the other, for ever.

use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::server;

use crate::agent::{Agent, World};
use crate::boot::Machine;
use crate::command_line::{CommandLine, EndKind};
use crate::handshake::{AgentInfo, Heard, InitKind, Scanner, ready_line};
use crate::image_config::KeptConfig;
use crate::init_ready::{self, InitReady, InitWord};
use crate::line::Line;
use crate::line_stream::{Gathered, LineStream, LiveLine};
use crate::routes;
use crate::sessions::Sessions;
use crate::socket_line::SocketLine;
use crate::still_root::StillRoot;
use crate::{clock, comeback, console, host_line, process_list, sys};

const AGENT_NICE: i32 = -10;
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
const STREAM_LIMIT: u32 = 256;
/// More than streams: a transfer that waits for the host never keeps a command from starting
const BLOCKING_THREADS: usize = 300;
/// The line is free once the one before has ended
const COME_BACK_PATIENCE: Duration = Duration::from_secs(2);
/// Enough for the deepest tree of folders that a path can name
const STACK_BYTES: usize = 8 << 20;

/// The agent of a machine that has just booted.
pub fn run(machine: Machine) -> ! {
    let says = match (machine.info.init, &machine.init_notices) {
        (InitKind::Agent, _) => InitWord::None,
        (InitKind::Image, None) => InitWord::Silent,
        (InitKind::Image, Some(_)) => InitWord::Telling,
    };
    become_lasting();
    let still = StillRoot::of_machine();
    serve_for_ever(World::Machine, machine.line, machine.info, says, machine.init_notices, still)
}

/// The agent without a machine, for tests of what it answers.
pub fn run_on_host(line: SocketLine, still: Option<StillRoot>) -> ! {
    let info = AgentInfo::of_this_machine(InitKind::Agent);
    serve_for_ever(World::Process, Box::new(line), info, InitWord::None, None, still)
}

/// The agent that takes the place of one that ended.
pub fn come_back() -> ! {
    let says = InitWord::recall();
    let notices = if says == InitWord::Telling { init_ready::listen().ok() } else { None };
    let init = if says == InitWord::None { InitKind::Agent } else { InitKind::Image };
    // Where the one before it was: with the init's own, and not in the group that limits nobody.
    let _ = std::fs::write("/sys/fs/cgroup/init.scope/cgroup.procs", "0");
    match host_line::open_when_there(COME_BACK_PATIENCE) {
        Ok(line) => {
            become_lasting();
            let info = AgentInfo::of_this_machine(init);
            serve_for_ever(World::Machine, line, info, says, notices, StillRoot::of_machine())
        }
        Err(failure) => {
            console::say(&format!("the agent cannot come back: {} {}", failure.code, failure.message));
            std::process::exit(1)
        }
    }
}

fn serve_for_ever(
    world: World,
    line: Box<dyn Line>,
    info: AgentInfo,
    says: InitWord,
    notices: Option<UnixDatagram>,
    still: Option<StillRoot>,
) -> ! {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_stack_size(STACK_BYTES)
        .build();
    let ended = runtime.and_then(|runtime| runtime.block_on(serve(world, line, info, says, notices, still)));
    console::say(&format!("the agent cannot go on: {ended:?}"));
    std::process::exit(1)
}

/// The agent answers until the very end: not stopped by what ends other programs, and last to go when memory is short.
pub fn become_lasting() {
    let _ = sys::set_process_title(process_list::AGENT_TITLE);
    let _ = rustix::thread::set_name(c"banger-agent");
    let _ = rustix::process::setsid();
    sys::ignore_signals(&[libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGPIPE]);
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    // Whoever waits for the host's answer goes before whatever else the machine does, its own boot included.
    let _ = rustix::process::setpriority_process(None, AGENT_NICE);
}

async fn serve(
    world: World,
    line: Box<dyn Line>,
    info: AgentInfo,
    says: InitWord,
    notices: Option<UnixDatagram>,
    still: Option<StillRoot>,
) -> io::Result<()> {
    let line = Arc::new(LiveLine::new(line)?);
    let is_machine = world == World::Machine;
    let sessions = Sessions::new(if is_machine { comeback::earlier_lives() } else { Vec::new() });
    if is_machine {
        leave_word(says, sessions.life().to_owned());
    }
    // An agent after this one would wait in vain for what the init says once.
    let init_ready = InitReady::follow(says, notices, || drop(InitWord::Ready.remember()))?;
    let image = if is_machine { KeptConfig::of_machine() } else { KeptConfig::default() };
    let agent = Arc::new(Agent { world, sessions, info, init_ready, image, clock: clock::Keeper::default(), still });
    loop {
        let beginning = greet(&line, &agent).await?;
        let (stream, gathered) = LineStream::new(line.clone(), beginning);
        // However a session ends, the next one begins with a hello.
        let _ = serve_session(stream, gathered, &agent).await;
    }
}

/// For the agent that will take the place of this one.
fn leave_word(says: InitWord, life: String) {
    // Not before the boot is over: the copy of this program takes a moment.
    tokio::task::spawn_blocking(move || {
        if let Err(error) = comeback::arrange(&life) {
            console::say(&format!("the agent will not come back when it ends: {error}"));
        }
        let is_ended_by_reset = CommandLine::of_this_machine().end == EndKind::Reset;
        if let Some(error) = is_ended_by_reset.then(comeback::end_after_systemd).and_then(Result::err) {
            console::say(&format!("the machine will halt and not end when it is powered off: {error}"));
        }
    });
    // One that comes back and finds no word says that it cannot know.
    let _ = says.remember();
}

/// Answers hellos until a session begins; returns its first bytes.
async fn greet(line: &LiveLine, agent: &Agent) -> io::Result<Vec<u8>> {
    let mut scanner = Scanner::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = line.read(&mut buffer).await?;
        if count == 0 {
            scanner.forget_line();
            line.changed().await;
        }
        let mut rest = &buffer[..count];
        while let Some(heard) = scanner.hear(&mut rest) {
            match heard {
                Heard::Hello { nonce, unix_ms } => {
                    if agent.world == World::Machine && !agent.clock.has_compared() {
                        clock::catch_up(unix_ms);
                    }
                    // A host that hung up in the meantime says hello again.
                    let _ = line.write_all(ready_line(&nonce, &agent.info).as_bytes()).await;
                }
                Heard::Preface => return Ok([b"PRI * HTTP/2.0\r\n", rest].concat()),
                Heard::Bye => {}
            }
        }
    }
}

async fn serve_session(stream: LineStream, gathered: Gathered, agent: &Arc<Agent>) -> Result<(), h2::Error> {
    let handshake = server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAM_LIMIT)
        .max_send_buffer_size(STREAM_WINDOW_BYTES as usize)
        .max_local_error_reset_streams(None)
        .handshake::<_, Bytes>(stream);
    let mut connection = sending(&gathered, handshake).await?;
    while let Some(request) = sending(&gathered, connection.accept()).await {
        let (request, respond) = request?;
        tokio::spawn(routes::answer(agent.clone(), request, respond));
    }
    sending(&gathered, poll_fn(|context| connection.poll_closed(context))).await
}

/// Does a piece of HTTP/2's work, and sends what it wrote after each turn.
async fn sending<T>(gathered: &Gathered, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    poll_fn(|context| {
        let done = work.as_mut().poll(context);
        match gathered.poll_send(context) {
            // A host that is gone is seen by the reading side as well.
            Poll::Ready(_) | Poll::Pending => done,
        }
    })
    .await
}
