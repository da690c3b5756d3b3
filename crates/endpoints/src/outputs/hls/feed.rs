//! A stream that is cut in one form: one task, one copy of every segment.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::hls::{Form, Mp4, Packager, Segmenter, Ts};
use rs2rtc_media::{Codec, Direction, Frame};
use rs2rtc_streams::{
    Attached, AttachedTrack, CancellationToken, FrameQueue, QueueLimits, Sender, Subscription,
    Tasks,
};
use tokio::sync::watch;
use tokio::time::Instant;

/// A cutter and the task that feeds it. The task ends with it.
pub(super) struct Feed {
    pub(super) form: Form,
    pub(super) codecs: Vec<Codec>,
    /// When it began to cut.
    pub(super) began: Instant,
    shared: Arc<Shared>,
    cancel: CancellationToken,
}

struct Shared {
    segmenter: Mutex<Segmenter>,
    /// Counts its changes.
    changed: watch::Sender<u64>,
    /// Fires when what was kept of the stream is cut, or nothing will be.
    cached: CancellationToken,
    /// Fires when nothing will be added any more.
    ended: CancellationToken,
}

/// The tracks that a viewer is sent.
pub(super) fn sent(attached: &Attached) -> impl Iterator<Item = &AttachedTrack> {
    attached.tracks.iter().filter(|track| track.direction == Direction::SendOnly)
}

impl Feed {
    /// Starts to cut the tracks of a viewer, from the last keyframe on.
    pub(super) fn start(
        attached: &Attached,
        form: Form,
        tasks: &Tasks,
        cancel: CancellationToken,
    ) -> Result<Arc<Self>, Error> {
        let codecs: Vec<Codec> = sent(attached).map(|track| track.track.codec()).collect();
        let packager = packager(form, &codecs)?;
        let shared = Arc::new(Shared {
            segmenter: Mutex::new(Segmenter::new(packager, &codecs)),
            changed: watch::Sender::new(0),
            cached: CancellationToken::new(),
            ended: CancellationToken::new(),
        });
        // Its initialisation or its map names the tracks.
        let queue = FrameQueue::undivided(QueueLimits::default());
        let (mut subscriptions, mut first) = (Vec::new(), Vec::new());
        for track in sent(attached) {
            let kind = track.track.kind;
            // Viewers have senders of their own; this one counts nobody.
            let sender = Arc::new(Sender::new(track.codec.clone(), track.track.id));
            let (index, sink) = queue.input_that_goes_on(kind, sender);
            let (subscription, cached) = track.track.subscribe_with_cache(sink);
            first.extend(cached.into_iter().map(|frame| (index, frame)));
            subscriptions.push(subscription);
        }
        let worker = Worker { shared: Arc::clone(&shared), queue, _subscriptions: subscriptions };
        tasks.spawn("hls", worker.run(first, cancel.clone()));
        let began = Instant::now();
        Ok(Arc::new(Self { form, codecs, began, shared, cancel }))
    }

    /// Whether something will be added.
    pub(super) fn is_alive(&self) -> bool {
        !self.shared.ended.is_cancelled()
    }

    /// Fires when nothing will be added any more.
    pub(super) fn ended(&self) -> &CancellationToken {
        &self.shared.ended
    }

    /// Waits until what was kept of the stream before somebody watched is cut.
    pub(super) async fn cached_is_cut(&self) {
        self.shared.cached.cancelled().await;
    }

    /// What was cut. Must not be held for long.
    pub(super) fn segmenter(&self) -> MutexGuard<'_, Segmenter> {
        self.shared.segmenter()
    }

    /// Tells when something was added.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("form", &self.form).finish_non_exhaustive()
    }
}

impl Shared {
    fn segmenter(&self) -> MutexGuard<'_, Segmenter> {
        self.segmenter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn packager(form: Form, codecs: &[Codec]) -> Result<Box<dyn Packager>, Error> {
    fn unsupported(error: impl fmt::Display) -> Error {
        Error::new(ErrorKind::Unsupported, error.to_string())
    }
    Ok(match form {
        Form::Ts => Box::new(Ts::new(codecs).map_err(unsupported)?),
        Form::Mp4 => Box::new(Mp4::new(codecs).map_err(unsupported)?),
    })
}

struct Worker {
    shared: Arc<Shared>,
    queue: Arc<FrameQueue>,
    _subscriptions: Vec<Subscription>,
}

impl Worker {
    async fn run(self, first: Vec<(usize, Arc<Frame>)>, cancel: CancellationToken) {
        tokio::select! {
            biased;
            () = cancel.cancelled() => {}
            () = self.cut(first) => {}
        }
        self.shared.ended.cancel();
        self.shared.cached.cancel();
    }

    async fn cut(&self, first: Vec<(usize, Arc<Frame>)>) {
        for (track, frame) in first {
            self.push(track, &frame);
        }
        self.shared.cached.cancel();
        while let Some((track, frame)) = self.queue.recv().await {
            self.push(track, &frame);
        }
    }

    fn push(&self, track: usize, frame: &Arc<Frame>) {
        let mut segmenter = self.shared.segmenter();
        let before = segmenter.changes();
        segmenter.push(track, frame);
        let changes = segmenter.changes();
        drop(segmenter);
        if changes != before {
            self.shared.changed.send_replace(changes);
        }
    }
}
