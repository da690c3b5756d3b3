//! Flash Video (`-f flv`; Adobe's Video File Format Specification 10.1 annex E,
//! and Enhanced RTMP 1 for H.265). H.264, H.265, AAC, MP3 and
//! G.711.

use bytes::{Buf as _, Bytes, BytesMut};

use super::picture::Pictures;
use super::{Error, Found, Time, Unit, mpa};
use crate::codec::aac::{AudioSpecificConfig, fmtp_with_config};
use crate::codec::{Codec, CodecId, nal};
use crate::time::{Unwrapper, rescale};

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const SCRIPT: u8 = 18;
/// Header of a tag, and the size of the tag that follows it.
const TAG: usize = 11;
const PREVIOUS: usize = 4;
/// Largest tag that is taken: its size has 24 bits.
const MAX_TAG: usize = (16 << 20) - 1;
/// Length of the fields in front of the tags of the file.
const MAX_HEADER: usize = 64;

/// Whether a kind of track is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Maybe,
    No,
    /// At this place among the tracks.
    Found(usize),
}

/// Reads the tags of a file.
#[derive(Debug)]
pub struct Reader {
    /// The header of the file was read.
    open: bool,
    pictures: Option<Pictures>,
    video: Expected,
    audio: Expected,
    /// Clock rate of the sound.
    rate: u32,
    time: Unwrapper,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            open: false,
            pictures: None,
            video: Expected::Maybe,
            audio: Expected::Maybe,
            rate: 0,
            time: Unwrapper::default(),
        }
    }
}

impl Reader {
    /// Takes all whole tags from the buffer.
    pub(super) fn read(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<(), Error> {
        if !self.open {
            let Some([b'F', b'L', b'V', _, _, l0, l1, l2, l3]) = buffer.first_chunk() else {
                return if buffer.len() < 9 { Ok(()) } else { Err(Error::Broken("FLV")) };
            };
            let length = usize::try_from(u32::from_be_bytes([*l0, *l1, *l2, *l3]));
            let length = length.ok().filter(|length| (9..=MAX_HEADER).contains(length));
            let length = length.ok_or(Error::Broken("FLV"))? + PREVIOUS;
            if buffer.len() < length {
                return Ok(());
            }
            buffer.advance(length);
            self.open = true;
        }
        while let Some(head) = buffer.first_chunk::<TAG>() {
            let [kind, s0, s1, s2, t0, t1, t2, t3, ..] = *head;
            let size = usize::try_from(u32::from_be_bytes([0, s0, s1, s2])).unwrap_or(usize::MAX);
            if size > MAX_TAG {
                return Err(Error::TooLarge("FLV"));
            }
            if buffer.len() < TAG + size + PREVIOUS {
                break;
            }
            let tag = buffer.split_to(TAG + size + PREVIOUS).freeze();
            let body = tag.slice(TAG..TAG + size);
            let time = self.time.unwrap(u32::from_be_bytes([t3, t0, t1, t2]));
            match kind & 0x1f {
                AUDIO => self.audio(&body, time, found)?,
                VIDEO => self.video(&body, time, found)?,
                SCRIPT => self.script(&body),
                _ => {}
            }
            let known = |expected| expected != Expected::Maybe;
            found.complete |= known(self.video) && known(self.audio) && !found.tracks.is_empty();
        }
        Ok(())
    }

    /// `onMetaData` tells which tracks there are, in ECMA arrays of any order: it
    /// is enough to see which names stand in it.
    fn script(&mut self, body: &[u8]) {
        let has = |name: &[u8]| body.windows(name.len()).any(|window| window == name);
        if !has(b"onMetaData") {
            return;
        }
        let video = [&b"videocodecid"[..], b"width", b"framerate"].iter().any(|name| has(name));
        if !video && self.video == Expected::Maybe {
            self.video = Expected::No;
        }
        if !has(b"audiocodecid") && self.audio == Expected::Maybe {
            self.audio = Expected::No;
        }
    }

    fn video(&mut self, body: &Bytes, time: i64, found: &mut Found) -> Result<(), Error> {
        /// What a tag holds.
        enum Part {
            Config,
            /// With how much later it is shown, in milliseconds.
            Picture(i64),
        }
        let composition = |at: usize| {
            let [c0, c1, c2] = *body.get(at..)?.first_chunk()?;
            Some(i64::from(i32::from_be_bytes([c0, c1, c2, 0]) >> 8))
        };
        let read = || match *body.first_chunk::<5>()? {
            // Extended header: packet type and four characters.
            [head, a, b, c, d] if head >= 0x80 => {
                let h265 = match &[a, b, c, d] {
                    b"hvc1" => true,
                    b"avc1" => false,
                    _ => return None,
                };
                match head & 0x0f {
                    0 => Some((h265, Part::Config, 5)),
                    1 => Some((h265, Part::Picture(composition(5)?), 8)),
                    3 => Some((h265, Part::Picture(0), 5)),
                    _ => None,
                }
            }
            [head, kind, ..] => {
                let h265 = match head & 0x0f {
                    7 => false,
                    12 => true,
                    _ => return None,
                };
                match kind {
                    0 => Some((h265, Part::Config, 5)),
                    1 => Some((h265, Part::Picture(composition(2)?), 5)),
                    _ => None,
                }
            }
        };
        let Some((h265, part, head)) = read() else { return Ok(()) };
        let data = body.slice(head.min(body.len())..);
        let new = || if h265 { Pictures::h265() } else { Pictures::h264() };
        let pictures = self.pictures.get_or_insert_with(new);
        match part {
            Part::Config => {
                pictures.record(&data);
                if self.video == Expected::Maybe
                    && let Some(track) = found.add(pictures.codec())?
                {
                    self.video = Expected::Found(track);
                }
            }
            Part::Picture(later) => {
                let unit = pictures.unit(nal::split_avcc(&data, 4))?;
                if let (Expected::Found(track), Some((keyframe, payload))) = (self.video, unit) {
                    let dts = time.saturating_mul(90);
                    let pts = dts.saturating_add(later.saturating_mul(90));
                    let time = Time::At { pts, dts };
                    found.units.push_back(Unit { track, keyframe, time, payload });
                }
            }
        }
        Ok(())
    }

    fn audio(&mut self, body: &Bytes, time: i64, found: &mut Found) -> Result<(), Error> {
        let Some(&head) = body.first() else { return Ok(()) };
        let (codec, skip) = match head >> 4 {
            2 | 14 => (Some(mpa::codec()), 1),
            7 => (Some(Codec::new(CodecId::Pcma).clock(8000)), 1),
            8 => (Some(Codec::new(CodecId::Pcmu).clock(8000)), 1),
            10 if body.get(1) == Some(&0) => (aac(body.get(2..).unwrap_or_default()), 2),
            10 if body.get(1) == Some(&1) => (None, 2),
            _ => return Ok(()),
        };
        match (self.audio, codec) {
            (Expected::Maybe, Some(codec)) => {
                self.rate = codec.timestamp_rate();
                if let Some(track) = found.add(Some(codec))? {
                    self.audio = Expected::Found(track);
                }
            }
            (Expected::Found(track), Some(codec)) => found.goes_on(track, &codec)?,
            _ => {}
        }
        let is_config = head >> 4 == 10 && body.get(1) == Some(&0);
        let data = body.slice(skip.min(body.len())..);
        if let (Expected::Found(track), false, false) = (self.audio, is_config, data.is_empty()) {
            let pts = rescale(time, 1000, self.rate);
            let time = Time::At { pts, dts: pts };
            found.units.push_back(Unit::sound(track, time, data));
        }
        Ok(())
    }
}

/// The codec of an AudioSpecificConfig.
pub(super) fn aac(config: &[u8]) -> Option<Codec> {
    let parsed = AudioSpecificConfig::parse(config)?;
    let codec = Codec::new(CodecId::Aac).clock(parsed.rate).channels(parsed.channels);
    Some(codec.fmtp(fmtp_with_config(config)))
}
