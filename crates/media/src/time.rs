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
    report: Option<(NtpTime, i64)>,
    /// Sender reports were applied, or the moment for it has passed.
    aligned: bool,
    frames: u64,
}

/// The clock of one source: maps its tracks' timestamps to the stream's timeline.
#[derive(Debug)]
pub struct SourceClock {
    epoch: Instant,
    tracks: Vec<TrackClock>,
    /// Jumps that were repaired, over all tracks.
    jumps: u64,
}

impl SourceClock {
    /// A clock whose timeline starts at `epoch`, without tracks.
    pub const fn new(epoch: Instant) -> Self {
        Self { epoch, tracks: Vec::new(), jumps: 0 }
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
    /// the same instant. Tracks of one source are aligned by it once, early.
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
        let Some(t) = self.tracks.get_mut(track) else { return (pts, dts) };
        let mut offset = t.offset.unwrap_or_else(|| {
            t.aligned = aligned.is_some();
            aligned.unwrap_or_else(|| anchor.wrapping_sub(dts))
        });
        if let (Some(_), Some(last_arrival)) = (t.offset, t.last_arrival) {
            let step = dts.saturating_sub(t.last_in);
            let waited = to_ticks(arrival.saturating_duration_since(last_arrival), t.rate);
            let ahead = dts.saturating_add(offset).saturating_sub(anchor);
            let jumped = step.saturating_sub(waited) > to_ticks(MAX_STEP, t.rate)
                || step < -to_ticks(MAX_STEP, t.rate);
            if jumped
                || ahead > to_ticks(MAX_AHEAD, t.rate)
                || -ahead > to_ticks(MAX_BEHIND, t.rate)
            {
                self.jumps += 1;
                // Go on where the timeline would be by now.
                offset = t.last_dts.saturating_add(waited.max(1)).saturating_sub(dts);
                let gap = dts.saturating_add(offset).saturating_sub(anchor);
                if gap.abs() > to_ticks(MAX_STEP, t.rate) {
                    offset = anchor.wrapping_sub(dts);
                }
                t.report = None;
            }
        }
        let mut out_dts = dts.saturating_add(offset);
        if out_dts <= t.last_dts {
            // A restarted or stepping-back source: never go back, keep the distance pts-dts.
            let missing = t.last_dts.saturating_add(1).saturating_sub(out_dts);
            if t.frames == 0 || missing > i64::from(t.rate / 10) {
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

    /// The offset that aligns a track which has a report but no anchor yet.
    fn aligned_offset(&self, track: usize) -> Option<i64> {
        let (_, ref_ntp, ref_stream) = self.reference()?;
        let t = self.tracks.get(track).filter(|t| t.offset.is_none())?;
        let (ntp, ts) = t.report?;
        let wanted = ref_stream.saturating_add(ntp.nanos_since(ref_ntp));
        Some(ticks(wanted, t.rate).saturating_sub(ts))
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
}
