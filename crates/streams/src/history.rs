//! What has passed on a track lately, for clips that begin before they are asked
//! for.
//!
//! It holds the frames themselves, none of their bytes copied, from a keyframe on.
//! There is none unless the stream asks for it, and none of a source that does not
//! run.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_media::container::fmp4::Format;
use rs2rtc_media::{Frame, Kind};

/// Payload bytes of one track; what outgrows it reaches less far back.
const MAX_BYTES: usize = 64 << 20;
/// Sound is kept for so much longer: a clip begins with the keyframe before the
/// moment that it is to begin at, and so does its sound.
const SPARE: Duration = Duration::from_secs(15);

/// The last frames of a track.
#[derive(Debug)]
pub(crate) struct History {
    frames: VecDeque<Arc<Frame>>,
    /// Where decoding can begin, counted from the first frame ever taken.
    starts: VecDeque<u64>,
    /// Number of the first frame that is left.
    first: u64,
    bytes: usize,
    limit: usize,
    spare: Duration,
}

impl History {
    pub(crate) const fn new(kind: Kind) -> Self {
        let spare = match kind {
            Kind::Audio => SPARE,
            _ => Duration::ZERO,
        };
        Self {
            frames: VecDeque::new(),
            starts: VecDeque::new(),
            first: 0,
            bytes: 0,
            limit: MAX_BYTES,
            spare,
        }
    }

    /// Takes a frame and forgets what reaches further back than asked, in whole
    /// groups of pictures; nothing is kept for zero.
    pub(crate) fn push(&mut self, frame: &Frame, reach: Duration) {
        if reach.is_zero() {
            return self.forget();
        }
        if !Format::CODECS.contains(&frame.codec) || self.frames.is_empty() && !frame.keyframe {
            return;
        }
        if frame.keyframe {
            self.starts.push_back(self.first + self.frames.len() as u64);
        }
        self.bytes += frame.payload.len();
        self.frames.push_back(Arc::new(frame.bare()));
        let keep = reach.saturating_add(self.spare);
        let is_spare = |next: &Frame| frame.arrival.saturating_duration_since(next.arrival) > keep;
        while self.bytes > self.limit || self.second().is_some_and(|next| is_spare(next)) {
            self.forget_group();
        }
    }

    /// The first frame of the second group.
    fn second(&self) -> Option<&Arc<Frame>> {
        let place = self.starts.get(1)?.checked_sub(self.first)?;
        self.frames.get(usize::try_from(place).ok()?)
    }

    fn forget_group(&mut self) {
        let Some(next) = self.starts.get(1).copied() else { return self.forget() };
        self.starts.pop_front();
        while self.first < next {
            let Some(frame) = self.frames.pop_front() else { break };
            self.bytes -= frame.payload.len();
            self.first += 1;
        }
    }

    /// Nothing of it belongs to what follows.
    pub(crate) fn forget(&mut self) {
        if !self.frames.is_empty() {
            self.first += self.frames.len() as u64;
            self.frames = VecDeque::new();
            self.starts = VecDeque::new();
            self.bytes = 0;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// From a keyframe on.
    pub(crate) fn frames(&self) -> Vec<Arc<Frame>> {
        self.frames.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use rs2rtc_media::{CodecId, Payload};

    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn picture(n: u32, epoch: Instant, size: usize) -> Frame {
        let payload = Payload::Nals(vec![Bytes::from(vec![1; size])]);
        let keyframe = n.is_multiple_of(4);
        Frame::new(CodecId::H264, keyframe, n.into(), epoch + S * n, payload)
    }

    fn times(history: &History) -> Vec<i64> {
        history.frames().iter().map(|frame| frame.pts).collect()
    }

    #[test]
    fn reaches_back_to_the_keyframe_before_and_no_further() {
        let (mut history, epoch) = (History::new(Kind::Video), Instant::now());
        for n in 1..=3 {
            history.push(&picture(n, epoch, 10), 5 * S);
        }
        assert!(history.is_empty(), "nothing to decode it from");
        for n in 4..=9 {
            history.push(&picture(n, epoch, 10), 5 * S);
        }
        assert_eq!(times(&history), [4, 5, 6, 7, 8, 9]);
        // The picture of second 8 is the one before second 14 less 5.
        for n in 10..=14 {
            history.push(&picture(n, epoch, 10), 5 * S);
        }
        assert_eq!(times(&history), [8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(history.bytes, 70);
        history.push(&picture(15, epoch, 10), Duration::ZERO);
        assert!(history.is_empty());
        assert_eq!(history.bytes, 0);
    }

    #[test]
    fn what_outgrows_its_bytes_reaches_less_far() {
        let (mut history, epoch) = (History::new(Kind::Video), Instant::now());
        history.limit = 100;
        for n in 0..12 {
            history.push(&picture(n, epoch, 12), 60 * S);
            assert!(history.bytes <= 100);
        }
        assert_eq!(times(&history), [4, 5, 6, 7, 8, 9, 10, 11]);
        // A group that is too large alone waits for the next one.
        history.push(&picture(12, epoch, 200), 60 * S);
        history.push(&picture(13, epoch, 1), 60 * S);
        assert!(history.is_empty());
        history.push(&picture(16, epoch, 1), 60 * S);
        assert_eq!(times(&history), [16]);
    }

    #[test]
    fn sound_reaches_further_than_asked() {
        let (mut history, epoch) = (History::new(Kind::Audio), Instant::now());
        for n in 0..60_u32 {
            let payload = Payload::Data(Bytes::from_static(b"xx"));
            history.push(&Frame::new(CodecId::Opus, true, n.into(), epoch + S * n, payload), 5 * S);
        }
        assert_eq!(history.frames().len(), 22, "20 seconds, and the one before");
        assert_eq!(history.bytes, 44);
    }

    #[test]
    fn the_bytes_are_those_of_the_frame_and_nothing_else_is_held() {
        let mut history = History::new(Kind::Video);
        let frame = picture(0, Instant::now(), 10).with_received(vec![Bytes::from_static(b"rtp")]);
        history.push(&frame, S);
        let kept = history.frames().remove(0);
        let (Payload::Nals(kept_nals), Payload::Nals(nals)) = (&kept.payload, &frame.payload)
        else {
            panic!("not nals")
        };
        assert_eq!(kept_nals[0].as_ptr(), nals[0].as_ptr());
        assert_eq!(kept.received, None);
        let jpeg = Payload::Data(Bytes::from_static(b"xx"));
        history.forget();
        history.push(&Frame::new(CodecId::Jpeg, true, 0, Instant::now(), jpeg), S);
        assert!(history.is_empty(), "no clip can hold it");
    }
}
