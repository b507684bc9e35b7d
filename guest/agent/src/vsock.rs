//! The ports on which host and guest meet where the hypervisor has a vsock.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::sys;

/// Of the agent, where the host connects. Below 1024, so that nobody but root listens there while one agent takes the place
/// of another
const AGENT_PORT: u32 = 1023;
/// Of the host: an agent that has come connects there
const CALL_PORT: u32 = 1024;
/// Of the host: who is about to end the machine says there in which way
const GOODBYE_PORT: u32 = 1025;

pub fn listen() -> io::Result<OwnedFd> {
    sys::listen_on_vsock(AGENT_PORT)
}

/// The host that waits for this machine; none, when nobody does. Fails while the machine has no vsock.
pub fn call_host() -> io::Result<Option<OwnedFd>> {
    match sys::connect_to_vsock_host(CALL_PORT) {
        Ok(host) => Ok(Some(host)),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::NODEV) => Err(error),
        Err(_) => Ok(None),
    }
}

pub fn call_for_goodbye() -> io::Result<OwnedFd> {
    sys::connect_to_vsock_host(GOODBYE_PORT)
}

/// Whether the other end is the host's, and not a program of this machine, or of a machine in it.
pub fn is_host(connection: &OwnedFd) -> bool {
    sys::vsock_peer(connection).is_ok_and(|cid| cid == libc::VMADDR_CID_HOST)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::machine_end::Goodbye;

    #[test]
    fn ports_and_words_are_those_of_the_sample() {
        let sample: serde_json::Value =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/vsock.json")).unwrap();
        assert_eq!(sample["agentPort"], AGENT_PORT);
        assert_eq!((&sample["callPort"], &sample["goodbyePort"]), (&CALL_PORT.into(), &GOODBYE_PORT.into()));
        assert_eq!(sample["goodbyes"], serde_json::json!([Goodbye::PowerOff.word(), Goodbye::Reset.word()]));
    }

    #[test]
    fn only_a_vsock_leads_to_the_host() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert!(!is_host(&one.into()));
    }
}
