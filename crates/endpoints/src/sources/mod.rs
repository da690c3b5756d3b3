//! Sources, one module per scheme. Each opens and runs; none retries.

pub mod demo;
pub mod exec;
pub mod ffmpeg;
pub mod http;
pub mod rtsp;
pub mod tcp;
