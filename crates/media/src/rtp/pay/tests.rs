//! Frame to payloads and back.

use std::time::Instant;

use super::*;
use crate::codec::aac::AudioSpecificConfig;
use crate::rtp::depay::{Depacketiser, Unit};
use crate::rtp::{Header, SeqNo};

const CLASSES: [SizeClass; 2] = [SizeClass::WebRtc, SizeClass::Rtsp];

fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // No zero: no start codes.
        (state >> 8) as u8 | 1
    };
    (0..len).map(|_| next()).collect()
}

fn nal(head: &[u8], len: usize) -> Bytes {
    [head, &noise(len, len as u32)].concat().into()
}

fn frame(id: CodecId, payload: Payload) -> Frame {
    Frame::new(id, true, 0, Instant::now(), payload)
}

fn back(codec: &Codec, payloads: &RtpPayloads) -> Vec<Unit> {
    let mut depay = Depacketiser::new(codec);
    for (n, payload) in payloads.iter().enumerate() {
        let header = Header {
            marker: n + 1 == payloads.len(),
            seq: SeqNo(n as u16),
            timestamp: 90_000,
            ..Header::default()
        };
        depay.push(&header, Bytes::copy_from_slice(payload), Instant::now());
    }
    std::iter::from_fn(|| depay.poll()).collect()
}

fn h264_frame(len: usize) -> Vec<Bytes> {
    let sps = [
        0x67, 0x42, 0xc0, 0x0d, 0xd9, 1, 0x41, 0xfb, 1, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x20,
        0xf1, 0x42, 0xa4, 0x80,
    ];
    vec![
        Bytes::copy_from_slice(&sps),
        Bytes::from_static(&[0x68, 0xcb, 0x8c, 0xb2]),
        Bytes::from_static(&[0x06, 5, 1, 0xaa, 0x80]),
        nal(&[0x65, 0x88], len),
        nal(&[0x65, 0x42], len / 2),
    ]
}

fn h265_frame(len: usize) -> Vec<Bytes> {
    let fmtp = "sprop-vps=QAEMAf//AWAAAAMAAAMAAAMAAAMAmawJ;sprop-sps=QgEBAWAAAAMAAAMAAAMAAAMAmaAAoAgBaH+KrTuiS7/8AAQABbAgApMuADN/mAE=;sprop-pps=RAHgcvCyQA==";
    let mut nals: Vec<_> =
        crate::codec::h265::ParameterSets::from_fmtp(fmtp).nals().cloned().collect();
    nals.push(nal(&[0x26, 1, 0xaf], len));
    nals.push(nal(&[0x26, 1, 0x2f], len / 2));
    nals
}

#[test]
fn nal_units_come_back_as_they_went() {
    for class in CLASSES {
        for len in [
            1, 10, 1159, 1160, 1164, 1165, 1166, 1167, 1168, 1169, 1457, 1458, 1459, 1460, 1461,
            2334, 50_000,
        ] {
            for (id, nals) in [(CodecId::H264, h264_frame(len)), (CodecId::H265, h265_frame(len))] {
                let codec = Codec::new(id.clone()).clock(90_000);
                let payloads = packetise(&frame(id, Payload::Nals(nals.clone())), class);
                assert!(payloads.iter().all(|p| p.len() <= limit(class)));
                let units = back(&codec, &payloads);
                assert_eq!(units.len(), 1, "{codec} {len}");
                assert!(units[0].keyframe);
                assert_eq!(units[0].payload, Payload::Nals(nals));
            }
        }
    }
}

#[test]
fn fragments_are_even() {
    let payloads =
        packetise(&frame(CodecId::H264, Payload::Nals(h264_frame(10_000))), SizeClass::WebRtc);
    // The sets in one packet of their own, in front.
    assert_eq!(payloads[0][0] & 0x1f, 24);
    assert_eq!(payloads[1][0], 6);
    let first: Vec<_> = payloads[2..].iter().map(|p| p.len()).collect();
    let end = payloads[2..].iter().position(|p| p[1] & 0x40 != 0).unwrap();
    assert!(first[..end].iter().all(|len| *len == first[0]));
    assert!(first[end] <= first[0] && first[0] - first[end] < 12);
}

#[test]
fn received_payloads_are_sent_on_where_they_fit() {
    let nals = h264_frame(1300);
    let plain = frame(CodecId::H264, Payload::Nals(nals.clone()));
    let received = nals[3..].to_vec();
    let with = plain.at(0, 0).with_received(received.clone());
    // For RTSP: the sets from SDP in front, the rest unchanged.
    let payloads = packetise(&with, SizeClass::Rtsp);
    assert_eq!(payloads[0][0] & 0x1f, 24);
    assert_eq!(payloads[1..].iter().map(|p| &p[..]).collect::<Vec<_>>(), received);
    // For WebRTC they are too large.
    assert!(packetise(&with, SizeClass::WebRtc).len() > 3);
    // Nothing in front if they are there.
    let all = plain.at(0, 0).with_received(nals.clone());
    assert_eq!(packetise(&all, SizeClass::Rtsp).iter().map(|p| &p[..]).collect::<Vec<_>>(), nals);
}

#[test]
fn forms_are_made_once() {
    let f = frame(CodecId::H264, Payload::Nals(h264_frame(100)));
    assert!(Arc::ptr_eq(&f.rtp(SizeClass::WebRtc), &f.rtp(SizeClass::WebRtc)));
    assert!(Arc::ptr_eq(&f.rtp(SizeClass::WebRtc), &f.at(5, 5).rtp(SizeClass::WebRtc)));
}

#[test]
fn sound_comes_back_as_it_went() {
    let aac =
        Codec::new(CodecId::Aac).clock(16_000).fmtp(AudioSpecificConfig::lc(16_000, 1).to_fmtp());
    let opus = Codec::new(CodecId::Opus).clock(48_000).channels(2);
    for class in CLASSES {
        for (codec, len) in
            [(&aac, 3), (&aac, 1164), (&aac, 1165), (&aac, 8191), (&opus, 1), (&opus, 900)]
        {
            let data = Payload::Data(noise(len, 5).into());
            let units = back(codec, &packetise(&frame(codec.id.clone(), data.clone()), class));
            assert_eq!(
                units.iter().map(|u| &u.payload).collect::<Vec<_>>(),
                [&data],
                "{codec} {len}"
            );
        }
    }
}

#[test]
fn long_pcm_is_split_at_samples() {
    let codec = Codec::new(CodecId::L16).clock(8000).channels(1);
    let data = noise(4001 & !1, 9);
    let payloads =
        packetise(&frame(CodecId::L16, Payload::Data(data.clone().into())), SizeClass::WebRtc);
    assert!(payloads.iter().all(|p| p.len() <= WEBRTC_PAYLOAD && p.len().is_multiple_of(2)));
    assert_eq!(payloads.concat(), data);
    assert_eq!(timestamp_offset(&codec, payloads[0].len()), 584);
    let swapped =
        packetise(&frame(CodecId::Pcml, Payload::Data(vec![1, 2, 3, 4].into())), SizeClass::Rtsp);
    assert_eq!(swapped[0][..], [2, 1, 4, 3]);
}

#[test]
fn pictures_come_back_with_the_same_content() {
    let codec = Codec::new(CodecId::Jpeg).clock(90_000);
    let mut first = vec![0, 0, 0, 0, 1, 70, 80, 45];
    first.extend(noise(40_000, 3));
    let picture = back(&codec, &Arc::from([Arc::from(first)]))[0].payload.clone();
    for class in CLASSES {
        let payloads = packetise(&frame(CodecId::Jpeg, picture.clone()), class);
        assert!(payloads.len() > 20 && payloads.iter().all(|p| p.len() <= limit(class)));
        assert_eq!(back(&codec, &payloads)[0].payload, picture);
    }
    let odd = frame(CodecId::Jpeg, Payload::Data(Bytes::from_static(b"\xff\xd8\xff\xd9")));
    assert!(packetise(&odd, SizeClass::Rtsp).is_empty());
}

#[test]
fn noise_never_panics() {
    for len in 0..200 {
        let data = Bytes::from(noise(len, 77));
        for id in [CodecId::H264, CodecId::H265] {
            let nals = data.chunks(3).map(Bytes::copy_from_slice).collect::<Vec<_>>();
            let f = frame(id, Payload::Nals(nals.clone())).with_received(nals);
            for class in CLASSES {
                packetise(&f, class);
            }
        }
        for id in [CodecId::Jpeg, CodecId::Aac, CodecId::Pcml, CodecId::Mpa, CodecId::Opus] {
            packetise(&frame(id, Payload::Data(data.clone())), SizeClass::Rtsp);
        }
        packetise(&frame(CodecId::Vp8, Payload::Opaque(vec![data])), SizeClass::Rtsp);
    }
}
