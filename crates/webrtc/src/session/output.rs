//! What comes out of a session.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

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
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The viewer said goodbye.
    CloseNotify,
    /// It never came; the text names the addresses tried.
    ConnectTimeout(String),
    /// Nothing was heard any more.
    Silence,
    /// ICE lost its last pair.
    Disconnected,
    /// The transport failed.
    Failed(String),
    /// We ended it.
    Local(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CloseNotify => f.write_str("close_notify"),
            Self::ConnectTimeout(text) => write!(f, "no network path: {text}"),
            Self::Silence => f.write_str("silence"),
            Self::Disconnected => f.write_str("disconnected"),
            Self::Failed(text) => write!(f, "failed: {text}"),
            Self::Local(text) => f.write_str(text),
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
    /// A packet of the viewer's own sound or picture.
    Received(Received),
    /// The session has ended. Comes once; let go of everything it holds now.
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
