//! Bytes as text that has only ASCII: names of files are any bytes.

use crate::http_answers::Refusal;

pub fn decode_percent(text: &str) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| (digit as char).to_digit(16)).ok_or_else(not_encoded);
        bytes.push(if byte == b'%' { (digit()? * 16 + digit()?) as u8 } else { byte });
    }
    Ok(bytes)
}

pub fn not_encoded() -> Refusal {
    Refusal::bad_request("a name is not percent-encoded")
}
