//! Streams as FFmpeg writes them, of which the fuzzer starts too. Each has 1.2 s:
//! 12 pictures of 64x48 with a keyframe every 5, and a tone.
#![allow(clippy::unwrap_used)]

use rs2rtc_media::codec::{av1, mpa};
use rs2rtc_media::container::{Demuxer, Error, Time, Unit};
use rs2rtc_media::{CodecId, Kind, Payload};

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/container");
    std::fs::read(format!("{folder}/{name}")).unwrap()
}

/// Format, tracks and units of a stream that comes in pieces.
fn read(stream: &[u8], size: usize) -> (&'static str, Vec<String>, Vec<Unit>) {
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
    let tracks = tracks.iter().map(ToString::to_string).collect();
    (demuxer.format_name(), tracks, units)
}

fn of_track(units: &[Unit], track: usize) -> Vec<&Unit> {
    units.iter().filter(|unit| unit.track == track).collect()
}

fn times(units: &[&Unit]) -> (Vec<i64>, Vec<i64>) {
    let time = |unit: &&Unit| match unit.time {
        Time::At { pts, dts } => (pts, dts),
        other => panic!("{other:?}"),
    };
    units.iter().map(time).unzip()
}

#[test]
fn formats_tracks_and_units() {
    for (name, format, tracks, counts) in [
        ("pictures.mjpeg", "mjpeg", &["JPEG"][..], &[3][..]),
        ("pictures.mpjpeg", "mpjpeg", &["JPEG"], &[3]),
        ("pictures.h264", "h264", &["H264"], &[12]),
        ("pictures.hevc", "hevc", &["H265"], &[12]),
        ("sound.aac", "adts", &["MPEG4-GENERIC/16000/1"], &[20]),
        ("sound.wav", "wav", &["PCMU/8000/1"], &[5]),
        ("pcma.flv", "flv", &["PCMA/8000"], &[4]),
        ("h264_aac.flv", "flv", &["H264", "MPEG4-GENERIC/16000/1"], &[12, 20]),
        ("h264_aac.mp4", "mp4", &["H264", "MPEG4-GENERIC/16000/1"], &[12, 20]),
        ("h264_aac.fragments.mp4", "mp4", &["H264", "MPEG4-GENERIC/16000/1"], &[12, 20]),
        ("hevc_opus.fragments.mp4", "mp4", &["H265", "OPUS/48000/2"], &[12, 61]),
        ("av1_mp3.mp4", "mp4", &["AV1", "MPA"], &[12, 36]),
        ("av1_mp3.fragments.mp4", "mp4", &["AV1", "MPA"], &[12, 36]),
        ("pcma.mov", "mp4", &["PCMA/8000/1"], &[10]),
        ("mp3.flv", "flv", &["MPA"], &[25]),
        ("h264_mp3.ts", "mpegts", &["H264", "MPA"], &[12, 36]),
        ("pictures.y4m", "yuv4mpegpipe", &["RAW"], &[3]),
        ("h264_aac.ts", "mpegts", &["H264", "MPEG4-GENERIC/16000/1"], &[12, 20]),
        ("hevc_opus.ts", "mpegts", &["H265", "OPUS/48000/2"], &[12, 61]),
    ] {
        let stream = file(name);
        let whole = read(&stream, usize::MAX);
        assert_eq!(whole.0, format, "{name}");
        assert_eq!(whole.1, tracks, "{name}");
        for (track, count) in counts.iter().enumerate() {
            assert_eq!(of_track(&whole.2, track).len(), *count, "{name}, track {track}");
        }
        for size in [1, 3, 188, 1000] {
            assert!(read(&stream, size) == whole, "{name} in pieces of {size}");
        }
    }
}

#[test]
fn every_keyframe_has_its_parameter_sets() {
    for name in [
        "pictures.h264",
        "pictures.hevc",
        "h264_aac.flv",
        "h264_aac.mp4",
        "h264_aac.fragments.mp4",
        "h264_aac.ts",
        "hevc_opus.fragments.mp4",
        "hevc_opus.ts",
    ] {
        let (_, tracks, units) = read(&file(name), 1000);
        let pictures = of_track(&units, 0);
        let keyframes: Vec<_> = pictures.iter().map(|unit| unit.keyframe).collect();
        let expected: Vec<_> = (0..12).map(|n| n % 5 == 0).collect();
        assert_eq!(keyframes, expected, "{name}");
        for unit in pictures.iter().filter(|unit| unit.keyframe) {
            let Payload::Nals(nals) = &unit.payload else { panic!("{name}") };
            let kinds: Vec<u8> = nals.iter().map(|nal| nal[0]).collect();
            let sets: &[u8] = if tracks[0] == "H264" { &[0x67, 0x68] } else { &[0x40, 0x42, 0x44] };
            assert!(kinds.starts_with(sets), "{name}: {kinds:02x?}");
            let again = kinds[sets.len()..].iter().any(|kind| sets.contains(kind));
            assert!(!again, "{name}: {kinds:02x?}");
        }
    }
}

#[test]
fn keyframes_of_av1_have_their_sequence_header() {
    let (.., units) = read(&file("av1_mp3.fragments.mp4"), 1000);
    for (n, unit) in of_track(&units, 0).into_iter().enumerate() {
        let Payload::Data(data) = &unit.payload else { panic!("{unit:?}") };
        let kinds: Vec<u8> =
            av1::units(data).unwrap().iter().map(|unit| av1::obu_type(unit[0])).collect();
        assert_eq!(unit.keyframe, n % 5 == 0, "{n}");
        assert_eq!(kinds[0] == av1::SEQUENCE_HEADER, unit.keyframe, "{n}: {kinds:?}");
        assert!(!kinds.contains(&av1::TEMPORAL_DELIMITER), "{n}: {kinds:?}");
    }
}

#[test]
fn frames_of_mpeg_audio_are_whole_and_continuous() {
    for name in ["av1_mp3.mp4", "av1_mp3.fragments.mp4", "h264_mp3.ts", "mp3.flv"] {
        let (_, tracks, units) = read(&file(name), 1000);
        let sound = of_track(&units, tracks.len() - 1);
        for unit in &sound {
            let Payload::Data(data) = &unit.payload else { panic!("{unit:?}") };
            let header = mpa::Header::parse(data).unwrap();
            assert_eq!(header.len, data.len(), "{name}");
        }
        let (pts, _) = times(&sound);
        // 576 samples, in ticks of 90 kHz; FLV counts milliseconds.
        let step = if name == "mp3.flv" { 576 * 90_000 / 22_050 } else { 576 * 90 / 16 };
        assert!(pts.windows(2).all(|w| (w[1] - w[0] - step).abs() <= 90), "{name}: {pts:?}");
    }
}

#[test]
fn codecs_carry_what_decoders_need() {
    for name in [
        "pictures.h264",
        "pictures.hevc",
        "h264_aac.flv",
        "hevc_opus.ts",
        "sound.aac",
        "av1_mp3.mp4",
    ] {
        let mut demuxer = Demuxer::new();
        demuxer.push(&file(name));
        demuxer.end().unwrap();
        for codec in demuxer.tracks().unwrap().unwrap() {
            let key = match codec.id {
                CodecId::H264 => "sprop-parameter-sets=",
                CodecId::H265 => "sprop-vps=",
                CodecId::Aac => "config=1408",
                CodecId::Av1 => "profile=0;level-idx=0;tier=0",
                _ => "",
            };
            assert!(codec.fmtp.contains(key), "{name}: {}", codec.fmtp);
        }
    }
}

#[test]
fn times_of_pictures_and_sound_are_on_one_timeline() {
    for name in ["h264_aac.flv", "h264_aac.ts", "h264_aac.mp4", "h264_aac.fragments.mp4"] {
        let (.., units) = read(&file(name), 1000);
        let (pts, dts) = times(&of_track(&units, 0));
        assert!(dts.windows(2).all(|w| w[1] - w[0] == 9000), "{name}: {dts:?}");
        assert!(pts.iter().zip(&dts).all(|(pts, dts)| pts >= dts), "{name}");
        assert!(pts.iter().zip(&dts).any(|(pts, dts)| pts > dts), "{name} has B-frames");
        let mut shown = pts.clone();
        shown.sort_unstable();
        assert!(shown.windows(2).all(|w| w[1] - w[0] == 9000), "{name}: {pts:?}");
        let (sound, _) = times(&of_track(&units, 1));
        // FLV counts milliseconds.
        assert!(sound.windows(2).all(|w| (w[1] - w[0] - 1024).abs() <= 16), "{name}: {sound:?}");
        // The encoder starts one frame of silence early.
        let ahead = sound[0] * 1000 / 16_000 - shown[0] * 1000 / 90_000;
        assert!((-130..=0).contains(&ahead), "{name}: {ahead} ms");
    }
    for name in ["hevc_opus.ts", "hevc_opus.fragments.mp4"] {
        opus_is_continuous(name);
    }
}

fn opus_is_continuous(name: &str) {
    let (.., units) = read(&file(name), 1000);
    let (opus, _) = times(&of_track(&units, 1));
    assert!(opus.windows(2).all(|w| (w[1] - w[0] - 960).abs() <= 1), "{opus:?}");
}

#[test]
fn a_stream_goes_on_after_another_index() {
    for (name, other) in [
        ("h264_aac.fragments.mp4", "hevc_opus.fragments.mp4"),
        ("h264_aac.mp4", "hevc_opus.fragments.mp4"),
        ("h264_aac.ts", "hevc_opus.ts"),
    ] {
        // What nobody was told of is left out; what was told of comes back.
        let stream = [file(name), file(other), file(name)].concat();
        let (_, tracks, units) = read(&stream, 1000);
        assert_eq!(tracks, ["H264", "MPEG4-GENERIC/16000/1"], "{name}");
        let counts = [of_track(&units, 0).len(), of_track(&units, 1).len()];
        assert_eq!(counts, [24, 40], "{name}");
        let first = of_track(&units, 0)[12];
        assert!(first.keyframe, "{name}");
    }
}

#[test]
fn cut_anywhere_they_give_units_or_errors() {
    for entry in
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/container"))
            .unwrap()
    {
        let stream = std::fs::read(entry.unwrap().path()).unwrap();
        // Every place in the headers, and some in each later packet.
        for at in (0..stream.len()).filter(|at| *at < 600 || at % 97 == 0) {
            for part in [&stream[..at], &stream[at..]] {
                let mut demuxer = Demuxer::new();
                demuxer.push(part);
                while let Ok(Some(_)) = demuxer.next_unit() {}
                let _ = demuxer.end();
                while let Ok(Some(_)) = demuxer.next_unit() {}
            }
        }
    }
}

#[test]
fn a_fragment_names_no_more_samples_than_there_is_media() {
    let stream = file("h264_aac.fragments.mp4");
    let moof = stream.windows(4).position(|name| name == b"moof").unwrap() - 4;
    let sized = |name: &[u8; 4], content: &[u8]| {
        let length = u32::try_from(content.len() + 8).unwrap();
        [&length.to_be_bytes(), &name[..], content].concat()
    };
    // Forty bytes that name 60,000 samples.
    let tfhd = sized(b"tfhd", b"\0\0\0\0\0\0\0\x01");
    let trun = sized(b"trun", &[&[0; 4][..], &60_000_u32.to_be_bytes()].concat());
    let hostile = sized(b"moof", &sized(b"traf", &[tfhd, trun].concat()));
    let mut demuxer = Demuxer::new();
    demuxer.push(&stream[..moof]);
    demuxer.push(&hostile);
    assert!(demuxer.next_unit().unwrap().is_none(), "the first may have its media behind it");
    demuxer.push(&hostile);
    assert!(demuxer.next_unit().unwrap().is_none());
    demuxer.push(&hostile);
    assert_eq!(demuxer.next_unit().unwrap_err().to_string(), Error::Broken("MP4").to_string());
}

/// Two files one behind the other, as the parts of a playlist.
#[test]
fn a_second_file_goes_on_with_the_same_tracks_or_ends_the_stream() {
    let names = ["h264_aac.ts", "h264_aac.mp4", "h264_aac.fragments.mp4", "h264_aac.flv"];
    for (name, front) in names.into_iter().zip([0, 0, 0, 13]) {
        let first = file(name);
        let same = [&first[..], &first[front..]].concat();
        let (_, tracks, units) = read(&same, 1000);
        assert_eq!(tracks.len(), 2, "{name}");
        assert_eq!((of_track(&units, 0).len(), of_track(&units, 1).len()), (24, 40), "{name}");
        // The second one has AAC of 24 kHz rather than 16 kHz, or of 2 channels.
        for change in [[0x13, 0x08], [0x14, 0x10]] {
            let mut second = first[front..].to_vec();
            if name.ends_with(".ts") {
                // In the headers of the frames: object type, rate and channels.
                let header = [0xff, 0xf1, 0x60, 0x40];
                let places: Vec<usize> =
                    (0..second.len() - 4).filter(|at| second[*at..at + 4] == header).collect();
                assert!(places.len() >= 10, "{name}: {}", places.len());
                for at in places {
                    let channels = u8::from(change[1] == 0x10) + 1;
                    second[at + 2] = if change[0] == 0x13 { 0x58 } else { 0x60 };
                    second[at + 3] = channels << 6;
                }
            } else {
                let place = second.windows(2).position(|bytes| bytes == [0x14, 0x08]).unwrap();
                second[place..place + 2].copy_from_slice(&change);
            }
            let mut demuxer = Demuxer::new();
            demuxer.push(&[&first[..], &second].concat());
            let mut count = 0;
            let error = loop {
                match demuxer.next_unit() {
                    Ok(Some(unit)) => count += usize::from(unit.track == 1),
                    Ok(None) => panic!("{name}: {count} packets and no error"),
                    Err(error) => break error,
                }
            };
            assert_eq!(error, Error::Changed(Kind::Audio), "{name}");
            assert_eq!(count, 20, "{name}");
        }
    }
}

/// What is left of the last units belongs to the part that it came with.
#[test]
fn a_part_that_ends_gives_all_that_it_has() {
    let mut demuxer = Demuxer::new();
    demuxer.push(&file("h264_aac.ts"));
    let count = |demuxer: &mut Demuxer| {
        let mut counts = [0, 0];
        while let Some(unit) = demuxer.next_unit().unwrap() {
            counts[unit.track] += 1;
        }
        counts
    };
    let before = count(&mut demuxer);
    assert_eq!(before[0], 11, "how long the last picture is is not known");
    demuxer.end_part().unwrap();
    let after = count(&mut demuxer);
    assert_eq!([before[0] + after[0], before[1] + after[1]], [12, 20]);
}
