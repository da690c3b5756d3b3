//! Exclusive groups: of all sources that need the same device (or a declared
//! group of them) only one is open at a time.
//!
//! Who comes second waits in a queue, first come first served, until the run
//! before it is *over*: its producer has returned, its child is reaped. The
//! viewers of the run that holds the group are told that somebody waits
//! ([`crate::Attached::contended`]). The sources of one stream share a group
//! that the stream declares; a device is shared by nobody.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use tokio::sync::oneshot;

use crate::connection::next_id;
use crate::slot::{Run, Slot};

/// How long a source waits for its turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Who holds or wants a group.
#[derive(Clone)]
struct Party {
    id: u64,
    slot: Arc<Slot>,
    run: Arc<Run>,
    declared: bool,
}

impl Party {
    /// Whether both may be open at once.
    fn goes_with(&self, other: &Self) -> bool {
        let stream = self.slot.is_of_one_stream(&other.slot);
        self.declared && other.declared && stream && !Arc::ptr_eq(&self.slot, &other.slot)
    }
}

#[derive(Default)]
struct Group {
    holders: Vec<Party>,
    queue: VecDeque<(Party, oneshot::Sender<()>)>,
}

impl Group {
    /// Lets in who can be let in, in order, and tells holders whether somebody waits.
    fn settle(&mut self) {
        while let Some((first, _)) = self.queue.front() {
            if !self.holders.iter().all(|holder| holder.goes_with(first)) {
                break;
            }
            if let Some((first, ready)) = self.queue.pop_front() {
                self.holders.push(first);
                // Who does not wait any more takes its place back.
                let _ = ready.send(());
            }
        }
        for holder in &self.holders {
            if !holder.run.is_cancelled() {
                let awaited = self.queue.iter().any(|(waiter, _)| !waiter.goes_with(holder));
                holder.run.set_contended(awaited);
            }
        }
    }
}

/// All groups that somebody holds or waits for, by name.
#[derive(Default)]
pub(crate) struct Groups {
    groups: Mutex<HashMap<String, Group>>,
}

impl Groups {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Group>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many sources wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().values().map(|group| group.queue.len()).sum()
    }

    /// Takes the place of a run in the queue of a group.
    pub(crate) fn claim(
        self: &Arc<Self>,
        name: &str,
        declared: bool,
        slot: &Arc<Slot>,
        run: &Arc<Run>,
    ) -> Claim {
        let (slot, run) = (Arc::clone(slot), Arc::clone(run));
        let party = Party { id: next_id(), slot, run, declared };
        let id = party.id;
        let (sender, ready) = oneshot::channel();
        let mut groups = self.lock();
        let group = groups.entry(name.to_owned()).or_default();
        group.queue.push_back((party, sender));
        group.settle();
        drop(groups);
        Claim { groups: Arc::clone(self), name: name.to_owned(), id, ready: Some(ready) }
    }
}

/// A place in a group; given back when dropped.
pub(crate) struct Claim {
    groups: Arc<Groups>,
    name: String,
    id: u64,
    /// `None` once it is known to be granted.
    ready: Option<oneshot::Receiver<()>>,
}

impl Claim {
    /// Whether the group is ours now.
    pub(crate) fn is_granted(&mut self) -> bool {
        let granted = self.ready.as_mut().is_none_or(|ready| ready.try_recv().is_ok());
        if granted {
            self.ready = None;
        }
        granted
    }

    /// Waits for the group.
    ///
    /// # Errors
    /// `Busy` with the name of the stream that holds it, after [`PATIENCE`].
    pub(crate) async fn granted(&mut self) -> Result<(), Error> {
        if let Some(ready) = &mut self.ready {
            match tokio::time::timeout(PATIENCE, ready).await {
                Ok(_) => self.ready = None,
                Err(_) => return Err(self.refused()),
            }
        }
        Ok(())
    }

    /// Whether another source than this one is in the way.
    pub(crate) fn waits_for_another(&self, slot: &Arc<Slot>) -> bool {
        let groups = self.groups.lock();
        let Some(group) = groups.get(&self.name) else { return false };
        group.holders.iter().any(|holder| !Arc::ptr_eq(&holder.slot, slot))
    }

    fn refused(&self) -> Error {
        let groups = self.groups.lock();
        let holder = groups.get(&self.name).and_then(|group| group.holders.first());
        let text = holder.map_or_else(
            || format!("{} is in use", self.name),
            |holder| {
                let viewers = holder.run.leases();
                let plural = if viewers == 1 { "" } else { "s" };
                let stream = holder.slot.stream();
                format!("{} is in use by stream {stream} ({viewers} viewer{plural})", self.name)
            },
        );
        Error::new(ErrorKind::Busy, text)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut groups = self.groups.lock();
        let Some(group) = groups.get_mut(&self.name) else { return };
        let gone: Vec<Party> = group.holders.extract_if(.., |h| h.id == self.id).collect();
        group.queue.retain(|(waiter, _)| waiter.id != self.id);
        group.settle();
        if group.holders.is_empty() && group.queue.is_empty() {
            groups.remove(&self.name);
        }
        drop(groups);
        for party in gone {
            party.run.set_contended(false);
        }
    }
}
