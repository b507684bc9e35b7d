//! The ways that the host has already, which no machine's address may be in.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use banger_kernel::netlink::{DUMP, REQUEST, find, message, number};

use crate::addresses::{Network, Subnet};
use crate::answers::{Code, ListedSubnet, Refusal, failed};
use crate::kernel::Kernel;
use crate::links::{self, Link, as_address};
use crate::words::PREFIX;

const GET_ROUTE: u16 = 26;
const IPV4: u8 = 2;
const HEADER_BYTES: usize = 12;
const DESTINATION: u16 = 1;
const DEVICE: u16 = 4;

/// A wider route is one to everywhere, if only to half of it, as VPNs make them.
const LEAST_BITS: u8 = 8;
const IS_FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

pub struct Route {
    pub to: Network,
    /// None for one that leads nowhere
    pub device: Option<u32>,
}

/// The subnets, each with the route that has it.
pub fn claims(kernel: &Kernel) -> Result<Vec<ListedSubnet>, Refusal> {
    let routes = list(kernel).map_err(failed("reading the routes"))?;
    let links = links::list(kernel).map_err(failed("reading the devices"))?;
    Ok(Subnet::all().map(|subnet| ListedSubnet { subnet, claimed_by: claim(subnet, &routes, &links) }).collect())
}

pub fn refuse_claimed(kernel: &Kernel, subnet: Subnet) -> Result<(), Refusal> {
    let routes = list(kernel).map_err(failed("reading the routes"))?;
    let links = links::list(kernel).map_err(failed("reading the devices"))?;
    match claim(subnet, &routes, &links) {
        Some(route) => {
            let message = format!("the host has a route into {}: {route}", subnet.network());
            Err(Refusal::new(Code::SubnetClaimed, message))
        }
        None => Ok(()),
    }
}

/// Of any table, the addresses of the host among them.
pub fn list(kernel: &Kernel) -> io::Result<Vec<Route>> {
    let header = [IPV4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let request = message(GET_ROUTE, REQUEST | DUMP, &header);
    kernel.fold(&request, |routes: &mut Vec<Route>, body| routes.extend(read(body)))
}

pub fn claim(subnet: Subnet, routes: &[Route], links: &[Link]) -> Option<String> {
    let name =
        |route: &Route| links.iter().find(|link| Some(link.index) == route.device).map(|link| link.name.as_str());
    let is_ours = |route: &Route| name(route).is_some_and(|name| name.starts_with(PREFIX));
    let claims = |route: &&Route| route.to.bits >= LEAST_BITS && route.to.overlaps(subnet.network()) && !is_ours(route);
    let route = routes.iter().find(claims)?;
    Some(name(route).map_or_else(|| format!("{}", route.to), |name| format!("{} dev {name}", route.to)))
}

pub fn is_forwarding() -> bool {
    fs::read_to_string(IS_FORWARDING).is_ok_and(|text| text.trim() == "1")
}

fn read(body: &[u8]) -> Option<Route> {
    let said = body.get(HEADER_BYTES..)?;
    let address = find(said, DESTINATION).map_or(Some(Ipv4Addr::UNSPECIFIED), as_address)?;
    let bits = body.get(1).copied().filter(|bits| *bits <= 32)?;
    Some(Route { to: Network { address, bits }, device: find(said, DEVICE).and_then(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_into_a_subnet_claims_it_and_one_to_everywhere_does_not() {
        let subnet = Subnet::all().next().unwrap(); // 10.213.64.0/20
        let links = [link(2, "tun0"), link(3, "bgr0123456789ab")];
        let claim = |address: [u8; 4], bits, device| {
            claim(subnet, &[Route { to: Network { address: address.into(), bits }, device }], &links)
        };
        assert_eq!(claim([10, 0, 0, 0], 8, Some(2)), Some("10.0.0.0/8 dev tun0".to_owned()));
        assert_eq!(claim([10, 213, 70, 1], 32, None), Some("10.213.70.1/32".to_owned()));
        assert_eq!(claim([10, 213, 64, 16], 32, Some(3)), None, "it is a machine's");
        assert_eq!(claim([0, 0, 0, 0], 1, Some(2)), None, "a VPN takes everything, in two halves");
        assert_eq!(claim([0, 0, 0, 0], 0, Some(2)), None);
        assert_eq!(claim([10, 213, 80, 0], 20, Some(2)), None);
    }

    fn link(index: u32, name: &str) -> Link {
        Link { index, name: name.to_owned(), alias: None, has_carrier: true, kind: None }
    }
}
