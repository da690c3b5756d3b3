//! AV1: sequence headers, and temporal units through RTP and back; RTP payloads into
//! MP4.

use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::codec::av1::{SequenceHeader, units};
use rs2rtc_media::container::fmp4::{Format, Track};
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::rtp::pay;
use rs2rtc_media::{Codec, CodecId, Frame, Payload};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Some(header) = SequenceHeader::parse(&bytes) {
        let again = SequenceHeader::of_record(&header.record().into());
        assert!(again.is_none_or(|again| again.mime() == header.mime()));
    }
    SequenceHeader::of_record(&bytes);
    if let Some(units) = units(&bytes) {
        assert_eq!(units.concat(), data, "they are all of it");
    }
    let now = Instant::now();
    let frame = Frame::new(CodecId::Av1, true, 0, now, Payload::Data(bytes));
    for class in [SizeClass::WebRtc, SizeClass::Rtsp] {
        let payloads = frame.rtp(class);
        assert!(payloads.iter().all(|p| p.len() <= pay::limit(class)));
        if payloads.is_empty() {
            continue;
        }
        let came = payloads.iter().map(|p| Bytes::copy_from_slice(p)).collect();
        let received = Frame::new(CodecId::Av1, true, 0, now, Payload::Opaque(came));
        assert_eq!(received.rtp(class), payloads, "its own packets are sent on as they are");
        let mut track = Track::new(0, Format::new(&codec()).expect("MP4 carries it"));
        track.learn(&received);
        let fragment = track.fragment(&received).expect("its own packets fit together");
        assert!(units(&fragment.payload).is_some_and(|units| !units.is_empty()));
    }
}

/// Packets of AV1 from the input.
pub fn depay(data: &[u8]) {
    super::packets::run(&codec(), data);
}

const fn codec() -> Codec {
    Codec::new(CodecId::Av1).clock(90_000)
}
