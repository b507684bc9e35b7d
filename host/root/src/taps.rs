//! A tap for each machine, with nobody at its end but the owner's hypervisor. What a tap is for is written on it, so that
//! there is no other list to keep.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;

use banger_kernel::sys;
use serde::{Deserialize, Serialize};

use crate::addresses::{GATEWAY_MAC, Lease, Network, Subnet};
use crate::answers::{Code, ListedTap, Refusal, failed};
use crate::firewall::Firewall;
use crate::kernel::Kernel;
use crate::links::{self, Kind, Link};
use crate::policy::Machine;
use crate::routes;
use crate::words::{Reach, VmId};

const MARK: &str = "banger ";

pub struct Taps {
    owner: u32,
    kernel: Kernel,
}

struct Tap {
    vm: VmId,
    owner: Option<u32>,
    link: Link,
    /// None for one that was never finished
    purpose: Option<Purpose>,
}

/// As it is written on the tap
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Purpose {
    subnet: Subnet,
    lease: Lease,
    reach: BTreeSet<Reach>,
}

impl Taps {
    pub fn new(owner: u32, kernel: Kernel) -> Self {
        Self { owner, kernel }
    }

    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Returns the name of the tap. It lasts only once all is done: until then the kernel removes it together with this
    /// process.
    pub fn attach(
        &self,
        firewall: &mut Firewall,
        vm: &VmId,
        subnet: Subnet,
        lease: Lease,
        reach: &[Reach],
    ) -> Result<String, Refusal> {
        let purpose = Purpose { subnet, lease, reach: reach.iter().copied().collect() };
        let taps = self.read()?;
        refuse_taken(&taps, vm, &purpose)?;
        let there = taps.iter().find(|tap| tap.vm == *vm);
        match there {
            Some(tap) if self.is_as_wanted(tap, &purpose) => self.renew(firewall, tap, &purpose)?,
            _ => self.make(firewall, vm, &purpose, there)?,
        }
        Ok(vm.tap())
    }

    pub fn detach(&self, firewall: &mut Firewall, vm: &VmId) -> Result<(), Refusal> {
        let taps = self.read()?;
        let Some(tap) = taps.iter().find(|tap| tap.vm == *vm) else { return Ok(()) };
        links::remove(&self.kernel, tap.link.index).map_err(failed(&tap.link.name))?;
        firewall.assert(&self.machines()?)
    }

    /// Returns what was detached, and what was not, as a hypervisor holds it.
    pub fn sweep(&self, firewall: &mut Firewall, known: &[VmId]) -> Result<(Vec<VmId>, Vec<VmId>), Refusal> {
        let unknown = self.read()?.into_iter().filter(|tap| !known.contains(&tap.vm));
        let (held, idle): (Vec<Tap>, Vec<Tap>) = unknown.partition(|tap| tap.link.has_carrier);
        for tap in &idle {
            links::remove(&self.kernel, tap.link.index).map_err(failed(&tap.link.name))?;
        }
        let machines = self.machines()?;
        if self.read()?.is_empty() {
            firewall.withdraw(&[])?;
        } else {
            firewall.assert(&machines)?;
        }
        let ids = |taps: Vec<Tap>| taps.into_iter().map(|tap| tap.vm).collect();
        Ok((ids(idle), ids(held)))
    }

    pub fn machines(&self) -> Result<Vec<Machine>, Refusal> {
        Ok(self.read()?.into_iter().filter_map(|tap| Some(as_machine(tap.vm, tap.purpose?))).collect())
    }

    pub fn list(&self) -> Result<Vec<ListedTap>, Refusal> {
        let as_listed = |tap: Tap| ListedTap {
            vm: tap.vm,
            address: tap.purpose.as_ref().map(Purpose::address),
            reach: tap.purpose.map(|purpose| purpose.reach.into_iter().collect()).unwrap_or_default(),
            is_held: tap.link.has_carrier,
        };
        Ok(self.read()?.into_iter().map(as_listed).collect())
    }

    /// In place of the one that is there for somebody else, or at another address.
    fn make(&self, firewall: &mut Firewall, vm: &VmId, purpose: &Purpose, old: Option<&Tap>) -> Result<(), Refusal> {
        let name = vm.tap();
        routes::refuse_claimed(&self.kernel, purpose.subnet)?;
        if let Some(Tap { link, .. }) = old {
            refuse_held(link)?;
            links::remove(&self.kernel, link.index).map_err(failed(&name))?;
        }
        let device = sys::make_tap(&name, self.owner).map_err(|fault| match fault.kind() {
            io::ErrorKind::AlreadyExists => Refusal::new(Code::NotOurs, format!("{name} is a device that is no tap")),
            _ => failed(&name)(fault),
        })?;
        links::set_up_tap(&self.kernel, &name, GATEWAY_MAC, &purpose.written()).map_err(failed(&name))?;
        // Before it is up: there is no moment in which a machine reaches everything.
        firewall.assert(&self.machines()?)?;
        self.lead_to(vm, purpose)?;
        sys::keep_tap(&device).map_err(failed(&name))
    }

    /// What a machine may reach changes while it runs; the rest is there, or is put back.
    fn renew(&self, firewall: &mut Firewall, tap: &Tap, purpose: &Purpose) -> Result<(), Refusal> {
        if tap.purpose.as_ref() != Some(purpose) {
            links::write_alias(&self.kernel, &tap.link.name, &purpose.written()).map_err(failed(&tap.link.name))?;
        }
        firewall.assert(&self.machines()?)?;
        self.lead_to(&tap.vm, purpose)
    }

    fn is_as_wanted(&self, tap: &Tap, purpose: &Purpose) -> bool {
        tap.owner == Some(self.owner) && is_same_place(tap, purpose)
    }

    fn lead_to(&self, vm: &VmId, purpose: &Purpose) -> Result<(), Refusal> {
        let name = vm.tap();
        let links = links::list(&self.kernel).map_err(failed(&name))?;
        let link = links.iter().find(|link| link.name == name);
        let index = link.ok_or_else(|| Refusal::new(Code::Failed, format!("{name} is gone")))?.index;
        let gateway = purpose.subnet.gateway();
        links::add_address(&self.kernel, index, gateway).map_err(failed(&name))?;
        links::take_up(&self.kernel, index).map_err(failed(&name))?;
        let to = Network { address: purpose.address(), bits: 32 };
        let routes = routes::list(&self.kernel).map_err(failed(&name))?;
        if routes.iter().any(|route| route.to == to && route.device == Some(index)) {
            return Ok(());
        }
        links::add_route(&self.kernel, index, to.address, gateway).map_err(failed(&format!("the route to {name}")))
    }

    /// Those of an earlier owner too. What has such a name and is no tap is not ours.
    fn read(&self) -> Result<Vec<Tap>, Refusal> {
        let links = links::list(&self.kernel).map_err(failed("reading the devices"))?;
        Ok(links.into_iter().filter_map(as_tap).collect())
    }
}

fn as_tap(link: Link) -> Option<Tap> {
    let Some(Kind::Tap { owner }) = link.kind else { return None };
    let purpose = link.alias.as_deref().and_then(Purpose::read);
    Some(Tap { vm: VmId::of_tap(&link.name)?, owner, link, purpose })
}

impl Purpose {
    fn address(&self) -> Ipv4Addr {
        self.subnet.address(self.lease)
    }

    fn written(&self) -> String {
        format!("{MARK}{}", serde_json::json!(self))
    }

    fn read(alias: &str) -> Option<Self> {
        serde_json::from_str(alias.strip_prefix(MARK)?).ok()
    }
}

fn refuse_taken(taps: &[Tap], vm: &VmId, purpose: &Purpose) -> Result<(), Refusal> {
    match taps.iter().find(|tap| tap.vm != *vm && is_same_place(tap, purpose)) {
        Some(tap) => {
            Err(Refusal::new(Code::LeaseTaken, format!("{} is the address of {}", purpose.address(), tap.link.name)))
        }
        None => Ok(()),
    }
}

fn refuse_held(link: &Link) -> Result<(), Refusal> {
    if link.has_carrier {
        let message =
            format!("{} is held by a hypervisor that runs, for somebody else or at another address", link.name);
        return Err(Refusal::new(Code::InUse, message));
    }
    Ok(())
}

fn is_same_place(tap: &Tap, purpose: &Purpose) -> bool {
    tap.purpose.as_ref().is_some_and(|there| there.address() == purpose.address())
}

fn as_machine(vm: VmId, Purpose { subnet, lease, reach }: Purpose) -> Machine {
    Machine { vm, subnet, lease, reach }
}
