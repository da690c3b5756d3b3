//! Outputs, one module per format or server.

pub mod hls;
pub mod http;
pub mod mp4;
pub mod picture;
pub mod publish;
pub mod rtsp;
#[cfg(test)]
mod scene;
pub mod trial;
pub mod webrtc;
