//! The silence that makes suspicious and the one that lets go of the camera: both
//! follow the network (fast-release 4.2).

use std::time::{Duration, Instant};

use super::{Cause, Machine, State, Timers};

/// The silence limit is at its ceiling for so long after the connection.
pub(super) const SETTLING: Duration = Duration::from_secs(1);

impl Machine {
    /// A packet came: the silence is over.
    pub(super) fn alive_sign(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.heard).saturating_sub(self.excused);
        // A viewer that is sent nothing has little to say: what lies between its
        // words then is the distance of our own probes.
        let quiet = matches!(self.state, State::Parked { cause, .. } if cause != Cause::Silence);
        if self.connected.is_some() && !quiet {
            self.gaps.add(gap, now);
            let asked = self.asked.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            self.unheard.add(gap.min(asked), now);
        }
        self.asked = None;
        self.excused = Duration::ZERO;
        self.heard = self.heard.max(now);
        self.rejections = 0;
        self.unreachable = None;
    }

    /// The silence that lets go of the camera.
    pub(super) fn limit(&mut self, now: Instant) -> Duration {
        let Timers { silence_min, silence_max, suspect, .. } = self.timers;
        let settling = self.connected.is_none_or(|at| now < at + SETTLING);
        if settling || self.doubted.is_some_and(|until| now < until) {
            return silence_max;
        }
        let longest = self.gaps.longest(now);
        let adapted = if longest > suspect / 2 { 3 * longest } else { Duration::ZERO };
        let path = self.suspect_limit() + 2 * self.timers.probe_suspect + self.probes.timeout();
        adapted.max(path).clamp(silence_min, silence_max)
    }

    /// The silence that makes suspicious: on a long way it takes a round trip more.
    pub(super) fn suspect_limit(&self) -> Duration {
        let path = self.timers.probe_idle + self.probes.timeout() + self.timers.probe_suspect;
        self.timers.suspect.max(path).min(self.timers.silence_max)
    }

    pub(super) fn silence_deadline(&self, limit: Duration) -> Instant {
        self.heard + limit + self.excused
    }
}
