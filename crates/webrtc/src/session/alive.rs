//! The session's side of its liveness: hints and proofs in, what the machine
//! wants out.

use std::time::{Duration, Instant};

use tracing::debug;

use super::{CloseReason, Event, Session, State, Transmit};
use crate::liveness::{self, Counts, Hint, Reason, Report};

impl Session {
    /// A sign that the viewer may be gone: it gets a moment to answer.
    pub fn handle_hint(&mut self, hint: Hint, now: Instant) {
        self.advance(now);
        self.liveness.hint(hint, now);
    }

    /// An ICMP message that names the viewer's address, with what it quotes of
    /// a datagram. `closed`: the port is closed; else the way is. Says whether
    /// the quote proves that its sender saw the datagram.
    pub fn handle_rejection(&mut self, closed: bool, quote: &[u8], now: Instant) -> bool {
        self.advance(now);
        let proven = self.prober.is_quoted(quote);
        let hint = match (closed, proven) {
            (true, true) => Hint::Icmp,
            (true, false) => Hint::IcmpUnverified,
            (false, _) => Hint::Unreachable,
        };
        self.liveness.hint(hint, now);
        proven
    }

    /// The viewer is gone for certain, or is to be. Ends the session with a goodbye.
    pub fn close(&mut self, reason: Reason, detail: &str, now: Instant) {
        self.advance(now);
        self.detail = detail.to_owned();
        self.liveness.proof(reason, now);
    }

    /// The viewer's page is hidden: the camera is let go, the session stays.
    pub fn park(&mut self, now: Instant) {
        self.advance(now);
        self.liveness.park(now);
    }

    /// The viewer's page is visible again.
    pub fn resume(&mut self, now: Instant) {
        self.advance(now);
        self.liveness.resume(now);
    }

    /// Somebody waits for a camera that this viewer holds.
    pub fn contended(&mut self, now: Instant) {
        self.advance(now);
        self.liveness.contended(now);
    }

    /// This server's own way out is doubted until then.
    pub fn doubt_uplink(&mut self, until: Instant, now: Instant) {
        self.advance(now);
        self.liveness.doubt_uplink(until, now);
    }

    /// This process was not scheduled for so long.
    pub fn late(&mut self, by: Duration, now: Instant) {
        self.advance(now);
        self.liveness.late(by, now);
    }

    /// Since when the viewer is suspected for its silence.
    pub fn silent_since(&self) -> Option<Instant> {
        self.liveness.silent_since()
    }

    /// Connected and not ended.
    pub const fn is_established(&self) -> bool {
        self.liveness.is_established()
    }

    /// Whether anything authentic of the viewer has arrived.
    pub const fn is_reached(&self) -> bool {
        self.liveness.is_reached()
    }

    /// The last sign of life before an end for this reason: a goodbye is one itself.
    pub fn heard(&self, reason: Reason) -> Instant {
        match reason {
            Reason::CloseNotify | Reason::SctpAbort => self.now,
            _ => self.liveness.last_heard(),
        }
    }

    /// When media or a report was sent last.
    pub const fn last_sent(&self) -> Option<Instant> {
        self.media_sent
    }

    /// Counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        self.liveness.take_counts()
    }

    /// The state, for people.
    pub fn report(&mut self, now: Instant) -> Report {
        self.liveness.report(now)
    }

    /// The camera's sources were opened again, or will not be; for the timeline.
    pub fn mark(&mut self, name: &'static str, detail: &str, now: Instant) {
        self.liveness.mark(name, detail, now);
    }

    /// Does what the machine wants.
    pub(super) fn act(&mut self) {
        while let Some(output) = self.liveness.poll() {
            match output {
                liveness::Output::Probe => self.probe(),
                liveness::Output::Hold => self.events.push_back(Event::Hold),
                liveness::Output::Release(reason) => {
                    self.hold_media_back();
                    self.events.push_back(Event::Release { reason, heard: self.heard(reason) });
                }
                liveness::Output::Keyframe => {
                    for track in 0..self.outgoing.len() {
                        if self.needs_keyframe(track) {
                            self.events.push_back(Event::Resync(track));
                        }
                    }
                }
                liveness::Output::Close(reason) => {
                    let detail = match reason {
                        Reason::ConnectTimeout if self.liveness.is_reached() => {
                            self.unreached("no DTLS handshake")
                        }
                        Reason::ConnectTimeout => self.unreached("no check arrived"),
                        _ => std::mem::take(&mut self.detail),
                    };
                    self.end(CloseReason { reason, detail });
                }
            }
        }
    }

    fn probe(&mut self) {
        let serial = self.liveness.probe_sent(self.now);
        let Some(pair) = self.pair else { return };
        // A viewer that is silent here and checks from there has moved.
        let moved = self.checked.filter(|(_, at)| *at > self.liveness.last_heard());
        let pair = (pair.protocol, pair.local, pair.remote);
        let (protocol, source, destination) = moved.map_or(pair, |(route, _)| route);
        if let Some(contents) = self.prober.probe(serial) {
            self.probes.push_back(Transmit { protocol, source, destination, contents });
        }
    }

    /// What comes next can only be decoded from a keyframe on.
    pub(super) fn hold_media_back(&mut self) {
        self.liveness.media_missed();
        for track in self.outgoing.iter_mut().flatten() {
            track.skip_to_keyframe();
        }
    }

    fn end(&mut self, reason: CloseReason) {
        if matches!(self.state, State::Closing(_) | State::Finished) {
            return;
        }
        debug!(%reason, "session ends");
        self.state = State::Closing(self.now + super::DRAIN);
        self.events.push_back(Event::Closed(reason));
        if let Err(error) = self.rtc.close() {
            debug!(%error, "no goodbye");
            self.state = State::Finished;
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
}
