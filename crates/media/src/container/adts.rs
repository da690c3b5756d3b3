//! AAC with ADTS headers (`-f adts`, ISO/IEC 14496-3 1.A.3): one access unit
//! per header is what encoders write, and the only form read here.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Error;
use crate::codec::aac::AdtsHeader;
use crate::codec::{Codec, CodecId};

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

/// Takes one access unit from the front of the buffer, with its duration in samples.
///
/// # Errors
/// No header in front.
pub fn take(buffer: &mut BytesMut) -> Result<Option<(Bytes, u32)>, Error> {
    let Some(header) = header(buffer)? else { return Ok(None) };
    if buffer.len() < header.frame_len {
        return Ok(None);
    }
    let mut frame = buffer.split_to(header.frame_len);
    frame.advance(header.header_len.min(frame.len()));
    Ok(Some((frame.freeze(), 1024)))
}

fn header(buffer: &[u8]) -> Result<Option<AdtsHeader>, Error> {
    match AdtsHeader::parse(buffer) {
        None if buffer.len() >= MAX_HEADER => Err(Error::Broken("ADTS")),
        header => Ok(header),
    }
}
