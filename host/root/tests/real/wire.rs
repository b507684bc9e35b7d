//! A guest that writes its frames by hand, at the end of a tap at which its hypervisor is.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};

use banger_kernel::sys::make_tap;
use banger_root::addresses::GATEWAY_MAC;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::corner::Corner;
use crate::helper::{Helper, OWNER, attach};
use crate::traffic::PATIENCE;

const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// Before each frame: nothing is asked of the device
const VIRTIO: [u8; 10] = [0; 10];
const IPV4: [u8; 2] = [0x08, 0x00];
const ARP: [u8; 2] = [0x08, 0x06];
const ETHERNET_BYTES: usize = 14;
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
/// More than an answer of the host's has
const FRAME_BYTES: usize = 4096;

pub struct Wire {
    end: File,
    pub tap: String,
    pub address: String,
}

impl Wire {
    /// Attached, and known to the host, which asks for nobody's place then.
    pub fn start(host: &Corner, helper: &Helper, vm: &str, lease: u16, reach: &[&str]) -> Self {
        let attached = helper.done(&attach(vm, lease, reach));
        let (tap, address) = (attached["tap"].as_str().unwrap(), attached["address"].as_str().unwrap());
        let name = tap.to_owned();
        let end = File::from(host.run(move || make_tap(&name, OWNER).unwrap()));
        host.ip(&format!("neigh replace {address} lladdr {} dev {tap}", said(MAC)));
        Self { end, tap: tap.to_owned(), address: address.to_owned() }
    }

    /// Asks at the link who has the gateway's address, and says to be this.
    pub fn ask_as(&self, sender: &str) {
        let question = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &MAC, &bytes(sender), &[0; 6], &bytes("10.213.64.1")].concat();
        self.write(&[[0xff; 6], MAC].concat(), ARP, &question);
    }

    /// One packet of this protocol.
    pub fn send(&self, from: &str, to: &str, protocol: u8, content: &[u8]) {
        let length = u16::try_from(20 + content.len()).unwrap().to_be_bytes();
        let before = [&[0x45, 0][..], &length, &[0, 0, 0, 0, 64, protocol]].concat();
        let addresses = [bytes(from), bytes(to)].concat();
        let sum = checksum(&[&before[..], &[0, 0], &addresses].concat());
        self.write(&[GATEWAY_MAC, MAC].concat(), IPV4, &[&before[..], &sum, &addresses, content].concat());
    }

    /// Without a checksum, which need not be there.
    pub fn say(&self, words: &str, from_port: u16, to: &str, to_port: u16) {
        let length = u16::try_from(8 + words.len()).unwrap();
        let header = [from_port, to_port, length, 0].map(u16::to_be_bytes).concat();
        self.send(&self.address, to, UDP, &[&header[..], words.as_bytes()].concat());
    }

    pub fn ping(&self, to: &str) {
        self.send(&self.address, to, ICMP, &[8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    }

    /// What the host sends, up to the first for which this holds: each without what is the link's.
    pub fn heard_until(&self, is_last: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        loop {
            let patience = Timespec::try_from(PATIENCE).unwrap();
            let ready = poll(&mut [PollFd::new(&self.end, PollFlags::IN)], Some(&patience)).unwrap();
            assert_eq!(ready, 1, "of the host is heard no more than {heard:?}");
            let mut frame = [0; FRAME_BYTES];
            let length = (&self.end).read(&mut frame).unwrap();
            let frame = frame[VIRTIO.len() + ETHERNET_BYTES..length].to_vec();
            let is_over = is_last(&frame);
            heard.push(frame);
            if is_over {
                return heard;
            }
        }
    }

    fn write(&self, ends: &[u8], kind: [u8; 2], content: &[u8]) {
        (&self.end).write_all(&[&VIRTIO, ends, &kind, content].concat()).unwrap();
    }
}

/// A segment with nothing in it, that says to be at a place of its stream at which nobody is.
pub fn segment(from: SocketAddrV4, to: SocketAddrV4, flags: u8) -> Vec<u8> {
    let ports = [from.port(), to.port()].map(u16::to_be_bytes).concat();
    let before = [&ports[..], &[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x50, flags, 0xff, 0xff]].concat();
    let pseudo = [&from.ip().octets()[..], &to.ip().octets(), &[0, TCP, 0, 20]].concat();
    let sum = checksum(&[&pseudo[..], &before].concat());
    [&before[..], &sum, &[0, 0]].concat()
}

fn bytes(address: &str) -> [u8; 4] {
    address.parse::<Ipv4Addr>().unwrap().octets()
}

fn said(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).unwrap()).to_be_bytes()
}
