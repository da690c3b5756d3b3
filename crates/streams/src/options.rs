//! Settings of one stream, and why a viewer goes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When a source is dialled for a viewer that has yet to connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wake {
    /// When it asks.
    #[default]
    Offer,
    /// When it is there; possible once the source's codecs are known.
    Viewer,
}

/// Settings of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long a source stays open after its last viewer, for the next one to
    /// take over without a gap. Default: not at all, but 2 s after a clean end
    /// of a viewer with profile `tolerant`. Somebody who waits for the same
    /// exclusive group ends it.
    pub linger: Option<Duration>,
    /// When sources are dialled.
    pub wake: Wake,
    /// Name of a group (a USB hub, a camera with one session): only one stream
    /// of a group is open at a time. Default: the device, for sources that
    /// capture one.
    pub exclusive: Option<String>,
    /// How long a viewer whose page is hidden keeps its hold on the sources.
    pub hidden_linger: Option<Duration>,
    /// A running source without a frame for so long is opened again. Default
    /// 15 s; zero turns it off.
    pub stall: Option<Duration>,
    /// What has passed is kept for so long, for clips, while a source runs; it
    /// does not make one run. Zero: nothing is kept.
    pub clip: Duration,
}

/// The settings of a stream as its sources see them: they can change any time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settled(Arc<Mutex<Options>>, Reach);

impl Settled {
    pub(crate) fn new(options: Options) -> Self {
        let reach = Reach::default();
        reach.set(options.clip);
        Self(Arc::new(Mutex::new(options)), reach)
    }

    pub(crate) fn get(&self) -> Options {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes them; gives what they were.
    pub(crate) fn set(&self, options: Options) -> Options {
        self.1.set(options.clip);
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), options)
    }

    /// Whether both are of the same stream.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// For the tracks of the stream.
    pub(crate) fn reach(&self) -> Reach {
        self.1.clone()
    }
}

/// How far back the tracks of a stream remember. It is asked for every frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach(Arc<AtomicU64>);

impl Reach {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn set(&self, reach: Duration) {
        self.0.store(u64::try_from(reach.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Why and when it was decided that a viewer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// A reason code: `left`, `close_notify`, `silence`, `teardown`, …
    pub reason: Cow<'static, str>,
    /// When it was decided.
    pub decided: Instant,
    /// When the viewer was last heard, if that is known.
    pub heard: Option<Instant>,
    /// Profile of the liveness judgement, empty if there is none.
    pub profile: &'static str,
    /// How long the source is held after it, unless the stream has a linger of
    /// its own; zero lets go at once.
    pub linger: Duration,
}

impl Departure {
    /// A departure that is decided now.
    pub fn now(reason: impl Into<Cow<'static, str>>) -> Self {
        let decided = tokio::time::Instant::now().into_std();
        Self { reason: reason.into(), decided, heard: None, profile: "", linger: Duration::ZERO }
    }

    /// From the last sign of life to the decision.
    pub fn detect(&self) -> Option<Duration> {
        self.heard.map(|heard| self.decided.saturating_duration_since(heard))
    }
}
