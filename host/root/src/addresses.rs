//! Where machines are. Every address follows from the number of a subnet and of a lease in it, so that nobody says one.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// None is in 172.16/12, where Docker takes its own, nor in 100.64/10, where VPNs do. Numbers are kept by daemons: one is
/// never given another meaning. `packages/contract/vectors/privileged.json` has the same.
const SUBNETS: [Ipv4Addr; 12] = [
    Ipv4Addr::new(10, 213, 64, 0),
    Ipv4Addr::new(10, 147, 112, 0),
    Ipv4Addr::new(10, 57, 160, 0),
    Ipv4Addr::new(10, 241, 32, 0),
    Ipv4Addr::new(10, 119, 208, 0),
    Ipv4Addr::new(192, 168, 144, 0),
    Ipv4Addr::new(192, 168, 208, 0),
    Ipv4Addr::new(192, 168, 176, 0),
    Ipv4Addr::new(192, 168, 112, 0),
    Ipv4Addr::new(198, 18, 64, 0),
    Ipv4Addr::new(198, 19, 192, 0),
    Ipv4Addr::new(198, 19, 32, 0),
];
const SUBNET_BITS: u8 = 20;
const GATEWAY: u32 = 1;
const NAMES: u32 = 2;
const LEASES: std::ops::RangeInclusive<u16> = 16..=4094;

/// The same on every tap, so that a machine that is a copy of another needs to learn nothing anew
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0x62, 0x67, 0x72, 0x00, 0x01];

/// One of the networks that machines may be in
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "u8")]
pub struct Subnet(u8);

impl Subnet {
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map_while(|number| Self::try_from(number).ok())
    }

    pub fn network(self) -> Network {
        Network { address: SUBNETS[usize::from(self.0)], bits: SUBNET_BITS }
    }

    /// What machines send to, and what the host's own packets to them come from
    pub fn gateway(self) -> Ipv4Addr {
        self.at(GATEWAY)
    }

    /// Where the daemon answers for names
    pub fn names(self) -> Ipv4Addr {
        self.at(NAMES)
    }

    pub fn address(self, lease: Lease) -> Ipv4Addr {
        self.at(u32::from(lease.0))
    }

    fn at(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.network().address) + offset)
    }
}

impl TryFrom<u8> for Subnet {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        if usize::from(number) < SUBNETS.len() { Ok(Self(number)) } else { Err("there is no such subnet") }
    }
}

/// A machine's place in a subnet
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "u16")]
pub struct Lease(u16);

impl TryFrom<u16> for Lease {
    type Error = &'static str;

    fn try_from(number: u16) -> Result<Self, Self::Error> {
        if LEASES.contains(&number) { Ok(Self(number)) } else { Err("there is no such lease") }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    pub address: Ipv4Addr,
    /// At most 32
    pub bits: u8,
}

impl Network {
    pub fn overlaps(self, other: Self) -> bool {
        let shared = u32::from(self.bits.min(other.bits));
        let mask = u32::MAX.checked_shl(32 - shared).unwrap_or(0);
        (u32::from(self.address) ^ u32::from(other.address)) & mask == 0
    }

    /// Those of 24 bits in it, by their first addresses.
    pub fn of_24_bits(self) -> impl Iterator<Item = Ipv4Addr> {
        let first = u32::from(self.address);
        (0..1_u32 << 24_u8.saturating_sub(self.bits)).map(move |number| Ipv4Addr::from(first + (number << 8)))
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(to, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_subnet_lies_where_others_take_theirs_or_over_another() {
        let foreign = [network([172, 16, 0, 0], 12), network([100, 64, 0, 0], 10), network([169, 254, 0, 0], 16)];
        let all: Vec<Network> = Subnet::all().map(Subnet::network).collect();
        assert_eq!(all.len(), SUBNETS.len());
        for (place, subnet) in all.iter().enumerate() {
            assert!(!foreign.iter().any(|network| network.overlaps(*subnet)), "{subnet}");
            assert!(!all[place + 1..].iter().any(|other| other.overlaps(*subnet)), "{subnet}");
            assert_eq!(u32::from(subnet.address) << SUBNET_BITS, 0, "{subnet} begins where it says");
        }
    }

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        let subnet = network([10, 213, 64, 0], 20);
        for (address, bits) in [([10, 0, 0, 0], 8), ([10, 213, 64, 0], 20), ([10, 213, 79, 255], 32), ([0, 0, 0, 0], 0)]
        {
            assert!(subnet.overlaps(network(address, bits)) && network(address, bits).overlaps(subnet), "{address:?}");
        }
        for (address, bits) in [([10, 213, 80, 0], 20), ([10, 213, 63, 255], 32), ([192, 0, 0, 0], 2)] {
            assert!(!subnet.overlaps(network(address, bits)), "{address:?}");
        }
    }

    #[test]
    fn a_subnet_is_sixteen_of_24_bits() {
        let first = Subnet::try_from(0).unwrap().network();
        let parts: Vec<Ipv4Addr> = first.of_24_bits().collect();
        assert_eq!((parts.len(), parts[0], parts[15]), (16, [10, 213, 64, 0].into(), [10, 213, 79, 0].into()));
    }

    fn network(address: [u8; 4], bits: u8) -> Network {
        Network { address: address.into(), bits }
    }
}
