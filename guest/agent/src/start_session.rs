//! How a session begins: a process with its files, in the table, with a task that looks after its output.

use std::io;
use std::sync::Arc;

use tokio::io::Interest;

use crate::agent::Agent;
use crate::blocking::off_the_runtime;
use crate::frames::ToHost;
use crate::http_answers::{Code, Refusal};
use crate::output::{GuestFile, input_pipe, output_pipe};
use crate::process::{self, Process, ProcessFiles};
use crate::pty;
use crate::session::{Command, Ends, Session};
use crate::session_output::SessionOutput;
use crate::start_request::StartRequest;

/// Both ends of what the process reads and writes
struct Opened {
    ends: Ends,
    outputs: Vec<(ToHost, GuestFile)>,
    files: ProcessFiles,
}

/// Starts the command; it is in the table, and waits for a client to attach.
pub async fn start_session(agent: &Agent, request: StartRequest) -> Result<Arc<Session>, Refusal> {
    let sessions = &agent.sessions;
    let slot = sessions.take_slot()?;
    let image = agent.image.get();
    let (request, user, plan) = off_the_runtime(move || {
        let user = request.find_user(image.as_deref())?;
        let plan = request.plan(&user, image.as_deref())?;
        Ok((request, user, plan))
    })
    .await?;
    let Opened { ends, outputs, files } = match request.tty {
        Some(size) => open_terminal(pty::open(size, &user).map_err(internal)?).map_err(internal)?,
        None => open_pipes(request.stdin).map_err(internal)?,
    };
    let command = Command {
        argv: plan.words.clone(),
        user: user.name.clone(),
        keep: request.keep,
        stop_signal: plan.stop_signal,
    };
    let pid = off_the_runtime(move || process::spawn(&plan, &user, files)).await?;

    let process = Process::watch(pid).map_err(internal)?;
    let (session, orders) = Session::new(sessions.next_id(), process, command, ends);
    sessions.add(session.clone());
    let output = SessionOutput::new(session.clone(), outputs, orders);
    let sessions = sessions.clone();
    tokio::spawn(async move {
        let session = output.session().clone();
        output.run(&sessions).await;
        sessions.forget(&session.id);
        session.mark_over();
        drop(slot);
    });
    Ok(session)
}

fn open_terminal(pty: pty::Pty) -> io::Result<Opened> {
    let ours = GuestFile::new(pty.ours, Interest::READABLE | Interest::WRITABLE)?;
    let files = ProcessFiles {
        stdin: pty.theirs.try_clone()?.into(),
        stdout: pty.theirs.try_clone()?.into(),
        stderr: pty.theirs.into(),
        is_terminal: true,
    };
    let outputs = vec![(ToHost::Stdout, ours.clone())];
    Ok(Opened { ends: Ends { terminal: Some(ours.clone()), stdin: Some(ours) }, outputs, files })
}

fn open_pipes(has_stdin: bool) -> io::Result<Opened> {
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
    Ok(Opened { ends: Ends { terminal: None, stdin }, outputs, files })
}

fn internal(error: io::Error) -> Refusal {
    Refusal::new(Code::Internal, error.to_string())
}
