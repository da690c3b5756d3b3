//! Frames of a set of tracks to fragments, once for all its viewers.
//!
//! Frames are taken on the task of their source: that is a copy of the payload
//! into its MP4 form, and a push into each viewer's queue. The fragmenter keeps
//! the fragments since the last keyframe for viewers that come, and is gone with
//! its last viewer.
//!
//! Locks are taken in the order track, fragmenter, queue. Subscriptions live
//! outside of what the tracks hold, so that a track never drops one of them.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_media::container::fmp4::{self, Format, Fragment};
use rs2rtc_media::{Frame, Kind};
use rs2rtc_streams::{Sink, Subscription, Track};

use super::Counters;
use super::queue::Queue;

/// Bytes of the fragments that are kept since the last keyframe.
const MAX_GROUP: usize = 8 << 20;

/// Makes the fragments of a set of tracks.
pub(super) struct Fragmenter {
    shared: Arc<Shared>,
    /// Ends what comes when the last viewer is gone.
    _subscriptions: Vec<Subscription>,
}

struct Shared {
    inner: Mutex<Inner>,
    counters: Arc<Counters>,
}

struct Inner {
    tracks: Vec<fmp4::Track>,
    /// One of the tracks has ended: the initialisation segment names it, so that
    /// players would wait for it.
    ended: bool,
    /// Index of the first picture, else 0.
    master: usize,
    /// Known to all viewers; `None` while something of it is unknown.
    formats: Option<Arc<[Format]>>,
    /// Fragments of the master since its last keyframe; empty for sound.
    group: Vec<Arc<Fragment>>,
    group_bytes: usize,
    viewers: Vec<Arc<Queue>>,
    /// Frames that come while those before them are still to be taken.
    early: Option<Vec<(usize, Arc<Frame>)>>,
}

impl Fragmenter {
    /// Subscribes to tracks, which have these formats, and takes their current
    /// groups of pictures.
    pub(super) fn new(
        tracks: &[Arc<Track>],
        formats: Vec<Format>,
        counters: Arc<Counters>,
    ) -> Self {
        let master = formats.iter().position(|f| f.kind() == Kind::Video).unwrap_or(0);
        let inner = Inner {
            ended: false,
            formats: formats.iter().all(Format::is_complete).then(|| formats.clone().into()),
            tracks: formats
                .into_iter()
                .enumerate()
                .map(|(index, format)| fmp4::Track::new(index, format))
                .collect(),
            master,
            group: Vec::new(),
            group_bytes: 0,
            viewers: Vec::new(),
            early: Some(Vec::new()),
        };
        let shared = Arc::new(Shared { inner: Mutex::new(inner), counters });
        let mut cached = Vec::new();
        let mut subscriptions = Vec::new();
        for (index, track) in tracks.iter().enumerate() {
            let input = Arc::new(Input { shared: Arc::clone(&shared), index });
            let (subscription, frames) = track.subscribe_with_cache(input);
            subscriptions.push(subscription);
            cached.extend(frames.into_iter().map(|frame| (index, frame)));
        }
        shared.begin(cached);
        Self { shared, _subscriptions: subscriptions }
    }

    /// What the tracks are now, whether all is known of them or not.
    pub(super) fn formats(&self) -> Vec<Format> {
        self.shared.lock().tracks.iter().map(|track| track.format().clone()).collect()
    }

    /// Index of the track that viewers begin with.
    pub(super) fn master(&self) -> usize {
        self.shared.lock().master
    }

    /// Puts a viewer at the live edge: with the pictures since the last keyframe
    /// if it wants them, none missing, none twice. A viewer that is there begins
    /// anew.
    pub(super) fn join(&self, queue: &Arc<Queue>, with_group: bool) {
        let mut inner = self.shared.lock();
        let group = if with_group { inner.group.as_slice() } else { &[] };
        queue.join(inner.formats.as_ref(), group);
        if !inner.viewers.iter().any(|viewer| Arc::ptr_eq(viewer, queue)) {
            inner.viewers.push(Arc::clone(queue));
        }
        if inner.ended {
            queue.end();
        }
    }

    pub(super) fn leave(&self, queue: &Arc<Queue>) {
        self.shared.lock().viewers.retain(|viewer| !Arc::ptr_eq(viewer, queue));
    }

    pub(super) fn sent(&self) {
        self.shared.counters.sent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn skipped(&self) {
        self.shared.counters.skips.fetch_add(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what is cached, then what has come meanwhile.
    fn begin(&self, cached: Vec<(usize, Arc<Frame>)>) {
        let mut inner = self.lock();
        for (index, track) in inner.tracks.iter_mut().enumerate() {
            let mut times = cached.iter().filter(|(i, _)| *i == index).map(|(_, f)| f.dts);
            if let (Some(first), Some(last), more) =
                (times.next(), times.next_back(), times.count())
            {
                let steps = i64::try_from(more + 1).unwrap_or(1);
                track.expect(last.saturating_sub(first) / steps);
            }
        }
        let early = inner.early.take().unwrap_or_default();
        for (index, frame) in cached.into_iter().chain(early) {
            inner.take(index, &frame, &self.counters);
        }
    }
}

impl Inner {
    fn take(&mut self, index: usize, frame: &Frame, counters: &Counters) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        let changed = track.learn(frame);
        if changed || self.formats.is_none() {
            self.announce();
        }
        if self.formats.is_none() {
            return;
        }
        let Some(fragment) = self.tracks.get_mut(index).and_then(|track| track.fragment(frame))
        else {
            return;
        };
        counters.built.fetch_add(1, Ordering::Relaxed);
        let fragment = Arc::new(fragment);
        if index == self.master && frame.codec.kind() == Kind::Video {
            self.keep(&fragment);
        }
        for viewer in &self.viewers {
            viewer.push(&fragment);
        }
    }

    /// Tells the viewers what the tracks are, once all is known.
    fn announce(&mut self) {
        let formats: Vec<Format> = self.tracks.iter().map(|track| track.format().clone()).collect();
        if !formats.iter().all(Format::is_complete) {
            return;
        }
        let formats: Arc<[Format]> = formats.into();
        for viewer in &self.viewers {
            viewer.formats(&formats);
        }
        self.formats = Some(formats);
    }

    fn keep(&mut self, fragment: &Arc<Fragment>) {
        if fragment.keyframe {
            self.group.clear();
            self.group_bytes = 0;
        } else if self.group.is_empty() {
            return;
        }
        self.group_bytes += fragment.payload.len();
        self.group.push(Arc::clone(fragment));
        if self.group_bytes > MAX_GROUP {
            self.group = Vec::new();
        }
    }
}

/// Where the frames of one track come in.
struct Input {
    shared: Arc<Shared>,
    index: usize,
}

impl Sink for Input {
    fn push(&self, frame: &Arc<Frame>) {
        let mut inner = self.shared.lock();
        match &mut inner.early {
            Some(early) => early.push((self.index, Arc::clone(frame))),
            None => inner.take(self.index, frame, &self.shared.counters),
        }
    }

    fn end(&self) {
        let mut inner = self.shared.lock();
        inner.ended = true;
        inner.viewers.iter().for_each(|viewer| viewer.end());
    }
}

impl fmt::Debug for Fragmenter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fragmenter").finish_non_exhaustive()
    }
}
