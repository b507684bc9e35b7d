//! The last output of a kept session, for whoever attaches next.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::frames::{HEADER_BYTES, PAYLOAD_LIMIT_BYTES, ToHost, frame};

const LIMIT_BYTES: usize = 256 * 1024;
/// Alternating one-byte outputs would otherwise cost many times their size
const RUNS_LIMIT: usize = 8192;

#[derive(Default)]
pub struct Scrollback {
    bytes: VecDeque<u8>,
    /// Which output the bytes belong to, and how many in a row
    runs: VecDeque<(ToHostKind, usize)>,
    pub dropped_bytes: u64,
}

type ToHostKind = u8;

impl Scrollback {
    /// Remembers an output frame.
    pub fn add(&mut self, output: &[u8]) {
        let (kind, payload) = (output[0], &output[HEADER_BYTES..]);
        self.bytes.extend(payload);
        match self.runs.back_mut() {
            Some((last, length)) if *last == kind => *length += payload.len(),
            _ => self.runs.push_back((kind, payload.len())),
        }
        while self.bytes.len() > LIMIT_BYTES || self.runs.len() > RUNS_LIMIT {
            self.drop_oldest();
        }
    }

    pub fn frames(&self) -> Vec<Bytes> {
        let mut frames = Vec::new();
        let mut at = 0;
        for &(kind, length) in &self.runs {
            let run: Vec<u8> = self.bytes.range(at..at + length).copied().collect();
            let kind = if kind == ToHost::Stderr as u8 { ToHost::Stderr } else { ToHost::Stdout };
            frames.extend(run.chunks(PAYLOAD_LIMIT_BYTES).map(|piece| frame(kind, piece)));
            at += length;
        }
        frames
    }

    fn drop_oldest(&mut self) {
        let Some((_, length)) = self.runs.front_mut() else { return };
        let surplus = self.bytes.len().saturating_sub(LIMIT_BYTES);
        let count = if surplus == 0 { *length } else { surplus.min(*length) };
        *length -= count;
        if *length == 0 {
            self.runs.pop_front();
        }
        self.bytes.drain(..count);
        self.dropped_bytes += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(text: &[u8]) -> Bytes {
        frame(ToHost::Stdout, text)
    }

    #[test]
    fn the_last_output_is_kept_in_order_with_its_kind() {
        let mut scrollback = Scrollback::default();
        scrollback.add(&out(b"one "));
        scrollback.add(&out(b"two"));
        scrollback.add(&frame(ToHost::Stderr, b"oops"));
        assert_eq!(scrollback.frames(), [out(b"one two"), frame(ToHost::Stderr, b"oops")]);
        assert_eq!(scrollback.dropped_bytes, 0);
    }

    #[test]
    fn old_output_is_dropped_and_counted() {
        let mut scrollback = Scrollback::default();
        for number in 0..10_u8 {
            scrollback.add(&out(&vec![number; 65_536]));
        }
        assert_eq!(scrollback.dropped_bytes, 6 * 65_536);
        let kept: Vec<u8> = scrollback.frames().iter().flat_map(|frame| frame[HEADER_BYTES..].to_vec()).collect();
        assert_eq!((kept.len(), kept[0], kept[LIMIT_BYTES - 1]), (LIMIT_BYTES, 6, 9));
    }

    #[test]
    fn many_small_outputs_are_bounded_too() {
        let mut scrollback = Scrollback::default();
        for number in 0..100_000 {
            let kind = if number % 2 == 0 { ToHost::Stdout } else { ToHost::Stderr };
            scrollback.add(&frame(kind, b"x"));
        }
        assert!(scrollback.runs.len() <= RUNS_LIMIT);
        assert_eq!(scrollback.dropped_bytes + scrollback.bytes.len() as u64, 100_000);
    }
}
