//! The text of playlists (RFC 8216 4).

use std::sync::Arc;
use std::time::Duration;

/// Segments that are kept of a playlist: the last ones.
const MAX_SEGMENTS: usize = 20_000;
/// Variants that are kept of a master playlist.
const MAX_VARIANTS: usize = 64;
/// Longest segment that is believed.
const MAX_DURATION: f64 = 3600.0;

/// Why a text is no playlist, or none that can be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not begin with `#EXTM3U`.
    #[error("this is no playlist")]
    NoPlaylist,
    /// It names neither variants nor segments, and does not say that segments come.
    #[error("the playlist is empty")]
    Empty,
    /// A part of a file without a place in it.
    #[error("the playlist has a byte range without its beginning")]
    ByteRange,
    /// What is played next cannot be read.
    #[error("the segments are encrypted ({0}), which is not supported")]
    Encrypted(String),
}

/// A part of a file: where it begins, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Bytes in front of it.
    pub from: u64,
    /// Its bytes.
    pub length: u64,
}

/// A file, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its address, relative to that of the playlist.
    pub uri: String,
    /// The part; `None` is all of it.
    pub range: Option<Range>,
}

/// A segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Where its media is.
    pub part: Part,
    /// How long it plays.
    pub duration: Duration,
    /// What it follows has another timeline or other tracks.
    pub discontinuity: bool,
    /// The index that has to be read before it, for those of fragmented MP4.
    pub map: Option<Arc<Part>>,
    /// The method it is encrypted with.
    pub encrypted: Option<Arc<str>>,
    /// It is missing.
    pub gap: bool,
}

/// A media playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// No segment is longer.
    pub target: Duration,
    /// Number of the first segment.
    pub sequence: u64,
    /// No segment will be added.
    pub ended: bool,
    /// In order; the first one has the number `sequence`.
    pub segments: Vec<Segment>,
}

/// One of several forms of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Address of its playlist, relative to that of the master playlist.
    pub uri: String,
    /// Bits per second at most; 0 if it is not said.
    pub bandwidth: u64,
}

/// Which variant to play.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The one that the server names first.
    #[default]
    First,
    /// The one of the highest rate.
    Best,
    /// The one of the lowest rate.
    Smallest,
}

impl Choice {
    /// Chooses.
    pub fn of(self, variants: &[Variant]) -> Option<&Variant> {
        // Of several of the same rate the first one counts.
        match self {
            Self::First => variants.first(),
            Self::Best => variants.iter().rev().max_by_key(|variant| variant.bandwidth),
            Self::Smallest => variants.iter().min_by_key(|variant| variant.bandwidth),
        }
    }
}

/// A playlist of either kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playlist {
    /// Names variants of a stream, never none.
    Master(Vec<Variant>),
    /// Names segments.
    Media(Media),
}

impl Playlist {
    /// Reads a playlist. Tags that are not known, and those without meaning to
    /// somebody who only plays, are passed over.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim_start_matches('\u{feff}');
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        if !lines.next().is_some_and(|line| line.starts_with("#EXTM3U")) {
            return Err(Error::NoPlaylist);
        }
        let mut variants = Vec::new();
        let mut variant = None;
        let mut media = Builder::default();
        for line in lines {
            let Some(tag) = line.strip_prefix('#') else {
                match variant.take() {
                    Some(Variant { bandwidth, .. }) if variants.len() < MAX_VARIANTS => {
                        variants.push(Variant { uri: line.to_owned(), bandwidth });
                    }
                    Some(_) => {}
                    None => media.uri(line)?,
                }
                continue;
            };
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            if name == "EXT-X-STREAM-INF" {
                let bandwidth = attribute(value, "BANDWIDTH").and_then(|text| text.parse().ok());
                let bandwidth = bandwidth.unwrap_or(0);
                variant = Some(Variant { uri: String::new(), bandwidth });
            } else {
                media.tag(name, value)?;
            }
        }
        if !variants.is_empty() {
            return Ok(Self::Master(variants));
        }
        media.finish().map(Self::Media)
    }
}

/// A media playlist while it is read.
#[derive(Debug, Default)]
struct Builder {
    media: Media,
    is_media: bool,
    duration: Duration,
    range: Option<(Option<u64>, u64)>,
    /// Where the last part of a file ended.
    last: Option<(String, u64)>,
    discontinuity: bool,
    gap: bool,
    map: Option<Arc<Part>>,
    method: Option<Arc<str>>,
}

impl Builder {
    fn tag(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "EXT-X-TARGETDURATION" => {
                self.is_media = true;
                self.media.target = seconds(value);
            }
            "EXT-X-MEDIA-SEQUENCE" => self.media.sequence = value.parse().unwrap_or(0),
            "EXT-X-ENDLIST" => self.media.ended = true,
            "EXTINF" => self.duration = seconds(value.split(',').next().unwrap_or_default()),
            "EXT-X-BYTERANGE" => self.range = byte_range(value),
            "EXT-X-DISCONTINUITY" => self.discontinuity = true,
            "EXT-X-GAP" => self.gap = true,
            "EXT-X-KEY" => {
                let method = attribute(value, "METHOD").unwrap_or_default();
                self.method = (method != "NONE").then(|| method.into());
            }
            "EXT-X-MAP" => {
                let uri = attribute(value, "URI").unwrap_or_default().to_owned();
                let range = attribute(value, "BYTERANGE").and_then(byte_range);
                let range = range.map(|(from, length)| Range { from: from.unwrap_or(0), length });
                self.map = (!uri.is_empty()).then(|| Arc::new(Part { uri, range }));
            }
            _ => {}
        }
        Ok(())
    }

    fn uri(&mut self, uri: &str) -> Result<(), Error> {
        let range = match self.range.take() {
            None => None,
            Some((from, length)) => {
                let last = self.last.take().filter(|(file, _)| file == uri).map(|(_, end)| end);
                let from = from.or(last).ok_or(Error::ByteRange)?;
                let end = from.checked_add(length).ok_or(Error::ByteRange)?;
                self.last = Some((uri.to_owned(), end));
                Some(Range { from, length })
            }
        };
        let media = &mut self.media;
        if media.segments.len() >= MAX_SEGMENTS {
            media.segments.drain(..MAX_SEGMENTS / 2);
            media.sequence = media.sequence.saturating_add(MAX_SEGMENTS as u64 / 2);
        }
        media.segments.push(Segment {
            part: Part { uri: uri.to_owned(), range },
            duration: std::mem::take(&mut self.duration),
            discontinuity: std::mem::take(&mut self.discontinuity),
            map: self.map.clone(),
            encrypted: self.method.clone(),
            gap: std::mem::take(&mut self.gap),
        });
        Ok(())
    }

    fn finish(mut self) -> Result<Media, Error> {
        let segments = &self.media.segments;
        if segments.is_empty() && !self.is_media {
            return Err(Error::Empty);
        }
        // It has to be there; who leaves it out means the longest one.
        if self.media.target.is_zero() {
            self.media.target =
                segments.iter().map(|segment| segment.duration).max().unwrap_or_default();
        }
        Ok(self.media)
    }
}

/// A number of seconds; 0 for what is none.
fn seconds(text: &str) -> Duration {
    let number = text.trim().parse::<f64>().ok().filter(|n| (0.0..=MAX_DURATION).contains(n));
    number.map(Duration::from_secs_f64).unwrap_or_default()
}

/// `length[@from]`.
fn byte_range(text: &str) -> Option<(Option<u64>, u64)> {
    let text = text.trim();
    let (length, from) = text.split_once('@').unwrap_or((text, ""));
    let from = if from.is_empty() { None } else { Some(from.parse().ok()?) };
    Some((from, length.parse().ok()?))
}

/// A value of an attribute list (4.2), without its quotes.
fn attribute<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, tail) = rest.split_once('=')?;
        let (value, after) = match tail.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => tail.split_at(tail.find(',').unwrap_or(tail.len())),
        };
        if key.trim() == name {
            return Some(value.trim());
        }
        rest = after.split_once(',').map(|(_, rest)| rest)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> Media {
        match Playlist::parse(text).unwrap() {
            Playlist::Media(media) => media,
            Playlist::Master(variants) => panic!("{variants:?}"),
        }
    }

    const LIVE: &str = "#EXTM3U\r\n#EXT-X-VERSION:7\r\n#EXT-X-TARGETDURATION:4\r\n\
        #EXT-X-MEDIA-SEQUENCE:17\r\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"800@0\"\r\n\
        #EXTINF:3.84,title, with comma\r\n17.m4s?x=1\r\n#EXT-X-DISCONTINUITY\r\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\r\n#EXTINF:4,\r\n18.m4s\r\n\
        #EXT-X-GAP\r\n#EXTINF:4,\r\n19.m4s\r\n";

    #[test]
    fn live_segments() {
        let media = media(LIVE);
        assert_eq!(
            (media.target, media.sequence, media.ended),
            (Duration::from_secs(4), 17, false)
        );
        let uris: Vec<&str> = media.segments.iter().map(|s| s.part.uri.as_str()).collect();
        assert_eq!(uris, ["17.m4s?x=1", "18.m4s", "19.m4s"]);
        let marks: Vec<_> = media.segments.iter().map(|s| (s.discontinuity, s.gap)).collect();
        assert_eq!(marks, [(false, false), (true, false), (false, true)]);
        assert_eq!(media.segments[0].duration, Duration::from_millis(3840));
        let map = media.segments[2].map.as_deref().unwrap();
        assert_eq!(
            (map.uri.as_str(), map.range),
            ("init.mp4", Some(Range { from: 0, length: 800 }))
        );
    }

    #[test]
    fn parts_of_one_file() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n#EXT-X-BYTERANGE:10@5\na.ts\n\
            #EXTINF:1,\n#EXT-X-BYTERANGE:20\na.ts\n#EXTINF:1,\nb.ts\n#EXT-X-ENDLIST\n";
        let media = media(text);
        let ranges: Vec<_> = media.segments.iter().map(|s| s.part.range).collect();
        let range = |from, length| Some(Range { from, length });
        assert_eq!(ranges, [range(5, 10), range(15, 20), None]);
        assert!(media.ended);
        let lost = "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:20\na.ts\n";
        assert_eq!(Playlist::parse(lost), Err(Error::ByteRange));
        let endless = format!("#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:1@{}\na.ts\n", u64::MAX);
        assert_eq!(Playlist::parse(&endless), Err(Error::ByteRange));
    }

    #[test]
    fn variants() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:CODECS=\"avc1.640029,mp4a.40.2\",BANDWIDTH=2000\nmid.m3u8\n\
            #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"i.m3u8\"\n\
            #EXT-X-STREAM-INF:BANDWIDTH=5000\nbest.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=100\nsmall.m3u8\n";
        let Playlist::Master(variants) = Playlist::parse(text).unwrap() else { panic!() };
        let chosen = |choice: Choice| choice.of(&variants).unwrap().uri.as_str();
        assert_eq!(chosen(Choice::First), "mid.m3u8");
        assert_eq!(chosen(Choice::Best), "best.m3u8");
        assert_eq!(chosen(Choice::Smallest), "small.m3u8");
        assert_eq!(variants[0].bandwidth, 2000);
    }

    #[test]
    fn encryption_is_seen() {
        let text = "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na\n\
            #EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\nb\n";
        let media = media(text);
        assert_eq!(media.segments[0].encrypted.as_deref(), Some("AES-128"));
        assert_eq!(media.segments[1].encrypted, None);
        // Who leaves out the longest duration means that of the longest segment.
        assert_eq!(media.target, Duration::from_secs(1));
    }

    #[test]
    fn what_is_no_playlist() {
        assert_eq!(Playlist::parse("<html>"), Err(Error::NoPlaylist));
        assert_eq!(Playlist::parse("#EXTM3U\n"), Err(Error::Empty));
        assert!(media("\u{feff}#EXTM3U\n#EXT-X-TARGETDURATION:4\n").segments.is_empty());
        let odd = media("#EXTM3U\n#EXTINF:-1,\na\n#EXTINF:nan\nb\n#EXTINF:1e300,\nc\n");
        assert!(odd.segments.iter().all(|segment| segment.duration.is_zero()));
        let many = format!("#EXTM3U\n{}", "x\n".repeat(MAX_SEGMENTS * 2 + 3));
        let many = media(&many);
        assert_eq!(many.sequence + many.segments.len() as u64, 2 * MAX_SEGMENTS as u64 + 3);
        assert!(many.segments.len() <= MAX_SEGMENTS);
    }

    #[test]
    fn cut_anywhere_it_is_read_or_refused() {
        for at in 0..LIVE.len() {
            let _ = Playlist::parse(&LIVE[..at]);
            let _ = Playlist::parse(&LIVE[at..]);
        }
    }
}
