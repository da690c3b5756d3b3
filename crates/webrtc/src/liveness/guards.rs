//! What a session is not blamed for (this process was late, our own way out is
//! doubted), and what it must not keep from others: a camera that it does not show.

use std::time::{Duration, Instant};

use super::{Machine, Reason, State};

/// The process was not scheduled if a wake-up is later than this.
pub(super) const LATE: Duration = Duration::from_millis(100);

/// Without SRTCP for so long, although probes are answered and media flows.
const STALLED: Duration = Duration::from_secs(10);

/// A wish for the camera is forgotten unless it is repeated.
const WANTED: Duration = Duration::from_millis(500);

impl Machine {
    /// This process was not scheduled for so long: silence is not the viewer's.
    pub fn late(&mut self, by: Duration, now: Instant) {
        if self.state == State::Gone {
            return;
        }
        self.promised = None;
        self.counts.late += 1;
        self.excused += by;
        if let Some(window) = &mut self.window {
            window.until += by;
        }
        self.timeline.mark("server_late", format!("{} ms", by.as_millis()), now);
    }

    /// Half of all viewers fell silent at once: our own way out is doubted, and
    /// silence is judged with the longest limit until then.
    pub fn doubt_uplink(&mut self, until: Instant, now: Instant) {
        if self.doubted.is_none_or(|known| known < now) {
            self.timeline.mark("uplink_doubted", "", now);
        }
        self.doubted = Some(until);
    }

    /// Somebody waits for a camera that this viewer holds.
    pub fn contended(&mut self, now: Instant) {
        self.wanted = Some(now);
        self.yield_to_others(now);
    }

    pub(super) fn watch_media(&mut self, now: Instant) {
        let last = self.media_heard.or(self.connected).unwrap_or(now);
        if !self.stalled && self.media_heard.is_some() && now >= last + STALLED {
            self.stalled = true;
            self.timeline.mark("viewer_stalled", "answers, but its page does not play", now);
            self.yield_to_others(now);
        }
    }

    /// Somebody waits: a viewer that may be gone does not keep the camera.
    pub(super) fn yield_to_others(&mut self, now: Instant) {
        let waits = self.wanted.is_some_and(|at| now.saturating_duration_since(at) < WANTED);
        if !waits || !self.held {
            return;
        }
        let doubtful = match self.state {
            State::Suspect => {
                self.unanswered >= 2 && now >= self.silence_deadline(self.timers.hint_window)
            }
            State::Alive => self.stalled,
            _ => false,
        };
        if doubtful {
            self.window = None;
            self.park_for(Reason::Contended, now);
        }
    }
}
