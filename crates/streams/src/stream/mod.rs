//! A stream: its sources and its consumers.

mod change;
mod publication;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, Frame, Media};
use tokio::sync::watch;

use crate::attach::{Attached, Request};
use crate::consumer::Consumer;
use crate::events::Events;
use crate::floor::{Ask, Floor};
use crate::live::Live;
use crate::matching::{self, Dial};
use crate::options::{Options, Reach, Settled, Wake};
use crate::play::{self, Playing};
use crate::producer::Origin;
use crate::registry::Shared;
use crate::slot::{Slot, Urgency};

pub(crate) use publication::External;
pub use publication::Publication;

/// A source of a stream, in configured order, then pushed ones.
#[derive(Clone)]
pub(crate) enum Source {
    /// Configured: opened on demand.
    Slot(Arc<Slot>),
    /// Pushed by a remote party: open while it pushes.
    External(Arc<External>),
}

impl Source {
    fn live(&self) -> &Arc<Live> {
        match self {
            Self::Slot(slot) => &slot.live,
            Self::External(external) => &external.live,
        }
    }
}

/// The configured ones of sources.
pub(crate) fn slots(sources: &[Source]) -> impl Iterator<Item = &Arc<Slot>> {
    sources.iter().filter_map(|source| match source {
        Source::Slot(slot) => Some(slot),
        Source::External(_) => None,
    })
}

#[derive(Default)]
struct State {
    sources: Vec<Source>,
    had_external: bool,
    consumers: Vec<Arc<Consumer>>,
    had_consumer: bool,
    /// What is played to one of its cameras.
    playing: Option<Playing>,
    /// Viewers are being moved to other sources.
    moving: bool,
    /// Set once the stream was deleted or replaced: who comes late is told.
    closed: Option<(String, &'static str)>,
}

impl State {
    /// Says whether a source is among those that the stream has.
    fn stays(&self) -> impl Fn(&Arc<Slot>) -> bool + use<> {
        let slots: Vec<Arc<Slot>> = slots(&self.sources).cloned().collect();
        move |slot| slots.iter().any(|s| Arc::ptr_eq(s, slot))
    }
}

/// A named stream.
pub struct Stream {
    shared: Arc<Shared>,
    name: String,
    epoch: Instant,
    epoch_wall: SystemTime,
    options: Settled,
    floor: Arc<Floor>,
    /// Counts changes of the sources: those that went are retired by then.
    changed: watch::Sender<u64>,
    /// Counts moves that are over.
    moved: watch::Sender<u64>,
    state: Mutex<State>,
}

impl Stream {
    pub(crate) fn new(
        shared: Arc<Shared>,
        name: &str,
        sources: &[String],
        options: Options,
        origin: Origin,
    ) -> Arc<Self> {
        let epoch = Instant::now();
        let options = Settled::new(options);
        let slots = sources.iter().map(|source| {
            let (shared, options) = (Arc::clone(&shared), options.clone());
            Source::Slot(Slot::new(shared, name, epoch, options, (source, origin)))
        });
        let state = State { sources: slots.collect(), ..State::default() };
        let (events, tasks) = (shared.events.clone(), shared.tasks.clone());
        let floor = Floor::new(name, events, tasks, shared.cancel.child_token());
        Arc::new(Self {
            shared,
            name: name.to_owned(),
            epoch,
            epoch_wall: SystemTime::now(),
            options,
            floor,
            changed: watch::Sender::new(0),
            moved: watch::Sender::new(0),
            state: Mutex::new(state),
        })
    }

    /// The name it was created under (aliases share the stream).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its sources in order, as they would be opened now; pushed ones left out.
    pub fn sources(&self) -> Vec<String> {
        slots(&self.lock_sources()).map(|slot| slot.source()).collect()
    }

    /// Its settings.
    pub fn options(&self) -> Options {
        self.options.get()
    }

    /// Whether something is kept of what has passed: it is only while a source
    /// runs, and if [`Options::clip`] asks for it.
    pub fn has_history(&self) -> bool {
        self.lock_sources().iter().any(|source| source.live().has_history())
    }

    /// The feed of all streams.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Who may speak into its camera's loudspeaker.
    pub const fn floor(&self) -> &Arc<Floor> {
        &self.floor
    }

    /// What a viewer says belongs to somebody who asks for the floor: it is heard while
    /// he has it, and its end ends that. A viewer without a microphone is none.
    pub fn speaks_for(&self, viewer: u64, ask: &Ask) {
        let consumer = self.lock().consumers.iter().find(|c| c.connection.id == viewer).cloned();
        if let Some(consumer) = consumer {
            consumer.speaks_for(ask);
        }
    }

    /// The zero of its timeline, and the wall-clock time of that moment, for
    /// sender reports: a frame's NTP time is the second plus `pts / rate`.
    pub const fn epoch(&self) -> (Instant, SystemTime) {
        (self.epoch, self.epoch_wall)
    }

    pub(crate) fn lock_sources(&self) -> Vec<Source> {
        self.lock().sources.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Attaches a consumer: opens sources as far as needed, matches codecs and
    /// starts the sources that give a track.
    ///
    /// Dropping the returned value detaches it; with the last one gone the
    /// sources are released at once. Dropping this future gives up the dial.
    ///
    /// # Errors
    /// The contract's texts (`spec/core.md` 6.4): dial errors of the sources,
    /// `codecs not matched`, `unknown error` for a stream without sources. `Ended`
    /// with the reason if the stream was closed meanwhile.
    pub async fn attach(self: &Arc<Self>, request: Request) -> Result<Attached, Error> {
        self.attach_as(request, &[], Urgency::Viewer).await
    }

    /// As [`Self::attach`] for somebody who can make do with something else: if no source
    /// gives anything of the request, what is wanted `otherwise` counts. No source is
    /// dialled twice for it.
    ///
    /// # Errors
    /// As [`Self::attach`]; the text names what the request wanted.
    pub async fn attach_or(
        self: &Arc<Self>,
        request: Request,
        otherwise: &[Media],
    ) -> Result<Attached, Error> {
        self.attach_as(request, otherwise, Urgency::Viewer).await
    }

    /// As [`Self::attach`] for somebody who opens nothing: `None` if none of its
    /// sources is open, or about to be. A viewer that leaves at the same moment
    /// cannot make it open one.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub async fn attach_if_open(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Option<Attached>, Error> {
        matching::attach(self, request, &[], Dial::Nothing, Urgency::Viewer).await
    }

    /// As [`Self::attach`] for somebody who wants one picture and is no viewer: a source that
    /// is opened for viewers only is not opened for it.
    ///
    /// # Errors
    /// As [`Self::attach`]; `Busy` if such a source sleeps.
    pub async fn attach_briefly(self: &Arc<Self>, request: Request) -> Result<Attached, Error> {
        if self.options().wake != Wake::Viewer {
            return self.attach(request).await;
        }
        let text = "the source sleeps and is opened for viewers only (wake: viewer); \
                    wake=1 opens it, api/rs/poster has its last picture";
        let attached = self.attach_if_open(request).await?;
        attached.ok_or_else(|| Error::new(ErrorKind::Busy, text))
    }

    /// As [`Self::attach`] for somebody who waits for no picture.
    pub(crate) async fn attach_unhurried(
        self: &Arc<Self>,
        request: Request,
    ) -> Result<Attached, Error> {
        self.attach_as(request, &[], Urgency::Background).await
    }

    async fn attach_as(
        self: &Arc<Self>,
        request: Request,
        otherwise: &[Media],
        urgency: Urgency,
    ) -> Result<Attached, Error> {
        let attached = matching::attach(self, request, otherwise, Dial::All, urgency).await?;
        Ok(attached.expect("only who may dial nothing gets nothing"))
    }

    /// Plays another source to the loudspeaker of this stream's camera, instead
    /// of what is played now; an empty text only ends that. Returns when the
    /// sound flows; it goes on by itself until it ends.
    ///
    /// # Errors
    /// What opening the source says; `can't find consumer` if no source of the
    /// stream has a loudspeaker that can play it.
    pub async fn play(self: &Arc<Self>, source: &str, origin: Origin) -> Result<(), Error> {
        play::play(self, source, origin).await
    }

    /// Lists what is played; what was played before ends.
    pub(crate) fn start_playing(&self, playing: Playing) {
        let mut state = self.lock();
        state.had_consumer = true;
        if state.closed.is_some() {
            playing.cancel.cancel();
        }
        if let Some(old) = state.playing.replace(playing) {
            old.cancel.cancel();
        }
    }

    /// Ends what is played, and gives it.
    pub(crate) fn stop_playing(&self) -> Option<Playing> {
        let playing = self.lock().playing.take();
        playing.inspect(|playing| playing.cancel.cancel())
    }

    /// It ended by itself.
    pub(crate) fn end_playing(&self, id: u64) {
        let mut state = self.lock();
        if state.playing.as_ref().is_some_and(|playing| playing.id() == id) {
            state.playing = None;
        }
    }

    pub(crate) fn playing(&self) -> Option<Playing> {
        self.lock().playing.clone()
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Tracks on the stream's timeline for a source that is none of it.
    pub(crate) fn empty_live(&self) -> Arc<Live> {
        Live::new(self.epoch, None, Reach::default(), Box::new(|_| {}))
    }

    /// Ends one consumer by the id of its connection. Says whether it was there.
    /// Its departure has the code `admin`.
    pub fn kick(&self, id: u64, reason: &str) -> bool {
        let consumer = self.lock().consumers.iter().find(|c| c.connection.id == id).cloned();
        consumer.is_some_and(|c| {
            c.kick(reason, "admin");
            true
        })
    }

    /// Lists a consumer that was given tracks of these sources. One that comes
    /// after the stream was closed is kicked at once; a pushed source that left
    /// meanwhile is kept, so that its next push finds the consumer, and one of a
    /// source that was replaced meanwhile is moved.
    pub(crate) fn add_consumer(self: &Arc<Self>, consumer: Arc<Consumer>, used: &[Arc<External>]) {
        let mut state = self.lock();
        state.had_consumer = true;
        state.consumers.push(Arc::clone(&consumer));
        if let Some((reason, code)) = state.closed.clone() {
            drop(state);
            consumer.kick(&reason, code);
            return;
        }
        for external in used {
            let listed = |s: &Source| matches!(s, Source::External(e) if Arc::ptr_eq(e, external));
            if !state.sources.iter().any(listed) {
                state.sources.push(Source::External(Arc::clone(external)));
            }
        }
        self.move_if_stale(&mut state, &[consumer]);
    }

    pub(crate) fn remove_consumer(&self, consumer: &Arc<Consumer>) {
        let mut state = self.lock();
        state.consumers.retain(|c| !Arc::ptr_eq(c, consumer));
        state.sources.retain(|s| match s {
            Source::Slot(_) => true,
            Source::External(e) => *e.present() || e.live.is_watched(),
        });
    }

    /// (consumers, whether there ever was one, whether there ever was a pushed source)
    pub(crate) fn consumers(&self) -> (Vec<Arc<Consumer>>, bool, bool) {
        let state = self.lock();
        (state.consumers.clone(), state.had_consumer, state.had_external)
    }

    /// The stream of another name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Self>> {
        self.shared.names().get(name).cloned()
    }

    /// The newest keyframe that one of its sources gave, however long ago, and its
    /// codec. Nothing is opened for it.
    pub fn last_keyframe(&self) -> Option<(Codec, Arc<Frame>)> {
        let keyframes = self.lock_sources().into_iter().filter_map(|source| match source {
            Source::Slot(slot) => slot.live.last_keyframe(),
            Source::External(external) => external.live.last_keyframe(),
        });
        keyframes.max_by_key(|(_, keyframe)| keyframe.arrival)
    }

    /// Whether something else than viewers keeps a source: who publishes it, or a sound that is
    /// played to it.
    pub fn is_held(&self) -> bool {
        let is_pushed = |source| match source {
            Source::External(external) => external.live.connection().is_some(),
            Source::Slot(_) => false,
        };
        self.playing().is_some() || self.lock_sources().into_iter().any(is_pushed)
    }

    /// Whether one of its sources is open.
    pub fn is_open(&self) -> bool {
        self.lock_sources().into_iter().any(|source| match source {
            Source::Slot(slot) => slot.live.connection().is_some(),
            Source::External(external) => external.live.connection().is_some(),
        })
    }

    /// How many consumers it has now; parked ones are not counted.
    pub fn viewers(&self) -> usize {
        self.lock().consumers.iter().filter(|c| !c.is_parked()).count()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).finish_non_exhaustive()
    }
}
