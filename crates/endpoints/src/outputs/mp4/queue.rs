//! The bounded queue between a fragmenter and one viewer.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_media::container::fmp4::{Format, Fragment};
use rs2rtc_streams::Sender;
use tokio::sync::Notify;

/// Live fragments that may wait: about five seconds of picture and sound.
const MAX_FRAGMENTS: usize = 400;
/// Their bytes. A large camera's keyframe has two million.
const MAX_BYTES: usize = 16 << 20;

/// What comes out of the queue.
#[derive(Debug)]
pub(super) enum Item {
    /// The tracks are these from now on.
    Formats(Arc<[Format]>),
    /// Pictures since the last keyframe; a live one follows.
    Burst(Vec<Arc<Fragment>>),
    /// A live fragment.
    Fragment(Arc<Fragment>),
    /// Some were lost because the queue was full: the viewer has to join again.
    Missed,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    fragments: usize,
    bytes: usize,
    /// It was full: nothing is taken until the viewer joins again.
    full: bool,
    ended: bool,
}

/// What one viewer has yet to take.
#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
    notify: Notify,
    /// By the index of the track.
    senders: Vec<Arc<Sender>>,
    keyframes_only: bool,
}

impl Queue {
    pub(super) fn new(senders: Vec<Arc<Sender>>, keyframes_only: bool) -> Arc<Self> {
        let (inner, notify) = (Mutex::default(), Notify::new());
        Arc::new(Self { inner, notify, senders, keyframes_only })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew with the tracks, if they are known, and the pictures so far.
    pub(super) fn join(&self, formats: Option<&Arc<[Format]>>, group: &[Arc<Fragment>]) {
        let mut inner = self.lock();
        let ended = inner.ended;
        *inner = Inner { ended, ..Inner::default() };
        inner.items.extend(formats.map(|formats| Item::Formats(Arc::clone(formats))));
        match group.first() {
            Some(first) if self.keyframes_only => {
                inner.items.push_back(Item::Fragment(Arc::clone(first)));
            }
            Some(_) => inner.items.push_back(Item::Burst(group.to_vec())),
            None => {}
        }
        drop(inner);
        self.notify.notify_one();
    }

    pub(super) fn formats(&self, formats: &Arc<[Format]>) {
        let mut inner = self.lock();
        if !inner.full {
            // One set waits at most: there is no fragment between two.
            if let Some(Item::Formats(last)) = inner.items.back_mut() {
                *last = Arc::clone(formats);
            } else {
                inner.items.push_back(Item::Formats(Arc::clone(formats)));
            }
        }
        drop(inner);
        self.notify.notify_one();
    }

    pub(super) fn push(&self, fragment: &Arc<Fragment>) {
        if self.keyframes_only && !fragment.keyframe {
            return;
        }
        let mut inner = self.lock();
        let size = fragment.payload.len();
        if inner.full || inner.ended {
            self.dropped(fragment);
            return;
        }
        if inner.fragments >= MAX_FRAGMENTS || inner.bytes + size > MAX_BYTES {
            for item in std::mem::take(&mut inner.items) {
                if let Item::Fragment(lost) = &item {
                    self.dropped(lost);
                }
            }
            self.dropped(fragment);
            *inner = Inner { full: true, ..Inner::default() };
        } else {
            inner.items.push_back(Item::Fragment(Arc::clone(fragment)));
            inner.fragments += 1;
            inner.bytes += size;
        }
        drop(inner);
        self.notify.notify_one();
    }

    /// Nothing follows.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.notify.notify_one();
    }

    /// The next item; `None` at the end.
    pub(super) async fn recv(&self) -> Option<Item> {
        loop {
            let notified = self.notify.notified();
            {
                let mut inner = self.lock();
                if inner.full {
                    return Some(Item::Missed);
                }
                if let Some(item) = inner.items.pop_front() {
                    if let Item::Fragment(fragment) = &item {
                        inner.fragments = inner.fragments.saturating_sub(1);
                        inner.bytes = inner.bytes.saturating_sub(fragment.payload.len());
                    }
                    return Some(item);
                }
                if inner.ended {
                    return None;
                }
            }
            notified.await;
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.items.is_empty() && !inner.full
    }

    pub(super) fn sent(&self, fragment: &Fragment) {
        if let Some(sender) = self.senders.get(fragment.track) {
            sender.sent(1, fragment.payload.len());
        }
    }

    fn dropped(&self, fragment: &Fragment) {
        if let Some(sender) = self.senders.get(fragment.track) {
            sender.dropped(1);
        }
    }
}
