//! RTP packets out of fuzzer input, and what must hold for the units made of them.
//!
//! Each packet is three bytes of control and a payload: a length, a step of the
//! sequence number, a step of the timestamp, the marker.

use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::frame::{Payload, SizeClass};
use rs2rtc_media::rtp::depay::{Depacketiser, MAX_UNIT};
use rs2rtc_media::rtp::pay;
use rs2rtc_media::rtp::{Header, SeqNo};
use rs2rtc_media::{Codec, CodecId};

/// Feeds the input to a depacketiser and packetises what comes out again.
pub(super) fn run(codec: &Codec, mut data: &[u8]) {
    let mut depay = Depacketiser::new(codec);
    let now = Instant::now();
    let mut header = Header::default();
    while let Some((&[len, steps, ticks], rest)) = data.split_first_chunk::<3>() {
        let (payload, rest) = rest.split_at(rest.len().min(usize::from(len)));
        data = rest;
        header.marker = steps & 1 != 0;
        let step = match steps >> 1 & 15 {
            15 => 20_000,
            14 => 0,
            13 => 3,
            _ => 1,
        };
        header.seq = SeqNo(header.seq.0.wrapping_add(step));
        header.timestamp = header.timestamp.wrapping_add(u32::from(ticks >> 4) * 1800);
        if ticks & 15 == 15 {
            header.timestamp = header.timestamp.wrapping_add(0x7000_0000);
        }
        depay.push(&header, Bytes::copy_from_slice(payload), now);
        while let Some(unit) = depay.poll() {
            assert!(!unit.payload.is_empty());
            assert!(unit.payload.len() <= MAX_UNIT + 1024 * 1024);
            if let Payload::Nals(nals) = &unit.payload {
                assert!(nals.iter().all(|n| !n.is_empty()));
            }
            let (pts, dts) = (unit.pts, unit.dts);
            let frame = unit.into_frame(codec.id.clone(), pts, dts);
            for class in [SizeClass::WebRtc, SizeClass::Rtsp] {
                let payloads = frame.rtp(class);
                let splits = !matches!(
                    codec.id,
                    CodecId::Vp8 | CodecId::Vp9 | CodecId::Flac | CodecId::Av1 | CodecId::Opus
                );
                assert!(!splits || payloads.iter().all(|p| p.len() <= pay::limit(class)));
            }
        }
    }
}
