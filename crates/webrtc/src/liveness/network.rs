//! What a session learns of its network: silences, losses, round trips.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Silences are remembered for so long.
const MEMORY: Duration = Duration::from_secs(60);
/// Silences that are remembered at most; among more the short ones go.
const MAX_GAPS: usize = 16;
/// Probes whose outcome counts.
const MAX_OUTCOMES: u32 = 64;
/// Probes after which the loss is known well enough: none of ten lost means
/// that at most a fifth is, and ten probes decide.
const FIRST_OUTCOMES: u32 = 10;
/// Silences before a rate is told from them.
const FIRST_GAPS: u32 = 5;
/// Silences longer than this are counted for the expected rate.
const COUNTED: Duration = Duration::from_millis(200);
/// Longest round trip that extends a limit.
const MAX_RTO: Duration = Duration::from_secs(2);

/// The longest silence of the last minute (a monotonic queue), and how often
/// silences happen.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    /// Falling lengths, rising times.
    longest: VecDeque<(Instant, Duration)>,
    count: u32,
    sum: Duration,
}

impl Gaps {
    pub(super) fn add(&mut self, gap: Duration, now: Instant) {
        if gap > COUNTED {
            self.count = self.count.saturating_add(1);
            self.sum = self.sum.saturating_add(gap - COUNTED);
        }
        while self.longest.back().is_some_and(|(_, known)| *known <= gap) {
            self.longest.pop_back();
        }
        if self.longest.len() < MAX_GAPS {
            self.longest.push_back((now, gap));
        }
    }

    pub(super) fn longest(&mut self, now: Instant) -> Duration {
        while self
            .longest
            .front()
            .is_some_and(|(at, _)| now.saturating_duration_since(*at) > MEMORY)
        {
            self.longest.pop_front();
        }
        self.longest.front().map_or(Duration::ZERO, |(_, gap)| *gap)
    }

    /// Silences longer than `limit` to expect in an hour, if their lengths are
    /// spread exponentially (fast-release 4.4); `over`: since when they were counted.
    pub(super) fn expected_per_hour(&self, limit: Duration, over: Duration) -> f64 {
        if self.count < FIRST_GAPS {
            return 0.0;
        }
        let over = over.max(MEMORY);
        let mean = self.sum.as_secs_f64() / f64::from(self.count);
        let beyond = limit.saturating_sub(COUNTED).as_secs_f64();
        f64::from(self.count) * 3600.0 / over.as_secs_f64() * (-beyond / mean.max(1e-3)).exp()
    }
}

/// Outcomes of the last probes and their round trip times.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    /// Newest in the lowest bit; set: answered.
    outcomes: u64,
    known: u32,
    srtt: Option<Duration>,
    rttvar: Duration,
}

impl Probes {
    pub(super) fn answered(&mut self, rtt: Duration) {
        self.outcome(true);
        // RFC 6298 section 2.
        match self.srtt {
            None => {
                self.srtt = Some(rtt);
                self.rttvar = rtt / 2;
            }
            Some(srtt) => {
                self.rttvar = self.rttvar.mul_f64(0.75) + srtt.abs_diff(rtt).mul_f64(0.25);
                self.srtt = Some(srtt.mul_f64(0.875) + rtt.mul_f64(0.125));
            }
        }
    }

    pub(super) const fn lost(&mut self) {
        self.outcome(false);
    }

    const fn outcome(&mut self, answered: bool) {
        self.outcomes = self.outcomes << 1 | answered as u64;
        if self.known < MAX_OUTCOMES {
            self.known += 1;
        }
    }

    /// Whether enough was measured to judge by few probes.
    pub(super) const fn is_known(&self) -> bool {
        self.known >= FIRST_OUTCOMES
    }

    pub(super) const fn srtt(&self) -> Option<Duration> {
        self.srtt
    }

    /// SRTT + 4 RTTVAR, at most 2 s.
    pub(super) fn timeout(&self) -> Duration {
        self.srtt.map_or(Duration::ZERO, |srtt| (srtt + 4 * self.rttvar).min(MAX_RTO))
    }

    /// The share of round trips that fail, as measured.
    pub(super) fn loss(&self) -> f64 {
        if self.known == 0 { 0.0 } else { f64::from(self.failed()) / f64::from(self.known) }
    }

    const fn failed(&self) -> u32 {
        let mask = if self.known >= 64 { u64::MAX } else { (1 << self.known) - 1 };
        self.known - (self.outcomes & mask).count_ones()
    }

    /// The upper end of the 90 % interval of [`Self::loss`] (Wilson).
    fn loss_at_most(&self) -> f64 {
        const Z: f64 = 1.645;
        if self.known == 0 {
            return 0.2;
        }
        let (n, p) = (f64::from(self.known), self.loss());
        let centre = p + Z * Z / (2.0 * n);
        let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
        ((centre + spread) / (1.0 + Z * Z / n)).clamp(0.0, 1.0)
    }

    /// How many probes in a row a live viewer leaves unanswered once in a
    /// million times: 6 at 5 % loss of packets, 49 at 50 %.
    pub(super) fn needed(&self) -> u32 {
        let q = self.loss_at_most();
        (1..60).find(|k| q.powi(*k) <= 1e-6).map_or(60, i32::unsigned_abs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_longest_gap_is_forgotten_after_a_minute() {
        let start = Instant::now();
        let mut gaps = Gaps::default();
        gaps.add(ms(900), start);
        gaps.add(ms(300), start + ms(30_000));
        assert_eq!(gaps.longest(start + ms(59_000)), ms(900));
        assert_eq!(gaps.longest(start + ms(61_000)), ms(300));
        assert_eq!(gaps.longest(start + ms(91_000)), ms(0));
    }

    #[test]
    fn lossy_networks_need_more_probes() {
        let mut probes = Probes::default();
        for _ in 0..64 {
            probes.answered(ms(20));
        }
        assert!(probes.needed() <= 6, "{}", probes.needed());
        for i in 0..64 {
            if i % 2 == 0 { probes.lost() } else { probes.answered(ms(20)) }
        }
        assert!((0.49..0.51).contains(&probes.loss()), "{}", probes.loss());
        assert!((20..40).contains(&probes.needed()), "{}", probes.needed());
        for _ in 0..64 {
            probes.lost();
        }
        assert_eq!(probes.needed(), 60);
    }

    #[test]
    fn expected_rate_follows_the_tail() {
        let mut gaps = Gaps::default();
        let start = Instant::now();
        for i in 0..60 {
            gaps.add(ms(700), start + ms(i * 1000));
        }
        let over = Duration::from_secs(60);
        let at_1_s = gaps.expected_per_hour(ms(1000), over);
        assert!((500.0..1000.0).contains(&at_1_s), "{at_1_s}");
        assert!(gaps.expected_per_hour(ms(5000), over) < 1.0);
    }
}
