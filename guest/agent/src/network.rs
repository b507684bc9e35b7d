//! The machine's network: loopback, and one interface with an address and a default route.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::command_line::NetworkConfig;
use crate::sys;

pub fn configure(config: Option<&NetworkConfig>) -> Result<(), BootFailure> {
    const CODE: &str = "NETWORK_FAILED";
    sys::take_interface_up("lo").or_fail(CODE, "lo")?;
    let Some(config) = config else { return Ok(()) };
    let interface = wait_for_interface()
        .ok_or_else(|| BootFailure::new("NETWORK_DEVICE_MISSING", "the machine has no network interface"))?;
    let netmask = netmask(config.prefix);
    sys::configure_interface(&interface, config.address, netmask).or_fail(CODE, &interface)?;
    if !is_on_link(config, netmask) {
        sys::add_route(&interface, Some(config.gateway), None).or_fail(CODE, "the route to the gateway")?;
    }
    sys::add_route(&interface, None, Some(config.gateway)).or_fail(CODE, "the default route")?;
    keep_networkd_away(&interface);
    Ok(())
}

fn netmask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))
}

fn is_on_link(config: &NetworkConfig, netmask: Ipv4Addr) -> bool {
    let network = |address: Ipv4Addr| u32::from(address) & u32::from(netmask);
    network(config.address) == network(config.gateway)
}

/// The first interface with a device behind it.
fn wait_for_interface() -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let interfaces = fs::read_dir("/sys/class/net").ok()?.flatten();
        let first = interfaces
            .filter(|entry| entry.path().join("device").exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .min();
        if first.is_some() || Instant::now() > deadline {
            return first;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// systemd-networkd would take away what it does not know. It may also rename the interface, so this goes by address.
fn keep_networkd_away(interface: &str) {
    let Ok(mac) = fs::read_to_string(format!("/sys/class/net/{interface}/address")) else { return };
    let folder = Path::new("/run/systemd/network");
    let unit = format!("[Match]\nMACAddress={}\n\n[Link]\nUnmanaged=yes\n", mac.trim());
    // Only images with systemd read it; the others lose nothing if this fails.
    let _ = fs::create_dir_all(folder).and_then(|()| fs::write(folder.join("10-banger.network"), unit));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8, gateway: &str) -> NetworkConfig {
        NetworkConfig {
            address: address.parse().unwrap(),
            prefix,
            gateway: gateway.parse().unwrap(),
            dns: vec![],
            search: vec![],
        }
    }

    #[test]
    fn a_gateway_outside_the_network_needs_a_route_of_its_own() {
        let shared = network("10.0.2.15", 24, "10.0.2.2");
        assert!(is_on_link(&shared, netmask(shared.prefix)));
        let single = network("10.200.0.7", 32, "10.200.0.1");
        assert!(!is_on_link(&single, netmask(single.prefix)));
        assert_eq!(netmask(0), Ipv4Addr::UNSPECIFIED);
    }
}
