//! What viewers are given of what was cut: where they begin, what stands in front of it, and
//! the figures of the playlist (RFC 8216 4.3, rfc8216bis 4.4).

use std::ops::Range;
use std::sync::Arc;

use super::{SECOND, Segmenter};
use crate::frame::Frame;
use crate::hls::rates::Rates;
use crate::hls::{Init, Lead, Segment};

/// What a viewer fetches first.
#[derive(Debug)]
pub struct First {
    /// What stands in front, if anything does.
    pub lead: Option<Lead>,
    /// Of the segments, without that.
    pub bytes: usize,
    /// Microseconds that they last.
    pub duration: i64,
}

impl Segmenter {
    /// Number of the segment that a viewer begins with who comes now: as many of the
    /// newest ones are shown to it as make a target duration, and none from before a
    /// discontinuity. `None` while there is none.
    pub fn entry(&self) -> Option<u64> {
        let mut length = 0;
        let mut from = None;
        for segment in self.closed.iter().rev() {
            from = Some(segment.number);
            length += segment.duration;
            // A frame less than that is as good.
            if length + self.rhythm.interval() >= self.target() * SECOND || segment.discontinuity {
                break;
            }
        }
        from
    }

    /// What somebody needs who has nothing and begins with these parts of a segment.
    /// `None` if that is nothing, or is not kept.
    pub fn lead(&self, segment: &Segment, parts: Range<usize>) -> Option<Lead> {
        let parts = segment.parts.get(parts)?;
        let first = parts.first()?;
        let start = first.start.clone();
        let of_track = |track: usize| -> usize {
            parts.iter().map(|part| part.counts.get(track).map_or(0, |count| count.0)).sum()
        };
        let pictures = self.groups.before(start.frame).filter(|_| !start.keyframe);
        let frames = pictures.map(<[_]>::to_vec).unwrap_or_default();
        let mut others = Vec::new();
        for (track, known) in self.others.iter().enumerate() {
            // An initialisation segment names all tracks.
            if track == self.lead || of_track(track) > 0 || segment.init.is_some() {
                continue;
            }
            let before = first.before.get(track).and_then(Option::as_ref);
            let after = known.first.as_ref().filter(|_| segment.number >= self.since);
            // That one comes again in its own place: this one is a moment earlier, as times only grow.
            let earlier = |frame: &Arc<Frame>| {
                let (codec, payload) = (frame.codec.clone(), frame.payload.clone());
                Arc::new(Frame::new(codec, true, frame.pts - 1, frame.arrival, payload))
            };
            let frame = before.cloned().or_else(|| after.map(earlier));
            others.extend(frame.map(|frame| (track, frame)));
        }
        if frames.is_empty() && others.is_empty() {
            return None;
        }
        let is_single = of_track(self.lead) == 1;
        Some(Lead { frames, track: self.lead, others, start, is_single })
    }

    /// Whether something of each track has come.
    pub fn has_all(&self) -> bool {
        let mut others = self.others.iter().enumerate();
        others.all(|(track, others)| track == self.lead || others.has_come)
    }

    /// The closed segments, oldest first.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + ExactSizeIterator {
        self.closed.iter()
    }

    /// The segment that is being written, with the parts that are done.
    pub const fn open(&self) -> Option<&Segment> {
        self.open.as_ref()
    }

    /// An initialisation segment that something which is kept needs; without a
    /// number the newest.
    pub fn init(&self, number: Option<u64>) -> Option<&Arc<Init>> {
        let kept = self.closed.iter().filter_map(|segment| segment.init.as_ref());
        let mut all = self.init.iter().chain(kept);
        all.find(|init| number.is_none_or(|number| init.number == number))
    }

    /// `EXT-X-TARGETDURATION` in seconds: 1, but for frames that are further apart. Does
    /// not change once there is a segment.
    pub fn target(&self) -> i64 {
        self.rhythm.target()
    }

    /// The longest part in microseconds; `None` if there are no parts.
    pub fn part_target(&self) -> Option<i64> {
        self.parts.flatten().map(|parts| parts.longest)
    }

    /// What its segments take, of all that were ever closed; `None` before there is one.
    pub fn rates(&self) -> Option<Rates> {
        self.meter.rates()
    }

    /// The segments that a viewer who comes now may fetch within half a target duration,
    /// and what it is given in front of them.
    pub fn first(&self) -> Option<First> {
        let entry = self.entry()?;
        let mut first: Option<First> = None;
        for segment in self.closed.iter().filter(|segment| segment.number >= entry) {
            let first = first.get_or_insert_with(|| First {
                lead: self.lead(segment, 0..segment.parts.len()),
                bytes: 0,
                duration: 0,
            });
            first.bytes += segment.size();
            first.duration += segment.duration;
            if 2 * first.duration >= self.target() * SECOND {
                break;
            }
        }
        first
    }

    /// Counts parts and segments: something new is there when it has changed.
    pub const fn changes(&self) -> u64 {
        self.changes
    }
}
