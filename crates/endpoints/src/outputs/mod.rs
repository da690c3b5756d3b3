//! Outputs, one module per format or server.

pub mod mp4;
pub mod picture;
pub mod rtsp;
pub mod trial;
pub mod webrtc;
