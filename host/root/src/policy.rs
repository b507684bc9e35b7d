//! What machines reach: one table of ours, as nft reads it. It drops, and what it drops nobody else lets through again.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::addresses::{Lease, Network, Subnet};
use crate::words::{Reach, VmId};

const FAMILY: &str = "inet";
const TABLE: &str = "banger";
/// Beside the policy, and kept where that is replaced, since it remembers what machines have used
const LIMITS_TABLE: &str = "banger_limits";
/// Of messages by which machines say at the link who they are
const LINK_FAMILY: &str = "arp";

/// Of the same machine, to where it asks for names, in a second and at once; the daemon hears half of it.
const QUESTIONS: (u32, u32) = (400, 800);
/// That one machine has begun, and of which the host remembers a few times ten thousand for all that it does
const CONNECTIONS: u32 = 8192;

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

/// The same text for the same machines. It replaces what is there of the policy, if something is, at once.
pub fn text(machines: &[Machine]) -> String {
    format!("{}{}{}", limits(), link_policy(machines), policy(machines)) // what stays is listed first
}

/// Makes no difference where there is none.
pub fn removal() -> String {
    ours().map(|(family, table)| format!("table {family} {table}\ndelete table {family} {table}\n")).concat()
}

pub fn is_ours(family: &str, table: &str) -> bool {
    ours().contains(&(family, table))
}

pub fn ours() -> [(&'static str, &'static str); 3] {
    [(FAMILY, TABLE), (LINK_FAMILY, TABLE), (FAMILY, LIMITS_TABLE)]
}

fn policy(machines: &[Machine]) -> String {
    let subnets: BTreeSet<Subnet> = machines.iter().map(|machine| machine.subnet).collect();
    let mut sets = String::new();
    for set in [
        sources(machines),
        set("addresses", "ipv4_addr", machines.iter().map(address)),
        set("gateways", "ipv4_addr", subnets.iter().map(|subnet| subnet.gateway())),
        set("names", "ipv4_addr", subnets.iter().map(|subnet| subnet.names())),
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

/// A host that remembered whoever a machine says to be would have room for nobody else.
fn link_policy(machines: &[Machine]) -> String {
    let sources = sources(machines);
    format!(
        r#"table {LINK_FAMILY} {TABLE}
delete table {LINK_FAMILY} {TABLE}
table {LINK_FAMILY} {TABLE} {{
{sources}
    chain from_machines {{
        type filter hook input priority filter; policy accept;
        iifname != "bgr*" accept
        iifname . arp saddr ip != @sources drop
    }}
}}
"#
    )
}

/// How much one machine may take of what all of the host has. Always the same: what is in the sets stays.
fn limits() -> String {
    let names: Vec<String> = Subnet::all().map(|subnet| subnet.names().to_string()).collect();
    let (names, (rate, burst)) = (names.join(", "), QUESTIONS);
    format!(
        r#"table {FAMILY} {LIMITS_TABLE}
flush table {FAMILY} {LIMITS_TABLE}
table {FAMILY} {LIMITS_TABLE} {{
    set asking {{ type ifname; size 65535; flags dynamic,timeout; timeout 1m; }}
    set connected {{ type ifname; size 65535; flags dynamic; }}

    chain questions {{
        type filter hook prerouting priority raw + 1; policy accept;
        iifname != "bgr*" accept
        ip daddr {{ {names} }} th dport 53 update @asking {{ iifname limit rate over {rate}/second burst {burst} packets }} drop
    }}

    chain to_host {{
        type filter hook input priority filter - 11; policy accept;
        iifname "bgr*" ct state new goto connections
    }}

    chain through_host {{
        type filter hook forward priority filter - 11; policy accept;
        iifname "bgr*" ct state new goto connections
    }}

    chain connections {{
        add @connected {{ iifname ct count over {CONNECTIONS} }} drop
    }}
}}
"#
    )
}

fn sources(machines: &[Machine]) -> String {
    let source = |machine: &Machine| format!("{} . {}", quoted_tap(machine), address(machine));
    set("sources", "ifname . ipv4_addr", machines.iter().map(source))
}

const CHAINS: &str = r#"
    # Before anything else sees it: who says to be another is not heard, nobody speaks IPv6, and nothing goes to a loopback
    # or to everybody, whatever else is allowed.
    chain from_machines {
        type filter hook prerouting priority raw; policy accept;
        iifname != "bgr*" accept
        meta nfproto ipv6 drop
        iifname . ip saddr != @sources drop
        ip daddr @nowhere drop
    }

    # To the host itself: answers, names, and a ping that finds the gateway. What a machine began is looked at again with each
    # packet: it may have begun while others loaded their rules anew, or while it was allowed to.
    chain to_host {
        type filter hook input priority filter - 10; policy accept;
        iifname != "bgr*" accept
        ct state established,related ct direction reply accept
        ip daddr @names meta l4proto { tcp, udp } th dport 53 accept
        ip daddr @gateways icmp type echo-request accept
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

    # What belongs to no connection is translated for nobody, and would leave under the address of its machine.
    chain outward {
        ct state invalid drop
        ip daddr @metadata iifname @reach_metadata accept
        ip daddr @metadata drop
        ip daddr @link_local iifname @reach_link_local accept
        ip daddr @link_local drop
        ip daddr @private iifname @reach_private accept
        ip daddr @private drop
    }

    # Nobody outside begins anything with a machine.
    chain inward {
        ct state established,related ct direction reply accept
        drop
    }

    # From the host itself: no IPv6, and nothing of what it tells to everybody on a link. An answer to a machine that the kernel
    # can place in no connection stays at the host's own address, and a reset for it would end what the machine began.
    chain from_host {
        type filter hook output priority filter - 10; policy accept;
        oifname != "bgr*" ct state invalid tcp flags & rst == rst drop
        oifname != "bgr*" accept
        meta nfproto ipv6 drop
        ip daddr @nowhere drop
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
