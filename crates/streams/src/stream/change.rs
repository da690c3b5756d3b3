//! Other sources, and none: who waits for a source that goes lets go of it, who watches it
//! is moved, and of a stream that is closed everybody leaves.

use std::convert::Infallible;
use std::sync::Arc;

use rs2rtc_base::Error;
use tokio::sync::watch;

use super::{Source, State, Stream, slots};
use crate::consumer::Consumer;
use crate::moving;
use crate::options::{Departure, Options};
use crate::producer::Origin;
use crate::slot::{Lease, Slot};
use crate::track::Track;

impl Stream {
    /// Takes other sources and settings. A source that stays (the same text) goes
    /// on and nobody notices; viewers of one that goes are moved to what there is
    /// now, and it is released. What is pushed stays.
    pub(crate) fn update(self: &Arc<Self>, sources: &[String], options: Options, origin: Origin) {
        let before = self.options.set(options.clone());
        let (retired, kept) = {
            let mut state = self.lock();
            let mut old = std::mem::take(&mut state.sources);
            let mut kept = Vec::new();
            for text in sources {
                let stays =
                    old.iter().position(|s| matches!(s, Source::Slot(slot) if slot.is(text)));
                state.sources.push(match stays {
                    Some(at) => {
                        let source = old.remove(at);
                        kept.push(source.clone());
                        source
                    }
                    None => self.slot(text, origin),
                });
            }
            let (retired, pushed): (Vec<_>, Vec<_>) =
                old.into_iter().partition(|source| matches!(source, Source::Slot(_)));
            state.sources.extend(pushed);
            (retired, kept)
        };
        let shorter = options.linger < before.linger;
        for source in kept {
            if let Source::Slot(slot) = source
                && shorter
            {
                slot.end_linger();
            }
        }
        self.lock_sources().iter().for_each(|source| source.live().remember());
        self.retire(&retired, "replaced");
        let mut state = self.lock();
        let consumers = state.consumers.clone();
        self.move_if_stale(&mut state, &consumers);
    }

    /// These sources are not the stream's any more: who waits for one of them lets go.
    fn retire(&self, sources: &[Source], reason: &'static str) {
        slots(sources).for_each(|slot| slot.retire(reason));
        self.changed.send_modify(|changed| *changed += 1);
    }

    fn slot(&self, source: &str, origin: Origin) -> Source {
        let (shared, options) = (Arc::clone(&self.shared), self.options.clone());
        Source::Slot(Slot::new(shared, &self.name, self.epoch, options, (source, origin)))
    }

    /// Moves consumers that hold a source which the stream does not have any more.
    pub(super) fn move_if_stale(self: &Arc<Self>, state: &mut State, consumers: &[Arc<Consumer>]) {
        let stays = state.stays();
        if state.moving || state.closed.is_some() || !consumers.iter().any(|c| c.is_stale(&stays)) {
            return;
        }
        state.moving = true;
        self.shared.tasks.spawn("move viewers", moving::settle(Arc::clone(self)));
    }

    /// Tells when the sources have changed.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Resolves once the stream does not have one of these sources any more.
    pub(crate) async fn lacks(&self, slots: &[Arc<Slot>]) {
        let mut changed = self.changed();
        while !slots.iter().any(|slot| slot.is_retired()) {
            // It cannot end before us: it is part of the stream.
            let _ = changed.changed().await;
        }
    }

    /// Waits until a source is open, as long as the stream has all of `slots`; `None`
    /// once it has not.
    pub(crate) async fn opened(
        &self,
        lease: &Lease,
        slots: &[Arc<Slot>],
    ) -> Option<Result<(), Error>> {
        tokio::select! {
            biased;
            () = self.lacks(slots) => None,
            // One that goes may end before that is told.
            opened = lease.opened() => {
                (opened.is_ok() || !lease.slot().is_retired()).then_some(opened)
            }
        }
    }

    /// Lets go of what the stream does not have any more, as soon as it does not. Never ends.
    pub(crate) async fn let_go(&self, leases: &mut Vec<Lease>) -> Infallible {
        loop {
            let slots: Vec<Arc<Slot>> = leases.iter().map(|l| Arc::clone(l.slot())).collect();
            self.lacks(&slots).await;
            self.drop_retired(leases);
        }
    }

    /// Drops the leases on sources that the stream does not have any more.
    pub(crate) fn drop_retired(&self, leases: &mut Vec<Lease>) {
        let departure = Departure::now(self.closed().map_or("replaced", |(_, code)| code));
        for lease in leases.extract_if(.., |lease| lease.slot().is_retired()) {
            lease.release(&departure, 0, false);
        }
    }

    /// Why it was closed, in words for the viewer and as a code; `None` while it is not.
    pub(crate) fn closed(&self) -> Option<(String, &'static str)> {
        self.lock().closed.clone()
    }

    /// Resolves once it was closed.
    pub(crate) async fn until_closed(&self) {
        let mut changed = self.changed();
        while self.closed().is_none() {
            // It cannot end before us: it is part of the stream.
            let _ = changed.changed().await;
        }
    }

    /// Waits until a consumer, parked, is where it belongs: at sources that the
    /// stream has. Who is kicked meanwhile waits for ever.
    pub(crate) async fn settled(&self, consumer: &Consumer) {
        let mut moved = self.moved.subscribe();
        loop {
            {
                let state = self.lock();
                let is_placed = !state.moving || consumer.has_all();
                if is_placed && !consumer.is_stale(&state.stays()) {
                    return;
                }
            }
            // It cannot end before us: it is part of the stream.
            let _ = moved.changed().await;
        }
    }

    /// What a move is to do next: the viewers, and the sources that there are
    /// now. Tracks of sources that are not there any more are added to
    /// `orphans`. `None` ends the move: everybody is where he belongs.
    pub(crate) fn next_move(
        &self,
        orphans: &mut Vec<Arc<Track>>,
    ) -> Option<(Vec<Arc<Consumer>>, Vec<Source>)> {
        let (consumers, sources, stays) = {
            let mut state = self.lock();
            let stays = state.stays();
            let stale = state.consumers.iter().any(|c| c.is_stale(&stays));
            if state.closed.is_some() || !stale && orphans.is_empty() {
                state.moving = false;
                self.moved.send_modify(|moved| *moved += 1);
                return None;
            }
            (state.consumers.clone(), state.sources.clone(), stays)
        };
        for consumer in consumers.iter().filter(|c| c.is_stale(&stays)) {
            consumer.uproot(&stays, orphans);
        }
        Some((consumers, sources))
    }

    /// Ends every consumer with a reason they can show, who waits for his tracks
    /// too, and forgets the sources.
    pub(crate) fn close(&self, reason: &str, code: &'static str) {
        self.stop_playing();
        let (consumers, sources) = {
            let mut state = self.lock();
            state.closed = Some((reason.to_owned(), code));
            (state.consumers.clone(), std::mem::take(&mut state.sources))
        };
        // Before their tracks end, so that everybody leaves for this reason.
        for consumer in consumers {
            consumer.kick(reason, code);
        }
        for source in &sources {
            if let Source::External(external) = source {
                external.live.end();
                external.kicked().cancel();
            }
        }
        self.retire(&sources, code);
    }

    /// Replaces the source of every slot for its next dial (`spec/core.md` 11).
    pub(crate) fn set_source(&self, source: &str, origin: Origin) {
        let mut slots = 0;
        for s in self.lock().sources.iter() {
            if let Source::Slot(slot) = s {
                slot.set_source(source, origin);
                slots += 1;
            }
        }
        if slots == 0 {
            self.lock().sources.insert(0, self.slot(source, origin));
        }
    }
}
