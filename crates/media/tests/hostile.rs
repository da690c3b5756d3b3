//! Streams that are made to cost as much as possible: what they may cost has an end.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::{Duration, Instant};

use rs2rtc_media::codec::nal::MAX_UNITS;
use rs2rtc_media::container::{Demuxer, Error};
use rs2rtc_media::rtp::depay::Depacketiser;
use rs2rtc_media::rtp::{Header, SeqNo};
use rs2rtc_media::{Codec, CodecId};

fn recorded(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/container");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// A demuxer that has read a recording.
fn demuxer(name: &str) -> Demuxer {
    let mut demuxer = Demuxer::new();
    demuxer.push(&recorded(name));
    drain(&mut demuxer).unwrap();
    demuxer
}

/// Takes all units that are there; says how many.
fn drain(demuxer: &mut Demuxer) -> Result<usize, Error> {
    let mut count = 0;
    while demuxer.next_unit()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// A packet of a transport stream, filled with `fill`.
fn packet(id: u16, starts: bool, content: &[u8], fill: u8) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut packet = vec![0x47, if starts { 0x40 } else { 0 } | high, low, 0x10];
    packet.extend_from_slice(content);
    assert!(packet.len() <= 188);
    packet.resize(188, fill);
    packet
}

/// A table: the association of program 1 with the map 0x1000, or the map of some streams.
fn table(streams: Option<&[(u8, u16)]>) -> Vec<u8> {
    let mut body = vec![0, 1, 0xc1, 0, 0];
    match streams {
        None => body.extend([0, 1, 0xf0, 0]),
        Some(streams) => {
            body.extend([0xe1, 0, 0xf0, 0]);
            for (kind, id) in streams {
                let [high, low] = id.to_be_bytes();
                let opus: &[u8] = if *kind == 6 { b"\x05\x04Opus" } else { b"" };
                body.extend([*kind, 0xe0 | high, low, 0xf0, opus.len() as u8]);
                body.extend(opus);
            }
        }
    }
    body.extend([0; 4]);
    let kind = if streams.is_some() { 2 } else { 0 };
    let section = [&[0, kind, 0xb0, body.len() as u8][..], &body].concat();
    packet(if streams.is_some() { 0x1000 } else { 0 }, true, &section, 0xff)
}

const PES: [u8; 9] = [0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0];

/// Four bytes make a NAL unit.
#[test]
fn pictures_of_too_many_units_are_refused() {
    // In a transport stream.
    let mut demuxer = demuxer("h264_aac.ts");
    demuxer.push(&packet(0x100, true, &PES, 0));
    for _ in 0..4 * MAX_UNITS / 180 + 1 {
        demuxer.push(&packet(0x100, false, &b"\0\0\x01\x41".repeat(46), 0));
    }
    // The picture before it is whole.
    assert_eq!(drain(&mut demuxer), Ok(1));
    demuxer.push(&packet(0x100, true, &PES, 0));
    assert_eq!(drain(&mut demuxer), Err(Error::TooLarge("H.264")));
    // In a tag of Flash Video.
    let tag = |units: usize| {
        let body = [&[0x27, 1, 0, 0, 0][..], &b"\0\0\0\x01\x41".repeat(units)].concat();
        let [_, s0, s1, s2] = (body.len() as u32).to_be_bytes();
        [&[9, s0, s1, s2, 0, 9, 0, 0, 0, 0, 0][..], &body, &[0; 4]].concat()
    };
    for (units, result) in [
        (MAX_UNITS, Ok(1)),
        (MAX_UNITS + 1, Err(Error::TooLarge("H.264"))),
        (3 << 20, Err(Error::TooLarge("H.264"))),
    ] {
        let mut demuxer = self::demuxer("h264_aac.flv");
        demuxer.push(&tag(units));
        assert_eq!(drain(&mut demuxer), result, "{units}");
    }
    // Bare.
    let mut demuxer = self::demuxer("pictures.h264");
    demuxer.push(&b"\0\0\x01\x41\x01".repeat(MAX_UNITS + 2));
    assert_eq!(drain(&mut demuxer), Err(Error::TooLarge("h264")));
}

/// In packets of RTP each with many units, and in one that hides others.
#[test]
fn pictures_of_too_many_units_are_left_out_of_rtp() {
    let fmtp =
        "packetization-mode=1; sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAyDxQqSA,aMuMsg==";
    for hides in [false, true] {
        let mut depay = Depacketiser::new(&Codec::new(CodecId::H264).clock(90_000).fmtp(fmtp));
        let mut header = Header::default();
        let mut send = |timestamp: u32, payload: Vec<u8>, marker: bool| {
            header.seq = SeqNo(header.seq.0.wrapping_add(1));
            (header.timestamp, header.marker) = (timestamp, marker);
            depay.push(&header, payload.into(), Instant::now());
            depay.poll()
        };
        assert!(send(0, vec![0x65, 0x88, 0x80], true).is_some());
        for _ in 0..200 {
            // STAP-A of units with one byte; SEI with start codes in it.
            let many = match hides {
                false => [&[0x78][..], &b"\0\x01\x06".repeat(400)].concat(),
                true => [&[0x06, 5][..], &b"\0\0\x01\x06".repeat(300)].concat(),
            };
            assert!(send(3000, many, false).is_none());
        }
        assert!(send(3000, vec![0x41, 0x9a, 0x80], true).is_none(), "it is left out");
        assert!(send(6000, vec![0x41, 0x9a, 0x80], true).is_some(), "the next one is not");
    }
}

/// Packets that are collected share one limit, however many streams there are.
#[test]
fn streams_of_a_program_share_what_may_be_collected() {
    let streams: Vec<(u8, u16)> = (0..16).map(|n| (0x1b, 0x100 + n)).collect();
    let mut demuxer = Demuxer::new();
    demuxer.push(&[table(None), table(Some(&streams))].concat());
    let (mut total, mut error) = (0, None);
    for (_, id) in &streams {
        demuxer.push(&packet(*id, true, &PES, 0));
    }
    while error.is_none() {
        for (_, id) in &streams {
            demuxer.push(&packet(*id, false, &[], 1));
            total += 188;
        }
        // Not before all pictures could be known.
        error = demuxer.next_unit().err();
        assert!(total < 17 << 20, "{total}");
    }
    assert!(matches!(error, Some(Error::TooLarge("MPEG-TS") | Error::NoTracks("mpegts"))));
    // The same while it plays.
    let mut demuxer = self::demuxer("h264_aac.ts");
    demuxer.push(&[packet(0x100, true, &PES, 1), packet(0x101, true, &PES, 1)].concat());
    let mut total = 0;
    let error = loop {
        demuxer.push(&[packet(0x100, false, &[], 1), packet(0x101, false, &[], 1)].concat());
        total += 2 * 188;
        if let Err(error) = drain(&mut demuxer) {
            break error;
        }
        assert!(total < 18 << 20, "{total}");
    };
    assert_eq!(error, Error::TooLarge("MPEG-TS"));
    assert!(total > 16 << 20, "as much as one picture may have: {total}");
}

/// Every map of the program has other streams, and one picture is waited for.
#[test]
fn maps_that_change_give_no_tracks_without_end() {
    let mut demuxer = Demuxer::new();
    demuxer.push(&table(None));
    let mut found = None;
    for n in 0..4000_u16 {
        let ids = (0..15).map(|k| 0x200 + (n * 15 + k) % 0x1000);
        let streams: Vec<(u8, u16)> =
            ids.map(|id| (0x91, id)).chain([(0x1b, 0x1fff - 1)]).collect();
        demuxer.push(&table(Some(&streams)));
        for (_, id) in &streams[..15] {
            demuxer.push(&packet(*id, true, &[0, 0, 1, 0xbd, 0, 0xb2, 0x80, 0, 0], 1));
        }
        found = demuxer.tracks().unwrap().map(<[Codec]>::len);
        if found.is_some() {
            break;
        }
    }
    assert!(found.is_some_and(|count| (1..=32).contains(&count)), "{found:?}");
}

/// A packet of Opus takes four bytes, and a picture is waited for.
#[test]
fn sound_that_waits_for_a_picture_is_bounded() {
    let mut demuxer = Demuxer::new();
    demuxer.push(&[table(None), table(Some(&[(6, 0x101), (0x1b, 0x100)]))].concat());
    let sound =
        [&[0, 0, 1, 0xbd, 0, 178, 0x80, 0, 0][..], &b"\x7f\xe0\x01\xfc".repeat(43)].concat();
    let mut packets = 0;
    while demuxer.tracks().unwrap().is_none() {
        demuxer.push(&packet(0x101, true, &sound, 0xff));
        packets += 1;
        assert!(packets < 1000, "some hundred kilobytes of units that cost as many megabytes");
    }
    assert!(drain(&mut demuxer).unwrap() > 10_000, "what has come is played");
}

/// A tag says how long it is in 24 bits: no more is kept.
#[test]
fn a_tag_of_flash_video_is_read_at_its_end_at_last() {
    let mut demuxer = demuxer("h264_aac.flv");
    demuxer.push(&[18, 0xff, 0xff, 0xff, 0, 9, 0, 0, 0, 0, 0]);
    let piece = vec![0; 1 << 20];
    for _ in 0..16 {
        demuxer.push(&piece);
        assert_eq!(drain(&mut demuxer), Ok(0));
    }
    // The one behind it.
    demuxer
        .push(&[&[0; 3][..], &[8, 0, 0, 3, 0, 9, 0, 0, 0, 0, 0, 0xaf, 1, 7, 0, 0, 0, 14]].concat());
    assert_eq!(drain(&mut demuxer), Ok(1));
}

/// Chunks that all begin at the front of the file, which is behind us: four bytes name a
/// hundred and sixty samples.
#[test]
fn tables_that_point_back_end() {
    let sized = |name: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len() + 8).unwrap();
        [&length.to_be_bytes(), &name[..], content].concat()
    };
    let numbers = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    };
    let entry = [&[0; 16][..], &[0, 1], &[0; 6], &[0x1f, 0x40, 0, 0]].concat();
    let description = [numbers(&[0, 1]), sized(b"ulaw", &entry)].concat();
    let places = [numbers(&[0, 1_000_000]), vec![0; 4_000_000]].concat();
    let tables = [
        sized(b"stsd", &description),
        sized(b"stsz", &numbers(&[0, 1, u32::MAX])),
        sized(b"stsc", &numbers(&[0, 1, 1, 160, 1])),
        sized(b"stco", &places),
    ];
    let media = [
        sized(b"mdhd", &numbers(&[0, 0, 0, 8000])),
        sized(b"minf", &sized(b"stbl", &tables.concat())),
    ];
    let track = [sized(b"tkhd", &numbers(&[0, 0, 0, 1])), sized(b"mdia", &media.concat())];
    let file = [
        sized(b"ftyp", b"iso5\0\0\0\0"),
        sized(b"moov", &sized(b"trak", &track.concat())),
        sized(b"mdat", &[0; 1000]),
    ];
    let began = Instant::now();
    let mut demuxer = Demuxer::new();
    demuxer.push(&file.concat());
    assert_eq!(drain(&mut demuxer), Err(Error::Broken("MP4")));
    assert!(began.elapsed() < Duration::from_secs(5));
    // A fragment with more samples than one may have.
    let mut fragments = recorded("h264_aac.fragments.mp4");
    let run = fragments.windows(4).position(|word| word == b"trun").unwrap() + 8;
    fragments[run..run + 4].copy_from_slice(&[0xff; 4]);
    let mut demuxer = Demuxer::new();
    demuxer.push(&fragments);
    assert_eq!(drain(&mut demuxer), Err(Error::Broken("MP4")));
}
