//! Addresses, in words to the kernel: that there is one, that nobody gets to some, and which ones the host has.

use std::net::Ipv4Addr;

use banger_kernel::netlink::{ACKNOWLEDGE, DUMP, NEW_ONLY, REQUEST, attribute, find, first_bytes, message};

use crate::arguments::Network;

const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const NEW_RULE: u16 = 32;

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

const ADDRESS_HEADER_BYTES: usize = 8;

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

/// An address of the host's, or the whole subnet in which it has machines; None for what says something else.
pub fn own_network(kind: u16, body: &[u8]) -> Option<Network> {
    let attributes = body.get(ADDRESS_HEADER_BYTES..).filter(|_| kind == NEW_ADDRESS && body[0] == IPV4)?;
    let address = Ipv4Addr::from(find(attributes, ADDRESS_LOCAL).and_then(first_bytes::<4>)?);
    // What is sent to a machine from here would come from the host, to which machines listen.
    if !find(attributes, ADDRESS_LABEL).is_some_and(|label| label.starts_with(MACHINES_DEVICE)) {
        return Some(Network { address, prefix: 32 });
    }
    let subnet = u32::from(address) & (u32::MAX << (32 - MACHINES_BITS));
    Some(Network { address: subnet.into(), prefix: MACHINES_BITS })
}

#[cfg(test)]
mod tests {
    use banger_kernel::netlink::{self, Heard};

    use super::*;

    const HEADER_BYTES: usize = 16;

    #[test]
    fn an_address_is_heard_as_it_is_said() {
        let said = add_address([172, 17, 0, 1].into());
        assert_eq!(hear(&said), ["172.17.0.1/32".parse().unwrap()]);
    }

    #[test]
    fn an_address_for_machines_tells_where_all_of_them_are() {
        let of = |device: &str| {
            let label = attribute(ADDRESS_LABEL, &[device.as_bytes(), &[0]].concat());
            let body = [&add_address([10, 213, 77, 1].into())[HEADER_BYTES..], &label].concat();
            own_network(NEW_ADDRESS, &body)
        };
        for device in ["bgr0123456789ab", "bgr-names"] {
            assert_eq!(of(device), Some("10.213.64.0/20".parse().unwrap()), "{device}");
        }
        assert_eq!(of("eth0"), Some("10.213.77.1/32".parse().unwrap()));
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
            assert_eq!(hear(&whole[..length]), [], "{length}");
        }
        let mut other = whole.clone();
        other[HEADER_BYTES] = 10;
        assert_eq!(hear(&other), []);
        assert_eq!(hear(&close("169.254.0.0/16".parse().unwrap())), []);
        assert_eq!(own_network(NEW_ADDRESS, &[&[IPV4; 8][..], &[0; 8]].concat()), None, "it has no end");
    }

    fn hear(datagram: &[u8]) -> Vec<Network> {
        let heard = netlink::parse(datagram).into_iter();
        heard
            .filter_map(|what| if let Heard::Item(kind, body) = what { own_network(kind, &body) } else { None })
            .collect()
    }
}
