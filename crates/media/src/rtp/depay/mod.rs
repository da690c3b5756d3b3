//! RTP payloads to frames, one [`Depacketiser`] per track.
use std::time::Instant;
use bytes::Bytes;
use crate::codec::{Codec, CodecId};
use crate::frame::{Frame, Payload};
use crate::rtp::Header;

/// One access unit or audio packet, in the timestamps of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// True if decoding can begin here.
    pub keyframe: bool,
    /// Presentation time: the RTP timestamp, extended to 64 bits.
    pub pts: i64,
    /// Decoding time in the same unit; strictly rising within a track's picture order.
    pub dts: i64,
    /// The bytes.
    pub payload: Payload,
    /// RTP payloads to send on unchanged; empty if they are not fit for it.
    pub received: Vec<Bytes>,
    /// When the last packet of it arrived.
    pub arrival: Instant,
}

impl Unit {
    /// The frame, with the times that [`crate::time::SourceClock::map`] gave.
    pub fn into_frame(self, codec: CodecId, pts: i64, dts: i64) -> Frame {
        let mut frame = Frame::new(codec, self.keyframe, pts, self.arrival, self.payload);
        frame.dts = dts;
        if self.received.is_empty() { frame } else { frame.with_received(self.received) }
    }
}

/// What a depacketiser has seen since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// RTP packets taken.
    pub packets: u64,
    /// Units given out.
    pub units: u64,
    /// Packets missing in the sequence numbers.
    pub lost: u64,
    /// Units discarded because a part of them was lost or malformed.
    pub damaged: u64,
    /// Units discarded because they came before the first keyframe.
    pub before_keyframe: u64,
    /// Units discarded because they were too large.
    pub oversize: u64,
}

/// Collects the RTP packets of one track into units.
#[derive(Debug)]
pub struct Depacketiser {
    stats: Stats,
}

impl Depacketiser {
    /// For a codec as described in SDP; its `fmtp` gives parameter sets and AAC's layout.
    pub fn new(_codec: &Codec) -> Self { Self { stats: Stats::default() } }
    /// Takes one packet. Call [`Self::poll`] until it gives `None` afterwards.
    pub fn push(&mut self, _header: &Header, _payload: Bytes, _arrival: Instant) {}
    /// The next finished unit.
    pub fn poll(&mut self) -> Option<Unit> { None }
    /// The 64 bit form of a timestamp near the last packet's, for sender reports.
    pub fn extend(&self, timestamp: u32) -> i64 { timestamp.into() }
    /// Counters.
    pub const fn stats(&self) -> Stats { self.stats }
}
