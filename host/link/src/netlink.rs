//! What is said to the kernel about a network, and heard of it, in its own words (rtnetlink).

use std::net::Ipv4Addr;

use crate::arguments::Network;

const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_RULE: u16 = 32;
const ERROR: u16 = 2;
const DONE: u16 = 3;

pub const REQUEST: u16 = 0x1;
pub const ACKNOWLEDGE: u16 = 0x4;
const DUMP: u16 = 0x300;
pub const NEW_ONLY: u16 = 0x200 | 0x400;

const IPV4: u8 = 2;
/// In every namespace
const LOOPBACK_INDEX: u32 = 1;
const PROHIBIT: u8 = 8;
/// Before the routes that pasta copies from the host, and after what is local
const PRIORITY: u32 = 100;

const RULE_DESTINATION: u16 = 1;
const RULE_PRIORITY: u16 = 6;
const ADDRESS_LOCAL: u16 = 2;
const ADDRESS_LABEL: u16 = 3;

/// As those are called that root makes for machines with an address of their own, of which one subnet has this many bits
const MACHINES_DEVICE: &[u8] = b"bgr";
const MACHINES_BITS: u8 = 20;

const HEADER_BYTES: usize = 16;
const ADDRESS_HEADER_BYTES: usize = 8;
const ATTRIBUTE_HEADER_BYTES: usize = 4;

#[derive(Debug, PartialEq)]
pub enum Heard {
    /// An address of the host's, or the whole subnet in which it has machines
    Own(Network),
    /// Of what was asked for there is no more
    Done,
    /// How what was said went: a code of the system, 0 for well
    Outcome(i32),
}

/// Gives the loopback an address.
pub fn add_address(address: Ipv4Addr) -> Vec<u8> {
    let body =
        [&[IPV4, 32, 0, 0], &LOOPBACK_INDEX.to_ne_bytes()[..], &attribute(ADDRESS_LOCAL, &address.octets())].concat();
    message(NEW_ADDRESS, REQUEST | ACKNOWLEDGE | NEW_ONLY, &body)
}

/// Closes a network by a rule. A route would not do: pasta copies the host's routes, and a more specific one would win.
pub fn close(network: Network) -> Vec<u8> {
    let header = [IPV4, network.prefix, 0, 0, 0, 0, 0, PROHIBIT, 0, 0, 0, 0];
    let destination = attribute(RULE_DESTINATION, &network.address.octets());
    let priority = attribute(RULE_PRIORITY, &PRIORITY.to_ne_bytes());
    message(NEW_RULE, REQUEST | ACKNOWLEDGE | NEW_ONLY, &[&header[..], &destination, &priority].concat())
}

pub fn list_addresses() -> Vec<u8> {
    message(GET_ADDRESS, REQUEST | DUMP, &[IPV4, 0, 0, 0, 0, 0, 0, 0])
}

/// What one datagram says; what is not asked for here is left out.
pub fn parse(mut datagram: &[u8]) -> Vec<Heard> {
    let mut heard = Vec::new();
    while let Some((kind, body, rest)) = split_message(datagram) {
        heard.extend(match kind {
            NEW_ADDRESS => own_network(body).map(Heard::Own),
            DONE => Some(Heard::Done),
            ERROR => first_bytes(body).map(|code| Heard::Outcome(-i32::from_ne_bytes(code))),
            _ => None,
        });
        datagram = rest;
    }
    heard
}

pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX); // which the kernel refuses
    let no_sequence_and_port = [0; 8];
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &no_sequence_and_port, body].concat()
}

pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).unwrap_or(u16::MAX); // which the kernel refuses
    let mut attribute = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

fn split_message(datagram: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(first_bytes(datagram)?) as usize;
    let kind = u16::from_ne_bytes(first_bytes(datagram.get(4..)?)?);
    let body = datagram.get(HEADER_BYTES..length)?;
    Some((kind, body, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn own_network(body: &[u8]) -> Option<Network> {
    let attributes = body.get(ADDRESS_HEADER_BYTES..).filter(|_| body[0] == IPV4)?;
    let address = Ipv4Addr::from(find(attributes, ADDRESS_LOCAL).and_then(first_bytes::<4>)?);
    // What is sent to a machine from here would come from the host, to which machines listen.
    if !find(attributes, ADDRESS_LABEL).is_some_and(|label| label.starts_with(MACHINES_DEVICE)) {
        return Some(Network { address, prefix: 32 });
    }
    let subnet = u32::from(address) & (u32::MAX << (32 - MACHINES_BITS));
    Some(Network { address: subnet.into(), prefix: MACHINES_BITS })
}

/// None also for what stands behind one that is cut off.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(first_bytes(attributes)?));
        let kind = u16::from_ne_bytes(first_bytes(attributes.get(2..)?)?);
        let value = attributes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

fn first_bytes<const COUNT: usize>(bytes: &[u8]) -> Option<[u8; COUNT]> {
    bytes.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_heard_as_it_is_said() {
        let said = [add_address([172, 17, 0, 1].into()), message(DONE, 0, &[0; 4])].concat();
        assert_eq!(parse(&said), [Heard::Own("172.17.0.1/32".parse().unwrap()), Heard::Done]);
        assert_eq!(parse(&message(ERROR, 0, &(-17_i32).to_ne_bytes())), [Heard::Outcome(17)]);
    }

    #[test]
    fn an_address_for_machines_tells_where_all_of_them_are() {
        let of = |device: &str| {
            let label = attribute(ADDRESS_LABEL, &[device.as_bytes(), &[0]].concat());
            let body = [&add_address([10, 213, 77, 1].into())[HEADER_BYTES..], &label].concat();
            parse(&message(NEW_ADDRESS, 0, &body))
        };
        for device in ["bgr0123456789ab", "bgr-names"] {
            assert_eq!(of(device), [Heard::Own("10.213.64.0/20".parse().unwrap())], "{device}");
        }
        assert_eq!(of("eth0"), [Heard::Own("10.213.77.1/32".parse().unwrap())]);
    }

    #[test]
    fn what_is_closed_is_closed_by_a_rule() {
        let said = close("169.254.0.0/16".parse().unwrap());
        assert_eq!(said.len(), HEADER_BYTES + 12 + 8 + 8);
        assert_eq!(said[HEADER_BYTES..][..8], [IPV4, 16, 0, 0, 0, 0, 0, PROHIBIT]);
        assert_eq!(said[HEADER_BYTES + 16..][..4], [169, 254, 0, 0]);
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_left_out() {
        let whole = add_address([172, 17, 0, 1].into());
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), [], "{length}");
        }
        let mut other = whole.clone();
        other[HEADER_BYTES] = 10;
        assert_eq!(parse(&other), []);
        let endless = message(NEW_ADDRESS, 0, &[&[IPV4; 8][..], &[0; 8]].concat());
        assert_eq!(parse(&endless), []);
    }
}
