//! Names to streams, and what all streams share.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::attach::Attached;
use crate::cache::Limits;
use crate::connection::next_id;
use crate::counters::{Counters, Meter};
use crate::dials::Dials;
use crate::events::{Event, Events};
use crate::group::Groups;
use crate::options::Options;
use crate::preload::{Preload, PreloadSnapshot};
use crate::producer::{BoxFuture, OpenRequest, Opener, Origin, Producer};
use crate::publish::{Destination, Outlet};
use crate::relay;
use crate::retry::{Change, Changes};
use crate::stream::Stream;
use crate::tasks::Tasks;

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
    pub(crate) dials: Dials,
    pub(crate) cancel: CancellationToken,
    /// Counts changes of names and sources.
    pub(crate) changed: watch::Sender<u64>,
    /// Counts what happened to this machine.
    pub(crate) changes: watch::Sender<Changes>,
    preloads: Mutex<BTreeMap<String, Preload>>,
    /// What is published, by stream and address.
    outlets: Mutex<BTreeMap<(String, String), Outlet>>,
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

    pub(crate) fn destination(
        &self,
        url: &str,
        origin: Origin,
    ) -> Result<Option<Arc<dyn Destination>>, Error> {
        self.opener.destination(url, origin)
    }

    /// Opens a source: another stream by its name, else by its scheme.
    pub(crate) fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        match self.relayed(&request.source, &request.stream) {
            Some(other) => relay::open(other, request),
            None => self.opener.open(request),
        }
    }

    /// The stream that is the source of another one.
    pub(crate) fn relayed(&self, source: &str, stream: &str) -> Option<Arc<Stream>> {
        // A source that a viewer gave in place of a name is its stream's name too.
        let is_own_address = source == stream && source.contains(':');
        self.names().get(source).filter(|_| !is_own_address).cloned()
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
                dials: Dials::default(),
                outlets: Mutex::default(),
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

    /// Creates a stream, or gives the one of that name other sources. Sources
    /// that stay are not touched; viewers of the others move to those that there
    /// are now, and what no source gives any more ends. An alias becomes a
    /// stream of its own. Sources may be empty (to be pushed).
    ///
    /// A source of the configuration that cannot work is kept: opening it tells
    /// every viewer why.
    ///
    /// The options of a stream that exists stay.
    ///
    /// # Errors
    /// For calls over the network: what [`Self::check`] says.
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
        if origin != Origin::Config {
            for source in sources {
                self.check(source, origin)?;
            }
        }
        let stream = {
            let mut names = self.shared.names();
            let old = names.get(name).cloned();
            let aliased = |old: &Arc<Stream>| {
                names.iter().any(|(other, s)| other != name && Arc::ptr_eq(s, old))
            };
            match old {
                // Its aliases follow.
                Some(old) if old.name() == name || !aliased(&old) => {
                    old.update(sources, options, origin);
                    old
                }
                _ => {
                    let stream =
                        Stream::new(Arc::clone(&self.shared), name, sources, options, origin);
                    names.insert(name.to_owned(), Arc::clone(&stream));
                    stream
                }
            }
        };
        self.changed(name);
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
                self.close_unnamed(&old, "stream was replaced", "replaced");
            }
            self.changed(name);
            return Ok(target);
        }
        self.check(source, origin)?;
        if let Some(stream) = self.get(name) {
            stream.set_source(source, origin);
            self.changed(name);
            return Ok(stream);
        }
        self.create(name, &[source.to_owned()], origin)
    }

    /// Removes a name. The last name of a stream ends its viewers and releases
    /// its sources. Says whether the name existed.
    pub fn delete(&self, name: &str) -> bool {
        let removed = self.shared.names().remove(name);
        removed.is_some_and(|stream| {
            self.lock_outlets().retain(|(of, _), outlet| {
                if of == name {
                    outlet.cancel.cancel();
                }
                of != name
            });
            self.close_unnamed(&stream, "stream was deleted", "deleted");
            self.tell_changed(name);
            true
        })
    }

    /// Keeps what a query asks of a stream (`video&audio` if it is empty) running
    /// although nobody watches: a viewer with the format name `preload` that is
    /// attached again whenever it is lost, also to a stream of that name that is
    /// created later. Replaces an earlier preload of the name that asks for
    /// something else.
    ///
    /// # Errors
    /// `Config` for a query that asks for nothing.
    pub fn preload(&self, name: &str, query: &str) -> Result<(), Error> {
        let preload = Preload::new(query, self.shared.cancel.child_token())?;
        if !self.lock_preloads().get(name).is_some_and(|old| old.is_like(&preload)) {
            self.keep(name, preload, None);
        }
        Ok(())
    }

    /// Attaches a preload. What comes of it takes the place of an earlier preload
    /// of the name with [`Tried::keep`]; until then, and on errors, that one stays.
    ///
    /// # Errors
    /// As [`Self::preload`]; `NotFound` for an unknown name, and what the
    /// stream says.
    pub async fn try_preload(&self, name: &str, query: &str) -> Result<Tried, Error> {
        let preload = Preload::new(query, self.shared.cancel.child_token())?;
        let attached = preload.attach(&self.shared, name).await?;
        Ok(Tried { streams: self.clone(), name: name.to_owned(), preload, attached })
    }

    fn keep(&self, name: &str, preload: Preload, attached: Option<Attached>) {
        let old = self.lock_preloads().insert(name.to_owned(), preload.clone());
        let old = old.map(|old| old.cancel.drop_guard());
        let keep = preload.keep(Arc::clone(&self.shared), name.to_owned(), attached, old);
        self.shared.tasks.spawn("preload", keep);
    }

    /// Ends a preload. Says whether there was one.
    pub fn unload(&self, name: &str) -> bool {
        self.lock_preloads().remove(name).is_some_and(|preload| {
            preload.cancel.cancel();
            true
        })
    }

    /// Whether a name is preloaded.
    pub fn has_preload(&self, name: &str) -> bool {
        self.lock_preloads().contains_key(name)
    }

    /// All preloads, by name.
    pub fn preloads(&self) -> Vec<(String, PreloadSnapshot)> {
        let preloads = self.lock_preloads().clone();
        preloads.iter().map(|(n, p)| (n.clone(), p.snapshot(&self.shared, n))).collect()
    }

    fn lock_preloads(&self) -> MutexGuard<'_, BTreeMap<String, Preload>> {
        self.shared.preloads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes a stream to an address until the stream is deleted: once it is
    /// attached this goes on by itself, and begins again whenever it ends.
    ///
    /// `origin` named the address: it decides what may be connected to.
    ///
    /// # Errors
    /// `streams: unsupported scheme: <url>`; what is wrong with the address; what
    /// attaching says.
    pub async fn publish(&self, name: &str, url: &str, origin: Origin) -> Result<(), Error> {
        let outlet = Outlet::new(&self.shared, name, url, origin)?;
        let attached = outlet.attach(&self.shared).await?;
        self.send(name, url, outlet, Some(attached));
        Ok(())
    }

    /// As [`Self::publish`] for an address of the configuration, without waiting
    /// for the first attach.
    ///
    /// # Errors
    /// `streams: unsupported scheme: <url>`; what is wrong with the address.
    pub fn publish_later(&self, name: &str, url: &str) -> Result<(), Error> {
        let outlet = Outlet::new(&self.shared, name, url, Origin::Config)?;
        self.send(name, url, outlet, None);
        Ok(())
    }

    /// Ends what is published to an address. Says whether there was something.
    pub fn withdraw(&self, name: &str, url: &str) -> bool {
        let key = (name.to_owned(), url.to_owned());
        self.lock_outlets().remove(&key).is_some_and(|outlet| {
            outlet.cancel.cancel();
            true
        })
    }

    fn send(&self, name: &str, url: &str, outlet: Outlet, attached: Option<Attached>) {
        let key = (name.to_owned(), url.to_owned());
        if let Some(old) = self.lock_outlets().insert(key, outlet.clone()) {
            old.cancel.cancel();
        }
        self.shared.tasks.spawn("publish", outlet.keep(Arc::clone(&self.shared), attached));
    }

    fn lock_outlets(&self) -> MutexGuard<'_, BTreeMap<(String, String), Outlet>> {
        self.shared.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name stands for something else: what waits for it looks again.
    fn changed(&self, name: &str) {
        self.shared.changed.send_modify(|changed| *changed += 1);
        self.tell_changed(name);
    }

    fn tell_changed(&self, name: &str) {
        self.shared.events.emit(Event::StreamsChanged { stream: name.to_owned() });
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

    /// A stream of one source without a name in the registry, to try the source.
    /// Its own name, for events, is like no other.
    ///
    /// # Errors
    /// What [`Self::check`] says of a source that is named over the network.
    pub fn trial(&self, source: &str, origin: Origin) -> Result<Arc<Stream>, Error> {
        self.check(source, origin)?;
        let name = format!("(test {})", next_id());
        let sources = [source.to_owned()];
        Ok(Stream::new(Arc::clone(&self.shared), &name, &sources, Options::default(), origin))
    }

    fn close_unnamed(&self, stream: &Arc<Stream>, reason: &str, code: &'static str) {
        let named = self.shared.names().values().any(|s| Arc::ptr_eq(s, stream));
        if !named {
            stream.close(reason, code);
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

/// A preload that is attached, not yet kept. Dropped, it lets go again.
pub struct Tried {
    streams: Streams,
    name: String,
    preload: Preload,
    attached: Attached,
}

impl Tried {
    /// Stays attached, also when the source is lost for a time.
    pub fn keep(self) {
        self.streams.keep(&self.name, self.preload, Some(self.attached));
    }
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
