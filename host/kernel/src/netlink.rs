//! Messages to the kernel and from it, in the form that they all have (netlink).

const DONE: u16 = 3;
const ERROR: u16 = 2;

pub const REQUEST: u16 = 0x1;
pub const ACKNOWLEDGE: u16 = 0x4;
pub const DUMP: u16 = 0x300;
pub const REPLACE: u16 = 0x100 | 0x400;
pub const NEW_ONLY: u16 = 0x200 | 0x400;
/// What was listed changed meanwhile
const INTERRUPTED: u16 = 0x10;

/// The system's EBADMSG
const UNREADABLE: i32 = 74;

const HEADER_BYTES: usize = 16;
const ATTRIBUTE_HEADER_BYTES: usize = 4;
const KIND_BITS: u16 = 0x3fff;

#[derive(Debug, PartialEq)]
pub enum Heard {
    /// Its kind and what it says
    Item(u16, Vec<u8>),
    /// Of what was asked for there is no more
    Done,
    /// How what was said went: a code of the system, 0 for well
    Outcome(i32),
    Interrupted,
}

pub fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(u32::MAX); // which the kernel refuses
    let no_sequence_and_port = [0; 8];
    [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &no_sequence_and_port, body].concat()
}

pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_HEADER_BYTES + value.len()).unwrap_or(u16::MAX); // which the kernel refuses
    let mut attribute = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

pub fn text(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

/// What one datagram says; what is cut off is left out.
pub fn parse(mut datagram: &[u8]) -> Vec<Heard> {
    let mut heard = Vec::new();
    while let Some((kind, flags, body, rest)) = split_message(datagram) {
        if flags & INTERRUPTED != 0 {
            heard.push(Heard::Interrupted);
        }
        heard.push(match kind {
            DONE => Heard::Done,
            ERROR => {
                Heard::Outcome(first_bytes(body).map_or(UNREADABLE, |code| i32::from_ne_bytes(code).wrapping_neg()))
            }
            _ => Heard::Item(kind, body.to_vec()),
        });
        datagram = rest;
    }
    heard
}

/// Each attribute with its value, up to the first that is cut off.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(first_bytes(rest)?));
        let kind = u16::from_ne_bytes(first_bytes(rest.get(2..)?)?) & KIND_BITS;
        let value = rest.get(ATTRIBUTE_HEADER_BYTES..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub fn find(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

pub fn number(value: &[u8]) -> Option<u32> {
    first_bytes(value).map(u32::from_ne_bytes)
}

/// Without the zero that ends it.
pub fn as_text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
}

pub fn first_bytes<const COUNT: usize>(bytes: &[u8]) -> Option<[u8; COUNT]> {
    bytes.first_chunk().copied()
}

fn split_message(datagram: &[u8]) -> Option<(u16, u16, &[u8], &[u8])> {
    let length = number(datagram)? as usize;
    let kind = u16::from_ne_bytes(first_bytes(datagram.get(4..)?)?);
    let flags = u16::from_ne_bytes(first_bytes(datagram.get(6..)?)?);
    let body = datagram.get(HEADER_BYTES..length)?;
    Some((kind, flags, body, datagram.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let said = [message(20, 0, &text(2, "bgr")), message(DONE, 0, &[0; 4])].concat();
        assert_eq!(parse(&said), [Heard::Item(20, text(2, "bgr")), Heard::Done]);
        assert_eq!(find(&text(2, "bgr"), 2).and_then(as_text), Some("bgr"));
        assert_eq!(parse(&message(ERROR, 0, &(-17_i32).to_ne_bytes())), [Heard::Outcome(17)]);
        assert_eq!(parse(&message(16, INTERRUPTED, &[])), [Heard::Interrupted, Heard::Item(16, vec![])]);
    }

    #[test]
    fn what_is_cut_off_is_left_out() {
        let whole = message(20, 0, &text(2, "bgr"));
        for length in 0..whole.len() {
            assert_eq!(parse(&whole[..length]), [], "{length}");
        }
        let attributes_of = |bytes: &[u8]| attributes(bytes).count();
        assert_eq!(attributes_of(&text(2, "bgr")), 1);
        assert_eq!(attributes_of(&[8, 0, 1, 0, 0, 0]), 0);
        assert_eq!(attributes_of(&[0; 8]), 0, "an attribute without a length never ends");
    }
}
