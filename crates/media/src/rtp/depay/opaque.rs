//! Codecs we do not take apart: their RTP payloads travel as they are.
//!
//! The payloads of one timestamp are one unit, ended by the marker or the next
//! timestamp; until a source has shown a marker each packet is a unit of its own,
//! so that sound is not delayed. Keyframes of VP8 (RFC 7741 4.2 and 4.3), VP9
//! (RFC 9628 4.2) and AV1 ([`av1`]) are recognised; a unit of any other codec
//! counts as one.

use std::time::Instant;

use bytes::Bytes;

use super::{MAX_PACKETS, MAX_UNIT, Output, Packet, Unit, av1};
use crate::codec::{Codec, CodecId};
use crate::frame::Payload;

/// Payloads of one timestamp to units.
#[derive(Debug)]
pub(super) struct Depacketiser {
    id: CodecId,
    collects: bool,
    started: bool,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    time: i64,
    arrival: Instant,
    payloads: Vec<Bytes>,
    bytes: usize,
    damaged: bool,
}

impl Depacketiser {
    pub(super) fn new(codec: &Codec) -> Self {
        let collects = matches!(codec.id, CodecId::Vp8 | CodecId::Vp9 | CodecId::Av1);
        Self { id: codec.id.clone(), collects, started: false, current: None }
    }

    pub(super) fn push(&mut self, packet: Packet, output: &mut Output) {
        self.collects |= packet.marker;
        if let Some(current) = &mut self.current {
            current.damaged |= packet.after_loss;
            if current.time != packet.time {
                self.finish(output);
            }
        }
        let current = self.current.get_or_insert_with(|| Current {
            time: packet.time,
            arrival: packet.arrival,
            payloads: Vec::new(),
            bytes: 0,
            damaged: false,
        });
        current.arrival = packet.arrival;
        current.bytes = current.bytes.saturating_add(packet.payload.len());
        if current.bytes > MAX_UNIT || current.payloads.len() >= MAX_PACKETS {
            current.bytes = usize::MAX;
            current.payloads = Vec::new();
        } else if !packet.payload.is_empty() {
            current.payloads.push(packet.payload);
        }
        if packet.marker || !self.collects {
            self.finish(output);
        }
    }

    fn finish(&mut self, output: &mut Output) {
        let Some(current) = self.current.take() else { return };
        if current.bytes > MAX_UNIT {
            output.stats.oversize += 1;
            return;
        }
        let Some(first) = current.payloads.first() else { return };
        if current.damaged {
            output.stats.damaged += 1;
            return;
        }
        let keyframe = match self.id {
            CodecId::Av1 => av1::is_keyframe(&current.payloads),
            _ => is_keyframe(&self.id, first),
        };
        if !(self.started || keyframe) {
            output.stats.before_keyframe += 1;
            return;
        }
        self.started = true;
        output.push(Unit {
            keyframe,
            pts: current.time,
            dts: current.time,
            payload: Payload::Opaque(current.payloads),
            received: Vec::new(),
            arrival: current.arrival,
        });
    }
}

/// Whether the first payload of a picture begins a keyframe.
fn is_keyframe(id: &CodecId, payload: &[u8]) -> bool {
    match id {
        CodecId::Vp8 => vp8_begins_keyframe(payload).unwrap_or(false),
        // No inter-picture prediction, and the beginning of a frame.
        CodecId::Vp9 => payload.first().is_some_and(|b| b & 0x48 == 0x08),
        _ => true,
    }
}

fn vp8_begins_keyframe(payload: &[u8]) -> Option<bool> {
    let first = *payload.first()?;
    // Beginning of partition 0.
    if first & 0x17 != 0x10 {
        return Some(false);
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        let flags = *payload.get(at)?;
        at += 1;
        if flags & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
    }
    Some(payload.get(at)? & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes() {
        assert!(is_keyframe(&CodecId::Vp8, &[0x90, 0x80, 0x81, 0x01, 0x10]));
        assert!(!is_keyframe(&CodecId::Vp8, &[0x10, 0x11]));
        assert!(!is_keyframe(&CodecId::Vp8, &[0x90, 0x80]));
        assert!(is_keyframe(&CodecId::Vp9, &[0x8a]));
        assert!(!is_keyframe(&CodecId::Vp9, &[0xca]));
        assert!(is_keyframe(&CodecId::Other("X".into()), &[]));
    }
}
