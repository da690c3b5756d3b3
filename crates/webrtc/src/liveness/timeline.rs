//! What happened to a session, for people: the last marks with their times.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Marks that are kept.
const LENGTH: usize = 64;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Since the session began.
    pub at: Duration,
    /// What, such as `connected`, `hint`, `suspect`, `parked`, `resumed`, `gone`.
    pub name: &'static str,
    /// More about it; may be empty.
    pub detail: String,
}

/// A ring of marks.
#[derive(Clone, Debug)]
pub(super) struct Timeline {
    start: Instant,
    marks: VecDeque<Mark>,
}

impl Timeline {
    pub(super) const fn new(start: Instant) -> Self {
        Self { start, marks: VecDeque::new() }
    }

    pub(super) fn mark(&mut self, name: &'static str, detail: impl Into<String>, now: Instant) {
        if self.marks.len() >= LENGTH {
            // The beginning tells more than the middle.
            self.marks.remove(LENGTH / 4);
        }
        let at = now.saturating_duration_since(self.start);
        self.marks.push_back(Mark { at, name, detail: detail.into() });
    }

    pub(super) fn marks(&self) -> Vec<Mark> {
        self.marks.iter().cloned().collect()
    }
}
