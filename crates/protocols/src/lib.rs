//! All camera protocols but RTSP and WebRTC, one folder each (layer 1).
//!
//! None is here yet: RTSP and WebRTC have crates of their own because of their
//! size. How a protocol is added is in `CONTRIBUTING.md`.

#![forbid(unsafe_code)]
