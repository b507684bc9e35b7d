//! Where the host asks for names that end in `vm`.

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

/// What resolved is told of the device: nothing but names of machines is asked there, and only in this way.
const WORDS: [[&str; 3]; 5] = [
    ["domain", DEVICE, "~vm"],
    ["default-route", DEVICE, "no"],
    ["dnssec", DEVICE, "no"],
    ["llmnr", DEVICE, "no"],
    ["mdns", DEVICE, "no"],
];

/// Another address takes the place of the one that is there.
pub fn publish(kernel: &Kernel, subnet: Subnet) -> Result<Resolver, Refusal> {
    if published(kernel)?.is_some_and(|there| there != subnet) {
        withdraw(kernel)?;
    }
    routes::refuse_claimed(kernel, subnet)?;
    let outcome = set_up(kernel, subnet).and_then(|()| tell_resolver(subnet));
    if outcome.is_err() {
        withdraw(kernel)?;
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

pub fn published(kernel: &Kernel) -> Result<Option<Subnet>, Refusal> {
    let Some(link) = find(kernel)? else { return Ok(None) };
    let addresses = links::addresses(kernel, link.index).map_err(failed(DEVICE))?;
    Ok(Subnet::all().find(|subnet| addresses.contains(&subnet.names())))
}

pub fn resolver() -> Resolver {
    if Path::new(RESOLVED).exists() && Path::new(RESOLVECTL).exists() { Resolver::Resolved } else { Resolver::None }
}

fn set_up(kernel: &Kernel, subnet: Subnet) -> Result<(), Refusal> {
    if find(kernel)?.is_none() {
        links::make_dummy(kernel, DEVICE, ALIAS).map_err(|fault| match fault.raw_os_error() {
            Some(code) if code == rustix::io::Errno::OPNOTSUPP.raw_os_error() => {
                Refusal::new(Code::Missing, "this kernel makes no dummy devices")
            }
            _ => failed(DEVICE)(fault),
        })?;
    }
    let link = find(kernel)?.ok_or_else(|| Refusal::new(Code::Failed, format!("{DEVICE} is gone")))?;
    links::add_address(kernel, link.index, subnet.names()).map_err(failed(DEVICE))?;
    links::take_up(kernel, link.index).map_err(failed(DEVICE))
}

fn tell_resolver(subnet: Subnet) -> Result<Resolver, Refusal> {
    if resolver() == Resolver::Resolved {
        tell_of_device(subnet)?;
        for words in WORDS {
            run(RESOLVECTL, &words, b"")?;
        }
    }
    Ok(resolver())
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
