//! Frames on a stream, as QEMU and passt write them: four bytes of length in network order, then the frame.

/// An Ethernet header alone
const MIN_FRAME_BYTES: usize = 14;
/// passt takes and gives no longer one
pub const MAX_FRAME_BYTES: usize = 65_535;
const LENGTH_BYTES: usize = 4;
/// Some frames of the longest kind, many of the usual one
const BUFFER_BYTES: usize = 256 * 1024;

/// Frames that come, in pieces
pub struct Incoming(Buffer);

#[derive(Debug, PartialEq)]
pub struct Malformed;

impl Incoming {
    pub fn new() -> Self {
        Self(Buffer::new())
    }

    /// Where the next piece goes. There is room once each whole frame was taken.
    pub fn room(&mut self) -> &mut [u8] {
        self.0.room()
    }

    pub fn add(&mut self, count: usize) {
        self.0.end += count;
    }

    /// None when the rest of it has not come.
    pub fn take_frame(&mut self) -> Result<Option<&[u8]>, Malformed> {
        let Some((length, rest)) = self.0.filled().split_first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if !(MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&length) {
            return Err(Malformed);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.0.start + LENGTH_BYTES;
        self.0.start = start + length;
        Ok(Some(&self.0.bytes[start..start + length]))
    }
}

/// Frames that leave, as much of them as is taken
pub struct Outgoing(Buffer);

impl Outgoing {
    pub fn new() -> Self {
        Self(Buffer::new())
    }

    /// Where the next frame goes, of which one too long shows by more bytes than are allowed; none until more has left.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        self.0.room().get_mut(LENGTH_BYTES..)?.get_mut(..=MAX_FRAME_BYTES)
    }

    /// Of the bytes in that room the first `length` are a frame, unless it is too long.
    pub fn add(&mut self, length: usize) {
        let Some(header) = self.0.room().first_chunk_mut::<LENGTH_BYTES>() else { return };
        if let (MIN_FRAME_BYTES..=MAX_FRAME_BYTES, Ok(said)) = (length, u32::try_from(length)) {
            *header = said.to_be_bytes();
            self.0.end += LENGTH_BYTES + length;
        }
    }

    pub fn waiting(&self) -> &[u8] {
        self.0.filled()
    }

    pub fn has_left(&mut self, count: usize) {
        self.0.start += count;
    }
}

struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES].into(), start: 0, end: 0 }
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// All that is free, in one piece
    fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        &mut self.bytes[self.end..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_whole_however_the_stream_is_cut() {
        let sent = [vec![1; 14], vec![2; 1514], vec![3; MAX_FRAME_BYTES], vec![4; 60]];
        let stream: Vec<u8> = sent.iter().flat_map(|frame| framed(frame)).collect();
        for piece in [1, 3, 4, 5, 1000, 65_536, stream.len()] {
            let (mut incoming, mut taken) = (Incoming::new(), Vec::new());
            for bytes in stream.chunks(piece) {
                incoming.room()[..bytes.len()].copy_from_slice(bytes);
                incoming.add(bytes.len());
                while let Some(frame) = incoming.take_frame().unwrap() {
                    taken.push(frame.to_vec());
                }
            }
            assert!(taken == sent, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_length_that_no_frame_has_is_malformed_at_once() {
        for length in [0, 13, 65_536, u32::MAX] {
            let mut incoming = Incoming::new();
            incoming.room()[..4].copy_from_slice(&length.to_be_bytes());
            incoming.add(4);
            assert_eq!(incoming.take_frame(), Err(Malformed), "{length}");
        }
    }

    #[test]
    fn there_is_room_for_more_whatever_was_left_of_a_frame() {
        let mut incoming = Incoming::new();
        for _ in 0..10 {
            let rest = framed(&vec![0; MAX_FRAME_BYTES]);
            let room = incoming.room().len();
            assert!(room >= BUFFER_BYTES - rest.len(), "{room}");
            incoming.room()[..rest.len() - 1].copy_from_slice(&rest[..rest.len() - 1]);
            incoming.add(rest.len() - 1);
            assert_eq!(incoming.take_frame(), Ok(None));
            incoming.room()[0] = 0;
            incoming.add(1);
            assert!(incoming.take_frame().unwrap().is_some());
        }
    }

    #[test]
    fn frames_leave_as_they_came_and_one_too_long_or_too_short_does_not() {
        let mut outgoing = Outgoing::new();
        for length in [13, 14, 1514, MAX_FRAME_BYTES, MAX_FRAME_BYTES + 1] {
            outgoing.room().unwrap()[..length].fill(7);
            outgoing.add(length);
        }
        let left: Vec<u8> = [14, 1514, MAX_FRAME_BYTES].iter().flat_map(|length| framed(&vec![7; *length])).collect();
        assert!(outgoing.waiting() == left);
    }

    #[test]
    fn what_does_not_leave_holds_up_what_comes_next() {
        let mut outgoing = Outgoing::new();
        let mut count = 0;
        while let Some(room) = outgoing.room() {
            room.fill(count);
            outgoing.add(MAX_FRAME_BYTES);
            count += 1;
        }
        assert_eq!(count, 3);
        outgoing.has_left(1);
        assert!(outgoing.room().is_none());
        outgoing.has_left(LENGTH_BYTES + MAX_FRAME_BYTES + 1);
        assert!(outgoing.room().is_some());
        assert_eq!(outgoing.waiting()[..2], [0xff, 0xff]);
    }

    fn framed(frame: &[u8]) -> Vec<u8> {
        [&u32::try_from(frame.len()).unwrap().to_be_bytes(), frame].concat()
    }
}
