//! `CONNECT 127.0.0.1:<port>`: a TCP connection to a program in the machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{StatusCode, Uri};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::http_answers::{Code, Refusal, cut_off, response, send_answer, send_body};

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
        "localhost" => vec![v4, v6],
        _ => return Err(refused()),
    };
    let addresses: Vec<SocketAddr> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let connection = TcpStream::connect(&addresses[..]).await;
    let connection = connection.map_err(|error| Refusal::new(Code::NotFound, format!("port {port}: {error}")))?;
    // Small messages of interactive programs go out at once.
    let _ = connection.set_nodelay(true);
    Ok(connection)
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
