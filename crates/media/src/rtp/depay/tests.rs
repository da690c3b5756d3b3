//! Packets written by hand, as cameras send them.

use std::time::Duration;

use super::*;
use crate::codec::aac::AudioSpecificConfig;
use crate::codec::{h264, h265};
use crate::rtp::{PayloadType, SeqNo, Ssrc};

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0xfb, 0x01, 0x10, 0, 0, 3, 0, 0x10, 0, 0, 3, 3, 0x20,
    0xf1, 0x42, 0xa4, 0x80,
];
const PPS: &[u8] = &[0x68, 0xcb, 0x8c, 0xb2];
/// An SPS of the main profile with frames only and without VUI.
const MAIN_SPS: &str = "Z01AMqaAKAC1kAA=";

/// First and further slices: IDR, P and B.
const IDR: &[u8] = &[0x65, 0x88, 0x84, 1, 2, 3];
const IDR_2: &[u8] = &[0x65, 0x42, 0x84, 4, 5, 6];
const P: &[u8] = &[0x41, 0x9a, 1, 2];
const P_2: &[u8] = &[0x41, 0x46, 3, 4];
const B: &[u8] = &[0x01, 0x9e, 1, 2];
const SEI: &[u8] = &[0x06, 5, 1, 0xaa, 0x80];
const AUD: &[u8] = &[0x09, 0xf0];

/// A source of packets with its depacketiser.
struct Source {
    depay: Depacketiser,
    seq: u16,
    epoch: Instant,
}

impl Source {
    fn new(codec: &Codec) -> Self {
        Self { depay: Depacketiser::new(codec), seq: 0xfffd, epoch: Instant::now() }
    }

    fn h264(fmtp: &str) -> Self {
        Self::new(&Codec::new(CodecId::H264).clock(90_000).fmtp(fmtp))
    }

    fn send(&mut self, timestamp: u32, marker: bool, payload: &[u8]) -> Vec<Unit> {
        let header = Header {
            marker,
            payload_type: PayloadType(96),
            seq: SeqNo(self.seq),
            timestamp,
            ssrc: Ssrc(1),
            csrc: Vec::new(),
            extension: None,
        };
        self.seq = self.seq.wrapping_add(1);
        let arrival = self.epoch + Duration::from_millis(u64::from(timestamp / 90));
        self.depay.push(&header, Bytes::copy_from_slice(payload), arrival);
        std::iter::from_fn(|| self.depay.poll()).collect()
    }

    fn lose(&mut self, packets: u16) {
        self.seq = self.seq.wrapping_add(packets);
    }
}

fn nals(unit: &Unit) -> Vec<&[u8]> {
    match &unit.payload {
        Payload::Nals(nals) => nals.iter().map(|n| &n[..]).collect(),
        other => panic!("{other:?}"),
    }
}

fn data(unit: &Unit) -> &[u8] {
    match &unit.payload {
        Payload::Data(data) => data,
        other => panic!("{other:?}"),
    }
}

fn sets_fmtp() -> String {
    h264::ParameterSets::from_nals(&[Bytes::from_static(SPS), Bytes::from_static(PPS)]).to_fmtp()
}

fn stap(nals: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0x78];
    for nal in nals {
        out.extend_from_slice(&(nal.len() as u16).to_be_bytes());
        out.extend_from_slice(nal);
    }
    out
}

fn fu(nal: &[u8], from: usize, to: usize, start: bool, end: bool) -> Vec<u8> {
    let mut out =
        vec![nal[0] & 0xe0 | 28, nal[0] & 0x1f | u8::from(start) << 7 | u8::from(end) << 6];
    out.extend_from_slice(&nal[from..to]);
    out
}

#[test]
fn parameter_sets_from_sdp_go_in_front() {
    let mut s = Source::h264(&sets_fmtp());
    let units = s.send(1000, true, IDR);
    assert_eq!(nals(&units[0]), [SPS, PPS, IDR]);
    assert!(units[0].keyframe);
    assert_eq!(units[0].received, [IDR]);
    let units = s.send(4000, true, P);
    assert_eq!(nals(&units[0]), [P]);
    assert!(!units[0].keyframe);
    assert_eq!((units[0].pts, units[0].dts), (4000, 4000));
}

#[test]
fn parameter_sets_in_band_win_and_come_once() {
    let mut s = Source::h264(&sets_fmtp());
    let mut own = PPS.to_vec();
    own[3] = 0xb3;
    assert!(s.send(0, false, &stap(&[SPS, &own, SPS])).is_empty());
    let units = s.send(0, true, IDR);
    assert_eq!(nals(&units[0]), [SPS, &own[..], IDR]);
    // Remembered for the next keyframe, dropped where nothing changed.
    assert_eq!(nals(&s.send(3000, true, &stap(&[SPS, &own, P]))[0]), [P]);
    assert_eq!(nals(&s.send(6000, true, IDR)[0]), [SPS, &own[..], IDR]);
}

#[test]
fn markers_on_parameter_sets_and_sei() {
    let mut s = Source::h264("");
    assert!(s.send(0, true, SPS).is_empty());
    assert!(s.send(0, true, PPS).is_empty());
    assert!(s.send(0, true, SEI).is_empty());
    let units = s.send(0, true, IDR);
    assert_eq!(nals(&units[0]), [SPS, PPS, SEI, IDR]);
    assert_eq!(units[0].received.len(), 4);
    // With a time of their own they are remembered.
    assert!(s.send(3000, true, PPS).is_empty());
    assert!(s.send(3001, true, SEI).is_empty());
    assert_eq!(nals(&s.send(6000, true, IDR)[0]), [SPS, PPS, IDR]);
    assert_eq!(s.depay.stats().damaged, 0);
}

#[test]
fn delimiters_and_filler_are_dropped() {
    let mut s = Source::h264(&sets_fmtp());
    s.send(0, false, AUD);
    s.send(0, false, &[12, 0xff, 0xff, 0x80]);
    assert_eq!(nals(&s.send(0, true, IDR)[0]), [SPS, PPS, IDR]);
}

#[test]
fn fragments_become_one_unit() {
    let mut s = Source::h264(&sets_fmtp());
    assert!(s.send(0, false, &fu(IDR, 1, 3, true, false)).is_empty());
    assert!(s.send(0, false, &fu(IDR, 3, 4, false, false)).is_empty());
    let units = s.send(0, true, &fu(IDR, 4, 6, false, true));
    assert_eq!(nals(&units[0]), [SPS, PPS, IDR]);
    assert_eq!(units[0].received.len(), 3);
    // Start and end in one packet are understood, but not sent on.
    let units = s.send(3000, true, &fu(IDR, 1, 6, true, true));
    assert_eq!(nals(&units[0]), [SPS, PPS, IDR]);
    assert!(units[0].received.is_empty());
}

#[test]
fn a_fragment_without_end_bit_is_complete_at_the_next_unit() {
    let mut s = Source::h264(&sets_fmtp());
    s.send(0, false, &fu(IDR, 1, 3, true, false));
    assert!(s.send(0, true, &fu(IDR, 3, 6, false, false)).is_empty());
    let units = s.send(3000, true, P);
    assert_eq!(nals(&units[0]), [SPS, PPS, IDR]);
    assert_eq!(nals(&units[1]), [P]);
}

#[test]
fn several_slices_end_at_the_marker() {
    let mut s = Source::h264(&sets_fmtp());
    assert!(s.send(0, false, IDR).is_empty());
    assert_eq!(nals(&s.send(0, true, IDR_2)[0]), [SPS, PPS, IDR, IDR_2]);
    assert!(s.send(3000, false, P).is_empty());
    assert_eq!(nals(&s.send(3000, true, P_2)[0]), [P, P_2]);
}

#[test]
fn a_source_without_markers_ends_units_at_the_next_timestamp() {
    let mut s = Source::h264(&sets_fmtp());
    s.send(0, false, IDR);
    s.send(0, false, IDR_2);
    assert_eq!(nals(&s.send(3000, false, P)[0]), [SPS, PPS, IDR, IDR_2]);
    s.send(3000, false, P_2);
    let units = s.send(6000, false, P);
    assert_eq!(nals(&units[0]), [P, P_2]);
    assert_eq!(units[0].arrival, s.epoch + Duration::from_millis(33));
}

#[test]
fn a_marker_on_every_nal_unit_is_found_out_once() {
    let mut s = Source::h264(&sets_fmtp());
    // Half a picture, until it is seen to go on.
    assert_eq!(s.send(0, true, IDR).len(), 1);
    assert!(s.send(0, true, IDR_2).is_empty());
    for n in 1..40 {
        let units = s.send(n * 3000, true, P);
        assert!(units.iter().all(|u| nals(u) == [P, P_2]), "{n}");
        assert_eq!(units.len(), usize::from(n > 1));
        assert!(s.send(n * 3000, true, P_2).is_empty());
    }
    assert_eq!(s.depay.stats().damaged, 1);
}

#[test]
fn the_last_slice_is_learnt() {
    let mut s = Source::h264(&sets_fmtp());
    let mut at_once = 0;
    for n in 0..60 {
        let [first, second] = if n % 10 == 0 { [IDR, IDR_2] } else { [P, P_2] };
        for unit in s.send(n * 3000, true, first) {
            assert!(n == 0 || nals(&unit).len().is_multiple_of(2));
        }
        at_once += s.send(n * 3000, true, second).len();
    }
    assert!(at_once > 30, "{at_once}");
    // Another number of slices ends the practice: one half picture, then none.
    s.send(600_000, true, P);
    assert_eq!(s.send(600_000, true, P_2).len(), 1);
    assert!(s.send(600_000, true, P_2).is_empty());
    for n in 201..260 {
        for unit in s.send(n * 3000, true, P) {
            assert_eq!(nals(&unit), [P, P_2, P_2]);
        }
        assert!(s.send(n * 3000, true, P_2).is_empty());
        assert!(s.send(n * 3000, true, P_2).is_empty());
    }
}

#[test]
fn a_new_picture_ends_the_one_before_it_at_one_timestamp() {
    let mut s = Source::h264(&sets_fmtp());
    s.send(0, false, IDR);
    assert_eq!(nals(&s.send(0, false, P)[0]), [SPS, PPS, IDR]);
    let units = s.send(0, true, &stap(&[P, P]));
    assert_eq!(units.len(), 3);
    assert!(units.windows(2).all(|w| w[0].dts < w[1].dts));
}

#[test]
fn loss_discards_the_damaged_unit_only() {
    let mut s = Source::h264(&sets_fmtp());
    s.send(0, true, IDR);
    s.send(3000, false, &fu(P, 1, 2, true, false));
    s.lose(1);
    assert!(s.send(3000, true, &fu(P, 3, 4, false, true)).is_empty());
    assert_eq!(nals(&s.send(6000, true, P)[0]), [P]);
    // The beginning of a picture is missing.
    s.lose(1);
    assert!(s.send(9000, true, P_2).is_empty());
    // A whole picture is missing: nothing to see.
    s.lose(1);
    assert_eq!(s.send(15_000, true, P).len(), 1);
    let stats = s.depay.stats();
    assert_eq!((stats.lost, stats.damaged), (3, 2));
}

#[test]
fn late_and_repeated_packets_are_ignored() {
    let mut s = Source::h264(&sets_fmtp());
    s.send(0, true, IDR);
    s.seq = s.seq.wrapping_sub(1);
    assert!(s.send(0, true, IDR).is_empty());
    assert_eq!(s.send(3000, true, P).len(), 1);
}

#[test]
fn nothing_before_the_first_keyframe() {
    let mut s = Source::h264(&sets_fmtp());
    assert!(s.send(0, true, P).is_empty());
    assert_eq!(s.send(3000, true, IDR).len(), 1);
    assert_eq!(s.depay.stats().before_keyframe, 1);
    let mut s = Source::h264("");
    assert!(s.send(0, true, IDR).is_empty(), "no parameter sets");
}

#[test]
fn a_recovery_point_is_a_keyframe() {
    let mut s = Source::h264(&sets_fmtp());
    let i_slice = [0x61, 0x88, 0x80, 1];
    assert!(s.send(0, true, &i_slice).is_empty());
    let units = s.send(3000, true, &stap(&[&[6, 6, 1, 0xc4, 0x80], &i_slice]));
    assert!(units[0].keyframe);
    assert!(!s.send(6000, true, &stap(&[&[6, 6, 1, 0xc4, 0x80], P]))[0].keyframe);
}

#[test]
fn annex_b_inside_a_packet_is_taken_apart() {
    let mut s = Source::h264("");
    let mut whole = SPS.to_vec();
    for nal in [PPS, IDR] {
        whole.extend_from_slice(&[0, 0, 0, 1]);
        whole.extend_from_slice(nal);
    }
    let units = s.send(0, true, &whole);
    assert_eq!(nals(&units[0]), [SPS, PPS, IDR]);
    assert!(units[0].received.is_empty());
    let mut coded = vec![0, 0, 0, 1];
    coded.extend_from_slice(P);
    assert_eq!(nals(&s.send(3000, true, &coded)[0]), [P]);
}

#[test]
fn large_units_are_refused() {
    let mut s = Source::h264(&sets_fmtp());
    let mut part = vec![0x7c, 0x85];
    part.resize(60_000, 7);
    s.send(0, false, &part);
    part[1] = 5;
    for _ in 0..100 {
        s.send(0, false, &part);
    }
    part[1] = 0x45;
    assert!(s.send(0, true, &part).is_empty());
    assert_eq!(s.send(3000, true, IDR).len(), 1);
}

#[test]
fn b_frames_get_decoding_times() {
    let fmtp = format!("sprop-parameter-sets={MAIN_SPS},aO48gA==");
    let mut s = Source::h264(&fmtp);
    let mut dts = Vec::new();
    let pictures: [(u32, &[u8]); 9] =
        [(0, IDR), (3, P), (1, B), (2, B), (6, P), (4, B), (5, B), (9, P), (7, B)];
    for (n, nal) in pictures {
        for unit in s.send(90_000 + n * 3600, true, nal) {
            dts.push(unit.dts);
        }
    }
    assert_eq!(dts.len(), 9);
    assert!(dts.windows(2).all(|w| w[0] < w[1]));
    assert_eq!(dts[8], 90_000 + 7 * 3600);
}

#[test]
fn h265_aggregation_fragments_and_keyframes() {
    let fmtp = "sprop-vps=QAEMAf//AWAAAAMAAAMAAAMAAAMAmawJ;sprop-sps=QgEBAWAAAAMAAAMAAAMAAAMAmaAAoAgBaH+KrTuiS7/8AAQABbAgApMuADN/mAE=;sprop-pps=RAHgcvCyQA==";
    let sets = h265::ParameterSets::from_fmtp(fmtp);
    let idr = [0x26, 1, 0xaf, 1, 2, 3];
    let p = [0x02, 1, 0xd0, 9];
    // Sets from SDP also in front of a single NAL unit.
    let mut s = Source::new(&Codec::new(CodecId::H265).clock(90_000).fmtp(fmtp));
    let units = s.send(0, true, &idr);
    assert_eq!(nals(&units[0]).len(), 4);
    // All of it in an aggregation packet, without SDP.
    let mut ap = vec![48 << 1, 1];
    for nal in sets.nals().map(|n| &n[..]).chain([&idr[..]]) {
        ap.extend_from_slice(&(nal.len() as u16).to_be_bytes());
        ap.extend_from_slice(nal);
    }
    let mut s = Source::new(&Codec::new(CodecId::H265).clock(90_000));
    let units = s.send(0, true, &ap);
    assert!(units[0].keyframe);
    assert_eq!(nals(&units[0])[3], idr);
    assert_eq!(units[0].received, [&ap[..]]);
    // Fragments.
    assert!(s.send(3000, false, &[49 << 1, 1, 0x80 | 1, 0xd0]).is_empty());
    assert_eq!(nals(&s.send(3000, true, &[49 << 1, 1, 0x40 | 1, 9])[0]), [p]);
    // Whole unit in one fragment.
    assert_eq!(nals(&s.send(6000, true, &[49 << 1, 1, 0xc0 | 1, 0xd0, 9])[0]), [p]);
    // PACI is ignored.
    assert!(s.send(9000, true, &[50 << 1, 1, 0, 0]).is_empty());
}

fn aac() -> Source {
    Source::new(
        &Codec::new(CodecId::Aac).clock(16_000).fmtp(AudioSpecificConfig::lc(16_000, 1).to_fmtp()),
    )
}

#[test]
fn aac_units_of_a_packet_get_times() {
    let mut s = aac();
    let units = s.send(5000, true, &[0, 32, 0, 16, 0, 24, b'a', b'b', b'c', b'd', b'e']);
    assert_eq!(units.iter().map(data).collect::<Vec<_>>(), [b"ab".as_slice(), b"cde"]);
    assert_eq!(units.iter().map(|u| u.pts).collect::<Vec<_>>(), [5000, 6024]);
    let units = s.send(7000, true, &[0, 16, 0, 16, b'x', b'y']);
    assert_eq!(units[0].received.len(), 1);
}

#[test]
fn aac_fragments() {
    let mut s = aac();
    assert!(s.send(0, false, &[0, 16, 0, 40, 1, 2, 3]).is_empty());
    assert_eq!(data(&s.send(0, true, &[0, 16, 0, 40, 4, 5])[0]), [1, 2, 3, 4, 5]);
    s.send(1024, false, &[0, 16, 0, 40, 1, 2, 3]);
    s.lose(1);
    assert_eq!(data(&s.send(2048, true, &[0, 16, 0, 8, 9])[0]), [9]);
    assert_eq!(s.depay.stats().damaged, 1);
}

#[test]
fn aac_with_adts_headers() {
    let mut s = aac();
    let config = AudioSpecificConfig::lc(16_000, 1);
    let mut adts = crate::codec::aac::AdtsHeader::new(&config, 2).unwrap().write().to_vec();
    adts.extend_from_slice(b"ab");
    let twice = [&adts[..], &adts].concat();
    let units = s.send(0, true, &twice);
    assert_eq!(
        units.iter().map(|u| (data(u), u.pts)).collect::<Vec<_>>(),
        [(&b"ab"[..], 0), (b"ab", 1024)]
    );
    let framed = [&[0, 16, 0, (adts.len() as u8) << 3], &adts[..]].concat();
    assert_eq!(data(&s.send(2048, true, &framed)[0]), b"ab");
}

#[test]
fn simple_sound_and_opaque() {
    let mut s = Source::new(&Codec::new(CodecId::Pcma).clock(8000));
    assert_eq!(data(&s.send(160, false, &[1, 2, 3])[0]), [1, 2, 3]);
    assert!(s.send(320, false, &[]).is_empty());
    let mut s = Source::new(&Codec::new(CodecId::from_name("VND.ONVIF.METADATA")).clock(90_000));
    assert_eq!(s.send(1, false, &[1]).len(), 1);
    assert_eq!(s.send(2, true, &[2]).len(), 1);
    assert_eq!(s.send(3, false, &[3]).len(), 0);
    assert_eq!(
        s.send(3, true, &[4])[0].payload,
        Payload::Opaque(vec![vec![3].into(), vec![4].into()])
    );
}

#[test]
fn noise_never_panics_and_is_bounded() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let ids =
        [CodecId::H264, CodecId::H265, CodecId::Aac, CodecId::Jpeg, CodecId::Vp8, CodecId::Mpa];
    for id in ids {
        let mut s = Source::new(&Codec::new(id).fmtp(sets_fmtp()));
        for _ in 0..20_000 {
            let r = random();
            let mut payload: Vec<u8> = (0..r % 40).map(|_| random() as u8).collect();
            if let Some(first) = payload.first_mut() {
                // Interesting types more often.
                *first = [0x65, 0x41, 0x67, 0x68, 0x7c, 0x78, 0x62, 0x60, 0x26, *first]
                    [(r >> 20) as usize % 10];
            }
            s.seq = s.seq.wrapping_add(u16::from(r >> 40 & 31 == 0) * 3);
            let units = s.send((r >> 48 & 3) as u32 * 3000, r >> 60 & 3 == 0, &payload);
            for unit in units {
                assert!(unit.payload.len() <= MAX_UNIT + 64 * 1024);
                if let Payload::Nals(nals) = &unit.payload {
                    assert!(!nals.is_empty() && nals.iter().all(|n| !n.is_empty()));
                }
            }
        }
    }
}

#[test]
fn truncated_payloads_never_panic() {
    let stap = stap(&[SPS, PPS, SEI, IDR]);
    let fragment = fu(IDR, 1, 6, true, true);
    let mut jpeg = vec![0, 0, 0, 0, 65, 255, 80, 45, 0, 4, 0xff, 0xff, 0, 0, 0, 128];
    jpeg.extend([16; 140]);
    let ap = [&[48 << 1, 1, 0, 4][..], &[0x40, 1, 12, 1, 0, 4, 0x26, 1, 0xaf, 1]].concat();
    let units = vec![0, 32, 0, 16, 0, 24, b'a', b'b', b'c', b'd', b'e'];
    let vp8 = vec![0x90, 0xf0, 0x81, 1, 2, 3, 0x10];
    for (id, payload) in [
        (CodecId::H264, stap),
        (CodecId::H264, fragment),
        (CodecId::H265, ap),
        (CodecId::H265, vec![49 << 1, 1, 0xc0 | 19, 0xaf, 1]),
        (CodecId::Jpeg, jpeg),
        (CodecId::Aac, units),
        (CodecId::Mpa, vec![0, 0, 0, 0, 1]),
        (CodecId::Vp8, vp8),
    ] {
        let mut s = Source::new(&Codec::new(id));
        for n in 0..=payload.len() {
            s.send(n as u32 * 3000, true, &payload[..n]);
        }
    }
}
