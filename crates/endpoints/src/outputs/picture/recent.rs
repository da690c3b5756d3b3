//! Pictures on their way to a viewer: a few, and only the newest if he does not keep up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_media::Frame;
use rs2rtc_streams::{Sender, Sink};
use tokio::sync::Notify;

/// Pictures that wait: enough that a moment's delay costs none.
const MAX_WAITING: usize = 4;

#[derive(Debug, Default)]
struct Inner {
    frames: VecDeque<Arc<Frame>>,
    ended: bool,
}

/// The pictures that wait. Each stands for itself, so any may be left out.
#[derive(Debug)]
pub(super) struct Recent {
    inner: Mutex<Inner>,
    changed: Notify,
    sender: Arc<Sender>,
}

impl Recent {
    /// Counts for a sender what is left out.
    pub(super) fn new(sender: Arc<Sender>) -> Self {
        Self { inner: Mutex::default(), changed: Notify::new(), sender }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next picture; `None` when there will be none. May be dropped and called again.
    pub(super) async fn next(&self) -> Option<Arc<Frame>> {
        loop {
            let changed = self.changed.notified();
            {
                let mut inner = self.lock();
                match inner.frames.pop_front() {
                    Some(frame) => return Some(frame),
                    None if inner.ended => return None,
                    None => {}
                }
            }
            changed.await;
        }
    }

    /// Forgets what waits.
    pub(super) fn clear(&self) {
        self.lock().frames.clear();
    }
}

impl Sink for Recent {
    fn push(&self, frame: &Arc<Frame>) {
        let mut inner = self.lock();
        let late =
            if inner.frames.len() < MAX_WAITING { 0 } else { inner.frames.drain(..).count() };
        inner.frames.push_back(Arc::clone(frame));
        drop(inner);
        self.sender.dropped(late);
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
    use rs2rtc_media::{Codec, CodecId, Payload};

    use super::*;

    #[tokio::test]
    async fn who_does_not_keep_up_gets_the_newest() {
        let sender = Arc::new(Sender::new(Codec::new(CodecId::Jpeg), 0));
        let recent = Recent::new(Arc::clone(&sender));
        let push = |pts| {
            let payload = Payload::Data(Bytes::from_static(b"x"));
            recent.push(&Arc::new(Frame::new(CodecId::Jpeg, true, pts, Instant::now(), payload)));
        };
        (0..4).for_each(push);
        assert_eq!(recent.next().await.unwrap().pts, 0, "a moment's delay costs none");
        (4..10).for_each(push);
        // 1 to 4 waited when 5 came, 5 to 8 when 9 did.
        assert_eq!(recent.next().await.unwrap().pts, 9);
        assert_eq!(sender.counters().2, 8);
        push(10);
        recent.clear();
        push(11);
        recent.end();
        assert_eq!(recent.next().await.unwrap().pts, 11);
        assert!(recent.next().await.is_none());
    }
}
