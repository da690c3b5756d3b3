//! The tags of media playlists (RFC 8216 4.3.2, 4.3.3; rfc8216bis for parts).

use std::sync::Arc;
use std::time::Duration;

use super::attributes::{attribute, byte_range, hexadecimal, seconds};
use super::{Error, Key, Map, Media, Part, Partial, Range, Segment};

/// The highest number of a first segment: that of any other follows by counting.
const MAX_SEQUENCE: u64 = u64::MAX / 2;
/// Segments that are kept of a playlist: the last ones.
pub(super) const MAX_SEGMENTS: usize = 20_000;
/// Parts that are kept of a segment.
pub(super) const MAX_PARTIALS: usize = 256;

/// A media playlist while it is read.
#[derive(Debug, Default)]
pub(super) struct Builder {
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
    pub(super) fn tag(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "EXT-X-TARGETDURATION" => {
                self.is_media = true;
                self.media.target = seconds(value);
            }
            "EXT-X-MEDIA-SEQUENCE" => {
                self.media.sequence = value.parse().unwrap_or(0);
                if self.media.sequence > MAX_SEQUENCE {
                    return Err(Error::Sequence);
                }
            }
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

    pub(super) fn uri(&mut self, uri: &str) -> Result<(), Error> {
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

    pub(super) fn finish(mut self) -> Result<Media, Error> {
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
