//! How many lines of a program's words are logged: a burst as programs begin and end
//! with, then a few a second. Of the others it is told how many they were.

use std::time::Duration;

use tokio::time::Instant;

/// Lines in a row.
const BURST: u32 = 200;
/// Time after which there is room for another one.
const REFILL: Duration = Duration::from_millis(100);
/// Between the first line that is left out and the telling of how many there were.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lines that one program may still log.
#[derive(Debug)]
pub(super) struct Quota {
    room: u32,
    /// Up to here `room` is filled.
    filled: Instant,
    left_out: u64,
    /// When those are told of.
    due: Option<Instant>,
}

impl Quota {
    pub(super) const fn new(now: Instant) -> Self {
        Self { room: BURST, filled: now, left_out: 0, due: None }
    }

    /// Whether a line may be logged; one that may not is counted.
    pub(super) fn admit(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled);
        let more = u32::try_from(since.as_millis() / REFILL.as_millis()).unwrap_or(BURST);
        self.room = self.room.saturating_add(more).min(BURST);
        // A full one saves no time.
        self.filled = if self.room == BURST { now } else { self.filled + REFILL * more };
        if let Some(room) = self.room.checked_sub(1) {
            self.room = room;
            return true;
        }
        self.left_out = self.left_out.saturating_add(1);
        self.due.get_or_insert(now + PATIENCE);
        false
    }

    /// When to tell of what was left out.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// How many lines were left out and not told of; they count as told then.
    pub(super) fn take(&mut self) -> u64 {
        self.due = None;
        std::mem::take(&mut self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_a_few_a_second_and_a_count_of_the_rest() {
        let start = Instant::now();
        let mut quota = Quota::new(start);
        let logged = (0..1000).filter(|_| quota.admit(start)).count();
        assert_eq!(logged, 200);
        assert_eq!(quota.due(), Some(start + PATIENCE));
        assert_eq!((quota.take(), quota.take(), quota.due()), (800, 0, None));
        // A flood of a minute: ten lines a second.
        let flood = (1..=60_000).filter(|ms| quota.admit(start + Duration::from_millis(*ms)));
        assert_eq!(flood.count(), 600);
        assert_eq!(quota.take(), 59_400);
        // What was not used is saved up to a burst.
        let later = start + Duration::from_secs(3600);
        assert_eq!((0..1000).filter(|_| quota.admit(later)).count(), 200);
    }
}
