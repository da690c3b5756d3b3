//! The frames of a track since its newest keyframe, for somebody who wants its
//! newest picture, or one after another: what was cached, and what comes while it is
//! decoded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::Frame;
use rs2rtc_streams::{Sink, Subscription, Track};
use tokio::sync::Notify;

/// A camera that has sent nothing for so long stands still: what it sent last is
/// not the newest picture, the next one is.
const STALE: Duration = Duration::from_secs(2);
/// Payload bytes of a group that are kept; the keyframe cache has the same bound.
const MAX_BYTES: usize = 16 << 20;
/// Frames of a group that are kept.
const MAX_FRAMES: usize = 4096;

#[derive(Debug, Default)]
struct Inner {
    /// Since the newest keyframe, which is the first.
    frames: Vec<Arc<Frame>>,
    bytes: usize,
    /// How many of them were taken.
    taken: usize,
    /// Those that were taken are not kept: nobody asks for the whole group.
    passes_on: bool,
    /// Frames that come can be decoded after those that came.
    whole: bool,
    /// The newest one is no older than it has to be.
    fresh: bool,
    /// Counts keyframes that came.
    keyframes: u64,
    /// How many had when some were taken the last time.
    taken_of: u64,
    ended: bool,
}

/// Collects frames.
#[derive(Debug, Default)]
pub(super) struct Feed {
    inner: Mutex<Inner>,
    changed: Notify,
}

impl Feed {
    /// Begins with what is cached of a track. Frames come until the subscription
    /// is dropped.
    pub(super) fn of(track: &Arc<Track>) -> (Arc<Self>, Subscription) {
        Self::begin(track, false)
    }

    /// As [`Self::of`] for somebody who takes what comes for as long as it comes: a
    /// group may be endless, only what was not taken yet counts.
    pub(super) fn passing(track: &Arc<Track>) -> (Arc<Self>, Subscription) {
        Self::begin(track, true)
    }

    fn begin(track: &Arc<Track>, passes_on: bool) -> (Arc<Self>, Subscription) {
        let feed = Arc::new(Self::default());
        {
            let mut inner = feed.lock();
            (inner.whole, inner.passes_on) = (true, passes_on);
        }
        let (subscription, cached) = track.subscribe_with_cache(Arc::clone(&feed) as _);
        feed.seed(cached);
        (feed, subscription)
    }

    /// Only a keyframe that came long ago, for its own sake.
    pub(super) fn only(keyframe: &Arc<Frame>) -> Arc<Self> {
        let feed = Self::default();
        feed.push(keyframe);
        feed.lock().ended = true;
        Arc::new(feed)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was cached in front of what came since.
    fn seed(&self, mut cached: Vec<Arc<Frame>>) {
        let mut inner = self.lock();
        if inner.keyframes > 0 {
            return;
        }
        if cached.is_empty() {
            inner.forget();
            return;
        }
        inner.fresh |= cached.last().is_some_and(|last| last.arrival.elapsed() < STALE);
        inner.bytes += cached.iter().map(|frame| frame.payload.len()).sum::<usize>();
        cached.append(&mut inner.frames);
        inner.frames = cached;
    }

    /// Waits for frames that make a picture of now.
    ///
    /// # Errors
    /// `Ended` if none will come.
    pub(super) async fn ready(&self) -> Result<(), Error> {
        self.until(|inner| inner.fresh && !inner.frames.is_empty()).await
    }

    /// Waits for frames that were not taken yet.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub(super) async fn more(&self) -> Result<(), Error> {
        self.until(|inner| inner.frames.len() > inner.taken).await
    }

    /// Waits for another keyframe than the newest of `number`.
    ///
    /// # Errors
    /// As [`Self::ready`].
    pub(super) async fn keyframe_after(&self, number: u64) -> Result<(), Error> {
        self.until(|inner| inner.keyframes > number).await
    }

    async fn until(&self, is_so: impl Fn(&Inner) -> bool) -> Result<(), Error> {
        loop {
            let changed = self.changed.notified();
            {
                let inner = self.lock();
                if is_so(&inner) {
                    return Ok(());
                }
                if inner.ended {
                    return Err(Error::new(ErrorKind::Ended, "the source has ended"));
                }
            }
            changed.await;
        }
    }

    /// What came since the last call, and the number of the newest keyframe, which
    /// takes the place of all before it.
    pub(super) fn take(&self) -> (Vec<Arc<Frame>>, u64) {
        let mut inner = self.lock();
        inner.taken_of = inner.keyframes;
        if inner.passes_on {
            inner.bytes = 0;
            return (std::mem::take(&mut inner.frames), inner.keyframes);
        }
        let frames = inner.frames.get(inner.taken..).unwrap_or_default().to_vec();
        inner.taken = inner.frames.len();
        (frames, inner.keyframes)
    }

    /// How many keyframes have come.
    pub(super) fn keyframes(&self) -> u64 {
        self.lock().keyframes
    }

    /// All since the newest keyframe, and the number of that one.
    pub(super) fn all(&self) -> (Vec<Arc<Frame>>, u64) {
        let inner = self.lock();
        (inner.frames.clone(), inner.keyframes)
    }

    /// How much has come since the last call of [`Self::take`].
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        let inner = self.lock();
        inner.frames.len() - inner.taken
    }

    /// What was taken cannot be decoded: begins anew with the next keyframe, which may
    /// have come already.
    pub(super) fn skip(&self) {
        let mut inner = self.lock();
        if inner.keyframes == inner.taken_of {
            inner.forget();
        }
    }
}

impl Inner {
    fn forget(&mut self) {
        self.frames.clear();
        self.bytes = 0;
        self.taken = 0;
        self.whole = false;
    }
}

impl Sink for Feed {
    fn push(&self, frame: &Arc<Frame>) {
        let mut inner = self.lock();
        if frame.keyframe {
            inner.forget();
            inner.whole = true;
            inner.keyframes += 1;
        } else if !inner.whole {
            return;
        }
        inner.bytes += frame.payload.len();
        if inner.bytes > MAX_BYTES || inner.frames.len() >= MAX_FRAMES {
            inner.forget();
            return;
        }
        inner.frames.push(Arc::clone(frame));
        inner.fresh = true;
        drop(inner);
        self.changed.notify_waiters();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use rs2rtc_media::{Codec, CodecId, Kind, Payload};
    use rs2rtc_streams::CacheLimits;

    use super::*;

    fn frame(keyframe: bool, pts: i64) -> Arc<Frame> {
        let payload = Payload::Nals(vec![Bytes::from_static(b"xx")]);
        Arc::new(Frame::new(CodecId::H264, keyframe, pts, Instant::now(), payload))
    }

    fn old(keyframe: bool, pts: i64) -> Arc<Frame> {
        let payload = Payload::Nals(vec![Bytes::from_static(b"xx")]);
        let then = Instant::now().checked_sub(STALE * 2).unwrap();
        Arc::new(Frame::new(CodecId::H264, keyframe, pts, then, payload))
    }

    fn track() -> Arc<Track> {
        Arc::new(Track::new(Kind::Video, Codec::new(CodecId::H264), Some(CacheLimits::default())))
    }

    fn times(frames: &[Arc<Frame>]) -> Vec<i64> {
        frames.iter().map(|frame| frame.pts).collect()
    }

    #[tokio::test]
    async fn what_was_cached_comes_first_and_a_keyframe_replaces_it() {
        let track = track();
        track.push(&frame(true, 1));
        track.push(&frame(false, 2));
        let (feed, _subscription) = Feed::of(&track);
        feed.ready().await.unwrap();
        track.push(&frame(false, 3));
        assert_eq!(times(&feed.take().0), [1, 2, 3]);
        assert!(feed.take().0.is_empty());
        track.push(&frame(false, 4));
        assert_eq!(times(&feed.take().0), [4]);
        let (all, number) = feed.all();
        assert_eq!(times(&all), [1, 2, 3, 4]);
        track.push(&frame(true, 5));
        feed.keyframe_after(number).await.unwrap();
        track.push(&frame(false, 6));
        assert_eq!(times(&feed.take().0), [5, 6]);
        feed.skip();
        track.push(&frame(false, 7));
        assert!(feed.take().0.is_empty(), "nothing it could be decoded from");
        track.push(&frame(true, 8));
        feed.skip();
        assert_eq!(times(&feed.take().0), [8], "it came before the damage was told");
    }

    #[tokio::test]
    async fn a_camera_that_stands_still_is_waited_for() {
        let track = track();
        track.push(&old(true, 1));
        let (feed, _subscription) = Feed::of(&track);
        let mut ready = std::pin::pin!(feed.ready());
        let waits =
            std::future::poll_fn(|cx| std::task::Poll::Ready(ready.as_mut().poll(cx).is_pending()));
        assert!(waits.await);
        track.push(&frame(false, 2));
        ready.await.unwrap();
        assert_eq!(times(&feed.take().0), [1, 2]);
    }

    #[tokio::test]
    async fn without_a_keyframe_there_is_no_picture() {
        let track = track();
        let (feed, _subscription) = Feed::of(&track);
        track.push(&frame(false, 1));
        assert!(feed.take().0.is_empty());
        feed.end();
        assert_eq!(feed.ready().await.unwrap_err().kind(), ErrorKind::Ended);
    }

    #[tokio::test]
    async fn a_group_without_end_passes() {
        let track = track();
        track.push(&old(true, 0));
        let (feed, _subscription) = Feed::passing(&track);
        feed.more().await.unwrap();
        assert_eq!(times(&feed.take().0), [0], "also from a camera that stands still");
        for pts in 1..=2 * MAX_FRAMES as i64 {
            track.push(&frame(false, pts));
            feed.more().await.unwrap();
            assert_eq!(times(&feed.take().0), [pts]);
        }
        assert!(feed.all().0.is_empty(), "nothing is kept");
        for pts in 0..=MAX_FRAMES as i64 {
            track.push(&frame(false, pts));
        }
        assert!(feed.take().0.is_empty(), "too much waited");
        feed.end();
        assert_eq!(feed.more().await.unwrap_err().kind(), ErrorKind::Ended);
    }

    #[test]
    fn a_group_without_end_is_forgotten() {
        let feed = Feed::only(&frame(true, 0));
        for pts in 1..=MAX_FRAMES {
            feed.push(&frame(false, pts as i64));
        }
        assert!(feed.take().0.is_empty());
    }
}
