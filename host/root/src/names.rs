//! Where the host asks for names that end in `vm`.

use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::addresses::Subnet;
use crate::answers::{Code, Refusal, Resolver, failed};
use crate::kernel::Kernel;
use crate::links::{self, Kind, Link};
use crate::program::run;
use crate::routes;

/// systemd-resolved asks nobody behind a device that leads nowhere or has no one at its other end, unless it is a dummy.
const DEVICE: &str = "bgr-names";
const ALIAS: &str = "banger: names of machines";
const RESOLVECTL: &str = "/usr/bin/resolvectl";
/// There while systemd-resolved runs
const RESOLVED: &str = "/run/systemd/resolve/io.systemd.Resolve";

const HEARS_WITHIN: Duration = Duration::from_secs(2);
const HEARS_PAUSE: Duration = Duration::from_millis(50);

/// How resolved asks there, whatever it was told for everywhere else
const WORDS: [[&str; 3]; 5] = [
    ["default-route", DEVICE, "no"],
    ["dnssec", DEVICE, "no"],
    ["dnsovertls", DEVICE, "no"],
    ["llmnr", DEVICE, "no"],
    ["mdns", DEVICE, "no"],
];

/// `used` are those that machines are in, which ask at the address of theirs. Those of others go.
pub fn publish(kernel: &Kernel, subnet: Subnet, used: &BTreeSet<Subnet>) -> Result<Resolver, Refusal> {
    let there = published(kernel)?;
    if !there.contains(&subnet) && !used.contains(&subnet) {
        routes::refuse_claimed(kernel, subnet)?;
    }
    let wanted: BTreeSet<Subnet> = used.iter().copied().chain([subnet]).collect();
    if !there.is_subset(&wanted) {
        withdraw(kernel)?;
    }
    let outcome = set_up(kernel, &wanted).and_then(|()| tell_resolver(subnet));
    if outcome.is_err() && there.is_empty() {
        withdraw(kernel)?; // else machines ask there, whatever the host does
    }
    outcome
}

/// What resolved knows of a device goes with the device.
pub fn withdraw(kernel: &Kernel) -> Result<(), Refusal> {
    match find(kernel)? {
        Some(link) => links::remove(kernel, link.index).map_err(failed(DEVICE)),
        None => Ok(()),
    }
}

pub fn published(kernel: &Kernel) -> Result<BTreeSet<Subnet>, Refusal> {
    let Some(link) = find(kernel)? else { return Ok(BTreeSet::new()) };
    let addresses = links::addresses(kernel, link.index).map_err(failed(DEVICE))?;
    Ok(Subnet::all().filter(|subnet| addresses.contains(&subnet.names())).collect())
}

pub fn resolver() -> Resolver {
    if Path::new(RESOLVED).exists() && Path::new(RESOLVECTL).exists() { Resolver::Resolved } else { Resolver::None }
}

fn set_up(kernel: &Kernel, subnets: &BTreeSet<Subnet>) -> Result<(), Refusal> {
    if find(kernel)?.is_none() {
        links::make_dummy(kernel, DEVICE, ALIAS).map_err(|fault| match fault.raw_os_error() {
            Some(code) if code == rustix::io::Errno::OPNOTSUPP.raw_os_error() => {
                Refusal::new(Code::Missing, "this kernel makes no dummy devices")
            }
            _ => failed(DEVICE)(fault),
        })?;
    }
    let link = find(kernel)?.ok_or_else(|| Refusal::new(Code::Failed, format!("{DEVICE} is gone")))?;
    for subnet in subnets {
        links::add_address(kernel, link.index, subnet.names()).map_err(failed(DEVICE))?;
    }
    links::take_up(kernel, link.index).map_err(failed(DEVICE))
}

fn tell_resolver(subnet: Subnet) -> Result<Resolver, Refusal> {
    if resolver() == Resolver::Resolved {
        tell_of_device(subnet)?;
        let domains = domains(subnet);
        run(
            RESOLVECTL,
            &["domain", DEVICE].into_iter().chain(domains.iter().map(String::as_str)).collect::<Vec<_>>(),
            b"",
        )?;
        for words in WORDS {
            run(RESOLVECTL, &words, b"")?;
        }
    }
    Ok(resolver())
}

/// What resolved asks there and nowhere else: names of machines, and whose an address of theirs is
fn domains(subnet: Subnet) -> Vec<String> {
    let addresses = subnet.network().of_24_bits().map(|network| {
        let [a, b, c, _] = network.octets();
        format!("~{c}.{b}.{a}.in-addr.arpa")
    });
    ["~vm".to_owned()].into_iter().chain(addresses).collect()
}

/// resolved hears of a device a moment after it is made, and says to nobody when.
fn tell_of_device(subnet: Subnet) -> Result<(), Refusal> {
    let address = subnet.names().to_string();
    let tell = || run(RESOLVECTL, &["dns", DEVICE, &address], b"").map(drop);
    for _ in 0..HEARS_WITHIN.as_millis() / HEARS_PAUSE.as_millis() {
        if tell().is_ok() {
            return Ok(());
        }
        thread::sleep(HEARS_PAUSE);
    }
    tell()
}

fn find(kernel: &Kernel) -> Result<Option<Link>, Refusal> {
    let links = links::list(kernel).map_err(failed("reading the devices"))?;
    match links.into_iter().find(|link| link.name == DEVICE) {
        Some(link) if link.kind == Some(Kind::Other("dummy".to_owned())) => Ok(Some(link)),
        Some(_) => Err(Refusal::new(Code::NotOurs, format!("{DEVICE} is no dummy device"))),
        None => Ok(None),
    }
}
