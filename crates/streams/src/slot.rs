//! One configured source of a stream and its supervisor.
//!
//! States: idle → opening → open → running, and back to idle the moment the
//! last lease is dropped. A lease starts a *run* (a supervisor task) if there is
//! none and shares it otherwise; the last one to go cancels it. Nobody waits for
//! a cancelled run: the next lease starts a new one at once. Only this layer
//! retries, and only while somebody holds a lease.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::live::{Bond, Live};
use crate::options::{Departure, Options};
use crate::producer::{Ended, OpenRequest, Producer};
use crate::registry::Shared;
use crate::retry::Retry;

/// A run counts as good once it has delivered; shorter ones keep backing off.
const SETTLED: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Phase {
    Opening,
    Open,
    Failed(Error),
}

/// One supervised life of a source, from the first lease to the last.
pub(crate) struct Run {
    number: u64,
    bond: Arc<Bond>,
    cancel: CancellationToken,
    phase: watch::Sender<Phase>,
    start: watch::Sender<bool>,
    wake: Notify,
    leases: Mutex<usize>,
    last_error: Mutex<Option<Error>>,
}

/// A configured source.
pub(crate) struct Slot {
    shared: Arc<Shared>,
    stream: String,
    options: Arc<Options>,
    pub(crate) live: Arc<Live>,
    source: Mutex<String>,
    /// The configured text, with `{input}` if it is a template.
    pub(crate) configured: String,
    current: Mutex<Option<Arc<Run>>>,
}

/// Keeps a source open. Dropping the last one releases it at once.
pub(crate) struct Lease {
    slot: Arc<Slot>,
    pub(crate) run: Arc<Run>,
}

impl Slot {
    pub(crate) fn new(
        shared: Arc<Shared>,
        stream: &str,
        epoch: std::time::Instant,
        options: Arc<Options>,
        configured: &str,
    ) -> Arc<Self> {
        let template = configured.contains("{input}");
        let live = Live::new(epoch, shared.settings.cache);
        Arc::new(Self {
            shared,
            stream: stream.to_owned(),
            options,
            live,
            source: Mutex::new(if template { String::new() } else { configured.to_owned() }),
            configured: configured.to_owned(),
            current: Mutex::new(None),
        })
    }

    /// The source text it opens; empty for a template that was not filled in.
    pub(crate) fn source(&self) -> String {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the source for the next dial: fills in a template, replaces anything else.
    pub(crate) fn set_source(&self, source: &str) {
        let filled = if self.configured.contains("{input}") {
            self.configured.replacen("{input}", source, 1)
        } else {
            source.to_owned()
        };
        *self.source.lock().unwrap_or_else(PoisonError::into_inner) = filled;
        // A source that waits for a better address tries it at once.
        if let Some(run) = self.current().as_ref() {
            run.wake.notify_waiters();
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Run>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what it offers is known, from this dial or an earlier one.
    pub(crate) fn is_known(&self) -> bool {
        !self.live.medias().is_empty()
    }

    /// Why the last try failed, while it is being retried.
    pub(crate) fn last_error(&self) -> Option<Error> {
        let current = self.current();
        let run = current.as_ref()?;
        let error = run.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        error.clone()
    }

    /// Takes a lease: joins the current run or starts one.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        let mut current = self.current();
        if let Some(run) = current.as_ref() {
            let mut leases = run.leases.lock().unwrap_or_else(PoisonError::into_inner);
            if *leases > 0 && !run.cancel.is_cancelled() {
                *leases += 1;
                run.wake.notify_waiters();
                return Lease { slot: Arc::clone(self), run: Arc::clone(run) };
            }
        }
        let run = Arc::new(Run {
            number: crate::connection::next_id(),
            bond: Arc::default(),
            cancel: self.shared.cancel.child_token(),
            phase: watch::Sender::new(Phase::Opening),
            start: watch::Sender::new(false),
            wake: Notify::new(),
            leases: Mutex::new(1),
            last_error: Mutex::new(None),
        });
        *current = Some(Arc::clone(&run));
        drop(current);
        let span = tracing::info_span!(
            parent: None, "source", stream = %self.stream, source = %rs2rtc_base::Redacted(&self.source())
        );
        let _entered = span.enter();
        self.shared.tasks.spawn("source", supervise(Arc::clone(self), Arc::clone(&run)));
        Lease { slot: Arc::clone(self), run }
    }

    /// Forgets a run, so that the next lease starts another.
    fn forget(&self, run: &Arc<Run>) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|c| Arc::ptr_eq(c, run)) {
            *current = None;
        }
    }
}

impl Lease {
    /// Waits until the source is open.
    pub(crate) async fn opened(&self) -> Result<(), Error> {
        let mut phase = self.run.phase.subscribe();
        loop {
            match &*phase.borrow_and_update() {
                Phase::Open => return Ok(()),
                Phase::Failed(error) => return Err(error.clone()),
                Phase::Opening => {}
            }
            if phase.changed().await.is_err() {
                return Err(Error::new(ErrorKind::Ended, "source closed"));
            }
        }
    }

    /// Lets the producer run; tracks can still be added.
    pub(crate) fn start(&self) {
        self.run.start.send_replace(true);
    }

    /// Resolves when somebody waits for the exclusive group that it holds.
    pub(crate) fn contended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut contended = self.run.bond.contended.subscribe();
        async move {
            if contended.wait_for(|c| *c).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Drops it for a reason.
    pub(crate) fn release(self, departure: &Departure, _viewer: u64) {
        self.run.bond.depart(Some(departure.clone()));
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut current = self.slot.current();
        let mut leases = self.run.leases.lock().unwrap_or_else(PoisonError::into_inner);
        *leases = leases.saturating_sub(1);
        if *leases == 0 {
            self.run.cancel.cancel();
            if current.as_ref().is_some_and(|c| Arc::ptr_eq(c, &self.run)) {
                *current = None;
                self.slot.live.released();
            }
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("stream", &self.slot.stream).finish_non_exhaustive()
    }
}

/// The end of a run, however it comes, a panic included: it is forgotten, who
/// still waits for it is told, and its tracks end.
struct Over(Arc<Slot>, Arc<Run>);

impl Drop for Over {
    fn drop(&mut self) {
        let Self(slot, run) = self;
        slot.forget(run);
        run.phase.send_if_modified(|phase| {
            let waits = !matches!(phase, Phase::Failed(_));
            if waits {
                *phase = Phase::Failed(Error::new(ErrorKind::Ended, "source closed"));
            }
            waits
        });
        if *run.leases.lock().unwrap_or_else(PoisonError::into_inner) > 0 {
            slot.live.end();
        }
    }
}

async fn supervise(slot: Arc<Slot>, run: Arc<Run>) {
    let _over = Over(Arc::clone(&slot), Arc::clone(&run));
    let mut retry = Retry::default();
    let mut connected_before = false;
    loop {
        let error = match open(&slot, &run).await {
            None => break,
            Some(Ok(producer)) => {
                connected_before = true;
                set_error(&run, None);
                let Some(ended) = run_producer(&slot, &run, producer, &mut retry).await else {
                    break;
                };
                match ended {
                    Ended::Cancelled => break,
                    Ended::Finished => None,
                    Ended::Failed(error) => Some(error),
                }
            }
            Some(Err(error)) => {
                if !connected_before {
                    // The initial dial: those who wait get the error, the next
                    // viewer dials anew.
                    tracing::warn!(target: "streams", %error, "can't open the source");
                    slot.forget(&run);
                    run.phase.send_replace(Phase::Failed(error));
                    return;
                }
                Some(error)
            }
        };
        let wait = retry.next(error.as_ref().map(Error::kind));
        match &error {
            Some(error) => {
                tracing::warn!(target: "streams", %error, retry_ms = wait.map(|w| w.as_millis() as u64), "source failed")
            }
            None => tracing::debug!(target: "streams", "source ended, opening it again"),
        }
        set_error(&run, error);
        if !pause(&run, wait).await {
            break;
        }
    }
}

/// Dials, unless the last lease goes first.
async fn open(slot: &Arc<Slot>, run: &Arc<Run>) -> Option<Result<(Box<dyn Producer>, u64), Error>> {
    let source = slot.source();
    let cancel = run.cancel.child_token();
    let request = OpenRequest { source, stream: slot.stream.clone(), cancel };
    let opened = tokio::select! {
        biased;
        () = run.cancel.cancelled() => return None,
        opened = slot.shared.open(request) => opened,
    };
    Some(opened.map(|producer| {
        let medias = producer.medias().to_vec();
        let generation = slot.live.opened(run.number, medias, producer.connection());
        run.phase.send_replace(Phase::Open);
        (producer, generation.unwrap_or_default())
    }))
}

/// Runs an open producer once somebody took a track; `None` if the last lease went.
async fn run_producer(
    slot: &Arc<Slot>,
    run: &Arc<Run>,
    (producer, generation): (Box<dyn Producer>, u64),
    retry: &mut Retry,
) -> Option<Ended> {
    let mut start = run.start.subscribe();
    let started = tokio::select! {
        biased;
        () = run.cancel.cancelled() => false,
        r = start.wait_for(|s| *s) => r.is_ok(),
    };
    let began = Instant::now();
    // Without a start the token is cancelled: `run` only says goodbye.
    let ended = producer
        .run(slot.live.tracks(generation, Some(Arc::clone(&run.bond))), run.cancel.child_token())
        .await;
    slot.live.lost(generation);
    let lasted = began.elapsed();
    if lasted >= SETTLED {
        retry.ran(lasted);
    }
    (started && !run.cancel.is_cancelled()).then_some(ended)
}

/// Waits before the next try; a new viewer ends the wait. False if cancelled.
async fn pause(run: &Run, wait: Option<Duration>) -> bool {
    let timer = async {
        match wait {
            Some(wait) => tokio::time::sleep(wait).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = run.cancel.cancelled() => false,
        () = timer => true,
        () = woken(run, wait) => true,
    }
}

/// A new viewer wakes a sleeping retry, at most once a second.
async fn woken(run: &Run, wait: Option<Duration>) {
    let floor = Duration::from_secs(1).min(wait.unwrap_or(Duration::from_secs(1)));
    let asked_at = Instant::now();
    run.wake.notified().await;
    tokio::time::sleep_until(asked_at + floor).await;
}

fn set_error(run: &Run, error: Option<Error>) {
    *run.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
}
