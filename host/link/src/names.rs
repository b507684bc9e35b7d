//! Names for the guest: each question goes to the host's own servers, one after the other until one answers.
//!
//! The guest is hostile, so what it can keep busy is bounded: questions beyond are dropped, and asked again by those who
//! mean them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::rand::{GetRandomFlags, getrandom};

use crate::arguments::Link;
use crate::query::{self, Decision, SERVER_FAILURE};
use crate::resolvers::Resolvers;
use crate::threads::{Crew, serve_each, start};

/// At once; each has a thread and a socket
const MAX_QUESTIONS: usize = 64;
const MAX_CONNECTIONS: usize = 16;
/// Less than the 5 s in which a guest asks again, with two servers
const SERVER_TIMEOUT: Duration = Duration::from_secs(2);
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_QUESTION_BYTES: usize = 4096;
const MAX_ANSWER_BYTES: usize = 65_535;

struct Names {
    resolvers: Resolvers,
    host: Ipv4Addr,
}

pub fn serve(udp: UdpSocket, tcp: TcpListener, link: &Link) {
    let names = Arc::new(Names { resolvers: Resolvers::new(Path::new(&link.resolvers)), host: link.host });
    let shared = Arc::clone(&names);
    start(move || serve_udp(&shared, &udp));
    start(move || {
        serve_each(&tcp, MAX_CONNECTIONS, move |client| {
            let _ = serve_connection(&names, &client); // the guest is told by the end of its connection
        });
    });
}

fn serve_udp(names: &Arc<Names>, socket: &UdpSocket) {
    let crew = Crew::new(MAX_QUESTIONS);
    let mut buffer = [0; MAX_QUESTION_BYTES];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
        let question = &buffer[..length];
        match query::decide(question, names.host) {
            Decision::Drop => {}
            Decision::Answer(answer) => drop(socket.send_to(&answer, client)),
            Decision::Ask => {
                let (names, question, Ok(socket)) = (Arc::clone(names), question.to_vec(), socket.try_clone()) else {
                    continue;
                };
                crew.start(move || {
                    let _ = socket.send_to(&names.ask(&question, ask_by_udp), client);
                });
            }
        }
    }
}

fn serve_connection(names: &Names, client: &TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(CONNECTION_TIMEOUT))?;
    client.set_write_timeout(Some(CONNECTION_TIMEOUT))?;
    loop {
        let question = read_message(client)?;
        match query::decide(&question, names.host) {
            Decision::Drop => return Ok(()),
            Decision::Answer(answer) => write_message(client, &answer)?,
            Decision::Ask => write_message(client, &names.ask(&question, ask_by_tcp_or_udp))?,
        }
    }
}

impl Names {
    /// Always an answer: that of the first server with one, or that there is none.
    fn ask(&self, question: &[u8], ask: fn(SocketAddr, &[u8]) -> io::Result<Vec<u8>>) -> Vec<u8> {
        let mut asked = question.to_vec();
        // A stranger who would answer first has to guess it, and our port.
        let _ = getrandom(&mut asked[..2], GetRandomFlags::empty());
        let mut refusal = None;
        for server in self.resolvers.now() {
            match ask(server, &asked) {
                Ok(mut answer) => {
                    answer[..2].copy_from_slice(&question[..2]);
                    if !query::is_failure(&answer) {
                        return answer;
                    }
                    refusal.get_or_insert(answer);
                }
                Err(_) => self.resolvers.note_silence(server),
            }
        }
        refusal.unwrap_or_else(|| query::empty_answer(question, SERVER_FAILURE))
    }
}

fn ask_by_udp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(server)?;
    socket.send(question)?;
    let deadline = Instant::now() + SERVER_TIMEOUT;
    let mut buffer = vec![0; MAX_ANSWER_BYTES];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        if query::answers(question, &buffer[..length]) {
            return Ok(buffer[..length].to_vec());
        }
    }
}

/// Some servers, and what stands before them, know UDP only.
fn ask_by_tcp_or_udp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    ask_by_tcp(server, question).or_else(|_| ask_by_udp(server, question))
}

fn ask_by_tcp(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let connection = TcpStream::connect_timeout(&server, SERVER_TIMEOUT)?;
    connection.set_read_timeout(Some(SERVER_TIMEOUT))?;
    connection.set_write_timeout(Some(SERVER_TIMEOUT))?;
    write_message(&connection, question)?;
    let answer = read_message(&connection)?;
    if query::answers(question, &answer) { Ok(answer) } else { Err(ErrorKind::InvalidData.into()) }
}

fn read_message(mut from: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    from.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(mut to: &TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    to.write_all(&[&length.to_be_bytes(), message].concat())
}
