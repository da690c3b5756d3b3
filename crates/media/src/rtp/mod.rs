//! RTP: headers, RTCP, packetising and depacketising (RFC 3550 and the payload
//! formats of RFC 2435, 3551, 3640, 6184, 7587 and 7798).

pub mod depay;
mod header;
mod jpeg;
pub mod pay;
pub mod rtcp;

pub use header::{Extension, Header, HeaderError, PayloadType, SeqNo, Ssrc, parse};
