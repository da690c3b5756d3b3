//! Decoding H.264 through OpenH264: progressive pictures of 8 bits in 4:2:0, up
//! to 36864 macroblocks (4096x2304), profiles up to High.

use bytes::Bytes;
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, DecoderConfig, Flush};
use openh264::formats::YUVSource as _;

use super::{CODEC, library};
use crate::video::I420Frame;
use crate::{Error, Result};

/// H.264 decoder, on the calling thread.
///
/// Damage is never covered up: a unit that cannot be decoded is an error, and
/// what builds on it may be one too until the next keyframe.
pub struct Decoder {
    inner: openh264::decoder::Decoder,
    /// The access unit with start codes; kept, so that it is allocated once.
    annex_b: Vec<u8>,
    full_range: bool,
}

impl Decoder {
    /// Sets up the library. `full_range`: luma of the stream uses 0..=255, as
    /// `video_full_range_flag` of its parameter set says (ITU-T H.264 E.2.1).
    ///
    /// # Errors
    ///
    /// The library could not be set up.
    pub fn new(full_range: bool) -> Result<Self> {
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let inner = openh264::decoder::Decoder::with_api_config(OpenH264API::from_source(), config)
            .map_err(library)?;
        Ok(Self { inner, annex_b: Vec::new(), full_range })
    }

    fn load(&mut self, units: &[Bytes]) -> Result<()> {
        self.annex_b.clear();
        for unit in units {
            self.annex_b.extend_from_slice(&[0, 0, 0, 1]);
            self.annex_b.extend_from_slice(unit);
        }
        if i32::try_from(self.annex_b.len()).is_err() {
            let reason = format!("an access unit of {} bytes", self.annex_b.len());
            return Err(Error::Input { codec: CODEC, reason });
        }
        Ok(())
    }
}

impl crate::video::Decoder for Decoder {
    fn pass(&mut self, units: &[Bytes]) -> Result<()> {
        self.load(units)?;
        self.inner.decode(&self.annex_b).map_err(library).map(drop)
    }

    fn decode(&mut self, units: &[Bytes]) -> Result<Option<I420Frame>> {
        self.load(units)?;
        let decoded = self.inner.decode(&self.annex_b).map_err(library)?;
        Ok(decoded.map(|decoded| taken(&decoded, self.full_range)))
    }

    fn flush(&mut self) -> Result<Option<I420Frame>> {
        let rest = self.inner.flush_remaining().map_err(library)?;
        Ok(rest.last().map(|decoded| taken(decoded, self.full_range)))
    }
}

/// A copy of the library's picture, rows without padding.
fn taken(decoded: &DecodedYUV<'_>, full_range: bool) -> I420Frame {
    let (width, height) = decoded.dimensions();
    // An odd size cannot be: 4:2:0 cropping counts in units of two samples.
    let (width, height) = (width & !1, height & !1);
    let (y_stride, u_stride, v_stride) = decoded.strides();
    I420Frame {
        width,
        height,
        y: packed(decoded.y(), y_stride, width, height),
        u: packed(decoded.u(), u_stride, width / 2, height / 2),
        v: packed(decoded.v(), v_stride, width / 2, height / 2),
        full_range,
    }
}

fn packed(plane: &[u8], stride: usize, width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(width * height);
    for row in plane.chunks(stride.max(1)).take(height) {
        out.extend_from_slice(row.get(..width).unwrap_or(row));
    }
    out.resize(width * height, 0);
    out
}
