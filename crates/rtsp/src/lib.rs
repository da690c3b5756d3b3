//! RTSP 1.0 (RFC 2326) as a camera gateway needs it: message codec, client
//! machine (play and publish), server machine (play and publish). Media goes
//! over the RTSP connection (section 10.12); session descriptions are bytes
//! here. Pure: no sockets, no clocks; the driver gives bytes and time.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod client;
mod decoder;
pub mod header;
pub mod message;
pub mod server;

pub use decoder::{Decoder, Skipped};
pub use message::{Interleaved, Message, MessageError, Method, Request, Response};
