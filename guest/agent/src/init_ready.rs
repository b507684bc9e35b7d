//! Whether the image's own init has finished its boot. systemd says so to the socket that `NOTIFY_SOCKET` names, as a
//! service of its own would to it; other inits have no way to say it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tokio::sync::watch;

use crate::comeback;
use crate::http_answers::{Code, Refusal};

/// "@" stands for the byte 0 of an abstract address: it needs no folder, and the init's mounts cannot hide it.
pub const NOTIFY_SOCKET: &str = "@banger-agent/init";

/// To be bound before the init runs, which may speak at once.
pub fn listen() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&NOTIFY_SOCKET[1..])?)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// What is known of the machine's init, which an agent tells the one that takes its place
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InitWord {
    /// The agent is the init
    None,
    /// It will not say
    Silent,
    /// It has not said it yet
    Telling,
    Ready,
}

impl InitWord {
    const WORDS: [(Self, &str); 4] =
        [(Self::None, "none"), (Self::Silent, "silent"), (Self::Telling, "telling"), (Self::Ready, "ready")];

    pub fn recall() -> Self {
        let said = comeback::recall_init();
        Self::WORDS.into_iter().find(|(_, word)| *word == said).map_or(Self::Silent, |(known, _)| known)
    }

    pub fn remember(self) -> io::Result<()> {
        let word = Self::WORDS.into_iter().find(|(known, _)| *known == self);
        word.map_or(Ok(()), |(_, word)| comeback::remember_init(word))
    }
}

#[derive(Clone)]
pub enum InitReady {
    /// There is none to wait for, or no more
    Done,
    /// An init that will not say
    Silent,
    Told(watch::Receiver<bool>),
}

impl InitReady {
    /// `socket` is what `listen` gave, for an init that says. Must be called within the runtime.
    pub fn follow(
        says: InitWord,
        socket: Option<UnixDatagram>,
        on_ready: impl FnOnce() + Send + 'static,
    ) -> io::Result<Self> {
        let Some(socket) = socket else {
            return Ok(if matches!(says, InitWord::None | InitWord::Ready) { Self::Done } else { Self::Silent });
        };
        let socket = tokio::net::UnixDatagram::from_std(socket)?;
        let (is_ready, told) = watch::channel(false);
        tokio::spawn(async move {
            if until_ready(&socket).await.is_ok() {
                on_ready();
                is_ready.send_replace(true);
            }
        });
        Ok(Self::Told(told))
    }

    pub async fn wait(self) -> Result<(), Refusal> {
        match self {
            Self::Done => Ok(()),
            Self::Silent => Err(Refusal::bad_request("this init does not say when it has finished its boot")),
            Self::Told(mut told) => told
                .wait_for(|is_ready| *is_ready)
                .await
                .map(drop)
                .map_err(|_| Refusal::new(Code::Internal, "nobody listens to the init any more")),
        }
    }
}

async fn until_ready(socket: &tokio::net::UnixDatagram) -> io::Result<()> {
    let mut message = [0; 4096];
    loop {
        let length = socket.recv(&mut message).await?;
        if says_ready(&message[..length]) {
            return Ok(());
        }
    }
}

fn says_ready(message: &[u8]) -> bool {
    message.split(|&byte| byte == b'\n').any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_a_line_of_its_own() {
        for message in ["READY=1", "READY=1\nSTATUS=Startup finished in 5s.", "STATUS=x\nREADY=1\n"] {
            assert!(says_ready(message.as_bytes()));
        }
        for message in ["", "READY=0", "STATUS=READY=1", "READY=10"] {
            assert!(!says_ready(message.as_bytes()));
        }
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_first_ready() {
        let (here, init) = UnixDatagram::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let (say, mut heard) = watch::channel(false);
        let on_ready = move || say.send(true).unwrap_or_default();
        let ready = InitReady::follow(InitWord::Telling, Some(here), on_ready).unwrap();
        init.send(b"STATUS=Starting").unwrap();
        init.send(b"READY=1").unwrap();
        assert!(ready.wait().await.is_ok());
        assert!(heard.wait_for(|is_ready| *is_ready).await.is_ok());
    }

    #[tokio::test]
    async fn without_an_init_there_is_nothing_to_wait_for_and_a_silent_one_is_not_waited_for() {
        let follow = |says| InitReady::follow(says, None, || ()).unwrap();
        for done in [InitWord::None, InitWord::Ready] {
            assert!(follow(done).wait().await.is_ok());
        }
        assert!(follow(InitWord::Silent).wait().await.is_err());
    }
}
