//! The session machine: one viewer, from its answer to its end.
//!
//! After every call that changes something (`handle_*`, `write_*`, `close`)
//! drain [`Session::poll_output`] until it gives a timeout; then wait for input
//! or that time.
//!
//! Whether the viewer is still there is judged by [`crate::liveness`]: the
//! session feeds it with what it authenticates, sends its probes and passes on
//! when the camera is to be let go ([`Event::Release`]) or taken again
//! ([`Event::Hold`]). The end is one [`Event::Closed`]; the goodbye is drained
//! for at most 50 ms more. What the transport thinks of the connection does not
//! end a session: it needs 15 s and more to notice anything.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_media::{Direction, Frame};
use str0m::media::{KeyframeRequestKind, Mid};
use str0m::net::Receive;
use str0m::{Candidate, Input, Rtc};
use tracing::{debug, trace};

use crate::liveness::{Heard, Machine, Reason};
use crate::{CandidateKind, Certificate, LocalCandidate, Protocol, stun};

mod accept;
mod alive;
mod authentic;
mod order;
mod outgoing;
mod output;
mod prober;
mod sender;
mod timeline;
mod transport;

pub use accept::{Accept, Selected};
pub use output::{CloseReason, Event, Output, Pair, Received, Transmit};

use order::Order;
use outgoing::{Out, Outgoing};
use prober::Prober;
use sender::MediaSender;
use timeline::Wallclock;

/// After the end, output is drained for this long.
const DRAIN: Duration = Duration::from_millis(50);
/// Remote candidates beyond this number are ignored.
const MAX_CANDIDATES: usize = 64;
/// str0m asks to be called again at once after each batch of packets; more such
/// calls in a row than this and the next one waits a millisecond.
const MAX_SPINS: u32 = 16;

/// What all sessions share.
#[derive(Clone, Debug)]
pub struct Config {
    /// The certificate of this process.
    pub certificate: Certificate,
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
    liveness: Machine,
    prober: Prober,
    /// Probes to send.
    probes: VecDeque<Transmit>,
    /// More about the end that was asked for.
    detail: String,
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
    /// Where the last check came from, and when.
    checked: Option<(Route, Instant)>,
    /// Tells new control packets from recorded ones.
    order: Order,
    /// When media was sent last.
    media_sent: Option<Instant>,
    now: Instant,
    /// First byte of the datagram that came last.
    last_kind: u8,
    /// Packets were written that the transport has not looked at.
    dirty: bool,
    spins: u32,
    /// What comes on a data channel goes back: it carries nothing else, and measures the way.
    echoes: bool,
}

impl Session {
    fn new(
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
            liveness: Machine::new(request.timers, request.held, now),
            prober: Prober::new(
                request.seed,
                format!("{}:{}", request.offer.transport.ufrag, request.ufrag),
                request.offer.transport.password.clone(),
                request.offer.transport.ice_lite,
            ),
            probes: VecDeque::new(),
            detail: String::new(),
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
            checked: None,
            order: Order::default(),
            media_sent: None,
            now,
            last_kind: 0,
            dirty: false,
            spins: 0,
            echoes: request.offer.medias().is_empty(),
        };
        session.liveness.mark("offer", "", now);
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
        if let Some(answered) = self.prober.answer(datagram) {
            if let Some(serial) = answered {
                if self.pair.is_some_and(|p| (p.protocol, p.remote) != (protocol, source)) {
                    // It was asked there because it is not heard from the old address.
                    self.followed = Some((protocol, destination, source));
                }
                self.liveness.probe_answered(serial, self.now);
            }
            return;
        }
        self.last_kind = datagram.first().copied().unwrap_or(0);
        authentic::take();
        if let Err(error) = self.rtc.handle_input(Input::Receive(self.now, receive)) {
            // Unauthenticated bytes must not end a session; if it is broken, silence does.
            debug!(%source, %error, "datagram refused");
        }
        let seen = authentic::take();
        let heard = seen.opened.is_some_and(|opened| self.order.is_new(datagram, opened));
        if heard {
            self.liveness.heard(Heard::Media, self.now);
        }
        // Before the handshake is over, an address that was checked is all there is.
        let authentic = heard || self.state == State::Connecting && stun::kind(datagram).is_none();
        if authentic && self.peers.contains(&(protocol, source)) {
            self.followed = Some((protocol, destination, source));
        }
        if seen.fatal_alert && self.state == State::Connected {
            self.detail = "fatal DTLS alert".to_owned();
            self.liveness.proof(Reason::DtlsFatal, self.now);
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
        self.liveness.handle_timeout(self.now);
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
        if !self.sends_media() {
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
        if !self.sends_media() {
            return;
        }
        self.with_outgoing(track, |track, out| {
            track.start_burst(frames, out.now);
            track.continue_burst(out);
        });
        self.dirty = true;
    }

    /// Asks for a keyframe of a track that we receive (PLI, RFC 4585 6.3.1).
    pub fn request_keyframe(&mut self, track: usize, now: Instant) {
        self.advance(now);
        let Some(Some((mid, Direction::RecvOnly))) = self.mids.get(track).copied() else { return };
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(mid, None) {
            stream.request_keyframe(KeyframeRequestKind::Pli);
            self.dirty = true;
        }
    }

    /// Frames of a track were lost on the way here: leave out what cannot be
    /// decoded without them.
    pub fn skip_to_keyframe(&mut self, track: usize) {
        if let Some(Some(track)) = self.outgoing.get_mut(track) {
            track.skip_to_keyframe();
        }
    }

    /// The next output; see the module's documentation.
    pub fn poll_output(&mut self) -> Output {
        // All that was written is looked at once: a sender report made between
        // two looks would precede the packets it describes.
        if std::mem::take(&mut self.dirty) {
            self.tick();
        }
        loop {
            self.act();
            if let Some(event) = self.events.pop_front() {
                return Output::Event(event);
            }
            if let Some(probe) = self.probes.pop_front() {
                return Output::Transmit(probe);
            }
            if self.state == State::Finished {
                return Output::Timeout(self.now + Duration::from_secs(3600));
            }
            authentic::take();
            let output = self.rtc.poll_output();
            if authentic::take().data {
                self.liveness.heard(Heard::Data, self.now);
            }
            match output {
                Ok(str0m::Output::Transmit(transmit)) => {
                    let mut transmit = Transmit {
                        protocol: Protocol::from_str0m(transmit.proto),
                        source: transmit.source,
                        destination: transmit.destination,
                        contents: transmit.contents.into(),
                    };
                    self.observe(&mut transmit);
                    if self.is_refused(&transmit) {
                        continue;
                    }
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
                Err(error) => self.fail(&error.to_string()),
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
            self.fail(&error.to_string());
        }
    }

    /// The transport is broken: no goodbye is possible.
    fn fail(&mut self, error: &str) {
        self.detail = error.to_owned();
        self.liveness.proof(Reason::DtlsFatal, self.now);
        self.act();
        self.state = State::Finished;
    }

    /// Whether media is to leave now; what does not is missed.
    fn sends_media(&mut self) -> bool {
        let sends = self.state == State::Connected && self.liveness.sends_media(self.now);
        if sends {
            self.liveness.media_sent(self.now);
        } else {
            self.hold_media_back();
        }
        sends
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
    fn deadline(&mut self) -> Option<Instant> {
        match self.state {
            State::Connecting => self.liveness.deadline(self.now),
            State::Connected => {
                let bursts = self.outgoing.iter().flatten().filter_map(Outgoing::deadline).min();
                let own = self.liveness.deadline(self.now);
                bursts.map_or(own, |burst| Some(own.map_or(burst, |own| own.min(burst))))
            }
            State::Closing(until) => Some(until),
            State::Finished => None,
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
