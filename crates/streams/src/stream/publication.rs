//! Sources that a remote party pushes.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rs2rtc_media::Media;
use tokio_util::sync::CancellationToken;

use super::{Source, Stream};
use crate::connection::Connection;
use crate::events::Event;
use crate::live::{Live, OnChange, Tracks};

/// A pushed source of a stream; it stays while a viewer waits for its next push.
pub(crate) struct External {
    pub(crate) live: Arc<Live>,
    pub(crate) present: Mutex<bool>,
    /// Ends the push that is present.
    kicked: Mutex<CancellationToken>,
}

impl External {
    pub(crate) fn present(&self) -> MutexGuard<'_, bool> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kicked(&self) -> MutexGuard<'_, CancellationToken> {
        self.kicked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Adds a source that a remote party pushes. It stays until the returned
    /// value is dropped. Viewers of an earlier push of the same codecs go on with it.
    pub fn publish(
        self: &Arc<Self>,
        medias: Vec<Media>,
        connection: Arc<Connection>,
    ) -> Publication {
        let kicked = self.shared.cancel.child_token();
        let mut state = self.lock();
        state.had_external = true;
        let orphan = state.sources.iter().find_map(|s| match s {
            Source::External(e) if !*e.present() => Some(Arc::clone(e)),
            _ => None,
        });
        let external = orphan.unwrap_or_else(|| {
            let (events, name) = (self.shared.events.clone(), self.name.clone());
            let on_change: OnChange = Box::new(move |track| {
                events.emit(Event::parameters_changed(name.clone(), "push".to_owned(), track));
            });
            let live =
                Live::new(self.epoch, self.shared.settings.cache, self.options.reach(), on_change);
            let external =
                Arc::new(External { live, present: Mutex::new(true), kicked: Mutex::default() });
            state.sources.push(Source::External(Arc::clone(&external)));
            external
        });
        *external.present() = true;
        *external.kicked() = kicked.clone();
        if state.closed.is_some() {
            kicked.cancel();
        }
        drop(state);
        let generation = external.live.opened(0, medias, connection).unwrap_or_default();
        external.live.remember();
        Publication { stream: Arc::clone(self), external, generation, kicked }
    }
}

/// A pushed source. Dropping it removes the source from its stream.
pub struct Publication {
    stream: Arc<Stream>,
    external: Arc<External>,
    generation: u64,
    kicked: CancellationToken,
}

impl Publication {
    /// Where the pushed frames go.
    pub fn tracks(&self) -> Tracks {
        self.external.live.tracks(self.generation, None)
    }

    /// Fires when the push must end (shutdown, the stream was deleted).
    pub fn kicked(&self) -> CancellationToken {
        self.kicked.clone()
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        // Under the stream's lock: a newcomer adopts the source before or after, not between.
        let mut state = self.stream.lock();
        self.external.live.lost(self.generation);
        *self.external.present() = false;
        let keep = self.external.live.is_watched();
        state.sources.retain(|s| {
            keep || !matches!(s, Source::External(e) if Arc::ptr_eq(e, &self.external))
        });
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication").field("stream", &self.stream.name).finish_non_exhaustive()
    }
}
