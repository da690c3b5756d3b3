//! Hints that a viewer may be gone: the window of strong ones, and the muting of
//! sources that cry wolf (fast-release 4.3).

use std::time::{Duration, Instant};

use super::silence::SETTLING;
use super::{Hint, Machine, Output, Reason, State, Timers};

/// A probe sent earlier after a hint proves nothing: a browser's WebSocket dies
/// before its media socket.
pub(super) const PARDON_AFTER: Duration = Duration::from_millis(100);
/// The end of a WebSocket says something about what else happens within this.
/// Later it is old news: many players close theirs as soon as they play.
const WEBSOCKET_NEWS: Duration = Duration::from_secs(5);

/// A source is not muted earlier after its hint: a browser's WebSocket ends up
/// to 370 ms before its goodbye.
const MUTE_AFTER: Duration = Duration::from_millis(500);
/// First mute; doubles.
const MUTE: Duration = Duration::from_secs(2);
/// Longest mute.
const MUTE_MAX: Duration = Duration::from_secs(60);

impl Machine {
    /// A sign that the viewer may be gone.
    pub fn hint(&mut self, hint: Hint, now: Instant) {
        if hint.is_websocket() {
            self.websocket_lost = Some(now);
        }
        match self.state {
            State::Gone => return,
            State::Connecting => {
                if hint.is_websocket() && !self.reached {
                    self.timeline.mark("hint", hint.name(), now);
                    self.release(Reason::SignallingLost, now);
                }
                return;
            }
            _ => {}
        }
        if self.mutes.is_muted(hint, now) {
            return;
        }
        if self.window.is_none_or(|window| window.hint != hint) {
            self.timeline.mark("hint", hint.name(), now);
        }
        if hint == Hint::Icmp {
            self.rejections += 1;
            if self.rejections >= 2 {
                self.unreachable(now);
                return;
            }
        }
        if matches!(self.state, State::Parked { .. }) {
            return;
        }
        if self.agrees(hint) {
            // Two ways of knowing, and no packet since.
            self.counts.confirmed[hint.index()] += 1;
            self.window = None;
            self.park_for(Reason::IcmpVerified, now);
            return;
        }
        if !hint.is_strong() {
            self.mutes.heeded(hint, now);
            self.outputs.push_back(Output::Probe);
            return;
        }
        if self.state == State::Alive {
            self.suspect(now);
        }
        if self.window.is_none() {
            let until = now + self.hint_window(now);
            self.window = Some(Window { hint, opened: now, until });
            self.outputs.push_back(Output::Probe);
        }
    }

    /// A verified ICMP message and the end of the WebSocket in one window.
    fn agrees(&self, hint: Hint) -> bool {
        let Some(window) = self.window else { return false };
        let pair = (hint == Hint::Icmp && window.hint.is_websocket())
            || (hint.is_websocket() && window.hint == Hint::Icmp);
        pair && self.rejections > 0
    }

    /// How long a viewer may be silent after a hint: enough probes for the loss
    /// that was measured, longer than the gaps that this network has anyway, and
    /// a round trip more.
    pub(super) fn hint_window(&mut self, now: Instant) -> Duration {
        let Timers { hint_window, hint_spacing, hint_probes, silence_min, .. } = self.timers;
        let longest = self.unheard.longest(now);
        // Without its packets a gap is only the distance of our own probes.
        let flows = self.media_heard.is_some_and(|at| now < at + SETTLING);
        let counts = flows && longest > hint_window / 2;
        let usual = if counts { longest * 3 / 2 } else { Duration::ZERO };
        let hint_window = hint_window.max(usual.min(silence_min));
        let probes = self.probes.needed().max(hint_probes);
        let path = self.probes.timeout() + hint_spacing;
        hint_window.max(hint_spacing * probes).max(PARDON_AFTER + path) + path
    }

    pub(super) fn pardon(&mut self, window: Window, now: Instant) {
        self.window = None;
        self.websocket_lost = self.websocket_lost.filter(|_| !window.hint.is_websocket());
        self.counts.pardoned[window.hint.index()] += 1;
        self.mutes.pardon(window.hint, window.opened, now);
        self.timeline.mark("pardoned", window.hint.name(), now);
    }

    /// The viewer's port is closed.
    fn unreachable(&mut self, now: Instant) {
        self.counts.confirmed[Hint::Icmp.index()] += 1;
        self.window = None;
        self.unreachable = Some(now + self.timers.unreachable);
        if self.lost_websocket_lately(now) {
            self.gone(Reason::IcmpVerified, now);
        } else if !matches!(self.state, State::Parked { .. }) {
            self.park_for(Reason::IcmpVerified, now);
        }
    }

    pub(super) fn lost_websocket_lately(&self, now: Instant) -> bool {
        self.websocket_lost.is_some_and(|at| now.saturating_duration_since(at) < WEBSOCKET_NEWS)
    }
}

/// A window in which a viewer has to answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The strong hint that opened it.
    pub(super) hint: Hint,
    pub(super) opened: Instant,
    /// When it is judged first.
    pub(super) until: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mute {
    from: Option<Instant>,
    until: Option<Instant>,
    next: Duration,
}

/// Which sources are muted.
#[derive(Clone, Debug, Default)]
pub(super) struct Mutes([Mute; Hint::ALL.len()]);

impl Mutes {
    pub(super) fn is_muted(&self, hint: Hint, now: Instant) -> bool {
        let mute = &self.0[hint.index()];
        mute.from.is_some_and(|from| from <= now) && mute.until.is_some_and(|until| now < until)
    }

    /// A weak hint was heeded; the next ones have to wait.
    pub(super) fn heeded(&mut self, hint: Hint, now: Instant) {
        let mute = &mut self.0[hint.index()];
        (mute.from, mute.until) = (Some(now), Some(now + MUTE));
    }

    /// The viewer answered although this source said that it is gone.
    pub(super) fn pardon(&mut self, hint: Hint, hinted: Instant, now: Instant) {
        let mute = &mut self.0[hint.index()];
        if mute.until.is_some_and(|until| now < until) {
            // It begins soon, or has begun while the window was open.
            return;
        }
        let from = now.max(hinted + MUTE_AFTER);
        let length = if mute.next.is_zero() { MUTE } else { mute.next };
        *mute =
            Mute { from: Some(from), until: Some(from + length), next: (length * 2).min(MUTE_MAX) };
    }
}
