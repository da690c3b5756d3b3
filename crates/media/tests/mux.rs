//! What is written is read again, by our readers and by FFmpeg.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::time::Instant;

use rs2rtc_media::container::mux::{Chunks, Error, Muxer, adts, flv, mpegts, raw, wav};
use rs2rtc_media::{Codec, CodecId, Frame, Kind, Payload};
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

/// A program that plays a file in a loop has two packets of sound 0.02 ms apart where
/// the file begins anew: less than a millisecond of FLV and than two ticks of a transport
/// stream. Times of a track rise all the same, and go on where they belong.
#[test]
fn times_rise_where_sound_is_closer_than_a_tick() {
    const RATE: i64 = 48_000;
    let codecs = vec![Codec::new(CodecId::Aac).clock(48_000).channels(1)];
    let (mut frames, mut times, mut at) = (Vec::new(), Vec::new(), 0);
    for n in 0..2000_i64 {
        times.push(at);
        // Two, and once in a while ten, within a moment.
        at += if n % 47 == 0 || n % 500 < 10 { 1 } else { 1024 };
    }
    for time in &times {
        let payload = Payload::Data(bytes::Bytes::from_static(&[0x21, 0x10, 4, 0x60]));
        let frame = Frame::new(CodecId::Aac, true, *time, Instant::now(), payload);
        frames.push((0, frame.at(*time, *time)));
    }
    let stream = Recorded { codecs, frames };
    // In ticks of its own.
    let written = write(&stream, TS.1);
    let starts = written.chunks(188).filter(|packet| packet[1..3] == [0x41, 0]);
    let ticks: Vec<u64> = starts
        .map(|packet| {
            let skip = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
            let time = &packet[skip + 9..skip + 14];
            let [a, b, c, d, e] = <[u8; 5]>::try_from(time).unwrap().map(u64::from);
            (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1
        })
        .collect();
    assert!(ticks.len() == times.len() && ticks.is_sorted_by(|before, after| before < after));
    for (format, make) in [TS, FLV] {
        let written = Recorded::read(&write(&stream, make));
        let rate = i64::from(written.codecs[0].timestamp_rate());
        assert_eq!((rate, written.frames.len()), (RATE, times.len()), "{format}");
        let seen: Vec<i64> = written.frames.iter().map(|(_, frame)| frame.dts).collect();
        let mut before = None;
        for (index, (seen, time)) in seen.iter().zip(&times).enumerate() {
            // Our reader gives the tick of the sound's clock that has begun.
            let rises = before.is_none_or(|before| before < *seen + i64::from(format == "mpegts"));
            assert!(rises, "{format}: {index}");
            before = Some(*seen);
            let late = (seen - written.frames[0].1.dts) - time;
            // Ten within a moment are ten milliseconds of FLV, which the next ones give back.
            let most = if index % 500 < 12 { 11 } else { 2 };
            assert!((-48..=48 * most).contains(&late), "{format}: {index} is {late} ticks late");
        }
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
