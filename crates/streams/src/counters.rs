//! Figures of the engine for metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A run that has been cancelled for longer than this is overdue.
const DUE: Duration = Duration::from_secs(2);

/// Figures of the engine at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Holds of viewers on sources.
    pub leases_held: u64,
    /// Sources that wait for an exclusive group.
    pub leases_waiting: u64,
    /// Dials that were repeated because a device was in use, since the start.
    pub busy_retries: u64,
    /// Sources open, opening or closing.
    pub runs: u64,
    /// Runs that nobody wants any more and that have not ended within two seconds.
    pub overdue_runs: u64,
    /// Tasks of the engine.
    pub tasks: u64,
}

/// Where the engine counts.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) leases: AtomicU64,
    pub(crate) busy_retries: AtomicU64,
    /// Runs by number, with the time of their release.
    runs: Mutex<HashMap<u64, Option<Instant>>>,
}

impl Meter {
    fn runs(&self) -> MutexGuard<'_, HashMap<u64, Option<Instant>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn began(&self, run: u64) {
        self.runs().insert(run, None);
    }

    pub(crate) fn released(&self, run: u64) {
        if let Some(released) = self.runs().get_mut(&run) {
            *released = Some(Instant::now());
        }
    }

    pub(crate) fn over(&self, run: u64) {
        self.runs().remove(&run);
    }

    pub(crate) fn read(&self, waiting: usize, tasks: usize) -> Counters {
        let runs = self.runs();
        let overdue = runs.values().flatten().filter(|released| released.elapsed() > DUE);
        Counters {
            leases_held: self.leases.load(Ordering::Relaxed),
            leases_waiting: waiting as u64,
            busy_retries: self.busy_retries.load(Ordering::Relaxed),
            runs: runs.len() as u64,
            overdue_runs: overdue.count() as u64,
            tasks: tasks as u64,
        }
    }
}
