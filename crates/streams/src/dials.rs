//! How many sources may begin to open per second.
//!
//! A start with hundreds of preloads, or a network that comes back, must not
//! flood cameras, resolvers and this machine. Who waits for a picture goes
//! through a door of his own that is hardly ever narrow; sources that nobody
//! waits for come one after the other. Retries pass here like first tries.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep};

/// For viewers: so many at once,
const VIEWER_BURST: u32 = 200;
/// then one in this time: 100 per second.
const VIEWER_EVERY: Duration = Duration::from_millis(10);
/// For preloads and publishing: so many at once,
const BACKGROUND_BURST: u32 = 20;
/// then one in this time: 20 per second.
const BACKGROUND_EVERY: Duration = Duration::from_millis(50);

/// The two doors.
#[derive(Debug)]
pub(crate) struct Dials {
    viewers: Door,
    background: Door,
}

impl Default for Dials {
    fn default() -> Self {
        Self {
            viewers: Door::new(VIEWER_BURST, VIEWER_EVERY),
            background: Door::new(BACKGROUND_BURST, BACKGROUND_EVERY),
        }
    }
}

impl Dials {
    /// Waits for the turn of a source. Who is `urgent`, or becomes it while it
    /// waits, goes with the viewers.
    pub(crate) async fn pass(&self, mut urgent: watch::Receiver<bool>) {
        loop {
            if *urgent.borrow_and_update() {
                return self.viewers.pass().await;
            }
            tokio::select! {
                biased;
                changed = urgent.changed() => {
                    if changed.is_err() {
                        return self.background.pass().await;
                    }
                }
                () = self.background.pass() => return,
            }
        }
    }
}

/// Lets a burst in, then one by one, first come first served.
#[derive(Debug)]
struct Door {
    burst: u32,
    every: Duration,
    /// One at a time waits for the next free place; the others queue here.
    turn: Semaphore,
    /// The time up to which places were given away.
    taken: Mutex<Option<Instant>>,
}

impl Door {
    fn new(burst: u32, every: Duration) -> Self {
        Self { burst, every, turn: Semaphore::new(1), taken: Mutex::default() }
    }

    async fn pass(&self) {
        // Never closed: an error cannot come.
        let _turn = self.turn.acquire().await;
        while let Some(wait) = self.enter() {
            sleep(wait).await;
        }
    }

    /// Takes a place, or says how long there is none.
    fn enter(&self) -> Option<Duration> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let next = taken.map_or(now, |taken| taken.max(now)) + self.every;
        let wait = next.saturating_duration_since(now + self.every * self.burst);
        if !wait.is_zero() {
            return Some(wait);
        }
        *taken = Some(next);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn passed(dials: &Dials, urgent: bool, count: u32) -> Duration {
        let began = Instant::now();
        for _ in 0..count {
            dials.pass(watch::Sender::new(urgent).subscribe()).await;
        }
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_then_one_by_one() {
        let dials = Dials::default();
        assert_eq!(passed(&dials, false, BACKGROUND_BURST).await, Duration::ZERO);
        let took = passed(&dials, false, 20).await;
        assert!(took.abs_diff(20 * BACKGROUND_EVERY) <= BACKGROUND_EVERY, "{took:?}");
        assert_eq!(passed(&dials, true, VIEWER_BURST).await, Duration::ZERO, "another door");
        sleep(BACKGROUND_EVERY * BACKGROUND_BURST).await;
        assert_eq!(passed(&dials, false, BACKGROUND_BURST).await, Duration::ZERO, "free again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_becomes_urgent_does_not_queue_any_more() {
        let dials = Dials::default();
        passed(&dials, false, BACKGROUND_BURST).await;
        let urgent = watch::Sender::new(false);
        let began = Instant::now();
        let (_, ()) = tokio::join!(
            async {
                // Five before it.
                tokio::join!(passed(&dials, false, 5), dials.pass(urgent.subscribe())).0
            },
            async {
                sleep(Duration::from_millis(10)).await;
                urgent.send_replace(true);
            }
        );
        assert!(began.elapsed() <= 6 * BACKGROUND_EVERY);
    }
}
