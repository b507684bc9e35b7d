//! All that banger-root does. Each operation is safe to repeat, and ends whole or undone.

use serde::{Deserialize, Serialize};

use crate::addresses::{Lease, Subnet};
use crate::answers::{Done, Listed, Refusal, Reported};
use crate::firewall::Firewall;
use crate::kernel::Kernel;
use crate::taps::Taps;
use crate::words::{Reach, VmId};
use crate::{names, nft, routes};

/// No operation names a path, a command, an address or a rule. `packages/contract/src/privileged` has the same words.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Makes the tap of a vm for the owner's hypervisor, with its address and route, and opens to it what it may reach.
    /// Touches `bgr<vm>`, and what `apply-policy` touches.
    Attach { vm: VmId, subnet: Subnet, lease: Lease, reach: Vec<Reach> },
    /// Undoes `attach`.
    Detach { vm: VmId },

    /// Touches the tables `inet banger`, `inet banger_limits` and `arp banger`, and lets machines through in each table of
    /// others that may drop.
    ApplyPolicy {},
    /// Undoes it; refused while there is a tap.
    WithdrawPolicy {},

    /// Makes an address at which the daemon may answer for names, and has the host ask there for those that end in `vm`, and
    /// whose an address of the subnet is. Touches `bgr-names`, and what systemd-resolved knows of it.
    PublishNames { subnet: Subnet },
    /// Undoes it.
    WithdrawNames {},

    /// What there is. Touches nothing.
    List {},
    /// Detaches what belongs to none of these vms and to no hypervisor that runs; the policy goes with the last tap.
    Sweep { known: Vec<VmId> },
    /// What works here. Touches nothing.
    Report {},
}

pub struct Helper {
    owner: u32,
    taps: Taps,
    firewall: Firewall,
}

impl Helper {
    pub fn new(owner: u32) -> std::io::Result<Self> {
        Ok(Self { owner, taps: Taps::new(owner, Kernel::open()?), firewall: Firewall::new()? })
    }

    pub fn perform(&mut self, operation: &Operation) -> Result<Done, Refusal> {
        match operation {
            Operation::Attach { vm, subnet, lease, reach } => {
                let tap = self.taps.attach(&mut self.firewall, vm, *subnet, *lease, reach)?;
                Ok(Done::Attached { tap, address: subnet.address(*lease), gateway: subnet.gateway() })
            }
            Operation::Detach { vm } => done(self.taps.detach(&mut self.firewall, vm)),
            Operation::ApplyPolicy {} => done(self.firewall.assert(&self.taps.machines()?)),
            Operation::WithdrawPolicy {} => done(self.firewall.withdraw(&self.taps.machines()?)),
            Operation::PublishNames { subnet } => {
                let used = self.taps.machines()?.iter().map(|machine| machine.subnet).collect();
                let resolver = names::publish(self.taps.kernel(), *subnet, &used)?;
                Ok(Done::NamesPublished { address: subnet.names(), resolver })
            }
            Operation::WithdrawNames {} => done(names::withdraw(self.taps.kernel())),
            Operation::List {} => self.list().map(Done::Listed),
            Operation::Sweep { known } => {
                let (detached, held) = self.taps.sweep(&mut self.firewall, known)?;
                Ok(Done::Swept { detached, held })
            }
            Operation::Report {} => Ok(Done::Reported(self.report())),
        }
    }

    /// What machines need is there again, after others changed their rules or ours. Without machines nothing is.
    pub fn restore(&mut self) -> Result<(), Refusal> {
        let machines = self.taps.machines()?;
        if machines.is_empty() && !self.firewall.stands() { Ok(()) } else { self.firewall.assert(&machines) }
    }

    fn list(&self) -> Result<Listed, Refusal> {
        let (has_policy, accepted_in) = self.firewall.list()?;
        let names = names::published(self.taps.kernel())?;
        Ok(Listed {
            taps: self.taps.list()?,
            has_policy,
            accepted_in,
            names: names.into_iter().map(Subnet::names).collect(),
            subnets: routes::claims(self.taps.kernel())?,
        })
    }

    fn report(&self) -> Reported {
        Reported {
            version: env!("CARGO_PKG_VERSION"),
            owner: self.owner,
            is_forwarding: routes::is_forwarding(),
            has_nft: nft::is_there(),
            resolver: names::resolver(),
            closed_tables: self.firewall.closed_tables(),
        }
    }
}

fn done(outcome: Result<(), Refusal>) -> Result<Done, Refusal> {
    outcome.map(|()| Done::Nothing {})
}
