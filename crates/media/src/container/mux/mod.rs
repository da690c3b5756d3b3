//! Containers written: frames of some tracks in, one byte stream out.

pub mod adts;
pub mod flv;
pub mod mpegts;
pub mod raw;
mod squeeze;
mod timeline;
pub mod wav;

pub use squeeze::squeeze;

use std::collections::VecDeque;

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::codec::CodecId;
use crate::frame::Frame;

/// Pieces shorter than this are copied next to each other instead of being shared.
const SHARED: usize = 1024;

/// Why frames cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container cannot carry this codec.
    #[error("{0}: unsupported codec: {name}", name = .1.name())]
    Unsupported(&'static str, CodecId),
    /// The container needs a parameter that the source does not tell.
    #[error("{0}: {1}")]
    Missing(&'static str, &'static str),
}

/// Writes frames as one byte stream. One muxer writes one stream.
///
/// Frames come in the order of their decoding times, each track for itself;
/// tracks are numbered in the order in which the muxer was told of them.
pub trait Muxer: Send {
    /// Writes what stands in front of all frames and is known before them.
    fn begin(&mut self, out: &mut Chunks);

    /// Writes a frame. A frame that the container has no place for is left out.
    /// Other parameter sets than before come in front of a keyframe.
    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks);
}

/// Bytes to send, in order. Long pieces are shared with the frames they come
/// from, short ones are copied together.
#[derive(Debug, Default)]
pub struct Chunks {
    done: VecDeque<Bytes>,
    tail: BytesMut,
    len: usize,
}

impl Iterator for Chunks {
    type Item = Bytes;

    /// Takes the first piece.
    fn next(&mut self) -> Option<Bytes> {
        if self.done.is_empty() {
            self.seal();
        }
        let piece = self.done.pop_front()?;
        self.len -= piece.len();
        Some(piece)
    }
}

impl Chunks {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a copy.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
        self.tail.put_slice(bytes);
    }

    /// Appends without a copy, unless there is little.
    pub fn share(&mut self, bytes: &Bytes) {
        if bytes.len() < SHARED {
            return self.copy(bytes);
        }
        self.len += bytes.len();
        self.seal();
        self.done.push_back(bytes.clone());
    }

    /// Appends what was written for it.
    pub fn append(&mut self, bytes: Vec<u8>) {
        self.len += bytes.len();
        self.seal();
        self.done.extend((!bytes.is_empty()).then(|| Bytes::from(bytes)));
    }

    /// Bytes in it.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// True if there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All bytes as one piece.
    pub fn into_bytes(mut self) -> Bytes {
        self.seal();
        if self.done.len() <= 1 {
            return self.done.pop_front().unwrap_or_default();
        }
        let mut all = BytesMut::with_capacity(self.len);
        self.done.iter().for_each(|piece| all.put_slice(piece));
        all.freeze()
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.done.push_back(self.tail.split().freeze());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_pieces_are_copied_and_long_ones_shared() {
        let long = Bytes::from(vec![7; SHARED]);
        let mut chunks = Chunks::new();
        chunks.copy(b"ab");
        chunks.share(&Bytes::from_static(b"cd"));
        chunks.share(&long);
        chunks.copy(b"e");
        assert_eq!(chunks.len(), SHARED + 5);
        assert_eq!(chunks.next().as_deref(), Some(&b"abcd"[..]));
        let shared = chunks.next().unwrap();
        assert_eq!(shared.as_ptr(), long.as_ptr());
        chunks.copy(b"f");
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks.into_bytes(), &b"ef"[..]);
        assert!(Chunks::new().is_empty() && Chunks::new().into_bytes().is_empty());
    }
}
