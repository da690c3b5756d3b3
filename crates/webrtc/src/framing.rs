//! Framing of datagrams over TCP: a length of two bytes before each (RFC 4571
//! section 2).

use bytes::{Buf as _, Bytes, BytesMut};

/// Collects bytes of a connection and gives whole frames.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
}

impl Deframer {
    /// Adds received bytes. Memory stays below one frame (64 KiB) and what was
    /// added last, if [`Self::next_frame`] is called until it gives `None`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame without its length; may be empty.
    pub fn next_frame(&mut self) -> Option<Bytes> {
        let length: [u8; 2] = self.buffer.get(..2)?.try_into().ok()?;
        let length = usize::from(u16::from_be_bytes(length));
        if self.buffer.len() < 2 + length {
            return None;
        }
        self.buffer.advance(2);
        Some(self.buffer.split_to(length).freeze())
    }
}

/// The length field of a frame; `None` for more than 65535 bytes.
pub fn prefix(datagram: &[u8]) -> Option<[u8; 2]> {
    u16::try_from(datagram.len()).ok().map(u16::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_whole_whatever_the_cuts() {
        let frames: [&[u8]; 3] = [b"abc", b"", b"defgh"];
        let mut stream = Vec::new();
        for frame in frames {
            stream.extend(prefix(frame).unwrap());
            stream.extend(frame);
        }
        for cut in 1..stream.len() {
            let mut deframer = Deframer::default();
            let mut out = Vec::new();
            for part in stream.chunks(cut) {
                deframer.push(part);
                while let Some(frame) = deframer.next_frame() {
                    out.push(frame);
                }
            }
            assert_eq!(out, frames);
        }
        assert!(prefix(&vec![0; 65_536]).is_none());
    }
}
