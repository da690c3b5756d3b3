//! All camera protocols but RTSP and WebRTC, one folder each (layer 1).
//!
//! RTSP and WebRTC have crates of their own because of their size. How a
//! protocol is added is in `CONTRIBUTING.md`. What the kernel says about networks
//! is read here too: it is bytes like any others.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod hls;
pub mod rtnetlink;
