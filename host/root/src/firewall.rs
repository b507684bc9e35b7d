//! The policy as it stands in the kernel, and what others have to let through for it.

use serde_json::Value;

use crate::answers::{Code, Refusal};
use crate::policy::{self, Machine};
use crate::{neighbours, nft};

/// Others may change their tables between our look and our change.
const MAX_LOOKS: usize = 5;

#[derive(Default)]
pub struct Firewall {
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
    /// Whether it was applied, and not withdrawn since.
    pub fn stands(&self) -> bool {
        self.standing.is_some()
    }

    pub fn closed_tables(&self) -> Vec<String> {
        self.closed.clone()
    }

    /// Has the policy of these machines stand, and machines let through elsewhere. Changes nothing where nothing is missing.
    pub fn assert(&mut self, machines: &[Machine]) -> Result<(), Refusal> {
        let text = policy::text(machines);
        let mut listed = nft::list()?;
        if !self.is_standing(&text, &listed) {
            // What another version has made may not be what this one adds to.
            nft::apply(&text).or_else(|_| nft::apply(&format!("{}{text}", policy::removal())))?;
            listed = nft::list()?;
            self.standing = Some(Standing { text, listed: of_policy(&listed) });
        }
        self.let_through(listed)
    }

    /// Takes back whatever is of ours. Safe to repeat.
    pub fn withdraw(&mut self, machines: &[Machine]) -> Result<(), Refusal> {
        if !machines.is_empty() {
            let message = "there are machines, and without the policy they would reach everything";
            return Err(Refusal::new(Code::InUse, message));
        }
        self.take_back()?;
        nft::apply(&policy::removal())?;
        *self = Self::default();
        Ok(())
    }

    /// Whether there is a policy, and the tables of others that let machines through.
    pub fn list(&self) -> Result<(bool, Vec<String>), Refusal> {
        if !nft::is_there() {
            return Ok((false, Vec::new()));
        }
        let listed = nft::list()?;
        Ok((!of_policy(&listed).is_empty(), neighbours::accepting(&listed)))
    }

    fn is_standing(&self, text: &str, listed: &[Value]) -> bool {
        self.standing.as_ref().is_some_and(|standing| standing.text == text && standing.listed == of_policy(listed))
    }

    /// A table that refuses is told by `report`: what machines have without it they keep.
    fn let_through(&mut self, mut listed: Vec<Value>) -> Result<(), Refusal> {
        for _ in 0..MAX_LOOKS {
            self.closed.clear();
            for (table, commands) in neighbours::missing(&listed) {
                if nft::apply_commands(&commands).is_err() {
                    self.closed.push(table);
                }
            }
            if self.closed.is_empty() {
                return Ok(());
            }
            let before = std::mem::replace(&mut listed, nft::list()?);
            if before == listed {
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_back(&self) -> Result<(), Refusal> {
        let mut outcome = Ok(());
        for _ in 0..MAX_LOOKS {
            let removals = neighbours::removals(&nft::list()?);
            if removals.is_empty() {
                return Ok(());
            }
            outcome = nft::apply_commands(&removals);
        }
        outcome
    }
}

/// The tables of ours, and all that is in them.
fn of_policy(listed: &[Value]) -> Vec<Value> {
    let is_ours = |item: &&Value| {
        let Some(said) = item.as_object().and_then(|whole| whole.values().next()) else { return false };
        let text = |key: &str| said.get(key).and_then(Value::as_str);
        matches!((text("family"), text("table").or(text("name"))), (Some(family), Some(table)) if policy::is_ours(family, table))
    };
    listed.iter().filter(is_ours).cloned().collect()
}
