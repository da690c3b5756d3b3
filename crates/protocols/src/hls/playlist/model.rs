//! What a media playlist says.

use std::sync::Arc;
use std::time::Duration;

/// A part of a file: where it begins, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Bytes in front of it.
    pub from: u64,
    /// Its bytes.
    pub length: u64,
}

/// A file, or a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its address, relative to that of the playlist.
    pub uri: String,
    /// The part; `None` is all of it.
    pub range: Option<Range>,
}

/// How a file is encrypted: AES-128 in CBC mode with PKCS7 padding (4.3.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// Where its key of 16 bytes is, relative to the playlist.
    pub key: Arc<str>,
    /// The initialisation vector.
    pub iv: [u8; 16],
}

/// The index that has to be read before segments of fragmented MP4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Where it is.
    pub part: Part,
    /// How it is encrypted, if it is.
    pub cipher: Option<Cipher>,
}

/// A key that counts for segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub(super) uri: Arc<str>,
    /// Without one it is the number of the segment.
    pub(super) iv: Option<[u8; 16]>,
}

impl Key {
    /// How the segment of a number is encrypted.
    pub fn cipher(&self, number: u64) -> Cipher {
        let iv = self.iv.unwrap_or_else(|| u128::from(number).to_be_bytes());
        Cipher { key: Arc::clone(&self.uri), iv }
    }
}

/// A part of a segment, for low latency (rfc8216bis 4.4.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Where its media is.
    pub part: Part,
    /// Decoding can begin with it.
    pub independent: bool,
    /// It is missing.
    pub gap: bool,
}

/// A segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Where its media is.
    pub part: Part,
    /// How long it plays.
    pub duration: Duration,
    /// What it follows has another timeline or other tracks.
    pub discontinuity: bool,
    /// The index that has to be read before it, for those of fragmented MP4.
    pub map: Option<Arc<Map>>,
    /// The key it is encrypted with.
    pub key: Option<Key>,
    /// The method it is encrypted with, if that is not known here.
    pub encrypted: Option<Arc<str>>,
    /// It is missing.
    pub gap: bool,
    /// Its parts, as far as they are listed.
    pub partials: Vec<Partial>,
}

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// No segment is longer.
    pub target: Duration,
    /// Number of the first segment.
    pub sequence: u64,
    /// No segment will be added.
    pub ended: bool,
    /// In order; the first one has the number `sequence`.
    pub segments: Vec<Segment>,
    /// The one that follows them, of which only parts are there.
    pub open: Box<Segment>,
    /// No part is longer; `None` if there are none.
    pub part_target: Option<Duration>,
    /// A request for the playlist may wait for a part that has not come.
    pub can_block: bool,
}
