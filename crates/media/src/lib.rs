//! Pure media: frames, codecs, RTP and SDP (layer 0).
//!
//! Nothing here does IO, knows a clock or runs a task. The unit that travels
//! through the gateway is a [`Frame`]: one access unit or one audio packet, on
//! a timeline that the [`time`] module repairs once for all outputs.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::disallowed_methods))]

pub mod codec;
pub mod container;
pub mod filter;
pub mod frame;
pub mod hls;
pub mod rtp;
pub mod sdp;
pub mod time;
mod track;

pub use codec::{Codec, CodecId};
pub use frame::{Frame, Payload};
pub use track::{Direction, Kind, Match, Media, match_medias};
