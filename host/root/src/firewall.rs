//! The policy as it stands in the kernel, and what others have to let through for it.

use std::io;

use serde_json::Value;

use crate::answers::{Code, Refusal, failed};
use crate::chains::{self, Chain, Generation};
use crate::kernel::Kernel;
use crate::policy::{self, Machine};
use crate::{neighbours, nft};

/// Others may change their tables between our look and our change.
const MAX_LOOKS: usize = 5;
const READING: &str = "reading the host's rules";

pub struct Firewall {
    kernel: Kernel,
    standing: Option<Standing>,
    /// Tables of others that let nobody in, not even root
    closed: Vec<String>,
}

/// What was applied, and how the kernel lists it: whoever changes it is seen by that.
struct Standing {
    text: String,
    listed: Vec<Value>,
}

impl Firewall {
    pub fn new() -> io::Result<Self> {
        Ok(Self { kernel: Kernel::of_firewall()?, standing: None, closed: Vec::new() })
    }

    /// Whether it was applied, and not withdrawn since.
    pub fn stands(&self) -> bool {
        self.standing.is_some()
    }

    pub fn closed_tables(&self) -> Vec<String> {
        self.closed.clone()
    }

    /// Has the policy of these machines stand, and machines let through elsewhere. Changes nothing where nothing is missing.
    pub fn assert(&mut self, machines: &[Machine]) -> Result<(), Refusal> {
        self.make_stand(policy::text(machines))?;
        self.let_through()
    }

    fn make_stand(&mut self, text: String) -> Result<(), Refusal> {
        for _ in 0..MAX_LOOKS {
            if self.is_standing(&text) {
                return Ok(());
            }
            self.standing = None;
            let before = self.generation()?;
            // What another version has made may not be what this one adds to.
            nft::apply(&text).or_else(|_| nft::apply(&format!("{}{text}", policy::removal())))?;
            let listed = list_ours();
            // Only then is it what was applied: to flush it again somebody needs no longer than to list it.
            if self.generation()? == before.next() {
                self.standing = Some(Standing { text, listed: listed? });
                return Ok(());
            }
        }
        Err(Refusal::new(Code::Failed, "others change the host's rules all the time"))
    }

    /// Takes back whatever is of ours. Safe to repeat.
    pub fn withdraw(&mut self, machines: &[Machine]) -> Result<(), Refusal> {
        if !machines.is_empty() {
            let message = "there are machines, and without the policy they would reach everything";
            return Err(Refusal::new(Code::InUse, message));
        }
        self.take_back()?;
        nft::apply(&policy::removal())?;
        self.standing = None;
        self.closed.clear();
        Ok(())
    }

    /// Whether there is a policy, and the tables of others that let machines through.
    pub fn list(&self) -> Result<(bool, Vec<String>), Refusal> {
        if !nft::is_there() {
            return Ok((false, Vec::new()));
        }
        let has_policy = chains::has_ours(&self.kernel).map_err(failed(READING))?;
        Ok((has_policy, neighbours::accepting(&self.chains()?)))
    }

    fn is_standing(&self, text: &str) -> bool {
        let Some(standing) = self.standing.as_ref().filter(|standing| standing.text == text) else { return false };
        list_ours().is_ok_and(|listed| listed == standing.listed)
    }

    fn generation(&self) -> Result<Generation, Refusal> {
        Generation::read(&self.kernel).map_err(failed(READING))
    }

    fn chains(&self) -> Result<Vec<Chain>, Refusal> {
        chains::list(&self.kernel).map_err(failed(READING))
    }

    /// A table that refuses is told by `report`: what machines have without it they keep.
    fn let_through(&mut self) -> Result<(), Refusal> {
        let mut chains = self.chains()?;
        for _ in 0..MAX_LOOKS {
            self.closed.clear();
            for (table, commands) in neighbours::missing(&chains) {
                if nft::apply_commands(&commands).is_err() {
                    self.closed.push(table);
                }
            }
            if self.closed.is_empty() {
                return Ok(());
            }
            let before = std::mem::replace(&mut chains, self.chains()?);
            if before == chains {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_back(&self) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        for _ in 0..MAX_LOOKS {
            let removals = neighbours::removals(&self.chains()?);
            if removals.is_empty() {
                return Ok(());
            }
            outcome = nft::apply_commands(&removals);
        }
        outcome
    }
}

/// The tables of ours, and all that is in them.
fn list_ours() -> Result<Vec<Value>, Refusal> {
    policy::ours().iter().map(|(family, table)| nft::list(family, table)).collect()
}
