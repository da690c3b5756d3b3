//! The bounded queue between tracks and a consumer that runs as a task.
//!
//! All tracks of one consumer share a queue, so that it wakes once and sees
//! frames in the order they came. A slow consumer never slows a producer: when
//! the queue is full a video track skips to its next keyframe, an audio track
//! loses its oldest frame. Both are counted as drops of the sender.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_media::{Frame, Kind};
use tokio::sync::Notify;

use crate::track::{Sender, Sink};

/// What may wait of one track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Frames.
    pub frames: usize,
    /// Payload bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 512 frames and 16 MiB.
    fn default() -> Self {
        Self { frames: 512, bytes: 16 << 20 }
    }
}

#[derive(Debug)]
struct Input {
    kind: Kind,
    sender: Arc<Sender>,
    frames: usize,
    bytes: usize,
    /// Video: nothing is taken before the next keyframe.
    skipping: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Inner {
    inputs: Vec<Input>,
    items: VecDeque<(usize, Arc<Frame>)>,
    /// Times that pictures were lost since the consumer last had all there was.
    skips: u32,
    closed: bool,
}

/// A bounded queue of frames from several tracks.
#[derive(Debug, Default)]
pub struct FrameQueue {
    inner: Mutex<Inner>,
    notify: Notify,
    limits: Limits,
    /// Ends with the first of its tracks.
    undivided: bool,
}

impl FrameQueue {
    /// An empty queue without inputs.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// An empty queue with limits of its own.
    pub fn with_limits(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, ..Self::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty queue that ends with the first of its tracks: for a consumer that has
    /// said in front which tracks there are, and cannot take one back. It ends then,
    /// and who asks again is told what there is.
    pub fn undivided(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, undivided: true, ..Self::default() })
    }

    /// Adds an input. Returns its index (as [`Self::recv`] gives it) and the
    /// sink to subscribe with. Video starts at its next keyframe.
    pub fn input(self: &Arc<Self>, kind: Kind, sender: Arc<Sender>) -> (usize, Arc<dyn Sink>) {
        self.put(kind, sender, kind == Kind::Video)
    }

    /// The same for a consumer that has what came before: video starts at once.
    pub fn input_that_goes_on(
        self: &Arc<Self>,
        kind: Kind,
        sender: Arc<Sender>,
    ) -> (usize, Arc<dyn Sink>) {
        self.put(kind, sender, false)
    }

    fn put(
        self: &Arc<Self>,
        kind: Kind,
        sender: Arc<Sender>,
        skipping: bool,
    ) -> (usize, Arc<dyn Sink>) {
        let mut inner = self.lock();
        let index = inner.inputs.len();
        inner.inputs.push(Input { kind, sender, frames: 0, bytes: 0, skipping, ended: false });
        drop(inner);
        (index, Arc::new(QueueSink { queue: Arc::clone(self), index }))
    }

    /// The next frame with the index of its input; `None` once the queue is
    /// closed, or all its tracks (undivided: one of them) have ended, and it is empty.
    pub async fn recv(&self) -> Option<(usize, Arc<Frame>)> {
        loop {
            let notified = self.notify.notified();
            {
                let mut inner = self.lock();
                if let Some(item) = inner.pop() {
                    return Some(item);
                }
                if !inner.inputs.iter().any(|input| input.skipping) {
                    inner.skips = 0;
                }
                if inner.closed || inner.has_ended(self.undivided) {
                    return None;
                }
            }
            notified.await;
        }
    }

    /// The next frame if one is waiting.
    pub fn try_recv(&self) -> Option<(usize, Arc<Frame>)> {
        self.lock().pop()
    }

    /// Times that pictures were skipped to a keyframe since [`Self::recv`] last had
    /// to wait for frames: a consumer that does not keep up at all has ever more.
    pub fn skips(&self) -> u32 {
        self.lock().skips
    }

    /// Takes no more frames; what is queued can still be received.
    pub fn close(&self) {
        self.lock().closed = true;
        self.notify.notify_waiters();
        self.notify.notify_one();
    }

    fn push(&self, index: usize, frame: &Arc<Frame>) {
        let mut inner = self.lock();
        let closed = inner.closed;
        let Some(input) = inner.inputs.get_mut(index) else { return };
        if closed {
            input.sender.dropped(1);
            return;
        }
        if input.skipping {
            if !frame.keyframe {
                // Not a drop before the first frame: the viewer just begins at a keyframe.
                if input.sender.counters().1 > 0 {
                    input.sender.dropped(1);
                }
                return;
            }
            input.skipping = false;
        }
        let size = frame.payload.len();
        if input.frames >= self.limits.frames || input.bytes + size > self.limits.bytes {
            if input.kind == Kind::Video {
                input.sender.dropped(input.frames);
                input.frames = 0;
                input.bytes = 0;
                input.skipping = !frame.keyframe;
                if input.skipping {
                    input.sender.dropped(1);
                }
                inner.items.retain(|(i, _)| *i != index);
                inner.skips = inner.skips.saturating_add(1);
                if !frame.keyframe {
                    return;
                }
            } else if let Some(at) = inner.items.iter().position(|(i, _)| *i == index)
                && let Some((_, oldest)) = inner.items.remove(at)
                && let Some(input) = inner.inputs.get_mut(index)
            {
                input.frames -= 1;
                input.bytes -= oldest.payload.len();
                input.sender.dropped(1);
            }
        }
        if let Some(input) = inner.inputs.get_mut(index) {
            input.frames += 1;
            input.bytes += size;
        }
        inner.items.push_back((index, Arc::clone(frame)));
        drop(inner);
        self.notify.notify_one();
    }
}

impl Inner {
    fn has_ended(&self, undivided: bool) -> bool {
        let mut inputs = self.inputs.iter();
        if undivided || self.inputs.is_empty() {
            return inputs.any(|input| input.ended);
        }
        inputs.all(|input| input.ended)
    }

    fn pop(&mut self) -> Option<(usize, Arc<Frame>)> {
        let (index, frame) = self.items.pop_front()?;
        if let Some(input) = self.inputs.get_mut(index) {
            input.frames = input.frames.saturating_sub(1);
            input.bytes = input.bytes.saturating_sub(frame.payload.len());
        }
        Some((index, frame))
    }
}

struct QueueSink {
    queue: Arc<FrameQueue>,
    index: usize,
}

impl Sink for QueueSink {
    fn push(&self, frame: &Arc<Frame>) {
        self.queue.push(self.index, frame);
    }

    fn end(&self) {
        if let Some(input) = self.queue.lock().inputs.get_mut(self.index) {
            input.ended = true;
        }
        self.queue.notify.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use rs2rtc_media::{Codec, CodecId, Payload};

    use super::*;

    fn frame(keyframe: bool) -> Arc<Frame> {
        let payload = Payload::Data(Bytes::from_static(b"xx"));
        Arc::new(Frame::new(CodecId::H264, keyframe, 0, Instant::now(), payload))
    }

    fn sender() -> Arc<Sender> {
        Arc::new(Sender::new(Codec::new(CodecId::H264), 1))
    }

    #[test]
    fn a_full_video_queue_skips_to_the_next_keyframe() {
        let queue = FrameQueue::new();
        let s = sender();
        let (index, sink) = queue.input(Kind::Video, Arc::clone(&s));
        sink.push(&frame(false));
        assert!(queue.try_recv().is_none(), "video starts at a keyframe");
        sink.push(&frame(true));
        for _ in 1..Limits::default().frames {
            sink.push(&frame(false));
        }
        assert_eq!(s.counters().2, 0);
        sink.push(&frame(false));
        assert!(queue.try_recv().is_none());
        assert_eq!(s.counters().2, Limits::default().frames as u64 + 1);
        sink.push(&frame(false));
        sink.push(&frame(true));
        assert!(queue.try_recv().is_some_and(|(i, f)| i == index && f.keyframe));
    }

    #[test]
    fn who_has_the_frames_before_goes_on_with_any() {
        let queue = FrameQueue::with_limits(Limits { frames: 9, bytes: 5 });
        let s = sender();
        let (_, sink) = queue.input_that_goes_on(Kind::Video, Arc::clone(&s));
        sink.push(&frame(false));
        sink.push(&frame(false));
        assert_eq!(s.counters().2, 0);
        sink.push(&frame(false));
        assert_eq!(s.counters().2, 3, "six bytes are too many");
        assert!(queue.try_recv().is_none());
    }

    async fn waits(queue: &FrameQueue) -> bool {
        tokio::select! {
            biased;
            _ = queue.recv() => false,
            () = async {} => true,
        }
    }

    #[tokio::test]
    async fn skips_are_counted_until_it_has_kept_up() {
        let queue = FrameQueue::with_limits(Limits { frames: 2, bytes: 9 });
        let (_, sink) = queue.input(Kind::Video, sender());
        (0..3).for_each(|_| sink.push(&frame(true)));
        assert_eq!(queue.skips(), 1, "the third was too much, and is all that is left");
        (0..2).for_each(|_| sink.push(&frame(true)));
        assert_eq!(queue.skips(), 2);
        assert!(queue.recv().await.is_some());
        (0..3).for_each(|_| sink.push(&frame(false)));
        assert!(waits(&queue).await, "nothing comes before a keyframe");
        assert_eq!(queue.skips(), 3);
        sink.push(&frame(true));
        assert!(queue.recv().await.is_some());
        assert!(waits(&queue).await);
        assert_eq!(queue.skips(), 0, "it has had all there was");
    }

    #[tokio::test]
    async fn an_undivided_queue_ends_with_the_first_of_its_tracks() {
        for undivided in [false, true] {
            let limits = Limits::default();
            let queue = if undivided { FrameQueue::undivided(limits) } else { FrameQueue::new() };
            let (_, picture) = queue.input(Kind::Video, sender());
            let (_, sound) = queue.input(Kind::Audio, sender());
            picture.push(&frame(true));
            sound.end();
            assert!(queue.recv().await.is_some(), "it has what came before");
            assert_eq!(waits(&queue).await, !undivided);
            picture.end();
            assert!(queue.recv().await.is_none());
        }
    }

    #[test]
    fn a_full_audio_queue_loses_its_oldest() {
        let queue = FrameQueue::new();
        let s = sender();
        let (_, sink) = queue.input(Kind::Audio, Arc::clone(&s));
        for _ in 0..Limits::default().frames + 3 {
            sink.push(&frame(true));
        }
        assert_eq!(s.counters().2, 3);
        assert_eq!(std::iter::from_fn(|| queue.try_recv()).count(), Limits::default().frames);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_holds_and_counts_the_rest() {
        let queue = FrameQueue::new();
        let s = sender();
        let (_, sink) = queue.input(Kind::Audio, Arc::clone(&s));
        sink.push(&frame(true));
        sink.push(&frame(true));
        queue.close();
        sink.push(&frame(true));
        assert_eq!(s.counters().2, 1);
        assert!(queue.recv().await.is_some());
        assert!(queue.recv().await.is_some());
        assert!(queue.recv().await.is_none());
    }

    #[tokio::test]
    async fn ends_with_its_tracks() {
        let queue = FrameQueue::new();
        let (_, sink) = queue.input(Kind::Audio, sender());
        sink.end();
        assert!(queue.recv().await.is_none());
    }
}
