//! The built-in demo camera as pure functions: a test picture and a tone that
//! depend on nothing but the frame counter, the wall clock handed in and the
//! parameters of the `demo:` address.
//!
//! - [`Params`] of `demo:?width=1280&height=720&fps=30&gop=60&video=h264&audio=opus`.
//! - [`Pattern`]: picture number N at wall clock T.
//! - [`strip`]: frame counter and wall clock as black and white cells, for
//!   programs that look at a decoded picture or a screenshot.
//! - [`Tone`]: a beep at each full second of the frame counter.

mod clock;
mod font;
mod paint;
mod params;
mod pattern;
pub mod strip;
mod tone;

pub use params::{Audio, ParamError, Params, Video};
pub use pattern::Pattern;
pub use tone::{BEEP_MS, Tone};
