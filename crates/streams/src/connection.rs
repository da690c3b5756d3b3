//! What the API shows of one connection: a producer's or a consumer's.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rs2rtc_media::Media;

static IDS: AtomicU64 = AtomicU64::new(1);

/// The next id of the process-wide counter for connections, tracks and senders.
pub fn next_id() -> u64 {
    IDS.fetch_add(1, Ordering::Relaxed)
}

/// The descriptive fields of a connection (`spec/api.md` 3.1). Empty means
/// unknown; none holds a secret that is not masked on output.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// `rtsp`, `webrtc/json`, `mse/fmp4`, …
    pub format_name: String,
    /// `rtsp+tcp`, `ws`, `http`, `pipe`, …
    pub protocol: String,
    /// `host:port`, with the forms of `spec/api.md` 3.1.
    pub remote_addr: String,
    /// The configured text of a program source.
    pub source: String,
    /// The address it was opened with.
    pub url: String,
    /// SDP of the other side.
    pub sdp: String,
    /// User-Agent of the other side.
    pub user_agent: String,
    /// Medias from the local side.
    pub medias: Vec<Media>,
}

/// A step on the way to the media, and how long it took: the name as the protocol has it
/// (`DESCRIBE`), or `connect`.
pub type Timing = (String, Duration);

/// Most steps that are kept of a connection.
const MAX_TIMINGS: usize = 8;

/// One connection: its id, description and byte counters.
#[derive(Debug)]
pub struct Connection {
    /// From the process-wide counter.
    pub id: u64,
    description: Mutex<Description>,
    timings: Mutex<Vec<Timing>>,
    bytes_recv: AtomicU64,
    bytes_send: AtomicU64,
    behind: OnceLock<Arc<Self>>,
}

impl Connection {
    /// A connection with a new id.
    pub fn new(description: Description) -> Self {
        Self {
            id: next_id(),
            description: Mutex::new(description),
            timings: Mutex::default(),
            bytes_recv: AtomicU64::new(0),
            bytes_send: AtomicU64::new(0),
            behind: OnceLock::new(),
        }
    }

    /// Shows another connection's description and counters from now on: that of
    /// what a producer opened once it knew what is wanted. The first call counts.
    pub fn show(&self, behind: Arc<Self>) {
        let _ = self.behind.set(behind);
    }

    /// A copy of the description.
    pub fn description(&self) -> Description {
        if let Some(behind) = self.behind.get() {
            return behind.description();
        }
        self.description.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the description in place.
    pub fn describe(&self, change: impl FnOnce(&mut Description)) {
        change(&mut self.description.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Notes the next step on the way to the media. Those beyond the eighth are not kept.
    pub fn timed(&self, step: impl Into<String>, took: Duration) {
        let mut timings = self.timings.lock().unwrap_or_else(PoisonError::into_inner);
        if timings.len() < MAX_TIMINGS {
            timings.push((step.into(), took));
        }
    }

    /// The steps so far, in their order; none where the source tells none.
    pub fn timings(&self) -> Vec<Timing> {
        if let Some(behind) = self.behind.get() {
            return behind.timings();
        }
        self.timings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts bytes received from the network or pipe.
    pub fn received(&self, bytes: usize) {
        self.bytes_recv.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts bytes sent.
    pub fn sent(&self, bytes: usize) {
        self.bytes_send.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes received so far.
    pub fn bytes_recv(&self) -> u64 {
        let behind = self.behind.get().map_or(0, |behind| behind.bytes_recv());
        self.bytes_recv.load(Ordering::Relaxed) + behind
    }

    /// Bytes sent so far.
    pub fn bytes_send(&self) -> u64 {
        let behind = self.behind.get().map_or(0, |behind| behind.bytes_send());
        self.bytes_send.load(Ordering::Relaxed) + behind
    }
}
