//! Who watches, who has left and why, and how long it took to let the camera
//! go: read from the events of the streams, for `api/rs/sessions`, for the last
//! words to a player, and for the metrics.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rs2rtc_streams::events::{Event, Record};
use rs2rtc_streams::{CancellationToken, Stream, Streams};
use tokio::time::timeout;

use crate::metrics::Metrics;

/// Viewers that have left and are remembered.
const ENDED: usize = 100;
/// Viewers that are remembered; beyond that the oldest are forgotten.
const MAX_VIEWERS: usize = 8192;

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
    /// Why it left, or its camera was let go.
    pub reason: String,
    /// Name of its liveness profile; may be empty.
    pub profile: &'static str,
    /// From its last sign of life to the decision.
    pub detect: Option<Duration>,
    /// From the decision to the camera being free; `None` if others still watch.
    pub release: Option<Duration>,
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
                    reason: String::new(),
                    profile: "",
                    detect: None,
                    release: None,
                };
                self.viewers.insert(*viewer, new);
            }
            Event::ViewerParked { viewer, reason, detect, profile, .. } => {
                if let Some(viewer) = self.viewers.get_mut(viewer) {
                    viewer.reason = reason.to_string();
                    viewer.detect = *detect;
                    viewer.profile = profile;
                }
            }
            Event::ViewerResumed { viewer, .. } => {
                if let Some(viewer) = self.viewers.get_mut(viewer) {
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
                    reason: String::new(),
                    profile: "",
                    detect: None,
                    release: None,
                });
                viewer.left = Some(record.at);
                viewer.reason = reason.to_string();
                viewer.profile = profile;
                viewer.detect = *detect;
                self.ended.truncate(ENDED - 1);
                self.ended.push_front(viewer);
            }
            Event::SourceReleased { viewer: id, release, .. } => {
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
