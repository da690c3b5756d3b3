//! This server's own way out, judged over the viewers of all shards: when more
//! than half of those that were heard fall silent within a second, it is this
//! server that is cut off, or stuck.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::entry::Entry;
use super::worker::Worker;
use super::{Control, SessionKey};

/// So many viewers at least have to fall silent.
const MIN: usize = 3;
/// Within so long.
const WINDOW: Duration = Duration::from_secs(1);
/// How long the own way out is doubted then.
const DOUBT: Duration = Duration::from_secs(20);

/// What all shards know of it.
#[derive(Debug, Default)]
pub(crate) struct Uplink {
    /// Viewers that are heard or have just fallen silent: those whose camera was
    /// let go say nothing about now.
    watched: AtomicUsize,
    /// Those that are silent, and since when.
    silent: Mutex<HashMap<SessionKey, Instant>>,
}

/// What it counts a session as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    watched: bool,
    silent: Option<Instant>,
}

impl Standing {
    pub(super) fn of(entry: &Entry) -> Self {
        let watched = entry.session.is_established() && entry.holds;
        Self { watched, silent: entry.session.silent_since().filter(|_| watched) }
    }
}

impl Uplink {
    fn silent(&self) -> MutexGuard<'_, HashMap<SessionKey, Instant>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session changed.
    fn change(&self, key: SessionKey, old: Standing, new: Standing) {
        match (old.watched, new.watched) {
            (false, true) => _ = self.watched.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.watched.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        match new.silent {
            Some(since) => _ = self.silent().insert(key, since),
            None if old.silent.is_some() => _ = self.silent().remove(&key),
            None => {}
        }
    }

    /// Whether so many fell silent at once that it cannot be theirs.
    fn is_doubtful(&self, now: Instant) -> bool {
        let silent = self.silent();
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < WINDOW;
        let recent = silent.values().filter(recent).count();
        recent >= MIN && recent * 2 > self.watched.load(Ordering::Relaxed)
    }
}

impl Worker {
    /// Notes what has become of a session.
    pub(super) fn note_standing(&mut self, key: SessionKey, entry: &mut Entry) {
        let standing = Standing::of(entry);
        if standing != entry.standing {
            self.fell_silent |= standing.silent.is_some() && entry.standing.silent.is_none();
            self.setup.uplink.change(key, entry.standing, standing);
            entry.standing = standing;
        }
    }

    /// A session is gone.
    pub(super) fn forget_standing(&self, key: SessionKey, entry: &Entry) {
        self.setup.uplink.change(key, entry.standing, Standing::default());
    }

    /// If a viewer fell silent, looks whether all did.
    pub(super) fn judge_uplink(&mut self, now: Instant) {
        if !std::mem::take(&mut self.fell_silent) || !self.setup.uplink.is_doubtful(now) {
            return;
        }
        let until = now + DOUBT;
        for (shard, inbox) in self.setup.inboxes.iter().enumerate() {
            if shard != self.setup.index {
                // One that has no room for it has not heard its viewers either.
                let _ = inbox.control(Control::DoubtUplink(until));
            }
        }
        self.doubt_uplink(until, now);
    }

    pub(super) fn doubt_uplink(&mut self, until: Instant, now: Instant) {
        let keys: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in keys {
            self.drive(key, now, |entry| entry.session.doubt_uplink(until, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: Standing = Standing { watched: true, silent: None };
    const GONE: Standing = Standing { watched: false, silent: None };

    fn silent(since: Instant) -> Standing {
        Standing { watched: true, silent: Some(since) }
    }

    #[test]
    fn more_than_half_of_those_that_were_heard() {
        let (uplink, now) = (Uplink::default(), Instant::now());
        let key = SessionKey;
        for number in 0..6 {
            uplink.change(key(number), GONE, HEARD);
        }
        for number in 0..3 {
            uplink.change(key(number), HEARD, silent(now));
        }
        assert!(!uplink.is_doubtful(now), "half");
        uplink.change(key(3), HEARD, silent(now));
        assert!(uplink.is_doubtful(now));
        assert!(!uplink.is_doubtful(now + WINDOW), "they fell silent one after the other");
        uplink.change(key(3), silent(now), HEARD);
        assert!(!uplink.is_doubtful(now), "one is heard again");
        // Whose camera was let go does not count, however many there are.
        uplink.change(key(4), HEARD, GONE);
        assert!(uplink.is_doubtful(now));
        uplink.change(key(0), silent(now), GONE);
        assert!(!uplink.is_doubtful(now), "two are too few");
    }
}
