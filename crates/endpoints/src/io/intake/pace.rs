//! When a unit is to be delivered that came too early: files come as fast as the
//! network allows, playlists a segment at a time.

use std::time::{Duration, Instant};

use rs2rtc_media::time::rescale;

/// A step in time beyond which another timeline begins.
const JUMP: u64 = 10_000_000;

/// Binds the timeline of a stream to the clock.
#[derive(Debug, Default)]
pub(super) struct Pace {
    anchor: Option<Anchor>,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Instant,
    /// The moment of the stream that is shown then, in microseconds.
    time: i64,
    /// The latest moment so far.
    latest: i64,
}

impl Pace {
    /// When to deliver what is decoded at `dts` and came `now`. Whoever is late
    /// shifts what follows: a pause of the network is seen once, not again and
    /// again.
    pub(super) fn due(&mut self, dts: i64, rate: u32, now: Instant) -> Instant {
        let time = rescale(dts, rate, 1_000_000);
        let anchor = match &mut self.anchor {
            Some(anchor) if anchor.latest.abs_diff(time) <= JUMP => anchor,
            before => {
                // Another timeline goes on where the last one ended.
                let at = before.map_or(now, |before| before.due(before.latest).max(now));
                before.insert(Anchor { at, time, latest: time })
            }
        };
        let mut due = anchor.due(time);
        // Sound and picture are not stored in exact order: only the first to be
        // late tells that something was.
        if time >= anchor.latest {
            anchor.latest = time;
            if due < now {
                (anchor.at, anchor.time) = (now, time);
                due = now;
            }
        }
        due
    }
}

impl Anchor {
    fn due(&self, time: i64) -> Instant {
        let ahead = time.saturating_sub(self.time);
        let length = Duration::from_micros(ahead.unsigned_abs());
        let due = if ahead < 0 { self.at.checked_sub(length) } else { self.at.checked_add(length) };
        due.unwrap_or(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_at_once_is_shown_in_its_time() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let ms = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(pace.due(90_000, 90_000, start), start);
        assert_eq!(pace.due(93_600, 90_000, start), ms(40));
        // Sound that is stored behind the picture it belongs to.
        assert_eq!(pace.due(48_480, 48_000, start), ms(10));
        assert_eq!(pace.due(97_200, 90_000, ms(50)), ms(80));
        // The network paused: all that follows is as much later.
        assert_eq!(pace.due(100_800, 90_000, ms(500)), ms(500));
        assert_eq!(pace.due(104_400, 90_000, ms(500)), ms(540));
        // Another timeline follows the first one.
        assert_eq!(pace.due(90_000_000, 90_000, ms(510)), ms(540));
        assert_eq!(pace.due(90_003_600, 90_000, ms(510)), ms(580));
        assert_eq!(pace.due(0, 90_000, ms(600)), ms(600));
        assert_eq!(pace.due(i64::MAX, 90_000, ms(600)), ms(600));
        assert_eq!(pace.due(i64::MIN, 1, ms(600)), ms(600));
    }
}
