//! Frame in, frame out: the codec libraries behind small traits, and the pure
//! generator of the built-in demo camera.
//!
//! - [`video`]: planar pictures, [`video::Encoder`], H.264 (feature `h264`) and JPEG.
//! - [`audio`]: [`audio::Encoder`], Opus and G.711.
//! - [`ascii`]: pictures as text.
//! - [`demo`]: test picture, machine-readable strip, tone and `demo:` parameters.
//!
//! Nothing here reads a clock, starts a thread or opens anything: time is an
//! argument, and every function returns the same output for the same input.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod ascii;
pub mod audio;
pub mod demo;
mod error;
pub mod video;

pub use error::{Error, Result};
pub use rs2rtc_media::codec::g711;
