//! For tests only: the bodies of the fuzz targets, an emulated
//! network, a UDP relay that puts it between real programs, a WebRTC viewer
//! and publisher without a browser, and a strict reader of HLS playlists.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

pub mod fuzz;
pub mod netem;
mod peer;
pub mod playlist;
pub mod publisher;
pub mod relay;
pub mod viewer;
