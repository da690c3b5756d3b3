//! What happens to sources and viewers, as one feed: a numbered ring that any
//! number of readers follow at their own pace.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rs2rtc_base::ErrorKind;
use tokio::sync::watch;

use crate::track::Track;

/// Records that are kept; a reader that falls further behind misses some.
const RING: usize = 1024;

/// Something that happened to a stream, a source or a viewer. Texts of sources are
/// redacted; error texts must be masked before they leave the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The list of streams is another one: a name was added, removed, or stands
    /// for other sources.
    StreamsChanged {
        /// The name.
        stream: String,
    },
    /// A source is being dialled.
    SourceOpening {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted.
        source: String,
    },
    /// It was opened and its medias are known.
    SourceOpened {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted.
        source: String,
        /// From the beginning of the dial.
        took: Duration,
    },
    /// A dial failed, or an open source ended although somebody watches.
    SourceFailed {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted.
        source: String,
        /// What failed; for a program with its last words.
        error: String,
        /// Its class.
        kind: ErrorKind,
        /// When it is tried again; `None`: not before somebody asks or the
        /// configuration changes.
        retry: Option<Duration>,
    },
    /// Somebody else holds the exclusive group that the source belongs to.
    SourceWaiting {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted.
        source: String,
        /// Name of the group, or the device.
        group: String,
    },
    /// No frame came for too long; it is opened again.
    SourceStalled {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted.
        source: String,
        /// Time without a frame.
        silent: Duration,
    },
    /// A running source has other parameter sets than before: another size,
    /// profile or encoder. Viewers get them with the keyframe that needs them.
    SourceChanged {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted; `push` if it is pushed.
        source: String,
        /// The codec's name.
        codec: String,
        /// Width and height in pixels, if known.
        size: Option<(u32, u32)>,
    },
    /// The last viewer went and the source is closed: socket closed, child reaped.
    SourceReleased {
        /// Name of the stream.
        stream: String,
        /// The source's text, redacted.
        source: String,
        /// Connection id of the last viewer; 0 if there was none.
        viewer: u64,
        /// Why it went.
        reason: Cow<'static, str>,
        /// Profile of the liveness judgement, empty if there is none.
        profile: &'static str,
        /// From the last sign of life to the decision.
        detect: Option<Duration>,
        /// From the decision to now.
        release: Duration,
    },
    /// A viewer was attached.
    ViewerJoined {
        /// Name of the stream.
        stream: String,
        /// Its connection id.
        viewer: u64,
        /// Its format name.
        format: String,
        /// Its address.
        remote: String,
    },
    /// A viewer's hold on the sources was taken; it stays attached.
    ViewerParked {
        /// Name of the stream.
        stream: String,
        /// Its connection id.
        viewer: u64,
        /// Why.
        reason: Cow<'static, str>,
        /// From the last sign of life to the decision.
        detect: Option<Duration>,
        /// Profile of the liveness judgement, empty if there is none.
        profile: &'static str,
    },
    /// It came back.
    ViewerResumed {
        /// Name of the stream.
        stream: String,
        /// Its connection id.
        viewer: u64,
        /// How long it was parked.
        parked: Duration,
    },
    /// A viewer is gone.
    ViewerLeft {
        /// Name of the stream.
        stream: String,
        /// Its connection id.
        viewer: u64,
        /// Its format name.
        format: String,
        /// Why.
        reason: Cow<'static, str>,
        /// From the last sign of life to the decision.
        detect: Option<Duration>,
        /// Profile of the liveness judgement, empty if there is none.
        profile: &'static str,
    },
    /// Somebody speaks into the camera's loudspeaker, and others are not heard.
    TalkStarted {
        /// Name of the stream.
        stream: String,
        /// The number of his asking; of one that did not ask the viewer's id.
        number: u64,
        /// His name for others, of one that did not ask his address; may be empty.
        by: String,
        /// He asked for the floor: others have to wait for him.
        asked: bool,
    },
    /// He does not any more.
    TalkEnded {
        /// Name of the stream.
        stream: String,
        /// As when he began.
        number: u64,
        /// As when he began.
        by: String,
        /// Why.
        reason: &'static str,
        /// How long he had the floor.
        took: Duration,
    },
}

impl Event {
    /// A track has other parameter sets than before.
    pub(crate) fn parameters_changed(stream: String, source: String, track: &Track) -> Self {
        let size = track.parameter_sets().and_then(|sets| sets.size());
        Self::SourceChanged { stream, source, codec: track.codec().id.name().to_owned(), size }
    }

    /// Name of the stream it happened to.
    pub fn stream(&self) -> &str {
        match self {
            Self::StreamsChanged { stream }
            | Self::SourceOpening { stream, .. }
            | Self::SourceOpened { stream, .. }
            | Self::SourceFailed { stream, .. }
            | Self::SourceWaiting { stream, .. }
            | Self::SourceStalled { stream, .. }
            | Self::SourceChanged { stream, .. }
            | Self::SourceReleased { stream, .. }
            | Self::ViewerJoined { stream, .. }
            | Self::ViewerParked { stream, .. }
            | Self::ViewerResumed { stream, .. }
            | Self::ViewerLeft { stream, .. }
            | Self::TalkStarted { stream, .. }
            | Self::TalkEnded { stream, .. } => stream,
        }
    }
}

/// An event with its number and time.
#[derive(Clone, Debug)]
pub struct Record {
    /// Numbers begin with 1 and have no gaps.
    pub seq: u64,
    /// When it happened.
    pub at: SystemTime,
    /// What happened.
    pub event: Event,
}

/// Records after some number.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Oldest first.
    pub records: Vec<Arc<Record>>,
    /// Some were dropped before they could be read, or the number is none of
    /// this feed's.
    pub missed: bool,
}

struct Feed {
    ring: Mutex<VecDeque<Arc<Record>>>,
    last: watch::Sender<u64>,
}

/// The feed. Cloning shares it.
#[derive(Clone)]
pub struct Events {
    feed: Arc<Feed>,
}

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// An empty feed.
    pub fn new() -> Self {
        let feed = Feed { ring: Mutex::default(), last: watch::Sender::new(0) };
        Self { feed: Arc::new(feed) }
    }

    fn ring(&self) -> MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.feed.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; the oldest record goes if the ring is full.
    pub fn emit(&self, event: Event) {
        let mut ring = self.ring();
        let seq = *self.feed.last.borrow() + 1;
        if ring.len() >= RING {
            ring.pop_front();
        }
        ring.push_back(Arc::new(Record { seq, at: SystemTime::now(), event }));
        // Under the lock: numbers rise in the order of the ring.
        self.feed.last.send_replace(seq);
    }

    /// All records with a higher number.
    pub fn since(&self, seq: u64) -> Batch {
        let ring = self.ring();
        let last = *self.feed.last.borrow();
        let oldest = ring.front().map_or(last + 1, |record| record.seq);
        let missed = seq + 1 < oldest || seq > last;
        let records = ring.iter().filter(|record| record.seq > seq).cloned().collect();
        Batch { records, missed }
    }

    /// Waits until there is a record with a higher number.
    pub async fn changed(&self, after_seq: u64) {
        let mut last = self.feed.last.subscribe();
        // The sender lives in this feed.
        let _ = last.wait_for(|last| *last > after_seq).await;
    }

    /// The number of the newest record, 0 before the first.
    pub fn last(&self) -> u64 {
        *self.feed.last.borrow()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("last", &self.last()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(n: usize) -> Event {
        Event::SourceOpening { stream: format!("cam{n}"), source: String::new() }
    }

    #[test]
    fn readers_follow_and_know_what_they_missed() {
        let events = Events::new();
        assert_eq!(events.last(), 0);
        assert!(!events.since(0).missed && events.since(0).records.is_empty());
        for n in 1..=RING + 10 {
            events.emit(opening(n));
        }
        let all = events.since(0);
        assert!(all.missed);
        assert_eq!(all.records.len(), RING);
        let seqs: Vec<u64> = all.records.iter().map(|r| r.seq).collect();
        assert!(seqs.windows(2).all(|w| w[1] == w[0] + 1));
        assert!(!events.since(10).missed && events.since(9).missed);
        let tail = events.since(events.last() - 2);
        assert!(!tail.missed);
        assert_eq!(tail.records.len(), 2);
        assert_eq!(tail.records[1].event.stream(), format!("cam{}", RING + 10));
        assert!(events.since(events.last() + 1).missed, "a number of another start");
    }

    #[tokio::test]
    async fn a_reader_is_woken() {
        let events = Events::new();
        let other = events.clone();
        let (woken, ()) = tokio::join!(
            async {
                events.changed(0).await;
                events.since(0).records.len()
            },
            async { other.emit(opening(1)) }
        );
        assert_eq!(woken, 1);
        events.changed(0).await;
    }
}
