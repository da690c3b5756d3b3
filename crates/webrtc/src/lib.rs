//! WebRTC sessions (layer 1): offers, answers, the session machine.
//!
//! Two phases, so that nothing is built for an offer that cannot be used:
//! [`Offer::parse`] says in the gateway's terms what a viewer wants; once the
//! tracks are chosen, [`Session::accept`] makes the session and its answer.
//!
//! A session is sans-IO: datagrams, frames and time go in, datagrams, events
//! and the next deadline come out of [`Session::poll_output`]. It consists of a
//! transport (SDP, ICE, DTLS, incoming RTCP and data channels, from str0m) and
//! a media sender behind a seam, so that nobody outside knows which one is used.
//!
//! Rules: `spec/protocols-standard.md` 8, JSEP (RFC 9429), BUNDLE (RFC 9143).

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::disallowed_methods))]

mod answer;
pub mod binding;
mod candidate;
mod certificate;
mod error;
pub mod framing;
pub mod liveness;
mod offer;
mod profile;
mod sdp;
mod session;
pub mod stun;

pub use candidate::{
    CandidateKind, ConfiguredAddress, LocalCandidate, Protocol, configured_candidates,
};
pub use certificate::Certificate;
pub use error::Error;
pub use offer::{Offer, Role};
pub use session::{
    Accept, Accepted, CloseReason, Config, Event, Output, Pair, Received, Selected, Session,
    Transmit,
};
