//! Sound in RIFF WAVE (`-f wav`): G.711 and 16 bit PCM. Written to a pipe the
//! lengths are not known; the data goes on to the end.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Error;
use crate::codec::{Codec, CodecId, pcm};

/// Chunks in front of the data are small.
const MAX_HEADER: usize = 64 * 1024;
/// Packets in a second.
const PACKETS: u32 = 50;

/// The format tag of a format that is told further behind (`WAVE_FORMAT_EXTENSIBLE`), where
/// in the chunk it is, and the rest of the identifiers that begin with a format tag.
const EXTENSIBLE: u16 = 0xfffe;
const SUBFORMAT: usize = 24;
const OF_TAG: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

/// What the format chunk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Format tag: 1 PCM, 6 A-law, 7 µ-law.
    pub format: u16,
    /// Channels, at least 1.
    pub channels: u8,
    /// Samples a second, not 0.
    pub rate: u32,
}

impl Header {
    /// Takes everything up to the first sample from the front of the buffer;
    /// nothing while that has not come.
    ///
    /// # Errors
    /// Not a WAVE file, a codec that is not supported, or a header without end.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, Error> {
        let Some((form, mut rest)) = buffer.split_at_checked(12) else { return Ok(None) };
        if !form.starts_with(b"RIFF") || !form.ends_with(b"WAVE") {
            return Err(Error::Broken("WAV"));
        }
        let mut found = None;
        while let Some(([id @ .., l0, l1, l2, l3], body)) = rest.split_first_chunk::<8>() {
            if id == b"data" {
                let header = found.ok_or(Error::Broken("WAV"))?;
                let length = buffer.len() - body.len();
                buffer.advance(length);
                return Ok(Some(header));
            }
            let length = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3]));
            // Chunks are padded to an even length.
            let padded = length.ok().filter(|l| *l <= MAX_HEADER).map(|l| l + l % 2);
            let Some((chunk, tail)) = body.split_at_checked(padded.ok_or(Error::TooLarge("WAV"))?)
            else {
                return Ok(None);
            };
            if id == b"fmt " {
                found = Some(Self::parse(chunk)?);
            }
            rest = tail;
        }
        if buffer.len() > MAX_HEADER { Err(Error::TooLarge("WAV")) } else { Ok(None) }
    }

    fn parse(chunk: &[u8]) -> Result<Self, Error> {
        let head = chunk.first_chunk::<16>().ok_or(Error::Broken("WAV"))?;
        let [t0, t1, c0, c1, r0, r1, r2, r3, .., b0, b1] = *head;
        let mut format = u16::from_le_bytes([t0, t1]);
        let bits = u16::from_le_bytes([b0, b1]);
        if format == EXTENSIBLE {
            // The format tag is the beginning of an identifier.
            let [t0, t1, identifier @ ..] = *chunk
                .get(SUBFORMAT..)
                .and_then(|rest| rest.first_chunk::<16>())
                .ok_or(Error::Broken("WAV"))?;
            if identifier == OF_TAG {
                format = u16::from_le_bytes([t0, t1]);
            }
        }
        if !matches!((format, bits), (1, 16) | (6 | 7, 8)) {
            return Err(Error::UnsupportedWav(format));
        }
        let channels =
            u8::try_from(u16::from_le_bytes([c0, c1])).ok().filter(|c| (1..=8).contains(c));
        let rate = Some(u32::from_le_bytes([r0, r1, r2, r3])).filter(|r| (1..=768_000).contains(r));
        match (channels, rate) {
            (Some(channels), Some(rate)) => Ok(Self { format, channels, rate }),
            _ => Err(Error::Broken("WAV")),
        }
    }

    /// The codec of the samples.
    pub const fn codec(&self) -> Codec {
        let id = match self.format {
            6 => CodecId::Pcma,
            7 => CodecId::Pcmu,
            _ => CodecId::Pcml,
        };
        Codec::new(id).clock(self.rate).channels(self.channels)
    }

    /// Takes 20 ms of sound from the front of the buffer, with its duration in samples.
    pub fn take_samples(&self, buffer: &mut BytesMut) -> Option<(Bytes, u32)> {
        let duration = (self.rate / PACKETS).max(1);
        let sample = pcm::sample_bytes(&self.codec())?;
        let length = sample.checked_mul(usize::try_from(duration).ok()?)?;
        if buffer.len() < length {
            return None;
        }
        Some((buffer.split_to(length).freeze(), duration))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header as written to a pipe, with a chunk that says nothing.
    pub(crate) fn header(format: u16, channels: u16, rate: u32) -> Vec<u8> {
        let bits: u16 = if format == 1 { 16 } else { 8 };
        let block = channels * bits / 8;
        let mut out = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
        out.extend(format.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend((rate * u32::from(block)).to_le_bytes());
        out.extend(block.to_le_bytes());
        out.extend(bits.to_le_bytes());
        out.extend(b"LIST\x03\0\0\0abc\0data\xff\xff\xff\xff");
        out
    }

    /// A header with the long form of the format, as written above 48 kHz.
    fn extensible(format: u16, identifier: &[u8]) -> Vec<u8> {
        let mut chunk = header(1, 2, 96_000)[20..36].to_vec();
        chunk[..2].copy_from_slice(&EXTENSIBLE.to_le_bytes());
        chunk.extend(b"\x16\0\x10\0\x03\0\0\0");
        chunk.extend(format.to_le_bytes());
        chunk.extend(identifier);
        let length = u32::try_from(chunk.len()).unwrap();
        let head = [&b"RIFF\xff\xff\xff\xffWAVEfmt "[..], &length.to_le_bytes()].concat();
        [head, chunk, b"data\xff\xff\xff\xff".to_vec()].concat()
    }

    #[test]
    fn the_long_form_of_the_format() {
        let take = |bytes: &[u8]| Header::take(&mut BytesMut::from(bytes));
        let pcm = Header { format: 1, channels: 2, rate: 96_000 };
        assert_eq!(take(&extensible(1, &OF_TAG)), Ok(Some(pcm)));
        assert_eq!(take(&extensible(3, &OF_TAG)), Err(Error::UnsupportedWav(3)));
        assert_eq!(take(&extensible(1, &[7; 14])), Err(Error::UnsupportedWav(EXTENSIBLE)));
        let whole = extensible(1, &OF_TAG);
        for at in 0..whole.len() {
            assert_eq!(take(&whole[..at]), Ok(None), "{at}");
        }
        for missing in (2..=14).step_by(2) {
            let cut = extensible(1, &OF_TAG[..14 - missing]);
            assert_eq!(take(&cut), Err(Error::Broken("WAV")), "{missing}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        let take = |bytes: &[u8]| Header::take(&mut BytesMut::from(bytes));
        assert_eq!(take(&header(3, 1, 8000)), Err(Error::UnsupportedWav(3)));
        assert_eq!(take(&header(1, 0, 8000)), Err(Error::Broken("WAV")));
        assert_eq!(take(b"RIFF....AVI LIST"), Err(Error::Broken("WAV")));
        assert_eq!(take(b"RIFF....WAVEdata...."), Err(Error::Broken("WAV")));
        assert_eq!(take(b"RIFF....WAVELIST\xff\xff\xff\xff"), Err(Error::TooLarge("WAV")));
        assert_eq!(take(&header(6, 1, 8000)[..40]), Ok(None));
    }
}
