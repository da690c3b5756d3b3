//! One viewer: the stream it holds, its muxer, and the way to its connection.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_media::container::mux::{Chunks, Muxer, squeeze};
use rs2rtc_media::{Codec, Direction, Frame, Kind};
use rs2rtc_streams::{
    Attached, CancellationToken, Departure, FrameQueue, QueueLimits, Sender, Subscription,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::io::wire::Line;

/// Frames that were written and wait for the connection: one under way, one next.
const READY: usize = 2;
/// Frames that wait to be written. A viewer that is further behind goes on with
/// the next keyframe.
const WAITING: QueueLimits = QueueLimits { frames: 128, bytes: 8 << 20 };
/// A viewer that was too slow so many times, and never caught up in between, is
/// sent away.
const MAX_SKIPS: u32 = 3;
/// How long the first frame may take to come.
const FIRST_LIMIT: Duration = Duration::from_secs(60);

/// A viewer; [`Self::run`] serves it.
pub struct Output {
    attached: Attached,
    muxer: Box<dyn Muxer>,
    queue: Arc<FrameQueue>,
    /// By index of the queue.
    tracks: Vec<Arc<Sender>>,
    _subscriptions: Vec<Subscription>,
    /// Pictures to begin with, with the index of their track.
    first: Vec<(usize, Arc<Frame>)>,
    /// Sound waits for the first picture.
    await_picture: bool,
    give: mpsc::Sender<Chunks>,
    line: Line,
    connection: CancellationToken,
}

/// The codecs of the tracks that a viewer gets, in the order of [`Muxer::frame`].
pub fn codecs(attached: &Attached) -> Vec<Codec> {
    let sent = attached.tracks.iter().filter(|track| track.direction == Direction::SendOnly);
    sent.map(|track| track.track.codec()).collect()
}

impl Output {
    /// Takes hold of the tracks, with the pictures since the last keyframe. They
    /// are written so close together that what follows them is live.
    ///
    /// The muxer gets its tracks in the order in which they were attached. `line`
    /// tells how the connection ended; `connection` drops it, so that an answer that
    /// was cut does not look whole. What is to be sent comes from the channel.
    pub fn new(
        attached: Attached,
        muxer: Box<dyn Muxer>,
        line: Line,
        connection: CancellationToken,
    ) -> (Self, mpsc::Receiver<Chunks>) {
        let (give, take) = mpsc::channel(READY);
        let queue = FrameQueue::undivided(WAITING);
        let (mut tracks, mut subscriptions, mut first) = (Vec::new(), Vec::new(), Vec::new());
        let mut await_picture = false;
        for track in attached.tracks.iter().filter(|t| t.direction == Direction::SendOnly) {
            let (kind, sender) = (track.track.kind, Arc::clone(&track.sender));
            if kind == Kind::Video {
                await_picture = true;
                let (index, sink) = queue.input_that_goes_on(kind, Arc::clone(&sender));
                let (subscription, cached) = track.track.subscribe_with_cache(sink);
                let rate = track.track.codec().timestamp_rate();
                let newest = cached.last().map_or(0, |frame| frame.dts);
                let cached = squeeze(&cached, newest, rate).unwrap_or(cached);
                first.extend(cached.into_iter().map(|frame| (index, frame)));
                subscriptions.push(subscription);
            } else {
                let (_, sink) = queue.input(kind, Arc::clone(&sender));
                subscriptions.push(track.track.subscribe(sink));
            }
            tracks.push(sender);
        }
        let output = Self {
            attached,
            muxer,
            queue,
            tracks,
            _subscriptions: subscriptions,
            first,
            await_picture,
            give,
            line,
            connection,
        };
        (output, take)
    }

    /// Serves the viewer until it is gone, or its stream ends, or one of its tracks:
    /// the container has said in front which there are.
    pub async fn run(mut self, cancel: CancellationToken) {
        let departure = self.serve(cancel).await;
        match departure {
            Some(departure) => self.attached.detach(departure),
            // It was kicked, and leaves for that reason.
            None => drop(self.attached),
        }
    }

    /// Why the viewer goes; `None` if it was kicked.
    async fn serve(&mut self, cancel: CancellationToken) -> Option<Departure> {
        let kicked = self.attached.kicked();
        let (give, line) = (self.give.clone(), self.line.clone());
        tokio::select! {
            biased;
            () = give.closed() => Some(line.departure()),
            () = kicked.cancelled() => None,
            () = cancel.cancelled() => Some(Departure::now("shutdown")),
            departure = self.feed() => Some(departure),
        }
    }

    /// Hands frames on until there are no more.
    async fn feed(&mut self) -> Departure {
        let mut out = Chunks::new();
        self.muxer.begin(&mut out);
        for (track, frame) in std::mem::take(&mut self.first) {
            self.write(track, &frame, &mut out);
        }
        let mut has_begun = false;
        loop {
            if !out.is_empty() {
                self.attached.connection().sent(out.len());
                // A client that takes nothing is ended by its connection.
                if self.give.send(std::mem::take(&mut out)).await.is_err() {
                    return self.line.departure();
                }
            }
            if self.queue.skips() >= MAX_SKIPS {
                self.connection.cancel();
                return Departure::now("write_stall");
            }
            let next = if has_begun {
                self.queue.recv().await
            } else {
                timeout(FIRST_LIMIT, self.queue.recv()).await.ok().flatten()
            };
            let Some((track, frame)) = next else { return Departure::now("source_failed") };
            has_begun = true;
            self.write(track, &frame, &mut out);
        }
    }

    fn write(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        if self.await_picture {
            if frame.codec.kind() != Kind::Video || !frame.keyframe {
                return;
            }
            self.await_picture = false;
        }
        self.muxer.frame(track, frame, out);
        if let Some(sender) = self.tracks.get(track) {
            sender.sent(1, frame.payload.len());
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("attached", &self.attached).finish_non_exhaustive()
    }
}
