//! A vm's tap.

use std::fs;
use std::process::Command;

use banger_kernel::sys::make_tap;
use banger_root::kernel::Kernel;
use banger_root::links::{self, Kind};
use serde_json::json;

use crate::corner::Corner;
use crate::helper::{Helper, OWNER, attach, sweep, verb};
use crate::machine::Machine;
use crate::world::World;

const VM: &str = "0123456789ab";
const OTHER: &str = "0123456789ac";

#[test]
fn a_tap_is_the_owners_has_the_gateway_and_the_way_to_its_machine() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let attached = helper.done(&attach(VM, 16, &[]));
    assert_eq!(attached, json!({ "tap": "bgr0123456789ab", "address": "10.213.64.16", "gateway": "10.213.64.1" }));
    let there = describe(&corner);
    for _ in 0..2 {
        assert_eq!(helper.done(&attach(VM, 16, &[])), attached);
        assert_eq!(describe(&corner), there, "it is safe to repeat");
    }
    assert_eq!(owner_of_tap(&corner), Some(Kind::Tap { owner: Some(OWNER) }));
    for words in ["link/ether 02:62:67:72:00:01", "inet 10.213.64.1/32", "10.213.64.16 dev bgr0123456789ab"] {
        assert!(there.contains(words), "{words} is not in {there}");
    }
    assert!(!there.contains("inet6 fe80"), "it says nothing by itself: {there}");

    helper.done(&attach(OTHER, 17, &[]));
    assert_eq!(describe(&corner).matches("link/ether 02:62:67:72:00:01").count(), 2);
    for _ in 0..2 {
        helper.done(&json!({ "do": "detach", "vm": VM }));
        assert!(!describe(&corner).contains(VM));
    }
}

#[test]
fn an_address_has_one_machine_and_a_machine_one_address() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    helper.done(&attach(VM, 16, &[]));
    assert_eq!(helper.refused(&attach(OTHER, 16, &[])), "LEASE_TAKEN");
    helper.done(&attach(VM, 18, &[]));
    helper.done(&attach(OTHER, 16, &[]));
    let there = describe(&corner);
    assert!(there.contains("10.213.64.18 dev bgr0123456789ab") && !there.contains("10.213.64.16 dev bgr0123456789ab"));
}

#[test]
fn two_daemons_at_once_get_a_tap_each_and_of_the_same_address_one() {
    let corner = Corner::new();
    let helper = &Helper::start(&corner);
    let ids: Vec<String> = (0..12).map(|number| format!("{number:012x}")).collect();
    let known: Vec<&str> = ids.iter().map(String::as_str).collect();
    let taken = std::thread::scope(|scope| {
        let asking: Vec<_> = ids
            .iter()
            .enumerate()
            .map(|(number, vm)| {
                let (lease, known) = (100 + u16::try_from(number / 2).unwrap(), known.clone());
                scope.spawn(move || {
                    let answer = helper.ask(&attach(vm, lease, &["host"]));
                    helper.done(&sweep(&known));
                    answer["refused"]["code"] == "LEASE_TAKEN"
                })
            })
            .collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).filter(|taken| *taken).count()
    });
    assert_eq!(taken, 6);
    assert_eq!(helper.done(&verb("list"))["taps"].as_array().unwrap().len(), 6);
}

#[test]
fn a_sweep_leaves_what_is_known_and_what_a_hypervisor_holds() {
    let world = World::new();
    let helper = Helper::start(&world.host);
    let machine = Machine::start(&world.host, &helper, "00000000000a", 16, &[]);
    helper.done(&attach(VM, 17, &[]));
    helper.done(&attach(OTHER, 18, &[]));
    let swept = helper.done(&sweep(&[VM]));
    assert_eq!(swept, json!({ "detached": [OTHER], "held": ["00000000000a"] }));
    let listed = helper.done(&verb("list"));
    let taps: Vec<_> = listed["taps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tap| (tap["vm"].as_str().unwrap(), tap["isHeld"].as_bool().unwrap()))
        .collect();
    assert_eq!(taps, [("00000000000a", true), (VM, false)]);
    assert_eq!(helper.refused(&attach("00000000000a", 40, &[])), "IN_USE");
    assert!(describe(&world.host).contains(&machine.tap));
}

/// Whoever has a tap open may give it to another user: the kernel asks for no power.
#[test]
fn a_hypervisor_that_gives_its_tap_away_keeps_nobody_from_taking_it() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let give_away = || drop(make_tap("bgr0123456789ab", OWNER + 1).unwrap());
    helper.done(&attach(VM, 16, &[]));
    corner.run(give_away);
    helper.done(&attach(VM, 16, &[]));
    assert_eq!(owner_of_tap(&corner), Some(Kind::Tap { owner: Some(OWNER) }), "it is made anew");
    corner.run(give_away);
    helper.done(&json!({ "do": "detach", "vm": VM }));
    assert_eq!(helper.done(&verb("list"))["taps"], json!([]));
}

#[test]
fn a_device_of_somebody_elses_is_left_alone() {
    let corner = Corner::new();
    corner.ip("link add bgr0123456789ab type veth peer name other");
    let helper = Helper::start(&corner);
    assert_eq!(helper.refused(&attach(VM, 16, &[])), "NOT_OURS");
    helper.done(&attach(OTHER, 16, &[]));
    helper.done(&json!({ "do": "detach", "vm": VM }));
    helper.done(&sweep(&[]));
    corner.ip("link show bgr0123456789ab");
}

#[test]
fn names_are_published_and_withdrawn_where_the_kernel_can() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let before = describe(&corner);
    let has_dummies = corner
        .run(|| Command::new("ip").args(["link", "add", "x", "type", "dummy"]).output())
        .unwrap()
        .status
        .success();
    let publish = json!({ "do": "publish-names", "subnet": 3 });
    if has_dummies {
        corner.ip("link del x");
        for _ in 0..2 {
            assert_eq!(helper.done(&publish)["address"], "10.241.32.2");
        }
        assert!(describe(&corner).contains("inet 10.241.32.2/32 scope global bgr-names"));
        let names = || helper.done(&verb("list"))["names"].clone();
        assert_eq!(names(), json!(["10.241.32.2"]));
        let first = json!({ "do": "publish-names", "subnet": 0 });
        helper.done(&first);
        assert_eq!(names(), json!(["10.213.64.2"]), "in its place");
        helper.done(&attach(VM, 16, &[]));
        helper.done(&publish);
        assert_eq!(names(), json!(["10.213.64.2", "10.241.32.2"]), "a machine asks at the first one");
        corner.ip("link add vpn type veth peer name other
            link set vpn up
            route add 10.0.0.0/8 dev vpn");
        helper.done(&first);
        assert_eq!(helper.refused(&json!({ "do": "publish-names", "subnet": 1 })), "SUBNET_CLAIMED");
        assert_eq!(
            names(),
            json!(["10.213.64.2"]),
            "what is refused leaves what there was, and the other one has no machine"
        );
        helper.done(&json!({ "do": "detach", "vm": VM }));
        helper.done(&verb("withdraw-policy"));
        corner.ip("link del vpn");
    } else {
        assert_eq!(helper.refused(&publish), "MISSING");
    }
    for _ in 0..2 {
        helper.done(&verb("withdraw-names"));
        assert_eq!(describe(&corner), before);
    }
}

#[test]
fn the_one_power_that_it_has_is_over_the_network() {
    const NETWORK_ALONE: u64 = 1 << 12;
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let status = fs::read_to_string(format!("/proc/{}/status", helper.pid())).unwrap();
    for line in ["CapPrm", "CapEff", "CapBnd"] {
        let set = status.lines().find_map(|said| said.strip_prefix(line)).unwrap().trim_start_matches([':', '\t']);
        assert_eq!(u64::from_str_radix(set, 16).unwrap(), NETWORK_ALONE, "{line}");
    }
    helper.done(&attach(VM, 16, &[]));
}

fn owner_of_tap(corner: &Corner) -> Option<Kind> {
    corner.run(|| {
        let links = links::list(&Kernel::open().unwrap()).unwrap();
        links.into_iter().find(|link| link.name == "bgr0123456789ab").unwrap().kind
    })
}

/// Devices, addresses and ways, without what the kernel notices a while later: whether somebody is at the other end
fn describe(corner: &Corner) -> String {
    let show = |words: &'static [&str]| {
        let printed = corner.run(move || Command::new("ip").args(words).output().unwrap().stdout);
        String::from_utf8(printed).unwrap()
    };
    let devices = show(&["address"]);
    let lines = devices.lines().filter(|line| line.starts_with(' ')).map(str::trim);
    lines.map(|line| format!("{line}\n")).collect::<String>() + &show(&["route"]).replace(" linkdown", "")
}
