//! What is cut: segments, their parts, and who writes them.

use std::sync::Arc;

use bytes::Bytes;

use super::Lead;
use crate::container::mux::Chunks;
use crate::frame::Frame;

/// What segments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// MPEG transport stream (RFC 8216 3.2).
    Ts,
    /// Fragmented MP4 (3.3).
    Mp4,
}

impl Form {
    /// File name of segments.
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Ts => "segment.ts",
            Self::Mp4 => "segment.m4s",
        }
    }
}

/// Writes frames as files that can be fetched one by one.
pub trait Packager: Send {
    /// Takes what a frame says of its track's format. True if that is something
    /// else than before: what follows needs a new beginning.
    fn learn(&mut self, track: usize, frame: &Frame) -> bool;

    /// Whether enough is known to begin.
    fn is_ready(&self) -> bool;

    /// What has to be fetched before the segments that are written from now on, if
    /// anything.
    fn init(&self) -> Option<Bytes>;

    /// What follows does not continue what was before.
    fn restart(&mut self);

    /// What follows is a frame of a track that came late: its time begins with that, and the
    /// frame before lasts no longer than it was listed.
    fn skip(&mut self, track: usize, frame: &Frame);

    /// Writes what a part begins with. Where it begins.
    fn begin_part(&mut self, out: &mut Chunks) -> Arc<dyn Begin>;

    /// Whether there is anything of a frame to write. Nothing begins with one of which
    /// there is not: a picture without a slice, sound without a sample.
    fn takes(&self, track: usize, frame: &Frame) -> bool;

    /// Writes a frame.
    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks);
}

/// Where a part begins.
pub trait Begin: std::fmt::Debug + Send + Sync {
    /// Writes what stands in front of the part: its pictures so short that they are
    /// decoded at once, the last of them ending where the part begins.
    fn before(&self, lead: &Lead) -> Chunks;
}

/// An initialisation segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    /// Counts from zero.
    pub number: u64,
    /// Its content.
    pub bytes: Bytes,
}

/// A part of a segment. There is a frame of the leading track in it.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its content.
    pub bytes: Bytes,
    /// Microseconds.
    pub duration: i64,
    /// It begins with a keyframe, or can be given one: see [`super::Lead`].
    pub independent: bool,
    /// Where it begins.
    pub start: Start,
    /// What is in it, by track.
    pub counts: Vec<Counts>,
    /// By track: its newest frame before, if none is in here.
    pub before: Vec<Option<Arc<Frame>>>,
}

/// Where a part begins.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its first frame on the leading track; they count from zero.
    pub frame: u64,
    /// Nothing before that is needed to decode it.
    pub keyframe: bool,
    /// Decoding time of that, in ticks.
    pub dts: i64,
    /// What its packager says.
    pub begin: Arc<dyn Begin>,
}

/// Frames and payload bytes of a track.
pub type Counts = (usize, usize);

/// A segment, closed or open.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// Media sequence number.
    pub number: u64,
    /// At least one if it is closed.
    pub parts: Vec<Part>,
    /// Microseconds; zero while it is open.
    pub duration: i64,
    /// What came before it does not continue in it.
    pub discontinuity: bool,
    /// Discontinuities before it, its own not counted.
    pub discontinuities: u64,
    /// What has to be fetched before it.
    pub init: Option<Arc<Init>>,
    /// What is in it, by track.
    pub counts: Vec<Counts>,
}

impl Segment {
    /// Bytes.
    pub fn size(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }
}
