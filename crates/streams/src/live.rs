//! The tracks of one open source, kept across its reconnects.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rs2rtc_media::time::{NtpTime, SourceClock};
use rs2rtc_media::{Codec, Direction, Frame, Media};
use tokio::sync::watch;

use crate::cache::Limits;
use crate::connection::Connection;
use crate::track::{Sender, Track};

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
}

#[derive(Debug)]
struct LiveTrack {
    /// `None` while the source, after a restart, does not offer it.
    media: Option<usize>,
    direction: Direction,
    codec: Codec,
    track: Arc<Track>,
    /// Keeps a consumer's microphone counted as heard.
    feed: Option<Arc<Sender>>,
}

#[derive(Debug, Default)]
struct State {
    medias: Vec<Media>,
    connection: Option<Arc<Connection>>,
    tracks: Vec<LiveTrack>,
}

/// An open source's medias and tracks.
#[derive(Debug)]
pub(crate) struct Live {
    epoch: Instant,
    cache: Option<Limits>,
    state: Mutex<State>,
    wanted: watch::Sender<Arc<[Wanted]>>,
}

impl Live {
    pub(crate) fn new(epoch: Instant, cache: Option<Limits>) -> Arc<Self> {
        let wanted = watch::Sender::new(Arc::from(Vec::new()));
        Arc::new(Self { epoch, cache, state: Mutex::default(), wanted })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A producer was opened, for the first time or again: tracks that exist
    /// are taken over by the first media with a matching codec.
    pub(crate) fn opened(&self, medias: Vec<Media>, connection: Arc<Connection>) {
        let mut state = self.lock();
        let mut taken = vec![false; medias.len()];
        for live in &mut state.tracks {
            live.track.restart();
            live.media = None;
            for (index, media) in medias.iter().enumerate() {
                if taken[index] || media.direction != live.direction {
                    continue;
                }
                if let Some(codec) = media.codecs.iter().find(|c| c.matches(&live.codec)) {
                    taken[index] = true;
                    live.media = Some(index);
                    live.codec = codec.clone();
                    if live.direction == Direction::RecvOnly {
                        live.track.set_codec(codec.clone());
                    }
                    break;
                }
            }
        }
        state.medias = medias;
        state.connection = Some(connection);
        self.publish(&state);
    }

    /// The connection is gone; tracks and medias stay for those who hold them.
    pub(crate) fn lost(&self) {
        self.lock().connection = None;
    }

    pub(crate) fn connection(&self) -> Option<Arc<Connection>> {
        self.lock().connection.clone()
    }

    pub(crate) fn medias(&self) -> Vec<Media> {
        self.lock().medias.clone()
    }

    /// The track of a media's codec, made on first use.
    pub(crate) fn track(&self, media: usize, codec: usize) -> Option<Arc<Track>> {
        let mut state = self.lock();
        let offered = state.medias.get(media)?;
        let kind = offered.kind;
        let codec = offered.codecs.get(codec)?.clone();
        if let Some(live) = state.tracks.iter().find(|t| {
            t.media == Some(media) && t.direction == Direction::RecvOnly && t.codec == codec
        }) {
            return Some(Arc::clone(&live.track));
        }
        let track = Arc::new(Track::new(kind, codec.clone(), self.cache));
        state.tracks.push(LiveTrack {
            media: Some(media),
            direction: Direction::RecvOnly,
            codec,
            track: Arc::clone(&track),
            feed: None,
        });
        self.publish(&state);
        Some(track)
    }

    /// Gives the producer a consumer's track to send (a microphone).
    pub(crate) fn feed(&self, media: usize, codec: usize, track: &Arc<Track>) -> Option<()> {
        let mut state = self.lock();
        let codec = state.medias.get(media)?.codecs.get(codec)?.clone();
        let sender = Arc::new(Sender::new(codec.clone(), track.id));
        track.watch(&sender);
        state.tracks.push(LiveTrack {
            media: Some(media),
            direction: Direction::SendOnly,
            codec,
            track: Arc::clone(track),
            feed: Some(sender),
        });
        self.publish(&state);
        Some(())
    }

    /// Takes a microphone away again.
    pub(crate) fn unfeed(&self, track: &Arc<Track>) {
        let mut state = self.lock();
        state
            .tracks
            .retain(|t| t.direction == Direction::RecvOnly || !Arc::ptr_eq(&t.track, track));
        self.publish(&state);
    }

    /// True if some viewer reads one of its tracks.
    pub(crate) fn is_watched(&self) -> bool {
        self.lock().tracks.iter().any(|t| t.feed.is_some() || !t.track.children().is_empty())
    }

    /// No frame will ever follow.
    pub(crate) fn end(&self) {
        let tracks: Vec<_> = self.lock().tracks.iter().map(|t| Arc::clone(&t.track)).collect();
        for track in tracks {
            track.end();
        }
    }

    /// Tracks it delivers, for the API.
    pub(crate) fn receivers(&self) -> Vec<Arc<Track>> {
        let state = self.lock();
        let received = state.tracks.iter().filter(|t| t.direction == Direction::RecvOnly);
        received.map(|t| Arc::clone(&t.track)).collect()
    }

    /// Senders into its backchannels, for the API.
    pub(crate) fn senders(&self) -> Vec<Arc<Sender>> {
        self.lock().tracks.iter().filter_map(|t| t.feed.clone()).collect()
    }

    pub(crate) fn tracks(self: &Arc<Self>) -> Tracks {
        Tracks {
            wanted: self.wanted.subscribe(),
            clock: Arc::new(Mutex::new(SourceClock::new(self.epoch))),
            writers: HashMap::new(),
        }
    }

    fn publish(&self, state: &State) {
        let wanted = state.tracks.iter().filter_map(|t| {
            Some(Wanted {
                media: t.media?,
                direction: t.direction,
                codec: t.codec.clone(),
                track: Arc::clone(&t.track),
            })
        });
        self.wanted.send_replace(wanted.collect());
    }
}

/// The tracks of a running producer: which are wanted, and where frames go.
///
/// Belongs to one run. It carries both directions and tells when a track
/// becomes wanted or unwanted.
pub struct Tracks {
    wanted: watch::Receiver<Arc<[Wanted]>>,
    clock: Arc<Mutex<SourceClock>>,
    writers: HashMap<u64, TrackWriter>,
}

impl Tracks {
    /// What is wanted now.
    pub fn wanted(&mut self) -> Arc<[Wanted]> {
        Arc::clone(&self.wanted.borrow_and_update())
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
        let wanted =
            wanted.iter().find(|w| w.media == media && w.direction == Direction::RecvOnly)?;
        let clock = &self.clock;
        let writer = self.writers.entry(wanted.track.id).or_insert_with(|| {
            let mut source = clock.lock().unwrap_or_else(PoisonError::into_inner);
            let index = source.add_track(wanted.codec.timestamp_rate(), wanted.track.last_dts());
            TrackWriter { track: Arc::clone(&wanted.track), clock: Arc::clone(clock), index }
        });
        Some(writer.clone())
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
}

impl TrackWriter {
    /// Delivers a frame. Its `pts` and `dts` are in the source's own time
    /// (unwrapped, any origin) and are mapped to the stream's here.
    pub fn write(&self, mut frame: Frame) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        (frame.pts, frame.dts) = clock.map(self.index, frame.pts, frame.dts, frame.arrival);
        drop(clock);
        self.track.push(&Arc::new(frame));
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
