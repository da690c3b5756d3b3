//! Attaching a consumer: which source gives which track (`spec/core.md` 6.3, exact).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Match, Media, match_medias};
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::live::Live;
use crate::slot::Lease;
use crate::stream::{External, Source, Stream};
use crate::track::{Sender, Track};

/// What a consumer asks of a stream.
#[derive(Clone, Debug)]
pub struct Request {
    /// Wanted medias in the consumer's order, from its side: pictures and
    /// sound to send are `SendOnly`, a microphone is `RecvOnly`.
    pub medias: Vec<Media>,
    /// What the API shows of the consumer.
    pub connection: Arc<Connection>,
    /// Sources whose text equals this are skipped: a source that reads its own
    /// stream must not feed on itself.
    pub source_tag: Option<String>,
}

/// A track that a consumer was given.
#[derive(Clone, Debug)]
pub struct AttachedTrack {
    /// Index in the request's medias.
    pub media: usize,
    /// `SendOnly`: frames to read from `track`. `RecvOnly`: a microphone whose
    /// frames are to be pushed into `track`.
    pub direction: Direction,
    /// The producer's codec.
    pub codec: Codec,
    /// The consumer's codec that it matched.
    pub wanted: Codec,
    /// The track.
    pub track: Arc<Track>,
    /// Counters; keeps the track counted as watched.
    pub sender: Arc<Sender>,
}

/// An attached consumer as its stream sees it.
pub(crate) struct Consumer {
    pub(crate) connection: Arc<Connection>,
    tracks: Mutex<Vec<AttachedTrack>>,
    kicked: CancellationToken,
    reason: Mutex<Option<String>>,
}

impl Consumer {
    pub(crate) fn tracks(&self) -> Vec<AttachedTrack> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn kick(&self, reason: &str) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        self.kicked.cancel();
    }
}

/// A consumer's hold on a stream. Dropping it detaches the consumer; with the
/// last one its sources are released at once.
pub struct Attached {
    /// The tracks, in the order they were matched.
    pub tracks: Vec<AttachedTrack>,
    stream: Arc<Stream>,
    consumer: Arc<Consumer>,
    feeds: Feeds,
    leases: Vec<Lease>,
}

/// Microphones that were given to sources; taken away again when dropped.
#[derive(Default)]
struct Feeds(Vec<(Arc<Live>, Arc<Track>)>);

impl Drop for Feeds {
    fn drop(&mut self) {
        for (live, track) in self.0.drain(..) {
            live.unfeed(&track);
        }
    }
}

impl Attached {
    /// The stream it is attached to.
    pub const fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The consumer's connection.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.consumer.connection
    }

    /// Fires when the consumer must end: the stream was deleted, an
    /// administrator ended it, or the program stops.
    pub fn kicked(&self) -> CancellationToken {
        self.consumer.kicked.clone()
    }

    /// Why it was kicked, in words for the viewer.
    pub fn kick_reason(&self) -> Option<String> {
        self.consumer.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.tracks.clear();
        self.consumer.tracks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(std::mem::take(&mut self.feeds));
        self.stream.remove_consumer(&self.consumer);
        self.leases.clear();
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("stream", &self.stream.name())
            .field("tracks", &self.tracks.len())
            .finish_non_exhaustive()
    }
}

/// One source during the matching: opened at most once, its error remembered.
struct Candidate {
    source: Source,
    state: CandidateState,
}

enum CandidateState {
    Untried,
    Open { live: Arc<Live>, lease: Option<Lease> },
    Failed(Error),
}

impl Candidate {
    /// Opens the source if that was not tried yet.
    async fn live(&mut self) -> Option<Arc<Live>> {
        if matches!(self.state, CandidateState::Untried) {
            self.state = match &self.source {
                Source::External(external) => {
                    if !*external.present() {
                        return None;
                    }
                    CandidateState::Open { live: Arc::clone(&external.live), lease: None }
                }
                Source::Slot(slot) => {
                    let lease = slot.lease();
                    match lease.opened().await {
                        Ok(()) => CandidateState::Open {
                            live: Arc::clone(&lease.run.live),
                            lease: Some(lease),
                        },
                        Err(error) => CandidateState::Failed(error),
                    }
                }
            };
        }
        match &self.state {
            CandidateState::Open { live, .. } => Some(Arc::clone(live)),
            _ => None,
        }
    }

    fn is_tagged(&self, tag: Option<&str>) -> bool {
        match (&self.source, tag) {
            (Source::Slot(slot), Some(tag)) => slot.source() == tag,
            (Source::Slot(slot), None) => slot.source().is_empty(),
            (Source::External(_), _) => false,
        }
    }
}

pub(crate) async fn attach(stream: &Arc<Stream>, request: Request) -> Result<Attached, Error> {
    let mut candidates: Vec<Candidate> = stream
        .lock_sources()
        .into_iter()
        .map(|source| Candidate { source, state: CandidateState::Untried })
        .collect();
    let mut seen: Vec<Media> = Vec::new();
    let mut tracks: Vec<AttachedTrack> = Vec::new();
    let mut feeds = Feeds::default();
    let mut used = vec![false; candidates.len()];

    for (index, wanted) in request.medias.iter().enumerate() {
        'candidates: for (position, candidate) in candidates.iter_mut().enumerate() {
            if candidate.is_tagged(request.source_tag.as_deref()) {
                continue;
            }
            let Some(live) = candidate.live().await else { continue };
            for (media, offered) in live.medias().iter().enumerate() {
                seen.push(offered.clone());
                let Some(pair) = match_medias(offered, wanted) else { continue };
                let Some(track) = connect(&live, media, offered, wanted, pair, &mut feeds) else {
                    continue;
                };
                let codec = offered.codecs[pair.producer].clone();
                let sender = Arc::new(Sender::new(codec.clone(), track.id));
                if offered.direction == Direction::RecvOnly {
                    track.watch(&sender);
                }
                tracks.push(AttachedTrack {
                    media: index,
                    direction: wanted.direction,
                    codec,
                    wanted: wanted.codecs[pair.consumer].clone(),
                    track,
                    sender,
                });
                used[position] = true;
                if !wanted.codecs.iter().any(|c| c.id == CodecId::All) {
                    break 'candidates;
                }
            }
        }
    }

    if tracks.is_empty() {
        return Err(no_track(&candidates, &seen, &request.medias));
    }
    let consumer = Arc::new(Consumer {
        connection: request.connection,
        tracks: Mutex::new(tracks.clone()),
        kicked: CancellationToken::new(),
        reason: Mutex::new(None),
    });
    let pushed: Vec<Arc<External>> = candidates
        .iter()
        .zip(&used)
        .filter_map(|(candidate, used)| match &candidate.source {
            Source::External(external) if *used => Some(Arc::clone(external)),
            _ => None,
        })
        .collect();
    stream.add_consumer(Arc::clone(&consumer), &pushed);
    let mut leases = Vec::new();
    for (candidate, used) in candidates.into_iter().zip(used) {
        if let (CandidateState::Open { lease: Some(lease), .. }, true) = (candidate.state, used) {
            lease.start();
            leases.push(lease);
        }
    }
    Ok(Attached { tracks, stream: Arc::clone(stream), consumer, feeds, leases })
}

/// Takes the track of a matched pair: the producer's for picture and sound, one
/// of the consumer's for a microphone.
fn connect(
    live: &Arc<Live>,
    media: usize,
    offered: &Media,
    wanted: &Media,
    pair: Match,
    feeds: &mut Feeds,
) -> Option<Arc<Track>> {
    if offered.direction == Direction::RecvOnly {
        return live.track(media, pair.producer);
    }
    let codec = wanted.codecs.get(pair.consumer)?.clone();
    let track = Arc::new(Track::new(Kind::Audio, codec, None));
    live.feed(media, pair.producer, &track)?;
    feeds.0.push((Arc::clone(live), Arc::clone(&track)));
    Some(track)
}

/// The error of an attach that found nothing (`spec/core.md` 6.4).
fn no_track(candidates: &[Candidate], seen: &[Media], wanted: &[Media]) -> Error {
    let errors: Vec<&Error> = candidates
        .iter()
        .filter_map(|c| match &c.state {
            CandidateState::Failed(error) => Some(error),
            _ => None,
        })
        .collect();
    if let Some(first) = errors.first() {
        let text = join_distinct(errors.iter().map(ToString::to_string));
        return Error::new(first.kind(), format!("streams: {text}"));
    }
    if seen.is_empty() {
        return Error::new(ErrorKind::Unsupported, "streams: unknown error");
    }
    let producer = codec_names(seen, Direction::RecvOnly);
    let consumer = codec_names(wanted, Direction::SendOnly);
    Error::new(
        ErrorKind::Unsupported,
        format!("streams: codecs not matched: {producer} => {consumer}"),
    )
}

fn codec_names(medias: &[Media], direction: Direction) -> String {
    join_distinct(
        medias
            .iter()
            .filter(|m| m.direction == direction)
            .flat_map(|m| m.codecs.iter().map(|c| format!("{}:{}", m.kind, c.id.error_name()))),
    )
}

/// Joins with `, `, skipping a text that the result already contains.
fn join_distinct(texts: impl Iterator<Item = String>) -> String {
    texts.fold(String::new(), |mut joined, text| {
        if !joined.contains(&text) {
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(&text);
        }
        joined
    })
}
