//! The session machine: one viewer, from its answer to its end.
//!
//! After every call that changes something (`handle_*`, `write_*`, `close`)
//! drain [`Session::poll_output`] until it gives a timeout; then wait for input
//! or that time.
//!
//! A viewer that never comes is given up: 5 s without an authenticated STUN
//! check, 10 s without DTLS. A connected one is gone at its `close_notify`, when
//! ICE says so, or after 5 s of silence. The end is one [`Event::Closed`]; the
//! goodbye is drained for at most 50 ms more.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_media::{Direction, Frame};
use str0m::media::Mid;
use str0m::net::Receive;
use str0m::{Candidate, IceConnectionState, Input, Rtc};
use tracing::{debug, trace};

use crate::{CandidateKind, Certificate, LocalCandidate, Protocol, stun};

mod accept;
mod outgoing;
mod output;
mod sender;
mod timeline;

pub use accept::{Accept, Selected};
pub use output::{CloseReason, Event, Output, Pair, Received, Transmit};

use outgoing::{Out, Outgoing};
use sender::MediaSender;
use timeline::Wallclock;

/// After the end, output is drained for this long.
const DRAIN: Duration = Duration::from_millis(50);
/// Remote candidates beyond this number are ignored.
const MAX_CANDIDATES: usize = 64;
/// str0m asks to be called again at once after each batch of packets; more such
/// calls in a row than this and the next one waits a millisecond.
const MAX_SPINS: u32 = 16;

/// Deadlines of a session.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the answer to the first authenticated STUN check.
    pub first_check: Duration,
    /// From the answer to the end of the DTLS handshake.
    pub connect: Duration,
    /// Without any datagram after that.
    pub silence: Duration,
}

impl Default for Limits {
    /// 5 s, 10 s and 5 s.
    fn default() -> Self {
        Self {
            first_check: Duration::from_secs(5),
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(5),
        }
    }
}

/// What all sessions share.
#[derive(Clone, Debug)]
pub struct Config {
    /// The certificate of this process.
    pub certificate: Certificate,
    /// Deadlines.
    pub limits: Limits,
}

/// A session and its answer.
#[derive(Debug)]
pub struct Accepted {
    /// The session. It must be driven from now on.
    pub session: Session,
    /// The answer's SDP.
    pub answer: String,
    /// All candidate lines (`candidate:...`), configured ones first, to be
    /// signalled after an answer that does not contain them.
    pub candidates: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Connected,
    /// Ended; output is drained until this time.
    Closing(Instant),
    Finished,
}

/// Protocol, our address, the viewer's.
type Route = (Protocol, SocketAddr, SocketAddr);

/// One viewer.
pub struct Session {
    rtc: Rtc,
    sender: Box<dyn MediaSender>,
    outgoing: Vec<Option<Outgoing>>,
    mids: Vec<Option<(Mid, Direction)>>,
    wallclock: Wallclock,
    limits: Limits,
    state: State,
    events: VecDeque<Event>,
    ufrag: String,
    local: Vec<LocalCandidate>,
    /// Remote candidates as written, for the log.
    remote: Vec<String>,
    known: Vec<(Protocol, SocketAddr, CandidateKind)>,
    peers: Vec<(Protocol, SocketAddr)>,
    /// Where the transport would send what is not STUN.
    nominated: Option<Route>,
    /// Where the viewer's own packets came from, if not from there.
    followed: Option<Route>,
    pair: Option<Pair>,
    created: Instant,
    now: Instant,
    last_rx: Instant,
    authenticated: bool,
    /// Packets were written that the transport has not looked at.
    dirty: bool,
    spins: u32,
}

impl Session {
    fn new(
        config: &Config,
        rtc: Rtc,
        sender: Box<dyn MediaSender>,
        outgoing: Vec<Option<Outgoing>>,
        mids: Vec<Option<(Mid, Direction)>>,
        request: &Accept<'_>,
        now: Instant,
    ) -> Self {
        let mut session = Self {
            rtc,
            sender,
            outgoing,
            mids,
            wallclock: Wallclock::new(request.epoch),
            limits: config.limits,
            state: State::Connecting,
            events: VecDeque::new(),
            ufrag: request.ufrag.to_owned(),
            local: request.local.to_vec(),
            remote: Vec::new(),
            known: Vec::new(),
            peers: Vec::new(),
            nominated: None,
            followed: None,
            pair: None,
            created: now,
            now,
            last_rx: now,
            authenticated: false,
            dirty: false,
            spins: 0,
        };
        for candidate in &request.offer.candidates {
            session.add_remote_candidate(candidate, now);
        }
        session.handle_timeout(now);
        session
    }

    /// Takes a datagram that belongs to this session: from an address of
    /// [`Event::Peer`], or a STUN message with our user name fragment.
    ///
    /// `destination` is the address it was sent to, one of the local candidates.
    /// Anything that is no valid datagram is ignored.
    pub fn handle_datagram(
        &mut self,
        protocol: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) {
        self.advance(now);
        if self.state == State::Finished {
            return;
        }
        let receive = match Receive::new(protocol.to_str0m(), source, destination, datagram) {
            Ok(receive) => receive,
            Err(error) => {
                trace!(%source, %error, "not a datagram of a session");
                return;
            }
        };
        self.last_rx = self.now;
        if stun::kind(datagram).is_none() && self.peers.contains(&(protocol, source)) {
            self.followed = Some((protocol, destination, source));
        }
        if let Err(error) = self.rtc.handle_input(Input::Receive(self.now, receive)) {
            // Unauthenticated bytes must not end a session; if it is broken, silence does.
            debug!(%source, %error, "datagram refused");
        }
    }

    /// Takes a candidate of the viewer (`candidate:...`; an empty text ends
    /// them). Names (`.local`) are not resolved: such a viewer is found by its
    /// own checks.
    pub fn add_remote_candidate(&mut self, text: &str, now: Instant) {
        self.advance(now);
        let text = text.trim();
        let text = text.strip_prefix("a=").unwrap_or(text);
        if text.is_empty() || self.remote.len() >= MAX_CANDIDATES || text.len() > 1024 {
            return;
        }
        let address = |text: &str| {
            let mut words = text.split_ascii_whitespace().skip(2);
            let (protocol, host, port) = (words.next()?, words.nth(1)?, words.next()?);
            Some(format!("{} {host}:{port}", protocol.to_ascii_lowercase()))
        };
        self.remote.extend(address(text));
        match Candidate::from_sdp_string(text) {
            // The viewer dials TCP; its own port means nothing.
            Ok(candidate) if candidate.tcptype() == Some(str0m::net::TcpType::Active) => {}
            Ok(candidate) => {
                let protocol = Protocol::from_str0m(candidate.proto());
                let kind = CandidateKind::from_str0m(candidate.kind());
                self.known.push((protocol, candidate.addr(), kind));
                self.rtc.add_remote_candidate(candidate);
            }
            Err(error) => debug!(%error, "candidate not used"),
        }
    }

    /// Tells the time. May be called early.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.check_deadlines();
        if self.state == State::Connected {
            self.each_outgoing(|track, out| track.continue_burst(out));
        }
        self.tick();
    }

    /// Sends a frame of a track. Nothing is sent before the session is
    /// connected and, of video, before a keyframe; frames of a track that were
    /// sent already are left out.
    pub fn write_frame(&mut self, track: usize, frame: &Arc<Frame>, now: Instant) {
        self.advance(now);
        if self.state != State::Connected {
            return;
        }
        self.with_outgoing(track, |track, out| {
            track.continue_burst(out);
            track.frame(frame, out);
        });
        self.dirty = true;
    }

    /// Sends the frames of a track that precede the next one, keyframe first,
    /// as fast as the viewer can take them, so that it sees the newest at once.
    /// Frames that follow wait for them, at most 200 ms.
    pub fn write_burst(&mut self, track: usize, frames: &[Arc<Frame>], now: Instant) {
        self.advance(now);
        if self.state != State::Connected {
            return;
        }
        self.with_outgoing(track, |track, out| {
            track.start_burst(frames, out.now);
            track.continue_burst(out);
        });
        self.dirty = true;
    }

    /// Frames of a track were lost on the way here: leave out what cannot be
    /// decoded without them.
    pub fn skip_to_keyframe(&mut self, track: usize) {
        if let Some(Some(track)) = self.outgoing.get_mut(track) {
            track.skip_to_keyframe();
        }
    }

    /// Ends the session with a goodbye. [`Event::Closed`] follows at once.
    pub fn close(&mut self, reason: &str, now: Instant) {
        self.advance(now);
        self.end(CloseReason::Local(reason.to_owned()));
    }

    /// The next output; see the module's documentation.
    pub fn poll_output(&mut self) -> Output {
        // All that was written is looked at once: a sender report made between
        // two looks would precede the packets it describes.
        if std::mem::take(&mut self.dirty) {
            self.tick();
        }
        loop {
            if let Some(event) = self.events.pop_front() {
                return Output::Event(event);
            }
            if self.state == State::Finished {
                return Output::Timeout(self.now + Duration::from_secs(3600));
            }
            match self.rtc.poll_output() {
                Ok(str0m::Output::Transmit(transmit)) => {
                    let mut transmit = Transmit {
                        protocol: Protocol::from_str0m(transmit.proto),
                        source: transmit.source,
                        destination: transmit.destination,
                        contents: transmit.contents.into(),
                    };
                    self.observe(&mut transmit);
                    return Output::Transmit(transmit);
                }
                Ok(str0m::Output::Event(event)) => self.translate(event),
                Ok(str0m::Output::Timeout(time)) => {
                    if let State::Closing(until) = self.state
                        && (!self.rtc.is_alive() || until <= self.now)
                    {
                        self.state = State::Finished;
                        continue;
                    }
                    if time <= self.now && self.spins < MAX_SPINS {
                        self.spins += 1;
                        self.tick();
                        continue;
                    }
                    self.spins = 0;
                    let time = time.max(self.now + Duration::from_millis(1));
                    return Output::Timeout(self.deadline().map_or(time, |own| own.min(time)));
                }
                Err(error) => {
                    let text = error.to_string();
                    self.end(CloseReason::Failed(text));
                    self.state = State::Finished;
                }
            }
        }
    }

    /// Our user name fragment: datagrams that carry it are this session's.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The addresses in use, once there are any.
    pub const fn pair(&self) -> Option<Pair> {
        self.pair
    }

    /// Whether media can be sent.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Whether an authenticated check of the viewer has arrived.
    pub const fn is_reached(&self) -> bool {
        self.authenticated
    }

    /// Whether the session has ended and said its goodbye: it can be dropped.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether a track that we send needs a keyframe to go on.
    pub fn needs_keyframe(&self, track: usize) -> bool {
        matches!(self.outgoing.get(track), Some(Some(track)) if track.is_waiting())
    }

    /// Packets and payload bytes of a track sent since the last call.
    pub fn take_sent(&mut self, track: usize) -> (u64, u64) {
        match self.outgoing.get_mut(track) {
            Some(Some(track)) => track.take_sent(),
            _ => (0, 0),
        }
    }

    /// When the last datagram came in; the time of the answer before the first.
    pub const fn last_rx(&self) -> Instant {
        self.last_rx
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.spins = 0;
    }

    /// Lets the transport see the time.
    fn tick(&mut self) {
        if self.state == State::Finished {
            return;
        }
        if let Err(error) = self.rtc.handle_input(Input::Timeout(self.now)) {
            self.end(CloseReason::Failed(error.to_string()));
            self.state = State::Finished;
        }
    }

    fn with_outgoing(&mut self, track: usize, act: impl FnOnce(&mut Outgoing, &mut Out<'_>)) {
        if let Some(Some(track)) = self.outgoing.get_mut(track) {
            let mut out = Out {
                transport: &mut self.rtc,
                sender: self.sender.as_mut(),
                wallclock: &mut self.wallclock,
                now: self.now,
            };
            act(track, &mut out);
        }
    }

    fn each_outgoing(&mut self, act: impl Fn(&mut Outgoing, &mut Out<'_>)) {
        for track in 0..self.outgoing.len() {
            self.with_outgoing(track, &act);
        }
    }

    /// The earliest of our own deadlines.
    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting if self.authenticated => Some(self.created + self.limits.connect),
            State::Connecting => Some(self.created + self.limits.first_check),
            State::Connected => {
                let bursts = self.outgoing.iter().flatten().filter_map(Outgoing::deadline);
                bursts.chain([self.last_rx + self.limits.silence]).min()
            }
            State::Closing(until) => Some(until),
            State::Finished => None,
        }
    }

    fn check_deadlines(&mut self) {
        let since = self.now.saturating_duration_since(self.created);
        match self.state {
            State::Connecting if !self.authenticated && since >= self.limits.first_check => {
                self.end(CloseReason::ConnectTimeout(self.unreached("no check arrived")));
            }
            State::Connecting if since >= self.limits.connect => {
                self.end(CloseReason::ConnectTimeout(self.unreached("no DTLS handshake")));
            }
            State::Connected if self.now >= self.last_rx + self.limits.silence => {
                self.end(CloseReason::Silence);
            }
            _ => {}
        }
    }

    /// What was tried, for whoever has to open a port.
    fn unreached(&self, what: &str) -> String {
        let local: Vec<String> =
            self.local.iter().map(|c| format!("{} {}", c.protocol, c.address)).collect();
        let list = |texts: &[String]| {
            if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
        };
        format!("{what}; our candidates: {}; the viewer's: {}", list(&local), list(&self.remote))
    }

    fn end(&mut self, reason: CloseReason) {
        if matches!(self.state, State::Closing(_) | State::Finished) {
            return;
        }
        debug!(%reason, "session ends");
        self.state = State::Closing(self.now + DRAIN);
        self.events.push_back(Event::Closed(reason));
        if let Err(error) = self.rtc.close() {
            debug!(%error, "no goodbye");
            self.state = State::Finished;
        }
    }

    /// Learns from what the transport sends: a STUN success means that a check
    /// from there was authentic.
    ///
    /// Everything but STUN goes where the viewer's own packets come from, once
    /// that address is authentic. The transport keeps to the best nominated
    /// pair; a viewer that moves to another network has left it long before
    /// that pair fails.
    fn observe(&mut self, transmit: &mut Transmit) {
        match stun::kind(&transmit.contents) {
            Some(stun::Kind::Success) => {
                self.authenticated = true;
                let peer = (transmit.protocol, transmit.destination);
                if !self.peers.contains(&peer) && self.peers.len() < MAX_CANDIDATES {
                    self.peers.push(peer);
                    self.events.push_back(Event::Peer(peer.0, peer.1));
                }
            }
            Some(_) => {}
            None => {
                let nominated = (transmit.protocol, transmit.source, transmit.destination);
                if self.nominated != Some(nominated) {
                    self.nominated = Some(nominated);
                    self.followed = None;
                }
                let route = self.followed.unwrap_or(nominated);
                (transmit.protocol, transmit.source, transmit.destination) = route;
                if self.pair.is_none_or(|p| (p.protocol, p.local, p.remote) != route) {
                    self.pair_changed(route);
                }
            }
        }
    }

    fn pair_changed(&mut self, (protocol, local, remote): Route) {
        let mut known = self.known.iter();
        let kind = known
            .find(|(p, address, _)| (*p, *address) == (protocol, remote))
            .map_or(CandidateKind::PeerReflexive, |(.., kind)| *kind);
        let pair = Pair { protocol, local, remote, kind };
        self.pair = Some(pair);
        self.events.push_back(Event::PairChanged(pair));
    }

    fn translate(&mut self, event: str0m::Event) {
        match event {
            str0m::Event::Connected => {
                if self.state == State::Connecting {
                    self.state = State::Connected;
                    self.last_rx = self.now;
                    self.events.push_back(Event::Connected);
                }
            }
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.end(CloseReason::Disconnected);
            }
            str0m::Event::Closed => self.end(CloseReason::CloseNotify),
            str0m::Event::KeyframeRequest(request) => {
                let wanted = Some((request.mid, Direction::SendOnly));
                if let Some(track) = self.mids.iter().position(|mid| *mid == wanted) {
                    self.events.push_back(Event::KeyframeRequest(track));
                }
            }
            str0m::Event::RtpPacket(packet) => self.received(packet),
            other => trace!(?other, "event"),
        }
    }

    fn received(&mut self, packet: str0m::rtp::RtpPacket) {
        let ssrc = packet.header.ssrc;
        let Some(mid) = self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()) else {
            return;
        };
        let wanted = Some((mid, Direction::RecvOnly));
        if let Some(track) = self.mids.iter().position(|mid| *mid == wanted) {
            self.events.push_back(Event::Received(Received {
                track,
                sequence: *packet.seq_no,
                timestamp: packet.header.timestamp,
                payload_type: *packet.header.payload_type,
                marker: packet.header.marker,
                payload: packet.payload,
            }));
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("ufrag", &self.ufrag)
            .field("state", &self.state)
            .field("pair", &self.pair)
            .finish_non_exhaustive()
    }
}
