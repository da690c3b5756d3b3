//! Where a child that was told to push to us is awaited.
//!
//! A source starts a program with `rtsp://127.0.0.1:PORT/KEY` as its output and
//! waits here under KEY; the RTSP server hands the connection that announces
//! KEY over to it instead of to a stream.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use rs2rtc_streams::Producer;

type Waiting = HashMap<String, oneshot::Sender<Box<dyn Producer>>>;

/// Keys that are awaited.
#[derive(Default)]
pub struct Rendezvous {
    waiting: Mutex<Waiting>,
}

/// A place taken in a [`Rendezvous`]; dropping it gives it up.
pub struct Place<'a> {
    rendezvous: &'a Rendezvous,
    key: String,
    receiver: oneshot::Receiver<Box<dyn Producer>>,
}

impl Rendezvous {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the place of a key (a path without the leading slash).
    /// `None` while somebody else waits under it.
    pub fn wait(&self, key: &str) -> Option<Place<'_>> {
        let mut waiting = self.lock();
        if waiting.get(key).is_some_and(|sender| !sender.is_closed()) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.insert(key.to_owned(), sender);
        drop(waiting);
        Some(Place { rendezvous: self, key: key.to_owned(), receiver })
    }

    /// Whether somebody waits under this key.
    pub fn is_awaited(&self, key: &str) -> bool {
        self.lock().get(key).is_some_and(|sender| !sender.is_closed())
    }

    /// Hands a publisher over to who waits for it, or gives it back.
    ///
    /// # Errors
    /// The producer itself if nobody waits under this key.
    pub fn deliver(&self, key: &str, producer: Box<dyn Producer>) -> Result<(), Box<dyn Producer>> {
        let sender = self.lock().remove(key);
        match sender {
            Some(sender) => sender.send(producer),
            None => Err(producer),
        }
    }
}

impl Place<'_> {
    /// Waits for the publisher. Never returns without one; give it a deadline.
    pub async fn arrived(&mut self) -> Box<dyn Producer> {
        match (&mut self.receiver).await {
            Ok(producer) => producer,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.receiver.close();
        let mut waiting = self.rendezvous.lock();
        if waiting.get(&self.key).is_some_and(oneshot::Sender::is_closed) {
            waiting.remove(&self.key);
        }
    }
}

impl std::fmt::Debug for Rendezvous {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rendezvous").field("waiting", &self.lock().len()).finish()
    }
}
