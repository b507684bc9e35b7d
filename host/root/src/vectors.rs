//! The samples that both sides read: the daemon's words and these are the same.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::addresses::{GATEWAY_MAC, Lease, Subnet};
use crate::answers::{Answer, Code, Done, Listed, ListedSubnet, ListedTap, Refusal, Reported, Resolver};
use crate::policy;
use crate::serve::{MAX_REQUEST_BYTES, parse};
use crate::words::{Reach, VmId};

const VECTORS: &str = include_str!("../../../packages/contract/vectors/privileged.json");

#[test]
fn every_request_is_understood_and_said_again_the_same() {
    for request in each("requests") {
        let operation = parse(request.to_string().as_bytes()).unwrap_or_else(|_| panic!("{request}"));
        assert_eq!(serde_json::to_value(operation).unwrap(), request);
    }
}

#[test]
fn what_is_no_request_is_refused() {
    for request in each("refused") {
        let refusal = parse(request.to_string().as_bytes()).expect_err(&request.to_string());
        assert_eq!(refusal.code, Code::BadRequest, "{request}");
    }
}

/// Not the last word on a parser, but quick, and the same each time
#[test]
fn what_is_damaged_at_random_is_refused_or_means_what_it_says() {
    let mut state = 0x0BAD_5EED_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    let samples = [each("requests"), each("refused")].concat();
    for _ in 0..20_000 {
        let mut line = samples[random(samples.len())].to_string().into_bytes();
        for _ in 0..=random(3) {
            let place = random(line.len());
            match random(3) {
                0 => line[place] = u8::try_from(random(256)).unwrap(),
                1 => line.truncate(place + 1),
                _ => line.insert(place, b"\"{}[]:,0\\/"[random(10)]),
            }
        }
        if let Ok(operation) = parse(&line) {
            let said = serde_json::to_string(&operation).unwrap();
            assert_eq!(parse(said.as_bytes()).ok(), Some(operation));
            assert!(said.bytes().all(|byte| byte.is_ascii_graphic()), "{said}");
        }
    }
}

#[test]
fn what_is_answered_is_what_the_daemon_reads() {
    let (vm, other) = (vm("0123456789ab"), vm("ffffffffffff"));
    let (subnet, lease) = (Subnet::try_from(0).unwrap(), Lease::try_from(16).unwrap());
    let address = subnet.address(lease);
    let tap = |vm: &VmId, address, reach, is_held| ListedTap { vm: vm.clone(), address, reach, is_held };
    let claim = |number, route: Option<&str>| ListedSubnet {
        subnet: Subnet::try_from(number).unwrap(),
        claimed_by: route.map(str::to_owned),
    };
    let answers = [
        ("attach", Done::Attached { tap: vm.tap(), address, gateway: subnet.gateway() }),
        ("detach", Done::Nothing {}),
        ("publish-names", Done::NamesPublished { address: subnet.names(), resolver: Resolver::Resolved }),
        (
            "list",
            Done::Listed(Listed {
                taps: vec![tap(&vm, Some(address), vec![Reach::Host], true), tap(&other, None, vec![], false)],
                has_policy: true,
                accepted_in: vec!["ip filter".to_owned()],
                names: vec![subnet.names()],
                subnets: vec![claim(0, Some("10.0.0.0/8 dev tun0")), claim(5, None)],
            }),
        ),
        ("sweep", Done::Swept { detached: vec![vm], held: vec![other] }),
        (
            "report",
            Done::Reported(Reported {
                version: env!("CARGO_PKG_VERSION"),
                owner: 1000,
                is_forwarding: true,
                has_nft: true,
                resolver: Resolver::None,
                closed_tables: vec!["inet firewalld".to_owned()],
            }),
        ),
    ];
    for (verb, done) in answers {
        assert_eq!(json!(Answer::Done(done)), json!({ "done": vectors()["answers"][verb] }), "{verb}");
    }
}

#[test]
fn what_is_refused_has_a_code_that_the_daemon_knows() {
    const CODES: [Code; 11] = [
        Code::NotAllowed,
        Code::BadRequest,
        Code::TooLong,
        Code::TooSlow,
        Code::Busy,
        Code::SubnetClaimed,
        Code::LeaseTaken,
        Code::NotOurs,
        Code::InUse,
        Code::Missing,
        Code::Failed,
    ];
    assert_eq!(json!(CODES), vectors()["refusals"]);
    let answer = json!(Answer::Refused(Refusal::new(Code::Busy, "later")));
    assert_eq!(answer, json!({ "refused": { "code": "BUSY", "message": "later" } }));
}

#[test]
fn addresses_and_bounds_are_those_of_the_sample() {
    let vectors = vectors();
    assert_eq!(vectors["maxRequestBytes"], MAX_REQUEST_BYTES);
    assert_eq!(vectors["gatewayMac"], GATEWAY_MAC.map(|byte| format!("{byte:02x}")).join(":"));
    assert_eq!(vectors["subnets"], said(Subnet::all().map(Subnet::network)));
    for place in each("places") {
        let number = |key: &str| place[key].as_u64().unwrap();
        let subnet = Subnet::try_from(u8::try_from(number("subnet")).unwrap()).unwrap();
        let lease = Lease::try_from(u16::try_from(number("lease")).unwrap()).unwrap();
        let (address, gateway, names) = (subnet.address(lease), subnet.gateway(), subnet.names());
        let said = json!({ "subnet": subnet, "lease": lease, "address": address, "gateway": gateway, "names": names });
        assert_eq!(said, place);
    }
    let is_lease = |key: &str, away: i64| {
        let number = vectors["leases"][key].as_i64().unwrap() + away;
        Lease::try_from(u16::try_from(number).unwrap()).is_ok()
    };
    assert!(is_lease("min", 0) && is_lease("max", 0) && !is_lease("min", -1) && !is_lease("max", 1));
    for sample in each("taps") {
        assert_eq!(vm(sample["vm"].as_str().unwrap()).tap(), sample["tap"]);
    }
}

#[test]
fn what_is_closed_is_what_the_sample_says() {
    let closed = &vectors()["closed"];
    assert_eq!(closed["metadata"], said(policy::METADATA));
    assert_eq!(closed["linkLocal"], said(policy::LINK_LOCAL));
    assert_eq!(closed["private"], said(policy::PRIVATE));
}

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

fn each(key: &str) -> Vec<Value> {
    vectors()[key].as_array().unwrap().clone()
}

fn said<What: Display>(items: impl IntoIterator<Item = What>) -> Value {
    items.into_iter().map(|item| item.to_string()).collect()
}

fn vm(id: &str) -> VmId {
    VmId::try_from(id.to_owned()).unwrap()
}
