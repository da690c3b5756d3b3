//! For tests only: the bodies of the fuzz targets, an emulated
//! network, a UDP relay that puts it between real programs, and a WebRTC viewer
//! and publisher without a browser.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

pub mod fuzz;
pub mod netem;
mod peer;
pub mod publisher;
pub mod relay;
pub mod viewer;
