//! Containers read from a byte stream, told apart by their first bytes.
//!
//! For programs that write to a pipe: [`mjpeg`] (bare or multipart), [`adts`]
//! and [`wav`]. Each has one track. Input comes in pieces of any size.

pub mod adts;
pub mod mjpeg;
pub mod wav;

use bytes::{Bytes, BytesMut};

use crate::codec::Codec;

/// Bytes that may pass before the format is recognised.
const MAX_PROBE: usize = 64 * 1024;

/// Why a stream cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of the formats known here.
    #[error("unknown format of the data")]
    UnknownFormat,
    /// A WAV file with something other than G.711 or 16 bit PCM.
    #[error("unsupported WAV codec {0}")]
    UnsupportedWav(u16),
    /// Not what the format says.
    #[error("broken {0} data")]
    Broken(&'static str),
    /// A unit that is larger than any sane one.
    #[error("{0} unit is too large")]
    TooLarge(&'static str),
}

/// One picture or one packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its bytes, without framing.
    pub data: Bytes,
    /// How long it lasts in ticks of the codec's clock; 0 if the format does not
    /// say (pictures).
    pub duration: u32,
}

#[derive(Debug)]
enum Format {
    Mjpeg(mjpeg::Splitter),
    Adts,
    Wav(wav::Header),
}

/// Reads a stream of one of the formats.
#[derive(Debug, Default)]
pub struct Demuxer {
    buffer: BytesMut,
    open: Option<(Format, Codec)>,
}

impl Demuxer {
    /// A demuxer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The codec of the track, once enough has come to know it.
    ///
    /// # Errors
    /// The format is none of those known here, or broken.
    pub fn codec(&mut self) -> Result<Option<&Codec>, Error> {
        if self.open.is_none() {
            self.open = self.recognise()?;
            if self.open.is_none() && self.buffer.len() > MAX_PROBE {
                return Err(Error::UnknownFormat);
            }
        }
        Ok(self.open.as_ref().map(|(_, codec)| codec))
    }

    fn recognise(&mut self) -> Result<Option<(Format, Codec)>, Error> {
        let Some(first) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        match first {
            [0xff, 0xd8, 0xff, _] => {
                Ok(Some((Format::Mjpeg(mjpeg::Splitter::new()), mjpeg::codec())))
            }
            [b'-', b'-', ..] | [b'\r', b'\n', b'-', b'-'] => {
                // Multipart: a picture must follow its header soon.
                let picture = self.buffer.windows(3).any(|w| w == [0xff, 0xd8, 0xff]);
                Ok(picture.then(|| (Format::Mjpeg(mjpeg::Splitter::new()), mjpeg::codec())))
            }
            b"RIFF" => Ok(wav::Header::take(&mut self.buffer)?
                .map(|header| (Format::Wav(header), header.codec()))),
            [0xff, second, ..] if second & 0xf6 == 0xf0 => {
                Ok(adts::codec(&self.buffer)?.map(|codec| (Format::Adts, codec)))
            }
            _ => Err(Error::UnknownFormat),
        }
    }

    /// Name of the format as FFmpeg says it; empty before it is known.
    pub fn format_name(&self) -> &'static str {
        match &self.open {
            None => "",
            Some((Format::Mjpeg(_), _)) => "mjpeg",
            Some((Format::Adts, _)) => "adts",
            Some((Format::Wav(_), _)) => "wav",
        }
    }

    /// The next unit, if a whole one has come.
    ///
    /// # Errors
    /// As [`Self::codec`], or a unit that is broken or too large.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, Error> {
        self.codec()?;
        match &mut self.open {
            None => Ok(None),
            Some((Format::Mjpeg(splitter), _)) => {
                let picture = splitter.take(&mut self.buffer)?;
                Ok(picture.map(|data| Unit { data, duration: 0 }))
            }
            Some((Format::Adts, _)) => adts::take(&mut self.buffer),
            Some((Format::Wav(header), _)) => Ok(header.take_samples(&mut self.buffer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of a stream that comes in pieces of `size` bytes.
    fn units(stream: &[u8], size: usize) -> (String, Vec<Unit>) {
        let mut demuxer = Demuxer::new();
        let mut units = Vec::new();
        for piece in stream.chunks(size) {
            demuxer.push(piece);
            while let Some(unit) = demuxer.next_unit().unwrap() {
                units.push(unit);
            }
        }
        (demuxer.codec().unwrap().map(ToString::to_string).unwrap_or_default(), units)
    }

    fn check(stream: &[u8], codec: &str, lengths: &[(usize, u32)]) {
        for size in [1, 2, 3, 7, 64, 100_000] {
            let (found, units) = units(stream, size);
            assert_eq!(found, codec);
            let found: Vec<_> = units.iter().map(|u| (u.data.len(), u.duration)).collect();
            assert_eq!(found, lengths, "in pieces of {size}");
        }
        for end in 0..stream.len() {
            let mut demuxer = Demuxer::new();
            demuxer.push(&stream[..end]);
            while let Ok(Some(_)) = demuxer.next_unit() {}
            let mut demuxer = Demuxer::new();
            demuxer.push(&stream[end..]);
            while let Ok(Some(_)) = demuxer.next_unit() {}
        }
    }

    #[test]
    fn pictures() {
        let picture = mjpeg::tests::PICTURE;
        let bare = [picture, picture, &[0, 0], picture, &[0xff, 0xd8]].concat();
        check(&bare, "JPEG", &[(picture.len(), 0); 3]);
        let head = b"--frame\r\nContent-type: image/jpeg\r\n\r\n";
        let multipart = [head, picture, b"\r\n", head, picture].concat();
        check(&multipart, "JPEG", &[(picture.len(), 0); 2]);
    }

    #[test]
    fn sound() {
        let frame = [&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc][..], &[1; 9]].concat();
        check(&[&frame[..], &frame, &frame].concat(), "MPEG4-GENERIC/44100/2", &[(9, 1024); 3]);
        let wav = [&wav::tests::header(7, 1, 8000)[..], &[0; 400]].concat();
        check(&wav, "PCMU/8000", &[(160, 160); 2]);
        let wav = [&wav::tests::header(1, 2, 16_000)[..], &[0; 1280]].concat();
        check(&wav, "PCML/16000/2", &[(1280, 320)]);
    }

    #[test]
    fn unknown_data_is_refused() {
        let mut demuxer = Demuxer::new();
        demuxer.push(b"hello");
        assert_eq!(demuxer.next_unit(), Err(Error::UnknownFormat));
        let mut demuxer = Demuxer::new();
        demuxer.push(&[b'-'; MAX_PROBE + 1]);
        assert_eq!(demuxer.codec(), Err(Error::UnknownFormat));
    }
}
