//! The frames inside an exec stream: one byte of type, four bytes of length, the payload.

use bytes::{Buf, Bytes};
use serde::Serialize;

pub const HEADER_BYTES: usize = 5;
pub const PAYLOAD_LIMIT_BYTES: usize = 65_536;
/// As much as Linux takes for a program's arguments and environment, when every byte of it is escaped in JSON
const START_LIMIT_BYTES: usize = 16 << 20;

/// Frames from the host
const START: u8 = 0x01;
const ATTACH: u8 = 0x02;
const STDIN: u8 = 0x03;
const STDIN_END: u8 = 0x04;
const RESIZE: u8 = 0x05;
const SIGNAL: u8 = 0x06;

/// Frames to the host
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum ToHost {
    Started = 0x81,
    Stdout = 0x82,
    Stderr = 0x83,
    Exit = 0x84,
    Failed = 0x85,
}

#[derive(Debug, PartialEq)]
pub enum FromHost {
    Start(Vec<u8>),
    Attach(Vec<u8>),
    /// A piece of a STDIN frame: they are passed on as they come
    Stdin(Bytes),
    StdinEnd,
    Resize(Vec<u8>),
    Signal(Vec<u8>),
}

#[derive(Debug, PartialEq)]
pub enum FrameError {
    TooLong,
    UnknownType(u8),
}

pub fn header(kind: ToHost, payload_bytes: usize) -> [u8; HEADER_BYTES] {
    let length = (payload_bytes as u32).to_be_bytes();
    [kind as u8, length[0], length[1], length[2], length[3]]
}

pub fn frame(kind: ToHost, payload: &[u8]) -> Bytes {
    [&header(kind, payload.len()), payload].concat().into()
}

pub fn json_frame(kind: ToHost, value: &impl Serialize) -> Bytes {
    frame(kind, &serde_json::to_vec(value).unwrap_or_default())
}

/// Cuts a stream of bytes into frames.
#[derive(Default)]
pub struct Decoder {
    header: Vec<u8>,
    body: Vec<u8>,
    missing_bytes: usize,
}

impl Decoder {
    /// The next frame, if `bytes` completes one; takes from `bytes` what it used.
    pub fn next(&mut self, bytes: &mut Bytes) -> Result<Option<FromHost>, FrameError> {
        loop {
            if self.header.len() < HEADER_BYTES {
                if !self.read_header(bytes)? {
                    return Ok(None);
                }
                if self.missing_bytes == 0 {
                    if let Some(frame) = self.finish()? {
                        return Ok(Some(frame));
                    }
                }
                continue;
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            let piece = bytes.split_to(bytes.len().min(self.missing_bytes));
            self.missing_bytes -= piece.len();
            if self.header[0] == STDIN {
                if self.missing_bytes == 0 {
                    self.header.clear();
                }
                return Ok(Some(FromHost::Stdin(piece)));
            }
            self.body.extend_from_slice(&piece);
            if self.missing_bytes == 0 {
                return self.finish();
            }
        }
    }

    /// Whether the header is complete.
    fn read_header(&mut self, bytes: &mut Bytes) -> Result<bool, FrameError> {
        let count = bytes.len().min(HEADER_BYTES - self.header.len());
        self.header.extend_from_slice(&bytes[..count]);
        bytes.advance(count);
        if self.header.len() < HEADER_BYTES {
            return Ok(false);
        }
        self.missing_bytes =
            u32::from_be_bytes([self.header[1], self.header[2], self.header[3], self.header[4]]) as usize;
        let limit = if self.header[0] == START { START_LIMIT_BYTES } else { PAYLOAD_LIMIT_BYTES };
        match self.header[0] {
            START..=SIGNAL if self.missing_bytes <= limit => Ok(true),
            START..=SIGNAL => Err(FrameError::TooLong),
            unknown => Err(FrameError::UnknownType(unknown)),
        }
    }

    /// The frame that is complete; an empty STDIN is none.
    fn finish(&mut self) -> Result<Option<FromHost>, FrameError> {
        let body = std::mem::take(&mut self.body);
        let kind = self.header[0];
        self.header.clear();
        Ok(Some(match kind {
            START => FromHost::Start(body),
            ATTACH => FromHost::Attach(body),
            STDIN_END => FromHost::StdinEnd,
            RESIZE => FromHost::Resize(body),
            SIGNAL => FromHost::Signal(body),
            STDIN => return Ok(None),
            unknown => return Err(FrameError::UnknownType(unknown)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn vectors() -> Vec<Value> {
        serde_json::from_str(include_str!("../../../packages/contract/vectors/frames.json")).unwrap()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn the_shared_samples_are_understood_and_made() {
        for vector in vectors() {
            let bytes = unhex(vector["hex"].as_str().unwrap());
            let payload = vector["text"].as_str().map(|text| text.as_bytes().to_vec());
            if bytes[0] < 0x80 {
                let frame = Decoder::default().next(&mut bytes.clone().into()).unwrap().unwrap();
                match frame {
                    FromHost::Stdin(piece) => assert_eq!(piece, payload.unwrap()),
                    FromHost::StdinEnd => assert_eq!(vector["type"], 4),
                    FromHost::Start(json) => {
                        assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), vector["json"]);
                    }
                    other => panic!("no sample is expected to be {other:?}"),
                }
            } else {
                assert_eq!(json_frame(ToHost::Exit, &vector["json"]), bytes);
            }
        }
    }

    #[test]
    fn frames_may_come_one_byte_at_a_time() {
        let stream = [&[1, 0, 0, 0, 2][..], b"{}", &[3, 0, 0, 0, 0], &[3, 0, 0, 0, 1], b"x", &[4, 0, 0, 0, 0]].concat();
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for byte in stream {
            let mut bytes = Bytes::copy_from_slice(&[byte]);
            while let Some(frame) = decoder.next(&mut bytes).unwrap() {
                frames.push(frame);
            }
        }
        let expected = [FromHost::Start(b"{}".to_vec()), FromHost::Stdin("x".into()), FromHost::StdinEnd];
        assert_eq!(frames, expected);
    }

    #[test]
    fn what_is_too_long_or_unknown_is_refused() {
        let next = |bytes: &'static [u8]| Decoder::default().next(&mut Bytes::from_static(bytes));
        assert_eq!(next(&[1, 1, 0, 0, 0]), Ok(None));
        assert_eq!(next(&[1, 1, 0, 0, 1]), Err(FrameError::TooLong));
        assert_eq!(next(&[2, 0, 1, 0, 1]), Err(FrameError::TooLong));
        assert_eq!(next(&[3, 255, 255, 255, 255]), Err(FrameError::TooLong));
        assert_eq!(next(&[9, 0, 0, 0, 0]), Err(FrameError::UnknownType(9)));
        assert_eq!(next(&[3, 0, 1, 0, 0]), Ok(None));
    }
}
