//! The program nft, which has the words for the kernel's firewall.

use std::path::Path;

use serde_json::{Value, json};

use crate::answers::{Code, Refusal};
use crate::program::run;

const NFT: &str = "/usr/sbin/nft";

pub fn is_there() -> bool {
    Path::new(NFT).exists()
}

/// All of it or nothing.
pub fn apply(text: &str) -> Result<(), Refusal> {
    run(NFT, &["-f", "-"], text.as_bytes()).map(drop)
}

/// The same for commands in nft's own JSON, in which no name needs quotes.
pub fn apply_commands(commands: &[Value]) -> Result<(), Refusal> {
    run(NFT, &["-j", "-f", "-"], json!({ "nftables": commands }).to_string().as_bytes()).map(drop)
}

/// A table of ours, with the handles of all that is in it, and without the elements of its sets. Fails for one that is not there.
/// Of those of others nft has no more in memory than the names of chains.
pub fn list(family: &str, table: &str) -> Result<Value, Refusal> {
    let printed = run(NFT, &["-j", "-a", "-t", "list", "table", family, table], b"")?;
    serde_json::from_slice(&printed)
        .map_err(|_| Refusal::new(Code::Failed, format!("{NFT} lists what is not understood")))
}
