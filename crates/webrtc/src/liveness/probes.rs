//! Probes: when they are sent, and what their answers say.

use std::time::{Duration, Instant};

use super::hints::PARDON_AFTER;
use super::{Machine, State, Timers};

/// Distance of the first probes, until the network is known well enough to
/// judge a hint by few of them.
const LEARNING: Duration = Duration::from_millis(100);

/// Probes whose answer is awaited.
const MAX_OUTSTANDING: usize = 64;

/// A probe without an answer counts as lost after this, or the round trip time.
const PROBE_LOST: Duration = Duration::from_secs(1);

impl Machine {
    /// A probe went out; gives its number. Call it for every [`Output::Probe`](super::Output::Probe).
    pub fn probe_sent(&mut self, now: Instant) -> u32 {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        if self.outstanding.len() >= MAX_OUTSTANDING {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((serial, now));
        self.last_probe = Some(now);
        self.asked.get_or_insert(now);
        self.counts.probes += 1;
        if self.state == State::Suspect {
            self.unanswered += 1;
        }
        serial
    }

    /// The verified answer to a probe came.
    pub fn probe_answered(&mut self, serial: u32, now: Instant) {
        let Some(position) = self.outstanding.iter().position(|(s, _)| *s == serial) else {
            return;
        };
        let Some((_, sent)) = self.outstanding.remove(position) else { return };
        if self.state == State::Gone {
            return;
        }
        self.counts.answers += 1;
        self.fresh = now;
        self.probes.answered(now.saturating_duration_since(sent));
        self.alive_sign(now);
        self.unanswered = 0;
        if let Some(window) = self.window
            && sent >= window.opened + PARDON_AFTER
        {
            self.pardon(window, now);
        }
        match self.state {
            State::Suspect => {
                self.answers += 1;
                self.acquit(now);
            }
            State::Parked { cause, .. } => self.come_back(cause, now),
            _ => {}
        }
    }

    pub(super) fn probe_due(&self) -> Option<Instant> {
        let Timers { probe_idle, probe_active, probe_suspect, probe_parked, hint_spacing, .. } =
            self.timers;
        let spacing = match self.state {
            State::Connecting | State::Gone => return None,
            // It would come from another address; and its host has only so many
            // ICMP messages for us, which others may need.
            State::Parked { .. } if self.unreachable.is_some() => return None,
            State::Alive => {
                let last = self.last_probe.unwrap_or(self.created);
                if !self.probes.is_known() {
                    return Some(last + LEARNING.min(probe_idle));
                }
                let silent = self.heard.max(last) + probe_idle;
                return Some(silent.min(last + probe_active));
            }
            State::Suspect if self.window.is_some() => hint_spacing,
            State::Suspect => probe_suspect,
            State::Parked { .. } => probe_parked,
        };
        Some(self.last_probe.unwrap_or(self.created) + spacing)
    }

    /// Probes that others can cause are limited.
    pub(super) fn may_probe(&self, now: Instant) -> bool {
        self.last_probe.is_none_or(|last| now >= last + self.timers.probe_suspect)
    }

    pub(super) fn forget_probes(&mut self, now: Instant) {
        let patience = self.probes.timeout().max(PROBE_LOST);
        // While nothing at all comes back the network is not measured.
        let measures = self.state == State::Alive;
        while let Some((_, sent)) = self.outstanding.front() {
            if now.saturating_duration_since(*sent) < patience {
                break;
            }
            self.outstanding.pop_front();
            if measures {
                self.probes.lost();
            }
        }
    }
}
