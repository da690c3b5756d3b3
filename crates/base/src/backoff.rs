//! Exponential backoff with full jitter: a wait is uniform between zero and a
//! ceiling that doubles with every attempt up to a cap. Randomness is an argument.

use std::time::Duration;

/// The state of one retry loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// The first ceiling is `base`, no ceiling is above `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempt: 0 }
    }

    /// The wait before the next attempt; `random` is uniform over all `u64`.
    pub fn next_delay(&mut self, random: u64) -> Duration {
        let ceiling = self.ceiling();
        self.attempt = self.attempt.saturating_add(1);
        let nanos = (ceiling.as_nanos() * u128::from(random)) >> 64;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The longest the next wait can be.
    pub fn ceiling(&self) -> Duration {
        let factor = 1_u32.checked_shl(self.attempt).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// How many waits were handed out since the last reset.
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Back to the beginning, after a success.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap() {
        let ms = Duration::from_millis;
        let mut b = Backoff::new(ms(250), ms(1500));
        assert_eq!(b.next_delay(0), ms(0));
        assert_eq!(b.next_delay(1 << 63), ms(250));
        assert_eq!(b.ceiling(), ms(1000));
        assert!(b.next_delay(u64::MAX) < ms(1000));
        for _ in 0..100 {
            assert!(b.next_delay(u64::MAX) < ms(1500));
        }
        assert_eq!(b.attempt(), 103);
        b.reset();
        assert_eq!(b.ceiling(), ms(250));
    }
}
