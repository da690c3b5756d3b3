//! For tests only: the bodies of the fuzz targets.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

pub mod fuzz;
