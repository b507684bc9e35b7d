//! Killed in the middle of each verb, wherever that is.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::corner::Corner;
use crate::helper::{Helper, attach, sweep, verb};

const VM: &str = "0123456789ab";
const OTHER: &str = "0123456789ac";
const RULES: &str = "
table ip filter {
    chain INPUT { type filter hook input priority filter; policy drop; }
    chain FORWARD { type filter hook forward priority filter; policy drop; }
}";
/// Over the time that the verb takes when nobody disturbs it
const POINTS: u32 = 8;

#[test]
fn a_sweep_takes_away_whatever_a_verb_left_when_its_helper_was_killed() {
    let corner = Corner::new();
    corner.nft("-f -", RULES);
    let before = look(&corner);
    let verbs: [(&[Value], Value); 5] = [
        (&[], attach(VM, 16, &["host"])),
        (&[attach(VM, 16, &[]), attach(OTHER, 17, &[])], json!({ "do": "detach", "vm": VM })),
        (&[], verb("apply-policy")),
        (&[verb("apply-policy")], verb("withdraw-policy")),
        (&[attach(VM, 16, &[])], sweep(&[])),
    ];
    for (first, request) in verbs {
        let whole = time_of(&corner, first, &request);
        for point in 0..POINTS {
            let mut helper = prepared(&corner, first);
            let mut stream = UnixStream::connect(helper.socket()).unwrap();
            stream.write_all(format!("{request}\n").as_bytes()).unwrap();
            thread::sleep(whole * point / POINTS);
            helper.kill();
            tidy(&corner);
            assert_eq!(look(&corner), before, "{request}, killed after {point} of {POINTS} of {whole:?}");
        }
    }
}

fn time_of(corner: &Corner, first: &[Value], request: &Value) -> Duration {
    let helper = prepared(corner, first);
    let began = Instant::now();
    helper.done(request);
    let whole = began.elapsed();
    drop(helper);
    tidy(corner);
    whole
}

fn prepared(corner: &Corner, first: &[Value]) -> Helper {
    let helper = Helper::start(corner);
    for request in first {
        helper.done(request);
    }
    helper
}

/// As the daemon does it when it comes up.
fn tidy(corner: &Corner) {
    let swept = Helper::start(corner).done(&sweep(&[]));
    assert_eq!(swept["held"], json!([]));
}

fn look(corner: &Corner) -> String {
    let show = |words: &'static [&str]| {
        corner.run(move || std::process::Command::new("ip").args(words).output().unwrap().stdout)
    };
    let devices = [show(&["-o", "address"]), show(&["route"])].concat();
    String::from_utf8(devices).unwrap() + &corner.nft("list ruleset", "")
}
