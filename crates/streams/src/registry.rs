//! Names to streams, and what all streams share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::Media;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cache::Limits;
use crate::counters::{Counters, Meter};
use crate::events::Events;
use crate::group::Groups;
use crate::options::Options;
use crate::producer::{BoxFuture, OpenRequest, Opener, Origin, Producer};
use crate::retry::{Change, Changes};
use crate::stream::Stream;
use crate::tasks::Tasks;
use crate::{preload, relay};

/// Settings of the streams engine.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Keyframe cache of each video track; `None` turns it off.
    pub cache: Option<Limits>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache: Some(Limits::default()) }
    }
}

/// What all streams share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) tasks: Tasks,
    pub(crate) events: Events,
    pub(crate) meter: Meter,
    pub(crate) groups: Arc<Groups>,
    pub(crate) cancel: CancellationToken,
    /// Counts changes of names and sources.
    pub(crate) changed: watch::Sender<u64>,
    /// Counts what happened to this machine.
    pub(crate) changes: watch::Sender<Changes>,
    preloads: Mutex<BTreeMap<String, CancellationToken>>,
    opener: Arc<dyn Opener>,
    names: Mutex<BTreeMap<String, Arc<Stream>>>,
}

impl Shared {
    pub(crate) fn names(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Stream>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn exclusive_group(&self, source: &str) -> Option<String> {
        self.opener.exclusive_group(source)
    }

    pub(crate) fn undoes(&self, source: &str) -> bool {
        self.opener.undoes(source)
    }

    /// Resolves when something has happened to this machine since `before` that
    /// may help against an error.
    pub(crate) async fn changed_for(&self, kind: ErrorKind, before: Changes) {
        let mut changes = self.changes.subscribe();
        if changes.wait_for(|now| now.helps(kind, before)).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Opens a source: another stream by its name, else by its scheme.
    pub(crate) fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        let other = self.names().get(&request.source).cloned();
        match other {
            Some(other) => relay::open(other, request),
            None => self.opener.open(request),
        }
    }
}

/// The streams of this program, by name. Several names may share a stream.
#[derive(Clone)]
pub struct Streams {
    shared: Arc<Shared>,
}

impl Streams {
    /// No streams yet. Sources are opened through `opener`.
    pub fn new(opener: Arc<dyn Opener>, settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                tasks: Tasks::new(),
                events: Events::new(),
                meter: Meter::default(),
                groups: Arc::default(),
                cancel: CancellationToken::new(),
                changed: watch::Sender::new(0),
                changes: watch::Sender::default(),
                preloads: Mutex::default(),
                opener,
                names: Mutex::default(),
            }),
        }
    }

    /// What happens to sources and viewers of all streams.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Figures for metrics.
    pub fn counters(&self) -> Counters {
        self.shared.meter.read(self.shared.groups.waiting(), self.shared.tasks.len())
    }

    /// The tasks that hold sources.
    pub fn tasks(&self) -> &Tasks {
        &self.shared.tasks
    }

    /// The stream of a name.
    pub fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.shared.names().get(name).cloned()
    }

    /// All names with their streams, sorted by name.
    pub fn list(&self) -> Vec<(String, Arc<Stream>)> {
        self.shared.names().iter().map(|(n, s)| (n.clone(), Arc::clone(s))).collect()
    }

    /// Creates a stream, or replaces the one of that name; viewers of a
    /// replaced stream get a clear end. Sources may be empty (to be pushed).
    ///
    /// A source of the configuration that cannot work is kept: opening it tells
    /// every viewer why.
    ///
    /// The options of the stream it replaces stay.
    ///
    /// # Errors
    /// For [`Origin::Api`]: what [`Self::check`] says.
    pub fn create(
        &self,
        name: &str,
        sources: &[String],
        origin: Origin,
    ) -> Result<Arc<Stream>, Error> {
        let options = self.get(name).map(|old| old.options()).unwrap_or_default();
        self.create_with(name, sources, options, origin)
    }

    /// As [`Self::create`], with options.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_with(
        &self,
        name: &str,
        sources: &[String],
        options: Options,
        origin: Origin,
    ) -> Result<Arc<Stream>, Error> {
        if origin == Origin::Api {
            for source in sources {
                self.check(source, origin)?;
            }
        }
        let stream = Stream::new(Arc::clone(&self.shared), name, sources, options);
        let old = self.shared.names().insert(name.to_owned(), Arc::clone(&stream));
        if let Some(old) = old {
            self.close_unnamed(&old, "stream was replaced");
        }
        self.changed();
        Ok(stream)
    }

    /// Makes `name` an alias, or gives it a source (`spec/core.md` 11).
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn patch(&self, name: &str, source: &str, origin: Origin) -> Result<Arc<Stream>, Error> {
        let target = rtsp_path(source).and_then(|path| self.get(path)).or_else(|| self.get(source));
        if let Some(target) = target {
            let old = self.shared.names().insert(name.to_owned(), Arc::clone(&target));
            if let Some(old) = old.filter(|old| !Arc::ptr_eq(old, &target)) {
                self.close_unnamed(&old, "stream was replaced");
            }
            self.changed();
            return Ok(target);
        }
        self.check(source, origin)?;
        if let Some(stream) = self.get(name) {
            stream.set_source(source);
            self.changed();
            return Ok(stream);
        }
        self.create(name, &[source.to_owned()], origin)
    }

    /// Removes a name. The last name of a stream ends its viewers and releases
    /// its sources. Says whether the name existed.
    pub fn delete(&self, name: &str) -> bool {
        let removed = self.shared.names().remove(name);
        removed.is_some_and(|stream| {
            self.close_unnamed(&stream, "stream was deleted");
            true
        })
    }

    /// Keeps medias of a stream running although nobody watches: a viewer with
    /// the format name `preload` that is attached again whenever it is lost, also
    /// to a stream of that name that is created later. Replaces an earlier
    /// preload of the name.
    pub fn preload(&self, name: &str, medias: Vec<Media>) {
        let cancel = self.shared.cancel.child_token();
        if let Some(old) = self.preloads().insert(name.to_owned(), cancel.clone()) {
            old.cancel();
        }
        let keep = preload::keep(Arc::clone(&self.shared), name.to_owned(), medias, cancel);
        self.shared.tasks.spawn("preload", keep);
    }

    /// Ends a preload. Says whether there was one.
    pub fn unload(&self, name: &str) -> bool {
        self.preloads().remove(name).is_some_and(|cancel| {
            cancel.cancel();
            true
        })
    }

    fn preloads(&self) -> MutexGuard<'_, BTreeMap<String, CancellationToken>> {
        self.shared.preloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.shared.changed.send_modify(|changed| *changed += 1);
    }

    /// Something happened to this machine: sources that wait for their next try,
    /// and that it may help, are tried at once; none more than once a second.
    pub fn wake_sleeping(&self, change: Change) {
        self.shared.changes.send_modify(|changes| changes.count(change));
    }

    /// What the parts of this crate share, for their tests.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Stops everything: viewers are told, sources say goodbye. Waits at most
    /// `limit`; says whether all ended in time.
    pub async fn shutdown(&self, limit: Duration) -> bool {
        for (_, stream) in self.list() {
            stream.close("server is shutting down", "shutdown");
        }
        self.shared.cancel.cancel();
        self.shared.tasks.join(limit).await
    }

    /// Whether a source can be used: the name of a stream, or what
    /// [`Opener::check`] accepts from this origin.
    ///
    /// # Errors
    /// `streams: source not supported` for an unknown scheme, and what the
    /// opener says of an origin that may not name such a source.
    pub fn check(&self, source: &str, origin: Origin) -> Result<(), Error> {
        if self.shared.names().contains_key(source) {
            return Ok(());
        }
        // A stream configured later may be named here; text without a scheme is a name.
        if origin == Origin::Config && !source.is_empty() && !source.contains(':') {
            return Ok(());
        }
        self.shared.opener.check(source, origin)
    }

    fn close_unnamed(&self, stream: &Arc<Stream>, reason: &str) {
        let named = self.shared.names().values().any(|s| Arc::ptr_eq(s, stream));
        if !named {
            stream.close(reason, "kicked");
        }
    }
}

/// The path of an `rtsp://` URL without the leading slash, query and fragment.
fn rtsp_path(source: &str) -> Option<&str> {
    let rest = source.strip_prefix("rtsp://")?;
    let path = rest.split_once('/')?.1;
    let end = path.find(['?', '#']).unwrap_or(path.len());
    path.get(..end).filter(|p| !p.is_empty())
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("names", &self.shared.names().len()).finish_non_exhaustive()
    }
}

/// The error of a request for a name that does not exist.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("stream not found: {name}"))
}
