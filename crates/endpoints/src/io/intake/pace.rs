//! When a unit is to be delivered that came too early: files come as fast as the
//! network allows, playlists a segment at a time.
//!
//! What comes as one stream may be several that were put one behind the other, each
//! with times of its own. They are placed on one line of time, each where the one
//! before it ended, and all tracks of one are moved by the same.

use std::ops::Range;
use std::time::{Duration, Instant};

use rs2rtc_media::time::rescale;

/// A step ahead of everything beyond which another timeline begins, in microseconds.
const JUMP: i64 = 10_000_000;
/// A step back on one track beyond which another timeline begins. Within one timeline
/// decoding times rise; what some sources do to them is shorter.
const BACK: i64 = 500_000;
/// How far from its place the first unit after an announcement may be and go on with the
/// timeline that there is: many announce another one and go on with the same.
const NEAR: i64 = 100_000;
/// How much later than the track that begins another part the others may have ended: pictures
/// that are shown later than they are decoded end before their sound, and begin before it.
const OVERLAP: i64 = 400_000;
/// Longest unit of which the length is believed: what is further apart has a hole in it.
const LONGEST: i64 = 1_000_000;
/// Times further from zero than that are none, in microseconds: differences of others are
/// numbers.
const FAR: i64 = i64::MAX / 4;

/// Binds the timeline of a stream to the clock.
#[derive(Debug, Default)]
pub(super) struct Pace {
    anchor: Option<Anchor>,
    tracks: Vec<Track>,
    /// What is added to the times of the newest timeline, in microseconds.
    shift: i64,
    /// It has begun since the last announcement of one.
    has_moved: bool,
}

/// Where a unit is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// When to deliver it: not before the one before it on its track.
    pub(super) due: Instant,
    /// What is added to its times, in ticks of its track.
    pub(super) shift: i64,
}

/// Times of a track, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Track {
    /// What is added to its times.
    shift: i64,
    /// The last unit, on the line of time; nothing before the first.
    last: Option<i64>,
    /// How long a unit lasts, as the last two are apart.
    length: i64,
    /// When the last unit is due.
    due: Option<Instant>,
    /// Another timeline was announced.
    anew: bool,
}

#[derive(Clone, Copy, Debug)]
struct Anchor {
    at: Instant,
    /// The moment of the line of time that is shown then, in microseconds.
    time: i64,
    /// The latest moment so far.
    latest: i64,
}

impl Pace {
    /// Another timeline begins on these tracks with their next units, if these do not
    /// follow the ones before them.
    pub(super) fn begin_anew(&mut self, tracks: Range<usize>) {
        self.has_moved = false;
        self.tracks.iter_mut().take(tracks.end).skip(tracks.start).for_each(|t| t.anew = true);
    }

    /// Places what is decoded at `dts`, in ticks of `rate` Hz, and came `now`. Whoever is
    /// late shifts what follows: a pause of the network is seen once, not again and again.
    pub(super) fn place(&mut self, track: usize, dts: i64, rate: u32, now: Instant) -> Place {
        if self.tracks.len() <= track {
            self.tracks.resize(track + 1, Track::default());
        }
        let source = rescale(dts, rate, 1_000_000).clamp(-FAR, FAR);
        let shift = self.shift_of(track, source);
        let last = self.tracks.get(track).and_then(|of_track| of_track.last);
        // What falls on the end of the part before waits until that is over.
        let time = source.saturating_add(shift).max(last.unwrap_or(i64::MIN));
        let anchor = self.anchor.get_or_insert(Anchor { at: now, time, latest: time });
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
        let Some(of_track) = self.tracks.get_mut(track) else { return Place { due, shift: 0 } };
        due = of_track.due.map_or(due, |last| last.max(due));
        let length = of_track.last.map_or(0, |last| time.saturating_sub(last));
        if shift == of_track.shift && (1..=LONGEST).contains(&length) {
            of_track.length = length;
        }
        let length = of_track.length;
        *of_track = Track { shift, last: Some(time), length, due: Some(due), anew: false };
        Place { due, shift: rescale(time.saturating_sub(source), 1_000_000, rate) }
    }

    /// What is added to the times of a track from a unit on that its source decodes at
    /// `source`, in microseconds.
    fn shift_of(&mut self, track: usize, source: i64) -> i64 {
        let (Some(anchor), Some(of_track)) = (&self.anchor, self.tracks.get(track)) else {
            return self.shift;
        };
        let fits = |shift: i64| {
            let time = source.saturating_add(shift);
            let earliest = match of_track.last {
                Some(last) => last.saturating_sub(BACK),
                None => anchor.latest.saturating_sub(JUMP),
            };
            (earliest..=anchor.latest.saturating_add(JUMP)).contains(&time)
        };
        let goes_on = match of_track.last {
            Some(_) if of_track.anew => {
                let next = source.saturating_add(of_track.shift);
                !self.has_moved && of_track.end().abs_diff(next) <= NEAR.unsigned_abs()
            }
            Some(_) => fits(of_track.shift),
            None => false,
        };
        if goes_on {
            let shift = of_track.shift;
            if of_track.anew {
                // Then so do the others that it was announced with.
                self.tracks.iter_mut().for_each(|track| track.anew = false);
            }
            return shift;
        }
        // Another track may have been there first.
        let is_first = of_track.last.is_some() && self.shift == of_track.shift;
        if is_first || !fits(self.shift) {
            // It begins where its track ended, if the others ended about then.
            let ends = self.tracks.iter().filter(|track| track.last.is_some()).map(Track::end);
            let latest = ends.max().unwrap_or(anchor.latest);
            let own = of_track.last.map(|_| of_track.end());
            let own = own.filter(|end| latest.saturating_sub(*end) <= OVERLAP);
            self.shift = own.unwrap_or(latest).saturating_sub(source);
            self.has_moved = true;
        }
        self.shift
    }
}

impl Track {
    /// Where its next unit belongs.
    fn end(&self) -> i64 {
        self.last.unwrap_or(0).saturating_add(self.length)
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

    const PICTURE: u32 = 90_000;
    const SOUND: u32 = 48_000;

    fn due(pace: &mut Pace, track: usize, dts: i64, rate: u32, now: Instant) -> Instant {
        pace.place(track, dts, rate, now).due
    }

    #[test]
    fn what_comes_at_once_is_shown_in_its_time() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let ms = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(due(&mut pace, 0, 90_000, PICTURE, start), start);
        assert_eq!(due(&mut pace, 0, 93_600, PICTURE, start), ms(40));
        // Sound that is stored behind the picture it belongs to.
        assert_eq!(due(&mut pace, 1, 48_480, SOUND, start), ms(10));
        assert_eq!(due(&mut pace, 0, 97_200, PICTURE, ms(50)), ms(80));
        // The network paused: all that follows is as much later.
        assert_eq!(due(&mut pace, 0, 100_800, PICTURE, ms(500)), ms(500));
        assert_eq!(due(&mut pace, 0, 104_400, PICTURE, ms(500)), ms(540));
        // Another timeline follows the first one.
        assert_eq!(due(&mut pace, 0, 90_000_000, PICTURE, ms(510)), ms(580));
        assert_eq!(due(&mut pace, 0, 90_003_600, PICTURE, ms(510)), ms(620));
        assert_eq!(due(&mut pace, 0, 0, PICTURE, ms(600)), ms(660));
        assert_eq!(due(&mut pace, 0, i64::MAX, PICTURE, ms(600)), ms(700));
        assert!(due(&mut pace, 0, i64::MIN, 1, ms(600)) >= ms(700));
        assert!(due(&mut pace, 7, i64::MIN, 1, ms(600)) >= start);
    }

    /// A part of pictures and sound of so many seconds: units with their track, rate and
    /// time, the sound of a tenth of a second behind its pictures.
    fn part(begin: i64, seconds: i64) -> Vec<(usize, u32, i64)> {
        let mut units = Vec::new();
        for tenth in 0..seconds * 10 {
            let at = begin * 10 + tenth;
            units.extend((0..5).map(|n| (0, PICTURE, at * 9000 + n * 1800)));
            units.extend((0..5).map(|n| (1, SOUND, at * 4800 + n * 960)));
        }
        units
    }

    /// Places of the units of a track, which come at the moments that are given.
    fn places(units: &[(usize, u32, i64, Instant)], pace: &mut Pace) -> [Vec<(Instant, i64)>; 2] {
        let mut places = [Vec::new(), Vec::new()];
        for (track, rate, dts, now) in units {
            let place = pace.place(*track, *dts, *rate, *now);
            places[*track].push((place.due, dts + place.shift));
        }
        places
    }

    /// All units of each track follow each other without a gap, both in step.
    fn assert_continuous(places: &[Vec<(Instant, i64)>; 2], start: Instant) {
        for (track, step) in places.iter().zip([1800, 960]) {
            for (n, (due, dts)) in track.iter().enumerate() {
                assert_eq!(*dts, track[0].1 + n as i64 * step, "unit {n}");
                assert_eq!(*due, start + Duration::from_millis(20) * n as u32, "unit {n}");
            }
        }
    }

    #[test]
    fn parts_with_times_that_begin_again_are_shown_one_after_another() {
        let start = Instant::now();
        // All at once, as files come; each begins where it likes.
        for begins in [[0, 0, 0, 0], [0, 1, 0, 3], [100, 99, 96, 1000], [7, 0, 20, 3]] {
            let units = begins.into_iter().flat_map(|begin| part(begin, 4));
            let units: Vec<_> = units.map(|(t, rate, dts)| (t, rate, dts, start)).collect();
            assert_continuous(&places(&units, &mut Pace::default()), start);
        }
    }

    #[test]
    fn live_parts_that_begin_again_are_not_shown_when_they_come() {
        let start = Instant::now();
        let comes = |n: u32| start + Duration::from_secs(4) * n;
        let units = (0..20).flat_map(|n| part(0, 4).into_iter().map(move |unit| (n, unit)));
        let units = units.map(|(n, (t, rate, dts))| (t, rate, dts, comes(n)));
        assert_continuous(&places(&units.collect::<Vec<_>>(), &mut Pace::default()), start);
    }

    #[test]
    fn sound_that_belongs_to_the_part_before_stays_in_it() {
        let start = Instant::now();
        let mut units = part(0, 4);
        // The last sound of a part comes behind the first pictures of the next one.
        let (first, second) = (units.len(), part(0, 4));
        units.extend(second);
        units[first - 5..first + 5].rotate_left(5);
        let units: Vec<_> = units.into_iter().map(|(t, r, dts)| (t, r, dts, start)).collect();
        assert_continuous(&places(&units, &mut Pace::default()), start);
    }

    #[test]
    fn sound_that_ends_after_its_pictures_falls_on_that_of_the_next_part() {
        let start = Instant::now();
        let mut units = part(0, 4);
        // Pictures are decoded 200 ms before they are shown, with their sound.
        units.extend((0..10).map(|n| (1, SOUND, 4 * 48_000 + n * 960)));
        let units: Vec<_> = units.repeat(3).into_iter().map(|(t, r, d)| (t, r, d, start)).collect();
        let [pictures, sound] = places(&units, &mut Pace::default());
        for (n, (due, dts)) in pictures.iter().enumerate() {
            assert_eq!(*dts, n as i64 * 1800);
            assert_eq!(*due, start + Duration::from_millis(20) * n as u32);
        }
        for (n, (_, dts)) in sound.iter().enumerate() {
            let (part, n) = (n as i64 / 210, n as i64 % 210);
            let begin = part * 4 * 48_000;
            let before = if part == 0 { 0 } else { begin + 9 * 960 };
            assert_eq!(*dts, (begin + n * 960).max(before), "packet {n} of part {part}");
        }
    }

    #[test]
    fn a_part_that_is_announced_may_begin_anywhere() {
        let start = Instant::now();
        // 200 ms back and 3 s ahead are nothing by which it could be told.
        for begin in [3_800_i64, 7_000, 4_050] {
            let mut pace = Pace::default();
            let first: Vec<_> = part(0, 4).into_iter().map(|(t, r, d)| (t, r, d, start)).collect();
            let mut all = places(&first, &mut pace);
            pace.begin_anew(0..2);
            let second = part(0, 4).into_iter();
            let second: Vec<_> = second
                .map(|(t, rate, dts)| (t, rate, dts + begin * i64::from(rate) / 1000, start))
                .collect();
            let more = places(&second, &mut pace);
            all.iter_mut().zip(more).for_each(|(track, more)| track.extend(more));
            if begin == 4_050 {
                // So near that it is a hole in the same timeline.
                assert_eq!(all[0][200].1 - all[0][199].1, 1800 + 50 * 90);
                assert_eq!(all[1][200].1 - all[1][199].1, 960 + 50 * 48);
                continue;
            }
            assert_continuous(&all, start);
        }
    }

    #[test]
    fn no_unit_is_due_before_the_one_before_it() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let mut last = start;
        for dts in [0, 3600, 7200, 40_000, 3600, 7300, 10_900, 45_000] {
            let next = due(&mut pace, 0, dts, PICTURE, start);
            assert!(next >= last, "{dts}");
            last = next;
        }
    }
}
