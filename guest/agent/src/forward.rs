//! `CONNECT localhost:<port>`: a TCP connection to a program in the machine, wherever it listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{StatusCode, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::blocking::off_the_runtime;
use crate::http_answers::{Code, Refusal, cut_off, response, send_answer, send_body};
use crate::ports;

pub async fn run(target: &Uri, body: RecvStream, mut respond: SendResponse<Bytes>) {
    let connection = match connect(target).await {
        Ok(connection) => connection,
        Err(refusal) => return send_answer(&mut respond, Err(refusal)),
    };
    let Ok(to_host) = respond.send_response(response(StatusCode::OK), false) else { return };
    let (from_program, to_program) = connection.into_split();
    // Either side may end its half and still get the other's.
    tokio::join!(copy_to_host(from_program, to_host), copy_to_program(body, to_program));
}

async fn connect(target: &Uri) -> Result<TcpStream, Refusal> {
    let refused = || Refusal::bad_request("CONNECT takes 127.0.0.1:<port>, [::1]:<port> or localhost:<port>");
    let port = target.port_u16().ok_or_else(refused)?;
    let (v4, v6) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST));
    let addresses = match target.host().unwrap_or_default() {
        "127.0.0.1" => vec![v4],
        "[::1]" => vec![v6],
        "localhost" => [v4, v6].into_iter().chain(other_addresses(port).await).collect(),
        _ => return Err(refused()),
    };
    let mut refusal = None;
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(connection) => {
                // Small messages of interactive programs go out at once.
                let _ = connection.set_nodelay(true);
                return Ok(connection);
            }
            Err(error) => drop(refusal.get_or_insert(error)),
        }
    }
    let reason = refusal.map_or_else(|| "nothing listens".to_owned(), |error| error.to_string());
    Err(Refusal::new(Code::NotFound, format!("port {port}: {reason}")))
}

/// Of programs that listen on another address only, such as that of a bridge.
async fn other_addresses(port: u16) -> Vec<IpAddr> {
    let found = off_the_runtime(move || Ok(ports::tcp_addresses(port))).await.unwrap_or_default();
    found.into_iter().filter(|address| !address.is_unspecified()).collect()
}

async fn copy_to_host(mut program: OwnedReadHalf, mut host: SendStream<Bytes>) {
    const READ_BYTES: usize = 64 * 1024;
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        let read = tokio::select! {
            read = program.read_buf(&mut buffer) => read,
            () = cut_off(&mut host) => return,
        };
        match read {
            Ok(0) => return drop(host.send_data(Bytes::new(), true)),
            Ok(_) if send_body(&mut host, buffer.split().freeze()).await.is_ok() => {}
            _ => return host.send_reset(Reason::CONNECT_ERROR),
        }
    }
}

async fn copy_to_program(mut host: RecvStream, mut program: OwnedWriteHalf) {
    while let Some(Ok(piece)) = host.data().await {
        if program.write_all(&piece).await.is_err() {
            return;
        }
        let _ = host.flow_control().release_capacity(piece.len());
    }
    let _ = program.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reaches(address: &str, authority: &str) -> bool {
        let server = tokio::net::TcpListener::bind((address, 0)).await.unwrap();
        let target = format!("{authority}:{}", server.local_addr().unwrap().port());
        connect(&target.parse().unwrap()).await.is_ok()
    }

    #[tokio::test]
    async fn a_program_is_reached_on_whatever_address_it_listens() {
        for address in ["127.0.0.1", "::1", "127.0.0.7", "0.0.0.0", "::"] {
            // A host without IPv6 has no such programs.
            if std::net::TcpListener::bind((address, 0)).is_ok() {
                assert!(reaches(address, "localhost").await, "{address}");
            }
        }
        assert!(!reaches("127.0.0.1", "[::1]").await);
    }

    #[tokio::test]
    async fn what_is_refused_is_refused_with_the_first_reason() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let refusal = connect(&format!("localhost:{free}").parse().unwrap()).await.unwrap_err();
        assert_eq!(refusal.code, Code::NotFound);
        assert!(refusal.message.contains("refused"), "{}", refusal.message);
        for wrong in ["example.com:80", "10.0.0.1:80", "localhost"] {
            assert_eq!(connect(&wrong.parse().unwrap()).await.unwrap_err().code, Code::BadRequest);
        }
    }
}
