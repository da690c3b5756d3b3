//! Bare sound with ID3 tags in front: the "packed audio" segments of HLS (RFC 8216
//! 3.4), AAC with ADTS headers and MPEG audio.
//!
//! A segment begins with a tag whose `PRIV` frame says when it is to be heard, on the
//! timeline of the transport streams that it belongs to. Segments come one after
//! another as one stream of bytes. Without such times sound is counted in samples: files
//! and radio stations have tags with titles and pictures. Tags of ID3v2.3 and ID3v2.4;
//! left out: compressed and unsynchronised frames, AC-3.

use bytes::{Buf as _, BytesMut};

use super::mpegts::Clock;
use super::{Error, Found, Time, Unit, adts, mpa};
use crate::codec::aac::AdtsHeader;
use crate::codec::mpa::Header as MpaHeader;
use crate::time::rescale;

/// What a tag begins with, and how long its header is.
const TAG: &[u8] = b"ID3";
const TAG_HEADER: usize = 10;
/// Tags up to this length are read; longer ones, with pictures, are passed over.
const MAX_TAG: usize = 16 * 1024;
/// Who says the time, and in what: eight bytes, 33 bits of them in use.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
/// Ticks of that in a second.
const RATE: u32 = 90_000;
/// Bytes between frames that may be something else.
const MAX_JUNK: usize = 64 * 1024;

/// What the frames are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Aac,
    Mpeg,
}

/// Reads tags and frames.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Of the first frame, and the ticks of its codec in a second.
    kind: Option<(Kind, u32)>,
    aac: adts::Reader,
    clock: Clock,
    /// When the next frame is to be heard, in ticks of the clock, and the samples since.
    since: Option<(i64, i64)>,
    /// Bytes of a tag that are still to be passed over.
    skip: usize,
    /// Bytes passed over since the last frame.
    junk: usize,
}

/// What stands in front of the buffer.
enum Next {
    /// A tag of so many bytes.
    Tag(usize),
    Frame(Kind),
    /// Neither.
    Other,
    /// That cannot be told yet.
    More,
}

impl Reader {
    /// Name of the format as FFmpeg says it.
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            Some((Kind::Mpeg, _)) => "mp3",
            _ => "aac",
        }
    }

    /// Takes all whole frames from the buffer.
    ///
    /// # Errors
    /// No sound for too long, or other sound than before.
    pub(super) fn read(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<(), Error> {
        loop {
            let passed = self.skip.min(buffer.len());
            buffer.advance(passed);
            self.skip -= passed;
            if self.skip > 0 {
                return Ok(());
            }
            match next(buffer) {
                Next::More => return Ok(()),
                Next::Tag(length) if length > MAX_TAG => self.skip = length,
                Next::Tag(length) => {
                    if buffer.len() < length {
                        return Ok(());
                    }
                    if let Some(time) = timestamp(&buffer.split_to(length)) {
                        self.since = Some((self.clock.extend(time), 0));
                    }
                }
                Next::Frame(kind) => {
                    if !self.frame(kind, buffer, found)? {
                        return Ok(());
                    }
                    self.junk = 0;
                }
                Next::Other => {
                    buffer.advance(1);
                    self.junk += 1;
                    if self.junk > MAX_JUNK {
                        return Err(Error::Broken("packed audio"));
                    }
                }
            }
        }
    }

    /// Takes a frame. False if it is not whole.
    fn frame(
        &mut self,
        kind: Kind,
        buffer: &mut BytesMut,
        found: &mut Found,
    ) -> Result<bool, Error> {
        let codec = match kind {
            Kind::Aac => adts::codec(buffer)?,
            Kind::Mpeg => Some(mpa::codec()),
        };
        let taken = match kind {
            Kind::Aac => self.aac.take(buffer)?,
            Kind::Mpeg => mpa::take(buffer)?,
        };
        let (Some(codec), Some((data, duration))) = (codec, taken) else { return Ok(false) };
        let (known, rate) = *self.kind.get_or_insert_with(|| (kind, codec.timestamp_rate()));
        if found.tracks.is_empty() {
            found.tracks.push(codec);
            found.complete = true;
        }
        // There is one track.
        if known != kind || data.is_empty() {
            return Ok(true);
        }
        let time = match &mut self.since {
            Some((begin, samples)) => {
                let pts = rescale(*begin, RATE, rate).saturating_add(*samples);
                *samples = samples.saturating_add(i64::from(duration));
                Time::At { pts, dts: pts }
            }
            None => Time::Lasts(duration),
        };
        found.units.push_back(Unit::sound(0, time, data));
        Ok(true)
    }
}

fn next(buffer: &[u8]) -> Next {
    let tag = TAG.get(..buffer.len().min(TAG.len())).unwrap_or_default();
    if buffer.starts_with(tag) {
        return match buffer.first_chunk::<TAG_HEADER>() {
            None => Next::More,
            Some([_, _, _, _, _, flags, size @ ..]) => match syncsafe(*size) {
                // A footer is as long as the header.
                Some(size) if flags & 0x10 != 0 => Next::Tag(size + 2 * TAG_HEADER),
                Some(size) => Next::Tag(size + TAG_HEADER),
                None => Next::Other,
            },
        };
    }
    match buffer {
        [0xff] => Next::More,
        [0xff, second, ..] if second & 0xf6 == 0xf0 => match AdtsHeader::parse(buffer) {
            Some(_) => Next::Frame(Kind::Aac),
            None if buffer.len() < adts::MAX_HEADER => Next::More,
            None => Next::Other,
        },
        [0xff, second, ..] if second & 0xe0 == 0xe0 => match MpaHeader::parse(buffer) {
            Some(_) => Next::Frame(Kind::Mpeg),
            None if buffer.len() < 4 => Next::More,
            None => Next::Other,
        },
        _ => Next::Other,
    }
}

/// The time of a tag (RFC 8216 3.4), in ticks of [`RATE`].
fn timestamp(tag: &[u8]) -> Option<i64> {
    let [_, _, _, version, _, flags, ..] = *tag.first_chunk::<TAG_HEADER>()?;
    // Sizes of frames are written as the header's since ID3v2.4.
    let read = |size: [u8; 4]| match version {
        4 => syncsafe(size),
        _ => usize::try_from(u32::from_be_bytes(size)).ok(),
    };
    let mut rest = tag.get(TAG_HEADER..)?;
    if flags & 0x40 != 0 {
        // The extended header; in ID3v2.3 its size leaves out itself.
        let size = read(*rest.first_chunk()?)?.checked_add(if version == 4 { 0 } else { 4 })?;
        rest = rest.get(size.max(4)..)?;
    }
    loop {
        let ([name @ .., s0, s1, s2, s3, _, _], after) = rest.split_first_chunk::<10>()?;
        let size = read([*s0, *s1, *s2, *s3])?;
        let content = after.get(..size)?;
        if name == b"PRIV"
            && let Some(time) = content.strip_prefix(OWNER)
        {
            let time = u64::from_be_bytes(*time.first_chunk()?) & ((1 << 33) - 1);
            return i64::try_from(time).ok();
        }
        rest = after.get(size..)?;
    }
}

/// Four bytes of seven bits (ID3v2.4 6.2).
fn syncsafe(bytes: [u8; 4]) -> Option<usize> {
    let is_plain = bytes.iter().all(|byte| byte & 0x80 == 0);
    is_plain.then(|| bytes.iter().fold(0, |size, byte| size << 7 | usize::from(*byte)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A frame of a tag, as in `version`.
    fn frame(version: u8, name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len()).unwrap();
        let size = if version == 4 { plain(size) } else { size.to_be_bytes() };
        [&name[..], &size, &[0, 0], content].concat()
    }

    fn plain(size: u32) -> [u8; 4] {
        [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8)
    }

    fn tag_of(version: u8, flags: u8, frames: &[u8]) -> Vec<u8> {
        let size = plain(u32::try_from(frames.len()).unwrap());
        [b"ID3", &[version, 0, flags][..], &size, frames].concat()
    }

    /// A tag with a time in ticks of 90 kHz.
    pub(in crate::container) fn tag(time: u64) -> Vec<u8> {
        let priv_frame = frame(4, b"PRIV", &[OWNER, &time.to_be_bytes()].concat());
        tag_of(4, 0, &priv_frame)
    }

    #[test]
    fn times_of_tags() {
        assert_eq!(timestamp(&tag(900_000)), Some(900_000));
        // Only 33 bits count.
        assert_eq!(timestamp(&tag(u64::MAX)), Some((1 << 33) - 1));
        let content = [OWNER, &5_u64.to_be_bytes()].concat();
        for version in [3, 4] {
            let title = frame(version, b"TIT2", &[b'x'; 200]);
            let other = frame(version, b"PRIV", b"somebody\0 else");
            let frames = [title, other, frame(version, b"PRIV", &content)].concat();
            assert_eq!(timestamp(&tag_of(version, 0, &frames)), Some(5), "{version}");
            let size = if version == 4 { plain(6) } else { 2_u32.to_be_bytes() };
            let extended = [&size[..], &[1, 0], &frames].concat();
            assert_eq!(timestamp(&tag_of(version, 0x40, &extended)), Some(5), "{version}");
        }
        assert_eq!(timestamp(&tag_of(4, 0, &frame(4, b"PRIV", OWNER))), None, "cut");
        assert_eq!(timestamp(&tag_of(4, 0, &[0; 40])), None, "padding");
        for at in 0..tag(1).len() {
            assert_eq!(timestamp(&tag(1)[..at]), None, "{at}");
        }
    }
}
