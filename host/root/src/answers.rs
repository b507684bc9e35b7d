//! What is answered, in the words of `packages/contract/src/privileged`.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::addresses::Subnet;
use crate::words::{Reach, VmId};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    Done(Done),
    Refused(Refusal),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Done {
    Nothing {},
    Attached { tap: String, address: Ipv4Addr, gateway: Ipv4Addr },
    NamesPublished { address: Ipv4Addr, resolver: Resolver },
    Listed(Listed),
    Swept { detached: Vec<VmId>, held: Vec<VmId> },
    Reported(Reported),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub taps: Vec<ListedTap>,
    pub has_policy: bool,
    /// Tables of others in which machines are let through
    pub accepted_in: Vec<String>,
    /// The addresses at which names are asked
    pub names: Vec<Ipv4Addr>,
    pub subnets: Vec<ListedSubnet>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedTap {
    pub vm: VmId,
    /// None for one that was never finished
    pub address: Option<Ipv4Addr>,
    pub reach: Vec<Reach>,
    /// By a hypervisor that runs
    pub is_held: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSubnet {
    pub subnet: Subnet,
    /// A route of the host, as in `10.0.0.0/8 dev tun0`
    pub claimed_by: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    pub version: &'static str,
    pub owner: u32,
    /// Whether the host passes on what is not for itself; without it machines reach the host alone
    pub is_forwarding: bool,
    pub has_nft: bool,
    pub resolver: Resolver,
    /// Tables of others that let nobody in
    pub closed_tables: Vec<String>,
}

/// What asks for names on this host, as far as it can be told to ask us
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolver {
    Resolved,
    None,
}

#[derive(Debug, Serialize)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Not the owner, and not root
    NotAllowed,
    BadRequest,
    TooLong,
    TooSlow,
    Busy,
    /// The host has a route into it
    SubnetClaimed,
    /// Another machine has it
    LeaseTaken,
    /// The device has a name of ours, and was not made by us
    NotOurs,
    /// Machines are still there
    InUse,
    /// A program, or an ability of the kernel
    Missing,
    Failed,
}

/// Around what the kernel refuses: what was being done.
pub fn failed(doing: &str) -> impl FnOnce(std::io::Error) -> Refusal {
    move |fault| Refusal::new(Code::Failed, format!("{doing}: {fault}"))
}
