//! RTP times of one track: from the stream's timeline to a viewer's
//! (RFC 3550 section 5.1), and the times of a burst of old frames.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_media::Frame;
use rs2rtc_media::time::{from_ticks, rescale};

/// Maps frame times to ticks of the payload's RTP clock, without offset.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Clock rate of the track in Hz.
    from: u32,
    /// Clock rate of the payload format in Hz.
    to: u32,
    /// The end of the last burst: what follows must be later.
    floor: i64,
    /// The latest time given so far.
    highest: i64,
}

impl Timeline {
    pub(super) const fn new(from: u32, to: u32) -> Self {
        Self { from, to, floor: i64::MIN, highest: i64::MIN }
    }

    /// The time of a frame in its turn.
    pub(super) fn live(&mut self, frame: &Frame) -> i64 {
        let time = rescale(frame.pts, self.from, self.to).max(self.floor.saturating_add(1));
        self.highest = self.highest.max(time);
        time
    }

    /// Times for a group of old frames in decoding order, one for each: one
    /// tick apart in the order of presentation, ending where the newest of them
    /// is decoded, and after everything that was sent. A viewer decodes them
    /// all and shows the newest. Frames that are to be shown after the newest
    /// one's decoding (reordering across the end) keep their times.
    pub(super) fn burst(&mut self, frames: &[Arc<Frame>]) -> Vec<i64> {
        let Some(last) = frames.last() else { return Vec::new() };
        let end = rescale(last.dts, self.from, self.to);
        let mut order: Vec<usize> = (0..frames.len()).collect();
        order.sort_by_key(|i| frames.get(*i).map(|f| f.pts));
        let old = order.iter().take_while(|i| frames.get(**i).is_some_and(|f| f.pts <= last.dts));
        let old = i64::try_from(old.count()).unwrap_or(i64::MAX);
        let begin = end.saturating_sub(old.saturating_sub(1)).max(self.highest.saturating_add(1));
        let mut times = vec![0; frames.len()];
        let mut previous = begin.saturating_sub(1);
        for (rank, index) in (0..).zip(order) {
            let (Some(time), Some(frame)) = (times.get_mut(index), frames.get(index)) else {
                continue;
            };
            *time = previous.saturating_add(1);
            if rank >= old {
                *time = (*time).max(rescale(frame.pts, self.from, self.to));
            }
            previous = *time;
        }
        self.floor = begin.saturating_add(old).saturating_sub(1);
        self.highest = self.highest.max(previous);
        times
    }

    /// Time since the stream's epoch of a time given by this timeline.
    pub(super) fn since_epoch(&self, time: i64) -> Duration {
        from_ticks(time, self.to)
    }
}

/// Relates the timelines of a session to the clock of its sender reports.
///
/// A frame's moment is the stream's epoch plus its time, for all tracks alike,
/// so that sound and picture stay in step. Moments must have passed when they
/// are reported, so all of them are moved back as far as any was ahead.
#[derive(Debug)]
pub(super) struct Wallclock {
    epoch: Instant,
    back: Duration,
}

impl Wallclock {
    pub(super) const fn new(epoch: Instant) -> Self {
        Self { epoch, back: Duration::ZERO }
    }

    /// The moment of a frame, never after `now`.
    pub(super) fn at(&mut self, since_epoch: Duration, now: Instant) -> Instant {
        let moment = self.epoch.checked_add(since_epoch).unwrap_or(now);
        self.back = self.back.max(moment.saturating_duration_since(now));
        moment.checked_sub(self.back).unwrap_or(now).min(now)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rs2rtc_media::{CodecId, Payload};

    use super::*;

    fn frames(times: &[(i64, i64)]) -> Vec<Arc<Frame>> {
        let now = Instant::now();
        let payload = || Payload::Nals(vec![Bytes::from_static(&[0x65])]);
        let mut first = true;
        let frame = |(pts, dts): &(i64, i64)| {
            let mut frame = Frame::new(CodecId::H264, first, *pts, now, payload());
            frame.dts = *dts;
            first = false;
            Arc::new(frame)
        };
        times.iter().map(frame).collect()
    }

    #[test]
    fn a_burst_ends_at_the_newest_frame() {
        let mut timeline = Timeline::new(90_000, 90_000);
        let group = frames(&[(0, 0), (3000, 3000), (6000, 6000)]);
        assert_eq!(timeline.burst(&group), [5998, 5999, 6000]);
        assert_eq!(timeline.live(&frames(&[(9000, 9000)])[0]), 9000);
    }

    #[test]
    fn a_second_burst_follows_what_was_sent() {
        let mut timeline = Timeline::new(90_000, 90_000);
        let group = frames(&[(0, 0), (3000, 3000)]);
        assert_eq!(timeline.burst(&group), [2999, 3000]);
        assert_eq!(timeline.burst(&group), [3001, 3002]);
        assert_eq!(timeline.live(&frames(&[(3002, 3002)])[0]), 3003);
        assert_eq!(timeline.live(&frames(&[(6000, 6000)])[0]), 6000);
    }

    #[test]
    fn reordering_is_kept() {
        let mut timeline = Timeline::new(90_000, 90_000);
        // I P B B P, presented I B B P P; the last P is shown after the next two frames.
        let group =
            frames(&[(6000, 0), (15_000, 3000), (9000, 6000), (12_000, 9000), (24_000, 12_000)]);
        let times = timeline.burst(&group);
        assert_eq!(times, [11_998, 15_000, 11_999, 12_000, 24_000]);
        let next = frames(&[(18_000, 15_000)]);
        assert_eq!(timeline.live(&next[0]), 18_000);
    }

    #[test]
    fn clock_rates_are_scaled() {
        let mut timeline = Timeline::new(1000, 90_000);
        assert_eq!(timeline.live(&frames(&[(33, 33)])[0]), 2970);
        assert!(timeline.burst(&[]).is_empty());
    }

    #[test]
    fn moments_are_never_in_the_future_and_move_together() {
        let epoch = Instant::now();
        let ms = Duration::from_millis;
        let mut clock = Wallclock::new(epoch);
        assert_eq!(clock.at(ms(100), epoch + ms(150)), epoch + ms(100));
        assert_eq!(clock.at(ms(300), epoch + ms(200)), epoch + ms(200));
        assert_eq!(clock.at(ms(150), epoch + ms(250)), epoch + ms(50));
    }
}
