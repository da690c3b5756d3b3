//! The pictures since a keyframe, for players that begin behind it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::segment::{Counts, Start};
use crate::container::mux::Chunks;
use crate::frame::Frame;

/// Payload bytes that are kept.
const MAX: usize = 16 << 20;

/// The newest groups of pictures of the leading track.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: VecDeque<Group>,
    bytes: usize,
    /// Number of the next frame.
    next: u64,
}

/// A keyframe and what follows it.
#[derive(Debug)]
struct Group {
    /// Number of the keyframe.
    first: u64,
    /// When it is decoded, in microseconds.
    at: i64,
    frames: Vec<Arc<Frame>>,
    bytes: usize,
}

impl Groups {
    /// Number of the frame that is pushed next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Takes the next frame.
    pub(super) fn push(&mut self, frame: &Arc<Frame>, at: i64) {
        let number = self.next;
        self.next += 1;
        if frame.keyframe {
            let group = Group { first: number, at, frames: Vec::new(), bytes: 0 };
            self.groups.push_back(group);
        }
        let Some(group) = self.groups.back_mut() else { return };
        group.frames.push(Arc::clone(frame));
        group.bytes += frame.payload.len();
        self.bytes += frame.payload.len();
        // Also the newest one: half of it is of no use.
        while self.bytes > MAX
            && let Some(oldest) = self.groups.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// Forgets what is needed by nothing that is decoded at `from` or later.
    pub(super) fn forget(&mut self, from: i64) {
        while self.groups.get(1).is_some_and(|second| second.at <= from)
            && let Some(oldest) = self.groups.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// What the frame with a number needs: the keyframe before it and what follows
    /// that. Nothing for a keyframe; `None` if it is not kept.
    pub(super) fn before(&self, number: u64) -> Option<&[Arc<Frame>]> {
        let group = self.groups.iter().rev().find(|group| group.first <= number)?;
        group.frames.get(..usize::try_from(number - group.first).ok()?)
    }
}

/// What parts need that do not begin with a keyframe, or have nothing of a track, for
/// a player that has not what comes before them.
#[derive(Debug)]
pub struct Lead {
    /// Pictures of the leading track.
    pub(super) frames: Vec<Arc<Frame>>,
    /// Index of that.
    pub(super) track: usize,
    /// A frame of each track that has none in the parts, at its own time. Players
    /// take what they find first for all there is.
    pub(super) others: Vec<(usize, Arc<Frame>)>,
    /// Where the parts begin.
    pub(super) start: Start,
    /// The parts have a single picture.
    pub(super) is_single: bool,
}

impl Lead {
    /// Writes it: what stands in front of the part, with what is in it by track.
    pub fn write(&self) -> (Chunks, Vec<Counts>) {
        let mut counts = Vec::new();
        let pictures = self.frames.iter().map(|frame| (self.track, frame));
        for (track, frame) in
            pictures.chain(self.others.iter().map(|(track, frame)| (*track, frame)))
        {
            count(&mut counts, track, frame);
        }
        (self.start.begin.before(self), counts)
    }
}

/// Counts a frame of a track.
pub(super) fn count(counts: &mut Vec<Counts>, track: usize, frame: &Frame) {
    if counts.len() <= track {
        counts.resize(track + 1, (0, 0));
    }
    if let Some((frames, bytes)) = counts.get_mut(track) {
        *frames += 1;
        *bytes += frame.payload.len();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::codec::CodecId;
    use crate::frame::Payload;

    fn push(groups: &mut Groups, keyframe: bool, bytes: usize) {
        let payload = Payload::Nals(vec![Bytes::from(vec![0; bytes])]);
        let at = groups.next().cast_signed();
        let frame = Frame::new(CodecId::H264, keyframe, at, Instant::now(), payload);
        groups.push(&Arc::new(frame), at);
    }

    fn needs(groups: &Groups, number: u64) -> Option<Vec<i64>> {
        groups.before(number).map(|frames| frames.iter().map(|frame| frame.dts).collect())
    }

    #[test]
    fn a_frame_needs_what_follows_its_keyframe() {
        let mut groups = Groups::default();
        for n in 0..10 {
            push(&mut groups, n % 4 == 1, 1);
        }
        assert_eq!(needs(&groups, 0), None, "nothing is known before the first keyframe");
        assert_eq!(needs(&groups, 1), Some(vec![]));
        assert_eq!(needs(&groups, 4), Some(vec![1, 2, 3]));
        assert_eq!(needs(&groups, 5), Some(vec![]));
        assert_eq!(needs(&groups, 10), Some(vec![9]), "the one that comes next");
        assert_eq!(needs(&groups, 11), None);
        groups.forget(5);
        assert_eq!((needs(&groups, 4), needs(&groups, 6)), (None, Some(vec![5])));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut groups = Groups::default();
        for n in 0..100 {
            push(&mut groups, n % 10 == 0, 1 << 20);
            assert!(groups.bytes <= MAX);
        }
        assert_eq!(needs(&groups, 95).map(|frames| frames.len()), Some(5));
        assert_eq!(needs(&groups, 79), None);
        // A group that is too large is not kept at all.
        for n in 0..20 {
            push(&mut groups, n == 0, 1 << 20);
        }
        assert_eq!((needs(&groups, 105), groups.bytes), (None, 0));
    }
}
