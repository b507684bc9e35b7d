//! What a guest sends that means harm, to its neighbours, to its host, or to all that the host does.

use std::net::UdpSocket;
use std::process::Command;

use crate::corner::Corner;
use crate::helper::{Helper, attach};
use crate::machine::Machine;
use crate::traffic::{Ear, PATIENCE, PORT, count, counted, say, say_as};
use crate::wire::{ICMP, Wire};
use crate::world::{HOST, INTERNET, World};

const ONE: &str = "00000000000a";
const OTHER: &str = "00000000000b";
const NAMES: &str = "10.213.64.2";

#[test]
fn the_host_answers_and_remembers_nobody_that_a_machine_says_to_be() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &[]);
    for number in 0..500 {
        wire.ask_as(&format!("10.213.{}.{}", 65 + number / 250, 1 + number % 250));
    }
    wire.ask_as("203.0.113.1");
    wire.ask_as(&wire.address);
    let answers = wire.heard_until(|frame| frame[..2] == [0, 1] && frame[24..28] == [10, 213, 64, 16]);
    assert_eq!(answers.len(), 1, "nobody else is answered");
    let tap = wire.tap.clone();
    let known =
        world.host.run(move || Command::new("ip").args(["neigh", "show", "dev", &tap]).output().unwrap().stdout);
    assert_eq!(String::from_utf8(known).unwrap().lines().count(), 1);
}

#[test]
fn of_the_addresses_of_a_host_a_ping_finds_the_gateway_alone() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &[]);
    let answered = || {
        for address in [HOST, "10.213.64.1"] {
            wire.ping(address);
        }
        let is_gateways = |packet: &[u8]| packet[9] == ICMP && packet[12..16] == [10, 213, 64, 1];
        wire.heard_until(is_gateways).len()
    };
    assert_eq!(answered(), 1);
    helper.done(&attach(ONE, 16, &["host"]));
    assert_eq!(answered(), 2);
}

/// A host that passes packets to its loopback, as for Kubernetes
#[test]
fn the_hosts_loopback_is_not_reached_whatever_is_allowed() {
    let world = World::new();
    world.host.run(|| std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap());
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &["host", "private", "link-local", "metadata", "machines"]);
    let ear = Ear::open(&world.host, &format!("0.0.0.0:{PORT}"));
    for address in ["127.0.0.1", "127.8.9.10", "255.255.255.255", "224.0.0.1"] {
        wire.say(address, 5000, address, PORT);
    }
    wire.say("last", 5000, HOST, PORT);
    assert!(ear.heard_before("last").is_empty());
}

#[test]
fn what_the_host_tells_to_everybody_on_a_link_goes_to_no_machine() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &["host", "machines"]);
    world.host.ip(&format!("route add 224.0.0.0/4 dev {}", wire.tap));
    for group in ["224.0.0.251", "224.0.0.252", "239.255.255.250"] {
        say_as(&world.host, "everybody", "10.213.64.1:0", &format!("{group}:{PORT}"));
    }
    say(&world.host, "last", &format!("{}:{PORT}", wire.address));
    let heard = wire.heard_until(|packet| packet.ends_with(b"last"));
    assert_eq!(heard.len(), 1);
}

#[test]
fn what_was_begun_while_it_was_let_through_ends_with_that() {
    let world = World::new();
    // Who has a firewall knows of connections for as long as that is there.
    let theirs = "chain c { type filter hook prerouting priority 300; ct state new accept; };";
    world.host.nft("-f -", &format!("table inet theirs {{ {theirs} }}"));
    let mut helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, ONE, 16, &["host"]);
    let (host, outside) = (bind(&world.host, PORT), bind(&world.outside, PORT));
    let (to_host, to_outside) = (bind(&machine.guest, PORT), bind(&machine.guest, PORT + 1));
    let (at_host, at_guest) = (format!("{HOST}:{PORT}"), format!("{}:{}", machine.address, PORT + 1));

    speak(&to_host, &host, &at_host);
    helper.kill();
    world.host.nft("delete table inet banger", "");
    speak(&outside, &to_outside, &at_guest);

    let helper = Helper::start(&world.host);
    helper.done(&attach(ONE, 16, &[]));
    to_host.send_to(b"on and on", &at_host).unwrap();
    outside.send_to(b"on and on", &at_guest).unwrap();
    // Once this is through, so is what was sent before it, if it is let through at all.
    to_host.send_to(b"last", format!("{INTERNET}:{PORT}")).unwrap();
    assert_eq!(heard_up_to_last(&outside), ["last"]);
    let late = bind(&world.host, PORT + 1);
    for (socket, at) in [(&host, &at_host), (&to_outside, &at_guest)] {
        late.send_to(b"last", at).unwrap();
        assert_eq!(heard_up_to_last(socket), ["last"]);
    }
}

#[test]
fn who_asks_for_names_without_end_is_heard_so_often_and_the_others_are_heard() {
    const ASKED: u64 = 20_000;
    let world = World::new();
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &["host"]);
    let other = Wire::start(&world.host, &helper, OTHER, 17, &[]);
    count(&world.host, "prerouting", "udp dport 53");
    world.host.ip(&format!("addr add {NAMES}/32 dev lo"));
    let ear = Ear::open(&world.host, &format!("{NAMES}:53"));
    for _ in 0..ASKED {
        wire.say("?", 5000, NAMES, 53);
    }
    let heard = counted(&world.host);
    assert!((800..ASKED / 2).contains(&heard), "{heard}");
    // The ear has room for few.
    ear.heard_all();
    other.say("last", 5000, NAMES, 53);
    ear.heard_before("last");
    // Who is attached anew does not begin anew.
    let before = counted(&world.host);
    for turn in 0..5 {
        helper.done(&attach(OTHER, 17, if turn % 2 == 0 { &["host"] } else { &[] }));
        wire.say("?", 5000, NAMES, 53);
    }
    assert!(counted(&world.host) - before < 800);
}

#[test]
fn who_connects_without_end_leaves_the_host_room_for_the_others() {
    const MOST: u64 = 8192;
    const NOBODYS: u16 = PORT + 1;
    let world = World::new();
    let helper = Helper::start(&world.host);
    let wire = Wire::start(&world.host, &helper, ONE, 16, &[]);
    let outside = bind_at(&world.outside, INTERNET, PORT);
    wire.say("one that lasts", 1000, INTERNET, PORT);
    let (_, back) = outside.recv_from(&mut [0; 100]).unwrap();
    outside.send_to(b"answer", back).unwrap();
    wire.heard_until(|packet| packet.ends_with(b"answer"));
    count(&world.host, "postrouting", &format!("udp dport {NOBODYS}"));
    for port in 1000..11_000 {
        wire.say("one more", port, INTERNET, NOBODYS);
        if port == 9000 {
            helper.done(&attach(OTHER, 17, &[])); // which replaces the policy
        }
    }
    assert_eq!(counted(&world.host), MOST - 1);
    wire.say("it goes on", 1000, INTERNET, PORT);
    let other = Wire::start(&world.host, &helper, OTHER, 17, &[]);
    other.say("last", 1000, INTERNET, PORT);
    assert_eq!(heard_up_to_last(&outside), ["it goes on", "last"]);
}

fn bind(corner: &Corner, port: u16) -> UdpSocket {
    bind_at(corner, "0.0.0.0", port)
}

fn bind_at(corner: &Corner, address: &'static str, port: u16) -> UdpSocket {
    let socket = corner.run(move || UdpSocket::bind((address, port)).unwrap());
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// And is answered: now both ends have spoken.
fn speak(from: &UdpSocket, to: &UdpSocket, at: &str) {
    let mut words = [0; 100];
    from.send_to(b"question", at).unwrap();
    let (_, back) = to.recv_from(&mut words).unwrap();
    to.send_to(b"answer", back).unwrap();
    from.recv(&mut words).unwrap();
}

fn heard_up_to_last(socket: &UdpSocket) -> Vec<String> {
    let mut heard = Vec::new();
    while heard.last().is_none_or(|words| words != "last") {
        let mut words = [0; 100];
        let length = socket.recv(&mut words).unwrap();
        heard.push(String::from_utf8_lossy(&words[..length]).into_owned());
    }
    heard
}
