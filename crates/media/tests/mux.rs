//! What is written is read again, by our readers and by FFmpeg.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use rs2rtc_media::container::mux::{Chunks, Error, Muxer, adts, flv, mpegts, raw, wav};
use rs2rtc_media::{Codec, CodecId, Kind, Payload};
use rs2rtc_testkit::judge::{has_program, run};
use rs2rtc_testkit::recorded::Recorded;

type Make = fn(&[Codec]) -> Result<Box<dyn Muxer>, Error>;

/// Name of the format for FFmpeg, and its muxer.
const TS: (&str, Make) = ("mpegts", |codecs| Ok(Box::new(mpegts::Muxer::new(codecs)?)));
const FLV: (&str, Make) = ("flv", |codecs| Ok(Box::new(flv::Muxer::new(codecs)?)));
const ADTS: (&str, Make) = ("aac", |codecs| Ok(Box::new(adts::Muxer::new(codecs)?)));
const WAV: (&str, Make) = ("wav", |codecs| Ok(Box::new(wav::Muxer::new(codecs)?)));
const H264: (&str, Make) = ("h264", |codecs| Ok(Box::new(raw::Muxer::new(codecs)?)));
const HEVC: (&str, Make) = ("hevc", |codecs| Ok(Box::new(raw::Muxer::new(codecs)?)));

fn write(stream: &Recorded, make: Make) -> Vec<u8> {
    let mut muxer = make(&stream.codecs).unwrap();
    let mut out = Chunks::new();
    muxer.begin(&mut out);
    for (track, frame) in &stream.frames {
        muxer.frame(*track, frame, &mut out);
    }
    out.into_bytes().to_vec()
}

/// The frames of a track: payload and times from its first one on, in milliseconds.
fn track(stream: &Recorded, id: &CodecId) -> Vec<(Payload, bool, i64, i64)> {
    let rate = stream.codecs.iter().find(|c| c.id == *id).unwrap().timestamp_rate();
    let of = stream.frames.iter().filter(|(_, frame)| frame.codec == *id);
    let first = of.clone().map(|(_, frame)| frame.dts).next().unwrap();
    let milliseconds = |at: i64| (at - first) * 1000 / i64::from(rate);
    of.map(|(_, frame)| {
        (frame.payload.clone(), frame.keyframe, milliseconds(frame.pts), milliseconds(frame.dts))
    })
    .collect()
}

/// Pictures begin with their parameter sets only if they are keyframes; readers
/// add nothing else.
#[test]
fn what_is_written_is_read_again() {
    for (name, (format, make)) in [
        ("h264_aac.ts", TS),
        ("h264_aac.flv", TS),
        ("hevc_opus.ts", TS),
        ("pcma.flv", TS),
        ("sound.aac", TS),
        ("h264_aac.ts", FLV),
        ("h264_aac.flv", FLV),
        ("pcma.flv", FLV),
        ("sound.aac", FLV),
        ("sound.aac", ADTS),
        ("sound.wav", WAV),
        ("pictures.h264", H264),
        ("pictures.h264", FLV),
        ("pictures.hevc", HEVC),
        ("pictures.hevc", TS),
        ("pictures.hevc", FLV),
    ] {
        let stream = Recorded::load(name);
        let written = Recorded::read(&write(&stream, make));
        assert_eq!(written.codecs.len(), stream.codecs.len(), "{name} as {format}");
        for codec in &stream.codecs {
            let (before, after) = (track(&stream, &codec.id), track(&written, &codec.id));
            assert_eq!(after.len(), before.len(), "{name} as {format}: {codec}");
            let has_times = matches!(format, "mpegts" | "flv");
            for (before, after) in before.iter().zip(&after) {
                assert_eq!((&after.0, after.1), (&before.0, before.1), "{name} as {format}");
                let off = (after.2 - before.2).abs().max((after.3 - before.3).abs());
                assert!(!has_times || off <= 1, "{name} as {format}: {before:?} {after:?}");
            }
        }
    }
}

#[test]
fn pictures_and_sound_stay_together() {
    for (format, make) in [TS, FLV] {
        let stream = Recorded::load("h264_aac.ts");
        let written = Recorded::read(&write(&stream, make));
        let distance = |stream: &Recorded| {
            let first = |kind: Kind| {
                let of = stream.frames.iter().find(|(_, frame)| frame.codec.kind() == kind);
                let (track, frame) = of.unwrap();
                frame.pts * 1000 / i64::from(stream.codecs[*track].timestamp_rate())
            };
            first(Kind::Audio) - first(Kind::Video)
        };
        assert!((distance(&stream) - distance(&written)).abs() <= 1, "{format}");
    }
}

#[test]
fn what_cannot_be_carried_is_refused() {
    let jpeg = [Codec::new(CodecId::Jpeg).clock(90_000)];
    let sound = Codec::new(CodecId::Pcma).clock(8000);
    for (format, make) in [TS, FLV, ADTS, WAV, H264] {
        assert!(make(&[]).is_err(), "{format}");
        let error = make(&jpeg).err().unwrap();
        assert!(matches!(error, Error::Unsupported(_, CodecId::Jpeg)), "{format}: {error}");
    }
    assert!((FLV.1)(&[sound.clone(), sound]).is_err());
    let odd = Codec::new(CodecId::Aac).clock(12_345);
    assert!((ADTS.1)(&[odd]).is_err(), "a rate that no header tells");
}

/// New parameters in the middle: FLV says so, the others carry them in the stream.
#[test]
fn parameters_may_change() {
    let mut stream = Recorded::load("pictures.h264");
    let more = Recorded::load("h264_aac.ts");
    let pictures = more.frames.into_iter().filter(|(_, frame)| frame.codec == CodecId::H264);
    let count = stream.frames.len();
    for (index, (_, frame)) in pictures.enumerate() {
        let at = i64::try_from(count + index).unwrap() * 9000;
        stream.frames.push((0, frame.at(at, at)));
    }
    for (format, make) in [TS, FLV, H264] {
        let written = Recorded::read(&write(&stream, make));
        assert_eq!(written.frames.len(), stream.frames.len(), "{format}");
        let payloads =
            |s: &Recorded| s.frames.iter().map(|f| f.1.payload.clone()).collect::<Vec<_>>();
        assert_eq!(payloads(&written), payloads(&stream), "{format}");
    }
}

/// FFmpeg decodes it without a complaint, and packets of a stream come in the
/// order of their decoding times.
#[test]
fn ffmpeg_decodes_what_is_written() {
    if !has_program("ffmpeg") || !has_program("ffprobe") {
        return;
    }
    for (name, (format, make), streams) in [
        ("h264_aac.ts", TS, "h264,aac"),
        ("hevc_opus.ts", TS, "hevc,opus"),
        ("h264_aac.flv", FLV, "h264,aac"),
        ("sound.aac", ADTS, "aac"),
        ("sound.wav", WAV, "pcm_mulaw"),
        ("pictures.h264", H264, "h264"),
        ("pictures.hevc", HEVC, "hevc"),
    ] {
        let bytes = write(&Recorded::load(name), make);
        let decode = "-v warning -xerror -f FORMAT -i - -f null -";
        let (_, complaints) = run("ffmpeg", &decode.replace("FORMAT", format), &bytes);
        let expected = complaints.lines().all(is_usual);
        assert!(expected, "{name} as {format}: {complaints}");
        let show = "-v error -f FORMAT -i - -show_entries stream=codec_name:packet=stream_index,dts,pts -of csv=p=0:nk=1";
        let (packets, _) = run("ffprobe", &show.replace("FORMAT", format), &bytes);
        let mut last = std::collections::BTreeMap::new();
        let mut count = 0;
        let mut names = Vec::new();
        for line in packets.lines().filter(|line| !line.is_empty()) {
            let mut fields = line.split(',');
            let Ok(index) = fields.next().unwrap().parse::<usize>() else {
                names.push(line.trim_end_matches(',').to_owned());
                continue;
            };
            let (pts, dts) = (fields.next().unwrap(), fields.next().unwrap_or_default());
            count += 1;
            if let (Ok(pts), Ok(dts)) = (pts.parse::<i64>(), dts.parse::<i64>()) {
                assert!(pts >= dts, "{name} as {format}: {line}");
                let before = last.insert(index, dts);
                assert!(before.is_none_or(|before| before < dts), "{name} as {format}: {line}");
            }
        }
        // Those of a program are shown a second time.
        let (first, again) = names.split_at(names.len().min(streams.split(',').count()));
        assert_eq!(first.join(","), streams, "{name} as {format}");
        assert!(again.is_empty() || again == first, "{name} as {format}: {names:?}");
        let least = if format == "wav" { 1 } else { 5 };
        assert!(count >= least, "{name} as {format}: {packets}");
    }
}

/// What FFmpeg says of every stream without an end.
fn is_usual(line: &str) -> bool {
    line.contains("Ignoring maximum wav data size")
        || line.contains("Estimating duration from bitrate")
        || line.contains("Timestamps are unset")
        // A file that says no length ends in the middle of a packet.
        || ["Packet corrupt (stream = 0, dts = NOPTS)", "corrupt input packet in stream 0"]
            .iter()
            .any(|end| line.contains(end))
        || line.contains("Guessed Channel Layout")
}
