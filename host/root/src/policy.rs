//! What machines reach: one table of ours, as nft reads it. It drops, and what it drops nobody else lets through again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::addresses::{Lease, Network, Subnet};
use crate::words::{Reach, VmId};

pub const FAMILY: &str = "inet";
pub const TABLE: &str = "banger";

pub const METADATA: [Network; 6] = [
    network([169, 254, 169, 254], 32), // most clouds
    network([169, 254, 170, 2], 32),   // Amazon's, for containers
    network([169, 254, 170, 23], 32),  // the same, for pods
    network([100, 100, 100, 200], 32), // Alibaba's
    network([168, 63, 129, 16], 32),   // Azure's
    network([192, 0, 0, 192], 32),     // Oracle's
];
pub const LINK_LOCAL: [Network; 1] = [network([169, 254, 0, 0], 16)];
/// The networks of homes, companies, providers and VPNs, and all that machines may be in themselves
pub const PRIVATE: [Network; 5] = [
    network([10, 0, 0, 0], 8),
    network([172, 16, 0, 0], 12),
    network([192, 168, 0, 0], 16),
    network([100, 64, 0, 0], 10),
    network([198, 18, 0, 0], 15),
];
/// What is no single machine's: this host, groups, and what has no meaning
const NOWHERE: [Network; 4] =
    [network([0, 0, 0, 0], 8), network([127, 0, 0, 0], 8), network([224, 0, 0, 0], 4), network([240, 0, 0, 0], 4)];

#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    pub vm: VmId,
    pub subnet: Subnet,
    pub lease: Lease,
    pub reach: BTreeSet<Reach>,
}

/// The same text for the same machines. It replaces the table that is there, if one is, at once.
pub fn text(machines: &[Machine]) -> String {
    let sources = machines.iter().map(|machine| format!("{} . {}", quoted_tap(machine), address(machine)));
    let names: BTreeSet<_> = machines.iter().map(|machine| machine.subnet.names()).collect();
    let mut sets = String::new();
    for set in [
        set("sources", "ifname . ipv4_addr", sources),
        set("addresses", "ipv4_addr", machines.iter().map(address)),
        set("names", "ipv4_addr", names),
        network_set("metadata", &METADATA),
        network_set("link_local", &LINK_LOCAL),
        network_set("private", &PRIVATE),
        network_set("nowhere", &NOWHERE),
    ] {
        sets.push_str(&set);
    }
    for reach in Reach::ALL {
        let reaching = machines.iter().filter(|machine| machine.reach.contains(&reach));
        let name = format!("reach_{}", reach.word().replace('-', "_"));
        sets.push_str(&set(&name, "ifname", reaching.map(quoted_tap)));
    }
    format!("table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\ntable {FAMILY} {TABLE} {{\n{sets}{CHAINS}}}\n")
}

/// Makes no difference where there is none.
pub fn removal() -> String {
    format!("table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n")
}

const CHAINS: &str = r#"
    # Before anything else sees it: who says to be another is not heard, and nobody speaks IPv6.
    chain from_machines {
        type filter hook prerouting priority raw; policy accept;
        iifname != "bgr*" accept
        meta nfproto ipv6 drop
        iifname . ip saddr != @sources drop
    }

    # To the host itself: answers, names, and a ping that finds the gateway
    chain to_host {
        type filter hook input priority filter - 10; policy accept;
        iifname != "bgr*" accept
        ct state established,related accept
        ip daddr @names meta l4proto { tcp, udp } th dport 53 accept
        icmp type echo-request accept
        iifname @reach_host accept
        drop
    }

    # Through the host
    chain through_host {
        type filter hook forward priority filter - 10; policy accept;
        iifname "bgr*" oifname "bgr*" goto between
        iifname "bgr*" goto outward
        oifname "bgr*" goto inward
    }

    chain between {
        iifname @reach_machines oifname @reach_machines accept
        drop
    }

    chain outward {
        ip daddr @metadata iifname @reach_metadata accept
        ip daddr @metadata drop
        ip daddr @link_local iifname @reach_link_local accept
        ip daddr @link_local drop
        ip daddr @private iifname @reach_private accept
        ip daddr @private drop
        ip daddr @nowhere drop
    }

    # Nobody outside begins anything with a machine.
    chain inward {
        ct state established,related accept
        drop
    }

    # From the host itself: no IPv6
    chain from_host {
        type filter hook output priority filter - 10; policy accept;
        oifname "bgr*" meta nfproto ipv6 drop
    }

    # Outside nobody knows the addresses of machines.
    chain to_outside {
        type nat hook postrouting priority srcnat; policy accept;
        oifname != "bgr*" ip saddr @addresses masquerade
    }
"#;

fn set<Element: std::fmt::Display>(name: &str, kind: &str, elements: impl IntoIterator<Item = Element>) -> String {
    let elements: Vec<String> = elements.into_iter().map(|element| element.to_string()).collect();
    write_set(name, kind, "", &elements)
}

fn network_set(name: &str, networks: &[Network]) -> String {
    let elements: Vec<String> = networks.iter().map(ToString::to_string).collect();
    write_set(name, "ipv4_addr", " flags interval;", &elements)
}

fn write_set(name: &str, kind: &str, flags: &str, elements: &[String]) -> String {
    let mut text = format!("    set {name} {{ type {kind};{flags}");
    if !elements.is_empty() {
        let _ = write!(text, " elements = {{ {} }}", elements.join(", ")); // a string takes all
    }
    text.push_str(" }\n");
    text
}

fn quoted_tap(machine: &Machine) -> String {
    format!("\"{}\"", machine.vm.tap())
}

fn address(machine: &Machine) -> String {
    machine.subnet.address(machine.lease).to_string()
}

const fn network(address: [u8; 4], bits: u8) -> Network {
    let [a, b, c, d] = address;
    Network { address: std::net::Ipv4Addr::new(a, b, c, d), bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_one_source_and_what_it_may_reach() {
        let machine = Machine {
            vm: VmId::try_from("0123456789ab".to_owned()).unwrap(),
            subnet: Subnet::try_from(0).unwrap(),
            lease: Lease::try_from(16).unwrap(),
            reach: BTreeSet::from([Reach::Host, Reach::LinkLocal]),
        };
        let text = text(&[machine]);
        for line in [
            r#"set sources { type ifname . ipv4_addr; elements = { "bgr0123456789ab" . 10.213.64.16 } }"#,
            "set names { type ipv4_addr; elements = { 10.213.64.2 } }",
            r#"set reach_host { type ifname; elements = { "bgr0123456789ab" } }"#,
            r#"set reach_link_local { type ifname; elements = { "bgr0123456789ab" } }"#,
            "set reach_private { type ifname; }",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn every_subnet_is_private() {
        for subnet in Subnet::all() {
            assert!(PRIVATE.iter().any(|private| private.overlaps(subnet.network())), "{:?}", subnet.network());
        }
    }
}
