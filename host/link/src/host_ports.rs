//! A port of the host's loopback that the vm was given: connections go there, and nowhere else.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::threads::{serve_each, start};

/// At once and for each port; more are turned away
const MAX_CONNECTIONS: usize = 128;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub fn serve(listener: TcpListener, port: u16) {
    start(move || {
        serve_each(&listener, MAX_CONNECTIONS, move |client| {
            let _ = join(&client, port); // either side is told by the end of its connection
        });
    });
}

fn join(client: &TcpStream, port: u16) -> io::Result<()> {
    let server = connect(port)?;
    let (client_out, server_out) = (client.try_clone()?, server.try_clone()?);
    thread::scope(|scope| {
        scope.spawn(|| pass(&server, &client_out));
        pass(client, &server_out);
    });
    Ok(())
}

/// Servers of the host may listen on one of the two only.
fn connect(port: u16) -> io::Result<TcpStream> {
    let address = |ip| SocketAddr::new(ip, port);
    TcpStream::connect_timeout(&address(Ipv4Addr::LOCALHOST.into()), CONNECT_TIMEOUT)
        .or_else(|_| TcpStream::connect_timeout(&address(Ipv6Addr::LOCALHOST.into()), CONNECT_TIMEOUT))
}

/// Until one side ends; a connection that broke is broken on both sides.
fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = match io::copy(&mut from, &mut to) {
        Ok(_) => to.shutdown(Shutdown::Write),
        Err(_) => to.shutdown(Shutdown::Both).and_then(|()| from.shutdown(Shutdown::Both)),
    };
}
