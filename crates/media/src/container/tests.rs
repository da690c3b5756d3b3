//! Streams written here, and what may not be believed.

use super::*;
use crate::codec::tests::hex;

/// Tracks and units of a stream that comes in pieces of `size` bytes, and ends.
fn units(stream: &[u8], size: usize) -> (Vec<String>, Vec<Unit>) {
    let mut demuxer = Demuxer::new();
    let mut units = Vec::new();
    for piece in stream.chunks(size) {
        demuxer.push(piece);
        while let Some(unit) = demuxer.next_unit().unwrap() {
            units.push(unit);
        }
    }
    demuxer.end().unwrap();
    while let Some(unit) = demuxer.next_unit().unwrap() {
        units.push(unit);
    }
    let tracks = demuxer.tracks().unwrap().unwrap();
    (tracks.iter().map(ToString::to_string).collect(), units)
}

fn check(stream: &[u8], codec: &str, lengths: &[(usize, Time)]) {
    for size in [1, 2, 3, 7, 64, 100_000] {
        let (found, units) = units(stream, size);
        assert_eq!(found, [codec]);
        let found: Vec<_> = units.iter().map(|u| (u.payload.len(), u.time)).collect();
        assert_eq!(found, lengths, "in pieces of {size}");
    }
    cut_everywhere(stream);
}

/// A stream that is cut or begins anywhere gives units or errors.
fn cut_everywhere(stream: &[u8]) {
    for at in 0..stream.len() {
        for part in [&stream[..at], &stream[at..]] {
            let mut demuxer = Demuxer::new();
            demuxer.push(part);
            while let Ok(Some(_)) = demuxer.next_unit() {}
            let _ = demuxer.end();
            while let Ok(Some(_)) = demuxer.next_unit() {}
        }
    }
}

#[test]
fn pictures() {
    let picture = mjpeg::tests::PICTURE;
    let bare = [picture, picture, &[0, 0], picture, &[0xff, 0xd8]].concat();
    check(&bare, "JPEG", &[(picture.len(), Time::Arrival); 3]);
    let head = b"--frame\r\nContent-type: image/jpeg\r\n\r\n";
    let multipart = [head, picture, b"\r\n", head, picture].concat();
    check(&multipart, "JPEG", &[(picture.len(), Time::Arrival); 2]);
    let junk = [&b"starting the camera\n"[..], picture, picture].concat();
    check(&junk, "JPEG", &[(picture.len(), Time::Arrival); 2]);
}

#[test]
fn sound() {
    let frame = [&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc][..], &[1; 9]].concat();
    let frames = [(9, Time::Lasts(1024)); 3];
    check(&[&frame[..], &frame, &frame].concat(), "MPEG4-GENERIC/44100/2", &frames);
    let wav = [&wav::tests::header(7, 1, 8000)[..], &[0; 400]].concat();
    check(&wav, "PCMU/8000/1", &[(160, Time::Lasts(160)); 2]);
    let wav = [&wav::tests::header(1, 2, 16_000)[..], &[0; 1280]].concat();
    check(&wav, "PCML/16000/2", &[(1280, Time::Lasts(320))]);
}

/// What comes before an error, and the error.
fn until_error(stream: &[u8], size: usize) -> (usize, Error) {
    let (mut demuxer, mut count) = (Demuxer::new(), 0);
    for piece in stream.chunks(size) {
        demuxer.push(piece);
        loop {
            match demuxer.next_unit() {
                Ok(Some(_)) => count += 1,
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(demuxer.next_unit(), Err(error), "nothing follows");
                    return (count, error);
                }
            }
        }
    }
    panic!("{count} units and no error");
}

/// An access unit of AAC with this rate and these channels.
fn aac(rate: u32, channels: u8) -> Vec<u8> {
    let config = AudioSpecificConfig::lc(rate, channels);
    let header = crate::codec::aac::AdtsHeader::new(&config, 9).unwrap();
    [&header.write()[..], &[1; 9]].concat()
}

#[test]
fn sound_that_becomes_other_sound_ends() {
    let changed = Error::Changed(Kind::Audio);
    assert_eq!(changed.to_string(), "the audio of the stream is another one from here on");
    for other in [aac(44_100, 2), aac(48_000, 1)] {
        let bare = [aac(48_000, 2), aac(48_000, 2), other.clone(), aac(48_000, 2)].concat();
        for size in [1, 7, 1000] {
            assert_eq!(until_error(&bare, size), (2, changed), "in pieces of {size}");
        }
        let tag = packed::tests::tag(900_000);
        let packed = [tag.clone(), aac(48_000, 2), tag, other].concat();
        assert_eq!(until_error(&packed, 1000), (1, changed));
    }
    // Two files of one form, the second of which has other sound.
    let first = flv(b"..onMetaData..audiocodecid");
    let mut other = [&first[..], &first[13..]].concat();
    let config =
        other.len() - (first.len() - 13) + 11 + b"..onMetaData..audiocodecid".len() + 4 + 11 + 2;
    assert_eq!(other[config..config + 2], [0x14, 0x08]);
    other[config] = 0x12;
    assert_eq!(until_error(&other, 1000), (1, changed));
    let same = [&first[..], &first[13..]].concat();
    assert_eq!(units(&same, 1000).1.len(), 2, "the same again is no other");
}

/// Segments of HLS with sound alone, one after another.
#[test]
fn packed_sound() {
    use packed::tests::tag;
    let aac = [&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc][..], &[1; 9]].concat();
    let at = |pts| Time::At { pts, dts: pts };
    // The second one is the first again, and the third follows a gap.
    let segments = [
        tag(900_000),
        aac.clone(),
        aac.clone(),
        tag(904_180),
        aac.clone(),
        tag(990_000),
        aac.clone(),
    ];
    let times = [441_000, 442_024, 443_048, 485_100].map(|pts| (9, at(pts)));
    check(&segments.concat(), "MPEG4-GENERIC/44100/2", &times);
    // 33 bits run over.
    let wrap = [tag((1 << 33) - 90_000), aac.clone(), tag(90_000), aac.clone()].concat();
    let first = ((1 << 33) - 90_000) * 441 / 900;
    check(&wrap, "MPEG4-GENERIC/44100/2", &[(9, at(first)), (9, at(first + 88_200))]);
    // MPEG audio of 1152 samples at 44.1 kHz, 32 kbit/s.
    let mp3 = [&[0xff, 0xfb, 0x10, 0xc0][..], &[0; 100]].concat();
    let stream = [tag(900_000), mp3.clone(), mp3.clone()].concat();
    check(&stream, "MPA", &[(104, at(900_000)), (104, at(902_351))]);
    // No time, a large picture, and what ends in the middle of a frame.
    let large = [b"ID3\x04\0\0\0\x01\x7f\x7f", &[0xff; (1 << 15) - 1][..]].concat();
    let stream = [large, mp3.clone(), mp3[..50].to_vec(), tag(1 << 20), mp3.clone()].concat();
    let (found, read) = units(&stream, 1000);
    assert_eq!(found, ["MPA"]);
    let times: Vec<_> = read.iter().map(|unit| unit.time).collect();
    assert_eq!(times[0], Time::Lasts(2351));
    let mut demuxer = Demuxer::new();
    demuxer.push(&tag(0));
    demuxer.push(&[0; 70_000]);
    assert_eq!(demuxer.next_unit(), Err(Error::Broken("packed audio")));
}

const SPS: &str = "67420 00ddd0141fb0110000003001 0000003 0320f142a480";
const PPS: &str = "68cb8cb2";

#[test]
fn bare_h264() {
    let set = |text: &str| [&[0, 0, 0, 1][..], &hex(&text.replace(' ', ""))].concat();
    let nal = |bytes: &[u8]| [&[0, 0, 1][..], bytes].concat();
    let (idr, p) = ([0x65, 0x88, 1, 2], [0x41, 0x9a, 3]);
    let second_slice = [0x65, 0x40, 5];
    let stream = [
        set("09f0"),
        nal(&[0x41, 0x9a, 9]), // nothing to decode it with
        set(SPS),
        set(PPS),
        nal(&[0x06, 5, 1, 0x80]),
        nal(&idr),
        nal(&second_slice),
        nal(&p),
        nal(&p),
        set("09f0"),
        set(SPS),
        nal(&idr),
        vec![0, 0, 0],
    ]
    .concat();
    let sets = hex(&SPS.replace(' ', "")).len() + hex(PPS).len();
    let expected = [
        (sets + 4 + idr.len() + second_slice.len(), Time::Arrival),
        (p.len(), Time::Arrival),
        (p.len(), Time::Arrival),
        (sets + idr.len(), Time::Arrival),
    ];
    check(&stream, "H264", &expected);
    let (_, units) = units(&stream, 5);
    assert_eq!(units.iter().map(|u| u.keyframe).collect::<Vec<_>>(), [true, false, false, true]);
    assert!(matches!(&units[0].payload, Payload::Nals(nals) if nals[0][0] == 0x67));
}

#[test]
fn bare_streams_of_neither_codec_are_refused() {
    let refused = |bytes: &[u8]| {
        let mut demuxer = Demuxer::new();
        demuxer.push(bytes);
        demuxer.next_unit()
    };
    let error = refused(&[0, 0, 0, 1, 0xba, 0]).unwrap_err();
    assert_eq!(error.to_string(), "bitstream: unsupported header: ba");
    assert_eq!(refused(&[0, 0, 1, 0x41, 0x9a]), Err(Error::UnknownBitstream(0x41)));
    assert_eq!(refused(&[0, 0, 0, 0, 0, 1]), Ok(None));
}

#[test]
fn containers_that_are_not_read_are_named() {
    for (bytes, text) in [
        (&b"OggS\0\x02"[..], "this is Ogg, which is not read here"),
        (b"RIFF\xff\xff\xff\xffAVI LIST", "this is AVI, which is not read here"),
        (b"\0\0\x01\xba\x44", "this is an MPEG program stream, which is not read here"),
        (b"DHAV\xfd\0", "this is a recording of a Dahua camera (DHAV), which is not read here"),
    ] {
        // A byte at a time.
        let mut demuxer = Demuxer::new();
        let error = bytes.iter().find_map(|byte| {
            demuxer.push(&[*byte]);
            demuxer.next_unit().map(|unit| assert_eq!(unit, None)).err()
        });
        assert_eq!(error.unwrap().to_string(), text);
    }
}

#[test]
fn unknown_data_is_refused() {
    let mut demuxer = Demuxer::new();
    demuxer.push(b"hello");
    assert_eq!(demuxer.next_unit(), Ok(None), "a picture may come");
    let error = demuxer.end().unwrap_err();
    assert_eq!(error.to_string(), "magic: unsupported header: 68656c6c");
    let mut demuxer = Demuxer::new();
    demuxer.end().unwrap();
    assert_eq!(demuxer.tracks(), Ok(None), "nothing came at all");
    let mut demuxer = Demuxer::new();
    demuxer.push(&[b'x'; MAX_JUNK]);
    assert_eq!(demuxer.next_unit(), Err(Error::UnknownFormat(*b"xxxx")));
    let mut demuxer = Demuxer::new();
    demuxer.push(&[b'-'; MAX_PROBE + 1]);
    assert_eq!(demuxer.tracks(), Err(Error::UnknownFormat(*b"----")));
}

/// A file with one script tag and one of AAC.
fn flv(script: &[u8]) -> Vec<u8> {
    let tag = |kind: u8, time: u8, body: &[u8]| {
        let size = u8::try_from(body.len()).unwrap();
        [&[kind, 0, 0, size, 0, 0, time, 0, 0, 0, 0][..], body, &[0, 0, 0, 11 + size]].concat()
    };
    [
        b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec(),
        tag(18, 0, script),
        tag(8, 0, &[0xaf, 0, 0x14, 0x08]),
        tag(8, 64, &[0xaf, 1, 1, 2, 3]),
    ]
    .concat()
}

#[test]
fn flv_waits_for_what_it_announces() {
    let at = |ticks| Time::At { pts: ticks, dts: ticks };
    check(&flv(b"..onMetaData..audiocodecid"), "MPEG4-GENERIC/16000/1", &[(3, at(1024))]);
    let mut demuxer = Demuxer::new();
    demuxer.push(&flv(b"..onMetaData..audiocodecid..videocodecid"));
    assert_eq!(demuxer.next_unit(), Ok(None), "the picture may come");
    demuxer.settle().unwrap();
    assert!(demuxer.next_unit().unwrap().is_some(), "it is not waited for any more");
    assert_eq!(demuxer.tracks().unwrap().unwrap().len(), 1);
}

#[test]
fn a_transport_stream_without_anything_known_is_told() {
    let packet = |id: u16, section: &[u8]| {
        let [high, low] = id.to_be_bytes();
        let mut packet = vec![0x47, 0x40 | high, low, 0x10, 0];
        packet.extend_from_slice(section);
        packet.resize(188, 0xff);
        packet
    };
    let pat = hex("00b00d0001c10000 0001f000 00000000");
    let pmt = hex("02b0120001c10000e100f000 02e100f000 00000000");
    let mut demuxer = Demuxer::new();
    demuxer.push(&[packet(0, &pat), packet(0x1000, &pmt)].concat());
    let error = demuxer.next_unit().unwrap_err();
    assert_eq!(error.to_string(), "mpegts without pictures and sound that are supported");
}

#[test]
fn what_an_mp4_says_of_its_size_is_not_believed() {
    let error = |bytes: &[u8]| {
        let mut demuxer = Demuxer::new();
        demuxer.push(bytes);
        demuxer.next_unit()
    };
    const FTYP: &[u8] = b"\0\0\0\x10ftypiso5\0\0\0\0";
    let after = |rest: &[u8]| error(&[FTYP, rest].concat());
    assert_eq!(after(b"\xff\xff\xff\xffmoov"), Err(Error::TooLarge("MP4")));
    assert_eq!(after(b"\0\0\0\0moof"), Err(Error::TooLarge("MP4")));
    assert_eq!(after(b"\0\0\0\x07free"), Err(Error::Broken("MP4")));
    assert_eq!(after(b"\0\0\0\x10mdat"), Err(Error::IndexAtEnd));
    assert_eq!(after(b"\0\0\0\x08moov"), Err(Error::NoTracks("mp4")));
    assert_eq!(after(b"\0\0\0\x01skip\xff\xff\xff\xff\xff\xff\xff\xff rest"), Ok(None));
    assert_eq!(after(b"\0\0\0\x10moof\0\0\0\x08traf"), Err(Error::Broken("MP4")));
}

#[test]
fn a_playlist_is_told_from_what_it_lists() {
    let mut demuxer = Demuxer::new();
    demuxer.push(b"#EXTM3U\n");
    assert_eq!(demuxer.next_unit(), Err(Error::Playlist));
}

#[test]
fn pictures_of_a_known_form() {
    let head = b"YUV4MPEG2 W4 H2 F5:1 C420jpeg\n";
    let picture = [&b"FRAME\n"[..], &[1; 12]].concat();
    let stream = [head, &picture[..], &b"FRAME Ip\n"[..], &[2; 12]].concat();
    check(&stream, "RAW", &[(12, Time::Arrival); 2]);
    let mut demuxer = Demuxer::new();
    demuxer.push(&stream);
    demuxer.tracks().unwrap().unwrap();
    assert_eq!(demuxer.description(), "YUV4MPEG2 W4 H2 F5:1 C420jpeg");
}

#[test]
fn formats_that_are_told_from_outside() {
    let mut sound = Demuxer::of_mulaw();
    sound.push(&[0; 161]);
    assert_eq!(sound.next_unit().unwrap().unwrap().time, Time::Lasts(160));
    assert_eq!((sound.next_unit(), sound.format_name()), (Ok(None), "mulaw"));
    let mut parts = Demuxer::of_parts();
    parts.push(b"Content-Length: 24\r\n\r\n");
    parts.push(mjpeg::tests::PICTURE);
    assert_eq!(parts.next_unit().unwrap().unwrap().payload.len(), 24);
}
