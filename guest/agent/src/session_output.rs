//! The output side of a session, and its end: from the process to the client that is attached, and to the scrollback
//! for the next one. One task per session runs this from the start of the process until nobody can ask about it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use crate::frames::{ToHost, json_frame};
use crate::http_answers::{cut_off, send_body};
use crate::output::GuestFile;
use crate::process::Exit;
use crate::scrollback::Scrollback;
use crate::session::{Order, Session};
use crate::sessions::Sessions;

/// A background child may hold the output open for this long after the process ended
const LATE_OUTPUT: Duration = Duration::from_secs(1);
/// Time to end after SIGHUP and SIGTERM
const KILL_PATIENCE: Duration = Duration::from_secs(2);

pub struct SessionOutput {
    session: Arc<Session>,
    orders: UnboundedReceiver<Order>,
    client: Option<SendStream<Bytes>>,
    outputs: Vec<(ToHost, GuestFile)>,
    scrollback: Scrollback,
    exit: Option<Exit>,
    /// When to stop waiting for more output
    late_at: Option<Instant>,
}

enum Event {
    Order(Order),
    ClientGone,
    Output(Bytes),
    OutputEnded(ToHost),
    Exited(Exit),
    Late,
}

/// What became of a frame for the client
enum Delivery {
    Done,
    ClientGone,
    Interrupted(Order),
}

impl SessionOutput {
    pub fn new(session: Arc<Session>, outputs: Vec<(ToHost, GuestFile)>, orders: UnboundedReceiver<Order>) -> Self {
        let scrollback = Scrollback::default();
        Self { session, orders, client: None, outputs, scrollback, exit: None, late_at: None }
    }

    pub fn session(&self) -> &Arc<Session> {
        &self.session
    }

    pub async fn run(mut self, sessions: &Sessions) {
        while self.exit.is_none() || !self.outputs.is_empty() {
            let event = self.next_event().await;
            if let Err(Closed) = self.handle(event).await {
                sessions.forget(&self.session.id);
                return self.end_process().await;
            }
        }
        // The exit waits for a client, when the session is one to keep.
        loop {
            let is_over = match self.client {
                Some(_) => self.tell_exit().await,
                None => match self.orders.recv().await {
                    Some(order) => self.obey(order).await.map(|()| false),
                    None => Err(Closed),
                },
            };
            if is_over.unwrap_or(true) {
                return;
            }
        }
    }

    async fn next_event(&mut self) -> Event {
        let Self { session, orders, client, outputs, exit, late_at, .. } = self;
        let [first, second] = [outputs.first(), outputs.get(1)];
        tokio::select! {
            biased;
            order = orders.recv() => order.map_or(Event::ClientGone, Event::Order),
            () = client_gone(client) => Event::ClientGone,
            event = next_output(first) => event,
            event = next_output(second) => event,
            exit = session.process.exit(), if exit.is_none() => Event::Exited(exit),
            () = sleep_until(late_at.unwrap_or_else(Instant::now)), if late_at.is_some() => Event::Late,
        }
    }

    async fn handle(&mut self, event: Event) -> Result<(), Closed> {
        match event {
            Event::Output(frame) => {
                if self.session.keep {
                    self.scrollback.add(&frame);
                }
                self.deliver(frame).await.map(drop)
            }
            Event::OutputEnded(kind) => {
                self.outputs.retain(|(other, _)| *other != kind);
                Ok(())
            }
            Event::Exited(exit) => {
                self.session.mark_exited(exit.clone());
                self.exit = Some(exit);
                self.late_at = Some(Instant::now() + LATE_OUTPUT);
                Ok(())
            }
            Event::Late => {
                self.outputs.clear();
                self.late_at = None;
                Ok(())
            }
            Event::Order(order) => self.obey(order).await,
            Event::ClientGone => self.lose_client(),
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), Closed> {
        match order {
            Order::Attach(client) => self.attach(client).await,
            Order::Refuse => {
                if let Some(client) = &mut self.client {
                    client.send_reset(Reason::PROTOCOL_ERROR);
                }
                self.lose_client()
            }
            Order::Close => Err(Closed),
        }
    }

    /// Gives the output to a new client, beginning with what is remembered.
    async fn attach(&mut self, client: SendStream<Bytes>) -> Result<(), Closed> {
        if let Some(mut earlier) = self.client.replace(client) {
            earlier.send_reset(Reason::CANCEL);
        }
        self.session.status().is_attached = true;
        let Session { id, process, .. } = &*self.session;
        let started = json!({ "id": id, "pid": process.pid, "droppedBytes": self.scrollback.dropped_bytes });
        let mut frames = vec![json_frame(ToHost::Started, &started)];
        frames.extend(self.scrollback.frames());
        for frame in frames {
            self.deliver(frame).await?;
        }
        Ok(())
    }

    /// Sends to the client at its pace; orders go first, so that a client that does not read can be replaced. Whether the
    /// frame was sent.
    async fn deliver(&mut self, frame: Bytes) -> Result<bool, Closed> {
        let Some(client) = &mut self.client else { return Ok(false) };
        let delivery = tokio::select! {
            biased;
            sent = send_body(client, frame) => if sent.is_ok() { Delivery::Done } else { Delivery::ClientGone },
            Some(order) = self.orders.recv() => Delivery::Interrupted(order),
        };
        match delivery {
            Delivery::Done => return Ok(true),
            Delivery::ClientGone => self.lose_client()?,
            Delivery::Interrupted(order) => Box::pin(self.obey(order)).await?,
        }
        Ok(false)
    }

    fn lose_client(&mut self) -> Result<(), Closed> {
        self.client = None;
        self.session.status().is_attached = false;
        if self.session.keep { Ok(()) } else { Err(Closed) }
    }

    /// Whether the client got the exit.
    async fn tell_exit(&mut self) -> Result<bool, Closed> {
        let frame = json_frame(ToHost::Exit, &self.exit);
        let was_sent = self.deliver(frame).await?;
        Ok(was_sent && self.client.as_mut().is_some_and(|client| client.send_data(Bytes::new(), true).is_ok()))
    }

    /// Ends the process group, gently first. What it still writes is nobody's.
    async fn end_process(mut self) {
        if let Some(mut client) = self.client.take() {
            client.send_reset(Reason::CANCEL);
        }
        self.outputs.clear();
        let process = &self.session.process;
        for signal in [libc::SIGHUP, libc::SIGTERM, libc::SIGCONT] {
            process.signal_group(signal);
        }
        if self.exit.is_none() && tokio::time::timeout(KILL_PATIENCE, process.exit()).await.is_err() {
            process.signal_group(libc::SIGKILL);
            process.exit().await;
        }
    }
}

/// The session is over for everyone: its client is gone and it is not one to keep, or it was deleted.
struct Closed;

async fn client_gone(client: &mut Option<SendStream<Bytes>>) {
    match client {
        Some(client) => cut_off(client).await,
        None => pending().await,
    }
}

async fn next_output(output: Option<&(ToHost, GuestFile)>) -> Event {
    match output {
        Some((kind, file)) => file.read_frame(*kind).await.map_or(Event::OutputEnded(*kind), Event::Output),
        None => pending().await,
    }
}
