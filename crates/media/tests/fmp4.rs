//! Fragmented MP4 as foreign readers see it: a parser of ISO base media files, and
//! FFmpeg. Its streams are those of the container tests.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]

use std::sync::Arc;
use std::time::Instant;

use mp4_atom::{Any, Decode as _, Moof, Moov, TrunSamples};
use rs2rtc_media::codec::av1;
use rs2rtc_media::container::fmp4::{Cursor, Format, Fragment, Pace, Picture, Track, init};
use rs2rtc_media::frame::SizeClass;
use rs2rtc_media::rtp::depay::Depacketiser;
use rs2rtc_media::rtp::{Header, SeqNo};
use rs2rtc_media::{Codec, CodecId, Frame, Kind, Payload};
use rs2rtc_testkit::judge;
use rs2rtc_testkit::recorded::Recorded;

/// Formats and fragments of a stream.
fn fragments(name: &str) -> (Vec<Format>, Vec<Arc<Fragment>>) {
    let Recorded { codecs, frames } = Recorded::load(name);
    let mut tracks: Vec<Track> = codecs
        .iter()
        .enumerate()
        .map(|(index, codec)| Track::new(index, Format::new(codec).unwrap()))
        .collect();
    let mut all = Vec::new();
    for (index, frame) in &frames {
        tracks[*index].learn(frame);
        all.push(Arc::new(tracks[*index].fragment(frame).unwrap()));
    }
    (tracks.iter().map(|track| track.format().clone()).collect(), all)
}

/// AV1 as it comes in RTP, in packets of 500 bytes.
fn av1() -> (Vec<Format>, Vec<Arc<Fragment>>) {
    let file = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pictures.obu"));
    let file = file.unwrap();
    let (mut rest, mut pictures) = (file.as_slice(), Vec::new());
    while let [head, after @ ..] = rest {
        let (size, bytes) = av1::leb128(after).unwrap();
        let (body, next) = after[bytes..].split_at(size as usize);
        rest = next;
        if av1::obu_type(*head) == av1::TEMPORAL_DELIMITER {
            pictures.push(Vec::new());
            continue;
        }
        // On the way units have no length of their own.
        let unit = [&[head & !2], body].concat();
        let chunks: Vec<&[u8]> = unit.chunks(500).collect();
        for (index, chunk) in chunks.iter().enumerate() {
            let continues = u8::from(index > 0) << 7;
            let goes_on = u8::from(index + 1 < chunks.len()) << 6;
            let payload = [&[continues | goes_on | 0x10], *chunk].concat();
            pictures.last_mut().unwrap().push(bytes::Bytes::from(payload));
        }
    }
    let codec = Codec::new(CodecId::Av1).clock(90_000);
    let mut track = Track::new(0, Format::new(&codec).unwrap());
    let fragments = pictures.into_iter().enumerate().map(|(n, payloads)| {
        let payload = Payload::Opaque(payloads);
        let pts = n as i64 * 9000;
        let frame = Frame::new(CodecId::Av1, n % 3 == 0, pts, Instant::now(), payload);
        assert_eq!(track.learn(&frame), n == 0, "{n}");
        Arc::new(track.fragment(&frame).unwrap())
    });
    let fragments = fragments.collect();
    (vec![track.format().clone()], fragments)
}

/// What RTP carries of a file's frames comes out as it went in.
#[test]
fn av1_goes_through_rtp_unchanged() {
    let Recorded { codecs, frames } = Recorded::load("av1_mp3.mp4");
    let mut depay = Depacketiser::new(&codecs[0]);
    let mut track = Track::new(0, Format::new(&codecs[0]).unwrap());
    let mut header = Header::default();
    for (_, frame) in frames.iter().filter(|(track, _)| *track == 0) {
        let Payload::Data(data) = &frame.payload else { panic!("{frame:?}") };
        let payloads = frame.rtp(SizeClass::WebRtc);
        header.timestamp = frame.pts as u32;
        for (index, payload) in payloads.iter().enumerate() {
            header.seq = SeqNo(header.seq.0.wrapping_add(1));
            header.marker = index + 1 == payloads.len();
            depay.push(&header, bytes::Bytes::copy_from_slice(payload), Instant::now());
        }
        let unit = depay.poll().unwrap();
        assert_eq!((unit.keyframe, unit.pts), (frame.keyframe, frame.pts));
        let again = unit.into_frame(CodecId::Av1, frame.pts, frame.dts);
        track.learn(&again);
        assert_eq!(track.fragment(&again).unwrap().payload, data);
    }
    assert!(depay.poll().is_none());
}

#[test]
fn av1_out_of_rtp() {
    let (formats, fragments) = av1();
    assert_eq!((formats[0].mime().as_str(), formats[0].size()), ("av01.0.00M.08", (128, 96)));
    let file = recording(&formats, &fragments);
    let (moov, seen) = parse(&file);
    let moov = moov.unwrap();
    let mp4_atom::Codec::Av01(entry) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("{:?}", moov.trak[0].mdia.minf.stbl.stsd)
    };
    assert_eq!((entry.visual.width, entry.visual.height), (128, 96));
    assert_eq!((entry.av1c.seq_profile, entry.av1c.high_bitdepth), (0, false));
    assert!(entry.av1c.chroma_subsampling_x && entry.av1c.chroma_subsampling_y);
    assert_without_gaps(&seen, 1);
    assert_eq!(seen.iter().filter(|s| s.4).count(), 3);
    if !judge::has_program("ffmpeg") {
        return;
    }
    let decode = "-v warning -xerror -f mp4 -i - -f framecrc -";
    let (pictures, words) = judge::run("ffmpeg", decode, &file);
    assert_eq!(words, "");
    assert_eq!(pictures.lines().filter(|line| !line.starts_with('#')).count(), 7, "{pictures}");
}

fn cursor(pace: Pace, formats: &[Format]) -> Cursor {
    let scales: Vec<u32> = formats.iter().map(|f| f.timescale).collect();
    let master = formats.iter().position(|f| f.kind() == Kind::Video).unwrap_or(0);
    Cursor::new(pace, &scales, master)
}

/// A whole recording.
fn recording(formats: &[Format], fragments: &[Arc<Fragment>]) -> Vec<u8> {
    let mut cursor = cursor(Pace::Recording, formats);
    let mut out = Vec::new();
    for fragment in fragments {
        let lead = cursor.lead(fragment);
        let begun = cursor.has_begun();
        let Some(head) = cursor.place(fragment) else { continue };
        if !begun {
            out.extend(init::write(formats, Picture::default(), &lead));
        }
        out.extend(head);
        out.extend_from_slice(&fragment.payload);
    }
    out
}

/// One sample as the foreign parser sees it: track, dts, duration, composition, sync.
type Seen = (u32, u64, u32, i64, bool);

/// Reads a file with the foreign parser.
fn parse(file: &[u8]) -> (Option<Moov>, Vec<Seen>) {
    let mut rest = file;
    let (mut moov, mut seen, mut pending): (_, Vec<Seen>, Option<(Moof, usize)>) =
        (None, Vec::new(), None);
    while !rest.is_empty() {
        let before = rest.len();
        match Any::decode(&mut rest).unwrap() {
            Any::Moov(found) => moov = Some(found),
            Any::Moof(found) => pending = Some((found, before - rest.len())),
            Any::Mdat(data) => {
                let (moof, size) = pending.take().unwrap();
                let traf = &moof.traf[0];
                let tfhd = &traf.tfhd;
                assert!(tfhd.default_base_is_moof && tfhd.base_data_offset.is_none());
                assert_eq!(traf.trun[0].data_offset, Some(i32::try_from(size).unwrap() + 8));
                assert_eq!(tfhd.default_sample_size, Some(u32::try_from(data.data.len()).unwrap()));
                let composition = match &traf.trun[0].samples {
                    TrunSamples::Explicit(entries) => {
                        assert_eq!(entries.len(), 1);
                        entries[0].cts.unwrap_or(0)
                    }
                    TrunSamples::Inherited { count, .. } => {
                        assert_eq!(*count, 1);
                        0
                    }
                };
                let flags = tfhd.default_sample_flags.unwrap();
                assert!(matches!(flags, 0x0200_0000 | 0x0101_0000));
                seen.push((
                    tfhd.track_id,
                    traf.tfdt.as_ref().unwrap().base_media_decode_time,
                    tfhd.default_sample_duration.unwrap(),
                    composition,
                    flags == 0x0200_0000,
                ));
            }
            _ => {}
        }
    }
    (moov, seen)
}

fn assert_without_gaps(seen: &[Seen], tracks: usize) {
    for track in 1..=u32::try_from(tracks).unwrap() {
        let mut end = None;
        for (_, dts, duration, ..) in seen.iter().filter(|s| s.0 == track) {
            assert!(end.is_none_or(|end| end == *dts), "track {track} has a gap at {dts}");
            assert!(*duration > 0);
            end = Some(dts + u64::from(*duration));
        }
    }
}

const STREAMS: [(&str, &[&str]); 8] = [
    ("h264_aac.ts", &["avc1", "mp4a.40.2"]),
    ("h264_aac.flv", &["avc1", "mp4a.40.2"]),
    ("hevc_opus.ts", &["hvc1.1.6.L153.B0", "opus"]),
    ("av1_mp3.mp4", &["av01.0.00M.08", "mp4a.6B"]),
    ("h264_mp3.ts", &["avc1", "mp4a.6B"]),
    ("sound.wav", &["flac"]),
    ("pcma.flv", &["flac"]),
    ("sound.aac", &["mp4a.40.2"]),
];

#[test]
fn a_foreign_parser_reads_what_is_written() {
    for (name, mimes) in STREAMS {
        let (formats, fragments) = fragments(name);
        for (format, mime) in formats.iter().zip(mimes) {
            assert!(format.mime().starts_with(mime), "{name}: {}", format.mime());
            assert!(format.is_complete());
        }
        let (moov, seen) = parse(&recording(&formats, &fragments));
        let moov = moov.unwrap();
        assert_eq!(moov.trak.len(), formats.len(), "{name}");
        assert_eq!(moov.mvex.unwrap().trex.len(), formats.len());
        for (trak, format) in moov.trak.iter().zip(&formats) {
            assert_eq!(trak.mdia.mdhd.timescale, format.timescale);
            assert_eq!(trak.mdia.minf.stbl.stsd.codecs.len(), 1);
            let (width, height) = format.size();
            assert_eq!(u32::from(trak.tkhd.width.integer()), width);
            assert_eq!(u32::from(trak.tkhd.height.integer()), height);
        }
        assert_without_gaps(&seen, formats.len());
        let pictures: Vec<&Seen> = seen.iter().filter(|s| s.0 == 1).collect();
        assert_eq!(pictures[0].1, 0, "{name} begins at zero");
        assert!(pictures[0].4, "{name} begins with a keyframe");
        assert_eq!(
            pictures.iter().filter(|s| s.4).count(),
            match formats[0].kind() {
                Kind::Video => 3,
                _ => pictures.len(),
            }
        );
    }
}

#[test]
fn sound_and_picture_keep_their_distance() {
    let (formats, fragments) = fragments("h264_aac.ts");
    let Recorded { frames, .. } = Recorded::load("h264_aac.ts");
    let first = |track: usize| frames.iter().find(|(t, _)| *t == track).unwrap();
    let zero = first(0).1.dts;
    let (_, seen) = parse(&recording(&formats, &fragments));
    // Ticks of sound at 16 kHz, of pictures at 90 kHz.
    for (index, (track, frame)) in frames.iter().enumerate() {
        let Some((_, dts, ..)) = seen.get(index).filter(|s| s.0 as usize == track + 1) else {
            continue;
        };
        let scale = i64::from(formats[*track].timescale);
        let expected = frame.dts as f64 / scale as f64 - zero as f64 / 90_000.0;
        let got = *dts as f64 / scale as f64;
        assert!((expected - got).abs() < 0.03, "track {track}: {expected} is at {got}");
    }
}

#[test]
fn a_live_viewer_begins_with_the_group_so_far() {
    let (formats, all) = fragments("h264_aac.ts");
    // It comes after the seventh picture: a keyframe and one more.
    let seventh = all.iter().enumerate().filter(|(_, f)| f.track == 0).nth(6).unwrap().0;
    let start = all[..=seventh].iter().rposition(|f| f.track == 0 && f.keyframe).unwrap();
    let group: Vec<_> = all[start..=seventh].iter().filter(|f| f.track == 0).cloned().collect();
    assert_eq!(group.len(), 2);
    let mut cursor = cursor(Pace::Live, &formats);
    let mut out = Vec::new();
    for (fragment, head) in group.iter().zip(cursor.place_burst(&group)) {
        out.extend(head);
        out.extend_from_slice(&fragment.payload);
    }
    for fragment in &all[seventh + 1..] {
        if let Some(head) = cursor.place(fragment) {
            out.extend(head);
            out.extend_from_slice(&fragment.payload);
        }
    }
    let (_, seen) = parse(&out);
    assert_without_gaps(&seen, 2);
    let pictures: Vec<&Seen> = seen.iter().filter(|s| s.0 == 1).collect();
    assert_eq!(pictures.len(), 12 - 5);
    assert_eq!((pictures[0].1, pictures[0].4), (0, true));
    assert!(pictures[2].1 <= 9000, "what is in the past takes a tenth of a second at most");
    assert!(pictures[2].2 > 8000, "live pictures last as long as they do");
    // The sound of the same moment is where the picture is.
    let sound = seen.iter().find(|s| s.0 == 2).unwrap();
    assert!(sound.1 < 16_000 / 5, "{sound:?}");
}

#[test]
fn a_slow_viewer_goes_on_where_it_was_and_a_recorder_keeps_the_gap() {
    let (formats, all) = fragments("h264_aac.ts");
    let pictures: Vec<_> = all.iter().filter(|f| f.track == 0).cloned().collect();
    let times = |pace| {
        let mut cursor = cursor(pace, &formats);
        let mut out = Vec::new();
        for (index, fragment) in pictures.iter().enumerate() {
            if index == 2 {
                cursor.missed();
            }
            if let Some(head) = cursor.place(fragment) {
                out.extend(head);
                out.extend_from_slice(&fragment.payload);
            }
        }
        parse(&out).1
    };
    let (live, recording) = (times(Pace::Live), times(Pace::Recording));
    assert_without_gaps(&live, 1);
    assert_without_gaps(&recording, 1);
    // Two pictures, then the next keyframe, which is the sixth.
    assert_eq!((live.len(), recording.len()), (9, 9));
    assert!(live[2].2 < 10_000 && recording[2].2 > 30_000);
    assert_eq!(pictures[11].end() - pictures[0].dts, {
        let last = recording.last().unwrap();
        i64::try_from(last.1 + u64::from(last.2)).unwrap()
    });
}

/// Two packets of sound 0.02 ms apart, and ten: each begins later than the one before.
#[test]
fn sound_that_comes_at_once_has_times_that_rise() {
    let format = Format::new(&Codec::new(CodecId::Aac).clock(48_000).channels(1)).unwrap();
    let mut track = Track::new(0, format);
    let (mut at, mut fragments) = (0, Vec::new());
    for n in 0..2000_i64 {
        let payload = Payload::Data(bytes::Bytes::from_static(&[0x21, 0x10, 4, 0x60]));
        let frame = Frame::new(CodecId::Aac, true, at, Instant::now(), payload);
        fragments.push((at, Arc::new(track.fragment(&frame).unwrap())));
        at += if n % 47 == 0 || n % 500 < 10 { 1 } else { 1024 };
    }
    let formats = [track.format().clone()];
    let only: Vec<_> = fragments.iter().map(|(_, fragment)| Arc::clone(fragment)).collect();
    let (_, seen) = parse(&recording(&formats, &only));
    assert_without_gaps(&seen, 1);
    assert_eq!(seen.len(), fragments.len());
    for ((at, _), (_, dts, ..)) in fragments.iter().zip(&seen) {
        // What it plays counts, until it is a twenty-fifth of a second off; ten at once are
        // ten packets long.
        let late = dts.cast_signed() - at;
        assert!((-48_000 / 25..=12 * 1024).contains(&late), "{at}: {late} ticks late");
    }
}

#[test]
fn other_parameter_sets_are_told() {
    let Recorded { codecs, frames } = Recorded::load("h264_aac.ts");
    let mut track = Track::new(0, Format::new(&codecs[0]).unwrap());
    let first = &frames.iter().find(|(t, _)| *t == 0).unwrap().1;
    track.learn(first);
    assert!(!track.learn(first), "they are the same");
    let size = track.fragment(first).unwrap().payload.len();
    let Payload::Nals(nals) = &first.payload else { panic!("{first:?}") };
    let sets: usize = nals.iter().filter(|n| matches!(n[0] & 31, 7 | 8)).map(|n| n.len() + 4).sum();
    let whole: usize = nals.iter().map(|n| n.len() + 4).sum();
    assert!(sets > 0 && size <= whole - sets, "parameter sets stand in front only");
    let other = "packetization-mode=1;profile-level-id=64001f;sprop-parameter-sets=Z2QAH6wkhAFAFuwEQAAAAwBAAAAMI8YMkg==,aO4yyLA=";
    let before = Format::new(&Codec::new(CodecId::H264).fmtp(other)).unwrap();
    let mut changing = Track::new(0, before);
    assert!(changing.learn(first));
}

#[test]
fn codecs_without_a_place_in_mp4_are_named() {
    let error = Format::new(&Codec::new(CodecId::Vp8)).unwrap_err();
    assert_eq!(error.to_string(), "mp4: unsupported codec: VP8");
    for id in Format::CODECS {
        assert!(Format::new(&Codec::new(id)).is_ok());
    }
}

#[test]
fn ffmpeg_decodes_recordings_without_a_word() {
    if !judge::has_program("ffmpeg") {
        return;
    }
    for (name, _) in STREAMS {
        let (formats, fragments) = fragments(name);
        let file = recording(&formats, &fragments);
        let (_, words) = judge::run("ffmpeg", "-v warning -xerror -f mp4 -i - -f null -", &file);
        assert_eq!(words, "", "{name}");
        let count = "-v error -count_frames -show_entries stream=codec_name,nb_read_frames \
             -of csv=p=0 -f mp4 -i -";
        let (found, _) = judge::run("ffprobe", count, &file);
        let expected: Vec<usize> = (0..formats.len())
            .map(|track| fragments.iter().filter(|f| f.track == track).count())
            .collect();
        for (line, expected) in found.lines().filter(|l| !l.is_empty()).zip(&expected) {
            let frames: usize = line.split(',').next_back().unwrap().parse().unwrap();
            // Sound before the first picture is left out of a recording.
            assert!(frames <= *expected && frames + 3 >= *expected, "{name}: {found}");
        }
        assert_eq!(found.lines().filter(|l| !l.is_empty()).count(), formats.len(), "{found}");
    }
}
