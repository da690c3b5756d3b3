//! Audio encoders: interleaved 16-bit PCM in, one packet out.

mod g711;
pub mod opus;

pub use g711::{G711, Law};

use bytes::Bytes;

use crate::Result;

/// One block of PCM in, one packet out.
pub trait Encoder: Send {
    /// Samples per second and channel; also the RTP clock of the packets.
    fn sample_rate(&self) -> u32;

    /// Channels, interleaved in the input.
    fn channels(&self) -> u8;

    /// Samples per channel that one call of [`Self::encode`] takes.
    fn frame_samples(&self) -> usize;

    /// Encodes exactly `frame_samples() * channels()` samples.
    ///
    /// # Errors
    ///
    /// The block has another length, or the library failed.
    fn encode(&mut self, pcm: &[i16]) -> Result<Bytes>;
}
