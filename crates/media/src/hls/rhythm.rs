//! How the frames of the leading track follow each other: where one is missing, and
//! the target duration that their distance asks for.
//!
//! A playlist must not change its target duration (RFC 8216 6.2.1), and no segment may
//! round to more (4.3.3.1): it is chosen before anything is listed, from the distance
//! of the first two frames.

/// Times here are microseconds.
const SECOND: i64 = 1_000_000;
/// A hole in the stream, if the frames before it were four times as dense.
const HOLE: i64 = SECOND;
/// Frames this far apart fit into a second that may be rounded, with room for those
/// that come late.
const STEADY: i64 = SECOND * 5 / 4;
/// Frames further apart make no stream: its viewers would be taken for gone.
const SLOWEST: i64 = SECOND * 5;

/// How a frame follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So long after it; zero if its time is not later.
    After(i64),
    /// There is something missing in front of it, or time began anew.
    Hole,
}

/// The times of the frames of a track.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    last: Option<i64>,
    /// Between the newest two frames whose times differ; zero before there are two.
    interval: i64,
    /// Seconds.
    target: Option<i64>,
}

impl Rhythm {
    /// Takes the time of the next frame.
    pub(super) fn push(&mut self, at: i64) -> Step {
        let Some(last) = self.last.replace(at) else { return Step::After(0) };
        let since = at - last;
        let densest = if self.interval == 0 { SLOWEST } else { HOLE.max(self.interval * 4) };
        if since > densest || since < -HOLE {
            // Also the next distance may be like this one: the camera has slowed down.
            if self.interval > 0 && since > 0 {
                self.interval = since;
            }
            return Step::Hole;
        }
        if since > 0 {
            self.interval = since;
            self.target.get_or_insert_with(|| target(since));
        }
        Step::After(since.max(0))
    }

    /// When the next frame should come.
    pub(super) fn expected(&self) -> i64 {
        self.last.unwrap_or(0) + self.interval
    }

    /// Between the newest two frames.
    pub(super) const fn interval(&self) -> i64 {
        self.interval
    }

    /// Whether the distance of frames is known. Without that nothing can be listed.
    pub(super) const fn is_known(&self) -> bool {
        self.interval > 0
    }

    /// The target duration in seconds. Once a segment was closed it stays.
    pub(super) fn target(&self) -> i64 {
        self.target.unwrap_or(1)
    }

    /// The target duration from here on: something was closed.
    pub(super) fn settle(&mut self) -> i64 {
        *self.target.get_or_insert(1)
    }

    /// The longest that rounds to the target duration.
    pub(super) fn limit(&self) -> i64 {
        self.target() * SECOND + SECOND / 2 - SECOND / 1000
    }
}

/// The target duration for frames so far apart: a second, or half as much again as they
/// need.
const fn target(interval: i64) -> i64 {
    if interval <= STEADY { 1 } else { (interval + interval / 2 + SECOND - 1) / SECOND }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(times: &[i64]) -> (Rhythm, Vec<Step>) {
        let mut rhythm = Rhythm::default();
        let steps = times.iter().map(|at| rhythm.push(at * 1000)).collect();
        (rhythm, steps)
    }

    #[test]
    fn the_first_distance_says_how_long_segments_are() {
        for (interval, seconds) in [(16, 1), (40, 1), (1250, 1), (1300, 2), (2000, 3), (5000, 8)] {
            let (rhythm, steps) = after(&[7, 7, 7 + interval, 7 + 2 * interval]);
            assert_eq!(rhythm.target(), seconds, "{interval}");
            assert_eq!(steps[2..], [Step::After(interval * 1000); 2]);
            assert!(rhythm.limit() > interval * 1000 && rhythm.limit() < seconds * SECOND * 3 / 2);
        }
        // Whatever comes later.
        let (rhythm, _) = after(&[0, 40, 80, 4000, 8000, 12_000]);
        assert_eq!((rhythm.target(), rhythm.interval()), (1, 4 * SECOND));
    }

    #[test]
    fn what_is_missing_is_a_hole() {
        let step = |times: &[i64]| *after(times).1.last().unwrap();
        assert_eq!(step(&[0, 40, 80, 1080]), Step::After(SECOND));
        assert_eq!(step(&[0, 40, 80, 1081]), Step::Hole);
        assert_eq!(step(&[0, 600, 1200, 3600]), Step::After(2400 * 1000), "as slow before");
        assert_eq!(step(&[0, 600, 1200, 3601]), Step::Hole);
        assert_eq!(step(&[0, 5000]), Step::After(5 * SECOND));
        assert_eq!(step(&[0, 5001]), Step::Hole, "nothing is known yet");
        // Time goes back: a little in cameras that count badly, else it is another one.
        assert_eq!(step(&[5000, 5040, 4040]), Step::After(0));
        assert_eq!(step(&[5000, 5040, 4039]), Step::Hole);
        // One that has slowed down is as slow from then on.
        assert_eq!(step(&[0, 40, 80, 3080, 6080]), Step::After(3 * SECOND));
        assert_eq!(step(&[0, i64::from(u32::MAX), 0]), Step::Hole);
    }
}
