//! Packets that the kernel can place in no connection, and so translates for nobody.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, bind, ipproto, sendto, socket_with};

use crate::corner::Corner;
use crate::helper::Helper;
use crate::machine::Machine;
use crate::traffic::{Ear, PATIENCE, PORT, count, counted};
use crate::wire::{TCP, Wire, segment};
use crate::world::{HOST, INTERNET, World};

const ONE: &str = "00000000000a";
const ACK: u8 = 0x10;
const FIN: u8 = 0x01;
/// As passt of Debian 12 sends it to tell of more room
const NO_FLAGS: u8 = 0;

/// It comes to the host's own address, where nobody knows of the connection.
#[test]
fn an_answer_that_cannot_be_placed_does_not_end_what_a_machine_began() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, ONE, 16, &[]);
    let listener = world.outside.run(|| TcpListener::bind((INTERNET, PORT)).unwrap());
    let mut client = machine.guest.run(|| TcpStream::connect((INTERNET, PORT)).unwrap());
    let (mut server, seen) = listener.accept().unwrap();
    count(&world.host, "postrouting", "tcp flags & rst == rst");
    for flags in [NO_FLAGS, ACK, ACK | FIN] {
        send_from(&world.outside, address(INTERNET, PORT), v4(seen), flags);
    }
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    client.write_all(b"question").unwrap();
    server.read_exact(&mut [0; 8]).unwrap();
    server.write_all(b"answer").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    assert_eq!(counted(&world.host), 0);
}

#[test]
fn who_connects_to_the_host_where_nobody_listens_is_told_at_once() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let _machine = Machine::start(&world.host, &helper, ONE, 16, &[]);
    let refused = world.outside.run(|| TcpStream::connect_timeout(&SocketAddr::V4(address(HOST, PORT)), PATIENCE));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn what_a_machine_sends_outside_of_any_connection_does_not_leave_under_its_own_address() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &["private", "link-local", "metadata"]);
    let ear = Ear::open(&world.outside, &format!("0.0.0.0:{PORT}"));
    count(&world.host, "postrouting", "ip saddr 10.213.64.0/20 oifname eth0");
    for flags in [NO_FLAGS, FIN, ACK | FIN] {
        let content = segment(address(&wire.address, 1000), address(INTERNET, PORT), flags);
        wire.send(&wire.address, INTERNET, TCP, &content);
    }
    wire.say("last", 1000, INTERNET, PORT);
    assert!(ear.heard_before("last").is_empty());
    assert_eq!(counted(&world.host), 0);
}

fn send_from(corner: &Corner, from: SocketAddrV4, to: SocketAddrV4, flags: u8) {
    let content = segment(from, to, flags);
    corner.run(move || {
        let socket =
            socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::TCP)).unwrap();
        bind(&socket, &SocketAddrV4::new(*from.ip(), 0)).unwrap();
        sendto(&socket, &content, SendFlags::empty(), &SocketAddrV4::new(*to.ip(), 0)).unwrap();
    });
}

fn address(ip: &str, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(ip.parse().unwrap(), port)
}

fn v4(address: SocketAddr) -> SocketAddrV4 {
    match address {
        SocketAddr::V4(address) => address,
        SocketAddr::V6(_) => panic!("{address} is none of this world"),
    }
}
