//! For tests only: the bodies of the fuzz targets, an emulated
//! network, a UDP relay that puts it between real programs, a WebRTC viewer
//! and publisher without a browser, a strict reader of HLS playlists, the recorded
//! streams, and foreign programs as judges.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]

pub mod fuzz;
pub mod judge;
pub mod netem;
mod peer;
pub mod playlist;
pub mod publisher;
pub mod recorded;
pub mod relay;
pub mod viewer;
