//! RTP payloads to frames, one [`Depacketiser`] per track.
//!
//! Packets are taken in the order of arrival: the sources use TCP, so there is no
//! jitter buffer. A late or repeated packet is ignored, a missing one damages the
//! unit it belongs to: that unit is discarded and counted, and the stream goes on
//! (decoders conceal). Nothing is given out before the first keyframe.
//!
//! RFC 6184 (H.264), RFC 7798 (H.265), RFC 3640 (AAC), RFC 7587 (Opus), RFC 3551
//! (G.711 and PCM), RFC 2250 (MPEG audio), RFC 2435 (JPEG).

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::codec::{Codec, CodecId};
use crate::frame::{Frame, Payload};
use crate::rtp::Header;
use crate::time::Unwrapper;

mod aac;
mod access_unit;
mod audio;
pub(crate) mod av1;
mod h264;
mod h265;
mod jpeg;
mod opaque;
mod order;
mod sequence;

/// Largest unit in bytes; larger ones are discarded and counted.
pub const MAX_UNIT: usize = 5 * 1024 * 1024;
/// Most packets of one unit.
const MAX_PACKETS: usize = 16_384;
/// Units that wait to be polled; the oldest is dropped first.
const MAX_WAITING: usize = 256;

/// One access unit or audio packet, in the timestamps of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// True if decoding can begin here.
    pub keyframe: bool,
    /// Presentation time: the RTP timestamp, extended to 64 bits.
    pub pts: i64,
    /// Decoding time in the same unit: equal to `pts`, or with B-frames derived
    /// from the picture order without waiting for later pictures. Rises strictly
    /// except where the source's timestamps jump.
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
    /// Units discarded because they were larger than [`MAX_UNIT`].
    pub oversize: u64,
}

/// Collects the RTP packets of one track into units.
#[derive(Debug)]
pub struct Depacketiser {
    output: Output,
    sequence: sequence::Sequence,
    unwrapper: Unwrapper,
    format: Format,
}

#[derive(Debug)]
enum Format {
    H264(Box<h264::Depacketiser>),
    H265(Box<h265::Depacketiser>),
    Aac(aac::Depacketiser),
    Jpeg(jpeg::Depacketiser),
    Audio(audio::Depacketiser),
    Opaque(opaque::Depacketiser),
}

/// Finished units and the counters.
#[derive(Debug, Default)]
struct Output {
    units: VecDeque<Unit>,
    stats: Stats,
}

impl Output {
    fn push(&mut self, unit: Unit) {
        if self.units.len() >= MAX_WAITING {
            self.units.pop_front();
        }
        self.stats.units += 1;
        self.units.push_back(unit);
    }
}

/// A packet with its place in time and sequence resolved.
#[derive(Debug)]
struct Packet {
    time: i64,
    marker: bool,
    payload: Bytes,
    arrival: Instant,
    /// At least one packet before this one is missing.
    after_loss: bool,
}

impl Depacketiser {
    /// For a codec as described in SDP; its `fmtp` gives parameter sets and AAC's layout.
    pub fn new(codec: &Codec) -> Self {
        let format = match codec.id {
            CodecId::H264 => Format::H264(Box::new(h264::Depacketiser::new(codec))),
            CodecId::H265 => Format::H265(Box::new(h265::Depacketiser::new(codec))),
            CodecId::Aac | CodecId::Eld => Format::Aac(aac::Depacketiser::new(codec)),
            CodecId::Jpeg => Format::Jpeg(jpeg::Depacketiser::default()),
            CodecId::Opus
            | CodecId::Pcmu
            | CodecId::Pcma
            | CodecId::G722
            | CodecId::L16
            | CodecId::Pcml
            | CodecId::Mpa => Format::Audio(audio::Depacketiser::new(codec)),
            _ => Format::Opaque(opaque::Depacketiser::new(codec)),
        };
        Self {
            output: Output::default(),
            sequence: sequence::Sequence::default(),
            unwrapper: Unwrapper::default(),
            format,
        }
    }

    /// Takes one packet. Call [`Self::poll`] until it gives `None` afterwards.
    pub fn push(&mut self, header: &Header, payload: Bytes, arrival: Instant) {
        self.output.stats.packets += 1;
        let Some(lost) = self.sequence.arrived(header.ssrc, header.seq) else { return };
        self.output.stats.lost += u64::from(lost.unwrap_or(0));
        let packet = Packet {
            time: self.unwrapper.unwrap(header.timestamp),
            marker: header.marker,
            payload,
            arrival,
            after_loss: lost.is_some(),
        };
        match &mut self.format {
            Format::H264(f) => f.push(packet, &mut self.output),
            Format::H265(f) => f.push(packet, &mut self.output),
            Format::Aac(f) => f.push(packet, &mut self.output),
            Format::Jpeg(f) => f.push(packet, &mut self.output),
            Format::Audio(f) => f.push(packet, &mut self.output),
            Format::Opaque(f) => f.push(packet, &mut self.output),
        }
    }

    /// The next finished unit.
    pub fn poll(&mut self) -> Option<Unit> {
        self.output.units.pop_front()
    }

    /// The 64 bit form of a timestamp near the last packet's, for sender reports.
    pub fn extend(&self, timestamp: u32) -> i64 {
        self.unwrapper.peek(timestamp)
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.output.stats
    }
}

#[cfg(test)]
mod tests;
