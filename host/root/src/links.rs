//! Network devices, in words to the kernel.

use std::io;
use std::net::Ipv4Addr;

use banger_kernel::netlink::{
    ACKNOWLEDGE, DUMP, NEW_ONLY, REPLACE, REQUEST, as_text, attribute, find, first_bytes, message, number, text,
};
use rustix::io::Errno;

use crate::kernel::Kernel;

const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_ROUTE: u16 = 24;

const LINK_MAC: u16 = 1;
const LINK_NAME: u16 = 3;
const LINK_INFO: u16 = 18;
const LINK_ALIAS: u16 = 20;
const LINK_FAMILIES: u16 = 26;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const TUN_OWNER: u16 = 1;
const TUN_KIND: u16 = 3;
const TAP: u8 = 2;

const IPV4: u8 = 2;
const IPV6: u16 = 10;
const IPV6_ADDRESS_MODE: u16 = 8;
const NO_ADDRESS: u8 = 1;
const IPV4_SETTINGS: u16 = 1;
const ACCEPT_REDIRECTS: u16 = 4;
const SEND_REDIRECTS: u16 = 6;
const ARP_IGNORE: u16 = 19;

const ADDRESS_LOCAL: u16 = 2;
const ROUTE_DESTINATION: u16 = 1;
const ROUTE_DEVICE: u16 = 4;
const ROUTE_SOURCE: u16 = 7;
const MAIN_TABLE: u8 = 254;
const BY_AN_ADMINISTRATOR: u8 = 4;
const LINK_SCOPE: u8 = 253;
const UNICAST: u8 = 1;

const UP: u32 = 1;
const LOWER_UP: u32 = 0x1_0000;
const LINK_HEADER_BYTES: usize = 16;
const ADDRESS_HEADER_BYTES: usize = 8;

pub struct Link {
    pub index: u32,
    pub name: String,
    /// What its maker wrote on it
    pub alias: Option<String>,
    /// Somebody is at the other end
    pub has_carrier: bool,
    pub kind: Option<Kind>,
}

#[derive(Debug, PartialEq)]
pub enum Kind {
    Tap { owner: Option<u32> },
    Other(String),
}

pub fn list(kernel: &Kernel) -> io::Result<Vec<Link>> {
    let request = message(GET_LINK, REQUEST | DUMP, &[0; LINK_HEADER_BYTES]);
    kernel.fold(&request, |links: &mut Vec<Link>, body| links.extend(read_link(body)))
}

/// Before it is up: who it is to a machine, and that it says nothing by itself.
pub fn set_up_tap(kernel: &Kernel, name: &str, mac: [u8; 6], alias: &str) -> io::Result<()> {
    match kernel.ask(&link(0, 0, 0, &[text(LINK_NAME, name), without_ipv6_address()])) {
        // A host without IPv6
        Err(fault) if fault.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) => {}
        outcome => outcome?,
    }
    kernel.ask(&link(0, 0, 0, &[text(LINK_NAME, name), attribute(LINK_MAC, &mac), set_alias(alias), ipv4_settings()]))
}

pub fn write_alias(kernel: &Kernel, name: &str, alias: &str) -> io::Result<()> {
    kernel.ask(&link(0, 0, 0, &[text(LINK_NAME, name), set_alias(alias)]))
}

/// A device that leads nowhere, and is there for its address.
pub fn make_dummy(kernel: &Kernel, name: &str, alias: &str) -> io::Result<()> {
    let info = attribute(LINK_INFO, &text(INFO_KIND, "dummy"));
    kernel.ask(&link(NEW_ONLY, 0, 0, &[text(LINK_NAME, name), set_alias(alias), info]))
}

pub fn take_up(kernel: &Kernel, index: u32) -> io::Result<()> {
    kernel.ask(&link(0, index, UP, &[]))
}

pub fn remove(kernel: &Kernel, index: u32) -> io::Result<()> {
    let header = [[0; 4], index.to_ne_bytes(), [0; 4], [0; 4]].concat();
    kernel.ask(&message(DELETE_LINK, REQUEST | ACKNOWLEDGE, &header))
}

/// Safe to repeat.
pub fn add_address(kernel: &Kernel, index: u32, address: Ipv4Addr) -> io::Result<()> {
    let header = [&[IPV4, 32, 0, 0], &index.to_ne_bytes()[..]].concat();
    let body = [header, attribute(ADDRESS_LOCAL, &address.octets())].concat();
    kernel.ask(&message(NEW_ADDRESS, REQUEST | ACKNOWLEDGE | REPLACE, &body))
}

/// The addresses of one device.
pub fn addresses(kernel: &Kernel, index: u32) -> io::Result<Vec<Ipv4Addr>> {
    let read = |body: &[u8]| {
        let is_of_device = body.get(4..).and_then(number) == Some(index);
        find(body.get(ADDRESS_HEADER_BYTES..)?, ADDRESS_LOCAL).filter(|_| is_of_device).and_then(as_address)
    };
    let request = message(GET_ADDRESS, REQUEST | DUMP, &[IPV4, 0, 0, 0, 0, 0, 0, 0]);
    kernel.fold(&request, |addresses: &mut Vec<Ipv4Addr>, body| addresses.extend(read(body)))
}

/// A host's way to one machine. Fails where somebody has one to the same address.
pub fn add_route(kernel: &Kernel, index: u32, to: Ipv4Addr, from: Ipv4Addr) -> io::Result<()> {
    let header = [IPV4, 32, 0, 0, MAIN_TABLE, BY_AN_ADMINISTRATOR, LINK_SCOPE, UNICAST, 0, 0, 0, 0];
    let body = [
        &header[..],
        &attribute(ROUTE_DESTINATION, &to.octets()),
        &attribute(ROUTE_DEVICE, &index.to_ne_bytes()),
        &attribute(ROUTE_SOURCE, &from.octets()),
    ];
    kernel.ask(&message(NEW_ROUTE, REQUEST | ACKNOWLEDGE | NEW_ONLY, &body.concat()))
}

pub fn as_address(value: &[u8]) -> Option<Ipv4Addr> {
    first_bytes::<4>(value).map(Ipv4Addr::from)
}

/// `flags` are switched on, and no others changed.
fn link(how: u16, index: u32, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
    let header = [[0; 4], index.to_ne_bytes(), flags.to_ne_bytes(), flags.to_ne_bytes()].concat();
    message(NEW_LINK, REQUEST | ACKNOWLEDGE | how, &[header, attributes.concat()].concat())
}

fn set_alias(alias: &str) -> Vec<u8> {
    attribute(LINK_ALIAS, alias.as_bytes())
}

fn without_ipv6_address() -> Vec<u8> {
    let mode = attribute(IPV6_ADDRESS_MODE, &[NO_ADDRESS]);
    attribute(LINK_FAMILIES, &attribute(IPV6, &mode))
}

/// The host tells a machine neither of its other addresses nor of other ways, and believes it no way.
fn ipv4_settings() -> Vec<u8> {
    let settings = [(ARP_IGNORE, 1_u32), (SEND_REDIRECTS, 0), (ACCEPT_REDIRECTS, 0)];
    let settings = settings.map(|(which, value)| attribute(which, &value.to_ne_bytes())).concat();
    attribute(LINK_FAMILIES, &attribute(u16::from(IPV4), &attribute(IPV4_SETTINGS, &settings)))
}

fn read_link(body: &[u8]) -> Option<Link> {
    let flags = number(body.get(8..)?)?;
    let said = body.get(LINK_HEADER_BYTES..)?;
    Some(Link {
        index: number(body.get(4..)?)?,
        name: find(said, LINK_NAME).and_then(as_text)?.to_owned(),
        alias: find(said, LINK_ALIAS).and_then(as_text).map(str::to_owned),
        has_carrier: flags & LOWER_UP != 0,
        kind: find(said, LINK_INFO).and_then(read_kind),
    })
}

fn read_kind(info: &[u8]) -> Option<Kind> {
    let kind = find(info, INFO_KIND).and_then(as_text)?;
    let data = find(info, INFO_DATA).unwrap_or_default();
    let is_tap = kind == "tun" && find(data, TUN_KIND) == Some(&[TAP]);
    let owner = find(data, TUN_OWNER).and_then(number);
    Some(if is_tap { Kind::Tap { owner } } else { Kind::Other(kind.to_owned()) })
}
