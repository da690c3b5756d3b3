//! An independent reader of media playlists that holds them to RFC 8216 and, for
//! low latency, to draft-pantos-hls-rfc8216bis ("bis" below). What breaks a rule
//! panics with its section.

use std::collections::BTreeMap;

/// What a media playlist says.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// `EXT-X-VERSION`.
    pub version: u32,
    /// `EXT-X-TARGETDURATION`, in seconds.
    pub target: i64,
    /// `PART-TARGET`, in seconds.
    pub part_target: Option<f64>,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// Whole segments, oldest first.
    pub segments: Vec<Segment>,
    /// What follows them: parts, and the address of the next one.
    pub open: Segment,
    /// `EXT-X-PRELOAD-HINT`.
    pub hint: Option<String>,
}

/// A segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Segment {
    /// Its address.
    pub uri: String,
    /// `EXTINF`, in seconds.
    pub duration: f64,
    /// `EXT-X-DISCONTINUITY` stands in front.
    pub discontinuity: bool,
    /// The address of the `EXT-X-MAP` that counts for it.
    pub map: Option<String>,
    /// Parts that are listed of it.
    pub parts: Vec<Part>,
}

/// A part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// Its address.
    pub uri: String,
    /// In seconds.
    pub duration: f64,
    /// Decoding can begin with it.
    pub independent: bool,
}

/// Attributes of a tag (4.2): names in capitals, each once.
fn attributes(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, value) = rest.split_once('=').unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'));
        let (value, more) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (value, more) = quoted.split_once('"').unwrap();
                (value, more.strip_prefix(',').unwrap_or(more))
            }
            None => value.split_once(',').unwrap_or((value, "")),
        };
        assert!(all.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
        rest = more;
    }
    all
}

/// What a master playlist with one variant says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// `BANDWIDTH`, in bits a second.
    pub bandwidth: u64,
    /// `AVERAGE-BANDWIDTH`, in bits a second.
    pub average: u64,
    /// `CODECS`.
    pub codecs: String,
    /// Address of the media playlist.
    pub uri: String,
}

/// Reads a master playlist with one variant (4.3.4.2).
pub fn read_master(text: &str) -> Master {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"), "4.3.1.1: the first line");
    let tag = lines.next().unwrap().strip_prefix("#EXT-X-STREAM-INF:").unwrap();
    let all = attributes(tag);
    let number = |name: &str| all[name].parse::<u64>().unwrap();
    let (bandwidth, average) = (number("BANDWIDTH"), number("AVERAGE-BANDWIDTH"));
    assert!(0 < average && average <= bandwidth, "4.3.4.2: {average} {bandwidth}");
    let uri = lines.next().unwrap().to_owned();
    assert_eq!(lines.next(), None, "there is one variant");
    Master { bandwidth, average, codecs: all["CODECS"].clone(), uri }
}

/// Whether segments, each with its bytes and its duration in seconds, keep to the
/// `BANDWIDTH` of their master playlist: the peak segment bit rate is that of the fullest
/// contiguous set that lasts between 0.5 and 1.5 target durations (4.1).
pub fn keeps_to(bandwidth: u64, target: i64, segments: &[(f64, f64)]) {
    for from in 0..segments.len() {
        for to in from..segments.len() {
            let set = &segments[from..=to];
            let (bytes, length) = set.iter().fold((0.0, 0.0), |sum, s| (sum.0 + s.0, sum.1 + s.1));
            // Durations are listed in milliseconds.
            let (least, most) = (length - 0.0005 * set.len() as f64, 1.5 * target as f64);
            if length < 0.5 * target as f64 || least > most {
                continue;
            }
            let listed = length + 0.0005 * set.len() as f64;
            let rate = 8.0 * bytes / listed;
            assert!(rate <= bandwidth as f64, "4.3.4.2: {rate} of {bandwidth}: {from} to {to}");
        }
    }
}

/// Reads a media playlist and checks what one playlist alone must keep to.
pub fn read(text: &str) -> Read {
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("#EXTM3U"), "4.3.1.1: the first line");
    let mut playlist = Read { version: 1, ..Read::default() };
    let (mut control, mut duration, mut map) = (None, None, None);
    let mut next = Segment::default();
    let (mut has_segments, mut seen) = (false, Vec::new());
    for line in lines {
        assert!(playlist.hint.is_none(), "a hint is the last line here: {line}");
        let (tag, value) = line.split_once(':').unwrap_or((line, ""));
        let of_playlist = [
            "#EXT-X-VERSION",
            "#EXT-X-TARGETDURATION",
            "#EXT-X-MEDIA-SEQUENCE",
            "#EXT-X-DISCONTINUITY-SEQUENCE",
            "#EXT-X-SERVER-CONTROL",
            "#EXT-X-PART-INF",
        ];
        if of_playlist.contains(&tag) {
            assert!(!has_segments, "4.3.3: before the first segment: {line}");
            assert!(!seen.contains(&tag), "4.3.3: once: {line}");
            seen.push(tag);
        }
        match tag {
            "#EXT-X-VERSION" => playlist.version = value.parse().unwrap(),
            "#EXT-X-TARGETDURATION" => playlist.target = value.parse().unwrap(),
            "#EXT-X-MEDIA-SEQUENCE" => playlist.sequence = value.parse().unwrap(),
            "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                playlist.discontinuity_sequence = value.parse().unwrap();
            }
            "#EXT-X-SERVER-CONTROL" => control = Some(attributes(value)),
            "#EXT-X-PART-INF" => {
                playlist.part_target = Some(attributes(value)["PART-TARGET"].parse().unwrap());
            }
            "#EXT-X-MAP" => {
                assert!(next.parts.is_empty(), "4.3.2.5: in front of its segment");
                map = Some(attributes(value)["URI"].clone());
            }
            "#EXT-X-DISCONTINUITY" => {
                assert!(next.parts.is_empty(), "4.3.2.3: in front of its segment");
                next.discontinuity = true;
            }
            "#EXT-X-PART" => {
                has_segments = true;
                let part = attributes(value);
                next.parts.push(Part {
                    uri: part["URI"].clone(),
                    duration: part["DURATION"].parse().unwrap(),
                    independent: part.get("INDEPENDENT").is_some_and(|value| value == "YES"),
                });
            }
            "#EXTINF" => {
                has_segments = true;
                duration = Some(value.strip_suffix(',').unwrap().parse().unwrap());
            }
            "#EXT-X-PRELOAD-HINT" => {
                let hint = attributes(value);
                assert_eq!(hint["TYPE"], "PART");
                playlist.hint = Some(hint["URI"].clone());
            }
            uri => {
                assert!(!uri.starts_with('#'), "unknown tag {uri}");
                line.clone_into(&mut next.uri);
                next.map.clone_from(&map);
                next.duration = duration.take().expect("4.3.2.1: a duration for every segment");
                playlist.segments.push(std::mem::take(&mut next));
            }
        }
    }
    assert!(duration.is_none());
    next.map = map;
    playlist.open = next;
    check(&playlist, control.as_ref());
    playlist
}

fn check(playlist: &Read, control: Option<&BTreeMap<String, String>>) {
    assert!(playlist.version >= 3, "7: durations are no integers");
    let has_map = playlist.segments.iter().chain([&playlist.open]).any(|s| s.map.is_some());
    assert!(!has_map || playlist.version >= 6, "7: EXT-X-MAP");
    let is_mp4 = playlist.segments.first().is_some_and(|s| s.uri.contains(".m4s"));
    assert_eq!(has_map, is_mp4, "3.3: fragmented MP4 has an EXT-X-MAP");
    assert!(playlist.target > 0, "4.3.3.1: there is a target");
    for segment in &playlist.segments {
        assert!(segment.duration.round() as i64 <= playlist.target, "4.3.3.1: {segment:?}");
        assert!(segment.duration > 0.0, "no segment is empty");
    }
    let all = || playlist.segments.iter().chain([&playlist.open]);
    match (playlist.part_target, control) {
        (Some(target), Some(control)) => {
            assert_eq!(control["CAN-BLOCK-RELOAD"], "YES");
            let back: f64 = control["PART-HOLD-BACK"].parse().unwrap();
            assert!(back >= 3.0 * target - 0.002, "bis 4.4.3.8: three times the part target");
            for parts in all().map(|segment| &segment.parts) {
                for Part { uri, duration, .. } in parts {
                    assert!(*duration <= target + 0.0005, "bis 4.4.4.9: {uri} {duration} {target}");
                }
            }
        }
        (None, None) => {
            let has_parts = all().any(|segment| !segment.parts.is_empty());
            assert!(playlist.hint.is_none() && !has_parts, "bis 4.4.3.7: EXT-X-PART-INF");
        }
        other => panic!("bis 4.4.3.7, 4.4.3.8: parts and control belong together: {other:?}"),
    }
}

/// What a playlist of a steady stream keeps to besides: parts are of even length
/// (bis 4.4.4.9) and as long as their segment. Frames that come late break it.
pub fn is_even(playlist: &Read) {
    let Some(target) = playlist.part_target else { return };
    for segment in playlist.segments.iter().chain([&playlist.open]) {
        let parts = &segment.parts;
        let but_last = parts.split_last().map_or(&[][..], |(_, before)| before);
        for Part { uri, duration, .. } in but_last {
            assert!(*duration >= 0.85 * target - 0.001, "{uri} {duration} {target}");
        }
        if segment.duration > 0.0 && !parts.is_empty() {
            let sum: f64 = parts.iter().map(|part| part.duration).sum();
            let slack = 0.001 * parts.len() as f64;
            assert!((sum - segment.duration).abs() <= slack, "{segment:?}");
        }
    }
}

/// What a playlist must keep to that follows another one (6.2.1, 6.2.2).
pub fn follows(before: &Read, after: &Read) {
    assert!(after.sequence >= before.sequence, "6.2.2: it only grows");
    assert_eq!(after.target, before.target, "6.2.1: it does not change");
    assert_eq!(after.part_target, before.part_target, "6.2.1: it does not change");
    assert_eq!(after.version, before.version, "6.2.1: it does not change");
    let end = |playlist: &Read| playlist.sequence + playlist.segments.len() as u64;
    assert!(end(after) >= end(before), "6.2.1: segments are added at the end");
    let gone = usize::try_from(after.sequence - before.sequence).unwrap();
    let dropped = before.segments.iter().take(gone).filter(|s| s.discontinuity).count() as u64;
    let counted = after.discontinuity_sequence.checked_sub(before.discontinuity_sequence);
    let counted = counted.expect("6.2.2: it only grows");
    // Those between the two lists, if there are any, were seen by nobody.
    let between = gone.saturating_sub(before.segments.len()) as u64;
    assert!((dropped..=dropped + between).contains(&counted), "6.2.2: {counted} {dropped}");
    for (old, new) in before.segments.iter().skip(gone).zip(&after.segments) {
        let what = |s: &Segment| (s.uri.clone(), s.duration, s.discontinuity, s.map.clone());
        assert_eq!(what(old), what(new), "6.2.1: what is listed stays");
        assert!(new.parts.is_empty() || old.parts == new.parts);
    }
    if gone > 0 {
        let length: f64 = after.segments.iter().map(|segment| segment.duration).sum();
        assert!(length >= 3.0 * after.target as f64, "6.2.2: three target durations stay");
    }
    // Whoever asked for what was hinted at gets it.
    if let (Some(hint), Some(_)) = (&before.hint, &after.hint)
        && before.hint != after.hint
    {
        let segments = || after.segments.iter().chain([&after.open]);
        let there = segments().flat_map(|segment| &segment.parts).any(|part| part.uri == *hint);
        // Who comes back late finds its segment whole, without parts, or gone.
        let segment = segment_of(hint);
        let mut parts = segments().flat_map(|s| &s.parts);
        let in_parts = parts.any(|part| segment_of(&part.uri) == segment);
        let is_whole = after.segments.iter().any(|s| s.uri == segment && s.parts.is_empty());
        let is_gone = gone > 0 && !in_parts && after.segments.iter().all(|s| s.uri != segment);
        // Its segment ended before it: it is the first part of the next one, which is what
        // is given to those who have asked (bis 6.2.5.2).
        let mut closed = after.segments.iter();
        let is_first = closed.any(|s| s.uri == segment && s.parts.len() as u64 == part_of(hint));
        assert!(there || is_whole || is_gone || is_first, "bis 4.4.5.3: {hint} is not there");
    }
}

/// The index of a part in its segment.
fn part_of(part: &str) -> u64 {
    part.split_once("&part=").unwrap().1.parse().unwrap()
}

/// The address of the segment that a part belongs to.
fn segment_of(part: &str) -> &str {
    part.split_once("&part=").map_or(part, |(segment, _)| segment)
}
