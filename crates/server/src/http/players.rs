//! The sockets of players: which sessions belong to one, its secret goodbye
//! address, and which player it is.
//!
//! A socket has a secret of 128 random bits. Who knows it ends the socket's
//! sessions, also one whose source is still being dialled. The secret lives as
//! long as the socket or one of its sessions. A player names itself with an id
//! that survives a reload of its page: its new session supersedes the old one,
//! and a socket that it opens again beside a running session takes that over.
//! A page that is hidden stays so when its socket is lost: its sessions let go of
//! the camera in time, and a socket that comes again does not begin anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_base::Error;
use rs2rtc_endpoints::outputs::webrtc::{Goodbye, SessionHandle, SignallingEnd};
use rs2rtc_streams::{CancellationToken, Departure};
use tokio::time::Instant;

use crate::boot::random;

/// Running sessions that one socket may have.
const MAX_SESSIONS: usize = 16;

/// All sockets. Cloning shares them.
#[derive(Clone, Debug, Default)]
pub struct Players {
    all: Arc<Mutex<HashMap<u128, Entry>>>,
    count: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Entry {
    /// The player's id of itself; empty until it says so.
    player: String,
    sessions: Vec<Owned>,
    /// Gives up dials; fires when the socket or the player is gone.
    gone: CancellationToken,
    /// Fires when the player has said goodbye.
    bye: CancellationToken,
    end: Option<End>,
    /// Since when the page is hidden, as it said over this socket or, before
    /// that, over the one that its sessions come from.
    hidden: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Owned {
    session: SessionHandle,
    /// The secret of the socket that its offer came over.
    born: u128,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// By the other side, as the network says.
    Told(SignallingEnd),
    /// It answered no ping; when something came from it for the last time.
    Silent(Instant),
    /// It took nothing; since when.
    Stalled(Instant),
}

impl Lost {
    /// As a sign for sessions whose media goes another way.
    const fn signal(self) -> SignallingEnd {
        match self {
            Self::Told(how) => how,
            Self::Silent(_) | Self::Stalled(_) => SignallingEnd::Reset,
        }
    }
}

/// How a socket ended, for sessions that come after that.
#[derive(Clone, Copy, Debug)]
enum End {
    Lost(Lost),
    Goodbye(Goodbye),
}

impl End {
    fn tell(self, session: &SessionHandle) {
        match self {
            Self::Lost(how) => session.signalling_lost(how.signal()),
            Self::Goodbye(goodbye) => session.goodbye(goodbye),
        }
    }
}

impl End {
    /// How viewers end whose media goes over the socket.
    fn departure(self) -> Departure {
        let (reason, heard) = match self {
            Self::Lost(Lost::Told(SignallingEnd::Fin)) => ("tcp_fin", None),
            Self::Lost(Lost::Told(SignallingEnd::Reset)) => ("tcp_rst", None),
            Self::Lost(Lost::Silent(heard)) => ("ping_timeout", Some(heard)),
            Self::Lost(Lost::Stalled(taken)) => ("write_stall", Some(taken)),
            Self::Goodbye(Goodbye::Delete) => ("http_delete", None),
            Self::Goodbye(Goodbye::Pagehide) => ("pagehide", None),
            Self::Goodbye(_) => ("left", None),
        };
        Departure { heard: heard.map(Instant::into_std), ..Departure::now(reason) }
    }
}

/// One socket. The secret is forgotten with it.
#[derive(Debug)]
pub struct Socket {
    players: Players,
    secret: u128,
    /// A number for logs and messages.
    pub id: u64,
}

impl Players {
    /// A new socket with a secret.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn open(&self) -> Result<Socket, Error> {
        let secret = u128::from_be_bytes(random()?);
        self.lock().insert(secret, Entry::default());
        let id = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Socket { players: self.clone(), secret, id })
    }

    /// Ends the sessions of the socket with a secret. False if there is none.
    pub fn goodbye(&self, secret: u128, goodbye: Goodbye) -> bool {
        let mut all = self.lock();
        let Some(entry) = all.get_mut(&secret) else { return false };
        entry.end = Some(End::Goodbye(goodbye));
        entry.gone.cancel();
        entry.bye.cancel();
        // Also those that another socket of the player has taken over.
        let sessions: Vec<SessionHandle> = all
            .iter()
            .flat_map(|(key, entry)| {
                entry.sessions.iter().filter(move |s| *key == secret || s.born == secret)
            })
            .map(|s| s.session.clone())
            .collect();
        drop(all);
        for session in sessions {
            session.goodbye(goodbye);
        }
        true
    }

    /// Sockets that are known.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u128, Entry>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// The secret as 32 hex digits.
    pub fn secret(&self) -> String {
        format!("{:032x}", self.secret)
    }

    /// Fires when the socket has ended, or its secret was used.
    pub fn gone(&self) -> CancellationToken {
        self.players.lock().get(&self.secret).map(|e| e.gone.clone()).unwrap_or_default()
    }

    /// Fires when its secret was used. Whoever waits for that keeps the socket: the goodbye may
    /// come after its end.
    pub fn bye(&self) -> CancellationToken {
        self.players.lock().get(&self.secret).map(|e| e.bye.clone()).unwrap_or_default()
    }

    /// How viewers end whose media went over it, if it has ended.
    pub fn departure(&self) -> Option<Departure> {
        self.players.lock().get(&self.secret).and_then(|e| e.end).map(End::departure)
    }

    /// True after the first [`Self::introduce`].
    pub fn is_introduced(&self) -> bool {
        self.players.lock().get(&self.secret).is_some_and(|e| !e.player.is_empty())
    }

    /// The player says who it is, once. Gives the sessions of `stream` that it
    /// has from earlier sockets: they belong to this one now.
    pub fn introduce(&self, player: &str, stream: &str) -> Vec<SessionHandle> {
        let mut all = self.players.lock();
        let named = all.get(&self.secret).is_none_or(|e| !e.player.is_empty());
        if named || player.is_empty() {
            return Vec::new();
        }
        let mut taken = Vec::new();
        let mut hidden = None;
        for entry in all.values_mut().filter(|e| e.player == player) {
            let is_theirs =
                |s: &Owned| s.session.stream() != stream || s.session.close_reason().is_some();
            let (stay, go) = std::mem::take(&mut entry.sessions).into_iter().partition(is_theirs);
            entry.sessions = stay;
            let go: Vec<Owned> = go;
            if !go.is_empty() {
                hidden = entry.hidden.take().or(hidden);
            }
            taken.extend(go);
        }
        taken.truncate(MAX_SESSIONS);
        let Some(entry) = all.get_mut(&self.secret) else { return Vec::new() };
        player.clone_into(&mut entry.player);
        entry.hidden = hidden;
        entry.sessions.extend(taken.iter().cloned());
        taken.into_iter().map(|s| s.session).collect()
    }

    /// The page is hidden. Says since when: it may have said so before this
    /// socket was there.
    pub fn hide(&self) -> Instant {
        let now = Instant::now();
        let mut all = self.players.lock();
        all.get_mut(&self.secret).map_or(now, |entry| *entry.hidden.get_or_insert(now))
    }

    /// The page is visible.
    pub fn show(&self) {
        if let Some(entry) = self.players.lock().get_mut(&self.secret) {
            entry.hidden = None;
        }
    }

    /// Whether a session belongs to this socket, not to a later one.
    pub fn holds(&self, session: &SessionHandle) -> bool {
        let all = self.players.lock();
        let entry = all.get(&self.secret);
        entry.is_some_and(|e| e.sessions.iter().any(|s| s.session.id == session.id))
    }

    /// An offer that came over this socket was answered. If the socket has
    /// ended meanwhile, the session is told; else it takes the place of the
    /// player's earlier sessions of the same stream, which end.
    pub fn answered(&self, session: &SessionHandle) {
        let mut all = self.players.lock();
        let Some(entry) = all.get_mut(&self.secret) else { return };
        if let Some(end) = entry.end {
            drop(all);
            end.tell(session);
            return;
        }
        let player = entry.player.clone();
        let mut old = Vec::new();
        entry.sessions.retain(|s| s.session.close_reason().is_none());
        if entry.sessions.len() >= MAX_SESSIONS {
            old.push(entry.sessions.remove(0).session);
        }
        entry.sessions.push(Owned { session: session.clone(), born: self.secret });
        if !player.is_empty() {
            let entries = all.values().filter(|e| e.player == player);
            let earlier = entries
                .flat_map(|e| &e.sessions)
                .filter(|s| s.born != self.secret && s.session.stream() == session.stream());
            old.extend(earlier.map(|s| s.session.clone()));
        }
        drop(all);
        for session in old {
            session.goodbye(Goodbye::Superseded);
        }
    }

    /// The sessions of this socket that run.
    pub fn sessions(&self) -> usize {
        let all = self.players.lock();
        let Some(entry) = all.get(&self.secret) else { return 0 };
        entry.sessions.iter().filter(|s| s.session.close_reason().is_none()).count()
    }

    /// The connection is gone: dials are given up, sessions have to prove that
    /// they live.
    pub fn ended(&self, how: Lost) {
        let mut all = self.players.lock();
        let Some(entry) = all.get_mut(&self.secret) else { return };
        entry.gone.cancel();
        if entry.end.is_some() {
            return;
        }
        entry.end = Some(End::Lost(how));
        let sessions: Vec<Owned> = entry.sessions.clone();
        drop(all);
        for owned in sessions {
            owned.session.signalling_lost(how.signal());
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let entry = self.players.lock().remove(&self.secret);
        if let Some(entry) = entry {
            entry.gone.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_end_as_their_socket_did() {
        let heard = Instant::now();
        for (how, reason, is_heard) in [
            (Lost::Told(SignallingEnd::Fin), "tcp_fin", false),
            (Lost::Told(SignallingEnd::Reset), "tcp_rst", false),
            (Lost::Silent(heard), "ping_timeout", true),
            (Lost::Stalled(heard), "write_stall", true),
        ] {
            let socket = Players::default().open().unwrap();
            assert!(socket.departure().is_none());
            socket.ended(how);
            // The first end counts.
            socket.ended(Lost::Told(SignallingEnd::Fin));
            let departure = socket.departure().unwrap();
            assert_eq!(departure.reason, reason);
            assert_eq!(departure.heard, is_heard.then(|| heard.into_std()), "{reason}");
            assert!(socket.gone().is_cancelled());
        }
    }
}
