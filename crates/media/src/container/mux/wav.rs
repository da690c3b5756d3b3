//! Sound as a WAV file without an end (RIFF WAVE): G.711 and 16 bit PCM.
//!
//! Both lengths are the largest there are, which readers of pipes take for "until
//! it ends". Times are not written: sound that was lost is not replaced.

use super::{Chunks, Error};
use crate::codec::{Codec, CodecId};
use crate::frame::{Frame, Payload};

/// Writes one track of samples.
#[derive(Debug)]
pub struct Muxer {
    header: Vec<u8>,
    /// Samples come with the high byte first.
    swap: bool,
}

impl Muxer {
    /// For the first track; others are left out.
    ///
    /// # Errors
    /// It is neither G.711 nor 16 bit PCM.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        let codec = codecs.first().ok_or(Error::Missing("wav", "no track"))?;
        let (format, bytes) = match codec.id {
            CodecId::L16 | CodecId::Pcml => (1_u16, 2_u16),
            CodecId::Pcma => (6, 1),
            CodecId::Pcmu => (7, 1),
            ref other => return Err(Error::Unsupported("wav", other.clone())),
        };
        let (rate, channels) = (codec.timestamp_rate(), u16::from(codec.channels.max(1)));
        let block = bytes * channels;
        let mut header = b"RIFF\xff\xff\xff\xffWAVEfmt ".to_vec();
        header.extend(if format == 1 { 16_u32 } else { 18 }.to_le_bytes());
        header.extend(format.to_le_bytes());
        header.extend(channels.to_le_bytes());
        header.extend(rate.to_le_bytes());
        header.extend((rate.saturating_mul(u32::from(block))).to_le_bytes());
        header.extend(block.to_le_bytes());
        header.extend((bytes * 8).to_le_bytes());
        if format != 1 {
            // No extension.
            header.extend([0, 0]);
        }
        header.extend(b"data\xff\xff\xff\xff");
        Ok(Self { header, swap: codec.id == CodecId::L16 })
    }
}

impl super::Muxer for Muxer {
    fn begin(&mut self, out: &mut Chunks) {
        out.copy(&self.header);
    }

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        match &frame.payload {
            Payload::Data(data) if track == 0 && self.swap => {
                out.append(
                    data.as_chunks().0.iter().flat_map(|[high, low]| [*low, *high]).collect(),
                );
            }
            Payload::Data(data) if track == 0 => out.share(data),
            _ => {}
        }
    }
}
