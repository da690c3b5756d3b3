//! Segments and playlists: they keep to RFC 8216 and its second edition at every
//! moment of a stream, and FFmpeg plays what is in them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod content;
mod joins;
mod schedules;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::container::mux::{Chunks, Error};
use rs2rtc_media::container::{Demuxer, Time};
use rs2rtc_media::hls::{
    Begin, Form, Lead, Mp4, Names, Packager, Playlist, Rates, Segment, Segmenter, Ts, codecs,
    master,
};
use rs2rtc_media::{Codec, CodecId, Frame, Payload};
use rs2rtc_testkit::judge;
use rs2rtc_testkit::playlist::{Read, follows, is_even, keeps_to, read, read_master};
use rs2rtc_testkit::recorded::Recorded;

/// Writes a byte per frame: its index in the stream.
#[derive(Default)]
struct Plain {
    frames: u8,
    is_mp4: bool,
}

impl Packager for Plain {
    fn learn(&mut self, _: usize, _: &Frame) -> bool {
        false
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn init(&self) -> Option<Bytes> {
        self.is_mp4.then(|| Bytes::from_static(b"init"))
    }

    fn restart(&mut self) {}

    fn skip(&mut self, _: usize, _: &Frame) {}

    fn begin_part(&mut self, _: &mut Chunks) -> Arc<dyn Begin> {
        Arc::new(Nowhere)
    }

    fn takes(&self, _: usize, _: &Frame) -> bool {
        true
    }

    fn frame(&mut self, _: usize, _: &Frame, out: &mut Chunks) {
        out.copy(&[self.frames]);
        self.frames = self.frames.wrapping_add(1);
    }
}

#[derive(Debug)]
struct Nowhere;

impl Begin for Nowhere {
    fn before(&self, _: &Lead) -> Chunks {
        Chunks::new()
    }
}

/// Whether a segment begins with a keyframe of its own.
fn has_keyframe(segment: &Segment) -> bool {
    segment.parts[0].start.keyframe
}

fn segmenter(codecs: &[Codec], form: Form) -> Segmenter {
    Segmenter::new(Box::new(Plain { frames: 0, is_mp4: form == Form::Mp4 }), codecs)
}

fn video() -> Codec {
    Codec::new(CodecId::H264).clock(90_000)
}

const SETS: [&[u8]; 2] = [
    b"\x67\x64\x00\x1f\xac\x24\x84\x01\x40\x16\xec\x04\x40\x00\x00\x03\x00\x40\x00\x00\x0c\x23\xc6\x0c\x92",
    b"\x68\xee\x32\xc8\xb0",
];
const OTHER_SETS: [&[u8]; 2] =
    [b"\x67\x64\x00\x33\xac\x15\x14\xa0\x28\x00\xf1\x90", b"\x68\xee\x3c\xb0"];

/// A picture so many milliseconds after the start.
fn picture_of(milliseconds: i64, keyframe: bool, sets: [&'static [u8]; 2]) -> Arc<Frame> {
    let mut nals = vec![Bytes::from_static(if keyframe { b"\x65xxx" } else { b"\x41xxx" })];
    if keyframe {
        nals.splice(0..0, sets.map(Bytes::from_static));
    }
    let payload = Payload::Nals(nals);
    Arc::new(Frame::new(CodecId::H264, keyframe, milliseconds * 90, Instant::now(), payload))
}

fn picture(milliseconds: i64, keyframe: bool) -> Arc<Frame> {
    picture_of(milliseconds, keyframe, SETS)
}

fn sound(milliseconds: i64) -> Arc<Frame> {
    let payload = Payload::Data(Bytes::from_static(b"yy"));
    Arc::new(Frame::new(CodecId::Aac, true, milliseconds * 16, Instant::now(), payload))
}

fn playlist(segmenter: &Segmenter, form: Form) -> Option<String> {
    playlist_from(segmenter, form, 0)
}

fn playlist_from(segmenter: &Segmenter, form: Form, from: u64) -> Option<String> {
    let playlist = Playlist::new(segmenter, from);
    (!playlist.is_empty()).then(|| playlist.write(Names { form, id: "AbCd0123" }))
}

/// Cuts pictures and checks the playlist after each. Gives the last one.
fn run(frames: impl IntoIterator<Item = Arc<Frame>>, form: Form) -> (Segmenter, Read) {
    run_with(segmenter(&[video()], form), frames, form)
}

fn run_with(
    mut cutter: Segmenter,
    frames: impl IntoIterator<Item = Arc<Frame>>,
    form: Form,
) -> (Segmenter, Read) {
    let mut last: Option<Read> = None;
    for frame in frames {
        cutter.push(0, &frame);
        let Some(text) = playlist(&cutter, form) else { continue };
        let now = read(&text);
        is_even(&now);
        if let Some(last) = &last {
            follows(last, &now);
        }
        last = Some(now);
    }
    (cutter, last.unwrap())
}

/// Pictures of a rate, with a keyframe every so many.
fn pictures(count: i64, per_second: i64, group: i64) -> impl Iterator<Item = Arc<Frame>> {
    (0..count).map(move |n| picture(n * 1000 / per_second, n % group == 0))
}

#[test]
fn playlists_keep_to_the_rules() {
    for form in [Form::Ts, Form::Mp4] {
        for (rate, group) in [
            (25, 25),
            (25, 250),
            (25, 30),
            (30, 60),
            (15, 15),
            (10, 20),
            (5, 10),
            (25, 1),
            (60, 600),
            (50, 13),
        ] {
            let (cutter, last) = run(pictures(rate * 20, rate, group), form);
            let longest = cutter.closed().map(|s| s.duration).max().unwrap();
            assert!(longest <= 1_100_000, "{rate} {group}: {longest}");
            assert!(last.part_target.is_some() && last.hint.is_some(), "{rate} {group}");
        }
    }
}

#[test]
fn pictures_that_come_unevenly_keep_to_them_too() {
    // A tenth of their distance early or late.
    let uneven = (0..600).map(|n| picture(n * 40 + n * 7919 % 9 - 4, n % 40 == 0));
    let (cutter, last) = run(uneven, Form::Ts);
    assert!(cutter.closed().len() > 8 && last.part_target.is_some());
}

#[test]
fn segments_begin_at_keyframes() {
    // Every 2 s a keyframe: half of the segments begin with one.
    let (cutter, _) = run(pictures(500, 25, 50), Form::Ts);
    let of_keyframes = cutter.closed().filter(|s| has_keyframe(s)).count();
    assert_eq!(of_keyframes, cutter.closed().len() / 2);
    // One a second: all do, but for the first second, which is cut in two.
    let (cutter, _) = run(pictures(500, 25, 25), Form::Ts);
    assert!(cutter.closed().skip(2).all(|s| has_keyframe(s) && s.duration == 1_000_000));
    // Ten seconds without one: the newest segment is never older than a second.
    let mut cutter = segmenter(&[video()], Form::Ts);
    for (n, frame) in (0..).zip(pictures(500, 25, 250)) {
        cutter.push(0, &frame);
        let closed: i64 = cutter.closed().map(|segment| segment.duration).sum();
        assert!(n * 40_000 - closed <= 1_080_000, "{n}");
    }
}

#[test]
fn slow_pictures_make_no_parts() {
    let (cutter, last) = run(pictures(30, 1, 5), Form::Ts);
    assert_eq!(cutter.part_target(), None);
    assert!(last.segments.iter().all(|segment| segment.duration == 1.0));
    let text = playlist(&cutter, Form::Ts).unwrap();
    assert!(text.starts_with("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n"), "{text}");
}

#[test]
fn a_hole_is_a_discontinuity() {
    for form in [Form::Ts, Form::Mp4] {
        let later = pictures(200, 25, 25)
            .map(|frame| Arc::new(frame.at(frame.pts + 1_800_000, frame.dts + 1_800_000)));
        // What comes first after it cannot be decoded.
        let frames = pictures(30, 25, 25).chain([picture(19_960, false)]).chain(later);
        let (cutter, last) = run(frames, form);
        let marked: Vec<_> = cutter.closed().filter(|segment| segment.discontinuity).collect();
        assert_eq!((marked.len(), has_keyframe(marked[0])), (1, true));
        assert!(last.segments.iter().all(|segment| segment.duration < 1.1));
        assert_eq!(last.discontinuity_sequence, 1, "it has left the list");
    }
}

#[test]
fn other_parameter_sets_are_a_new_beginning() {
    let frames = || {
        let before = pictures(60, 25, 25);
        before.chain((60..120).map(|n| picture_of(n * 40, n % 30 == 0, OTHER_SETS)))
    };
    let codecs = [video()];
    for form in [Form::Ts, Form::Mp4] {
        let packager: Box<dyn Packager> = match form {
            Form::Ts => Box::new(Ts::new(&codecs).unwrap()),
            Form::Mp4 => Box::new(Mp4::new(&codecs).unwrap()),
        };
        let (cutter, last) = run_with(Segmenter::new(packager, &codecs), frames(), form);
        let marked: Vec<_> = cutter.closed().filter(|segment| segment.discontinuity).collect();
        assert_eq!((marked.len(), has_keyframe(marked[0])), (1, true));
        if form == Form::Mp4 {
            let maps: Vec<_> = last.segments.iter().filter_map(|s| s.map.as_deref()).collect();
            assert_eq!(
                (maps[0], *maps.last().unwrap()),
                ("init.mp4?id=AbCd0123", "init.mp4?id=AbCd0123&n=1")
            );
            let [first, second] = [0, 1].map(|n| cutter.init(Some(n)).unwrap().bytes.clone());
            assert!(first != second && cutter.init(None).unwrap().bytes == second);
            assert!(cutter.init(Some(2)).is_none());
        }
    }
}

/// Sound comes a third of a second after the pictures of its moment. What belongs before other
/// parameter sets is in the segment before, and no player has a hole there.
#[test]
fn sound_of_before_stays_with_the_parameters_of_before() {
    let codecs = [video(), Codec::new(CodecId::Aac).clock(16_000)];
    for form in [Form::Ts, Form::Mp4] {
        let packager: Box<dyn Packager> = match form {
            Form::Ts => Box::new(Ts::new(&codecs).unwrap()),
            Form::Mp4 => Box::new(Mp4::new(&codecs).unwrap()),
        };
        let mut cutter = Segmenter::new(packager, &codecs);
        for n in 0..120 {
            let sets = if n < 60 { SETS } else { OTHER_SETS };
            cutter.push(0, &picture_of(n * 40, n % 30 == 0, sets));
            // As the picture so many before, 40 ms each.
            if n >= 8 {
                cutter.push(1, &sound((n - 8) * 40));
            }
        }
        let marked = cutter.closed().position(|segment| segment.discontinuity).unwrap();
        let sounds = |segments: &mut dyn Iterator<Item = &Arc<Segment>>| -> usize {
            segments.map(|segment| segment.counts.get(1).map_or(0, |count| count.0)).sum()
        };
        assert_eq!(sounds(&mut cutter.closed().take(marked)), 60, "{form:?}");
        // However long the sound stays away.
        for n in 120..150 {
            let sets = if n < 130 { OTHER_SETS } else { SETS };
            cutter.push(0, &picture_of(n * 40, n % 10 == 0, sets));
        }
        let marked = cutter.closed().filter(|segment| segment.discontinuity).count();
        let open = cutter.open().is_some_and(|open| open.discontinuity);
        assert_eq!(marked + usize::from(open), 2, "{form:?}");
    }
}

/// Players put what begins anew where the longest track ended before. Sound that ends behind
/// that moment would part the pictures from those before, and some players stop there.
#[test]
fn sound_that_ends_behind_a_new_beginning_belongs_to_it() {
    const LENGTH: i64 = 64;
    let codecs = [video(), Codec::new(CodecId::Aac).clock(16_000)];
    // Sound comes before the pictures of its moment, with them or after them.
    for late in [-100, 0, 300] {
        let mut cutter = Segmenter::new(Box::new(Mp4::new(&codecs).unwrap()), &codecs);
        let pictures = (0..120).map(|n| (n * 40, 0, n * 40));
        let sounds = (0..70).map(|n| 30 + n * LENGTH).map(|begin| (begin + late, 1, begin));
        let mut all: Vec<_> = pictures.chain(sounds).collect();
        all.sort_unstable();
        let change = 60 * 40;
        for (_, track, begin) in &all {
            let sets = if *begin < change { SETS } else { OTHER_SETS };
            let frame = match track {
                0 => picture_of(*begin, begin % 1200 == 0, sets),
                _ => sound(*begin),
            };
            cutter.push(*track, &frame);
        }
        let marked = cutter.closed().position(|segment| segment.discontinuity).unwrap();
        let before = cutter.closed().take(marked);
        let found: usize = before.map(|s| s.counts.get(1).map_or(0, |count| count.0)).sum();
        let belongs = |(at, track, begin): &&(i64, usize, i64)| {
            // A frame may go on a little behind it.
            *track == 1 && *at >= 0 && begin + LENGTH - 23 < change
        };
        assert_eq!(found, all.iter().filter(belongs).count(), "{late} ms late");
    }
}

#[test]
fn sound_goes_along_and_nothing_comes_before_a_keyframe() {
    let mut cutter = segmenter(&[video(), Codec::new(CodecId::Aac).clock(16_000)], Form::Ts);
    cutter.push(1, &sound(0));
    cutter.push(0, &picture(0, false));
    assert!(cutter.open().is_none());
    for n in 0..60 {
        cutter.push(0, &picture(n * 40, n % 25 == 0));
        cutter.push(1, &sound(n * 40));
    }
    let counts: Vec<_> = cutter.closed().map(|segment| segment.counts.clone()).collect();
    assert_eq!(counts[0].iter().map(|(frames, _)| *frames).collect::<Vec<_>>(), [13, 13]);
    let bytes: usize = cutter.closed().map(|segment| segment.size()).sum();
    assert_eq!(bytes, counts.iter().flatten().map(|(frames, _)| frames).sum::<usize>());
}

#[test]
fn sound_alone_is_cut_too() {
    let mut cutter = segmenter(&[Codec::new(CodecId::Aac).clock(16_000)], Form::Mp4);
    for n in 0..200 {
        cutter.push(0, &sound(n * 64));
    }
    let last = read(&playlist(&cutter, Form::Mp4).unwrap());
    assert!(cutter.closed().all(|segment| has_keyframe(segment)));
    assert!(last.segments.len() >= 4 && last.part_target.is_some());
}

/// However long it runs, and whatever comes.
#[test]
fn what_is_kept_is_bounded() {
    let mut cutter = Segmenter::new(Box::new(Ts::new(&[video()]).unwrap()), &[video()]);
    for frame in pictures(500, 25, 250) {
        let nals = vec![Bytes::from_static(b"\x65"), Bytes::from(vec![1; 1 << 20])];
        let payload = Payload::Nals(nals);
        let large = Frame::new(CodecId::H264, frame.keyframe, frame.pts, Instant::now(), payload);
        cutter.push(0, &Arc::new(large));
        let open = cutter.open().map_or(0, Segment::size);
        let size = open + cutter.closed().map(|segment| segment.size()).sum::<usize>();
        assert!(size <= 60 << 20, "{size}");
    }
    // Times that jump in any way.
    let mut cutter = segmenter(&[video()], Form::Ts);
    for at in [0, i64::MAX, i64::MIN, 5, 4, 3, i64::MAX / 90_000, 0, 0] {
        cutter.push(0, &Arc::new(picture(0, true).at(at, at)));
        let _ = playlist(&cutter, Form::Ts);
    }
}

#[test]
fn texts_of_the_contract() {
    let fmtp = "packetization-mode=1; sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAyDxQqSA,aMuMsg==; profile-level-id=42C00D";
    let of_camera = [video().fmtp(fmtp), Codec::new(CodecId::Aac).clock(48_000)];
    let text = master(&codecs(&of_camera), Rates { peak: 192_000, mean: 96_000 }, "AbCdEfGh");
    assert_eq!(
        text,
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=192000,AVERAGE-BANDWIDTH=96000,CODECS=\"avc1.420029,mp4a.40.2\"\nhls/playlist.m3u8?id=AbCdEfGh"
    );
    let read = read_master(&text);
    assert_eq!((read.bandwidth, read.average), (192_000, 96_000));
    assert_eq!(read.uri, "hls/playlist.m3u8?id=AbCdEfGh");
    let others = [CodecId::H265, CodecId::Pcma].map(|id| Codec::new(id).clock(8000));
    assert_eq!(codecs(&others), "hvc1.1.6.L153.B0,fLaC");
}

/// Frames of a file, again and again, with the index of their track.
fn file(name: &str, times: i64) -> (Vec<Codec>, Vec<(usize, Arc<Frame>)>) {
    let Recorded { codecs, frames: once } = Recorded::load(name);
    // As long as the longest track.
    let milliseconds =
        |track: usize, at: i64| at * 1000 / i64::from(codecs[track].timestamp_rate());
    let of = |pick: fn(i64, i64) -> i64| {
        once.iter().map(|(track, frame)| milliseconds(*track, frame.dts)).reduce(pick).unwrap()
    };
    let length = of(i64::max) - of(i64::min) + 40;
    let again = |n: i64| {
        let codecs = &codecs;
        once.iter().map(move |(track, frame)| {
            let later = n * length * i64::from(codecs[*track].timestamp_rate()) / 1000;
            (*track, Arc::new(frame.at(frame.pts + later, frame.dts + later)))
        })
    };
    let frames = (0..times).flat_map(again).collect();
    (codecs, frames)
}

/// FFmpeg decodes segments one after another without a complaint; in both forms.
#[test]
fn ffmpeg_decodes_what_is_cut() {
    if !judge::has_program("ffmpeg") {
        return;
    }
    for (name, form, times) in [
        ("h264_aac.ts", Form::Ts, 4),
        ("h264_aac.ts", Form::Mp4, 4),
        ("hevc_opus.ts", Form::Mp4, 4),
        ("pcma.flv", Form::Mp4, 24),
    ] {
        let (codecs, frames) = file(name, times);
        let packager: Box<dyn Packager> = match form {
            Form::Ts => Box::new(Ts::new(&codecs).unwrap()),
            Form::Mp4 => Box::new(Mp4::new(&codecs).unwrap()),
        };
        let mut cutter = Segmenter::new(packager, &codecs);
        frames.iter().for_each(|(track, frame)| cutter.push(*track, frame));
        let mut bytes = cutter.init(None).map_or_else(Vec::new, |init| init.bytes.to_vec());
        let parts = cutter.closed().flat_map(|segment| &segment.parts);
        parts.for_each(|part| bytes.extend_from_slice(&part.bytes));
        assert!(cutter.closed().len() >= 3, "{name}");
        let kept = || cutter.closed().map(|segment| segment.size() as f64);
        let lengths = || cutter.closed().map(|segment| segment.duration as f64 / 1e6);
        let rates = cutter.rates().unwrap();
        keeps_to(rates.peak, cutter.target(), &kept().zip(lengths()).collect::<Vec<_>>());
        let mean = 8.0 * kept().sum::<f64>() / lengths().sum::<f64>();
        assert_eq!(rates.mean, mean.ceil() as u64, "{name}: nothing was dropped");
        // Who comes now gets no more than that, with what stands in front.
        let first = cutter.first().unwrap();
        let lead = first.lead.map_or(0, |lead| lead.write().0.map(|piece| piece.len()).sum());
        let joined = rates.with(first.bytes + lead, first.duration);
        assert!(joined.peak >= rates.peak && joined.mean == rates.mean, "{name}");
        let most = [((first.bytes + lead) as f64, first.duration as f64 / 1e6)];
        keeps_to(joined.peak, cutter.target(), &most);
        let format = if form == Form::Ts { "mpegts" } else { "mp4" };
        // Times as they are, not as the rate of pictures would have them.
        let words =
            format!("-v warning -xerror -f {format} -i - -enc_time_base:v 1:90000 -f null -");
        assert_eq!(judge::run("ffmpeg", &words, &bytes).1, "", "{name} as {form:?}");
        // Whatever part it begins with.
        let newest: Vec<_> = cutter.closed().rev().take(3).rev().collect();
        let parts: Vec<_> = newest
            .iter()
            .flat_map(|segment| (0..segment.parts.len()).map(move |n| (segment, n)))
            .collect();
        let has_leads = parts.iter().any(|(segment, n)| cutter.lead(segment, *n..*n + 1).is_some());
        assert_eq!(has_leads, name != "pcma.flv", "sound needs none");
        for first in [1, parts.len() / 3] {
            let mut bytes = cutter.init(None).map_or_else(Vec::new, |init| init.bytes.to_vec());
            let lead = cutter.lead(parts[first].0, parts[first].1..parts[first].1 + 1);
            bytes.extend(lead.iter().flat_map(|lead| lead.write().0).flatten());
            for (segment, n) in &parts[first..] {
                bytes.extend_from_slice(&segment.parts[*n].bytes);
            }
            let (_, complaints) = judge::run("ffmpeg", &words, &bytes);
            assert_eq!(complaints, "", "{name} as {form:?} from {first}");
        }
    }
}
