//! Stands in for a hypervisor with a guest: it holds the tap, and behind it is a namespace with a device of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::thread;

use banger_kernel::sys::make_tap;

use crate::corner::Corner;
use crate::helper::{Helper, OWNER, attach};

const FRAME_BYTES: usize = 70_000;

pub struct Machine {
    pub guest: Corner,
    pub tap: String,
    pub address: String,
}

impl Machine {
    /// Attached, started, and with the network that its agent would set up.
    pub fn start(host: &Corner, helper: &Helper, vm: &str, lease: u16, reach: &[&str]) -> Self {
        let attached = helper.done(&attach(vm, lease, reach));
        let (tap, address) = (attached["tap"].as_str().unwrap(), attached["address"].as_str().unwrap());
        let gateway = attached["gateway"].as_str().unwrap();
        let guest = Corner::new();
        let name = tap.to_owned();
        let theirs = File::from(host.run(move || make_tap(&name, OWNER).unwrap()));
        let ours = File::from(guest.run(|| make_tap("eth0", 0).unwrap()));
        carry(&theirs, &ours);
        carry(&ours, &theirs);
        guest.ip(&format!(
            "addr add {address}/32 dev eth0
             link set eth0 up
             route add {gateway} dev eth0 scope link
             route add default via {gateway} src {address}"
        ));
        Self { guest, tap: tap.to_owned(), address: address.to_owned() }
    }
}

/// Until one of the devices is gone.
fn carry(from: &File, to: &File) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut frame = vec![0; FRAME_BYTES];
        while let Ok(length) = from.read(&mut frame) {
            let _ = to.write_all(&frame[..length]); // a device that is down takes nothing
        }
    });
}
