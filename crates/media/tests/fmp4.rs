//! Fragmented MP4 as foreign readers see it: a parser of ISO base media files, and
//! FFmpeg. Its streams are those of the container tests.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use mp4_atom::{Any, Decode as _, Moof, Moov, TrunSamples};
use rs2rtc_media::container::fmp4::{Cursor, Format, Fragment, Pace, Picture, Track, init};
use rs2rtc_media::container::{Demuxer, Time};
use rs2rtc_media::{Codec, CodecId, Frame, Kind, Payload};

/// Codecs and frames of a stream, with the index of their track.
fn frames(name: &str) -> (Vec<Codec>, Vec<(usize, Frame)>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/container");
    let mut demuxer = Demuxer::new();
    demuxer.push(&std::fs::read(format!("{folder}/{name}")).unwrap());
    demuxer.end().unwrap();
    let codecs = demuxer.tracks().unwrap().unwrap().to_vec();
    let mut played = vec![0_i64; codecs.len()];
    let mut all = Vec::new();
    while let Some(unit) = demuxer.next_unit().unwrap() {
        let (codec, played) = (&codecs[unit.track], &mut played[unit.track]);
        let (pts, dts) = match unit.time {
            Time::At { pts, dts } => (pts, dts),
            Time::Lasts(ticks) => (*played, *played).also(|| *played += i64::from(ticks)),
            Time::Arrival => (*played, *played).also(|| *played += 3600),
        };
        let id = codec.id.clone();
        let mut frame = Frame::new(id, unit.keyframe, pts, Instant::now(), unit.payload);
        frame.dts = dts;
        all.push((unit.track, frame));
    }
    (codecs, all)
}

trait Also: Sized {
    fn also(self, then: impl FnOnce()) -> Self {
        then();
        self
    }
}
impl<T> Also for T {}

/// Formats and fragments of a stream.
fn fragments(name: &str) -> (Vec<Format>, Vec<Arc<Fragment>>) {
    let (codecs, frames) = frames(name);
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

const STREAMS: [(&str, &[&str]); 6] = [
    ("h264_aac.ts", &["avc1", "mp4a.40.2"]),
    ("h264_aac.flv", &["avc1", "mp4a.40.2"]),
    ("hevc_opus.ts", &["hvc1.1.6.L153.B0", "opus"]),
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
    let (_, frames) = frames("h264_aac.ts");
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

#[test]
fn other_parameter_sets_are_told() {
    let (codecs, frames) = frames("h264_aac.ts");
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

fn has(program: &str) -> bool {
    let there = Command::new(program)
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI needs {program}");
    if !there {
        eprintln!("SKIPPED: needs {program}");
    }
    there
}

#[test]
fn ffmpeg_decodes_recordings_without_a_word() {
    if !has("ffmpeg") {
        return;
    }
    for (name, _) in STREAMS {
        let (formats, fragments) = fragments(name);
        let path = format!("{}/{name}.mp4", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&path, recording(&formats, &fragments)).unwrap();
        let output = Command::new("ffmpeg")
            .args(["-v", "warning", "-xerror", "-i", &path, "-f", "null", "-"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && words.is_empty(), "{name}: {words}");
        let output = Command::new("ffprobe")
            .args(["-v", "error", "-count_frames", "-show_entries"])
            .args(["stream=codec_name,nb_read_frames", "-of", "csv=p=0", &path])
            .output()
            .unwrap();
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
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
