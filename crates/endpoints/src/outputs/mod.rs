//! Outputs, one module per format or server.

pub mod rtsp;
pub mod trial;
pub mod webrtc;
