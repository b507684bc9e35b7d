//! Beside the rules of others, in the forms in which Docker, ufw and firewalld have theirs.

use std::io::Write as _;
use std::process::{Command, Stdio};

use banger_root::kernel::RuleChanges;
use serde_json::json;

use crate::corner::Corner;
use crate::helper::{Helper, attach, sweep, verb};
use crate::machine::Machine;
use crate::traffic::{Ear, PORT, say, seen_as, serve};
use crate::world::{COMPANY, HOST, INTERNET, World};

const VM: &str = "00000000000a";

/// As with "iptables -P FORWARD DROP"
const DOCKER: &str = "
table ip filter {
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump DOCKER-USER
        oifname \"docker0\" ct state related,established counter accept
    }
    chain DOCKER-USER { }
}";
const UFW: &str = "
table ip filter {
    chain INPUT { type filter hook input priority filter; policy drop; counter jump ufw-before-input; }
    chain FORWARD { type filter hook forward priority filter; policy drop; counter jump ufw-before-input; }
    chain OUTPUT { type filter hook output priority filter; policy drop; oifname \"eth0\" accept; oifname \"lo\" accept; }
    chain ufw-before-input { iifname \"lo\" accept; ct state related,established accept; }
}";
const FIREWALLD: &str = "
table inet firewalld {
    chain filter_INPUT {
        type filter hook input priority filter + 10; policy accept;
        ct state { established, related } accept
        iifname \"lo\" accept
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD {
        type filter hook forward priority filter + 10; policy accept;
        ct state { established, related } accept
        reject with icmpx admin-prohibited
    }
}";

#[test]
fn machines_get_through_what_docker_ufw_and_firewalld_drop_and_reach_no_more_by_it() {
    for rules in [DOCKER, UFW, FIREWALLD] {
        let world = World::new();
        world.host.nft("-f -", rules);
        let helper = Helper::start(&world.host);
        let machine = Machine::start(&world.host, &helper, VM, 16, &[]);
        serve(&world.outside, &format!("{INTERNET}:80"));
        serve(&machine.guest, &format!("0.0.0.0:{PORT}"));
        world.host.ip("addr add 10.213.64.2/32 dev lo");
        let (outside, names) =
            (Ear::open(&world.outside, &format!("0.0.0.0:{PORT}")), Ear::open(&world.host, "10.213.64.2:53"));

        assert_eq!(seen_as(&machine.guest, &format!("{INTERNET}:80")), HOST);
        assert_eq!(seen_as(&world.host, &format!("{}:{PORT}", machine.address)), "10.213.64.1");
        say(&machine.guest, COMPANY, &format!("{COMPANY}:{PORT}"));
        say(&machine.guest, "last", &format!("{INTERNET}:{PORT}"));
        assert!(outside.heard_before("last").is_empty());
        say(&machine.guest, "last", "10.213.64.2:53");
        assert!(names.heard_before("last").is_empty());
        assert!(helper.done(&verb("report"))["closedTables"].as_array().unwrap().is_empty());
    }
}

#[test]
fn the_rules_of_others_are_to_the_byte_as_before_once_no_machine_is_there() {
    for rules in [DOCKER, UFW, FIREWALLD, ""] {
        let corner = Corner::new();
        corner.nft("-f -", rules);
        let before = corner.nft("list ruleset", "");
        let helper = Helper::start(&corner);
        for end in [sweep(&[]), verb("withdraw-policy")] {
            helper.done(&attach(VM, 16, &[]));
            // Twice, and each of them once more by repeating
            helper.done(&verb("apply-policy"));
            helper.done(&attach(VM, 16, &["host"]));
            assert_eq!(corner.nft("list ruleset", "").matches("comment \"banger\"").count(), accepts_in(rules));
            if end == verb("withdraw-policy") {
                assert_eq!(helper.refused(&end), "IN_USE");
                helper.done(&json!({ "do": "detach", "vm": VM }));
            }
            helper.done(&end);
            assert_eq!(corner.nft("list ruleset", ""), before);
        }
    }
}

#[test]
fn after_a_reload_of_others_machines_get_through_again() {
    let corner = Corner::new();
    corner.nft("-f -", UFW);
    let helper = Helper::start(&corner);
    helper.done(&attach(VM, 16, &["host"]));
    let with_machine = corner.nft("list ruleset", "");
    for reload in ["flush ruleset", "flush table inet banger", "flush chain ip filter FORWARD"] {
        let changes = corner.run(|| RuleChanges::listen().unwrap());
        let reload = if reload.contains("banger") {
            reload.to_owned()
        } else {
            format!("{reload}\nadd table ip filter\nflush table ip filter\n{UFW}")
        };
        corner.nft("-f -", &reload);
        while corner.nft("list ruleset", "") != with_machine {
            changes.take().unwrap();
        }
    }
    let closing = "add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; policy drop; }";
    let changes = corner.run(|| RuleChanges::listen().unwrap());
    corner.nft("-f -", &format!("add table inet firewalld\n{closing}"));
    while !corner.nft("list table inet firewalld", "").contains("iifname \"bgr*\" accept") {
        changes.take().unwrap();
    }
}

#[test]
fn tens_of_thousands_of_rules_of_others_take_no_memory_and_keep_no_machine_from_its_tap() {
    let corner = Corner::new();
    corner.nft("-f -", &crowded());
    let helper = Helper::start(&corner);
    let accepts = || corner.nft("list chain ip filter INPUT", "").matches("comment \"banger\"").count();
    helper.done(&attach(VM, 16, &["host"]));
    assert_eq!(accepts(), 1);
    let listed = helper.done(&verb("list"));
    assert_eq!((&listed["acceptedIn"], &listed["hasPolicy"]), (&json!(["ip filter"]), &json!(true)));

    let changes = corner.run(|| RuleChanges::listen().unwrap());
    corner.nft("-f -", &format!("flush ruleset\n{}", crowded()));
    while accepts() == 0 {
        changes.take().unwrap();
    }
    helper.done(&sweep(&[]));
    assert_eq!(accepts(), 0);
    let peak_kib = helper.peak_kib();
    assert!(peak_kib < 32 * 1024, "{peak_kib} KiB");
}

/// As on hosts that shut out whoever has tried a password, or that have a service for each of thousands: rules in chains of their
/// own and in those that are asked first, and a set
fn crowded() -> String {
    let addresses = |count: u32| (0..count).map(|number| std::net::Ipv4Addr::from(0x0b00_0000 + number).to_string());
    let rules = |count: u32| -> String {
        addresses(count).map(|address| format!("ip saddr {address} tcp dport 22 counter drop\n")).collect()
    };
    let elements = addresses(50_000).collect::<Vec<_>>().join(", ");
    let chains: String = (0..2000).map(|number| format!("chain KUBE-SVC-{number} {{ }}\n")).collect();
    let (own, first) = (rules(30_000), rules(20_000));
    format!(
        "table ip filter {{
            set blocked {{ type ipv4_addr; elements = {{ {elements} }}; }}
            {chains}
            chain f2b-sshd {{ {own} }}
            chain INPUT {{ type filter hook input priority filter; policy drop; ip saddr @blocked drop; jump f2b-sshd; }}
            chain FORWARD {{ type filter hook forward priority filter; policy drop; {first} }}
        }}"
    )
}

/// The helper has then not yet looked at what it has just applied.
#[test]
fn what_is_flushed_as_soon_as_it_is_back_comes_back_again() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    helper.done(&attach(VM, 16, &[]));
    let whole = corner.nft("list table inet banger", "");
    for _ in 0..30 {
        let changes = corner.run(|| RuleChanges::listen().unwrap());
        corner.nft("-f -", "flush table inet banger");
        while corner.nft("list table inet banger", "") != whole {
            changes.take().unwrap();
        }
    }
}

#[test]
fn another_helper_keeps_what_the_one_before_it_left() {
    let corner = Corner::new();
    corner.nft("-f -", DOCKER);
    let before = corner.nft("list ruleset", "");
    let mut helper = Helper::start(&corner);
    helper.done(&attach(VM, 16, &[]));
    helper.kill();
    corner.nft("-f -", &format!("flush ruleset\n{DOCKER}"));
    let changes = corner.run(|| RuleChanges::listen().unwrap());
    let helper = Helper::start(&corner);
    while !corner.nft("list ruleset", "").contains("bgr00000000000a") {
        changes.take().unwrap();
    }
    helper.done(&sweep(&[]));
    assert_eq!(corner.nft("list ruleset", ""), before);
}

#[test]
fn what_another_version_of_ours_made_is_replaced() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    for table in ["inet banger", "inet banger_limits", "arp banger"] {
        let other = "{ set asking { type ipv4_addr; }; set sources { type mark; }; chain connections { drop; }; }";
        corner.nft("-f -", &format!("table {table} {other}"));
    }
    helper.done(&attach(VM, 16, &[]));
    assert!(!corner.nft("list ruleset", "").contains("type mark"));
    helper.done(&sweep(&[]));
    assert_eq!(corner.nft("list ruleset", ""), "");
}

#[test]
fn a_table_that_lets_nobody_in_is_told_and_keeps_no_machine_from_its_tap() {
    let corner = Corner::new();
    let changes = corner.run(|| RuleChanges::listen().unwrap());
    // It is this process's as long as that lives, as firewalld's own is.
    let mut firewalld = corner.run(|| Command::new("/usr/sbin/nft").arg("-i").stdin(Stdio::piped()).spawn().unwrap());
    let owned = "add table inet firewalld { flags owner; }; add chain inet firewalld filter_FORWARD \
                 { type filter hook forward priority 10; policy drop; }\n";
    firewalld.stdin.as_mut().unwrap().write_all(owned.as_bytes()).unwrap();
    while !corner.nft("list ruleset", "").contains("filter_FORWARD") {
        changes.take().unwrap();
    }
    corner.nft("-f -", DOCKER);
    let helper = Helper::start(&corner);
    helper.done(&attach(VM, 16, &[]));
    assert_eq!(helper.done(&verb("report"))["closedTables"], json!(["inet firewalld"]));
    assert_eq!(helper.done(&verb("list"))["acceptedIn"], json!(["ip filter"]));
    helper.done(&sweep(&[]));
    firewalld.kill().unwrap();
    firewalld.wait().unwrap();
}

fn accepts_in(rules: &str) -> usize {
    let with = |hook: &str, count| rules.matches(&format!("hook {hook} ")).count() * count;
    with("input", 1) + with("forward", 2) + with("output", 1)
}
