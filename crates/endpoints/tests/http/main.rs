//! HTTP and TCP sources through the streams engine, from cameras on loopback that
//! answer as they are told.
#![allow(clippy::unwrap_used)]

mod camera;
#[path = "../certified/mod.rs"]
mod certified;
mod hls;
mod lab;
mod sources;
mod strangers;
mod tls;
#[path = "../watching/mod.rs"]
mod watching;
