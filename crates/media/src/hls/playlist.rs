//! The playlists (RFC 8216 4.3; rfc8216bis 4.4 for the tags of low latency).

use std::fmt::Write as _;

use super::{Form, Part, Rates, Segment, Segmenter};
use crate::codec::Codec;
use crate::container::fmp4::Format;

/// A playlist lists at least so many target durations (RFC 8216 6.2.2), if there are
/// so many.
const LISTED: i64 = 4;
/// Parts are listed for the newest so many target durations (rfc8216bis 6.2.2).
const WITH_PARTS: i64 = 3;
const SECOND: i64 = 1_000_000;

/// The names that a playlist uses.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// What segments are.
    pub form: Form,
    /// Id of the session: letters and digits.
    pub id: &'a str,
}

/// A media playlist.
#[derive(Debug)]
pub struct Playlist<'a> {
    segments: Vec<&'a Segment>,
    open: Option<&'a Segment>,
    target: i64,
    part_target: Option<i64>,
}

impl<'a> Playlist<'a> {
    /// Of what a segmenter has at the moment, for a viewer that began with the segment
    /// `from`.
    pub fn new(segmenter: &'a Segmenter, from: u64) -> Self {
        let target = segmenter.target();
        let (mut segments, mut length) = (Vec::new(), 0);
        for segment in segmenter.closed().rev().filter(|segment| segment.number >= from) {
            if length >= LISTED * target * SECOND {
                break;
            }
            length += segment.duration;
            segments.push(segment.as_ref());
        }
        segments.reverse();
        Self { segments, open: segmenter.open(), target, part_target: segmenter.part_target() }
    }

    /// Whether it lists nothing yet.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Its text.
    pub fn write(&self, names: Names<'_>) -> String {
        // EXT-X-MAP in a playlist of other than I-frames needs 6 (RFC 8216 7).
        let version = if names.form == Form::Ts && self.part_target.is_none() { 3 } else { 6 };
        let mut out =
            format!("#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n", self.target);
        if let Some(target) = self.part_target {
            // Three parts: rfc8216bis 4.4.3.8.
            let hold_back = Seconds(target * 3);
            let _ = writeln!(
                out,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={hold_back}"
            );
            let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(target));
        }
        let first = self.segments.first().copied().or(self.open);
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", first.map_or(0, |s| s.number));
        if let Some(before) = first.map(|s| s.discontinuities).filter(|count| *count > 0) {
            let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{before}");
        }
        let mut init = None;
        let mut later: i64 = self.segments.iter().map(|segment| segment.duration).sum();
        for segment in &self.segments {
            begin(segment, names, &mut init, &mut out);
            if later <= WITH_PARTS * self.target * SECOND {
                self.parts(segment, names, &mut out);
            }
            later -= segment.duration;
            let _ = writeln!(out, "#EXTINF:{},", Seconds(segment.duration));
            let _ = writeln!(out, "{}?id={}&n={}", names.form.segment(), names.id, segment.number);
        }
        if let (Some(open), Some(_)) = (self.open, self.part_target) {
            begin(open, names, &mut init, &mut out);
            self.parts(open, names, &mut out);
            let next = part_name(names, open.number, open.parts.len());
            let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{next}\"");
        }
        out
    }

    fn parts(&self, segment: &Segment, names: Names<'_>, out: &mut String) {
        let Some(target) = self.part_target else { return };
        // The first segments were cut before it was known how long a part is.
        if segment.parts.iter().any(|part| part.duration > target) {
            return;
        }
        for (index, Part { duration, independent, .. }) in segment.parts.iter().enumerate() {
            let _ = writeln!(
                out,
                "#EXT-X-PART:DURATION={},URI=\"{}\"{}",
                Seconds(*duration),
                part_name(names, segment.number, index),
                if *independent { ",INDEPENDENT=YES" } else { "" }
            );
        }
    }
}

/// What is said in front of a segment: that it does not continue what was before,
/// and what has to be fetched for it.
fn begin(segment: &Segment, names: Names<'_>, init: &mut Option<u64>, out: &mut String) {
    if segment.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
        *init = None;
    }
    let Some(needed) = segment.init.as_ref().map(|init| init.number) else { return };
    if init.replace(needed) == Some(needed) {
        return;
    }
    let id = names.id;
    // The first one has the name of the contract.
    let _ = match needed {
        0 => writeln!(out, "#EXT-X-MAP:URI=\"init.mp4?id={id}\""),
        number => writeln!(out, "#EXT-X-MAP:URI=\"init.mp4?id={id}&n={number}\""),
    };
}

fn part_name(names: Names<'_>, number: u64, part: usize) -> String {
    format!("{}?id={}&n={number}&part={part}", names.form.segment(), names.id)
}

/// Microseconds as seconds with three digits.
struct Seconds(i64);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = (self.0.max(0) + 500) / 1000;
        write!(f, "{}.{:03}", millis / 1000, millis % 1000)
    }
}

/// The master playlist of a session (`spec/media.md` 5), with what its segments take (RFC
/// 8216 4.3.4.2).
pub fn master(codecs: &str, rates: Rates, id: &str) -> String {
    let Rates { peak, mean } = rates;
    format!(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={mean},\
         CODECS=\"{codecs}\"\nhls/playlist.m3u8?id={id}"
    )
}

/// Codecs as playlists name them (RFC 6381; `spec/media.md` 4.2).
pub fn codecs(codecs: &[Codec]) -> String {
    let name = |codec: &Codec| match Format::new(codec).map(|format| format.mime()) {
        // HLS has a spelling of its own.
        Ok(name) if name == "flac" => "fLaC".to_owned(),
        Ok(name) => name,
        Err(_) => String::new(),
    };
    codecs.iter().map(name).collect::<Vec<_>>().join(",")
}
