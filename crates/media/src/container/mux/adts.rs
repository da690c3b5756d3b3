//! AAC with ADTS headers (ISO/IEC 14496-3 1.A.2.2): a header per access unit.

use super::{Chunks, Error};
use crate::codec::aac::{AdtsHeader, AudioSpecificConfig};
use crate::codec::{Codec, CodecId};
use crate::frame::{Frame, Payload};

/// Writes one track of AAC.
#[derive(Debug)]
pub struct Muxer {
    config: AudioSpecificConfig,
}

impl Muxer {
    /// For the first track; others are left out.
    ///
    /// # Errors
    /// It is not AAC, or an AAC that ADTS has no header for.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        let codec = codecs.first().ok_or(Error::Missing("adts", "no track"))?;
        Ok(Self { config: config("adts", codec)? })
    }
}

impl super::Muxer for Muxer {
    fn begin(&mut self, _: &mut Chunks) {}

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        if let (0, Payload::Data(data)) = (track, &frame.payload)
            && let Some(header) = AdtsHeader::new(&self.config, data.len())
        {
            out.copy(&header.write());
            out.share(data);
        }
    }
}

/// What ADTS headers of a codec say; `name` is that of the container.
pub(super) fn config(name: &'static str, codec: &Codec) -> Result<AudioSpecificConfig, Error> {
    if codec.id != CodecId::Aac {
        return Err(Error::Unsupported(name, codec.id.clone()));
    }
    let plain = AudioSpecificConfig::lc(codec.timestamp_rate(), codec.channels.max(1));
    let config = AudioSpecificConfig::from_fmtp(&codec.fmtp).unwrap_or(plain);
    // A unit of any size shows whether there is a header at all.
    match AdtsHeader::new(&config, 0) {
        Some(_) => Ok(config),
        None => Err(Error::Missing(name, "a kind of AAC that ADTS can tell of")),
    }
}
