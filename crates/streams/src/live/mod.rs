//! The tracks of one source, kept across its reconnects and its runs.
//!
//! Every opened producer has a *generation*, a number that no other one has; what
//! belongs to an older one (its late frames, its late end) changes nothing, also
//! on a track that has moved to another source meanwhile.

mod moves;
mod producer;
mod state;
mod viewers;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rs2rtc_media::container::fmp4::Format;
use rs2rtc_media::{Codec, Direction, Kind, Media};
use tokio::sync::watch;

use crate::cache::Limits;
use crate::connection::{Connection, next_id};
use crate::options::Reach;
use crate::track::Track;
pub(crate) use producer::Bond;
pub use producer::{TrackWriter, Tracks, Wanted};
use state::{State, goes_on};

/// Told when a track has other parameter sets than before.
pub(crate) type OnChange = Box<dyn Fn(&Track) + Send + Sync>;

/// How good what a source delivers is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Frames and audio packets that it has delivered.
    pub frames: u64,
    /// Jumps and resets of its timestamps that were repaired.
    pub jumps: u64,
    /// Packets of a source that numbers them; `None` for others.
    pub packets: Option<Packets>,
}

/// What became of numbered packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// That came.
    pub received: u64,
    /// That are missing in the sequence numbers.
    pub lost: u64,
}

/// What is counted for [`Quality`].
#[derive(Debug, Default)]
struct Counted {
    jumps: AtomicU64,
    has_packets: AtomicBool,
    received: AtomicU64,
    lost: AtomicU64,
}

/// A source's medias and tracks.
pub(crate) struct Live {
    epoch: Instant,
    cache: Option<Limits>,
    reach: Reach,
    state: Mutex<State>,
    wanted: watch::Sender<Arc<[Wanted]>>,
    /// Frames of the current generations so far.
    frames: AtomicU64,
    quality: Counted,
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
        let (frames, quality) = (AtomicU64::new(0), Counted::default());
        let losses = watch::Sender::new(0);
        let state = Mutex::default();
        Arc::new(Self { epoch, cache, reach, state, wanted, frames, quality, losses, on_change })
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
            live.track.count_anew();
            live.active = live.feed.is_some() || live.track.is_watched();
            live.media = None;
            live.taken_in = false;
            for (index, media) in medias.iter().enumerate() {
                if media.direction != live.direction {
                    continue;
                }
                let mut codecs = media.codecs.iter().enumerate();
                let found = codecs.find(|(number, codec)| {
                    goes_on(codec, &live.codec)
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

    /// How good what it delivers is, since there is this source.
    pub(crate) fn quality(&self) -> Quality {
        let Counted { jumps, has_packets, received, lost } = &self.quality;
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let packets = || Packets { received: count(received), lost: count(lost) };
        let packets = has_packets.load(Ordering::Relaxed).then(packets);
        Quality { frames: self.frames(), jumps: count(jumps), packets }
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
