//! HLS: sessions that poll, and what is cut once for all of them
//! (`spec/media.md` 5, `docs/outputs/hls.md`).
//!
//! A [`Session`] is a viewer: it holds the stream for as long as its segments are
//! fetched, and can go on for a while after. A [`feed::Feed`] cuts a stream in one form, for all sessions that were
//! given the same tracks, as long as there is one. Nothing here knows HTTP.

mod feed;
mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::hls::Form;
use rs2rtc_streams::{Attached, CancellationToken, Tasks};

use feed::Feed;
pub use session::{
    KEEP, KEEP_PARKED, KEEP_WITHOUT_SOCKET, Refused, Reload, Session, Signalling, WAIT,
};

/// Sessions at the same time.
const MAX_SESSIONS: usize = 1024;
/// Letters and digits of an id, and how many there are: the contract's.
const ID: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const ID_LENGTH: usize = 8;

/// All sessions. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Hls {
    shared: Arc<Shared>,
    tasks: Tasks,
    cancel: CancellationToken,
}

#[derive(Debug, Default)]
struct Shared {
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    feeds: Mutex<HashMap<Key, Weak<Feed>>>,
}

/// What a feed cuts: the form, and the tracks by their ids.
type Key = (Form, Vec<u64>);

impl Hls {
    /// Without sessions. Their tasks belong to `tasks` and end with `cancel`.
    pub fn new(tasks: Tasks, cancel: CancellationToken) -> Self {
        Self { shared: Arc::default(), tasks, cancel }
    }

    /// A session for a viewer that was given its tracks.
    ///
    /// # Errors
    /// `Busy` if there are too many, `Unsupported` if the form has no place for a
    /// codec.
    pub fn open(
        &self,
        mut attached: Attached,
        form: Form,
        signalling: Signalling,
    ) -> Result<Arc<Session>, Error> {
        let feed = self.feed(&attached, form)?;
        let mut sessions = self.shared.sessions();
        if sessions.len() >= MAX_SESSIONS {
            return Err(Error::new(ErrorKind::Busy, "hls: too many sessions"));
        }
        let id = loop {
            let id = new_id()?;
            if !sessions.contains_key(&id) {
                break id;
            }
        };
        let session = Arc::new(Session::new(id.clone(), &attached, feed, signalling));
        sessions.insert(id, Arc::clone(&session));
        drop(sessions);
        let (shared, cancel) = (Arc::clone(&self.shared), self.cancel.clone());
        let watched = Arc::clone(&session);
        self.tasks.spawn("hls session", async move {
            let departure = watched.watch(&mut attached, cancel).await;
            // No request finds it from here on.
            shared.sessions().remove(watched.id());
            match departure {
                Some(departure) => attached.detach(departure),
                None => drop(attached),
            }
        });
        Ok(session)
    }

    /// The session with an id.
    pub fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.shared.sessions().get(id).cloned()
    }

    /// Sessions that are known.
    pub fn len(&self) -> usize {
        self.shared.sessions().len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The feed of a viewer's tracks, which runs as long as somebody has it.
    fn feed(&self, attached: &Attached, form: Form) -> Result<Arc<Feed>, Error> {
        let tracks = feed::sent(attached).map(|track| track.track.id).collect();
        let key = (form, tracks);
        let mut feeds = self.shared.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.retain(|_, feed| feed.strong_count() > 0);
        if let Some(feed) = feeds.get(&key).and_then(Weak::upgrade).filter(|feed| feed.is_alive()) {
            return Ok(feed);
        }
        let feed = Feed::start(attached, form, &self.tasks, self.cancel.child_token())?;
        feeds.insert(key, Arc::downgrade(&feed));
        Ok(feed)
    }
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids cannot be guessed: 47 bits of chance.
fn new_id() -> Result<String, Error> {
    let mut bytes = [0; ID_LENGTH];
    let mut id = String::with_capacity(ID_LENGTH);
    while id.len() < ID_LENGTH {
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::caused(ErrorKind::Config, "hls: no randomness", error))?;
        // Two of 64 values are left out: all letters are as likely.
        let letters = bytes.iter().filter_map(|byte| ID.get(usize::from(*byte) % 64));
        id.extend(letters.map(|letter| char::from(*letter)));
    }
    id.truncate(ID_LENGTH);
    Ok(id)
}

#[cfg(test)]
mod tests;
