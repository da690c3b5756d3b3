//! Server machine for one accepted connection: a player or a publisher
//! (`spec/protocols-standard.md` section 2).
//!
//! ```text
//! player:     DESCRIBE → Describe ─ describe_ok(sdp) → SETUP… → Setup → PLAY → Play, send packets
//! publisher:  ANNOUNCE → Announce ─ announce_ok() → SETUP… → Setup → RECORD → Record, Packet…
//! either:     TEARDOWN, a time-out, an error → Closed
//! ```
//!
//! The driver owns the connection. It gives bytes and time, answers `Describe`,
//! `Announce` and `WrongLogin`, and takes everything out of [`Session::poll_output`] up to
//! `Timeout`. After [`Event::Closed`] it closes the connection; what is to be
//! sent comes before that event.
//!
//! Only media over the RTSP connection; other transports are answered 461,
//! after which clients ask again for this one.

mod presence;
mod requests;
mod session;
mod tracks;

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, Secret};

pub use session::Session;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// User and password; `None` lets everybody in.
    pub auth: Option<(String, Secret)>,
    /// Peers on this machine need no password.
    pub peer_is_loopback: bool,
    /// Id of the session, random: 8 digits by custom.
    pub session_id: String,
    /// Number for digest authentication, random.
    pub nonce: String,
    /// Name of the protected area.
    pub realm: String,
    /// How long the next request may take before media flows. Default 5 s.
    pub request_timeout: Duration,
    /// How long a player may be silent that has said something of its own
    /// accord, or pauses: the time-out that clients are told. Default 60 s.
    ///
    /// One that reports regularly has less: 2.5 times the longest time between
    /// its reports and requests. One that never says anything has no limit.
    pub play_timeout: Duration,
    /// The least that a player has who reports often. Default 10 s.
    pub report_timeout: Duration,
    /// How long a publisher may send no packets, unless its URL says `timeout=`. Default 15 s.
    pub record_timeout: Duration,
}

impl Config {
    /// Open to everybody, usual time-outs. Both arguments are random texts of
    /// letters and digits.
    pub fn new(session_id: impl Into<String>, nonce: impl Into<String>) -> Self {
        Self {
            auth: None,
            peer_is_loopback: false,
            session_id: session_id.into(),
            nonce: nonce.into(),
            realm: "rs2rtc".into(),
            request_timeout: Duration::from_secs(5),
            play_timeout: Duration::from_secs(60),
            report_timeout: Duration::from_secs(10),
            record_timeout: Duration::from_secs(15),
        }
    }
}

/// What happens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Somebody wants to play: `describe_ok` or `describe_fail` is due. May take
    /// its time; no time-out runs until then. A client may ask twice.
    Describe {
        /// Path of the URL without its first `/`, percent-decoded.
        path: String,
        /// Query as sent, without `?`.
        query: String,
    },
    /// Somebody wants to publish: `announce_ok` or `announce_fail` is due.
    Announce {
        /// Path of the URL without its first `/`, percent-decoded.
        path: String,
        /// Query as sent, without `?`.
        query: String,
        /// What will be sent.
        sdp: Bytes,
    },
    /// A wrong user or password: `login_fail` is due, or `login_too_many`. May take its time, no
    /// time-out runs until then, and nothing else is done for the client any more.
    WrongLogin,
    /// A track was chosen.
    Setup {
        /// Its index in the session description.
        track: usize,
        /// Channel of its RTP packets; RTCP is on the next one.
        channel: u8,
    },
    /// Send (again) on these tracks; the others are not wanted.
    Play {
        /// Indexes in the session description, in rising order.
        tracks: Vec<usize>,
    },
    /// Stop sending until the next `Play`.
    Pause,
    /// Packets of these tracks will come.
    Record {
        /// Indexes in the session description, in rising order.
        tracks: Vec<usize>,
    },
    /// A packet came: media of a publisher, backchannel or RTCP of a player.
    Packet {
        /// Index in the session description.
        track: usize,
        /// RTCP instead of RTP.
        rtcp: bool,
        /// The packet, a slice of the receive buffer.
        payload: Bytes,
    },
    /// The end: send what is left and close the connection.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// Why a session ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client said goodbye.
    Teardown,
    /// The client closed the connection.
    Disconnected,
    /// Nothing came for this long.
    Silent(Duration),
    /// Wrong user or password.
    Auth,
    /// The same, too often.
    TooManyLogins,
    /// The driver refused with this status.
    Refused(u16),
    /// The client does not keep to the protocol.
    Protocol(Error),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Teardown => f.write_str("teardown"),
            Self::Disconnected => f.write_str("disconnected"),
            Self::Silent(limit) => write!(f, "no data for {} s", limit.as_secs()),
            Self::Auth => f.write_str("failed authentication"),
            Self::TooManyLogins => f.write_str("too many wrong logins"),
            Self::Refused(code) => write!(f, "refused with {code}"),
            Self::Protocol(error) => fmt::Display::fmt(error, f),
        }
    }
}

/// What the driver has to do.
#[derive(Clone, Debug)]
pub enum Output {
    /// Send these bytes, in this order.
    Transmit(Bytes),
    /// Something happened.
    Event(Event),
    /// All done for now: wait for bytes, or until this time for `handle_timeout`.
    Timeout(Option<Instant>),
}

#[cfg(test)]
mod tests;
