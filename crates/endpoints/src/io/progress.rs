//! Whether the peer of a connection takes what is sent to it.
//!
//! Two ways not to: its program reads nothing, so that not a byte more can be
//! written; or nothing comes back from its system, not even acknowledgements,
//! which is what a pulled cable looks like.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::tcp::{Answers, TcpEnd};

/// So often within its time it is looked at whether acknowledgements come.
const LOOKS: u32 = 10;

/// How long a peer may be without progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// It takes not a byte although some wait.
    pub write_stall: Duration,
    /// Its system acknowledges nothing although it owes that (and a tenth of it).
    pub unacknowledged: Duration,
}

/// What is known of one peer. Of a connection where something is being sent:
/// tell it what is queued and written, and ask it when its time has come.
#[derive(Debug)]
pub struct Progress {
    limits: Limits,
    /// When the system took bytes last, or since when there are some.
    last: Instant,
    /// Since when the peer's system owes an acknowledgement, as far as known:
    /// looked at now and then while bytes are sent.
    owed: Option<Owed>,
}

/// Acknowledgements that are owed.
#[derive(Clone, Copy, Debug)]
struct Owed {
    since: Instant,
    next_look: Instant,
}

impl Progress {
    /// Of a connection to which nothing was sent yet.
    pub const fn new(limits: Limits, now: Instant) -> Self {
        Self { limits, last: now, owed: None }
    }

    /// Bytes were queued where none waited.
    pub const fn queued(&mut self, now: Instant) {
        self.last = now;
    }

    /// The system took bytes.
    pub fn written(&mut self, now: Instant) {
        self.last = now;
        let next_look = now + self.limits.unacknowledged / LOOKS;
        self.owed.get_or_insert(Owed { since: now, next_look });
    }

    /// When the system took bytes last, or since when there are some.
    pub const fn last(&self) -> Instant {
        self.last
    }

    /// When to ask [`Self::end`]; `waits`: there are bytes to be sent.
    pub fn deadline(&self, waits: bool) -> Option<Instant> {
        let stalled = waits.then(|| self.last + self.limits.write_stall);
        let look = self.owed.map(|owed| owed.next_look);
        [stalled, look].into_iter().flatten().min()
    }

    /// Whether the peer is gone, and how.
    pub fn end(&mut self, connection: &TcpStream, waits: bool, now: Instant) -> Option<TcpEnd> {
        let limit = self.limits.write_stall;
        if waits && now >= self.last + limit {
            return Some(TcpEnd::without_progress(connection, limit));
        }
        self.is_silent(connection, now).then_some(TcpEnd::Silent)
    }

    /// Whether its system has acknowledged nothing for too long, though there was
    /// something.
    fn is_silent(&mut self, connection: &TcpStream, now: Instant) -> bool {
        let Some(owed) = self.owed.take_if(|owed| owed.next_look <= now) else { return false };
        let Some(answers) = Answers::of(connection).filter(|answers| answers.waits()) else {
            return false;
        };
        let limit = self.limits.unacknowledged;
        self.owed = Some(Owed { next_look: now + limit / LOOKS, ..owed });
        answers.silence(now - owed.since, limit).is_some()
    }
}
