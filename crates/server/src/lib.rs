//! The server (layer 4): configuration, HTTP API, web interface, logging and the
//! wiring of everything into one program.
//!
//! [`app::App`] is the program: load it, then run it. The binary adds the command
//! line and signals.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod boot;
pub mod cli;
pub mod config;
pub mod http;
pub mod ledger;
pub mod live;
pub mod logging;
pub mod metrics;
pub mod modules;
pub mod process;
pub mod secrets;
pub mod version;
