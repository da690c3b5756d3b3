//! What happens to viewers when something about their stream changes, under a
//! paused clock: other sources, something played to the camera, publishing,
//! hundreds of preloads.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod dials;
mod floor;
mod lab;
mod moving;
mod opening;
mod play;
mod publish;
