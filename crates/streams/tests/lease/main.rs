//! Leases under a paused clock: when a source is released, adopted, waited for,
//! tried again, and what its viewers keep meanwhile.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod again;
mod lab;
mod random;
mod viewers;
