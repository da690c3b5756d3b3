//! The supervisor of a run: takes the exclusive group, dials, runs the producer,
//! watches it and decides when it is tried again. Only this layer retries, and
//! only while somebody holds a lease.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Named, Phase, Run, Slot};
use crate::events::Event;
use crate::group::Claim;
use crate::producer::{BoxFuture, Ended, OpenRequest, Origin, Producer};
use crate::repeats::Repeat;
use crate::retry::{self, Retry};

/// A running source without a frame for so long is opened again.
const STALL: Duration = Duration::from_secs(15);
/// What an exclusive source has to undo a dial that nobody waits for.
const UNDO: Duration = Duration::from_secs(2);
/// A producer that has not ended so long after it was told is dropped.
const OVERDUE: Duration = Duration::from_secs(5);
/// A tick that is later than this says that the machine slept.
const LATE: Duration = Duration::from_secs(1);

/// The end of a run, however it comes, a panic included: it is forgotten, who
/// still waits for it is told.
struct Over(Arc<Slot>, Arc<Run>);

impl Drop for Over {
    fn drop(&mut self) {
        let Self(slot, run) = self;
        slot.forget(run);
        slot.shared.meter.over(run.number);
        let lost = run.phase.send_if_modified(|phase| {
            let waits = !matches!(phase, Phase::Failed(_));
            if waits {
                *phase = Phase::Failed(Error::new(ErrorKind::Ended, "source closed"));
            }
            waits
        });
        // Viewers of a source that the stream does not have any more take their tracks along.
        let moves = slot.is_retired() && !slot.shared.cancel.is_cancelled();
        if lost && run.leases() > 0 && !moves {
            slot.live.end();
        }
        // A dial that failed opened nothing that could be let go.
        if lost && run.is_cancelled() {
            report(slot, run);
        }
    }
}

/// Tells that the source is free again, and how long that took.
fn report(slot: &Slot, run: &Run) {
    let Some(departure) = run.bond.departure() else { return };
    let now = Instant::now().into_std();
    let release = now.saturating_duration_since(departure.decided);
    let detect = departure.detect();
    let viewer = run.lock().last;
    let stream = slot.stream.as_str();
    let reason = departure.reason.as_ref();
    let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let release_ms = ms(release);
    if viewer == 0 {
        tracing::debug!(target: "streams", stream, release_ms, "closed: nobody took a track");
    } else if let Some(detect_ms) = detect.map(ms) {
        tracing::info!(
            target: "streams", stream, reason, detect_ms, release_ms,
            "released: the last viewer of {stream} left ({reason}), noticed after {detect_ms:.0} ms, camera free after {release_ms:.0} ms"
        );
    } else {
        tracing::info!(
            target: "streams", stream, reason, release_ms,
            "released: the last viewer of {stream} left ({reason}), camera free after {release_ms:.0} ms"
        );
    }
    slot.shared.events.emit(Event::SourceReleased {
        stream: slot.stream.clone(),
        source: slot.shown(),
        viewer,
        reason: departure.reason,
        profile: departure.profile,
        detect,
        release,
    });
}

pub(super) async fn supervise(slot: Arc<Slot>, run: Arc<Run>) {
    let _over = Over(Arc::clone(&slot), Arc::clone(&run));
    let work = pin!(work(&slot, &run));
    let linger = pin!(linger(&slot, &run));
    tokio::select! {
        biased;
        () = work => {}
        () = linger => {}
    }
}

/// Releases the run when its linger is over or somebody waits for its group. Never ends.
async fn linger(slot: &Slot, run: &Arc<Run>) {
    let mut until = run.linger.subscribe();
    let mut contended = run.bond.contended.subscribe();
    while !run.is_cancelled() {
        let deadline = *until.borrow_and_update();
        let over = async {
            match deadline {
                None => std::future::pending().await,
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    _ = contended.wait_for(|contended| *contended) => {}
                },
            }
        };
        tokio::select! {
            _ = until.changed() => {}
            () = over => {
                until.mark_unchanged();
                slot.release_unused(run);
                // Taken over in the same moment: the change is seen next.
                if !run.is_cancelled() {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    std::future::pending::<()>().await;
}

/// How a try ended.
enum Tried {
    /// Nobody wants it any more.
    Unwanted,
    /// Another one took its place before it was open.
    Replaced,
    /// It could not be opened, after so long.
    NotOpened(Error, Duration),
    /// It ran for so long; with frames?
    Ran(Option<Error>, Duration, bool),
}

async fn work(slot: &Arc<Slot>, run: &Arc<Run>) {
    let mut retry = Retry::default();
    let mut connected = false;
    let broken = slot.state().breaker.is_open();
    if let Some((left, error)) = broken {
        give_up(slot, run, error, Some(left));
        return;
    }
    loop {
        let mut changed = slot.changed.subscribe();
        let mut joined = run.joined.subscribe();
        let before = *slot.shared.changes.borrow();
        let (device, tried) = attempt(slot, run).await;
        let (error, lasted) = match tried {
            Tried::Unwanted => return,
            Tried::Replaced => {
                retry = Retry::default();
                continue;
            }
            Tried::NotOpened(error, lasted) => (error, lasted),
            Tried::Ran(error, lasted, frames) => {
                connected = true;
                // Who came to what ran then is not asking for a retry.
                joined.mark_unchanged();
                if frames {
                    retry.ran(lasted);
                }
                (error.unwrap_or_else(|| Error::new(ErrorKind::Ended, "source ended")), lasted)
            }
        };
        if run.leases() == 0 && slot.release_unused(run) {
            return;
        }
        // What was known of it does not hold once nobody watches any more.
        let hopeless = matches!(
            error.kind(),
            ErrorKind::Config | ErrorKind::NotFound | ErrorKind::Unsupported
        );
        let open = slot.state().breaker.ended(lasted, &error);
        if !connected {
            if hopeless {
                slot.live.forget();
            }
            give_up(slot, run, error, open);
            return;
        }
        let wait = open.or_else(|| retry.next(Some(error.kind()), device));
        slot.failed("source failed", &error, wait);
        let kind = error.kind();
        let woken = async {
            match open {
                // A source that crashes again and again is not started by viewers.
                Some(_) => std::future::pending().await,
                None => {
                    let helped = slot.shared.changed_for(kind, before);
                    woken(&mut joined, helped, wait).await;
                }
            }
        };
        let timer = async {
            match wait {
                Some(wait) => sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = run.cancel.cancelled() => {
                if hopeless {
                    slot.live.forget();
                }
                return;
            }
            _ = changed.changed() => retry = Retry::default(),
            () = timer => {}
            () = woken => {}
        }
    }
}

/// The initial dial failed: those who wait get the error, the next viewer dials anew.
fn give_up(slot: &Arc<Slot>, run: &Arc<Run>, error: Error, retry: Option<Duration>) {
    slot.failed("can't open the source", &error, retry);
    slot.forget(run);
    run.phase.send_replace(Phase::Failed(error));
}

/// A new viewer, or a change of the machine that may help, wakes a sleeping
/// retry, at most once a second.
async fn woken(
    joined: &mut watch::Receiver<u64>,
    helped: impl Future<Output = ()>,
    wait: Option<Duration>,
) {
    let floor = Duration::from_secs(1).min(wait.unwrap_or(Duration::from_secs(1)));
    let asked_at = Instant::now();
    tokio::select! {
        _ = joined.changed() => {}
        () = helped => {}
    }
    sleep_until(asked_at + floor).await;
}

/// One try: from the turn in the exclusive group to the end of the producer.
/// Says also whether the source needs a device of its own.
async fn attempt(slot: &Arc<Slot>, run: &Arc<Run>) -> (bool, Tried) {
    let mut changed = slot.changed.subscribe();
    let named = slot.named();
    let cancel = run.cancel.child_token();
    let replaced = async {
        while slot.named().text == named.text {
            // It cannot end before us: it is part of the slot.
            let _ = changed.changed().await;
        }
    };
    let reached = {
        let mut reaching = pin!(reach(slot, run, &named, &cancel));
        tokio::select! {
            biased;
            reached = &mut reaching => reached,
            () = replaced => {
                cancel.cancel();
                reaching.await
            }
        }
    };
    let (claim, producer, began) = match reached {
        Ok(reached) => reached,
        Err((_, Tried::Unwanted)) if !run.is_cancelled() => return (false, Tried::Replaced),
        Err(ended) => return ended,
    };
    let exclusive = claim.is_some();
    let tried = run_producer(slot, run, producer, began).await;
    // Only now the next one may open it.
    drop(claim);
    (exclusive, tried)
}

/// What was reached: the exclusive group, the open source, and when its dial began.
type Reached = (Option<Claim>, Box<dyn Producer>, Instant);

/// Opens the source when it is its turn, unless `cancel` fires.
async fn reach(
    slot: &Arc<Slot>,
    run: &Arc<Run>,
    Named { text: source, origin }: &Named,
    cancel: &CancellationToken,
) -> Result<Reached, (bool, Tried)> {
    let claim = tokio::select! {
        biased;
        () = cancel.cancelled() => return Err((false, Tried::Unwanted)),
        claim = turn(slot, run, source) => claim,
    };
    let claim = claim.map_err(|error| (true, Tried::NotOpened(error, OVERDUE)))?;
    let exclusive = claim.is_some();
    if !slot.is_relay(source) {
        tokio::select! {
            biased;
            () = cancel.cancelled() => return Err((exclusive, Tried::Unwanted)),
            () = slot.shared.dials.pass(run.urgent.subscribe()) => {}
        }
    }
    let began = Instant::now();
    slot.emit(|stream, source| Event::SourceOpening { stream, source });
    let Some(opened) = dial(slot, cancel, (source, *origin), exclusive).await else {
        return Err((exclusive, Tried::Unwanted));
    };
    match opened {
        Ok(producer) => Ok((claim, producer, began)),
        Err(error) => Err((exclusive, Tried::NotOpened(error, began.elapsed()))),
    }
}

/// Waits for the source's turn in its exclusive group, if it has one.
async fn turn(slot: &Arc<Slot>, run: &Arc<Run>, source: &str) -> Result<Option<Claim>, Error> {
    let Some((group, declared)) = slot.group(source) else { return Ok(None) };
    let mut claim = slot.shared.groups.claim(&group, declared, slot, run);
    if !claim.is_granted() {
        if claim.waits_for_another(slot) {
            tracing::debug!(target: "streams", group, "waits for its turn");
            slot.emit(|stream, source| Event::SourceWaiting { stream, source, group });
        }
        claim.granted().await?;
    }
    Ok(Some(claim))
}

type Opened = Result<Box<dyn Producer>, Error>;

/// Dials, unless `cancel` fires first. A device that is in use is asked
/// again and again for a while: who had it may be about to let it go.
async fn dial(
    slot: &Arc<Slot>,
    cancel: &CancellationToken,
    (source, origin): (&str, Origin),
    exclusive: bool,
) -> Option<Opened> {
    let mut first = None;
    loop {
        let opened = open(slot, cancel, (source, origin), exclusive).await?;
        let busy = matches!(&opened, Err(error) if error.kind() == ErrorKind::Busy);
        if !(busy && exclusive) {
            return Some(opened);
        }
        let since = first.get_or_insert_with(Instant::now).elapsed();
        if since >= retry::BUSY_BUDGET {
            return Some(opened);
        }
        tokio::select! {
            biased;
            () = cancel.cancelled() => return None,
            () = sleep(retry::busy_wait(since)) => {}
        }
        slot.shared.meter.busy_retries.fetch_add(1, Ordering::Relaxed);
    }
}

async fn open(
    slot: &Arc<Slot>,
    cancel: &CancellationToken,
    (source, origin): (&str, Origin),
    exclusive: bool,
) -> Option<Opened> {
    let stream = slot.stream.clone();
    let mut opening: BoxFuture<Opened> = slot.shared.open(OpenRequest {
        source: source.to_owned(),
        stream,
        origin,
        cancel: cancel.child_token(),
    });
    tokio::select! {
        biased;
        () = cancel.cancelled() => {}
        opened = &mut opening => return Some(opened),
    }
    // What was begun is undone politely; nobody but an exclusive group waits for it.
    if (exclusive || slot.shared.undoes(source))
        && !slot.is_relay(source)
        && let Ok(Ok(producer)) = timeout(UNDO, opening).await
    {
        let tracks = slot.live.tracks(0, None);
        let _ = timeout(OVERDUE, producer.run(tracks, cancel.child_token())).await;
    }
    None
}

/// Runs an open producer once somebody took a track.
async fn run_producer(
    slot: &Arc<Slot>,
    run: &Arc<Run>,
    producer: Box<dyn Producer>,
    began: Instant,
) -> Tried {
    let medias = producer.medias().to_vec();
    let generation = slot.live.opened(run.number, medias, producer.connection());
    slot.live.remember();
    slot.set_error(None);
    run.phase.send_replace(Phase::Open);
    let took = began.elapsed();
    slot.emit(|stream, source| Event::SourceOpened { stream, source, took });
    let mut start = run.start.subscribe();
    let started = tokio::select! {
        biased;
        () = run.cancel.cancelled() => false,
        r = start.wait_for(|s| *s) => r.is_ok(),
    };
    let began = Instant::now();
    let frames = slot.live.frames();
    let generation = generation.unwrap_or_default();
    let cancel = run.cancel.child_token();
    let tracks = slot.live.tracks(generation, Some(Arc::clone(&run.bond)));
    // Without a start the token is cancelled: `run` only says goodbye.
    let mut running = producer.run(tracks, cancel.clone());
    let overdue = async {
        cancel.cancelled().await;
        sleep(OVERDUE).await;
    };
    let mut overdue = pin!(overdue);
    let ended = tokio::select! {
        biased;
        ended = &mut running => ended,
        () = &mut overdue => late(),
        silent = stalled(slot, run) => {
            let text = format!("no frame for {:.1} s", silent.as_secs_f64());
            slot.emit(|stream, source| Event::SourceStalled { stream, source, silent });
            cancel.cancel();
            tokio::select! {
                biased;
                _ = &mut running => {}
                () = &mut overdue => { late(); }
            }
            Ended::Failed(Error::new(ErrorKind::Ended, text))
        }
    };
    slot.live.lost(generation);
    let lasted = began.elapsed();
    let frames = slot.live.frames() != frames;
    match ended {
        _ if !started || run.is_cancelled() => Tried::Unwanted,
        Ended::Cancelled => {
            let text = "the source ended by itself";
            Tried::Ran(Some(Error::new(ErrorKind::Ended, text)), lasted, frames)
        }
        Ended::Finished => Tried::Ran(None, lasted, frames),
        Ended::Failed(error) => Tried::Ran(Some(error), lasted, frames),
    }
}

fn late() -> Ended {
    tracing::warn!(target: "streams", "the source did not end in time and is dropped");
    Ended::Cancelled
}

/// Resolves when no frame came for too long although somebody wants some.
async fn stalled(slot: &Slot, run: &Run) -> Duration {
    // Another stream watches its own source.
    if slot.is_relay(&slot.source()) {
        std::future::pending::<()>().await;
    }
    let mut last = (slot.live.frames(), Instant::now());
    loop {
        // The setting may change meanwhile; zero turns it off.
        let limit = slot.options.get().stall.unwrap_or(STALL);
        let tick = match limit.is_zero() {
            true => Duration::from_secs(1),
            false => (limit / 8).clamp(Duration::from_millis(50), Duration::from_secs(1)),
        };
        let asleep = Instant::now();
        sleep(tick).await;
        let frames = slot.live.frames();
        let idle = limit.is_zero() || !slot.live.wants_frames() || run.leases() == 0;
        if frames != last.0 || idle || asleep.elapsed() > tick + LATE {
            last = (frames, Instant::now());
        } else if last.1.elapsed() >= limit {
            return last.1.elapsed();
        }
    }
}

impl Slot {
    /// Its exclusive group, and whether the stream declared it. Another stream
    /// as the source takes care of its own.
    fn group(&self, source: &str) -> Option<(String, bool)> {
        if self.is_relay(source) {
            return None;
        }
        match self.options.get().exclusive {
            Some(declared) => Some((declared, true)),
            None => self.shared.exclusive_group(source).map(|group| (group, false)),
        }
    }

    fn shown(&self) -> String {
        Redacted(&self.source()).to_string()
    }

    pub(super) fn emit(&self, event: impl FnOnce(String, String) -> Event) {
        self.shared.events.emit(event(self.stream.clone(), self.shown()));
    }

    /// A try has failed: says so in one line, of which the equal ones that follow within
    /// a minute are for who looks closely.
    fn failed(&self, what: &'static str, error: &Error, retry: Option<Duration>) {
        self.set_error(Some(error.clone()));
        let (kind, text) = (error.kind(), error.to_string());
        let Repeat { is_news, tries } = self.count(&format!("{what}: {text}"));
        let tries = Some(tries).filter(|tries| *tries > 1);
        let retry_ms = retry.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        if is_news {
            tracing::warn!(target: "streams", error = text, retry_ms, tries, "{what}");
        } else {
            tracing::debug!(target: "streams", error = text, retry_ms, tries, "{what}");
        }
        self.emit(|stream, source| Event::SourceFailed {
            stream,
            source,
            error: text,
            kind,
            retry,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Settled};
    use crate::producer::{Opener, Origin};
    use crate::registry::{Settings, Streams};

    struct Nothing;

    impl Opener for Nothing {
        fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
            Ok(())
        }

        fn open(&self, _: OpenRequest) -> BoxFuture<Opened> {
            Box::pin(async { Err(Error::new(ErrorKind::Unreachable, "nothing there")) })
        }
    }

    #[tokio::test]
    async fn a_failed_dial_released_nothing() {
        let streams = Streams::new(Arc::new(Nothing), Settings::default());
        let (epoch, options) = (std::time::Instant::now(), Settled::new(Options::default()));
        let slot = Slot::new(streams.shared(), "cam", epoch, options, ("cam:1", Origin::Config));
        let lease = slot.lease();
        let run = Arc::clone(&lease.run);
        let over = Over(Arc::clone(&slot), Arc::clone(&run));
        give_up(&slot, &run, Error::new(ErrorKind::Unreachable, "nothing there"), None);
        // Who waited has seen it and goes before the supervisor is through.
        drop(lease);
        drop(over);
        let records = streams.events().since(0).records;
        assert!(!records.iter().any(|r| matches!(r.event, Event::SourceReleased { .. })));
    }
}
