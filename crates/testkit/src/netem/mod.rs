//! One direction of an emulated network path, in the caller's time.
//!
//! A [`Link`] takes datagrams and gives each back when it arrives, or never.
//! Nothing here sleeps or reads a clock, so that hours pass in seconds and the
//! same seed gives the same network. What happens by chance has a random
//! sequence of its own: the bad periods of two links with the same seed are the
//! same whatever is sent through them.
//!
//! A datagram goes through these stages: filter, random loss, bad periods
//! (Gilbert-Elliott in time: everything sent within one is lost), stalls, rate
//! limit with a bounded queue, delay with jitter.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

mod profile;
mod random;

pub use profile::{Burst, Class, Profile, ProfileError, Rate, Stall, time};

use random::Random;

/// More datagrams on their way than this are dropped.
const MAX_QUEUE: usize = 16_384;

/// What became of the datagrams of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Taken.
    pub pushed: u64,
    /// Given back.
    pub delivered: u64,
    /// Dropped for their class, or because nothing passes.
    pub filtered: u64,
    /// Lost one by one.
    pub lost: u64,
    /// Lost in bad periods.
    pub burst: u64,
    /// Dropped in stalls.
    pub stalled: u64,
    /// Dropped because the queue was full.
    pub overflow: u64,
}

/// One direction of a network path.
#[derive(Debug)]
pub struct Link<T> {
    profile: Profile,
    begin: Instant,
    losses: Random,
    delays: Random,
    periods: Random,
    bad: bool,
    /// When the current good or bad period ends.
    turn: Instant,
    /// When the rate limiter has sent what it holds.
    idle: Instant,
    /// Arrival of the latest datagram, for links that keep the order.
    latest: Instant,
    queue: BinaryHeap<Reverse<Flying<T>>>,
    stats: Stats,
}

#[derive(Debug)]
struct Flying<T> {
    due: Instant,
    number: u64,
    item: T,
}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.number) == (other.due, other.number)
    }
}

impl<T> Eq for Flying<T> {}

impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Flying<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl<T: AsRef<[u8]>> Link<T> {
    /// A link whose periods and stalls are counted from `now`.
    pub fn new(profile: Profile, seed: u64, now: Instant) -> Self {
        let mut seeds = Random::new(seed);
        let mut link = Self {
            profile,
            begin: now,
            losses: seeds.fork(),
            delays: seeds.fork(),
            periods: seeds.fork(),
            bad: false,
            turn: now,
            idle: now,
            latest: now,
            queue: BinaryHeap::new(),
            stats: Stats::default(),
        };
        link.restart(now);
        link
    }

    /// Changes the network; what is on its way arrives as it would have.
    pub fn set(&mut self, profile: Profile, now: Instant) {
        self.profile = profile;
        self.restart(now);
    }

    fn restart(&mut self, now: Instant) {
        self.begin = now;
        self.turn = now;
        if let Some(burst) = self.profile.burst {
            // In its stationary state: bad with the probability of the loss.
            self.bad = self.periods.unit() < burst.loss;
            self.turn = now + self.period(burst);
        }
    }

    /// Puts a datagram into the link.
    pub fn push(&mut self, now: Instant, item: T) {
        self.stats.pushed += 1;
        let size = item.as_ref().len();
        if self.profile.blackhole || self.profile.drop.contains(&Class::of(item.as_ref())) {
            self.stats.filtered += 1;
            return;
        }
        if self.profile.loss > 0.0 && self.losses.unit() < self.profile.loss {
            self.stats.lost += 1;
            return;
        }
        if self.is_bad(now) {
            self.stats.burst += 1;
            return;
        }
        let mut leaves = now;
        if let Some(stall) = self.profile.stall
            && let Some(left) = stall.left(now.saturating_duration_since(self.begin))
        {
            if !stall.keeps {
                self.stats.stalled += 1;
                return;
            }
            leaves += left;
        }
        if let Some(rate) = self.profile.rate {
            let begin = self.idle.max(leaves);
            let queued = rate.bytes_in(begin.saturating_duration_since(leaves));
            if queued + size as u64 > rate.queue {
                self.stats.overflow += 1;
                return;
            }
            leaves = begin + rate.time_of(size);
            self.idle = leaves;
        }
        if self.queue.len() >= MAX_QUEUE {
            self.stats.overflow += 1;
            return;
        }
        let mut due = leaves + self.profile.delay;
        if !self.profile.jitter.is_zero() {
            due += self.profile.jitter.mul_f64(self.delays.unit());
        }
        if !self.profile.reorder {
            due = due.max(self.latest);
            self.latest = due;
        }
        self.queue.push(Reverse(Flying { due, number: self.stats.pushed, item }));
    }

    /// The next datagram that has arrived.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.queue.peek().is_none_or(|Reverse(first)| first.due > now) {
            return None;
        }
        let Reverse(first) = self.queue.pop()?;
        self.stats.delivered += 1;
        Some(first.item)
    }

    /// When the next datagram arrives.
    pub fn next_due(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse(first)| first.due)
    }

    /// What became of the datagrams so far.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    fn is_bad(&mut self, now: Instant) -> bool {
        let Some(burst) = self.profile.burst else { return false };
        while self.turn <= now {
            self.bad = !self.bad;
            let period = self.period(burst);
            self.turn += period;
        }
        self.bad
    }

    fn period(&mut self, burst: Burst) -> Duration {
        let mean = if self.bad { burst.length } else { burst.good() };
        // Never zero, so that time goes on.
        mean.mul_f64(self.periods.exponential()).max(Duration::from_micros(1))
    }
}

#[cfg(test)]
mod tests;
