//! What somebody sends who means harm.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::process::{Resource, Rlimit, Uid, getrlimit, setrlimit};
use rustix::thread::set_thread_res_uid;
use serde_json::{Value, json};

use crate::corner::Corner;
use crate::helper::{Helper, OWNER, attach, send, verb};

#[test]
fn only_the_owner_and_root_are_heard() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    for (uid, is_heard) in [(OWNER, true), (0, true), (OWNER + 1, false), (65534, false)] {
        let answer = ask_as(uid, helper.socket(), b"{\"do\":\"list\"}\n");
        assert_eq!(answer.get("done").is_some(), is_heard, "{uid}: {answer}");
        assert!(is_heard || answer["refused"]["code"] == "NOT_ALLOWED");
    }
    assert!(helper.log().contains("uid 1001 pid"), "{}", helper.log());
}

#[test]
fn a_stranger_is_let_go_before_anything_is_read() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let answer = ask_as(OWNER + 1, helper.socket(), b"");
    assert_eq!(answer["refused"]["code"], "NOT_ALLOWED");
}

#[test]
fn what_is_no_request_changes_nothing() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let before = look(&corner);
    let attach = |vm: &str, subnet: Value, lease: Value, reach: Value| {
        json!({ "do": "attach", "vm": vm, "subnet": subnet, "lease": lease, "reach": reach }).to_string()
    };
    let good = "0123456789ab";
    for line in [
        attach("../../etc", json!(0), json!(16), json!([])),
        attach("01234/6789ab", json!(0), json!(16), json!([])),
        attach("0123456789AB", json!(0), json!(16), json!([])),
        attach("0123456789a", json!(0), json!(16), json!([])),
        attach("0123456789abc", json!(0), json!(16), json!([])),
        attach("0123456789a\u{0}", json!(0), json!(16), json!([])),
        attach("", json!(0), json!(16), json!([])),
        attach(good, json!(12), json!(16), json!([])),
        attach(good, json!(-1), json!(16), json!([])),
        attach(good, json!("0"), json!(16), json!([])),
        attach(good, json!(0), json!(15), json!([])),
        attach(good, json!(0), json!(4095), json!([])),
        attach(good, json!(0), json!(65552), json!([])),
        attach(good, json!(0), json!(16.5), json!([])),
        attach(good, json!(0), json!(16), json!(["everything"])),
        attach(good, json!(0), json!(16), json!(["0.0.0.0/0 accept"])),
        attach(good, json!(0), json!(16), json!("host")),
        json!({ "do": "attach", "vm": good, "subnet": 0, "lease": 16, "reach": [], "path": "/etc" }).to_string(),
        json!({ "do": "attach", "vm": good }).to_string(),
        format!("{{\"do\":\"detach\",\"vm\":\"{good}\",\"vm\":\"{good}\"}}"),
        json!({ "do": "sweep", "known": ["x"] }).to_string(),
        json!({ "do": "list", "more": 1 }).to_string(),
        json!({ "do": "run" }).to_string(),
        "{\"do\":\"list\"} {\"do\":\"list\"}".to_owned(),
        "list".to_owned(),
        "[".repeat(20_000),
        String::new(),
        "{}".to_owned(),
    ] {
        let answer: Value = serde_json::from_slice(&send(&helper.socket(), format!("{line}\n").as_bytes())).unwrap();
        assert_eq!(answer["refused"]["code"], "BAD_REQUEST", "{line}: {answer}");
    }
    for bytes in [&b"\xff\xfe\n"[..], b"{\"do\":\"list\"}\n{\"do\":\"list\"}\n"] {
        let answer: Value = serde_json::from_slice(&send(&helper.socket(), bytes)).unwrap();
        assert_eq!(answer["refused"]["code"], "BAD_REQUEST");
    }
    assert_eq!(look(&corner), before);
    assert!(helper.log().lines().all(|line| line.len() < 600), "nobody fills the journal");
}

#[test]
fn half_a_request_is_none() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let mut stream = UnixStream::connect(helper.socket()).unwrap();
    stream.write_all(b"{\"do\":\"attach\",\"vm\":\"0123456789ab\"").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut stream)["refused"]["code"], "BAD_REQUEST");
    let mut slow = UnixStream::connect(helper.socket()).unwrap();
    slow.write_all(b"{\"do\":").unwrap();
    assert_eq!(read_answer(&mut slow)["refused"]["code"], "TOO_SLOW");
}

#[test]
fn ten_megabytes_are_not_read() {
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let mut stream = UnixStream::connect(helper.socket()).unwrap();
    let much = vec![b' '; 10_000_000];
    assert!(stream.write_all(&much).is_err(), "it goes away in the middle");
    let peak_kib = helper.peak_kib();
    assert!(peak_kib < 8192, "{peak_kib} KiB");
    assert!(helper.log().contains("TooLong"), "{}", helper.log());
    // The longest that is a request
    let known: Vec<String> = (0..4079).map(|number| format!("{number:012x}")).collect();
    helper.done(&json!({ "do": "sweep", "known": known }));
}

#[test]
fn a_thousand_connections_are_answered_or_told_to_come_back() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let corner = Corner::new();
    let helper = Helper::start(&corner);
    let mut idle: Vec<UnixStream> = (0..1000).map(|_| UnixStream::connect(helper.socket()).unwrap()).collect();
    // From the last on: who asked before may have had a place for a moment more.
    let busy = idle.iter_mut().rev().map(read_answer).filter(|answer| answer["refused"]["code"] == "BUSY");
    assert_eq!(busy.take(984).count(), 984);
    drop(idle);
    // Those that are gone give their places back as soon as that is seen.
    while helper.ask(&verb("list"))["refused"]["code"] == "BUSY" {
        thread::yield_now();
    }
    helper.done(&attach("0123456789ab", 16, &[]));
}

#[test]
fn it_starts_for_an_owner_that_root_has_named_and_for_no_other() {
    let corner = Corner::new();
    let folder = std::env::temp_dir().join(format!("banger-root-install-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (socket, install) = (folder.join("socket"), folder.join("install.json"));
    let refuses = |text: &str, mode: &str| {
        std::fs::write(&install, text).unwrap();
        let chmod = std::process::Command::new("chmod").arg(mode).arg(&install).status().unwrap();
        assert!(chmod.success());
        let (socket, install) = (socket.clone(), install.clone());
        let output = corner.run(move || {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_banger-root"));
            command.arg("--socket").arg(socket).arg("--install").arg(install).output().unwrap()
        });
        std::fs::remove_file(folder.join("socket")).unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refuses("{\"owner\":{\"uid\":1000}}", "0646").contains("others than root"));
    assert!(refuses("{\"owner\":{\"uid\":0}}", "0644").contains("root owns no machines"));
    assert!(refuses("{}", "0644").contains("owner"));
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Of a thread that is this user's; nothing when it is let go without a word.
fn ask_as(uid: u32, socket: PathBuf, bytes: &'static [u8]) -> Value {
    let ask = move || {
        let uid = Some(Uid::from_raw(uid));
        set_thread_res_uid(uid, uid, uid).unwrap();
        let answer = send(Path::new(&socket), bytes);
        serde_json::from_slice(&answer).unwrap()
    };
    thread::spawn(ask).join().unwrap()
}

fn read_answer(stream: &mut UnixStream) -> Value {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn look(corner: &Corner) -> String {
    let devices = corner.run(|| std::process::Command::new("ip").args(["address"]).output().unwrap().stdout);
    String::from_utf8(devices).unwrap() + &corner.nft("list ruleset", "")
}
