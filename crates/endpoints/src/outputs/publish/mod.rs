//! Servers that streams are published to, one module per protocol
//! (`docs/outputs/publish.md`). Each sends until it ends; none retries: the stream
//! begins again by itself.

pub mod rtsp;
