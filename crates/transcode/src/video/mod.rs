//! Pictures, video encoders and decoders.
//!
//! A picture is planar 4:2:0 ([`I420Frame`]); an encoder turns one picture into
//! one [`AccessUnit`] at once: nothing is reordered, nothing is held back. A
//! [`Decoder`] gives pictures in the order in which they are shown. [`Transform`]
//! changes their size and turns them.

#[cfg(feature = "h264")]
pub mod h264;
mod i420;
pub mod jpeg;
mod scale;
mod transform;

pub use i420::I420Frame;
pub use transform::{Rotation, Transform};

use bytes::Bytes;

use crate::Result;

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// H.264: the NAL units in order, without start codes, slices of one buffer;
    /// a keyframe begins with SPS and PPS. JPEG: one element, the whole image.
    pub units: Vec<Bytes>,
    /// Decoding can start here.
    pub keyframe: bool,
}

impl AccessUnit {
    /// Sum of the unit lengths in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.units.iter().map(Bytes::len).sum()
    }

    /// True when there is no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One picture in, one access unit out.
pub trait Encoder: Send {
    /// Encodes the next picture; `force_keyframe` makes it a keyframe, after which
    /// the group of pictures is counted anew.
    ///
    /// # Errors
    ///
    /// The picture has another size than agreed, or the library failed.
    fn encode(&mut self, picture: &I420Frame, force_keyframe: bool) -> Result<AccessUnit>;
}

/// Access units in, pictures out, in the order in which they are shown.
pub trait Decoder: Send {
    /// Decodes an access unit (NAL units without start codes) for the sake of
    /// those that build on it; its picture is not taken out, which saves a copy.
    ///
    /// # Errors
    ///
    /// The unit is damaged, or uses tools the library does not know.
    fn pass(&mut self, units: &[Bytes]) -> Result<()>;

    /// Decodes an access unit and gives the next picture to show. `None`: there is
    /// none yet, because pictures that come later may have to be shown first.
    ///
    /// # Errors
    ///
    /// As [`Self::pass`].
    fn decode(&mut self, units: &[Bytes]) -> Result<Option<I420Frame>>;

    /// No unit follows: gives the last picture to show, if any was held back.
    ///
    /// # Errors
    ///
    /// The library failed.
    fn flush(&mut self) -> Result<Option<I420Frame>>;
}
