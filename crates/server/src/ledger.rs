//! Who watches, who has left and why, and how long it took to let the camera
//! go: read from the events of the streams, for `api/rs/sessions`, for the last
//! words to a player, and for the metrics.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rs2rtc_base::ErrorKind;
use rs2rtc_streams::events::{Event, Record};
use rs2rtc_streams::{CancellationToken, Stream, Streams};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// Viewers that have left and are remembered.
const ENDED: usize = 100;
/// Viewers that are remembered; beyond that the oldest are forgotten.
const MAX_VIEWERS: usize = 8192;
/// Failures of a stream's sources that are remembered.
const FAILURES: usize = 5;
/// Sources of a stream that are remembered as open.
const MAX_OPEN: usize = 16;
/// Streams of which something is remembered.
const MAX_STREAMS: usize = 1024;
/// Why snapshots end: who asks for one does not watch.
const SNAPSHOT: [&str; 2] = ["delivered", "failed"];

/// A viewer.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Id of its connection.
    pub id: u64,
    /// Name of its stream.
    pub stream: String,
    /// Its format name.
    pub format: String,
    /// Its address.
    pub remote: String,
    /// What it calls itself; may be empty.
    pub user_agent: String,
    /// When it came.
    pub joined: SystemTime,
    /// When it left.
    pub left: Option<SystemTime>,
    /// Its camera is let go, and it can come back.
    pub is_parked: bool,
    /// Why it left, or its camera was let go.
    pub reason: String,
    /// Name of its liveness profile; may be empty.
    pub profile: &'static str,
    /// From its last sign of life to the decision.
    pub detect: Option<Duration>,
    /// From the decision to the camera being free; `None` if others still watch.
    pub release: Option<Duration>,
}

/// A source that could not be opened, or ended while somebody watched.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When.
    pub at: SystemTime,
    /// The source's text, redacted.
    pub source: String,
    /// What failed; must be masked before it leaves the program.
    pub error: String,
    /// Its class.
    pub kind: ErrorKind,
}

/// How long the end of a viewer took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gone {
    /// From its last sign of life to the decision.
    pub detect_ms: Option<f64>,
    /// From the decision to the camera being free.
    pub release_ms: Option<f64>,
}

/// The ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    /// What is counted on the way.
    pub metrics: Metrics,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seq: u64,
    viewers: HashMap<u64, Viewer>,
    /// Newest first.
    ended: VecDeque<Viewer>,
    streams: HashMap<String, Memory>,
}

/// What is remembered of a stream.
#[derive(Debug, Default)]
struct Memory {
    /// Newest first.
    failures: VecDeque<Failure>,
    /// Sources that are open, by their texts, redacted, and since when.
    open: HashMap<String, SystemTime>,
    last: Option<Release>,
}

impl Memory {
    /// A source is not open any more. It may have got another text meanwhile, so that nothing is left
    /// where none is open.
    fn closed(&mut self, source: &str, stream: Option<&Stream>) {
        self.open.remove(source);
        if !stream.is_some_and(Stream::is_open) {
            self.open.clear();
        }
    }
}

/// A camera that was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// When.
    pub at: SystemTime,
    /// From the decision to the camera being free.
    pub took: Duration,
}

impl Ledger {
    /// Reads the events as they come, until `cancel` fires.
    pub async fn follow(self: Arc<Self>, streams: Streams, cancel: CancellationToken) {
        loop {
            let seq = self.catch_up(&streams);
            tokio::select! {
                () = streams.events().changed(seq) => {}
                () = cancel.cancelled() => return,
            }
        }
    }

    /// A viewer that is there.
    pub fn viewer(&self, streams: &Streams, id: u64) -> Option<Viewer> {
        self.catch_up(streams);
        self.lock().viewers.get(&id).cloned()
    }

    /// The viewers that left last, newest first.
    pub fn ended(&self, streams: &Streams) -> Vec<Viewer> {
        self.catch_up(streams);
        self.lock().ended.iter().cloned().collect()
    }

    /// The viewers whose camera is let go and who can come back.
    pub fn parked(&self, streams: &Streams) -> Vec<Viewer> {
        self.catch_up(streams);
        self.lock().viewers.values().filter(|viewer| viewer.is_parked).cloned().collect()
    }

    /// The last failures of a stream's sources, newest first, at most five.
    pub fn failures(&self, streams: &Streams, stream: &str) -> Vec<Failure> {
        self.catch_up(streams);
        let state = self.lock();
        state.streams.get(stream).into_iter().flat_map(|m| &m.failures).cloned().collect()
    }

    /// Since when a source of a stream is open, and its last release.
    pub fn about(
        &self,
        streams: &Streams,
        stream: &Stream,
    ) -> (Option<SystemTime>, Option<Release>) {
        self.catch_up(streams);
        let state = self.lock();
        let memory = state.streams.get(stream.name());
        let since = memory.and_then(|memory| memory.open.values().min().copied());
        (since.filter(|_| stream.is_open()), memory.and_then(|memory| memory.last))
    }

    /// How long the end of a viewer took. Waits for it, at most `limit`; what is
    /// not known by then is left out.
    pub async fn gone(&self, streams: &Streams, id: u64, limit: Duration) -> Gone {
        let settled = async {
            loop {
                let seq = self.catch_up(streams);
                let left = self.left(id);
                if left.is_some_and(|v| v.release.is_some() || is_watched(streams, &v.stream)) {
                    return;
                }
                streams.events().changed(seq).await;
            }
        };
        let _ = timeout(limit, settled).await;
        let viewer = self.left(id);
        Gone {
            detect_ms: viewer.as_ref().and_then(|v| v.detect).map(millis),
            release_ms: viewer.as_ref().and_then(|v| v.release).map(millis),
        }
    }

    fn left(&self, id: u64) -> Option<Viewer> {
        self.lock().ended.iter().find(|v| v.id == id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what has happened meanwhile. Gives the number of the last event.
    fn catch_up(&self, streams: &Streams) -> u64 {
        let mut state = self.lock();
        let batch = streams.events().since(state.seq);
        if batch.missed {
            self.metrics.missed();
            // Who has come back or left meanwhile is not known.
            state.viewers.values_mut().for_each(|viewer| viewer.is_parked = false);
        }
        for record in batch.records {
            state.seq = record.seq;
            self.metrics.event(&record.event);
            state.read(&record, streams);
        }
        state.seq
    }
}

impl State {
    fn read(&mut self, record: &Record, streams: &Streams) {
        match &record.event {
            Event::ViewerJoined { stream, viewer, format, remote } => {
                if self.viewers.len() >= MAX_VIEWERS
                    && let Some(oldest) = self.viewers.keys().min().copied()
                {
                    self.viewers.remove(&oldest);
                }
                let new = Viewer {
                    id: *viewer,
                    stream: stream.clone(),
                    format: format.clone(),
                    remote: remote.clone(),
                    user_agent: user_agent(streams, stream, *viewer),
                    joined: record.at,
                    left: None,
                    is_parked: false,
                    reason: String::new(),
                    profile: "",
                    detect: None,
                    release: None,
                };
                self.viewers.insert(*viewer, new);
            }
            Event::ViewerParked { viewer, reason, detect, profile, .. } => {
                if let Some(viewer) = self.viewers.get_mut(viewer) {
                    viewer.is_parked = true;
                    viewer.reason = reason.to_string();
                    viewer.detect = *detect;
                    viewer.profile = profile;
                }
            }
            Event::ViewerResumed { viewer, .. } => {
                if let Some(viewer) = self.viewers.get_mut(viewer) {
                    viewer.is_parked = false;
                    viewer.reason.clear();
                    viewer.detect = None;
                    viewer.release = None;
                }
            }
            Event::ViewerLeft { stream, viewer: id, format, reason, detect, profile } => {
                let mut viewer = self.viewers.remove(id).unwrap_or_else(|| Viewer {
                    id: *id,
                    stream: stream.clone(),
                    format: format.clone(),
                    remote: String::new(),
                    user_agent: String::new(),
                    joined: record.at,
                    left: None,
                    is_parked: false,
                    reason: String::new(),
                    profile: "",
                    detect: None,
                    release: None,
                });
                viewer.left = Some(record.at);
                viewer.is_parked = false;
                viewer.reason = reason.to_string();
                viewer.profile = profile;
                viewer.detect = *detect;
                self.keep(viewer);
            }
            Event::SourceOpened { stream, source, .. } => {
                if let Some(memory) = self.memory(stream, streams) {
                    if memory.open.len() >= MAX_OPEN {
                        memory.open.clear();
                    }
                    memory.open.insert(source.clone(), record.at);
                }
            }
            Event::SourceFailed { stream, source, error, kind, .. } => {
                let failure = Failure {
                    at: record.at,
                    source: source.clone(),
                    error: error.clone(),
                    kind: *kind,
                };
                if let Some(memory) = self.memory(stream, streams) {
                    memory.closed(source, streams.get(stream).as_deref());
                    memory.failures.truncate(FAILURES - 1);
                    memory.failures.push_front(failure);
                }
            }
            Event::SourceReleased { stream, source, viewer: id, release, .. } => {
                if let Some(memory) = self.memory(stream, streams) {
                    memory.closed(source, streams.get(stream).as_deref());
                    memory.last = Some(Release { at: record.at, took: *release });
                }
                let ended = self.ended.iter_mut().find(|v| v.id == *id);
                if let Some(viewer) = ended.or_else(|| self.viewers.get_mut(id)) {
                    // Of several sources the last one counts.
                    viewer.release = viewer.release.max(Some(*release));
                }
            }
            _ => {}
        }
    }
}

impl State {
    /// What is remembered of a stream; `None` where there are too many.
    fn memory(&mut self, stream: &str, streams: &Streams) -> Option<&mut Memory> {
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(stream) {
            // Of streams that are gone.
            self.streams.retain(|name, _| streams.get(name).is_some());
            if self.streams.len() >= MAX_STREAMS {
                return None;
            }
        }
        Some(self.streams.entry(stream.to_owned()).or_default())
    }

    /// Remembers who has left. Snapshots, which a dashboard takes all day, push out no viewer.
    fn keep(&mut self, viewer: Viewer) {
        let is_snapshot = |viewer: &Viewer| SNAPSHOT.contains(&viewer.reason.as_str());
        if self.ended.len() >= ENDED {
            match self.ended.iter().rposition(is_snapshot) {
                Some(oldest) => drop(self.ended.remove(oldest)),
                None if is_snapshot(&viewer) => return,
                None => drop(self.ended.pop_back()),
            }
        }
        self.ended.push_front(viewer);
    }
}

/// What a viewer of a stream calls itself.
fn user_agent(streams: &Streams, stream: &str, id: u64) -> String {
    let consumers = streams.get(stream).and_then(|s: Arc<Stream>| s.snapshot().consumers);
    let mut consumers = consumers.into_iter().flatten();
    consumers.find(|c| c.id == id).map(|c| c.description.user_agent).unwrap_or_default()
}

fn is_watched(streams: &Streams, stream: &str) -> bool {
    streams.get(stream).is_none_or(|stream| stream.viewers() > 0)
}

/// Milliseconds with three decimals.
pub fn millis(duration: Duration) -> f64 {
    let micros = duration.as_micros();
    // Days of microseconds are exact.
    #[allow(clippy::cast_precision_loss)]
    let micros = u64::try_from(micros).unwrap_or(u64::MAX) as f64;
    micros / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(id: u64, reason: &str) -> Viewer {
        Viewer {
            id,
            stream: "cam".into(),
            format: "webrtc".into(),
            remote: String::new(),
            user_agent: String::new(),
            joined: SystemTime::UNIX_EPOCH,
            left: Some(SystemTime::UNIX_EPOCH),
            is_parked: false,
            reason: reason.into(),
            profile: "",
            detect: None,
            release: None,
        }
    }

    #[test]
    fn snapshots_push_out_no_viewer() {
        let mut state = State::default();
        state.keep(left(1, "silence"));
        for id in 2..300 {
            state.keep(left(id, "delivered"));
        }
        assert_eq!(state.ended.len(), ENDED);
        assert_eq!((state.ended[0].id, state.ended[ENDED - 1].id), (299, 1));
        // Viewers take their places, and then that of the oldest viewer.
        for id in 300..400 {
            state.keep(left(id, "close_notify"));
        }
        assert!(state.ended.iter().all(|viewer| viewer.id >= 300));
        state.keep(left(400, "failed"));
        assert_eq!((state.ended.len(), state.ended[0].id), (ENDED, 399));
        state.keep(left(401, "admin"));
        assert_eq!((state.ended[0].id, state.ended[ENDED - 1].id), (401, 301));
    }
}
