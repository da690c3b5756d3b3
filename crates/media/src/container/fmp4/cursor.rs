//! One reader's place on the timeline that all readers of a stream share.
//!
//! The reader's own times begin at zero. Audio and video keep their distance:
//! what comes later begins later. A live reader that begins with a group of
//! pictures out of the past gets them a millisecond apart, just below the next
//! live picture: they are decoded at once and not shown as a film in fast
//! motion. When it has missed something it goes on where it was, without the
//! gap; a recorder keeps the gap.

use std::sync::Arc;

use super::fragment::{self, Run, Sample};
use super::track::Fragment;
use crate::time::rescale;

/// Most that a group of pictures out of the past takes on the timeline: this
/// part of a second.
const BURST_PART: u32 = 10;

/// What times are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Now: time that was missed does not exist.
    Live,
    /// Later: time that was missed is a gap.
    Recording,
}

/// One reader's place.
#[derive(Debug)]
pub struct Cursor {
    pace: Pace,
    tracks: Vec<Place>,
    /// The track that it begins with: the first picture, else the first sound.
    master: usize,
    sequence: u32,
    /// The next keyframe of the master goes where the reader is.
    rejoin: bool,
    begun: bool,
}

#[derive(Debug)]
struct Place {
    timescale: u32,
    /// Zero of the reader on the timeline of the stream, in ticks.
    zero: i64,
    /// Where the reader's next fragment of the track begins.
    end: Option<i64>,
    /// Pictures begin at a keyframe.
    gated: bool,
}

impl Place {
    /// The reader's time after everything it has, in ticks of `timescale`.
    fn end_in(&self, timescale: u32) -> i64 {
        rescale(self.end.unwrap_or(0), self.timescale, timescale)
    }
}

impl Cursor {
    /// A reader of tracks with these timescales, which begins with keyframes of
    /// the track `master`.
    pub fn new(pace: Pace, timescales: &[u32], master: usize) -> Self {
        let place = |timescale: &u32| Place {
            timescale: (*timescale).max(1),
            zero: 0,
            end: None,
            gated: true,
        };
        Self {
            pace,
            tracks: timescales.iter().map(place).collect(),
            master,
            sequence: 0,
            rejoin: true,
            begun: false,
        }
    }

    /// Something was missed, and the reader goes on with a keyframe.
    pub fn missed(&mut self) {
        self.tracks.iter_mut().for_each(|place| place.gated = true);
        self.rejoin = !self.begun || self.pace == Pace::Live;
    }

    /// The next fragment of a track, which begins at `dts`, begins there and not where the
    /// one before ended; never earlier.
    pub fn skip(&mut self, track: usize, dts: i64) {
        if let Some(place) = self.tracks.get_mut(track)
            && let Some(end) = &mut place.end
        {
            *end = dts.saturating_sub(place.zero).max(*end);
        }
    }

    /// Whether anything was placed.
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// What the timeline of each track holds before the first picture, when the
    /// reader begins with `first`: in ticks of the track, for an edit list.
    pub fn lead(&self, first: &Fragment) -> Vec<u64> {
        let timescale = self.tracks.get(first.track).map_or(1, |place| place.timescale);
        let lead = i64::from(first.composition.max(0));
        let of = |place: &Place| u64::try_from(rescale(lead, timescale, place.timescale));
        self.tracks.iter().map(|place| of(place).unwrap_or(0)).collect()
    }

    /// The bytes in front of the payload of a live fragment; `None` if the reader
    /// does not take it: it has not begun, or it is from before its zero.
    pub fn place(&mut self, fragment: &Fragment) -> Option<Vec<u8>> {
        if fragment.track == self.master && fragment.keyframe && self.rejoin {
            self.begin_at(fragment.dts);
        }
        if !self.begun || self.rejoin {
            return None;
        }
        let place = self.tracks.get_mut(fragment.track)?;
        if place.gated && !fragment.keyframe {
            return None;
        }
        let ends = fragment.end().saturating_sub(place.zero);
        let begins = match place.end {
            Some(end) => end,
            None if ends <= 0 => return None,
            None => fragment.dts.saturating_sub(place.zero).max(0),
        };
        place.gated = false;
        let duration = ends.saturating_sub(begins).max(1);
        let sample = sample(fragment, duration, fragment.composition.into());
        Some(self.write(fragment.track, begins, sample))
    }

    /// The same for a group of pictures of the master out of the past, the last
    /// of which ends where the next live one begins. It is empty, or begins with
    /// a keyframe.
    pub fn place_burst(&mut self, group: &[Arc<Fragment>]) -> Vec<Vec<u8>> {
        let timescale = self.tracks.get(self.master).map_or(1, |place| place.timescale);
        let Some(burst) = Burst::of(group, timescale) else { return Vec::new() };
        self.begin_at(burst.first);
        if let Some(place) = self.tracks.get_mut(self.master) {
            place.gated = false;
        }
        let zero = self.tracks.get(self.master).map_or(0, |place| place.zero);
        let mut heads = Vec::with_capacity(group.len());
        for (fragment, (dts, pts)) in group.iter().zip(&burst.times) {
            let begins = dts.saturating_sub(zero);
            let sample = sample(fragment, burst.step, pts.saturating_sub(*dts));
            heads.push(self.write(fragment.track, begins, sample));
        }
        heads
    }

    /// The reader's time after what it has of the master, in ticks.
    pub fn end(&self) -> i64 {
        self.tracks.get(self.master).and_then(|place| place.end).unwrap_or(0)
    }

    /// Puts zero so that `dts` of the master comes after everything the reader has.
    fn begin_at(&mut self, dts: i64) {
        let Some(timescale) = self.tracks.get(self.master).map(|place| place.timescale) else {
            return;
        };
        let end = self.tracks.iter().map(|place| place.end_in(timescale)).max().unwrap_or(0);
        let zero = dts.saturating_sub(end);
        for place in &mut self.tracks {
            place.zero = rescale(zero, timescale, place.timescale);
        }
        self.begun = true;
        self.rejoin = false;
    }

    fn write(&mut self, track: usize, dts: i64, sample: Sample) -> Vec<u8> {
        if let Some(place) = self.tracks.get_mut(track) {
            place.end = Some(dts.saturating_add(sample.duration.into()));
        }
        self.sequence = self.sequence.wrapping_add(1);
        let dts = u64::try_from(dts).unwrap_or(0);
        fragment::head(self.sequence, &[Run { track, dts, samples: &[sample] }])
    }
}

/// A group of pictures out of the past, pressed together.
struct Burst {
    /// Where it begins and ends on the timeline of the stream.
    first: i64,
    cut: i64,
    /// Ticks of a picture.
    step: i64,
    /// (decoding, presentation) of each.
    times: Vec<(i64, i64)>,
}

impl Burst {
    /// Presses a group together whose track has this timescale; `None` if it is empty.
    fn of(group: &[Arc<Fragment>], timescale: u32) -> Option<Self> {
        let (last, count) = group.last().zip(i64::try_from(group.len()).ok())?;
        let most = i64::from(timescale / BURST_PART);
        let step = (most / count).clamp(1, i64::from(timescale / 1000).max(1));
        let cut = last.end();
        let first = cut.saturating_sub(count.saturating_mul(step));
        let decoded = (0..).map(|n| first + n * step);
        let times = decoded.zip(presentation(group, cut, step)).collect();
        Some(Self { first, cut, step, times })
    }
}

/// What stands in front of a group of pictures of one track for somebody who begins
/// where another reader was at `end`, in ticks of `timescale`: the group is pressed
/// together as by [`Cursor::place_burst`] and ends there. One for each fragment.
pub fn place_before(group: &[Arc<Fragment>], timescale: u32, end: i64) -> Vec<Vec<u8>> {
    let Some(burst) = Burst::of(group, timescale) else { return Vec::new() };
    let begin = end.saturating_sub(burst.cut.saturating_sub(burst.first));
    let heads = group.iter().zip(&burst.times).map(|(fragment, (dts, pts))| {
        let at = begin.saturating_add(dts.saturating_sub(burst.first));
        let sample = sample(fragment, burst.step, pts.saturating_sub(*dts));
        let dts = u64::try_from(at).unwrap_or(0);
        fragment::head(0, &[Run { track: fragment.track, dts, samples: &[sample] }])
    });
    heads.collect()
}

fn sample(fragment: &Fragment, duration: i64, composition: i64) -> Sample {
    Sample {
        duration: u32::try_from(duration).unwrap_or(u32::MAX),
        size: u32::try_from(fragment.size).unwrap_or(u32::MAX),
        keyframe: fragment.keyframe,
        composition: i32::try_from(composition).unwrap_or(0),
    }
}

/// Presentation times of a group before `cut`, `step` apart in their order; those
/// that come after pictures yet to be sent keep their own.
fn presentation(group: &[Arc<Fragment>], cut: i64, step: i64) -> Vec<i64> {
    let mut order: Vec<i64> = group.iter().map(|f| f.pts()).filter(|pts| *pts < cut).collect();
    order.sort_unstable();
    group
        .iter()
        .map(|fragment| {
            let pts = fragment.pts();
            let before = order.partition_point(|p| *p < pts);
            let left = i64::try_from(order.len() - before).unwrap_or(0);
            if pts < cut { cut.saturating_sub(left.max(1).saturating_mul(step)) } else { pts }
        })
        .collect()
}
