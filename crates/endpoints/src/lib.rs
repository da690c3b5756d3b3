//! Sources and outputs (layer 3): the only library that opens sockets,
//! devices, files and processes.
//!
//! A source is a module in [`sources`] and an entry in [`table`]; an output is a
//! module in [`outputs`]. What several of them need is in [`io`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod context;
pub mod io;
pub mod modules;
pub mod outputs;
pub mod parameters;
pub mod sources;
pub mod table;

pub use context::Context;
