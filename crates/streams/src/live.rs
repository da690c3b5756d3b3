//! The tracks of one source, kept across its reconnects and its runs.
//!
//! Every opened producer has a *generation*, a number that no other one has; what
//! belongs to an older one (its late frames, its late end) changes nothing, also
//! on a track that has moved to another source meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rs2rtc_media::container::fmp4::Format;
use rs2rtc_media::time::{NtpTime, SourceClock};
use rs2rtc_media::{Codec, Direction, Frame, Kind, Media};
use tokio::sync::watch;

use crate::cache::Limits;
use crate::connection::{Connection, next_id};
use crate::options::{Departure, Reach};
use crate::track::{Pushed, Sender, Track};

/// A track that somebody wants from (or gives to) a running producer.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Index in the producer's medias.
    pub media: usize,
    /// `RecvOnly`: write frames into `track`. `SendOnly`: read them from it.
    pub direction: Direction,
    /// The producer's codec that was chosen.
    pub codec: Codec,
    /// The track.
    pub track: Arc<Track>,
    /// `SendOnly`: counts what is sent, as the API shows it.
    pub sender: Option<Arc<Sender>>,
}

#[derive(Debug)]
struct LiveTrack {
    /// `None` while the source does not offer it.
    media: Option<usize>,
    direction: Direction,
    codec: Codec,
    track: Arc<Track>,
    /// Somebody asked for it since the source was opened, or waits for it.
    active: bool,
    /// Keeps a consumer's microphone counted as heard.
    feed: Option<Arc<Sender>>,
}

impl LiveTrack {
    fn received(media: Option<usize>, codec: Codec, track: &Arc<Track>) -> Self {
        Self {
            media,
            direction: Direction::RecvOnly,
            codec,
            track: Arc::clone(track),
            active: true,
            feed: None,
        }
    }

    /// Whether it is what a media gives in a codec.
    fn is_of(&self, media: usize, codec: &Codec) -> bool {
        self.media == Some(media) && self.direction == Direction::RecvOnly && self.codec == *codec
    }
}

#[derive(Debug, Default)]
struct State {
    generation: u64,
    /// The highest run that opened it.
    run: u64,
    /// What the last producer offered, until it is known to be wrong.
    medias: Vec<Media>,
    connection: Option<Arc<Connection>>,
    tracks: Vec<LiveTrack>,
}

impl State {
    fn adopt(&mut self, track: &Arc<Track>) -> bool {
        let old = track.codec();
        let found = self.medias.iter().enumerate().find_map(|(index, media)| {
            let gives = media.direction == Direction::RecvOnly;
            // What one source says of its channels another one may leave open.
            let fits = |codec: &&Codec| codec.matches(&old) || old.matches(codec);
            let codec = media.codecs.iter().filter(|_| gives).find(fits)?;
            Some((index, codec.clone()))
        });
        let Some((media, codec)) = found else { return false };
        if let Some(live) = self.tracks.iter_mut().find(|t| t.is_of(media, &codec)) {
            live.active = true;
            live.track.lead(track);
        } else {
            track.set_codec(codec.clone());
            track.restart(self.generation);
            self.tracks.push(LiveTrack::received(Some(media), codec, track));
        }
        true
    }
}

/// Told when a track has other parameter sets than before.
pub(crate) type OnChange = Box<dyn Fn(&Track) + Send + Sync>;

/// A source's medias and tracks.
pub(crate) struct Live {
    epoch: Instant,
    cache: Option<Limits>,
    reach: Reach,
    state: Mutex<State>,
    wanted: watch::Sender<Arc<[Wanted]>>,
    /// Frames of the current generations so far.
    frames: AtomicU64,
    /// Counts connections that were lost.
    losses: watch::Sender<u64>,
    on_change: OnChange,
}

impl Live {
    pub(crate) fn new(
        epoch: Instant,
        cache: Option<Limits>,
        reach: Reach,
        on_change: OnChange,
    ) -> Arc<Self> {
        let wanted = watch::Sender::new(Arc::from(Vec::new()));
        let frames = AtomicU64::new(0);
        let losses = watch::Sender::new(0);
        let state = Mutex::default();
        Arc::new(Self { epoch, cache, reach, state, wanted, frames, losses, on_change })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A producer was opened by a run: tracks that exist are taken over by the
    /// first media with a matching codec; those that somebody holds and that do
    /// not come back end. Gives the producer's generation, or nothing if a later
    /// run was faster.
    pub(crate) fn opened(
        &self,
        run: u64,
        medias: Vec<Media>,
        connection: Arc<Connection>,
    ) -> Option<u64> {
        let mut state = self.lock();
        if run < state.run {
            return None;
        }
        state.run = run;
        let generation = next_id();
        state.generation = generation;
        let mut taken = Vec::new();
        for live in &mut state.tracks {
            live.track.restart(generation);
            live.active = live.feed.is_some() || live.track.is_watched();
            live.media = None;
            for (index, media) in medias.iter().enumerate() {
                if media.direction != live.direction {
                    continue;
                }
                let mut codecs = media.codecs.iter().enumerate();
                let found = codecs.find(|(number, codec)| {
                    codec.matches(&live.codec)
                        && (live.feed.is_some() || !taken.contains(&(index, *number)))
                });
                if let Some((number, codec)) = found {
                    taken.push((index, number));
                    live.media = Some(index);
                    live.codec = codec.clone();
                    if live.direction == Direction::RecvOnly {
                        live.track.set_codec(codec.clone());
                    }
                    break;
                }
            }
        }
        let mut ended = Vec::new();
        state.tracks.retain(|live| {
            let stays = live.media.is_some() || live.feed.is_some();
            if !stays {
                ended.push(Arc::clone(&live.track));
            }
            stays
        });
        state.medias = medias;
        state.connection = Some(connection);
        self.publish(&state);
        drop(state);
        for track in ended {
            track.end();
        }
        Some(generation)
    }

    /// The connection of a generation is gone; tracks and medias stay.
    pub(crate) fn lost(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation == generation {
            state.connection = None;
            self.losses.send_modify(|losses| *losses += 1);
        }
    }

    /// Tells when its connection is lost.
    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        self.losses.subscribe()
    }

    /// The source is let go: nothing it still says counts, the last keyframes stay.
    pub(crate) fn released(&self) {
        let mut state = self.lock();
        state.generation = next_id();
        state.connection = None;
        for live in &state.tracks {
            live.track.restart(state.generation);
            live.track.forget_history();
        }
    }

    /// Takes in the first picture and the first sound that a clip can hold, if
    /// what passes is to be kept.
    pub(crate) fn remember(&self) {
        if self.reach.get().is_zero() {
            return;
        }
        let mut state = self.lock();
        if state.connection.is_none() {
            return;
        }
        for kind in [Kind::Video, Kind::Audio] {
            let first = state.medias.iter().enumerate().find_map(|(index, media)| {
                let gives = media.direction == Direction::RecvOnly && media.kind == kind;
                let fits = |codec: &Codec| Format::CODECS.contains(&codec.id);
                Some((index, media.codecs.iter().position(fits).filter(|_| gives)?))
            });
            if let Some((media, codec)) = first {
                self.track_in(&mut state, media, codec);
            }
        }
    }

    /// Whether something is kept of what has passed.
    pub(crate) fn has_history(&self) -> bool {
        self.lock().tracks.iter().any(|live| live.track.has_history())
    }

    /// What the medias say does not hold any more.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        if state.connection.is_none() {
            state.medias = Vec::new();
        }
    }

    /// Frames written so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Whether somebody wants frames of the running producer.
    pub(crate) fn wants_frames(&self) -> bool {
        self.wanted.borrow().iter().any(|wanted| wanted.direction == Direction::RecvOnly)
    }

    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.lock().connection.clone()
    }

    pub(crate) fn medias(&self) -> Vec<Media> {
        self.lock().medias.clone()
    }

    /// Takes the first codec of a media in whether somebody wants it or not.
    /// `known` is what it turned out to be: the same codec, with other parameters.
    pub(crate) fn take_in(&self, generation: u64, media: usize, known: &Codec) -> Option<()> {
        let mut state = self.lock();
        if state.generation != generation {
            return None;
        }
        let offered = state.medias.get_mut(media)?.codecs.first_mut()?;
        if offered != known {
            let before = std::mem::replace(offered, known.clone());
            for live in state.tracks.iter_mut().filter(|t| t.is_of(media, &before)) {
                live.codec = known.clone();
                live.track.set_codec(known.clone());
            }
        }
        self.track_in(&mut state, media, 0).map(drop)
    }

    /// The track of a media's codec, made on first use.
    pub(crate) fn track(&self, media: usize, codec: usize) -> Option<Arc<Track>> {
        self.track_in(&mut self.lock(), media, codec)
    }

    fn track_in(&self, state: &mut State, media: usize, codec: usize) -> Option<Arc<Track>> {
        let offered = state.medias.get(media)?;
        let kind = offered.kind;
        let codec = offered.codecs.get(codec)?.clone();
        if let Some(live) = state.tracks.iter_mut().find(|t| t.is_of(media, &codec)) {
            let track = Arc::clone(&live.track);
            if !std::mem::replace(&mut live.active, true) {
                self.publish(state);
            }
            return Some(track);
        }
        let track =
            Arc::new(Track::remembering(kind, codec.clone(), self.cache, self.reach.clone()));
        track.restart(state.generation);
        state.tracks.push(LiveTrack::received(Some(media), codec, &track));
        self.publish(state);
        Some(track)
    }

    /// Gives the producer a consumer's track to send (a microphone).
    pub(crate) fn feed(&self, media: usize, codec: usize, track: &Arc<Track>) -> Option<()> {
        let mut state = self.lock();
        let codec = state.medias.get(media)?.codecs.get(codec)?.clone();
        // Listed with what the talker says, which may leave the codec open.
        let sender = Arc::new(Sender::new(track.codec(), track.id));
        track.watch(&sender);
        state.tracks.push(LiveTrack {
            media: Some(media),
            direction: Direction::SendOnly,
            codec,
            track: Arc::clone(track),
            active: true,
            feed: Some(sender),
        });
        self.publish(&state);
        Some(())
    }

    /// Gives the producer a consumer's track again, if it still takes the codec.
    pub(crate) fn feed_again(&self, codec: &Codec, track: &Arc<Track>) -> Option<()> {
        let medias = self.medias();
        let (media, codec) = medias.iter().enumerate().find_map(|(index, media)| {
            let takes = media.direction == Direction::SendOnly;
            let codec = media.codecs.iter().position(|c| takes && c.matches(codec))?;
            Some((index, codec))
        })?;
        self.feed(media, codec, track)
    }

    /// Takes a microphone away again.
    pub(crate) fn unfeed(&self, track: &Arc<Track>) {
        let mut state = self.lock();
        state
            .tracks
            .retain(|t| t.direction == Direction::RecvOnly || !Arc::ptr_eq(&t.track, track));
        self.publish(&state);
    }

    /// The tracks that somebody reads, taken away: another source is to give
    /// them. What the producer still writes to them is ignored.
    pub(crate) fn uproot(&self) -> Vec<Arc<Track>> {
        let mut state = self.lock();
        let received = |t: &mut LiveTrack| t.direction == Direction::RecvOnly;
        let taken: Vec<LiveTrack> = state.tracks.extract_if(.., received).collect();
        self.publish(&state);
        drop(state);
        let tracks = taken.into_iter().map(|live| live.track);
        let watched = tracks.filter(|track| track.is_watched());
        watched.inspect(|track| track.restart(next_id())).collect()
    }

    /// Gives a track of another source from now on, if a media has its codec.
    pub(crate) fn adopt(&self, track: &Arc<Track>) -> bool {
        let mut state = self.lock();
        let adopted = state.adopt(track);
        if adopted {
            self.publish(&state);
        }
        adopted
    }

    /// As [`Self::adopt`]; a source that is not open takes every track: the next
    /// producer gives it, or the track ends.
    pub(crate) fn expect(&self, track: &Arc<Track>) -> bool {
        let mut state = self.lock();
        if state.connection.is_some() {
            drop(state);
            return self.adopt(track);
        }
        let codec = track.codec();
        state.tracks.push(LiveTrack { active: false, ..LiveTrack::received(None, codec, track) });
        true
    }

    /// Whether it gives this track, itself or by one of its own.
    pub(crate) fn gives(&self, track: &Arc<Track>) -> bool {
        self.lock().tracks.iter().any(|t| t.track.is_or_leads(track))
    }

    /// True if some viewer reads one of its tracks.
    pub(crate) fn is_watched(&self) -> bool {
        self.lock().tracks.iter().any(|t| t.feed.is_some() || t.track.is_watched())
    }

    /// No frame will ever follow on the tracks it has.
    pub(crate) fn end(&self) {
        let tracks = {
            let mut state = self.lock();
            state.generation = next_id();
            state.connection = None;
            let tracks = std::mem::take(&mut state.tracks);
            self.publish(&state);
            tracks
        };
        for live in tracks {
            live.track.end();
        }
    }

    /// Tracks it delivers, for the API.
    pub(crate) fn receivers(&self) -> Vec<Arc<Track>> {
        let state = self.lock();
        let received =
            state.tracks.iter().filter(|t| t.direction == Direction::RecvOnly && t.active);
        received.map(|t| Arc::clone(&t.track)).collect()
    }

    /// The newest keyframe of its picture, however long ago, and its codec.
    pub(crate) fn last_keyframe(&self) -> Option<(Codec, Arc<Frame>)> {
        let state = self.lock();
        let keyframes = state.tracks.iter().filter_map(|live| {
            let keyframe = live.track.last_keyframe()?;
            Some((live.track.codec(), keyframe))
        });
        keyframes.max_by_key(|(_, keyframe)| keyframe.arrival)
    }

    /// Senders into its backchannels, for the API.
    pub(crate) fn senders(&self) -> Vec<Arc<Sender>> {
        self.lock().tracks.iter().filter_map(|t| t.feed.clone()).collect()
    }

    /// For a producer of a generation.
    pub(crate) fn tracks(self: &Arc<Self>, generation: u64, run: Option<Arc<Bond>>) -> Tracks {
        Tracks {
            live: Arc::clone(self),
            generation,
            run,
            wanted: self.wanted.subscribe(),
            only: None,
            clock: Arc::new(Mutex::new(SourceClock::new(self.epoch))),
            writers: HashMap::new(),
        }
    }

    fn publish(&self, state: &State) {
        let wanted = state.tracks.iter().filter_map(|t| {
            Some(Wanted {
                media: t.media.filter(|_| t.active)?,
                direction: t.direction,
                codec: t.codec.clone(),
                track: Arc::clone(&t.track),
                sender: t.feed.clone(),
            })
        });
        self.wanted.send_replace(wanted.collect());
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("frames", &self.frames()).finish_non_exhaustive()
    }
}

/// What a run of a source and its producer share.
#[derive(Debug, Default)]
pub(crate) struct Bond {
    /// Somebody waits for the exclusive group that the run holds.
    pub(crate) contended: watch::Sender<bool>,
    departure: Mutex<Option<Departure>>,
}

impl Bond {
    /// Why the last viewer went.
    pub(crate) fn departure(&self) -> Option<Departure> {
        self.departure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn depart(&self, departure: Option<Departure>) {
        *self.departure.lock().unwrap_or_else(PoisonError::into_inner) = departure;
    }
}

/// The tracks of a running producer: which are wanted, and where frames go.
///
/// Belongs to one run. It carries both directions and tells when a track
/// becomes wanted or unwanted.
pub struct Tracks {
    live: Arc<Live>,
    generation: u64,
    run: Option<Arc<Bond>>,
    wanted: watch::Receiver<Arc<[Wanted]>>,
    /// Tracks of other codecs are not shown.
    only: Option<Codec>,
    clock: Arc<Mutex<SourceClock>>,
    writers: HashMap<u64, TrackWriter>,
}

impl Tracks {
    /// What is wanted now.
    pub fn wanted(&mut self) -> Arc<[Wanted]> {
        let all = Arc::clone(&self.wanted.borrow_and_update());
        match &self.only {
            None => all,
            Some(only) => all.iter().filter(|w| w.codec == *only).cloned().collect(),
        }
    }

    /// The tracks of one codec, for a producer that gives each codec in another
    /// way. Their time stays that of the whole.
    #[must_use]
    pub fn only(&self, codec: &Codec) -> Self {
        Self {
            live: Arc::clone(&self.live),
            generation: self.generation,
            run: self.run.clone(),
            wanted: self.wanted.clone(),
            only: Some(codec.clone()),
            clock: Arc::clone(&self.clock),
            writers: HashMap::new(),
        }
    }

    /// Waits until [`Self::wanted`] would say something new.
    /// Never returns once nobody can want anything any more.
    pub async fn changed(&mut self) {
        if self.wanted.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Where to write the frames of a media, if somebody wants it.
    pub fn writer(&mut self, media: usize) -> Option<TrackWriter> {
        let wanted = Arc::clone(&self.wanted.borrow());
        let wanted = wanted.iter().find(|w| {
            w.media == media
                && w.direction == Direction::RecvOnly
                && self.only.as_ref().is_none_or(|only| w.codec == *only)
        })?;
        let clock = &self.clock;
        let writer = self.writers.entry(wanted.track.id).or_insert_with(|| {
            let mut source = clock.lock().unwrap_or_else(PoisonError::into_inner);
            let index = source.add_track(wanted.codec.timestamp_rate(), wanted.track.last_dts());
            TrackWriter {
                track: Arc::clone(&wanted.track),
                clock: Arc::clone(clock),
                index,
                live: Arc::clone(&self.live),
                generation: self.generation,
            }
        });
        Some(writer.clone())
    }

    /// Where to write the frames of a media that is taken in whether somebody
    /// wants it or not: a picture is there when a viewer comes, which not every
    /// publisher can be asked for. `codec` is the media's, with the parameters
    /// that it is now known to have; a change of them may be told at any time.
    /// `None` for a run that is over.
    pub fn open(&mut self, media: usize, codec: &Codec) -> Option<TrackWriter> {
        self.live.take_in(self.generation, media, codec)?;
        self.writer(media)
    }

    /// Why the source was let go, once it was.
    pub(crate) fn departure(&self) -> Option<Departure> {
        self.run.as_ref()?.departure()
    }

    /// What it shares with its run.
    pub(crate) fn bond(&self) -> Option<Arc<Bond>> {
        self.run.clone()
    }
}

impl fmt::Debug for Tracks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracks")
            .field("wanted", &self.wanted.borrow().len())
            .finish_non_exhaustive()
    }
}

/// Writes a producer's frames into a track, on the stream's timeline.
#[derive(Clone, Debug)]
pub struct TrackWriter {
    track: Arc<Track>,
    clock: Arc<Mutex<SourceClock>>,
    index: usize,
    live: Arc<Live>,
    generation: u64,
}

impl TrackWriter {
    /// Delivers a frame. Its `pts` and `dts` are in the source's own time
    /// (unwrapped, any origin) and are mapped to the stream's here. Frames of a
    /// run that is over change nothing.
    pub fn write(&self, mut frame: Frame) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        (frame.pts, frame.dts) = clock.map(self.index, frame.pts, frame.dts, frame.arrival);
        drop(clock);
        let pushed = self.track.push_of(&Arc::new(frame), self.generation);
        if pushed != Pushed::Ignored {
            self.live.frames.fetch_add(1, Ordering::Relaxed);
        }
        if pushed == Pushed::Changed {
            (self.live.on_change)(&self.track);
        }
    }

    /// A sender report: wall-clock time and source time (unwrapped ticks) of
    /// the same moment. A source whose tracks share one timeline calls it once
    /// per track, before the first frame, with any equal pair.
    pub fn sender_report(&self, ntp: NtpTime, timestamp: i64) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.sender_report(self.index, ntp, timestamp);
    }

    /// The track it writes to.
    pub const fn track(&self) -> &Arc<Track> {
        &self.track
    }
}
