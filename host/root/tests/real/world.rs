//! A host with all around it that a machine may want to reach, at addresses that nobody of this machine ever sends to.

use crate::corner::Corner;

pub const HOST: &str = "203.0.113.2";
pub const INTERNET: &str = "198.51.100.7";
pub const COMPANY: &str = "10.9.9.9";
pub const HOME: &str = "192.168.7.7";
pub const CARRIER: &str = "100.64.5.5";
pub const CONTAINER: &str = "172.17.0.5";
pub const METADATA: &str = "169.254.169.254";
pub const METADATA_ELSEWHERE: &str = "168.63.129.16";
pub const LINK_LOCAL: &str = "169.254.3.3";

pub struct World {
    pub host: Corner,
    pub outside: Corner,
}

impl World {
    /// The host passes packets on, and everything outside is one hop away.
    pub fn new() -> Self {
        let (host, outside) = (Corner::new(), Corner::new());
        host.ip(&format!(
            "link add eth0 type veth peer name eth0 netns {}
             addr add {HOST}/24 dev eth0
             link set eth0 up",
            outside.path()
        ));
        outside.ip("link set eth0 up
             addr add 203.0.113.1/24 dev eth0
             route add 10.213.64.0/20 via 203.0.113.2");
        for address in [INTERNET, COMPANY, HOME, CARRIER, CONTAINER, METADATA, METADATA_ELSEWHERE, LINK_LOCAL] {
            outside.ip(&format!("addr add {address}/32 dev lo"));
        }
        host.ip("route add default via 203.0.113.1");
        host.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
        Self { host, outside }
    }
}
