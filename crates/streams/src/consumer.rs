//! A consumer as its stream sees it: the tracks it was given, the sources it
//! holds, and why it has to go.
//!
//! What it holds can change under it: when a source of the stream is replaced,
//! [`crate::moving`] exchanges the hold while the tracks stay the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_media::{Codec, Direction};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::attach::AttachedTrack;
use crate::connection::Connection;
use crate::floor::Ask;
use crate::live::Live;
use crate::options::Departure;
use crate::slot::{Lease, Run, Slot, Urgency};
use crate::track::Track;

/// An attached consumer.
pub(crate) struct Consumer {
    pub(crate) connection: Arc<Connection>,
    tracks: Mutex<Vec<AttachedTrack>>,
    held: Mutex<Held>,
    /// Counts changes of what it holds that it did not make itself.
    moved: watch::Sender<u64>,
    parked: AtomicBool,
    urgency: Urgency,
    pub(crate) kicked: CancellationToken,
    kick: Mutex<Option<Kick>>,
}

/// Why a consumer has to go.
#[derive(Clone, Debug)]
pub(crate) struct Kick {
    /// In words for the viewer.
    pub(crate) words: String,
    /// The reason code.
    pub(crate) code: &'static str,
}

/// A source that gives a track, and the hold on it while not parked.
pub(crate) struct Hold {
    pub(crate) slot: Arc<Slot>,
    pub(crate) lease: Option<Lease>,
}

/// What a consumer holds.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) holds: Vec<Hold>,
    pub(crate) feeds: Feeds,
    /// It has left: nothing is held any more.
    gone: bool,
}

/// A microphone that is given to a source.
pub(crate) struct Feed {
    /// `None` while no source takes it.
    pub(crate) live: Option<Arc<Live>>,
    pub(crate) track: Arc<Track>,
    /// The producer's codec.
    pub(crate) codec: Codec,
}

/// Microphones that were given to sources; taken away again when dropped.
#[derive(Default)]
pub(crate) struct Feeds(pub(crate) Vec<Feed>);

impl Feeds {
    pub(crate) fn take_back(&self) {
        for feed in &self.0 {
            if let Some(live) = &feed.live {
                live.unfeed(&feed.track);
            }
            if let Some(voice) = feed.track.voice() {
                voice.leave();
            }
        }
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl Consumer {
    pub(crate) fn new(
        connection: Arc<Connection>,
        tracks: Vec<AttachedTrack>,
        holds: Vec<Hold>,
        feeds: Feeds,
        parked: bool,
        urgency: Urgency,
    ) -> Arc<Self> {
        Arc::new(Self {
            connection,
            tracks: Mutex::new(tracks),
            held: Mutex::new(Held { holds, feeds, gone: false }),
            moved: watch::Sender::new(0),
            parked: AtomicBool::new(parked),
            urgency,
            kicked: CancellationToken::new(),
            kick: Mutex::new(None),
        })
    }

    pub(crate) fn tracks(&self) -> Vec<AttachedTrack> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when what it holds was exchanged.
    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Whether its hold on the sources was taken.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    pub(crate) fn set_parked(&self, parked: bool) {
        self.parked.store(parked, Ordering::Relaxed);
    }

    pub(crate) fn kick(&self, words: &str, code: &'static str) {
        let mut kick = self.kick.lock().unwrap_or_else(PoisonError::into_inner);
        // The first reason is the reason.
        kick.get_or_insert_with(|| Kick { words: words.to_owned(), code });
        drop(kick);
        self.kicked.cancel();
    }

    pub(crate) fn why(&self) -> Option<Kick> {
        self.kick.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets go of all sources; the places are kept while it is parked.
    pub(crate) fn release(&self, departure: &Departure, parked: bool) {
        let mut held = self.held();
        for hold in &mut held.holds {
            if let Some(lease) = hold.lease.take() {
                lease.release(departure, self.connection.id, parked);
            }
        }
        if !parked {
            held.gone = true;
            self.tracks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        held.feeds.take_back();
    }

    /// Whether it holds a source that `stays` does not name.
    pub(crate) fn is_stale(&self, stays: &dyn Fn(&Arc<Slot>) -> bool) -> bool {
        self.held().holds.iter().any(|hold| !stays(&hold.slot))
    }

    /// Whether the sources that it holds give all that it reads.
    pub(crate) fn has_all(&self) -> bool {
        let held = self.held();
        let given = |t: &AttachedTrack| held.holds.iter().any(|h| h.slot.live.gives(&t.track));
        self.tracks().iter().filter(|t| t.direction == Direction::SendOnly).all(given)
    }

    /// Lets go of the sources that `stays` does not name. What they gave is
    /// collected: the tracks that somebody reads.
    pub(crate) fn uproot(&self, stays: &dyn Fn(&Arc<Slot>) -> bool, orphans: &mut Vec<Arc<Track>>) {
        let mut held = self.held();
        let gone: Vec<Hold> = held.holds.extract_if(.., |hold| !stays(&hold.slot)).collect();
        for hold in gone {
            for feed in &mut held.feeds.0 {
                if feed.live.as_ref().is_some_and(|live| Arc::ptr_eq(live, &hold.slot.live)) {
                    hold.slot.live.unfeed(&feed.track);
                    feed.live = None;
                }
            }
            orphans.extend(hold.slot.live.uproot());
            if let Some(lease) = hold.lease {
                lease.release(&Departure::now("replaced"), self.connection.id, true);
            }
        }
        drop(held);
        self.moved.send_modify(|moved| *moved += 1);
    }

    /// Takes hold of a source for the time of a move. `None` if it has left or
    /// let go of the stream.
    pub(crate) fn take(&self, slot: &Arc<Slot>) -> Option<Arc<Run>> {
        let mut held = self.held();
        if held.gone || self.is_parked() {
            return None;
        }
        let mine = held.holds.iter().filter(|hold| Arc::ptr_eq(&hold.slot, slot));
        if let Some(lease) = mine.filter_map(|hold| hold.lease.as_ref()).next() {
            return Some(lease.run());
        }
        let lease = slot.lease_for(self.urgency);
        let run = lease.run();
        held.holds.push(Hold { slot: Arc::clone(slot), lease: Some(lease) });
        Some(run)
    }

    /// A source was opened during a move: it is given the microphones that no
    /// source has, and started if it gives anything.
    pub(crate) fn settle_in(&self, slot: &Arc<Slot>) {
        let mut held = self.held();
        for feed in held.feeds.0.iter_mut().filter(|feed| feed.live.is_none()) {
            if slot.live.feed_again(&feed.codec, &feed.track).is_some() {
                feed.live = Some(Arc::clone(&slot.live));
            }
        }
        let uses = self.uses(&held, slot);
        let is_its = |hold: &Hold| Arc::ptr_eq(&hold.slot, slot);
        if uses && !held.gone && !held.holds.iter().any(is_its) {
            // Parked, and somebody else has opened it: it is where it comes back to.
            held.holds.push(Hold { slot: Arc::clone(slot), lease: None });
        }
        for hold in held.holds.iter().filter(|hold| uses && is_its(hold)) {
            if let Some(lease) = &hold.lease {
                lease.start();
            }
        }
    }

    /// Waits, parked, for a source that was not opened yet.
    pub(crate) fn wait_for(&self, slot: &Arc<Slot>) {
        let mut held = self.held();
        if !held.gone && !held.holds.iter().any(|hold| Arc::ptr_eq(&hold.slot, slot)) {
            held.holds.push(Hold { slot: Arc::clone(slot), lease: None });
        }
    }

    /// Lets go of what it took during a move for nothing.
    pub(crate) fn tidy(&self) {
        let mut held = self.held();
        let unused: Vec<Arc<Slot>> = held
            .holds
            .iter()
            .filter(|hold| hold.lease.is_some() && !self.uses(&held, &hold.slot))
            .map(|hold| Arc::clone(&hold.slot))
            .collect();
        held.holds.retain(|hold| !unused.iter().any(|slot| Arc::ptr_eq(slot, &hold.slot)));
        drop(held);
        self.moved.send_modify(|moved| *moved += 1);
    }

    /// Its microphones belong to somebody who asks for the floor.
    pub(crate) fn speaks_for(&self, ask: &Ask) {
        for voice in self.held().feeds.0.iter().filter_map(|feed| feed.track.voice()) {
            voice.bind(ask);
        }
    }

    /// Whether a microphone of it has no source.
    pub(crate) fn is_unheard(&self) -> bool {
        self.held().feeds.0.iter().any(|feed| feed.live.is_none())
    }

    fn uses(&self, held: &Held, slot: &Arc<Slot>) -> bool {
        let fed = |feed: &Feed| feed.live.as_ref().is_some_and(|l| Arc::ptr_eq(l, &slot.live));
        held.feeds.0.iter().any(fed) || self.tracks().iter().any(|t| slot.live.gives(&t.track))
    }
}
