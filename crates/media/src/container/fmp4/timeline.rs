//! Decoding times without gaps.
//!
//! Browsers take a step of decoding times that is larger than twice the
//! duration of the sample before it for a break, and drop everything up to the
//! next keyframe (Media Source Extensions, coded frame processing). How long a
//! frame lasts is known only when the next one is there, and a live viewer
//! must not wait for that. So each sample begins exactly where the one before it
//! ended, and the difference to its own time goes into its own duration: with a
//! steady source there is none, else it is a fraction of a frame, and it never
//! adds up.

/// Where the samples of one track begin and how long they last.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Where the next sample begins.
    end: Option<i64>,
    /// Decoding time of the last frame as it came.
    last: i64,
    /// The usual distance of frames, in ticks.
    step: i64,
    /// It is more than a guess.
    is_known: bool,
    /// Sound may be off by this much before it is set right.
    tolerance: i64,
    /// A distance larger than this says nothing about the usual one.
    pause: i64,
}

impl Timeline {
    /// A timeline with so many ticks a second.
    pub(super) fn new(timescale: u32) -> Self {
        let rate = i64::from(timescale.max(1));
        let (step, tolerance) = (rate / 25, rate / 25);
        Self { end: None, last: 0, step, is_known: false, tolerance, pause: rate }
    }

    /// The next frame begins where it came, whatever ended before.
    pub(super) const fn skip(&mut self) {
        self.end = None;
    }

    /// Whether anything was placed.
    pub(super) const fn has_begun(&self) -> bool {
        self.end.is_some()
    }

    /// What the format says about the distance of frames, before the first one.
    pub(super) fn expect(&mut self, step: i64) {
        if self.end.is_none() && step > 0 && step <= self.pause {
            self.step = step;
            self.is_known = true;
        }
    }

    /// Places a picture: where it begins and how long it lasts.
    pub(super) fn picture(&mut self, dts: i64) -> (i64, u32) {
        let Some(start) = self.end else {
            self.last = dts;
            return self.place(dts, dts.saturating_add(self.step));
        };
        let step = dts.saturating_sub(self.last);
        if step > 0 && step <= self.pause {
            // Slowly, so that one late frame does not move the others.
            self.step = if self.is_known { (self.step * 7 + step + 4) / 8 } else { step };
            self.is_known = true;
        }
        self.last = dts;
        self.place(start, dts.saturating_add(self.step.max(1)))
    }

    /// Places a packet of sound; `lasts` is what it plays, if it says so.
    pub(super) fn sound(&mut self, time: i64, lasts: Option<u32>) -> (i64, u32) {
        let lasts = match lasts {
            Some(lasts) => i64::from(lasts),
            None => {
                let step = time.saturating_sub(self.last);
                if self.end.is_some() && step > 0 && step <= self.pause { step } else { self.step }
            }
        };
        self.step = lasts;
        self.last = time;
        let start = self.end.unwrap_or(time);
        let late = time.saturating_sub(start);
        // Timestamps of sound jitter; what it plays does not.
        let end = if late.saturating_abs() > self.tolerance {
            time.saturating_add(lasts)
        } else {
            start.saturating_add(lasts)
        };
        self.place(start, end)
    }

    fn place(&mut self, start: i64, end: i64) -> (i64, u32) {
        let duration = u32::try_from(end.saturating_sub(start).max(1)).unwrap_or(u32::MAX);
        self.end = Some(start.saturating_add(duration.into()));
        (start, duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_source_keeps_its_times() {
        let mut t = Timeline::new(90_000);
        t.expect(3000);
        for n in 0..100 {
            assert_eq!(t.picture(n * 3000), (n * 3000, 3000));
        }
    }

    #[test]
    fn there_is_never_a_gap_and_nothing_adds_up() {
        let mut t = Timeline::new(90_000);
        let mut end = None;
        let mut time = 0;
        for n in 0..5000_i64 {
            // Jitter, a pause every now and then, and steps back.
            time += 3000 + (n * 7919 % 2000 - 1000);
            if n % 500 == 499 {
                time += 200_000;
            }
            if n % 700 == 699 {
                time -= 9000;
            }
            let (start, duration) = t.picture(time);
            assert!(duration > 0);
            assert!(end.is_none_or(|end| end == start), "a gap at {n}");
            end = Some(start + i64::from(duration));
            let off = start - time;
            assert!(off.abs() < 210_000, "{off} ticks off");
            if (20..499).contains(&(n % 500)) && (20..699).contains(&(n % 700)) {
                assert!(off.abs() < 6000, "{off} ticks off at {n}");
            }
        }
    }

    #[test]
    fn what_was_skipped_lasts_no_longer() {
        let mut t = Timeline::new(90_000);
        t.expect(3000);
        assert_eq!(t.picture(0), (0, 3000));
        t.skip();
        assert_eq!(t.picture(90_000), (90_000, 3000));
        assert_eq!(t.picture(93_000), (93_000, 3000));
    }

    #[test]
    fn sound_follows_its_samples_until_it_is_too_far_off() {
        let mut t = Timeline::new(48_000);
        assert_eq!(t.sound(1000, Some(960)), (1000, 960));
        assert_eq!(t.sound(1990, Some(960)), (1960, 960), "jitter");
        // Half a second was lost.
        assert_eq!(t.sound(26_920, Some(960)), (2920, 24_960));
        assert_eq!(t.sound(27_880, Some(960)), (27_880, 960));
        // The source ran ahead of its clock.
        assert_eq!(t.sound(20_000, Some(960)), (28_840, 1));
        assert_eq!(t.sound(i64::MAX, None).0, 28_841);
        t.sound(i64::MIN, Some(5760));
    }
}
