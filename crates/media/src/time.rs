//! One clock per source: timestamps of all its tracks on one timeline.
//!
//! A track's timestamps start at a random value, wrap, jump, drift and begin
//! anew when the source restarts (RFC 3550 section 5.1 and what cameras do to
//! it). [`SourceClock`] maps them to ticks since the stream's epoch, so that
//! every output sees one continuous timeline with sound and picture aligned:
//! sender reports (RFC 3550 6.4.1) align the tracks of one source with each
//! other, arrival times align a source with its epoch.

use std::time::{Duration, Instant};

/// Extends a 32 bit RTP timestamp to 64 bits.
#[derive(Clone, Debug, Default)]
pub struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The extended value nearest to the previous one.
    pub fn unwrap(&mut self, timestamp: u32) -> i64 {
        let extended = self.last.map_or_else(
            || i64::from(timestamp),
            |last| {
                let delta = timestamp.wrapping_sub(last as u32).cast_signed();
                last.wrapping_add(i64::from(delta))
            },
        );
        self.last = Some(extended);
        extended
    }

    /// What [`Self::unwrap`] would give, without remembering it.
    pub fn peek(&self, timestamp: u32) -> i64 {
        self.clone().unwrap(timestamp)
    }
}

/// Ticks of `rate` Hz in a duration, rounded down.
pub fn to_ticks(duration: Duration, rate: u32) -> i64 {
    let ticks = duration.as_nanos() * u128::from(rate) / 1_000_000_000;
    i64::try_from(ticks).unwrap_or(i64::MAX)
}

/// The duration of a non-negative number of ticks; negative gives zero.
pub fn from_ticks(ticks: i64, rate: u32) -> Duration {
    let ticks = u128::try_from(ticks).unwrap_or(0);
    let nanos = ticks * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Rescales ticks from one rate to another, rounding toward zero.
pub fn rescale(ticks: i64, from: u32, to: u32) -> i64 {
    let scaled = i128::from(ticks) * i128::from(to) / i128::from(from.max(1));
    i64::try_from(scaled).unwrap_or(if scaled < 0 { i64::MIN } else { i64::MAX })
}

/// Further from its arrival time than this, a timestamp is a jump.
const MAX_AHEAD: Duration = Duration::from_secs(10);
/// A track may fall this far behind the arrival clock (network stall) before it is re-anchored.
const MAX_BEHIND: Duration = Duration::from_secs(10);
/// A step between two frames of one track larger than this, while the arrival
/// times do not show it, is a jump of the source.
const MAX_STEP: Duration = Duration::from_secs(2);
/// A step back larger than this is a jump: decoding times rise.
const MAX_BACK: Duration = Duration::from_millis(100);
/// A timeline that has fallen further behind its arrival times than this goes on at them
/// after a jump: what is begun again and again loses the time that it takes to begin.
const MAX_LATE: Duration = Duration::from_millis(500);
/// Tracks that jump within this time, by about the same, jump together. Programs write sound
/// up to a second behind the pictures of its moment.
const TOGETHER: Duration = Duration::from_secs(5);

/// NTP time of a sender report: seconds since 1900 in 32.32 fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// Seconds since 1900 as a signed difference to another NTP time, in nanoseconds.
    pub fn nanos_since(self, earlier: Self) -> i64 {
        let delta = self.0.wrapping_sub(earlier.0).cast_signed();
        let nanos = (i128::from(delta) * 1_000_000_000) >> 32;
        i64::try_from(nanos).unwrap_or(0)
    }
}

#[derive(Debug)]
struct TrackClock {
    rate: u32,
    /// pts = source timestamp + offset.
    offset: Option<i64>,
    last_in: i64,
    last_pts: i64,
    last_dts: i64,
    last_arrival: Option<Instant>,
    /// The decoding time given to the last frame that was waited for, and when it came:
    /// sound comes in bursts, which say nothing of how long they last.
    paced: Option<(i64, Instant)>,
    /// What jumps have added to the offset, in nanoseconds.
    shift: i64,
    report: Option<(NtpTime, i64)>,
    /// Sender reports were applied, or the moment for it has passed.
    aligned: bool,
    frames: u64,
}

impl TrackClock {
    /// Whether its source said that all tracks share one timeline.
    const fn shares_time(&self) -> bool {
        matches!(self.report, Some((NtpTime(0), _)))
    }

    /// The decoding time that a frame would have which came at a moment without a jump.
    fn expected(&self, arrival: Instant) -> i64 {
        let next = self.last_dts.saturating_add(1);
        self.paced.map_or(next, |(dts, at)| {
            let since = to_ticks(arrival.saturating_duration_since(at), self.rate);
            dts.saturating_add(since).max(next)
        })
    }
}

/// The clock of one source: maps its tracks' timestamps to the stream's timeline.
#[derive(Debug)]
pub struct SourceClock {
    epoch: Instant,
    tracks: Vec<TrackClock>,
    /// Jumps that were repaired, over all tracks.
    jumps: u64,
    /// What the last jump of any track has made of its [`TrackClock::shift`], and when.
    last_jump: Option<(i64, Instant)>,
}

impl SourceClock {
    /// A clock whose timeline starts at `epoch`, without tracks.
    pub const fn new(epoch: Instant) -> Self {
        Self { epoch, tracks: Vec::new(), jumps: 0, last_jump: None }
    }

    /// Adds a track with a clock rate in Hz (0 counts as 90000) that must
    /// go on after `last_dts` (ticks; `i64::MIN` for a new track). Returns its index.
    pub fn add_track(&mut self, rate: u32, last_dts: i64) -> usize {
        self.tracks.push(TrackClock {
            rate: if rate == 0 { 90_000 } else { rate },
            offset: None,
            last_in: 0,
            last_pts: last_dts,
            last_dts,
            last_arrival: None,
            paced: None,
            shift: self.last_jump.map_or(0, |(shift, _)| shift),
            report: None,
            aligned: false,
            frames: 0,
        });
        self.tracks.len() - 1
    }

    /// How many jumps, resets and drifts were repaired.
    pub const fn jumps(&self) -> u64 {
        self.jumps
    }

    /// A sender report of a track: its NTP time and the unwrapped RTP time of
    /// the same instant. Tracks of one source are aligned by it once, early, and
    /// again after a jump. With an NTP time of zero all tracks share one timeline,
    /// and jump together.
    pub fn sender_report(&mut self, track: usize, ntp: NtpTime, timestamp: i64) {
        if let Some(t) = self.tracks.get_mut(track) {
            t.report = Some((ntp, timestamp));
        }
        self.align();
    }

    /// Maps a frame's times. Returns (pts, dts) in ticks since the epoch; dts
    /// rises strictly from frame to frame of a track.
    pub fn map(&mut self, track: usize, pts: i64, dts: i64, arrival: Instant) -> (i64, i64) {
        let anchor = self.ticks_at(track, arrival);
        let aligned = self.aligned_offset(track);
        let newest = self
            .last_jump
            .filter(|(_, at)| arrival.saturating_duration_since(*at) <= TOGETHER)
            .map(|(shift, _)| shift);
        let Some(t) = self.tracks.get_mut(track) else { return (pts, dts) };
        let off = |offset: i64, from: i64| dts.saturating_add(offset).saturating_sub(from);
        let mut offset = t.offset.unwrap_or_else(|| {
            // Another track may have begun another timeline, or not yet.
            let near = |(offset, _): &(i64, i64)| {
                off(*offset, anchor).saturating_abs() <= to_ticks(MAX_AHEAD, t.rate)
            };
            let aligned = aligned.filter(near);
            t.aligned = aligned.is_some();
            t.shift = aligned.map_or(t.shift, |(_, shift)| shift);
            aligned.map_or_else(|| anchor.wrapping_sub(dts), |(offset, _)| offset)
        });
        let mut is_paced = true;
        if let (Some(_), Some(last_arrival)) = (t.offset, t.last_arrival) {
            let step = dts.saturating_sub(t.last_in);
            let waited = to_ticks(arrival.saturating_duration_since(last_arrival), t.rate);
            let ahead = off(offset, anchor);
            let jumped = step.saturating_sub(waited) > to_ticks(MAX_STEP, t.rate)
                || step < -to_ticks(MAX_BACK, t.rate)
                || ahead > to_ticks(MAX_AHEAD, t.rate)
                || ahead.saturating_neg() > to_ticks(MAX_BEHIND, t.rate);
            let expected = t.expected(arrival);
            let distance = |offset: i64| off(offset, expected).saturating_abs();
            let together = newest.and_then(|shift| {
                let next = offset.saturating_add(ticks(shift.saturating_sub(t.shift), t.rate));
                // It is clearly nearer to where the frame belongs.
                let is_nearer = distance(next) < distance(offset) / 2;
                let fits = if jumped {
                    distance(next) <= to_ticks(MAX_STEP, t.rate)
                } else {
                    t.shares_time()
                };
                (is_nearer && fits).then_some(next)
            });
            is_paced = waited.saturating_mul(2) > step;
            if jumped || together.is_some() {
                self.jumps += 1;
                let next = together.unwrap_or_else(|| {
                    // Go on where the timeline would be by now.
                    let gap = expected.saturating_sub(anchor);
                    let is_far = gap > to_ticks(MAX_STEP, t.rate)
                        || gap.saturating_neg() > to_ticks(MAX_LATE, t.rate);
                    let next =
                        if is_far { anchor.max(t.last_dts.saturating_add(1)) } else { expected };
                    next.saturating_sub(dts)
                });
                t.shift = t.shift.saturating_add(nanos(next.saturating_sub(offset), t.rate));
                if together.is_none() {
                    self.last_jump = Some((t.shift, arrival));
                }
                offset = next;
                is_paced = true;
                if !t.shares_time() {
                    (t.report, t.aligned) = (None, false);
                }
            }
        }
        let mut out_dts = dts.saturating_add(offset);
        if out_dts <= t.last_dts {
            // A restarted or stepping-back source: never go back, keep the distance pts-dts.
            let missing = t.last_dts.saturating_add(1).saturating_sub(out_dts);
            // What shares its time with others waits until it is its time again.
            if t.frames == 0 || missing > i64::from(t.rate / 10) && !t.shares_time() {
                offset = offset.saturating_add(missing);
            }
            out_dts = t.last_dts.saturating_add(1);
        }
        let out_pts = out_dts.saturating_add(pts.saturating_sub(dts).max(0));
        t.offset = Some(offset);
        t.last_in = dts;
        t.last_dts = out_dts;
        t.last_pts = out_pts;
        t.last_arrival = Some(arrival);
        if is_paced {
            t.paced = Some((out_dts, arrival));
        }
        t.frames += 1;
        self.align();
        (out_pts, out_dts)
    }

    fn ticks_at(&self, track: usize, at: Instant) -> i64 {
        let rate = self.tracks.get(track).map_or(90_000, |t| t.rate);
        to_ticks(at.saturating_duration_since(self.epoch), rate)
    }

    /// The first track that has both an anchor and a report: what others align with.
    fn reference(&self) -> Option<(usize, NtpTime, i64)> {
        self.tracks.iter().enumerate().find_map(|(index, t)| {
            let (ntp, ts) = t.report?;
            Some((index, ntp, nanos(ts.saturating_add(t.offset?), t.rate)))
        })
    }

    /// The offset that aligns a track which has a report but no anchor yet, and what jumps
    /// have added to it.
    fn aligned_offset(&self, track: usize) -> Option<(i64, i64)> {
        let (reference, ref_ntp, ref_stream) = self.reference()?;
        let shift = self.tracks.get(reference)?.shift;
        let t = self.tracks.get(track).filter(|t| t.offset.is_none())?;
        let (ntp, ts) = t.report?;
        let wanted = ref_stream.saturating_add(ntp.nanos_since(ref_ntp));
        Some((ticks(wanted, t.rate).saturating_sub(ts), shift))
    }

    /// Shifts tracks so that equal NTP times give equal stream times: each track
    /// once, by at most two seconds, and only forward (the later one waits), so
    /// that no timeline steps back. Later drift is the business of the jump rules.
    fn align(&mut self) {
        let Some((reference, ref_ntp, ref_stream)) = self.reference() else { return };
        for index in 0..self.tracks.len() {
            let Some(t) = self.tracks.get_mut(index) else { return };
            if index == reference || t.aligned {
                continue;
            }
            let (Some((ntp, ts)), Some(offset)) = (t.report, t.offset) else { continue };
            let stream = nanos(ts.saturating_add(offset), t.rate);
            let shift = ref_stream.saturating_add(ntp.nanos_since(ref_ntp)).saturating_sub(stream);
            t.aligned = true;
            if shift.unsigned_abs() > 2_000_000_000 {
                continue;
            }
            if shift >= 0 {
                t.offset = Some(offset.saturating_add(ticks(shift, t.rate)));
            } else {
                for (other, t) in self.tracks.iter_mut().enumerate() {
                    if other != index && (other == reference || t.aligned) {
                        t.offset = t.offset.map(|o| o.saturating_add(ticks(-shift, t.rate)));
                    }
                }
                return self.align();
            }
        }
    }
}

fn ticks(nanos: i64, rate: u32) -> i64 {
    let n = i128::from(nanos) * i128::from(rate) / 1_000_000_000;
    i64::try_from(n).unwrap_or(0)
}

fn nanos(ticks: i64, rate: u32) -> i64 {
    let n = i128::from(ticks) * 1_000_000_000 / i128::from(rate.max(1));
    i64::try_from(n).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn unwraps_across_the_32_bit_border() {
        let mut u = Unwrapper::default();
        assert_eq!(u.unwrap(0xffff_ff00), 0xffff_ff00);
        assert_eq!(u.unwrap(0x100), 0x1_0000_0100);
        assert_eq!(u.unwrap(0xffff_fff0), 0xffff_fff0);
    }

    #[test]
    fn first_frame_lands_at_its_arrival() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        assert_eq!(clock.map(v, 123_456, 123_456, epoch + ms(100)), (9000, 9000));
        assert_eq!(clock.map(v, 126_456, 126_456, epoch + ms(150)), (12_000, 12_000));
    }

    #[test]
    fn jump_of_the_source_is_repaired_once() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        clock.map(v, 0, 0, epoch);
        clock.map(v, 3000, 3000, epoch + ms(33));
        let (pts, _) = clock.map(v, 900_000_000, 900_000_000, epoch + ms(66));
        assert!((5900..6100).contains(&pts), "{pts}");
        let (pts, _) = clock.map(v, 900_003_000, 900_003_000, epoch + ms(100));
        assert!((8900..9100).contains(&pts), "{pts}");
        let (pts, _) = clock.map(v, 500, 500, epoch + ms(133));
        assert!((11_800..12_200).contains(&pts), "{pts}");
        assert_eq!(clock.jumps(), 2);
    }

    #[test]
    fn a_restart_goes_on_after_the_last_frame() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, 500_000);
        let (_, dts) = clock.map(v, 7, 7, epoch + ms(100));
        assert_eq!(dts, 500_001);
        let (_, dts) = clock.map(v, 3007, 3007, epoch + ms(133));
        assert_eq!(dts, 503_001);
    }

    #[test]
    fn a_stall_of_the_network_is_not_a_jump() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        clock.map(v, 0, 0, epoch);
        // Three seconds of frames arrive at once, three seconds late.
        for n in 1..90_i64 {
            let (pts, _) = clock.map(v, n * 3000, n * 3000, epoch + ms(3000));
            assert_eq!(pts, n * 3000);
        }
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn sender_reports_align_sound_with_picture() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        let a = clock.add_track(8000, i64::MIN);
        // Sound arrives 200 ms later than the picture of the same moment.
        clock.map(v, 1_000_000, 1_000_000, epoch + ms(100));
        clock.map(a, 50_000, 50_000, epoch + ms(300));
        let ntp = NtpTime(3_900_000_000 << 32);
        clock.sender_report(v, ntp, 1_000_000);
        clock.sender_report(a, ntp, 50_000);
        // The sound was anchored 200 ms after the picture of the same moment, so the picture waits.
        let (pts, _) = clock.map(a, 58_000, 58_000, epoch + ms(1300));
        assert_eq!(pts, 2400 + 8000);
        let (pts, _) = clock.map(v, 1_090_000, 1_090_000, epoch + ms(1100));
        assert_eq!(pts, 27_000 + 90_000);
    }

    #[test]
    fn tracks_of_one_timeline_are_aligned_from_their_first_frame() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        let a = clock.add_track(48_000, i64::MIN);
        clock.sender_report(v, NtpTime(0), 0);
        clock.sender_report(a, NtpTime(0), 0);
        assert_eq!(clock.map(v, 0, 0, epoch + ms(100)).0, 9000);
        assert_eq!(clock.map(a, 960, 960, epoch + ms(170)).0, 4800 + 960);
    }

    #[test]
    fn decoding_order_is_kept_with_b_frames() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        let mut last = i64::MIN;
        for (n, pts) in [0_i64, 9000, 3000, 6000, 18_000].iter().enumerate() {
            let dts = n as i64 * 3000 - 6000;
            let (p, d) = clock.map(v, *pts, dts, epoch + ms(33 * n as u64));
            assert!(d > last && p >= d);
            last = d;
        }
    }

    /// Pictures of 40 ms and sound of 20 ms, which comes 25 packets at once behind its last
    /// picture, and begins anew after so many pictures: what is added to the times of each
    /// picture and of each packet.
    fn added(begins: &[i64], each: i64) -> [Vec<i64>; 2] {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let tracks = [clock.add_track(90_000, i64::MIN), clock.add_track(48_000, i64::MIN)];
        tracks.into_iter().for_each(|track| clock.sender_report(track, NtpTime(0), 0));
        let (mut added, mut sound) = ([Vec::new(), Vec::new()], Vec::new());
        let mut picture = 0_u64;
        for begin in begins {
            for n in 0..each {
                let at = epoch + ms(40 * picture + 200);
                picture += 1;
                let source = begin * 90 + n * 3600;
                let (_, dts) = clock.map(tracks[0], source, source, at);
                added[0].push((dts - source) / 90);
                sound.extend([0, 960].map(|later| begin * 48 + n * 1920 + later));
                if sound.len() >= 25 {
                    for source in sound.drain(..) {
                        let (_, dts) = clock.map(tracks[1], source, source, at);
                        added[1].push((dts - source) / 48);
                    }
                }
            }
        }
        added
    }

    /// In milliseconds: by how much sound and picture are apart in each part.
    fn apart(added: &[Vec<i64>; 2], each: usize) -> Vec<i64> {
        let middles = (each / 2..added[0].len()).step_by(each);
        middles.filter_map(|n| Some(added[1].get(2 * n)? - added[0][n])).collect()
    }

    #[test]
    fn tracks_that_jump_together_stay_together() {
        let begins = [0, 100_000, 0, 50_000_000, 10_000, 3000, 500_000, 90_000_000, 1000];
        let added = added(&begins, 150);
        for apart in apart(&added, 150) {
            assert!(apart.abs() <= 1, "{apart} ms");
        }
        // Nothing is lost on the way, and nothing is put in.
        for (n, begin) in begins.iter().enumerate() {
            let part = n as i64 * 6000 - begin + 200;
            let found = added[0][n * 150 + 75];
            assert!((found - part).abs() <= 40, "{found} for {part}");
        }
    }

    #[test]
    fn short_parts_that_begin_again_stay_together() {
        for length in [15, 30, 49, 60] {
            let begins = [0; 12];
            let added = added(&begins, length as i64);
            for apart in apart(&added, length) {
                assert!(apart.abs() <= 1, "{apart} ms in parts of {length} pictures");
            }
        }
    }

    #[test]
    fn what_begins_again_late_does_not_fall_behind() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        let mut at = 0;
        for part in 0..50 {
            // A second of pictures, all but the first 300 ms later, and the next one late.
            for n in 0..25 {
                let late = if n == 0 { 0 } else { 300 };
                let came = at + 40 * n + late;
                let (_, dts) = clock.map(v, n as i64 * 3600, n as i64 * 3600, epoch + ms(came));
                let behind = came as i64 - dts / 90;
                assert!((-400..=900).contains(&behind), "{behind} ms in part {part}");
            }
            at += 1500;
        }
    }

    #[test]
    fn a_track_that_comes_after_a_jump_is_on_the_timeline_of_the_others() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        clock.sender_report(v, NtpTime(0), 0);
        clock.map(v, 0, 0, epoch + ms(100));
        clock.map(v, 3600, 3600, epoch + ms(140));
        let (_, dts) = clock.map(v, 9_000_000, 9_000_000, epoch + ms(180));
        let a = clock.add_track(48_000, i64::MIN);
        clock.sender_report(a, NtpTime(0), 0);
        let (_, sound) = clock.map(a, 4_800_000, 4_800_000, epoch + ms(600));
        assert_eq!((dts, sound), (16_200, 8640));
        // And jumps with them.
        let (_, dts) = clock.map(v, 0, 0, epoch + ms(640));
        let (_, sound) = clock.map(a, 0, 0, epoch + ms(1000));
        assert_eq!(sound, dts * 48 / 90);
    }

    #[test]
    fn reports_after_a_jump_align_again() {
        let epoch = Instant::now();
        let mut clock = SourceClock::new(epoch);
        let v = clock.add_track(90_000, i64::MIN);
        let a = clock.add_track(8000, i64::MIN);
        let ntp = |seconds: u64| NtpTime((3_900_000_000 + seconds) << 32);
        clock.map(v, 0, 0, epoch);
        clock.map(a, 0, 0, epoch);
        clock.sender_report(v, ntp(0), 0);
        clock.sender_report(a, ntp(0), 0);
        // Each begins anew at times of its own; the sound comes 300 ms late.
        let (_, dts) = clock.map(v, 90_000_000, 90_000_000, epoch + ms(1000));
        assert_eq!(dts, 90_000);
        clock.map(a, 555_000_000, 555_000_000, epoch + ms(1300));
        clock.sender_report(v, ntp(1), 90_000_000);
        clock.sender_report(a, ntp(1), 555_000_000);
        let (_, picture) = clock.map(v, 90_090_000, 90_090_000, epoch + ms(2000));
        let (_, sound) = clock.map(a, 555_008_000, 555_008_000, epoch + ms(2300));
        assert_eq!(picture, sound * 90 / 8);
    }
}
