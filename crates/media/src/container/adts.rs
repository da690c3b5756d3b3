//! AAC with ADTS headers (`-f adts`, ISO/IEC 14496-3 1.A.3): one access unit
//! per header is what encoders write, and the only form read here.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Error;
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{Codec, CodecId};
use crate::track::Kind;

/// Bytes needed to read a header: with CRC.
pub(super) const MAX_HEADER: usize = 9;

/// The codec told by the first header; `None` if more bytes are needed.
///
/// # Errors
/// No header in front.
pub fn codec(buffer: &[u8]) -> Result<Option<Codec>, Error> {
    Ok(header(buffer)?.map(|header| {
        let config = header.config();
        let codec = Codec::new(CodecId::Aac).clock(config.rate).channels(config.channels);
        codec.fmtp(config.to_fmtp())
    }))
}

/// Takes access units that all have the parameters of the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    config: Option<AudioSpecificConfig>,
}

impl Reader {
    /// Takes one access unit from the front of the buffer, with its duration in samples.
    ///
    /// # Errors
    /// No header in front, or one that says something else than the first.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<(Bytes, u32)>, Error> {
        let Some(header) = header(buffer)? else { return Ok(None) };
        if buffer.len() < header.frame_len {
            return Ok(None);
        }
        let config = header.config();
        if *self.config.get_or_insert(config) != config {
            return Err(Error::Changed(Kind::Audio));
        }
        let mut frame = buffer.split_to(header.frame_len);
        frame.advance(header.header_len.min(frame.len()));
        Ok(Some((frame.freeze(), 1024)))
    }
}

fn header(buffer: &[u8]) -> Result<Option<AdtsHeader>, Error> {
    match AdtsHeader::parse(buffer) {
        None if buffer.len() >= MAX_HEADER => Err(Error::Broken("ADTS")),
        header => Ok(header),
    }
}
