//! MPEG audio frames in containers: their codec, and where each of them ends.

use bytes::{Bytes, BytesMut};

use super::Error;
use crate::codec::mpa::Header;
use crate::codec::{Codec, CodecId};
use crate::time::rescale;

/// Clock of its times in Hz: that of RTP (RFC 3551 4.5.13). The frames say the rate
/// of their samples.
const CLOCK: u32 = 90_000;

/// The codec, with the clock that RTP has for it.
pub fn codec() -> Codec {
    Codec::new(CodecId::Mpa).clock(CLOCK)
}

/// Takes one frame from the front of the buffer, with its duration in ticks of the
/// codec's clock. `None` if more bytes are needed.
///
/// # Errors
/// No header in front.
pub fn take(buffer: &mut BytesMut) -> Result<Option<(Bytes, u32)>, Error> {
    if buffer.len() < 4 {
        return Ok(None);
    }
    let header = Header::parse(buffer).ok_or(Error::Broken("MPEG audio"))?;
    if buffer.len() < header.len {
        return Ok(None);
    }
    let duration = rescale(i64::from(header.samples), header.rate, CLOCK);
    let frame = buffer.split_to(header.len).freeze();
    Ok(Some((frame, u32::try_from(duration).unwrap_or(0))))
}
