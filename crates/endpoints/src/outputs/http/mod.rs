//! Endless answers over HTTP: a stream in a container, from its newest picture
//! on, for as long as the client takes it (`docs/outputs/http.md`).
//!
//! ```text
//! Track ─┐
//! Track ─┴─> FrameQueue ─> Output: a Muxer ─> short channel ─> connection
//! ```
//!
//! An [`Output`] is a task that holds the stream, writes its frames with a
//! [`Muxer`](rs2rtc_media::container::mux::Muxer) and hands them on. What the
//! connection does not take waits in the queue: a viewer that does not keep up
//! goes on with a newer keyframe, and is sent away if it never does. The channel
//! ends with the connection, which [`crate::io::wire`] watches.

mod output;

pub use output::{Output, codecs};

#[cfg(test)]
mod tests;
