//! One configured source of a stream: its runs and the leases on them.
//!
//! States: idle → opening → open → running, and back to idle the moment the
//! last lease goes. A lease starts a *run* (a supervisor task, [`supervise`]) if
//! there is none and shares it otherwise; the last one to go cancels it, at once
//! or after the stream's linger, in which the next lease takes the run over.
//! Nobody waits for a cancelled run unless the source is exclusive: the next
//! lease starts a new one at once. Tracks and medias outlive the runs ([`Live`]).
//!
//! Lock order: slot, leases of a run, live, track.

mod supervise;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::next_id;
use crate::events::Event;
use crate::live::{Bond, Live, OnChange};
use crate::options::{Departure, Settled};
use crate::producer::Origin;
use crate::registry::Shared;
use crate::repeats::{Repeat, Repeats};
use crate::retry::Breaker;

#[derive(Clone, Debug)]
enum Phase {
    Opening,
    Open,
    Failed(Error),
}

#[derive(Debug, Default)]
struct Leases {
    held: usize,
    /// Of these, who waits for a picture.
    urgent: usize,
    /// Connection id of the last one that went.
    last: u64,
}

/// One supervised life of a source, from the first lease to the last.
pub(crate) struct Run {
    number: u64,
    bond: Arc<Bond>,
    cancel: CancellationToken,
    phase: watch::Sender<Phase>,
    start: watch::Sender<bool>,
    /// Somebody waits for a picture: it does not queue with the preloads.
    urgent: watch::Sender<bool>,
    /// When it ends unless somebody takes it over.
    linger: watch::Sender<Option<Instant>>,
    /// Counts viewers that came to it.
    joined: watch::Sender<u64>,
    leases: Mutex<Leases>,
}

impl Run {
    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the source is open; an error if it cannot be opened or
    /// nobody wants it any more.
    pub(crate) async fn opened(&self) -> Result<(), Error> {
        let mut phase = self.phase.subscribe();
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

    /// How many hold it.
    pub(crate) fn leases(&self) -> usize {
        self.lock().held
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Whether somebody waits for the exclusive group that it holds.
    pub(crate) fn set_contended(&self, contended: bool) {
        self.bond.contended.send_if_modified(|old| std::mem::replace(old, contended) != contended);
    }

    /// Counts one more who holds it, or one less.
    fn count(&self, leases: &mut Leases, urgency: Urgency, more: bool) {
        let change = |count: &mut usize| {
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
        };
        change(&mut leases.held);
        if urgency == Urgency::Viewer {
            change(&mut leases.urgent);
        }
        let urgent = leases.urgent > 0;
        self.urgent.send_if_modified(|old| std::mem::replace(old, urgent) != urgent);
    }
}

#[derive(Default)]
struct State {
    current: Option<Arc<Run>>,
    breaker: Breaker,
}

/// What is opened.
#[derive(Clone, Debug)]
struct Named {
    /// The source text; empty for a template that was not filled in.
    text: String,
    /// Who named it last.
    origin: Origin,
}

/// A configured source.
pub(crate) struct Slot {
    shared: Arc<Shared>,
    stream: String,
    options: Settled,
    /// The stream has other sources now: it is let go at once.
    retired: CancellationToken,
    /// What it offers and gives, over all runs.
    pub(crate) live: Arc<Live>,
    source: Mutex<Named>,
    /// Counts changes of the source.
    changed: watch::Sender<u64>,
    /// The configured text, with `{input}` if it is a template.
    pub(crate) configured: String,
    state: Mutex<State>,
    last_error: Mutex<Option<Error>>,
    failures: Mutex<Repeats>,
}

/// Who wants a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Somebody who waits for a picture.
    Viewer,
    /// Nobody in particular: a preload, a publication.
    Background,
}

/// Keeps a source open. Dropping the last one releases it at once.
pub(crate) struct Lease {
    slot: Arc<Slot>,
    run: Arc<Run>,
    urgency: Urgency,
    departure: Option<Gone>,
}

/// Who let go of a lease, and why.
struct Gone {
    departure: Departure,
    /// Its connection id.
    viewer: u64,
    /// It stays attached.
    parked: bool,
}

fn parameters_changed(slot: &Weak<Slot>) -> OnChange {
    let slot = Weak::clone(slot);
    Box::new(move |track| {
        if let Some(slot) = slot.upgrade() {
            slot.emit(|stream, source| Event::parameters_changed(stream, source, track));
        }
    })
}

impl Slot {
    pub(crate) fn new(
        shared: Arc<Shared>,
        stream: &str,
        epoch: std::time::Instant,
        options: Settled,
        (configured, origin): (&str, Origin),
    ) -> Arc<Self> {
        let template = configured.contains("{input}");
        let (cache, reach) = (shared.settings.cache, options.reach());
        Arc::new_cyclic(|slot: &Weak<Self>| Self {
            shared,
            stream: stream.to_owned(),
            options,
            retired: CancellationToken::new(),
            live: Live::new(epoch, cache, reach, parameters_changed(slot)),
            source: Mutex::new(Named {
                text: if template { String::new() } else { configured.to_owned() },
                origin,
            }),
            changed: watch::Sender::new(0),
            configured: configured.to_owned(),
            state: Mutex::default(),
            last_error: Mutex::default(),
            failures: Mutex::default(),
        })
    }

    /// Name of its stream.
    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }

    /// Whether both are sources of the same stream.
    pub(crate) fn is_of_one_stream(&self, other: &Self) -> bool {
        self.options.is(&other.options)
    }

    /// The source text it opens; empty for a template that was not filled in.
    pub(crate) fn source(&self) -> String {
        self.lock_source().text.clone()
    }

    /// The source text, and who named it.
    fn named(&self) -> Named {
        self.lock_source().clone()
    }

    fn lock_source(&self) -> MutexGuard<'_, Named> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the source for the next dial: fills in a template, replaces anything
    /// else. What was learned about the old one does not hold any more; a source
    /// that waits for its next try is tried at once.
    pub(crate) fn set_source(&self, source: &str, origin: Origin) {
        let filled = if self.configured.contains("{input}") {
            self.configured.replacen("{input}", source, 1)
        } else {
            source.to_owned()
        };
        *self.lock_source() = Named { text: filled, origin };
        self.state().breaker = Breaker::default();
        self.set_error(None);
        *self.lock_failures() = Repeats::default();
        self.live.forget();
        self.changed.send_modify(|changed| *changed += 1);
    }

    /// Whether a configured text means this source.
    pub(crate) fn is(&self, configured: &str) -> bool {
        if self.configured.contains("{input}") {
            self.configured == configured
        } else {
            self.source() == configured
        }
    }

    /// The stream does not have it any more, for a reason: who holds it is about to let
    /// go, and what nobody is served by yet ends at once.
    pub(crate) fn retire(&self, reason: &'static str) {
        self.retired.cancel();
        self.end_linger();
        let mut state = self.state();
        let unserved = state.current.clone().filter(|run| !*run.start.borrow());
        if let Some(run) = unserved {
            run.bond.depart(Some(Departure::now(reason)));
            self.release(&mut state, &run);
        }
    }

    /// Resolves once the stream does not have it any more.
    pub(crate) async fn retired(&self) {
        self.retired.cancelled().await;
    }

    /// Whether the stream does not have it any more: nobody may open it.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_cancelled()
    }

    /// Ends a run that nobody holds and that waits for the next viewer.
    pub(crate) fn end_linger(&self) {
        let run = self.state().current.clone();
        if let Some(run) = run {
            self.release_unused(&run);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what it offers is known, from this dial or an earlier one.
    pub(crate) fn is_known(&self) -> bool {
        !self.live.medias().is_empty()
    }

    /// Why the last try failed; `None` once one has worked, or there is another source.
    pub(crate) fn last_error(&self) -> Option<Error> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_error(&self, error: Option<Error>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// Whether a failure is news for the log.
    fn count(&self, failure: &str) -> Repeat {
        self.lock_failures().count(failure, Instant::now())
    }

    fn lock_failures(&self) -> MutexGuard<'_, Repeats> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lease for a viewer.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.lease_for(Urgency::Viewer)
    }

    /// Takes a lease: joins the current run, a lingering one too, or starts one.
    pub(crate) fn lease_for(self: &Arc<Self>, urgency: Urgency) -> Lease {
        let mut state = self.state();
        if let Some(lease) = self.join(&state, urgency) {
            return lease;
        }
        self.shared.meter.leases.fetch_add(1, Ordering::Relaxed);
        let run = Arc::new(Run {
            number: next_id(),
            bond: Arc::default(),
            cancel: self.shared.cancel.child_token(),
            phase: watch::Sender::new(Phase::Opening),
            start: watch::Sender::new(false),
            linger: watch::Sender::new(None),
            joined: watch::Sender::new(0),
            urgent: watch::Sender::new(false),
            leases: Mutex::default(),
        });
        run.count(&mut run.lock(), urgency, true);
        state.current = Some(Arc::clone(&run));
        drop(state);
        self.shared.meter.began(run.number);
        let span = tracing::info_span!(
            parent: None, "source", stream = %self.stream, source = %Redacted(&self.source())
        );
        let _entered = span.enter();
        let supervisor = supervise::supervise(Arc::clone(self), Arc::clone(&run));
        self.shared.tasks.spawn("source", supervisor);
        Lease { slot: Arc::clone(self), run, urgency, departure: None }
    }

    /// Takes a lease of the current run, if there is one: nothing is dialled for it.
    pub(crate) fn lease_if_open(self: &Arc<Self>, urgency: Urgency) -> Option<Lease> {
        self.join(&self.state(), urgency)
    }

    fn join(self: &Arc<Self>, state: &State, urgency: Urgency) -> Option<Lease> {
        let run = state.current.as_ref().filter(|run| !run.is_cancelled())?;
        self.shared.meter.leases.fetch_add(1, Ordering::Relaxed);
        run.count(&mut run.lock(), urgency, true);
        run.bond.depart(None);
        run.linger.send_replace(None);
        run.joined.send_modify(|joined| *joined += 1);
        Some(Lease { slot: Arc::clone(self), run: Arc::clone(run), urgency, departure: None })
    }

    /// Forgets a run, so that the next lease starts another.
    fn forget(&self, run: &Arc<Run>) {
        let mut state = self.state();
        if state.current.as_ref().is_some_and(|c| Arc::ptr_eq(c, run)) {
            state.current = None;
        }
    }

    /// A lease went.
    fn let_go(&self, run: &Arc<Run>, urgency: Urgency, gone: Option<Gone>) {
        self.shared.meter.leases.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.state();
        let mut leases = run.lock();
        run.count(&mut leases, urgency, false);
        if leases.held > 0 {
            return;
        }
        let unused = || Gone { departure: Departure::now("left"), viewer: 0, parked: false };
        let gone = gone.unwrap_or_else(unused);
        leases.last = gone.viewer;
        drop(leases);
        let linger = self.linger(&gone);
        run.bond.depart(Some(gone.departure));
        let running = matches!(*run.phase.borrow(), Phase::Open) && *run.start.borrow();
        if linger.is_zero() || !running || *run.bond.contended.borrow() {
            self.release(&mut state, run);
        } else {
            run.linger.send_replace(Some(Instant::now() + linger));
        }
    }

    /// Ends a run that nobody wants: its supervisor does the rest on its own task.
    fn release(&self, state: &mut State, run: &Arc<Run>) {
        run.cancel.cancel();
        self.shared.meter.released(run.number);
        if state.current.as_ref().is_some_and(|c| Arc::ptr_eq(c, run)) {
            state.current = None;
            self.live.released();
        }
    }

    /// Ends a run whose linger is over, unless somebody took it over meanwhile.
    fn release_unused(&self, run: &Arc<Run>) -> bool {
        let mut state = self.state();
        let unused = run.leases() == 0;
        if unused && !run.is_cancelled() {
            self.release(&mut state, run);
        }
        unused
    }

    /// Whether its source is another stream.
    fn is_relay(&self, source: &str) -> bool {
        self.shared.relayed(source, &self.stream).is_some()
    }

    fn linger(&self, gone: &Gone) -> Duration {
        if self.is_retired() {
            return Duration::ZERO;
        }
        let asked = if gone.parked { Duration::ZERO } else { gone.departure.linger };
        self.options.get().linger.unwrap_or(asked)
    }
}

impl Lease {
    /// Waits until the source is open.
    pub(crate) async fn opened(&self) -> Result<(), Error> {
        self.run.opened().await
    }

    /// The source that it keeps open.
    pub(crate) const fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// The run that it keeps.
    pub(crate) fn run(&self) -> Arc<Run> {
        Arc::clone(&self.run)
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

    pub(crate) fn is_contended(&self) -> bool {
        *self.run.bond.contended.borrow()
    }

    /// Drops it for a reason; `viewer` is the connection id of who held it, and
    /// `parked` says that it stays attached.
    pub(crate) fn release(mut self, departure: &Departure, viewer: u64, parked: bool) {
        self.departure = Some(Gone { departure: departure.clone(), viewer, parked });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot.let_go(&self.run, self.urgency, self.departure.take());
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("stream", &self.slot.stream).finish_non_exhaustive()
    }
}
