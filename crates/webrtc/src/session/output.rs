//! What comes out of a session.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::liveness::Reason;
use crate::{CandidateKind, Protocol};

/// The addresses a session runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Ours.
    pub local: SocketAddr,
    /// The viewer's.
    pub remote: SocketAddr,
    /// How the viewer's address was learned.
    pub kind: CandidateKind,
}

/// A packet of the viewer's own sound or picture.
#[derive(Clone, Debug)]
pub struct Received {
    /// Index of the track in the selection.
    pub track: usize,
    /// Its source.
    pub ssrc: u32,
    /// Sequence number, extended beyond 16 bits.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP payload type, as in the offer.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// RTP payload.
    pub payload: Arc<[u8]>,
    /// The newest sender report of its source: a wall-clock time and the RTP
    /// timestamp of the same moment.
    pub report: Option<(SystemTime, u32)>,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code.
    pub reason: Reason,
    /// More about it, for people; may be empty.
    pub detail: String,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reason, self.detail.as_str()) {
            (reason, "") => f.write_str(reason.code()),
            (Reason::ConnectTimeout, detail) => write!(f, "no network path: {detail}"),
            (Reason::DtlsFatal, detail) => write!(f, "failed: {detail}"),
            (_, detail) => f.write_str(detail),
        }
    }
}

/// What a session tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A viewer's check from this address was authenticated: datagrams from it
    /// are this session's. Comes once per address.
    Peer(Protocol, SocketAddr),
    /// Media can be sent. Comes once.
    Connected,
    /// The first, or another, pair of addresses is in use.
    PairChanged(Pair),
    /// The viewer cannot decode a track that we send and asks for a keyframe.
    KeyframeRequest(usize),
    /// The viewer missed pictures of a track that we send: begin with a keyframe.
    Resync(usize),
    /// A packet of the viewer's own sound or picture.
    Received(Received),
    /// Take the camera again: the viewer is back, or has come at last.
    Hold,
    /// Let go of the camera. The session stays; [`Event::Hold`] may follow.
    Release {
        /// Why.
        reason: Reason,
        /// When something authentic of the viewer was heard last.
        heard: Instant,
    },
    /// The session has ended. Comes once, after [`Event::Release`] if the camera
    /// was held; let go of everything else now.
    Closed(CloseReason),
}

/// A datagram to send.
#[derive(Debug)]
pub struct Transmit {
    /// UDP, or TCP with framing.
    pub protocol: Protocol,
    /// Send it from this address.
    pub source: SocketAddr,
    /// Send it to this address.
    pub destination: SocketAddr,
    /// The datagram.
    pub contents: Vec<u8>,
}

/// One result of [`poll_output`](crate::Session::poll_output).
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit(Transmit),
    /// Take notice of this.
    Event(Event),
    /// Nothing more before this time or the next input.
    Timeout(Instant),
}
