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

/// Every table, chain and rule, with its handle, the elements of sets left out.
pub fn list() -> Result<Vec<Value>, Refusal> {
    let printed = run(NFT, &["-j", "-a", "-t", "list", "ruleset"], b"")?;
    let wrong = || Refusal::new(Code::Failed, format!("{NFT} lists what is not understood"));
    match serde_json::from_slice(&printed) {
        Ok(Value::Object(mut whole)) => match whole.remove("nftables") {
            Some(Value::Array(items)) => Ok(items),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}
