//! What players get who begin somewhere: parts with their tables, what is put in front
//! of them, and how far back they begin.

use super::*;

/// Counters of the packets of a stream of a transport stream.
fn counters(bytes: &[u8], pid: u16) -> Vec<u8> {
    let of = |packet: &&[u8]| u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]) == pid;
    let packets = bytes.chunks(188).filter(of);
    packets.filter(|packet| packet[3] & 0x10 != 0).map(|packet| packet[3] & 15).collect()
}

#[test]
fn parts_of_transport_streams_begin_with_their_tables() {
    let codecs = [video()];
    let mut cutter = Segmenter::new(Box::new(Ts::new(&codecs).unwrap()), &codecs);
    pictures(100, 25, 50).for_each(|frame| cutter.push(0, &frame));
    assert!(cutter.closed().len() > 3);
    let mut all = Vec::new();
    for part in cutter.closed().flat_map(|segment| &segment.parts) {
        assert_eq!(part.bytes.len() % 188, 0);
        assert_eq!(part.bytes[..3], [0x47, 0x40, 0]);
        all.extend_from_slice(&part.bytes);
    }
    for pid in [0, 0x1000, 0x100] {
        let counters = counters(&all, pid);
        assert!(counters.windows(2).all(|pair| (pair[0] + 1) & 15 == pair[1]), "{pid:x}");
    }
    assert!(matches!(Ts::new(&[Codec::new(CodecId::Vp8)]), Err(Error::Unsupported(..))));
    assert!(Mp4::new(&[Codec::new(CodecId::Vp8)]).is_err());
}

/// Sound comes in bursts: hls.js and others take what they find first for all there is.
/// Whoever begins with a part without sound is given some in front, of its own time.
#[test]
fn players_begin_with_sound_too() {
    let codecs = [video(), Codec::new(CodecId::Aac).clock(16_000).channels(1).fmtp("config=1408")];
    let mut cutter = Segmenter::new(Box::new(Ts::new(&codecs).unwrap()), &codecs);
    for n in 0..200 {
        cutter.push(0, &picture(n * 40, n % 50 == 0));
        assert_eq!(cutter.has_all(), n > 23);
        // Half a second at once, when it is over; none of the first one.
        for late in (0..8).filter(|_| n % 12 == 11 && n > 11) {
            cutter.push(1, &sound((n - 11) * 40 + late * 64));
        }
    }
    let (mut without, mut keyframes) = (0, 0);
    let parts = cutter.closed().flat_map(|s| (0..s.parts.len()).map(move |n| (s, n)));
    for (segment, n) in parts {
        let part = &segment.parts[n];
        let lead = cutter.lead(segment, n..n + 1).map(|lead| lead.write());
        let (in_part, front) = (counters(&part.bytes, 0x101), lead.as_ref());
        if !in_part.is_empty() {
            let of_sound = front.and_then(|(_, counts)| counts.get(1));
            assert!(of_sound.is_none(), "it has sound of its own: {of_sound:?}");
            continue;
        }
        without += 1;
        keyframes += usize::from(part.start.keyframe);
        let (front, counts) = lead.unwrap();
        assert_eq!(counts[1], (1, 2), "one packet of sound");
        let front = front.into_bytes();
        assert_eq!(counters(&front, 0x101).len(), 1);
        let mut demuxer = Demuxer::new();
        demuxer.push(&front);
        demuxer.push(&part.bytes);
        demuxer.end().unwrap();
        assert_eq!(demuxer.tracks().unwrap().unwrap().len(), 2);
        // It is the newest one before; of the first parts the first one after them, a sample earlier.
        let begin = segment_begin(&cutter, segment, n);
        while let Some(unit) = demuxer.next_unit().unwrap() {
            let Time::At { dts, .. } = unit.time else { panic!("{:?}", unit.time) };
            if matches!(unit.payload, Payload::Data(_)) {
                let at = dts * 1000 / 16_000 - 1000;
                let is_before = at <= begin && begin - at < 600;
                assert!(if begin < 920 { at == 479 } else { is_before }, "{at} {begin}");
            }
        }
    }
    assert!(without > 5 && keyframes > 0, "{without} {keyframes}");
    // Segments as a whole have sound, but the first one.
    assert!(cutter.closed().skip(1).all(|s| {
        let lead = cutter.lead(s, 0..s.parts.len()).map(|lead| lead.write());
        s.counts.get(1).is_some_and(|count| count.0 > 0)
            && lead.is_none_or(|(_, counts)| counts.len() < 2)
    }));
}

/// When a part begins, in milliseconds of the stream.
fn segment_begin(cutter: &Segmenter, segment: &Segment, part: usize) -> i64 {
    let before = cutter.closed().filter(|s| s.number < segment.number).map(|s| s.duration);
    let parts = segment.parts.iter().take(part).map(|part| part.duration);
    before.chain(parts).sum::<i64>() / 1000
}

/// A part with one picture: what is in front ends with the picture before it, shown as
/// long as it was. hls.js takes the distance of the last two for the duration of the
/// last one, and would find a hole after it.
#[test]
fn a_part_with_one_picture_is_as_long_as_that() {
    let codecs = [video()];
    let mut cutter = Segmenter::new(Box::new(Ts::new(&codecs).unwrap()), &codecs);
    pictures(200, 25, 250).for_each(|frame| cutter.push(0, &frame));
    let single = |part: &&rs2rtc_media::hls::Part| part.counts[0].0 == 1;
    let segment = cutter.closed().find(|s| s.parts.last().as_ref().is_some_and(single)).unwrap();
    let last = segment.parts.len() - 1;
    let mut demuxer = Demuxer::new();
    let (front, _) = cutter.lead(segment, last..last + 1).unwrap().write();
    demuxer.push(&front.into_bytes());
    demuxer.push(&segment.parts[last].bytes);
    demuxer.end().unwrap();
    let mut times = Vec::new();
    while let Some(unit) = demuxer.next_unit().unwrap() {
        let Time::At { dts, .. } = unit.time else { panic!("{:?}", unit.time) };
        times.push(dts);
    }
    let [first, .., before, last] = times[..] else { panic!("{times:?}") };
    assert_eq!(last - before, 3600, "{times:?}");
    assert!(last - first <= 3600 + 9000, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
}

/// `tfdt` of each fragment.
pub(super) fn fragment_times(bytes: &[u8]) -> Vec<u64> {
    let found = bytes.windows(4).enumerate().filter(|(_, name)| name == b"tfdt");
    let time = |at: usize| bytes[at + 8..at + 16].try_into().unwrap();
    found.map(|(at, _)| u64::from_be_bytes(time(at))).collect()
}

/// A keyframe every ten seconds: whatever part a player begins with, it is given the
/// pictures since then in front of it, on the same line of time.
#[test]
fn players_begin_anywhere() {
    let codecs = [video()];
    for form in [Form::Ts, Form::Mp4] {
        let packager: Box<dyn Packager> = match form {
            Form::Ts => Box::new(Ts::new(&codecs).unwrap()),
            Form::Mp4 => Box::new(Mp4::new(&codecs).unwrap()),
        };
        let mut cutter = Segmenter::new(packager, &codecs);
        pictures(240, 25, 250).for_each(|frame| cutter.push(0, &frame));
        let entry = cutter.entry().unwrap();
        let open = cutter.open().unwrap();
        assert_eq!((entry, open.parts.is_empty()), (open.number - 1, false), "the newest");
        let text = playlist_from(&cutter, form, entry).unwrap();
        let mut last = read(&text);
        assert_eq!((last.sequence, last.segments.len()), (entry, 1));
        let parts = last.segments.iter().flat_map(|s| &s.parts).chain(&last.open.parts);
        assert!(parts.clone().count() > 5 && parts.clone().all(|part| part.independent));
        let newest = cutter.closed().rev().take(4).map(AsRef::as_ref).chain([open]);
        let starts: Vec<_> = newest
            .flat_map(|s| (0..s.parts.len()).map(move |n| (s, n)))
            .map(|(segment, n)| (cutter.lead(segment, n..n + 1).unwrap(), &segment.parts[n]))
            .collect();
        for (lead, part) in starts {
            let (front, counts) = lead.write();
            let front = front.into_bytes();
            let count = usize::try_from(part.start.frame).unwrap();
            assert_eq!(counts[0].0, count, "all since the keyframe");
            if form == Form::Ts {
                // Counters of packets go on from one to the other.
                let (in_front, behind) = (counters(&front, 0x100), counters(&part.bytes, 0x100));
                assert_eq!((in_front.last().unwrap() + 1) & 15, behind[0]);
                assert!(in_front.windows(2).all(|pair| (pair[0] + 1) & 15 == pair[1]));
            } else {
                let (front, behind) = (fragment_times(&front), fragment_times(&part.bytes));
                assert_eq!(front.len(), count);
                assert!(front.windows(2).all(|pair| pair[0] < pair[1]), "{front:?}");
                assert!(behind[0] - front[0] <= 9000, "a tenth of a second");
                assert_eq!(behind[0] - front.last().unwrap(), front[1] - front[0]);
            }
        }
        // What was listed stays what it was.
        for n in 240..500 {
            cutter.push(0, &picture(n * 40, n % 250 == 0));
            let now = read(&playlist_from(&cutter, form, entry).unwrap());
            follows(&last, &now);
            last = now;
        }
        assert!(last.sequence > entry);
        // A keyframe needs nothing.
        let of_keyframe = cutter.closed().rev().find(|segment| has_keyframe(segment)).unwrap();
        assert!(
            cutter.lead(of_keyframe, 0..1).is_none() && cutter.lead(of_keyframe, 1..2).is_some()
        );
    }
}

#[test]
fn viewers_begin_with_as_much_as_a_target_duration() {
    let shown = |cutter: &Segmenter| {
        let entry = cutter.entry().unwrap();
        let shown = read(&playlist_from(cutter, Form::Ts, entry).unwrap());
        shown.segments.iter().map(|s| (s.duration * 1000.0).round() as i64).collect::<Vec<_>>()
    };
    let of = |count, group| shown(&run(pictures(count, 25, group), Form::Ts).0);
    assert_eq!(of(220, 25), [1000]);
    assert_eq!(of(220, 250), [1040]);
    // A second and a part of one, in turn.
    assert_eq!(of(212, 30), [1040, 160]);
    assert_eq!(of(237, 30), [1040]);
    assert_eq!(of(30, 250), [520, 520]);
    assert_eq!(of(15, 250), [520], "there is no more");
    assert_eq!(segmenter(&[video()], Form::Ts).entry(), None);
    // What was before the camera was started again is of no use.
    let later = pictures(30, 25, 250).map(|f| Arc::new(f.at(f.pts + 900_000, f.dts + 900_000)));
    let (cutter, _) = run(pictures(100, 25, 25).chain(later), Form::Ts);
    let newest = cutter.closed().next_back().unwrap();
    assert_eq!((newest.discontinuity, cutter.entry()), (true, Some(newest.number)));
}

/// The same with B-frames in a transport stream: FFmpeg decodes what is in front and
/// what follows without a complaint, every picture of it.
#[test]
fn pictures_in_front_may_be_reordered() {
    if !judge::has_program("ffmpeg") || !judge::has_program("ffprobe") {
        return;
    }
    // Twelve pictures of ten a second; the group of the last two is made longer.
    let Recorded { codecs, frames } = Recorded::load("h264_aac.ts");
    let group: Vec<&Frame> = (frames.iter().map(|(_, frame)| frame))
        .filter(|frame| frame.codec == CodecId::H264)
        .collect();
    assert!(group.iter().any(|frame| frame.pts > frame.dts), "with B-frames");
    let video = &codecs[..1];
    let mut cutter = Segmenter::new(Box::new(Ts::new(video).unwrap()), video);
    for (index, frame) in group.iter().enumerate() {
        // Only the first is known as a keyframe.
        let mut frame = frame.at(frame.pts, frame.dts);
        frame.keyframe = index == 0;
        // So slow that the group takes many segments.
        cutter.push(0, &Arc::new(frame.at(frame.pts * 8, frame.dts * 8)));
    }
    let newest = cutter.closed().next_back().unwrap();
    let lead = cutter.lead(newest, 0..newest.parts.len()).unwrap();
    let mut bytes: Vec<u8> = lead.write().0.flatten().collect();
    newest.parts.iter().for_each(|part| bytes.extend_from_slice(&part.bytes));
    let words = "-v warning -xerror -f mpegts -i - -enc_time_base:v 1:90000 -f null -";
    let (_, complaints) = judge::run("ffmpeg", words, &bytes);
    assert_eq!(complaints, "");
    let show = "-v error -f mpegts -i - -show_entries frame=pts -of csv=p=0";
    let (shown, _) = judge::run("ffprobe", show, &bytes);
    let shown: Vec<i64> =
        shown.lines().filter_map(|pts| pts.trim_matches(',').parse().ok()).collect();
    assert!(shown.len() > 5 && shown.windows(2).all(|w| w[0] < w[1]), "{shown:?}");
}
