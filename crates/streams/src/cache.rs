//! The keyframe cache: the current group of pictures of a video track.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_media::Frame;

/// Bounds of the cache of one track.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Payload bytes; a group that outgrows it is forgotten until the next keyframe.
    pub bytes: usize,
    /// Length in arrival time.
    pub duration: Duration,
}

impl Default for Limits {
    /// 8 MiB and 30 seconds.
    fn default() -> Self {
        Self { bytes: 8 << 20, duration: Duration::from_secs(30) }
    }
}

#[derive(Debug)]
pub(crate) struct Cache {
    limits: Limits,
    frames: VecDeque<Arc<Frame>>,
    bytes: usize,
    last_keyframe: Option<Arc<Frame>>,
}

impl Cache {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, frames: VecDeque::new(), bytes: 0, last_keyframe: None }
    }

    pub(crate) fn push(&mut self, frame: &Arc<Frame>) {
        if frame.keyframe {
            self.forget();
            self.last_keyframe = Some(Arc::clone(frame));
        } else if self.frames.is_empty() {
            return; // nothing it could be decoded from
        }
        self.bytes += frame.payload.len();
        let too_long = self.frames.front().is_some_and(|first| {
            frame.arrival.saturating_duration_since(first.arrival) > self.limits.duration
        });
        if self.bytes > self.limits.bytes || too_long {
            self.forget();
        } else {
            self.frames.push_back(Arc::clone(frame));
        }
    }

    pub(crate) fn forget(&mut self) {
        self.frames.clear();
        self.bytes = 0;
    }

    /// The keyframe and what followed it; empty if it is not complete.
    pub(crate) fn frames(&self) -> Vec<Arc<Frame>> {
        self.frames.iter().cloned().collect()
    }

    pub(crate) fn last_keyframe(&self) -> Option<Arc<Frame>> {
        self.last_keyframe.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use rs2rtc_media::{CodecId, Payload};

    use super::*;

    fn frame(keyframe: bool, size: usize, at: Instant) -> Arc<Frame> {
        let payload = Payload::Nals(vec![Bytes::from(vec![1; size])]);
        Arc::new(Frame::new(CodecId::H264, keyframe, 0, at, payload))
    }

    #[test]
    fn holds_one_group_and_forgets_what_outgrows_it() {
        let now = Instant::now();
        let mut cache = Cache::new(Limits { bytes: 100, duration: Duration::from_secs(1) });
        cache.push(&frame(false, 10, now));
        assert!(cache.frames().is_empty());
        cache.push(&frame(true, 50, now));
        cache.push(&frame(false, 10, now));
        assert_eq!(cache.frames().len(), 2);
        cache.push(&frame(true, 50, now));
        assert_eq!(cache.frames().len(), 1);
        cache.push(&frame(false, 60, now));
        assert!(cache.frames().is_empty());
        assert!(cache.last_keyframe().is_some());
        cache.push(&frame(true, 5, now));
        cache.push(&frame(false, 5, now + Duration::from_secs(2)));
        assert!(cache.frames().is_empty());
    }
}
