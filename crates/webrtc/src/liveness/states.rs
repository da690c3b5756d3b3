//! What is judged in each state, and how it is left (fast-release 4.1).

use std::time::{Duration, Instant};

use super::hints::PARDON_AFTER;
use super::{Cause, Machine, Output, Reason, State};

/// Media goes on for so long after the suspicion: it draws ICMP.
const MEDIA_GRACE: Duration = Duration::from_millis(200);

impl Machine {
    /// The player's page is hidden: let go of the camera, keep the session.
    pub fn park(&mut self, now: Instant) {
        match self.state {
            State::Alive | State::Suspect => {
                self.window = None;
                self.state = State::Parked { since: now, cause: Cause::Asked };
                self.release(Reason::Hidden, now);
            }
            State::Parked { since, .. } => {
                self.state = State::Parked { since, cause: Cause::Asked };
            }
            State::Connecting => {
                self.hidden = true;
                self.release(Reason::Hidden, now);
            }
            State::Gone => {}
        }
    }

    /// The player's page is visible again.
    pub fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.hidden) && self.state == State::Connecting {
            self.hold(now);
        }
        if let State::Parked { cause: Cause::Asked, .. } = self.state {
            self.alive_sign(now);
            self.resume_now(now);
        }
    }

    pub(super) fn connect_deadline(&self) -> Instant {
        let limit = if self.reached { self.timers.connect } else { self.timers.first_check };
        self.created + limit
    }

    pub(super) fn judge_connecting(&mut self, now: Instant) {
        if now >= self.connect_deadline() {
            self.gone(Reason::ConnectTimeout, now);
        }
    }

    pub(super) fn suspect(&mut self, now: Instant) {
        self.state = State::Suspect;
        self.suspected = now;
        (self.answers, self.packets, self.unanswered) = (0, 0, 0);
        self.timeline.mark("suspect", "", now);
    }

    /// Enough was heard to trust the viewer again?
    pub(super) fn acquit(&mut self, now: Instant) {
        let enough =
            self.answers >= 2 || (self.answers >= 1 && self.packets >= 1) || self.packets >= 4;
        if self.window.is_some() || !enough {
            return;
        }
        self.state = State::Alive;
        self.timeline.mark("alive", "", now);
        if std::mem::take(&mut self.missed_media) {
            self.outputs.push_back(Output::Keyframe);
        }
    }

    pub(super) fn suspect_deadline(&mut self, now: Instant) -> Instant {
        let limit = self.limit(now);
        let park = self.silence_deadline(limit);
        match self.window {
            Some(window) if window.until > now => park.min(window.until),
            Some(_) => {
                let needed = self.hint_window(now);
                park.min(self.silence_deadline(needed))
            }
            None => park,
        }
    }

    pub(super) fn judge_suspect(&mut self, now: Instant) {
        if let Some(window) = self.window
            && now >= window.until
        {
            let needed = self.hint_window(now);
            let flight = PARDON_AFTER + self.probes.timeout();
            if self.heard >= window.opened + flight.max(needed / 2) {
                // Its own packets go on, even if it does not answer.
                self.pardon(window, now);
                self.acquit(now);
            } else if now >= self.silence_deadline(needed) {
                self.counts.confirmed[window.hint.index()] += 1;
                self.window = None;
                let both = self.lost_websocket_lately(now) && self.rejections > 0;
                let reason = window.hint.reason();
                if both {
                    self.gone(reason, now);
                } else {
                    self.park_for(reason, now);
                }
                return;
            }
        }
        let limit = self.limit(now);
        if now >= self.silence_deadline(limit) {
            self.window = None;
            self.park_for(Reason::Silence, now);
            return;
        }
        self.yield_to_others(now);
    }

    pub(super) fn media_until(&self) -> Instant {
        match self.window {
            Some(window) => window.until.max(self.suspected + MEDIA_GRACE),
            None => self.suspected + MEDIA_GRACE,
        }
    }

    /// Lets go of the camera because of a suspicion.
    pub(super) fn park_for(&mut self, reason: Reason, now: Instant) {
        let contended = reason == Reason::Contended;
        let cause = if contended { Cause::Contended } else { Cause::Silence };
        self.counts.parks += u64::from(!contended);
        self.state = State::Parked { since: now, cause };
        self.release(reason, now);
    }

    pub(super) fn parked_deadline(&mut self, since: Instant, now: Instant) -> Instant {
        let silence = self.limit(now) + self.timers.parked;
        let silent = self.silence_deadline(silence).max(since + self.timers.parked);
        self.unreachable.map_or(silent, |at| at.min(silent))
    }

    pub(super) fn judge_parked(&mut self, since: Instant, now: Instant) {
        if now >= self.parked_deadline(since, now) {
            let reason = match self.reason {
                _ if self.unreachable.is_some_and(|at| at <= now) => Reason::IcmpVerified,
                None | Some(Reason::Hidden | Reason::Contended) => Reason::Silence,
                Some(reason) => reason,
            };
            self.gone(reason, now);
        }
    }

    /// A parked viewer was heard.
    pub(super) fn come_back(&mut self, cause: Cause, now: Instant) {
        match cause {
            Cause::Silence => self.resume_now(now),
            // A page that hangs gave way to somebody who watches. Its browser
            // answers for it, which is no reason to stand in line again.
            Cause::Contended if !self.stalled => self.resume_now(now),
            Cause::Contended | Cause::Asked => {}
        }
    }

    fn resume_now(&mut self, now: Instant) {
        if matches!(self.state, State::Parked { cause: Cause::Silence, .. }) {
            self.counts.resumes += 1;
        }
        self.state = State::Alive;
        self.window = None;
        self.missed_media = false;
        self.timeline.mark("resumed", "", now);
        self.hold(now);
    }
}
