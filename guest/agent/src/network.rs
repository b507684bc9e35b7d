//! The machine's network: loopback, and interfaces with an address each; the first one leads out.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::boot_failure::{BootFailure, ToBootFailure};
use crate::command_line::InterfaceConfig;
use crate::sys;

pub fn configure(interfaces: &[InterfaceConfig]) -> Result<(), BootFailure> {
    const CODE: &str = "NETWORK_FAILED";
    sys::take_interface_up("lo").or_fail(CODE, "lo")?;
    let devices = wait_for_devices(interfaces.len()).ok_or_else(|| {
        BootFailure::new("NETWORK_DEVICE_MISSING", "the machine has fewer network interfaces than it was told")
    })?;
    for (config, device) in interfaces.iter().zip(&devices) {
        let netmask = netmask(config.prefix);
        sys::configure_interface(device, config.address, netmask).or_fail(CODE, device)?;
        if !is_on_link(config, netmask) {
            sys::add_route(device, Some(config.gateway), None).or_fail(CODE, "the route to the gateway")?;
        }
    }
    if let (Some(way_out), Some(device)) = (interfaces.first(), devices.first()) {
        sys::add_route(device, None, Some(way_out.gateway)).or_fail(CODE, "the default route")?;
    }
    keep_networkd_away(&devices);
    Ok(())
}

fn netmask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0))
}

fn is_on_link(config: &InterfaceConfig, netmask: Ipv4Addr) -> bool {
    let network = |address: Ipv4Addr| u32::from(address) & u32::from(netmask);
    network(config.address) == network(config.gateway)
}

/// The first interfaces with a device behind them.
fn wait_for_devices(count: usize) -> Option<Vec<String>> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let devices: Vec<String> = fs::read_dir("/sys/class/net")
            .ok()?
            .flatten()
            .filter(|entry| entry.path().join("device").exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        if devices.len() >= count {
            return Some(first_devices(devices, count));
        }
        if Instant::now() > deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// In the order in which the kernel found them, which numbers their names.
fn first_devices(mut devices: Vec<String>, count: usize) -> Vec<String> {
    devices.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
    devices.truncate(count);
    devices
}

/// systemd-networkd would take away what it does not know. It may also rename interfaces, so this goes by address.
fn keep_networkd_away(devices: &[String]) {
    let address = |device: &String| fs::read_to_string(format!("/sys/class/net/{device}/address")).ok();
    let addresses: Vec<String> = devices.iter().filter_map(address).map(|text| text.trim().to_owned()).collect();
    if addresses.is_empty() {
        return;
    }
    let folder = Path::new("/run/systemd/network");
    let unit = format!("[Match]\nMACAddress={}\n\n[Link]\nUnmanaged=yes\n", addresses.join(" "));
    // Only images with systemd read it; the others lose nothing if this fails.
    let _ = fs::create_dir_all(folder).and_then(|()| fs::write(folder.join("10-banger.network"), unit));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, prefix: u8, gateway: &str) -> InterfaceConfig {
        InterfaceConfig {
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
    #[test]
    fn interfaces_are_taken_in_the_order_of_their_numbers() {
        let devices = ["eth10", "eth2", "eth0"].map(str::to_owned).to_vec();
        assert_eq!(first_devices(devices.clone(), 2), ["eth0", "eth2"]);
        assert_eq!(first_devices(devices, 3), ["eth0", "eth2", "eth10"]);
    }
}
