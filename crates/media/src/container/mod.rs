//! Containers read from a byte stream, told apart by their first bytes
//! (`spec/media.md` 9), and written ([`mux`], [`fmp4`]).
//!
//! For programs that write to a pipe, for answers of cameras and for what is
//! pushed: pictures one after another ([`mjpeg`], [`mpjpeg`], [`y4m`]), bare H.264
//! and H.265 ([`annexb`]), sound ([`adts`], [`wav`], [`packed`]), and both together ([`flv`],
//! [`mp4`], [`mpegts`]). Input comes in pieces of any size.

pub mod adts;
pub mod annexb;
pub mod flv;
pub mod fmp4;
mod foreign;
pub mod mjpeg;
pub mod mp4;
pub mod mpa;
pub mod mpegts;
pub mod mpjpeg;
pub mod mux;
pub mod packed;
mod picture;
pub mod wav;
pub mod y4m;

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use crate::codec::aac::AudioSpecificConfig;
use crate::codec::{Codec, CodecId};
use crate::frame::Payload;
use crate::track::Kind;

use foreign::Told;

/// Bytes that may pass before the format is recognised.
const MAX_PROBE: usize = 64 * 1024;
/// Bytes that may pass before the tracks are known, for formats that have several.
const MAX_TRACKS: usize = 5 << 20;
/// Units that may wait until the tracks are known: a few bytes make one of sound.
const MAX_UNITS: usize = 16_384;
/// Tracks that are taken: maps of programs and indexes may be repeated with others.
const MOST_TRACKS: usize = 32;
/// Bytes in which a picture may be found in front of which stands something else.
const MAX_JUNK: usize = 4096;

/// Why a stream cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of the formats known here; its first bytes.
    #[error("magic: unsupported header: {:02x}{:02x}{:02x}{:02x}", .0[0], .0[1], .0[2], .0[3])]
    UnknownFormat([u8; 4]),
    /// A container that is known, but not read here.
    #[error("this is {0}, which is not read here")]
    Foreign(&'static str),
    /// A stream of NAL units that begins with neither H.264 nor H.265; its first byte.
    #[error("bitstream: unsupported header: {0:02x}")]
    UnknownBitstream(u8),
    /// A WAV file with something other than G.711 or 16 bit PCM.
    #[error("unsupported WAV codec {0}")]
    UnsupportedWav(u16),
    /// Pictures of more than 8 bit, or with planes that are not known.
    #[error("unsupported form of uncompressed pictures")]
    UnsupportedPictures,
    /// A file that can only be read from its end.
    #[error("the index of this MP4 file is at its end: write it with -movflags +faststart")]
    IndexAtEnd,
    /// A list of addresses, which means nothing without its own.
    #[error("this is an HLS playlist: name its address (http://…) as the source")]
    Playlist,
    /// Not what the format says.
    #[error("broken {0} data")]
    Broken(&'static str),
    /// A unit that is larger than any sane one.
    #[error("{0} unit is too large")]
    TooLarge(&'static str),
    /// The sound or the pictures are others from here on than they were said to be.
    #[error("the {0} of the stream is another one from here on")]
    Changed(Kind),
    /// The format is known, but nothing in it that can be used came in time.
    #[error("{0} without pictures and sound that are supported")]
    NoTracks(&'static str),
}

/// When a unit is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The format does not say: when it comes.
    Arrival,
    /// After the one before it, for so many ticks of the track's clock.
    Lasts(u32),
    /// On the timeline of the stream, which all its tracks share, in ticks of the
    /// track's clock.
    At {
        /// Presentation.
        pts: i64,
        /// Decoding.
        dts: i64,
    },
}

/// One picture or one packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Index of its track.
    pub track: usize,
    /// Decoding can begin here.
    pub keyframe: bool,
    /// When it is to be shown.
    pub time: Time,
    /// Its bytes, without framing.
    pub payload: Payload,
}

impl Unit {
    /// A picture that needs no other, shown when it comes.
    const fn picture(data: Bytes) -> Self {
        Self { track: 0, keyframe: true, time: Time::Arrival, payload: Payload::Data(data) }
    }

    /// A packet of sound.
    const fn sound(track: usize, time: Time, data: Bytes) -> Self {
        Self { track, keyframe: true, time, payload: Payload::Data(data) }
    }
}

/// What readers have found.
#[derive(Debug, Default)]
struct Found {
    tracks: Vec<Codec>,
    /// No other track is expected.
    complete: bool,
    /// Tracks that nothing gives any more.
    left: Vec<usize>,
    units: VecDeque<Unit>,
}

impl Found {
    /// Adds a track, once its codec is known; gives its index. When it is told
    /// already who was counted on, one of them may go on.
    ///
    /// # Errors
    /// A track of the same codec has ended, and goes on with other parameters.
    fn add(&mut self, codec: Option<Codec>) -> Result<Option<usize>, Error> {
        let Some(codec) = codec else { return Ok(None) };
        if self.complete {
            let same = self.tracks.iter().position(|known| is_like(known, &codec));
            self.left.retain(|left| Some(*left) != same);
            let of_codec =
                |left: &usize| self.tracks.get(*left).is_some_and(|known| known.id == codec.id);
            if same.is_none() && self.left.iter().any(of_codec) {
                return Err(Error::Changed(codec.id.kind()));
            }
            return Ok(same);
        }
        if self.tracks.len() >= MOST_TRACKS {
            return Ok(None);
        }
        self.tracks.push(codec);
        Ok(Some(self.tracks.len() - 1))
    }

    /// What gave a track has ended; something else may give it.
    fn leave(&mut self, track: Option<usize>) {
        self.left.extend(track.filter(|track| !self.left.contains(track)));
    }

    /// A track goes on with this codec, as far as it is known.
    ///
    /// # Errors
    /// It was another one.
    fn goes_on(&self, track: usize, codec: &Codec) -> Result<(), Error> {
        let known = self.tracks.get(track);
        if known.is_none_or(|known| is_like(known, codec)) {
            Ok(())
        } else {
            Err(Error::Changed(codec.id.kind()))
        }
    }
}

/// Whether units of a codec can follow those of another one.
fn is_like(known: &Codec, codec: &Codec) -> bool {
    let same = known.id == codec.id
        && known.timestamp_rate() == codec.timestamp_rate()
        && known.channels == codec.channels;
    let config = |codec: &Codec| AudioSpecificConfig::from_fmtp(&codec.fmtp);
    same && (known.id != CodecId::Aac || config(known) == config(codec))
}

#[derive(Debug)]
enum Format {
    Mjpeg(mjpeg::Splitter),
    Mpjpeg(mpjpeg::Reader),
    Y4m(y4m::Header),
    Adts(adts::Reader),
    Packed(Box<packed::Reader>),
    Wav(wav::Header),
    /// G.711 without a header.
    Mulaw(wav::Header),
    AnnexB(annexb::Reader),
    Flv(Box<flv::Reader>),
    Mp4(Box<mp4::Reader>),
    MpegTs(Box<mpegts::Reader>),
}

/// Reads a stream of one of the formats.
#[derive(Debug, Default)]
pub struct Demuxer {
    buffer: BytesMut,
    format: Option<Format>,
    found: Found,
    /// Bytes that came so far.
    total: usize,
    /// Bytes in which no picture was found, while the format is not known.
    searched: usize,
    ended: bool,
    /// Nothing can be read any more.
    failed: Option<Error>,
}

impl Demuxer {
    /// A demuxer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A demuxer of pictures in parts, whatever the first boundary looks like.
    pub fn of_parts() -> Self {
        let mut demuxer = Self::new();
        demuxer.begin(Format::Mpjpeg(mpjpeg::Reader::default()));
        demuxer
    }

    /// A demuxer of bare µ-law sound, 8000 samples a second.
    pub fn of_mulaw() -> Self {
        let mut demuxer = Self::new();
        demuxer.begin(Format::Mulaw(wav::Header { format: 7, channels: 1, rate: 8000 }));
        demuxer
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.total = self.total.saturating_add(bytes.len());
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing follows: what is left of the last unit counts as whole.
    ///
    /// # Errors
    /// As [`Self::tracks`].
    pub fn end(&mut self) -> Result<(), Error> {
        self.ended = true;
        self.read()?;
        match &mut self.format {
            _ if self.failed.is_some() => {}
            Some(Format::AnnexB(reader)) => reader.end(&mut self.buffer, &mut self.found)?,
            Some(Format::MpegTs(reader)) => reader.end(&mut self.found)?,
            _ => {}
        }
        self.settle()
    }

    /// What follows is another part, of the same format and with times of its own: what is
    /// left of the last unit counts as whole.
    ///
    /// # Errors
    /// As [`Self::tracks`].
    pub fn end_part(&mut self) -> Result<(), Error> {
        self.read()?;
        match &mut self.format {
            Some(Format::MpegTs(reader)) if self.failed.is_none() => reader.end(&mut self.found),
            _ => Ok(()),
        }
    }

    /// No track is waited for any more: those that were found are all.
    ///
    /// # Errors
    /// There is none.
    pub fn settle(&mut self) -> Result<(), Error> {
        if self.found.tracks.is_empty() {
            return match self.format {
                Some(_) => Err(Error::NoTracks(self.format_name())),
                None => Ok(()),
            };
        }
        self.found.complete = true;
        Ok(())
    }

    /// The codecs of the tracks, once enough has come to know them all.
    ///
    /// # Errors
    /// The format is none of those known here, or broken.
    pub fn tracks(&mut self) -> Result<Option<&[Codec]>, Error> {
        if !self.found.complete {
            self.read()?;
            let is_late = self.total > MAX_TRACKS || self.found.units.len() > MAX_UNITS;
            if !self.found.complete && is_late {
                self.settle()?;
            }
        }
        Ok(self.found.complete.then_some(self.found.tracks.as_slice()))
    }

    /// Whether the format is known.
    pub const fn is_recognised(&self) -> bool {
        self.format.is_some()
    }

    /// Name of the format as FFmpeg says it; empty before it is known.
    pub const fn format_name(&self) -> &'static str {
        match &self.format {
            None => "",
            Some(Format::Mjpeg(_)) => "mjpeg",
            Some(Format::Mpjpeg(_)) => "mpjpeg",
            Some(Format::Y4m(_)) => "yuv4mpegpipe",
            Some(Format::Adts(_)) => "adts",
            Some(Format::Packed(reader)) => reader.name(),
            Some(Format::Wav(_)) => "wav",
            Some(Format::Mulaw(_)) => "mulaw",
            Some(Format::AnnexB(reader)) => reader.name(),
            Some(Format::Flv(_)) => "flv",
            Some(Format::Mp4(_)) => "mp4",
            Some(Format::MpegTs(_)) => "mpegts",
        }
    }

    /// What the stream says of itself in words; empty for most formats.
    pub fn description(&self) -> &str {
        match &self.format {
            Some(Format::Y4m(header)) => header.line(),
            _ => "",
        }
    }

    /// The next unit, if a whole one has come and the tracks are known.
    ///
    /// # Errors
    /// As [`Self::tracks`], or a unit that is broken or too large.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, Error> {
        if self.found.units.is_empty() {
            self.read()?;
        }
        if self.tracks()?.is_none() {
            return Ok(None);
        }
        Ok(self.found.units.pop_front())
    }

    /// Reads what is in the buffer. What was found before an error comes before it.
    fn read(&mut self) -> Result<(), Error> {
        if self.failed.is_none() {
            self.failed = self.read_format().err();
        }
        match self.failed {
            Some(error) if !self.found.complete || self.found.units.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    fn read_format(&mut self) -> Result<(), Error> {
        if self.format.is_none() {
            self.recognise()?;
            if self.format.is_none() && self.buffer.len() > MAX_PROBE {
                return Err(self.unknown());
            }
        }
        let (buffer, found) = (&mut self.buffer, &mut self.found);
        match &mut self.format {
            None => Ok(()),
            Some(Format::Mjpeg(splitter)) => {
                while let Some(picture) = splitter.take(buffer)? {
                    found.units.push_back(Unit::picture(picture));
                }
                Ok(())
            }
            Some(Format::Mpjpeg(reader)) => {
                while let Some(picture) = reader.take(buffer)? {
                    found.units.push_back(Unit::picture(picture));
                }
                Ok(())
            }
            Some(Format::Y4m(header)) => {
                while let Some(picture) = header.take_picture(buffer)? {
                    found.units.push_back(Unit::picture(picture));
                }
                Ok(())
            }
            Some(Format::Adts(reader)) => {
                while let Some((data, duration)) = reader.take(buffer)? {
                    found.units.push_back(Unit::sound(0, Time::Lasts(duration), data));
                }
                Ok(())
            }
            Some(Format::Packed(reader)) => reader.read(buffer, found),
            Some(Format::Wav(header) | Format::Mulaw(header)) => {
                while let Some((data, duration)) = header.take_samples(buffer) {
                    found.units.push_back(Unit::sound(0, Time::Lasts(duration), data));
                }
                Ok(())
            }
            Some(Format::AnnexB(reader)) => reader.read(buffer, found),
            Some(Format::Flv(reader)) => reader.read(buffer, found),
            Some(Format::Mp4(reader)) => reader.read(buffer, found),
            Some(Format::MpegTs(reader)) => reader.read(buffer, found),
        }
    }

    /// Tells the format by the beginning. Does nothing while more is needed.
    fn recognise(&mut self) -> Result<(), Error> {
        let Some(first) = self.buffer.first_chunk::<4>() else {
            let some = self.ended && !self.buffer.is_empty();
            return if some { Err(self.unknown()) } else { Ok(()) };
        };
        match foreign::tell(&self.buffer, self.ended) {
            Told::Nothing => {}
            Told::More => return Ok(()),
            Told::Is(name) => return Err(Error::Foreign(name)),
        }
        let format = match first {
            [0xff, 0xd8, ..] => Format::Mjpeg(mjpeg::Splitter::new()),
            [b'-', b'-', ..] | [b'\r', b'\n', b'-', b'-'] => {
                // A picture must follow its header soon.
                if self.find([0xff, 0xd8, 0xff]).is_none() {
                    return Ok(());
                }
                Format::Mpjpeg(mpjpeg::Reader::default())
            }
            [0, 0, 0, 8..=255] | [0, 0, 2..=255, _] if self.buffer.len() < 8 && !self.ended => {
                return Ok(());
            }
            [0, 0, 0, 8..=255] | [0, 0, 2..=255, _] if self.begins_with_box() => {
                Format::Mp4(Box::default())
            }
            [0, 0, 1, _] | [0, 0, 0, 0 | 1] => {
                if !annexb::align(&mut self.buffer) {
                    return Ok(());
                }
                let Some([_, _, _, first @ ..]) = self.buffer.first_chunk::<5>() else {
                    return Ok(());
                };
                Format::AnnexB(annexb::Reader::recognise(first)?)
            }
            b"RIFF" => match wav::Header::take(&mut self.buffer)? {
                Some(header) => Format::Wav(header),
                None => return Ok(()),
            },
            y4m::MAGIC => match y4m::Header::take(&mut self.buffer)? {
                Some(header) => Format::Y4m(header),
                None => return Ok(()),
            },
            [b'I', b'D', b'3', _] => Format::Packed(Box::default()),
            b"FLV\x01" => Format::Flv(Box::default()),
            b"#EXT" => return Err(Error::Playlist),
            [0x47, ..] => Format::MpegTs(Box::default()),
            [0xff, second, ..] if second & 0xf6 == 0xf0 => match adts::codec(&self.buffer)? {
                Some(codec) => {
                    self.found.tracks.push(codec);
                    Format::Adts(adts::Reader::default())
                }
                None => return Ok(()),
            },
            // Something else may stand in front of the first picture.
            _ => {
                match self.find([0xff, 0xd8, 0xff, 0xdb]).filter(|at| *at < MAX_JUNK) {
                    Some(at) => self.buffer.advance(at),
                    None if self.ended || self.buffer.len() >= MAX_JUNK => {
                        return Err(self.unknown());
                    }
                    None => return Ok(()),
                }
                Format::Mjpeg(mjpeg::Splitter::new())
            }
        };
        self.begin(format);
        Ok(())
    }

    /// Goes on with a format; those with one track know it at once.
    fn begin(&mut self, format: Format) {
        match &format {
            Format::Mjpeg(_) | Format::Mpjpeg(_) => self.found.tracks.push(mjpeg::codec()),
            Format::Y4m(header) => self.found.tracks.push(header.codec()),
            Format::Wav(header) | Format::Mulaw(header) => self.found.tracks.push(header.codec()),
            Format::Adts(_)
            | Format::Packed(_)
            | Format::AnnexB(_)
            | Format::Flv(_)
            | Format::Mp4(_)
            | Format::MpegTs(_) => {}
        }
        self.found.complete = !self.found.tracks.is_empty();
        self.format = Some(format);
    }

    /// Looks for bytes, each place once.
    fn find<const N: usize>(&mut self, bytes: [u8; N]) -> Option<usize> {
        let from = self.searched.saturating_sub(N - 1);
        let rest = self.buffer.get(from..).unwrap_or_default();
        self.searched = self.buffer.len();
        rest.windows(N).position(|window| window == bytes).map(|at| from + at)
    }

    fn begins_with_box(&self) -> bool {
        let name = self.buffer.get(4..).and_then(|rest| rest.first_chunk::<4>());
        name.is_some_and(|name| mp4::is_first_box(*name))
    }

    fn unknown(&self) -> Error {
        let mut first = [0; 4];
        first.iter_mut().zip(&self.buffer).for_each(|(to, from)| *to = *from);
        Error::UnknownFormat(first)
    }
}

#[cfg(test)]
mod tests;
