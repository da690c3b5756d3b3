//! Frames to RTP payloads, once per frame and size class.
//!
//! A frame that came as RTP goes out in the payloads it came in, if they fit.
//! Otherwise: RFC 6184 for H.264, RFC 7798 for H.265, RFC 3640 for AAC, RFC 3551
//! for G.711 and PCM, RFC 7587 for Opus, RFC 2435 for JPEG, the RTP Payload Format
//! for AV1. Fragments of one NAL unit have equal sizes except for a shorter last
//! one, so that one segmented send (GSO) carries them.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::{Codec, CodecId, pcm};
use crate::frame::{Frame, Payload, RtpPayloads, SizeClass};
use crate::rtp::jpeg::parse_picture;

mod av1;
mod nal;

/// Largest payload of size class WebRTC in bytes: 1200 with the RTP header (12)
/// and header extensions (up to 20).
pub const WEBRTC_PAYLOAD: usize = 1200 - 12 - 20;
/// Largest payload of size class RTSP in bytes: 1472 with the RTP header (12).
pub const RTSP_PAYLOAD: usize = 1460;

/// The largest payload of a size class in bytes.
pub const fn limit(class: SizeClass) -> usize {
    match class {
        SizeClass::WebRtc => WEBRTC_PAYLOAD,
        SizeClass::Rtsp => RTSP_PAYLOAD,
    }
}

/// RTP payloads of a frame, none longer than the class allows. The exceptions
/// are those that cannot be split: Opus packets, and opaque payloads of others than
/// AV1, which are passed on as they came. Empty if the format has no packetisation for the frame
/// (JPEG with unusual tables or larger than 2040 pixels, raw pictures, FLAC).
pub fn packetise(frame: &Frame, class: SizeClass) -> RtpPayloads {
    let limit = limit(class);
    let mut out = Payloads { limit, done: Vec::new() };
    match &frame.payload {
        Payload::Nals(nals) => {
            let received = frame.received.as_ref().map(|r| r.payloads.as_slice());
            match received.filter(|r| fits(r, limit)) {
                Some(received) => {
                    nal::send_on(&frame.codec, frame.keyframe, nals, received, &mut out)
                }
                None => nal::packetise(&frame.codec, nals, &mut out),
            }
        }
        Payload::Opaque(payloads) if frame.codec == CodecId::Av1 => {
            av1::send_on(payloads, frame.keyframe, &mut out);
        }
        Payload::Opaque(payloads) => payloads.iter().for_each(|p| out.push(&[p])),
        Payload::Data(data) if frame.codec == CodecId::Av1 => {
            av1::packetise(data, frame.keyframe, &mut out);
        }
        Payload::Data(data) => match &frame.received {
            Some(received) if fits(&received.payloads, limit) => {
                received.payloads.iter().for_each(|p| out.push(&[p]));
            }
            _ => pack_data(&frame.codec, data, &mut out),
        },
    }
    out.done.into()
}

fn fits(payloads: &[Bytes], limit: usize) -> bool {
    !payloads.is_empty() && payloads.iter().all(|p| p.len() <= limit)
}

/// Timestamp offset in clock ticks of an audio payload that begins after
/// `bytes` payload bytes of its frame; 0 for codecs that are not split by time.
pub fn timestamp_offset(codec: &Codec, bytes: usize) -> u32 {
    pcm::duration(codec, bytes).unwrap_or(0)
}

/// Payloads being made.
#[derive(Debug)]
struct Payloads {
    limit: usize,
    done: Vec<Arc<[u8]>>,
}

impl Payloads {
    /// Adds a payload put together from parts.
    fn push(&mut self, parts: &[&[u8]]) {
        // A single part is copied straight into the shared allocation.
        let payload = match parts {
            [one] => Arc::from(*one),
            parts => parts.concat().into(),
        };
        self.done.push(payload);
    }
}

fn pack_data(codec: &CodecId, data: &Bytes, out: &mut Payloads) {
    if data.is_empty() {
        return;
    }
    match codec {
        CodecId::Aac | CodecId::Eld => pack_aac(data, out),
        CodecId::Jpeg => pack_jpeg(data, out),
        CodecId::Pcmu | CodecId::Pcma | CodecId::G722 => {
            // Whole samples also with two channels.
            data.chunks(out.limit & !1).for_each(|part| out.push(&[part]));
        }
        CodecId::L16 => data.chunks(out.limit & !3).for_each(|part| out.push(&[part])),
        // Announced as L16, which is big endian.
        CodecId::Pcml => data.chunks(out.limit & !3).for_each(|part| {
            let swapped: Vec<u8> =
                part.chunks_exact(2).flat_map(|s| s.iter().rev()).copied().collect();
            out.push(&[&swapped]);
        }),
        CodecId::Mpa => pack_mpeg(data, out),
        CodecId::RawVideo | CodecId::Flac => {}
        _ => out.push(&[data]),
    }
}

/// RFC 3640 high bit-rate mode: a 16 bit AU header (13 bits size, 3 bits index).
/// A unit that is too large is split; each part has the header of the whole.
fn pack_aac(data: &Bytes, out: &mut Payloads) {
    let Ok(size) = u16::try_from(data.len()) else { return };
    if size >= 1 << 13 {
        return;
    }
    let [s0, s1] = (size << 3).to_be_bytes();
    for part in data.chunks(even(data.len(), out.limit - 4)) {
        out.push(&[&[0, 16, s0, s1], part]);
    }
}

/// RFC 2250 3.5: each payload tells its offset in the frame.
fn pack_mpeg(data: &Bytes, out: &mut Payloads) {
    let mut offset = 0_usize;
    for part in data.chunks(out.limit - 4) {
        let [o0, o1] = u16::try_from(offset).unwrap_or(u16::MAX).to_be_bytes();
        out.push(&[&[0, 0, o0, o1], part]);
        offset += part.len();
    }
}

fn pack_jpeg(data: &Bytes, out: &mut Payloads) {
    let Some((mut header, scan)) = parse_picture(data) else { return };
    let mut rest: &[u8] = &scan;
    // The offset has 24 bits.
    while !rest.is_empty() && header.offset < 1 << 24 {
        let mut head = Vec::with_capacity(144);
        header.write(&mut head);
        let (part, after) = rest.split_at(rest.len().min(out.limit - head.len()));
        out.push(&[&head, part]);
        header.offset += part.len();
        rest = after;
    }
}

/// Size of the parts when `len` bytes are split evenly into parts of at most
/// `limit` bytes: all equal except for a shorter last one.
fn even(len: usize, limit: usize) -> usize {
    let limit = limit.max(1);
    len.div_ceil(len.div_ceil(limit).max(1)).max(1)
}

#[cfg(test)]
mod tests;
