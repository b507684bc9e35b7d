//! Who hears whom. That something does not arrive is told by what was sent after it and does: no test waits to see whether
//! nothing comes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use crate::corner::Corner;

pub const PORT: u16 = 9000;
/// For what arrives, on the slowest machine
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What hears all that is sent to a port, at any address of a corner.
pub struct Ear(UdpSocket);

impl Ear {
    pub fn open(corner: &Corner, at: &str) -> Self {
        let at = at.to_owned();
        let socket = corner.run(move || UdpSocket::bind(&at).unwrap_or_else(|fault| panic!("{at}: {fault}")));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// What came, up to this last one, which is left out.
    #[track_caller]
    pub fn heard_before(&self, last: &str) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            let mut buffer = [0; 2048];
            let (length, _) =
                self.0.recv_from(&mut buffer).unwrap_or_else(|fault| panic!("{last}: {fault}, {heard:?}"));
            let said = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if said == last {
                return heard;
            }
            heard.push(said);
        }
    }

    /// All that has come by now, which is more than is told.
    pub fn heard_all(&self) {
        self.0.set_nonblocking(true).unwrap();
        while self.0.recv(&mut [0; 8]).is_ok() {}
        self.0.set_nonblocking(false).unwrap();
    }
}

/// Says its words to an address; the system may refuse at once, which is as good as not arriving.
pub fn say(corner: &Corner, words: &str, to: &str) {
    say_as(corner, words, "0.0.0.0:0", to);
}

pub fn say_as(corner: &Corner, words: &str, from: &str, to: &str) {
    let (words, from, to) = (words.to_owned(), from.to_owned(), to.to_owned());
    corner.run(move || {
        let socket = UdpSocket::bind(&from).unwrap_or_else(|fault| panic!("{from}: {fault}"));
        let _ = socket.send_to(words.as_bytes(), &to);
    });
}

/// A server that tells each client the address that it sees it at.
pub fn serve(corner: &Corner, at: &str) {
    let at = at.to_owned();
    let listener = corner.run(move || TcpListener::bind(at).unwrap());
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let peer = client.peer_addr().unwrap().ip();
            let _ = client.write_all(peer.to_string().as_bytes());
        }
    });
}

/// At which address a server sees this corner.
#[track_caller]
pub fn seen_as(corner: &Corner, server: &str) -> String {
    let server: SocketAddr = server.parse().unwrap();
    corner.run(move || {
        let mut stream =
            TcpStream::connect_timeout(&server, PATIENCE).unwrap_or_else(|fault| panic!("{server}: {fault}"));
        let mut seen = String::new();
        stream.read_to_string(&mut seen).unwrap();
        seen
    })
}

/// Has the host count the packets of this kind that pass here, from now on.
pub fn count(host: &Corner, hook: &str, which: &str) {
    let chain = format!("chain c {{ type filter hook {hook} priority 300; {which} counter; }}");
    host.nft("-f -", &format!("table inet counting {{ {chain}; }}"));
}

pub fn counted(host: &Corner) -> u64 {
    let printed = host.nft("list table inet counting", "");
    let mut words = printed.split_whitespace().skip_while(|word| *word != "packets");
    words.nth(1).unwrap().parse().unwrap()
}
