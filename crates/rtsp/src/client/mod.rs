//! Client machine: plays from or publishes to one RTSP connection
//! (`spec/protocols-standard.md` section 1).
//!
//! ```text
//! play:     describe() ─DESCRIBE→ Described ─ play(tracks) ─SETUP… PLAY→ Playing, Packet…
//! publish:  announce() ─OPTIONS ANNOUNCE→ Announced ─ record(tracks) ─SETUP… RECORD→ Recording
//! either:   teardown() ─TEARDOWN→ TornDown, close the connection; nobody has to wait for it
//! ```
//!
//! The driver owns the connection. It calls a method or gives bytes or time,
//! then takes everything out of [`Session::poll_output`] up to `Timeout`. After
//! [`Event::Failed`] or [`Event::Redirect`] nothing more comes: send what came
//! before it, perhaps a goodbye, close the connection, and open another one if the event says so. Nothing is retried
//! here but an authentication.
//!
//! No OPTIONS comes before DESCRIBE: some cameras close on it, all know DESCRIBE. A
//! server that is published to is asked what it knows, as other publishers do; what it
//! answers decides about the keep-alive only.
//! Left out on purpose: multicast, RTSP over HTTP, PAUSE, seeking.

mod answers;
mod session;

use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, Url};

pub use session::Session;

use crate::header::RtpInfo;

/// What a session needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `rtsp`, `rtsps` or `rtspx` URL with the credentials.
    pub url: Url,
    /// Value of `User-Agent`; no field if empty.
    pub user_agent: String,
    /// Ask for the ONVIF backchannel (`Require`). If that fails,
    /// [`Event::Failed`] says to connect again without.
    pub backchannel: bool,
    /// How long an answer may take, and how long the camera may be silent while
    /// playing. Default 5 s.
    pub timeout: Duration,
    /// Random bytes for digest authentication.
    pub cnonce: [u8; 8],
}

impl Config {
    /// Without backchannel, 5 s. `cnonce` is random.
    pub fn new(url: Url, user_agent: impl Into<String>, cnonce: [u8; 8]) -> Self {
        let timeout = Duration::from_secs(5);
        Self { url, user_agent: user_agent.into(), backchannel: false, timeout, cnonce }
    }
}

/// A track to be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupTrack {
    /// Its `a=control` value: absolute, relative to the base, `*` or empty.
    pub control: String,
    /// Only we send on it: a backchannel. With nothing else but such tracks, silence of the
    /// camera is no failure.
    pub send: bool,
    /// `Some(port)`: RTP over UDP to this even port of ours and RTCP to the next one.
    pub udp_port: Option<u16>,
}

impl SetupTrack {
    /// A track that is received over the RTSP connection.
    pub fn new(control: impl Into<String>) -> Self {
        Self { control: control.into(), send: false, udp_port: None }
    }

    /// A track that is sent over the RTSP connection.
    pub fn backchannel(control: impl Into<String>) -> Self {
        Self { send: true, ..Self::new(control) }
    }
}

/// How a track was set up, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Channel of its RTP packets; RTCP is on the next one. `None` over UDP.
    pub channel: Option<u8>,
    /// Ports of the camera for RTP and RTCP over UDP.
    pub server_port: Option<(u16, u16)>,
    /// Announced synchronisation source.
    pub ssrc: Option<u32>,
    /// First sequence number and timestamp, if the camera told them.
    pub rtp_info: Option<RtpInfo>,
}

/// What happens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// DESCRIBE was answered; `play` comes next.
    Described {
        /// The session description, as sent.
        sdp: Bytes,
        /// What relative `a=control` values are relative to.
        base: String,
    },
    /// ANNOUNCE was accepted; `record` comes next.
    Announced,
    /// PLAY was accepted, or packets come without an answer. Packets may come before it.
    Playing {
        /// In the order of `play`.
        tracks: Vec<Track>,
    },
    /// RECORD was accepted: send.
    Recording {
        /// In the order of `record`.
        tracks: Vec<Track>,
    },
    /// A packet came over the RTSP connection.
    Packet {
        /// Index in the order of `play`.
        track: usize,
        /// RTCP instead of RTP.
        rtcp: bool,
        /// The packet, a slice of the receive buffer.
        payload: Bytes,
    },
    /// The camera is elsewhere: connect there. The credentials are carried over.
    Redirect(Url),
    /// The goodbye after `teardown` is over: answered, or the connection ended.
    TornDown,
    /// The end, whatever the reason.
    Failed {
        /// Why; without any secret.
        error: Error,
        /// Connect again with `backchannel` off: that may be what failed.
        without_backchannel: bool,
    },
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
