//! What machines reach, and who reaches them.

use crate::helper::{Helper, attach};
use crate::machine::Machine;
use crate::traffic::{Ear, PORT, say, say_as, seen_as, serve};
use crate::world::{
    CARRIER, COMPANY, CONTAINER, HOME, HOST, INTERNET, LINK_LOCAL, METADATA, METADATA_ELSEWHERE, World,
};

const ONE: &str = "00000000000a";
const OTHER: &str = "00000000000b";
const ALL_OUTSIDE: [&str; 8] = [COMPANY, HOME, CARRIER, CONTAINER, METADATA, METADATA_ELSEWHERE, LINK_LOCAL, INTERNET];

#[test]
fn a_machine_reaches_the_internet_and_of_the_rest_what_it_was_allowed() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, ONE, 16, &[]);
    serve(&world.outside, &format!("{INTERNET}:80"));
    assert_eq!(seen_as(&machine.guest, &format!("{INTERNET}:80")), HOST, "nobody outside knows its address");

    let ear = Ear::open(&world.outside, &format!("0.0.0.0:{PORT}"));
    for (reach, heard) in [
        (vec![], vec![INTERNET]),
        (vec!["private"], vec![COMPANY, HOME, CARRIER, CONTAINER, INTERNET]),
        (vec!["metadata"], vec![METADATA, METADATA_ELSEWHERE, INTERNET]),
        (vec!["link-local"], vec![LINK_LOCAL, INTERNET]),
        (vec!["host", "machines"], vec![INTERNET]),
    ] {
        // While it runs
        helper.done(&attach(ONE, 16, &reach));
        for address in ALL_OUTSIDE {
            say(&machine.guest, address, &format!("{address}:{PORT}"));
        }
        say(&machine.guest, "last", &format!("{INTERNET}:{PORT}"));
        assert_eq!(ear.heard_before("last"), heard, "{reach:?}");
    }
}

#[test]
fn of_the_host_a_machine_reaches_names_alone_and_the_host_reaches_the_machine() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, ONE, 16, &[]);
    world.host.ip("addr add 10.213.64.2/32 dev lo");
    let ear = Ear::open(&world.host, &format!("0.0.0.0:{PORT}"));
    let names = Ear::open(&world.host, "10.213.64.2:53");
    let host_addresses = [HOST, "10.213.64.1", "10.213.64.2"];
    let say_to_all = || {
        for address in host_addresses {
            say(&machine.guest, address, &format!("{address}:{PORT}"));
            say(&machine.guest, address, &format!("{address}:53"));
        }
        say(&machine.guest, "last", "10.213.64.2:53");
        names.heard_before("last")
    };

    assert_eq!(say_to_all(), ["10.213.64.2"]);
    helper.done(&attach(ONE, 16, &["host"]));
    say_to_all();
    say(&machine.guest, "last", &format!("{HOST}:{PORT}"));
    assert_eq!(ear.heard_before("last"), host_addresses, "those of the second time");

    serve(&machine.guest, &format!("0.0.0.0:{PORT}"));
    helper.done(&attach(ONE, 16, &[]));
    assert_eq!(seen_as(&world.host, &format!("{}:{PORT}", machine.address)), "10.213.64.1");
}

#[test]
fn nobody_outside_reaches_a_machine() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, ONE, 16, &["host", "private", "machines"]);
    let (guest, host) =
        (Ear::open(&machine.guest, &format!("0.0.0.0:{PORT}")), Ear::open(&world.host, &format!("0.0.0.0:{PORT}")));
    say(&world.outside, "outside", &format!("{}:{PORT}", machine.address));
    say(&world.outside, "last", &format!("{HOST}:{PORT}"));
    assert!(host.heard_before("last").is_empty());
    say(&world.host, "last", &format!("{}:{PORT}", machine.address));
    assert!(guest.heard_before("last").is_empty());
}

#[test]
fn machines_reach_one_another_only_when_both_may() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let one = Machine::start(&world.host, &helper, ONE, 16, &[]);
    let other = Machine::start(&world.host, &helper, OTHER, 17, &[]);
    let outside = Ear::open(&world.outside, &format!("0.0.0.0:{PORT}"));
    let ear = Ear::open(&other.guest, &format!("0.0.0.0:{PORT}"));
    for (of_one, of_other, heard) in [
        (vec![], vec![], 0),
        (vec!["machines"], vec![], 0),
        (vec!["private", "host"], vec!["machines"], 0),
        (vec!["machines"], vec!["machines"], 1),
        (vec![], vec![], 0),
    ] {
        helper.done(&attach(ONE, 16, &of_one));
        helper.done(&attach(OTHER, 17, &of_other));
        say(&one.guest, "one", &format!("{}:{PORT}", other.address));
        // Once this is through, so is what was sent before it, if it is let through at all.
        say(&one.guest, "last", &format!("{INTERNET}:{PORT}"));
        outside.heard_before("last");
        say(&world.host, "last", &format!("{}:{PORT}", other.address));
        assert_eq!(ear.heard_before("last").len(), heard, "{of_one:?} {of_other:?}");
    }
}

#[test]
fn who_says_to_be_another_is_not_heard() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let everything = ["host", "private", "link-local", "metadata", "machines"];
    let machine = Machine::start(&world.host, &helper, ONE, 16, &everything);
    let other = Machine::start(&world.host, &helper, OTHER, 17, &everything);
    let outside = Ear::open(&world.outside, &format!("0.0.0.0:{PORT}"));
    let host = Ear::open(&world.host, &format!("0.0.0.0:{PORT}"));
    for spoofed in [other.address.as_str(), "10.213.64.99", "203.0.113.77", INTERNET, "10.213.64.1"] {
        machine.guest.ip(&format!("addr add {spoofed}/32 dev lo"));
        for to in [COMPANY, HOST] {
            say_as(&machine.guest, spoofed, &format!("{spoofed}:0"), &format!("{to}:{PORT}"));
        }
        machine.guest.ip(&format!("addr del {spoofed}/32 dev lo"));
    }
    say(&machine.guest, "last", &format!("{COMPANY}:{PORT}"));
    assert!(outside.heard_before("last").is_empty());
    say(&machine.guest, "last", &format!("{HOST}:{PORT}"));
    assert!(host.heard_before("last").is_empty());
}

#[test]
fn nobody_speaks_ipv6_with_a_machine() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, ONE, 16, &["host"]);
    let host = Ear::open(&world.host, &format!("[::]:{PORT}"));
    machine.guest.ip("-6 addr add fe80::16/64 dev eth0 nodad");
    // The second device of its namespace, after the loopback
    say_as(&machine.guest, "everybody on the link", "[::]:0", &format!("[ff02::1%2]:{PORT}"));
    say(&machine.guest, "last", &format!("{HOST}:{PORT}"));
    assert!(host.heard_before("last").is_empty());
}
