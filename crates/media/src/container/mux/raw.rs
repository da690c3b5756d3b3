//! Units one after another without a container: H.264 and H.265 with start codes
//! (ITU-T H.264 and H.265 annex B), and MPEG audio, whose frames have headers.

use super::{Chunks, Error};
use crate::codec::{Codec, CodecId};
use crate::frame::{Frame, Payload};

/// Writes one track.
#[derive(Debug)]
pub struct Muxer;

impl Muxer {
    /// For the first track; others are left out.
    ///
    /// # Errors
    /// Its units cannot be told apart without a container.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        let codec = codecs.first().ok_or(Error::Missing("raw", "no track"))?;
        match codec.id {
            CodecId::H264 | CodecId::H265 | CodecId::Mpa => Ok(Self),
            ref other => Err(Error::Unsupported("raw", other.clone())),
        }
    }
}

impl super::Muxer for Muxer {
    fn begin(&mut self, _: &mut Chunks) {}

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        match &frame.payload {
            Payload::Nals(nals) if track == 0 => {
                for nal in nals {
                    out.copy(&[0, 0, 0, 1]);
                    out.share(nal);
                }
            }
            Payload::Data(data) if track == 0 => out.share(data),
            _ => {}
        }
    }
}
