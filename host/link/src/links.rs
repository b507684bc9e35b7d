//! A hub of two ports, in words to the kernel: what comes in at one leaves by the other, whatever it says.

use std::io;

use banger_kernel::netlink::{ACKNOWLEDGE, NEW_ONLY, REQUEST, attribute, message};
use rustix::io::Errno;

use crate::kernel::Kernel;

const NEW_LINK: u16 = 16;
const LINK_NAME: u16 = 3;
const LINK_MTU: u16 = 4;
const LINK_MASTER: u16 = 10;
const LINK_QUEUE: u16 = 13;
const LINK_INFO: u16 = 18;
const LINK_FAMILIES: u16 = 26;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const BRIDGE_FORWARD_DELAY: u16 = 1;
const BRIDGE_AGEING: u16 = 4;
const BRIDGE_SPANNING_TREE: u16 = 5;
const BRIDGE_SNOOPING: u16 = 23;
const IPV6: u16 = 10;
const IPV6_ADDRESS_MODE: u16 = 8;
const NO_ADDRESS: u8 = 1;
const UP: u32 = 1;

const HUB: &str = "hub";
/// Ours to choose, as the namespace has nothing but what we make
const HUB_INDEX: u32 = 1000;
/// The most that a tap device may have, so that what passt sends in one piece gets in as it does with QEMU. The guest's own
/// device decides what the guest sends at most, and knows nothing of this.
const MTU: u32 = 65_521;

/// What each port holds of frames that nobody has taken yet, which bounds the kernel's memory
pub const QUEUE_FRAMES: u32 = 1000;
/// The kernel takes a place for free only together with up to 15 others that were taken after it.
const SPARE_FRAMES: u32 = 24;

pub fn connect(ports: [&str; 2]) -> io::Result<()> {
    let kernel = Kernel::open()?;
    kernel.change_link(&new_hub())?;
    for port in ports {
        keep_quiet(&kernel, port)?;
        kernel.change_link(&put_into_hub(port))?;
    }
    keep_quiet(&kernel, HUB)?;
    kernel.change_link(&take_up(HUB))
}

/// No frame of the namespace's own is to get to the guest or to passt: without an address it says nothing.
fn keep_quiet(kernel: &Kernel, name: &str) -> io::Result<()> {
    match kernel.change_link(&without_ipv6_address(name)) {
        // A host without IPv6
        Err(fault) if fault.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) => Ok(()),
        outcome => outcome,
    }
}

/// It learns nothing, since a guest has as many addresses as it likes, and its kernel's memory would fill with them.
fn new_hub() -> Vec<u8> {
    let data = [
        attribute(BRIDGE_FORWARD_DELAY, &0_u32.to_ne_bytes()),
        attribute(BRIDGE_AGEING, &0_u32.to_ne_bytes()),
        attribute(BRIDGE_SPANNING_TREE, &0_u32.to_ne_bytes()),
        attribute(BRIDGE_SNOOPING, &[0]),
    ];
    let info = [attribute(INFO_KIND, b"bridge"), attribute(INFO_DATA, &data.concat())];
    link(NEW_ONLY, HUB_INDEX, 0, &[attribute(LINK_NAME, HUB.as_bytes()), attribute(LINK_INFO, &info.concat())])
}

fn put_into_hub(port: &str) -> Vec<u8> {
    let settings = [(LINK_MTU, MTU), (LINK_QUEUE, QUEUE_FRAMES + SPARE_FRAMES), (LINK_MASTER, HUB_INDEX)];
    let settings = settings.map(|(kind, value)| attribute(kind, &value.to_ne_bytes())).concat();
    link(0, 0, UP, &[attribute(LINK_NAME, port.as_bytes()), settings])
}

fn take_up(name: &str) -> Vec<u8> {
    link(0, 0, UP, &[attribute(LINK_NAME, name.as_bytes())])
}

fn without_ipv6_address(name: &str) -> Vec<u8> {
    let mode = attribute(IPV6_ADDRESS_MODE, &[NO_ADDRESS]);
    link(0, 0, 0, &[attribute(LINK_NAME, name.as_bytes()), attribute(LINK_FAMILIES, &attribute(IPV6, &mode))])
}

/// `flags` are switched on, and no others changed.
fn link(how: u16, index: u32, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let header = [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), flags.to_ne_bytes()].concat();
    message(NEW_LINK, REQUEST | ACKNOWLEDGE | how, &[header, attributes.concat()].concat())
}
