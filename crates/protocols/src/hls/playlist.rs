//! The text of playlists (RFC 8216 4).

use std::sync::Arc;
use std::time::Duration;

/// Segments that are kept of a playlist: the last ones.
const MAX_SEGMENTS: usize = 20_000;
/// Variants that are kept of a master playlist, and renditions of sound.
const MAX_VARIANTS: usize = 64;
/// Parts that are kept of a segment.
const MAX_PARTIALS: usize = 256;
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
    /// What is played next is encrypted in a way that is not known here.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its address, relative to that of the playlist.
    pub uri: String,
    /// The part; `None` is all of it.
    pub range: Option<Range>,
}

/// How a file is encrypted: AES-128 in CBC mode with PKCS7 padding (4.3.2.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// Where its key of 16 bytes is, relative to the playlist.
    pub key: Arc<str>,
    /// The initialisation vector.
    pub iv: [u8; 16],
}

/// The index that has to be read before segments of fragmented MP4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Where it is.
    pub part: Part,
    /// How it is encrypted, if it is.
    pub cipher: Option<Cipher>,
}

/// A key that counts for segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    uri: Arc<str>,
    /// Without one it is the number of the segment.
    iv: Option<[u8; 16]>,
}

impl Key {
    /// How the segment of a number is encrypted.
    pub fn cipher(&self, number: u64) -> Cipher {
        let iv = self.iv.unwrap_or_else(|| u128::from(number).to_be_bytes());
        Cipher { key: Arc::clone(&self.uri), iv }
    }
}

/// A part of a segment, for low latency (rfc8216bis 4.4.4.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// Where its media is.
    pub part: Part,
    /// Decoding can begin with it.
    pub independent: bool,
    /// It is missing.
    pub gap: bool,
}

/// A segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Where its media is.
    pub part: Part,
    /// How long it plays.
    pub duration: Duration,
    /// What it follows has another timeline or other tracks.
    pub discontinuity: bool,
    /// The index that has to be read before it, for those of fragmented MP4.
    pub map: Option<Arc<Map>>,
    /// The key it is encrypted with.
    pub key: Option<Key>,
    /// The method it is encrypted with, if that is not known here.
    pub encrypted: Option<Arc<str>>,
    /// It is missing.
    pub gap: bool,
    /// Its parts, as far as they are listed.
    pub partials: Vec<Partial>,
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
    /// The one that follows them, of which only parts are there.
    pub open: Box<Segment>,
    /// No part is longer; `None` if there are none.
    pub part_target: Option<Duration>,
    /// A request for the playlist may wait for a part that has not come.
    pub can_block: bool,
}

/// One of several forms of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// Address of its playlist, relative to that of the master playlist.
    pub uri: String,
    /// Bits per second at most; 0 if it is not said.
    pub bandwidth: u64,
    /// Address of the playlist of its sound, if that is not in its segments.
    pub audio: Option<String>,
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
        let mut renditions = Vec::new();
        let mut media = Builder::default();
        for line in lines {
            let Some(tag) = line.strip_prefix('#') else {
                match variant.take() {
                    Some(variant) if variants.len() < MAX_VARIANTS => {
                        variants.push(Variant { uri: line.to_owned(), ..variant });
                    }
                    Some(_) => {}
                    None => media.uri(line)?,
                }
                continue;
            };
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            match name {
                "EXT-X-STREAM-INF" => {
                    let rate = attribute(value, "BANDWIDTH").and_then(|text| text.parse().ok());
                    // The name of a group at first.
                    let audio = attribute(value, "AUDIO").map(str::to_owned);
                    let bandwidth = rate.unwrap_or(0);
                    variant = Some(Variant { bandwidth, audio, ..Variant::default() });
                }
                "EXT-X-MEDIA" if attribute(value, "TYPE") == Some("AUDIO") => {
                    if renditions.len() < MAX_VARIANTS {
                        renditions.push(Rendition::parse(value));
                    }
                }
                _ => media.tag(name, value)?,
            }
        }
        if !variants.is_empty() {
            for variant in &mut variants {
                let group = variant.audio.take();
                variant.audio = group.and_then(|group| Rendition::of(&group, &renditions));
            }
            return Ok(Self::Master(variants));
        }
        media.finish().map(Self::Media)
    }
}

/// Sound of variants (4.3.4.1).
#[derive(Debug)]
struct Rendition {
    group: String,
    /// Without one the sound is in the segments of the variant.
    uri: Option<String>,
    is_default: bool,
}

impl Rendition {
    fn parse(attributes: &str) -> Self {
        Self {
            group: attribute(attributes, "GROUP-ID").unwrap_or_default().to_owned(),
            uri: attribute(attributes, "URI").filter(|uri| !uri.is_empty()).map(str::to_owned),
            is_default: attribute(attributes, "DEFAULT") == Some("YES"),
        }
    }

    /// Where the sound of a group is that is played if nobody chooses: the default one,
    /// else the first.
    fn of(group: &str, all: &[Self]) -> Option<String> {
        let mut found = all.iter().filter(|rendition| rendition.group == group);
        let first = found.clone().next();
        found.find(|rendition| rendition.is_default).or(first)?.uri.clone()
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
    last_partial: Option<(String, u64)>,
    discontinuity: bool,
    gap: bool,
    map: Option<Arc<Map>>,
    key: Option<Key>,
    method: Option<Arc<str>>,
    partials: Vec<Partial>,
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
            "EXT-X-KEY" => self.key(value),
            "EXT-X-MAP" => {
                let uri = attribute(value, "URI").unwrap_or_default().to_owned();
                let range = attribute(value, "BYTERANGE").and_then(byte_range);
                let range = range.map(|(from, length)| Range { from: from.unwrap_or(0), length });
                // An index has no number: its key says how it begins (4.3.2.4).
                let key = self.key.as_ref().filter(|key| key.iv.is_some());
                let cipher = key.map(|key| key.cipher(0));
                let map = Map { part: Part { uri, range }, cipher };
                self.map = (!map.part.uri.is_empty()).then(|| Arc::new(map));
            }
            "EXT-X-PART-INF" => {
                let target = attribute(value, "PART-TARGET").map(seconds);
                self.media.part_target = target.filter(|target| !target.is_zero());
            }
            "EXT-X-SERVER-CONTROL" => {
                self.media.can_block = attribute(value, "CAN-BLOCK-RELOAD") == Some("YES");
            }
            "EXT-X-PART" => self.partial(value)?,
            _ => {}
        }
        Ok(())
    }

    /// What segments are encrypted with from here on. Of several keys the one counts
    /// that everybody can use.
    fn key(&mut self, attributes: &str) {
        if attribute(attributes, "KEYFORMAT").is_some_and(|format| format != "identity") {
            if self.key.is_none() && self.method.is_none() {
                self.method = attribute(attributes, "METHOD").map(Into::into);
            }
            return;
        }
        (self.key, self.method) = (None, None);
        let method = attribute(attributes, "METHOD").unwrap_or_default();
        let iv = attribute(attributes, "IV");
        match (method, attribute(attributes, "URI"), iv.map(hexadecimal)) {
            ("NONE", ..) => {}
            ("AES-128", Some(uri), None) => self.key = Some(Key { uri: uri.into(), iv: None }),
            ("AES-128", Some(uri), Some(Some(iv))) => {
                self.key = Some(Key { uri: uri.into(), iv: Some(iv) });
            }
            _ => self.method = Some(method.into()),
        }
    }

    fn partial(&mut self, attributes: &str) -> Result<(), Error> {
        let uri = attribute(attributes, "URI").unwrap_or_default();
        let range = attribute(attributes, "BYTERANGE").and_then(byte_range);
        let range = Self::place(uri, range, &mut self.last_partial)?;
        if self.partials.len() < MAX_PARTIALS {
            self.partials.push(Partial {
                part: Part { uri: uri.to_owned(), range },
                independent: attribute(attributes, "INDEPENDENT") == Some("YES"),
                gap: uri.is_empty() || attribute(attributes, "GAP") == Some("YES"),
            });
        }
        Ok(())
    }

    /// Where a part of a file is that may follow the one before.
    fn place(
        uri: &str,
        range: Option<(Option<u64>, u64)>,
        last: &mut Option<(String, u64)>,
    ) -> Result<Option<Range>, Error> {
        let Some((from, length)) = range else { return Ok(None) };
        let before = last.take().filter(|(file, _)| file == uri).map(|(_, end)| end);
        let from = from.or(before).ok_or(Error::ByteRange)?;
        let end = from.checked_add(length).ok_or(Error::ByteRange)?;
        *last = Some((uri.to_owned(), end));
        Ok(Some(Range { from, length }))
    }

    fn uri(&mut self, uri: &str) -> Result<(), Error> {
        let range = Self::place(uri, self.range.take(), &mut self.last)?;
        let part = Part { uri: uri.to_owned(), range };
        let segment = self.segment(part);
        let media = &mut self.media;
        if media.segments.len() >= MAX_SEGMENTS {
            media.segments.drain(..MAX_SEGMENTS / 2);
            media.sequence = media.sequence.saturating_add(MAX_SEGMENTS as u64 / 2);
        }
        media.segments.push(segment);
        Ok(())
    }

    /// What was said in front of it belongs to it.
    fn segment(&mut self, part: Part) -> Segment {
        Segment {
            part,
            duration: std::mem::take(&mut self.duration),
            discontinuity: std::mem::take(&mut self.discontinuity),
            map: self.map.clone(),
            key: self.key.clone(),
            encrypted: self.method.clone(),
            gap: std::mem::take(&mut self.gap),
            partials: std::mem::take(&mut self.partials),
        }
    }

    fn finish(mut self) -> Result<Media, Error> {
        self.media.open = Box::new(self.segment(Part::default()));
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

/// 128 bits as `0x` and hexadecimal digits, leading zeros left out or not.
fn hexadecimal(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    let is_plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(digits, 16).ok().filter(|_| is_plain).map(u128::to_be_bytes)
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
            (map.part.uri.as_str(), map.part.range),
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
    fn keys() {
        let text = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:258\n#EXT-X-MAP:URI=\"clear\"\n\
            #EXT-X-KEY:METHOD=AES-128,URI=\"k?a=1,2\"\n#EXTINF:1,\na\n\
            #EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x0a0B\n#EXT-X-MAP:URI=\"m\"\n#EXTINF:1,\nb\n\
            #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
            #EXTINF:1,\nc\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:1,\nd\n\
            #EXT-X-KEY:METHOD=NONE\n#EXTINF:1,\ne\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=7\n#EXTINF:1,\nf\n";
        let media = media(text);
        let ciphers: Vec<_> =
            media.segments.iter().map(|s| s.key.clone().map(|k| k.cipher(258))).collect();
        let iv = |low: u16| u128::from(low).to_be_bytes();
        let cipher = |key: &str, low| Some(Cipher { key: key.into(), iv: iv(low) });
        assert_eq!(
            ciphers[..3],
            [cipher("k?a=1,2", 258), cipher("k", 0x0a0b), cipher("k", 0x0a0b)]
        );
        assert!(ciphers[3..].iter().all(Option::is_none));
        let methods: Vec<_> = media.segments.iter().map(|s| s.encrypted.as_deref()).collect();
        assert_eq!(methods, [None, None, None, Some("SAMPLE-AES"), None, Some("AES-128")]);
        let maps: Vec<_> =
            media.segments.iter().map(|s| s.map.as_ref().unwrap().cipher.clone()).collect();
        assert_eq!((&maps[0], &maps[1]), (&None, &cipher("k", 0x0a0b)));
        // Who leaves out the longest duration means that of the longest segment.
        assert_eq!(media.target, Duration::from_secs(1));
    }

    #[test]
    fn parts_of_segments() {
        let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=0.5\n\
            #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5\n#EXTINF:4,\na\n\
            #EXT-X-PART:DURATION=0.5,URI=\"b\",BYTERANGE=\"10@0\",INDEPENDENT=YES\n\
            #EXT-X-PART:DURATION=0.5,URI=\"b\",BYTERANGE=\"20\"\n#EXTINF:1,\nb\n\
            #EXT-X-PART:DURATION=0.5,URI=\"c0\",GAP=YES\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"c1\"\n";
        let media = media(text);
        assert_eq!((media.part_target, media.can_block), (Some(Duration::from_millis(500)), true));
        let of = |segment: &Segment| -> Vec<_> {
            let partials = segment.partials.iter();
            partials
                .map(|p| (p.part.uri.clone(), p.part.range.map(|r| r.from), p.independent, p.gap))
                .collect()
        };
        assert_eq!(of(&media.segments[0]), []);
        let of_b =
            [("b".to_owned(), Some(0), true, false), ("b".to_owned(), Some(10), false, false)];
        assert_eq!(of(&media.segments[1]), of_b);
        assert_eq!(of(&media.open), [("c0".to_owned(), None, false, true)]);
        let lost = "#EXTM3U\n#EXT-X-PART:DURATION=1,URI=\"b\",BYTERANGE=\"20\"\n#EXTINF:1,\na\n";
        assert_eq!(Playlist::parse(lost), Err(Error::ByteRange));
        let many = format!(
            "#EXTM3U\n{}#EXTINF:1,\na\n",
            "#EXT-X-PART:URI=\"b\"\n".repeat(MAX_PARTIALS + 9)
        );
        let Playlist::Media(many) = Playlist::parse(&many).unwrap() else { panic!() };
        assert_eq!(many.segments[0].partials.len(), MAX_PARTIALS);
    }

    #[test]
    fn sound_apart() {
        let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9,AUDIO=\"a\"\nv\n\
            #EXT-X-STREAM-INF:BANDWIDTH=8,AUDIO=\"b\"\nw\n#EXT-X-STREAM-INF:BANDWIDTH=7\nx\n\
            #EXT-X-STREAM-INF:BANDWIDTH=6,AUDIO=\"c\"\ny\n#EXT-X-STREAM-INF:BANDWIDTH=5,AUDIO=\"?\"\nz\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"1\",URI=\"a1\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"2\",DEFAULT=YES,URI=\"a2\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"b\",NAME=\"1\",URI=\"b1\"\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"c\",NAME=\"1\",DEFAULT=YES\n\
            #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"c\",NAME=\"2\",URI=\"c2\"\n\
            #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"b\",NAME=\"2\",DEFAULT=YES,URI=\"s\"\n";
        let Playlist::Master(variants) = Playlist::parse(text).unwrap() else { panic!() };
        let audio: Vec<_> = variants.iter().map(|variant| variant.audio.as_deref()).collect();
        assert_eq!(audio, [Some("a2"), Some("b1"), None, None, None]);
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
