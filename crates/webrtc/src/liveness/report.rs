//! What a session looks like from outside: state, counts, timeline.

use std::time::{Duration, Instant};

use super::timeline::Mark;
use super::{Hint, Machine, Reason, State, Timers};

/// What is counted, for metrics; see [`Machine::take_counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes sent.
    pub probes: u64,
    /// Probes answered.
    pub answers: u64,
    /// Cameras let go because of silence or a hint.
    pub parks: u64,
    /// Of them, viewers that came back.
    pub resumes: u64,
    /// Wake-ups that came more than 100 ms late.
    pub late: u64,
    /// Hints by [`Hint::index`] that were confirmed.
    pub confirmed: [u64; Hint::ALL.len()],
    /// Hints by [`Hint::index`] that were not.
    pub pardoned: [u64; Hint::ALL.len()],
}

/// The state, for people.
#[derive(Clone, Debug)]
pub struct Report {
    /// `connecting`, `alive`, `suspect`, `parked` or `gone`.
    pub state: &'static str,
    /// Name of the profile.
    pub profile: &'static str,
    /// Since anything authenticated was heard.
    pub silent: Duration,
    /// The silence that lets go of the camera, as it is now.
    pub limit: Duration,
    /// Share of probes that were not answered.
    pub loss: f64,
    /// Smoothed round trip time.
    pub rtt: Option<Duration>,
    /// Cameras that would be let go wrongly in an hour on this network.
    pub expected_wrong_parks: f64,
    /// Why it ended or was parked.
    pub reason: Option<Reason>,
    /// What happened.
    pub timeline: Vec<Mark>,
}

impl Machine {
    /// Whether the camera is held.
    pub const fn is_holding(&self) -> bool {
        self.held
    }

    /// Whether anything authenticated was heard.
    pub const fn is_reached(&self) -> bool {
        self.reached
    }

    /// Whether the viewer's port is closed, as far as is known.
    pub const fn is_refused(&self) -> bool {
        self.unreachable.is_some()
    }

    /// When something authenticated was heard; the beginning before that.
    pub const fn last_heard(&self) -> Instant {
        self.heard
    }

    /// When the suspicion began, if silence is the cause and it still stands.
    pub fn silent_since(&self) -> Option<Instant> {
        (self.state == State::Suspect && self.window.is_none()).then_some(self.suspected)
    }

    /// Whether it sends and hears; false while it connects and after its end.
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect | State::Parked { .. })
    }

    /// Counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The times it runs with.
    pub const fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Adds a mark of the session to the timeline.
    pub fn mark(&mut self, name: &'static str, detail: impl Into<String>, now: Instant) {
        self.timeline.mark(name, detail, now);
    }

    /// The state, for people.
    pub fn report(&mut self, now: Instant) -> Report {
        let limit = self.limit(now);
        let over = now.saturating_duration_since(self.connected.unwrap_or(now));
        Report {
            state: match self.state {
                State::Connecting => "connecting",
                State::Alive => "alive",
                State::Suspect => "suspect",
                State::Parked { .. } => "parked",
                State::Gone => "gone",
            },
            profile: self.timers.profile.name(),
            silent: now.saturating_duration_since(self.heard),
            limit,
            loss: self.probes.loss(),
            rtt: self.probes.srtt(),
            expected_wrong_parks: self.gaps.expected_per_hour(limit, over),
            reason: self.reason,
            timeline: self.timeline.marks(),
        }
    }
}
