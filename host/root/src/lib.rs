//! The few things of banger that only root can do, each a verb of `operations`:
//!
//! ```text
//! bangerd ── one line of JSON ── serve ── operations ┬─ taps ────── kernel      a machine's device, address and route
//!                                                    ├─ firewall ┬─ nft         what machines reach
//!                                                    │           └─ neighbours  what others have to let through
//!                                                    └─ names ───── resolvectl  where the host asks for names
//! ```
//!
//! It takes ids, numbers and words of a list, and nothing else. It keeps no state: what there is, the kernel says.
#![forbid(unsafe_code)]

pub mod addresses;
mod answers;
mod chains;
mod firewall;
pub mod install;
pub mod kernel;
pub mod links;
mod names;
mod neighbours;
mod nft;
pub mod operations;
pub mod policy;
mod program;
mod routes;
pub mod serve;
mod taps;
#[cfg(test)]
mod vectors;
pub mod watch;
pub mod words;
