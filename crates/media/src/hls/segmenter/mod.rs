//! Cutting a stream: segments at keyframes, and after a second where none comes;
//! parts of even length in them.
//!
//! The track of pictures leads, else the first track of sound. What belongs to
//! other tracks goes into the part that is open when it comes. Nothing is empty: a part
//! is there once its first frame is written, a segment is closed with parts only, and it
//! ends when the first frame of the next one is there.
//!
//! A frame may come so late that its segment would be longer than the target duration
//! that was promised. Then what is open of it, which nobody has seen, becomes a segment
//! of its own; if that too would be too long it ends where the frame was expected, and
//! what follows is a discontinuity.

use std::collections::VecDeque;
use std::sync::Arc;

use super::groups::{Groups, count};
use super::held::{Ahead, Held};
use super::rates::Meter;
use super::rhythm::{Rhythm, Step};
use super::{Counts, Init, Packager, Part, Segment, Start};
use crate::codec::Codec;
use crate::container::mux::Chunks;
use crate::frame::Frame;
use crate::time::rescale;
use crate::track::Kind;

mod given;

pub use given::First;

/// Times here are microseconds.
const SECOND: i64 = 1_000_000;
/// No time is further from the epoch than 140 years.
const FAR: i64 = 1 << 52;
/// A segment without a keyframe ends after so long.
const LONGEST: i64 = SECOND;
/// The first ones are shorter: a viewer waits for them.
const FIRST: (u64, i64) = (2, SECOND / 2);
/// A keyframe cuts unless it comes this soon after the one before and the cut.
const SHORTEST: i64 = SECOND * 2 / 5;
/// How long a part is to be.
const PART: i64 = SECOND / 5;
/// Frames further apart than this make no parts.
const SLOW: i64 = SECOND * 2 / 5;
/// Sound may go on so long behind the last picture before a change: a frame of AAC at
/// 44.1 kHz. Players see no hole in pictures that are moved by less than their distance.
const OVER: i64 = SECOND * 23 / 1000;
/// Nothing is shorter: durations are listed in milliseconds.
const LEAST_LENGTH: i64 = SECOND / 1000;
/// Segments that are kept for each second of the target duration. A quarter of them is
/// listed: who has an old playlist still finds what it lists (RFC 8216 6.2.2).
const KEPT: usize = 32;
/// Bytes that are kept, but for the newest [`LEAST`] segments.
const KEPT_BYTES: usize = 24 << 20;
const LEAST: usize = 4;
/// Bytes of a segment; one that would be larger is cut.
const MAX_SEGMENT: usize = 8 << 20;
/// Players may begin with what is younger than so many target durations: more than
/// are listed.
const JOINABLE: i64 = 6;

/// The part that is being written. Its first frame is in it: [`Segmenter::start_part`]
/// alone makes one.
struct Open {
    out: Chunks,
    begin: i64,
    start: Start,
    counts: Vec<Counts>,
    /// By track, its newest frame before.
    before: Vec<Option<Arc<Frame>>>,
}

/// What has come of a track other than the leading one.
#[derive(Clone, Default)]
struct Others {
    /// Anything, ever.
    has_come: bool,
    /// When the newest one begins, also of those that wait.
    at: Option<i64>,
    /// Since the last discontinuity.
    first: Option<Arc<Frame>>,
    newest: Option<Arc<Frame>>,
}

/// Cuts a stream.
pub struct Segmenter {
    packager: Box<dyn Packager>,
    /// Index of the leading track.
    lead: usize,
    has_pictures: bool,
    closed: VecDeque<Arc<Segment>>,
    /// The segment that is being written, once the first frame has come.
    open: Option<Segment>,
    begin: i64,
    /// The part of it that is being written.
    part: Option<Open>,
    /// How long parts are, or that there are none; known after the first segment.
    parts: Option<Option<PartLength>>,
    /// Of the leading track.
    rhythm: Rhythm,
    meter: Meter,
    last_keyframe: i64,
    groups: Groups,
    /// By track.
    others: Vec<Others>,
    /// Their clock rates.
    rates: Vec<u32>,
    /// Pictures with other parameters, until the sound before them has come.
    held: Option<Held>,
    /// Sound that ends after the newest picture.
    ahead: Ahead,
    /// When that is decoded.
    newest: i64,
    /// Number of the segment that began after the last discontinuity.
    since: u64,
    /// What follows needs a new beginning.
    has_changed: bool,
    /// The frame before ended a segment earlier than what follows begins.
    is_late: bool,
    init: Option<Arc<Init>>,
    changes: u64,
}

impl Segmenter {
    /// Cuts the tracks of these codecs, which a packager was made for.
    pub fn new(packager: Box<dyn Packager>, codecs: &[Codec]) -> Self {
        let picture = codecs.iter().position(|codec| codec.id.kind() == Kind::Video);
        let lead = picture.unwrap_or(0);
        Self {
            packager,
            lead,
            has_pictures: picture.is_some(),
            closed: VecDeque::new(),
            open: None,
            begin: 0,
            part: None,
            parts: None,
            rhythm: Rhythm::default(),
            meter: Meter::default(),
            last_keyframe: 0,
            groups: Groups::default(),
            others: vec![Others::default(); codecs.len()],
            rates: codecs.iter().map(Codec::timestamp_rate).collect(),
            held: None,
            ahead: Ahead::default(),
            newest: 0,
            since: 0,
            has_changed: false,
            is_late: false,
            init: None,
            changes: 0,
        }
    }

    /// Takes the next frame of a track.
    pub fn push(&mut self, track: usize, frame: &Arc<Frame>) {
        // Whatever the times are, their differences are numbers.
        let rate = self.rates.get(track).copied().unwrap_or(90_000);
        let at = rescale(frame.dts, rate, 1_000_000).clamp(-FAR, FAR);
        let end = if track == self.lead { at } else { self.end(track, at) };
        if let Some(held) = &mut self.held {
            if held.take(track, frame, end) {
                if held.is_over() {
                    self.release();
                }
                return;
            }
            if track == self.lead {
                // Time began anew.
                self.release();
            }
        }
        let is_other = self.packager.learn(track, frame);
        self.has_changed |= is_other;
        if !self.packager.takes(track, frame) {
            return;
        }
        if is_other && track == self.lead && self.open.is_some() && self.held.is_none() {
            let others: Vec<bool> = self.others.iter().map(|other| other.has_come).collect();
            let mut held = Held::new((track, at), frame, &others);
            if !held.is_over() {
                // What ends before it is written as ever, the rest waits behind it.
                for ((track, frame), end) in self.ahead.until(i64::MAX) {
                    if !held.take(track, &frame, end) {
                        self.take(track, &frame, end);
                    }
                }
                let is_over = held.is_over();
                self.held = Some(held);
                if is_over {
                    self.release();
                }
                return;
            }
        }
        if track == self.lead {
            for ((track, frame), end) in self.ahead.until(at) {
                self.take(track, &frame, end);
            }
            self.newest = at;
            self.take(track, frame, at);
        } else if self.part.is_some() && self.held.is_none() {
            let frame = (track, Arc::clone(frame));
            for ((track, frame), end) in self.ahead.push(frame, end, self.newest) {
                self.take(track, &frame, end);
            }
        } else {
            self.take(track, frame, at);
        }
    }

    /// When a frame that begins at `at` ends, less [`OVER`]: it lasts as long as the one before.
    fn end(&mut self, track: usize, at: i64) -> i64 {
        let Some(of_track) = self.others.get_mut(track) else { return at };
        let before = of_track.at.replace(at);
        let length = before.map_or(0, |before| (at - before).clamp(0, LONGEST));
        at + (length - OVER).max(0)
    }

    /// Nothing is waited for any more.
    fn release(&mut self) {
        let Some(held) = self.held.take() else { return };
        let ((track, first), at, others) = held.into_frames();
        self.newest = at;
        self.take(track, &first, at);
        for (track, frame) in others {
            self.push(track, &frame);
        }
    }

    /// Takes a frame; one of the leading track is decoded at `at`.
    fn take(&mut self, track: usize, frame: &Arc<Frame>, at: i64) {
        if track == self.lead {
            let has_begun = self.cut(frame, at);
            if self.has_pictures {
                self.groups.push(frame, at);
            }
            if has_begun {
                return;
            }
        }
        let Some(part) = &mut self.part else { return };
        if !write(self.packager.as_mut(), track, frame, part) {
            return;
        }
        if track != self.lead
            && let Some(of_track) = self.others.get_mut(track)
        {
            of_track.first.get_or_insert_with(|| Arc::clone(frame));
            of_track.newest = Some(Arc::clone(frame));
            self.changes += u64::from(!std::mem::replace(&mut of_track.has_come, true));
        }
    }

    /// Ends what has to end before a frame of the leading track, and begins what
    /// begins with it. True if something did: the frame is in it.
    fn cut(&mut self, frame: &Frame, at: i64) -> bool {
        let is_key = frame.keyframe || !self.has_pictures;
        let mut has_begun = true;
        let expected = self.rhythm.expected();
        let has_length = self.rhythm.is_known() || !self.closed.is_empty();
        let since = match self.rhythm.push(at) {
            Step::After(since) => {
                self.keep_to_target(at, expected);
                since
            }
            Step::Hole => {
                if has_length {
                    self.end_segment(expected);
                } else {
                    self.forget_open();
                }
                self.has_changed = true;
                0
            }
        };
        if self.open.is_none() {
            // After a hole what comes now may need what was lost.
            let goes_on = self.is_late && !self.has_changed;
            let is_decodable =
                is_key || goes_on && self.groups.before(self.groups.next()).is_some();
            if !is_decodable || !self.packager.is_ready() {
                return false;
            }
            self.start(frame, at);
        } else if self.ends_segment(frame, at, since) {
            self.end_segment(at);
            self.start(frame, at);
        } else if self.part.is_none() || self.ends_part(at) {
            self.end_part(at);
            self.start_part(frame, at);
        } else {
            has_begun = false;
        }
        if is_key {
            self.last_keyframe = at;
        }
        has_begun
    }

    /// Ends what would be too long with a frame that should have come at `expected`.
    fn keep_to_target(&mut self, at: i64, expected: i64) {
        let limit = self.rhythm.limit();
        if self.open.is_some() && at - self.begin > limit {
            self.split();
        }
        if self.open.is_some() && at - self.begin > limit {
            self.end_segment(expected);
            self.is_late = true;
        }
    }

    /// Makes the part that is being written the first one of a segment of its own, if
    /// it is not the first one anyway.
    fn split(&mut self) {
        let Some(begin) = self.part.as_ref().map(|part| part.begin) else { return };
        let Some(open) = self.open.as_ref().filter(|open| !open.parts.is_empty()) else { return };
        let next = Segment {
            number: open.number + 1,
            discontinuities: open.discontinuities + u64::from(open.discontinuity),
            init: open.init.clone(),
            ..Segment::default()
        };
        self.close(begin);
        self.open = Some(next);
        self.begin = begin;
    }

    /// What is open was the very first frame, and nobody knows how long it lasts.
    fn forget_open(&mut self) {
        (self.open, self.part) = (None, None);
        self.packager.restart();
    }

    fn ends_segment(&self, frame: &Frame, at: i64, since: i64) -> bool {
        let Some(open) = &self.open else { return false };
        let longest = if open.number < FIRST.0 { FIRST.1 } else { LONGEST };
        let is_key = frame.keyframe || !self.has_pictures;
        let is_new_group = self.has_pictures
            && frame.keyframe
            && (at - self.last_keyframe >= SHORTEST || at - self.begin >= SHORTEST);
        is_new_group
            || is_key && self.has_changed
            // Early rather than late: the next frame would be too late.
            || at + since - self.begin > longest + longest / 20
            || open.size() + self.part.as_ref().map_or(0, |part| part.out.len()) > MAX_SEGMENT
    }

    /// A part is at least 85 % of the longest (rfc8216bis 4.4.4.9). Where none are
    /// listed they are what a segment may be split at.
    fn ends_part(&self, at: i64) -> bool {
        let Some(length) = self.part.as_ref().map(|part| at - part.begin) else { return false };
        match self.parts {
            None => false,
            Some(None) => length >= PART,
            Some(Some(PartLength { longest, interval })) => {
                length >= longest * 87 / 100 || length + interval > longest
            }
        }
    }

    fn start(&mut self, frame: &Frame, at: i64) {
        let last = self.closed.back();
        let number = last.map_or(0, |segment| segment.number + 1);
        let before = last.map_or(0, |s| s.discontinuities + u64::from(s.discontinuity));
        let is_first = last.is_none();
        let is_anew = std::mem::take(&mut self.has_changed);
        let discontinuity = !is_first && (std::mem::take(&mut self.is_late) || is_anew);
        if is_first || is_anew {
            if discontinuity {
                self.packager.restart();
                (self.others.iter_mut())
                    .for_each(|track| (track.first, track.newest) = (None, None));
                self.since = number;
            }
            let known = self.init.as_ref();
            let next = known.map_or(0, |init| init.number + 1);
            let bytes = self.packager.init();
            // The same bytes after a hole are the same segment.
            if bytes.as_ref() != known.map(|init| &init.bytes) {
                self.init = bytes.map(|bytes| Arc::new(Init { number: next, bytes }));
            }
        }
        if discontinuity && !is_anew {
            self.packager.skip(self.lead, frame);
        }
        self.open = Some(Segment {
            number,
            discontinuity,
            discontinuities: before,
            init: self.init.clone(),
            ..Segment::default()
        });
        self.begin = at;
        self.start_part(frame, at);
    }

    /// Begins a part with its first frame. There is none if nothing of that is written.
    fn start_part(&mut self, frame: &Frame, at: i64) {
        let mut out = Chunks::new();
        let begin = self.packager.begin_part(&mut out);
        let keyframe = frame.keyframe || !self.has_pictures;
        let start = Start { frame: self.groups.next(), keyframe, dts: frame.dts, begin };
        let before = self.others.iter().map(|track| track.newest.clone()).collect();
        let mut part = Open { out, begin: at, start, counts: Vec::new(), before };
        let is_written = write(self.packager.as_mut(), self.lead, frame, &mut part);
        self.part = is_written.then_some(part);
    }

    fn end_part(&mut self, at: i64) {
        let Some(Open { out, begin, start, counts, mut before }) = self.part.take() else { return };
        let longest = self.part_target().unwrap_or(i64::MAX);
        let duration = (at - begin).clamp(LEAST_LENGTH, longest);
        let independent = start.keyframe || self.groups.before(start.frame).is_some();
        if let Some(open) = &mut self.open {
            // Only what is of use is held.
            before
                .iter_mut()
                .zip(&counts)
                .filter(|(_, (frames, _))| *frames > 0)
                .for_each(|(before, _)| *before = None);
            let bytes = out.into_bytes();
            open.parts.push(Part { bytes, duration, independent, start, counts, before });
        }
        self.changes += 1;
    }

    fn end_segment(&mut self, at: i64) {
        self.end_part(at);
        self.close(at);
    }

    /// Closes the segment with the parts that are done. Without any there is none.
    fn close(&mut self, at: i64) {
        let Some(mut segment) = self.open.take() else { return };
        if segment.parts.is_empty() {
            self.has_changed = true;
            return;
        }
        segment.counts = sum(&segment.parts);
        segment.duration = (at - self.begin).clamp(LEAST_LENGTH, self.rhythm.limit());
        if self.parts.is_none() {
            let frames = segment.counts.get(self.lead).map_or(0, |(frames, _)| *frames);
            let interval = segment.duration / i64::try_from(frames.max(1)).unwrap_or(1);
            self.parts = Some(part_length(interval));
        }
        self.changes += 1;
        let target = self.rhythm.settle();
        self.meter.push(segment.size(), segment.duration, target);
        self.groups.forget(at - JOINABLE * target * SECOND);
        self.closed.push_back(Arc::new(segment));
        let mut size: usize = self.closed.iter().map(|segment| segment.size()).sum();
        let most = KEPT * usize::try_from(target).unwrap_or(1);
        while self.closed.len() > most || size > KEPT_BYTES && self.closed.len() > LEAST {
            size -= self.closed.pop_front().map_or(0, |segment| segment.size());
        }
    }
}

/// How long parts are.
#[derive(Clone, Copy, Debug)]
struct PartLength {
    longest: i64,
    /// The usual distance of frames.
    interval: i64,
}

/// Parts where frames are so far apart: some frames, and room for their coming
/// unevenly.
fn part_length(interval: i64) -> Option<PartLength> {
    if !(1..=SLOW).contains(&interval) {
        return None;
    }
    let frames = ((PART + interval / 2) / interval).max(1);
    Some(PartLength { longest: interval * frames * 11 / 10, interval })
}

/// Writes a frame into a part. False if it did not: there was nothing to write, or no
/// place for it.
fn write(packager: &mut dyn Packager, track: usize, frame: &Frame, part: &mut Open) -> bool {
    let before = part.out.len();
    packager.frame(track, frame, &mut part.out);
    let is_written = part.out.len() > before;
    if is_written {
        count(&mut part.counts, track, frame);
    }
    is_written
}

/// What is in parts, by track.
fn sum(parts: &[Part]) -> Vec<Counts> {
    let mut all: Vec<Counts> = Vec::new();
    for counts in parts.iter().map(|part| &part.counts) {
        all.resize(all.len().max(counts.len()), (0, 0));
        for (sum, (frames, bytes)) in all.iter_mut().zip(counts) {
            *sum = (sum.0 + frames, sum.1 + bytes);
        }
    }
    all
}

impl std::fmt::Debug for Segmenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segmenter").field("closed", &self.closed.len()).finish_non_exhaustive()
    }
}
