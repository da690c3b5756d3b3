//! What every layer shares (layer 0): error kinds, secrets, addresses, HTTP
//! heads and authentication, checked readers, backoff. Pure: no IO, no clocks.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod error;
mod secret;

pub use error::{Error, ErrorKind};
pub use secret::{Redacted, Secret, mask};
