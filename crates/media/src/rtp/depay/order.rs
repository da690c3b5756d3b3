//! Decoding times of pictures that arrive in decoding order with presentation
//! times only (RTP has no other).
//!
//! With a reorder depth d (pictures that may precede a picture in decoding order
//! and follow it in output order), the decoding time of a picture is the
//! (d+1)-th largest presentation time seen so far. That rises strictly, is never
//! above the presentation time, and is known when the picture arrives.

/// Largest depth (16 in H.264 and H.265).
const MAX_DEPTH: usize = 16;

/// Gives each picture of a track its decoding time.
#[derive(Debug)]
pub(super) struct DecodingTimes {
    depth: usize,
    /// Latest presentation times, in decoding order, at most `MAX_DEPTH + 1`.
    recent: Vec<i64>,
    last: Option<i64>,
    /// Ticks between pictures, for the time before the first.
    step: i64,
    /// A step larger than this is a jump of the source.
    jump: i64,
}

impl DecodingTimes {
    pub(super) const fn new(rate: u32) -> Self {
        Self {
            depth: 0,
            recent: Vec::new(),
            last: None,
            step: rate as i64 / 25,
            jump: rate as i64 * 2,
        }
    }

    /// Sets what the parameter sets tell; without a depth the one in use stays.
    pub(super) fn describe(&mut self, depth: Option<u8>, frame_ticks: Option<i64>) {
        if let Some(depth) = depth {
            self.depth = usize::from(depth).min(MAX_DEPTH);
        }
        if let Some(step) = frame_ticks.filter(|s| *s > 0 && *s <= self.jump) {
            self.step = step;
        }
    }

    /// The decoding time of the next picture. A picture that is out of order
    /// beyond the known depth deepens it if `reorders` says that it may be so (a
    /// B-picture); its decoding time is then above its presentation time, once.
    pub(super) fn next(&mut self, pts: i64, reorders: impl FnOnce() -> bool) -> i64 {
        let jumped =
            self.recent.last().is_some_and(|p| pts.abs_diff(*p) > self.jump.unsigned_abs());
        if jumped {
            self.recent.clear();
            self.last = None;
        }
        let later = self.recent.iter().filter(|p| **p > pts).count();
        if later > self.depth && reorders() {
            self.depth = later.min(MAX_DEPTH);
        }
        if self.recent.len() > MAX_DEPTH {
            self.recent.remove(0);
        }
        self.recent.push(pts);
        let mut dts = pts;
        if self.depth > 0 {
            let mut sorted = self.recent.clone();
            sorted.sort_unstable_by_key(|p| std::cmp::Reverse(*p));
            dts = sorted.get(self.depth).copied().unwrap_or_else(|| {
                let missing = (self.depth + 1).saturating_sub(sorted.len());
                let missing = i64::try_from(missing).unwrap_or(0);
                let first = sorted.last().copied().unwrap_or(pts);
                first.saturating_sub(missing.saturating_mul(self.step))
            });
        }
        if let Some(last) = self.last {
            dts = dts.max(last.saturating_add(1));
        }
        self.last = Some(dts);
        dts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(times: &mut DecodingTimes, pts: &[i64]) -> Vec<i64> {
        pts.iter().map(|p| times.next(p * 3600, || true) / 3600).collect()
    }

    #[test]
    fn without_reordering_both_are_equal() {
        let mut t = DecodingTimes::new(90_000);
        assert_eq!(run(&mut t, &[0, 1, 2, 5, 6]), [0, 1, 2, 5, 6]);
    }

    #[test]
    fn known_depths() {
        let mut t = DecodingTimes::new(90_000);
        t.describe(Some(1), None);
        assert_eq!(run(&mut t, &[0, 3, 1, 2, 6, 4, 5]), [-1, 0, 1, 2, 3, 4, 5]);
        let mut t = DecodingTimes::new(90_000);
        t.describe(Some(2), Some(3600));
        assert_eq!(run(&mut t, &[0, 4, 2, 1, 3, 8, 6, 5, 7]), [-2, -1, 0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_depth_is_learnt() {
        let mut t = DecodingTimes::new(90_000);
        let dts = run(&mut t, &[0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
        assert_eq!(&dts[5..], [4, 5, 6, 7, 8]);
        assert_eq!(t.depth, 1);
    }

    #[test]
    fn rising_until_the_source_jumps() {
        let mut t = DecodingTimes::new(90_000);
        assert_eq!(t.next(1000, || false), 1000);
        assert_eq!(t.next(1000, || false), 1001);
        assert_eq!(t.next(900, || false), 1002);
        assert_eq!(t.next(900_000, || false), 900_000);
        assert_eq!(t.next(5, || false), 5);
        t.next(i64::MAX, || true);
        t.next(i64::MIN, || true);
    }
}
