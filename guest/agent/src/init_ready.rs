//! Whether the image's own init has finished its boot. systemd says so to the socket that `NOTIFY_SOCKET` names, as a
//! service of its own would to it; other inits have no way to say it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tokio::sync::watch;

use crate::handshake::InitKind;
use crate::http_answers::{Code, Refusal};

/// "@" stands for the byte 0 of an abstract address: it needs no folder, and the init's mounts cannot hide it.
pub const NOTIFY_SOCKET: &str = "@banger-agent/init";

/// To be bound before the init runs, which may speak at once.
pub fn listen() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&NOTIFY_SOCKET[1..])?)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[derive(Clone)]
pub enum InitReady {
    /// The agent is the init
    NoInit,
    /// An init that will not say
    Silent,
    Told(watch::Receiver<bool>),
}

impl InitReady {
    /// `socket` is what `listen` gave, for an init that says. Must be called within the runtime.
    pub fn follow(init: InitKind, socket: Option<UnixDatagram>) -> io::Result<Self> {
        let Some(socket) = socket else {
            return Ok(if init == InitKind::Image { Self::Silent } else { Self::NoInit });
        };
        let socket = tokio::net::UnixDatagram::from_std(socket)?;
        let (is_ready, told) = watch::channel(false);
        tokio::spawn(async move {
            if until_ready(&socket).await.is_ok() {
                is_ready.send_replace(true);
            }
        });
        Ok(Self::Told(told))
    }

    pub async fn wait(self) -> Result<(), Refusal> {
        match self {
            Self::NoInit => Ok(()),
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
        let ready = InitReady::follow(InitKind::Image, Some(here)).unwrap();
        init.send(b"STATUS=Starting").unwrap();
        init.send(b"READY=1").unwrap();
        assert!(ready.wait().await.is_ok());
    }

    #[tokio::test]
    async fn without_an_init_there_is_nothing_to_wait_for_and_a_silent_one_is_not_waited_for() {
        assert!(InitReady::follow(InitKind::Agent, None).unwrap().wait().await.is_ok());
        assert!(InitReady::follow(InitKind::Image, None).unwrap().wait().await.is_err());
    }
}
