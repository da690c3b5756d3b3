//! What every layer shares (layer 0): error kinds, secrets, addresses, HTTP
//! heads and authentication, wrong logins, checked readers, backoff, replaceable settings. Pure: no IO, no clocks.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backoff;
pub mod bits;
mod current;
mod error;
pub mod http;
mod nearest;
mod net;
pub mod reader;
mod secret;
pub mod throttle;
pub mod url;

pub use backoff::Backoff;
pub use bits::BitReader;
pub use current::Current;
pub use error::{Error, ErrorKind};
pub use nearest::nearest;
pub use net::is_inside;
pub use reader::{Reader, UnexpectedEnd};
pub use secret::{Redacted, RedactedTarget, Secret, holds_mask, mask, may_hold_secret};
pub use url::{Fragment, Url};
