//! What is decided about a question of the guest's from its bytes alone.

use std::net::Ipv4Addr;

/// Answered with the host's address, where the ports are that a vm was given
const HOST_NAME: &[u8] = b"\x04host\x06banger\x00";
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;
const HEADER_BYTES: usize = 12;
const HOST_TTL_S: u32 = 60;

pub const SERVER_FAILURE: u8 = 2;
const FORMAT_ERROR: u8 = 1;
const NOT_IMPLEMENTED: u8 = 4;

#[derive(Debug, PartialEq)]
pub enum Decision {
    /// Said without asking anybody
    Answer(Vec<u8>),
    /// Worth asking the host's servers
    Ask,
    /// Nothing that an answer could be made for
    Drop,
}

pub fn decide(message: &[u8], host: Ipv4Addr) -> Decision {
    if message.len() < HEADER_BYTES || message[2] & 0x80 != 0 {
        return Decision::Drop;
    }
    if message[2] >> 3 & 0xf != 0 {
        return Decision::Answer(empty_answer(message, NOT_IMPLEMENTED));
    }
    let Some(end) = question_end(message) else { return Decision::Answer(empty_answer(message, FORMAT_ERROR)) };
    let (name, kind, class) = (&message[HEADER_BYTES..end - 4], number(message, end - 4), number(message, end - 2));
    let is_host = class == CLASS_IN && name.eq_ignore_ascii_case(HOST_NAME);
    match kind {
        // The way out is IPv4 only: an address that cannot be reached would be tried first, and waited for.
        TYPE_AAAA => Decision::Answer(empty_answer(message, 0)),
        TYPE_A if is_host => Decision::Answer(host_answer(message, end, host)),
        _ if is_host => Decision::Answer(empty_answer(message, 0)),
        _ => Decision::Ask,
    }
}

/// Whether `answer` answers `query`, which was asked under its id; a stranger's would not.
pub fn answers(query: &[u8], answer: &[u8]) -> bool {
    let Some(end) = question_end(query) else { return false };
    answer.len() >= end
        && answer[2] & 0x80 != 0
        && answer[..2] == query[..2]
        && answer[4..6] == query[4..6]
        && answer[HEADER_BYTES..end].eq_ignore_ascii_case(&query[HEADER_BYTES..end])
}

/// A server that refuses or fails says nothing about the name: another may know it.
pub fn is_failure(answer: &[u8]) -> bool {
    !matches!(answer[3] & 0xf, 0 | 3)
}

/// The question again, with nothing found.
pub fn empty_answer(message: &[u8], code: u8) -> Vec<u8> {
    let end = question_end(message).unwrap_or(HEADER_BYTES);
    let mut answer = message[..end].to_vec();
    answer[2] = 0x80 | (message[2] & 0x79); // an answer; the kind of question and "recursion desired" as they were
    answer[3] = 0x80 | code; // recursion available
    answer[4..HEADER_BYTES].fill(0);
    answer[5] = u8::from(end > HEADER_BYTES);
    answer
}

fn host_answer(message: &[u8], end: usize, host: Ipv4Addr) -> Vec<u8> {
    let mut answer = empty_answer(message, 0);
    answer[7] = 1;
    answer.extend([0xc0, 0x0c]); // the name of the question
    answer.extend(&message[end - 4..end]);
    answer.extend(HOST_TTL_S.to_be_bytes());
    answer.extend([0, 4]);
    answer.extend(host.octets());
    answer
}

/// Where the one question ends: a name of plain labels, a type and a class.
fn question_end(message: &[u8]) -> Option<usize> {
    if number_at(message, 4)? != 1 {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1 + length;
        match length {
            0 => break,
            1..=63 if at - HEADER_BYTES < 255 => {}
            _ => return None,
        }
    }
    (message.len() >= at + 4).then_some(at + 4)
}

fn number_at(message: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]))
}

fn number(message: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([message[at], message[at + 1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

    fn query(name: &str, kind: u8) -> Vec<u8> {
        let mut message = vec![7, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, kind, 0, 1]);
        message
    }

    #[test]
    fn addresses_that_cannot_be_reached_are_not_told() {
        let Decision::Answer(answer) = decide(&query("example.org", 28), HOST) else { panic!("it was asked") };
        assert_eq!(answer[..12], [7, 9, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(decide(&query("example.org", 1), HOST), Decision::Ask);
    }

    #[test]
    fn the_host_has_a_name() {
        let Decision::Answer(answer) = decide(&query("Host.banger", 1), HOST) else { panic!("it was asked") };
        assert_eq!(answer[6..8], [0, 1]);
        assert_eq!(answer[answer.len() - 6..], [0, 4, 10, 0, 2, 2]);
        assert!(matches!(decide(&query("host.banger", 16), HOST), Decision::Answer(_)));
    }

    #[test]
    fn nonsense_is_answered_as_such_or_not_at_all() {
        assert_eq!(decide(b"short", HOST), Decision::Drop);
        let mut is_answer = query("example.org", 1);
        is_answer[2] |= 0x80;
        assert_eq!(decide(&is_answer, HOST), Decision::Drop);
        let mut update = query("example.org", 1);
        update[2] = 5 << 3;
        assert!(matches!(decide(&update, HOST), Decision::Answer(answer) if answer[3] == 0x84));
        let whole = query("a.very.long.name.example.org", 1);
        for length in HEADER_BYTES..whole.len() {
            assert!(matches!(decide(&whole[..length], HOST), Decision::Answer(answer) if answer[3] == 0x81));
        }
        let mut pointer = query("example.org", 1);
        pointer[12] = 0xc0;
        assert!(matches!(decide(&pointer, HOST), Decision::Answer(answer) if answer[3] == 0x81));
        let endless = query(&["x".repeat(63).as_str(); 5].join("."), 1);
        assert!(matches!(decide(&endless, HOST), Decision::Answer(answer) if answer[3] == 0x81));
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let asked = query("example.org", 1);
        let mut answer = query("EXAMPLE.org", 1);
        assert!(!answers(&asked, &answer));
        answer[2] |= 0x80;
        assert!(answers(&asked, &answer));
        answer[1] = 1;
        assert!(!answers(&asked, &answer));
        let mut other = query("example.com", 1);
        other[2] |= 0x80;
        assert!(!answers(&asked, &other) && !answers(&asked, &other[..11]));
    }
}
