//! Attaching a consumer: which source gives which track (`spec/core.md` 6.3, exact).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Match, Media, match_medias};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::events::Event;
use crate::live::Live;
use crate::options::{Departure, Wake};
use crate::slot::{Lease, Slot};
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
    /// The consumer has yet to connect: with `wake: viewer` and codecs known
    /// from an earlier dial it is attached parked, and nothing is dialled.
    pub may_sleep: bool,
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
    parked: AtomicBool,
    kicked: CancellationToken,
    kick: Mutex<Option<Kick>>,
}

/// Why a consumer has to go.
#[derive(Clone, Debug)]
struct Kick {
    /// In words for the viewer.
    words: String,
    /// The reason code.
    code: &'static str,
}

impl Consumer {
    pub(crate) fn tracks(&self) -> Vec<AttachedTrack> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its hold on the sources was taken.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Ordering::Relaxed)
    }

    pub(crate) fn kick(&self, words: &str, code: &'static str) {
        let mut kick = self.kick.lock().unwrap_or_else(PoisonError::into_inner);
        // The first reason is the reason.
        kick.get_or_insert_with(|| Kick { words: words.to_owned(), code });
        drop(kick);
        self.kicked.cancel();
    }

    fn why(&self) -> Option<Kick> {
        self.kick.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A source that gives a track, and the hold on it while not parked.
struct Hold {
    slot: Arc<Slot>,
    lease: Option<Lease>,
}

/// A consumer's hold on a stream. Dropping it detaches the consumer (reason
/// `left`, or why it was kicked); with the last one its sources are released at once.
pub struct Attached {
    /// The tracks, in the order they were matched.
    pub tracks: Vec<AttachedTrack>,
    stream: Arc<Stream>,
    consumer: Arc<Consumer>,
    feeds: Feeds,
    holds: Vec<Hold>,
    parked: Option<Instant>,
    departure: Option<Departure>,
}

/// A microphone that is given to a source.
struct Feed {
    live: Arc<Live>,
    track: Arc<Track>,
    /// The producer's codec.
    codec: Codec,
}

/// Microphones that were given to sources; taken away again when dropped.
#[derive(Default)]
struct Feeds(Vec<Feed>);

impl Feeds {
    fn take_back(&self) {
        for feed in &self.0 {
            feed.live.unfeed(&feed.track);
        }
    }
}

impl Drop for Feeds {
    fn drop(&mut self) {
        self.take_back();
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
        self.consumer.why().map(|kick| kick.words)
    }

    /// Detaches the consumer for a reason.
    pub fn detach(mut self, departure: Departure) {
        self.departure = Some(departure);
    }

    /// Lets go of the sources (the camera is released if it was the last one)
    /// and stays attached: same place, same tracks. A parked consumer is not
    /// listed; a kick still reaches it. Parking twice does nothing.
    pub fn park(&mut self, departure: Departure) {
        if self.parked.is_some() {
            return;
        }
        self.parked = Some(Instant::now());
        self.consumer.parked.store(true, Ordering::Relaxed);
        self.release(&departure);
        self.feeds.take_back();
        self.stream.events().emit(Event::ViewerParked {
            stream: self.stream.name().to_owned(),
            viewer: self.consumer.connection.id,
            detect: departure.detect(),
            reason: departure.reason,
            profile: departure.profile,
        });
    }

    /// Takes hold of the sources again, dialling them if need be; the tracks
    /// are the same. Dropping the future gives up; the consumer stays parked
    /// then, and after an error too.
    ///
    /// # Errors
    /// What the dial says; `Ended` if one of the tracks did not come back, or
    /// the consumer was kicked.
    pub async fn resume(&mut self) -> Result<(), Error> {
        let Some(since) = self.parked else { return Ok(()) };
        if let Some(kick) = self.consumer.why() {
            return Err(Error::new(ErrorKind::Ended, kick.words));
        }
        // All at once, then wait for each: dropped together if one fails.
        let leases: Vec<Lease> = self.holds.iter().map(|hold| hold.slot.lease()).collect();
        for lease in &leases {
            lease.opened().await?;
        }
        if self.tracks.iter().any(|t| t.track.is_ended()) {
            return Err(Error::new(ErrorKind::Ended, "streams: a track did not come back"));
        }
        for feed in &self.feeds.0 {
            feed.live.feed_again(&feed.codec, &feed.track);
        }
        for (hold, lease) in self.holds.iter_mut().zip(leases) {
            lease.start();
            hold.lease = Some(lease);
        }
        self.parked = None;
        self.consumer.parked.store(false, Ordering::Relaxed);
        self.stream.events().emit(Event::ViewerResumed {
            stream: self.stream.name().to_owned(),
            viewer: self.consumer.connection.id,
            parked: since.elapsed(),
        });
        Ok(())
    }

    /// Whether it has no hold on the sources at the moment.
    pub const fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Resolves when somebody waits for an exclusive group that one of its
    /// sources holds; for a parked consumer never.
    pub fn contended(&self) -> impl Future<Output = ()> + Send + use<> {
        let leases = self.holds.iter().filter_map(|hold| hold.lease.as_ref());
        let mut waits: Vec<_> = leases.map(|lease| Box::pin(lease.contended())).collect();
        std::future::poll_fn(move |cx| {
            let mut waits = waits.iter_mut();
            if waits.any(|wait| wait.as_mut().poll(cx).is_ready()) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
    }

    /// Whether somebody waits for such a group now.
    pub(crate) fn is_contended(&self) -> bool {
        self.holds.iter().filter_map(|hold| hold.lease.as_ref()).any(Lease::is_contended)
    }

    fn release(&mut self, departure: &Departure) {
        let viewer = self.consumer.connection.id;
        for hold in &mut self.holds {
            if let Some(lease) = hold.lease.take() {
                lease.release(departure, viewer, self.parked.is_some());
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let departure = self.departure.take().unwrap_or_else(|| {
            Departure::now(self.consumer.why().map_or("left", |kick| kick.code))
        });
        // The camera first.
        self.release(&departure);
        self.tracks.clear();
        self.consumer.tracks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.feeds.take_back();
        self.stream.remove_consumer(&self.consumer);
        self.stream.events().emit(Event::ViewerLeft {
            stream: self.stream.name().to_owned(),
            viewer: self.consumer.connection.id,
            format: self.consumer.connection.description().format_name,
            detect: departure.detect(),
            reason: departure.reason,
            profile: departure.profile,
        });
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attached")
            .field("stream", &self.stream.name())
            .field("tracks", &self.tracks.len())
            .field("parked", &self.parked.is_some())
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
    Open {
        live: Arc<Live>,
        lease: Option<Lease>,
    },
    /// Not dialled: what it offers is known.
    Asleep(Arc<Live>),
    Failed(Error),
}

impl Candidate {
    /// Opens the source if that was not tried yet and has to be.
    async fn live(&mut self, may_sleep: bool) -> Option<Arc<Live>> {
        if matches!(self.state, CandidateState::Untried) {
            self.state = match &self.source {
                Source::External(external) => {
                    if !*external.present() {
                        return None;
                    }
                    CandidateState::Open { live: Arc::clone(&external.live), lease: None }
                }
                Source::Slot(slot) if may_sleep && slot.is_known() => {
                    CandidateState::Asleep(Arc::clone(&slot.live))
                }
                Source::Slot(slot) => {
                    let lease = slot.lease();
                    match lease.opened().await {
                        Ok(()) => CandidateState::Open {
                            live: Arc::clone(&slot.live),
                            lease: Some(lease),
                        },
                        Err(error) => CandidateState::Failed(error),
                    }
                }
            };
        }
        match &self.state {
            CandidateState::Open { live, .. } | CandidateState::Asleep(live) => {
                Some(Arc::clone(live))
            }
            CandidateState::Untried | CandidateState::Failed(_) => None,
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
    let may_sleep = request.may_sleep && stream.options().wake == Wake::Viewer;

    for (index, wanted) in request.medias.iter().enumerate() {
        'candidates: for (position, candidate) in candidates.iter_mut().enumerate() {
            if candidate.is_tagged(request.source_tag.as_deref()) {
                continue;
            }
            let Some(live) = candidate.live(may_sleep).await else { continue };
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
    let pushed: Vec<Arc<External>> = candidates
        .iter()
        .zip(&used)
        .filter_map(|(candidate, used)| match &candidate.source {
            Source::External(external) if *used => Some(Arc::clone(external)),
            _ => None,
        })
        .collect();
    let mut holds = Vec::new();
    let mut asleep = false;
    for (candidate, used) in candidates.into_iter().zip(used) {
        match (candidate.source, candidate.state) {
            (Source::Slot(slot), CandidateState::Open { lease, .. }) if used => {
                holds.push(Hold { slot, lease });
            }
            (Source::Slot(slot), CandidateState::Asleep(_)) if used => {
                holds.push(Hold { slot, lease: None });
                asleep = true;
            }
            _ => {}
        }
    }
    for hold in &mut holds {
        if asleep {
            // One without the others is of no use.
            hold.lease = None;
        } else if let Some(lease) = &hold.lease {
            lease.start();
        }
    }
    if asleep {
        feeds.take_back();
    }
    let consumer = Arc::new(Consumer {
        connection: request.connection,
        tracks: Mutex::new(tracks.clone()),
        parked: AtomicBool::new(asleep),
        kicked: CancellationToken::new(),
        kick: Mutex::new(None),
    });
    stream.add_consumer(Arc::clone(&consumer), &pushed);
    let description = consumer.connection.description();
    stream.events().emit(Event::ViewerJoined {
        stream: stream.name().to_owned(),
        viewer: consumer.connection.id,
        format: description.format_name,
        remote: description.remote_addr,
    });
    Ok(Attached {
        tracks,
        stream: Arc::clone(stream),
        consumer,
        feeds,
        holds,
        parked: asleep.then(Instant::now),
        departure: None,
    })
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
    let codec = offered.codecs.get(pair.producer)?.clone();
    feeds.0.push(Feed { live: Arc::clone(live), track: Arc::clone(&track), codec });
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
