//! Attaching a consumer: which source gives which track (`spec/core.md` 6.3, exact).
//!
//! Sources may change while one of them is still being opened. Who waits lets go of
//! those that the stream does not have any more, and matches anew with those that it has.

use std::sync::Arc;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{CodecId, Direction, Match, Media, match_medias};
use tokio::time::Instant;

use crate::attach::{Attached, AttachedTrack, Request};
use crate::consumer::{Consumer, Feed, Feeds, Hold};
use crate::events::Event;
use crate::floor::Voice;
use crate::live::Live;
use crate::options::Wake;
use crate::slot::{Lease, Slot, Urgency};
use crate::stream::{External, Source, Stream, slots};
use crate::track::{Sender, Track};

/// One source during the matching: opened at most once, its error remembered.
struct Candidate {
    source: Source,
    state: CandidateState,
}

/// Which sources an attach may dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dial {
    /// All.
    All,
    /// Those of which it is not known what they offer.
    Unknown,
    /// None: only those that are open count.
    Nothing,
}

enum CandidateState {
    Untried,
    /// It was waited for when the stream lost another one.
    Opening(Arc<Live>, Lease),
    Open {
        live: Arc<Live>,
        lease: Option<Lease>,
    },
    /// Not dialled: what it offers is known.
    Asleep(Arc<Live>),
    Failed(Error),
}

/// The stream does not have one of the sources any more: what was found does not count.
struct Gone;

impl Candidate {
    /// Opens the source if that was not tried yet and has to be. `slots` are all that
    /// the attach may hold: none of them is held on when the stream loses it.
    async fn live(
        &mut self,
        (stream, slots): (&Stream, &[Arc<Slot>]),
        dial: Dial,
        urgency: Urgency,
    ) -> Result<Option<Arc<Live>>, Gone> {
        if matches!(self.state, CandidateState::Untried) {
            self.state = match &self.source {
                Source::External(external) => {
                    if !*external.present() {
                        return Ok(None);
                    }
                    CandidateState::Open { live: Arc::clone(&external.live), lease: None }
                }
                Source::Slot(slot) if slot.is_retired() => return Err(Gone),
                Source::Slot(slot) if dial == Dial::Unknown && slot.is_known() => {
                    CandidateState::Asleep(Arc::clone(&slot.live))
                }
                Source::Slot(slot) => {
                    let lease = match dial {
                        Dial::Nothing => slot.lease_if_open(urgency),
                        Dial::All | Dial::Unknown => Some(slot.lease_for(urgency)),
                    };
                    let Some(lease) = lease else { return Ok(None) };
                    CandidateState::Opening(Arc::clone(&slot.live), lease)
                }
            };
        }
        if let CandidateState::Opening(_, lease) = &self.state {
            let opened = stream.opened(lease, slots).await.ok_or(Gone)?;
            let state = std::mem::replace(&mut self.state, CandidateState::Untried);
            self.state = match (opened, state) {
                (Ok(()), CandidateState::Opening(live, lease)) => {
                    CandidateState::Open { live, lease: Some(lease) }
                }
                (Ok(()), state) => state,
                (Err(error), _) => CandidateState::Failed(error),
            };
        }
        Ok(match &self.state {
            CandidateState::Open { live, .. } | CandidateState::Asleep(live) => {
                Some(Arc::clone(live))
            }
            CandidateState::Untried | CandidateState::Opening(..) | CandidateState::Failed(_) => {
                None
            }
        })
    }

    /// Whether it is known to give nothing of what is wanted, without dialling it.
    fn is_known_without(&self, wanted: &Media) -> bool {
        match (&self.source, &self.state) {
            (Source::Slot(slot), CandidateState::Untried) => {
                let gives = |offered: &Media| match_medias(offered, wanted).is_some();
                slot.is_known() && !slot.live.medias().iter().any(gives)
            }
            _ => false,
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

/// What the sources of a stream give of what is wanted.
#[derive(Default)]
struct Found {
    /// All that they offer.
    seen: Vec<Media>,
    tracks: Vec<AttachedTrack>,
    feeds: Feeds,
    /// Which of the sources give something.
    used: Vec<bool>,
}

/// Gives nothing only if nothing was open and nothing may be dialled. What is wanted
/// `otherwise` counts if no source gives anything of the request.
pub(crate) async fn attach(
    stream: &Arc<Stream>,
    request: Request,
    otherwise: &[Media],
    dial: Dial,
    urgency: Urgency,
) -> Result<Option<Attached>, Error> {
    let mut candidates = Vec::new();
    let found = loop {
        candidates = renewed(stream, candidates);
        let wanted = (&*request.medias, !otherwise.is_empty());
        let first = find(stream, &request, wanted, &mut candidates, dial, urgency).await;
        let found = match first {
            Ok(found) if found.tracks.is_empty() && !otherwise.is_empty() => {
                let wanted = (otherwise, false);
                find(stream, &request, wanted, &mut candidates, dial, urgency).await
            }
            first => first,
        };
        if let Ok(found) = found {
            break found;
        }
    };
    let Found { seen, tracks, feeds, used } = found;
    if tracks.is_empty()
        && let Some((reason, _)) = stream.closed()
    {
        return Err(Error::new(ErrorKind::Ended, reason));
    }
    let untried = |candidate: &Candidate| matches!(candidate.state, CandidateState::Untried);
    if dial == Dial::Nothing && candidates.iter().all(untried) {
        return Ok(None);
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
    let (connection, given) = (request.connection, tracks.clone());
    let consumer = Consumer::new(connection, given, holds, feeds, asleep, urgency);
    stream.add_consumer(Arc::clone(&consumer), &pushed);
    let description = consumer.connection.description();
    stream.events().emit(Event::ViewerJoined {
        stream: stream.name().to_owned(),
        viewer: consumer.connection.id,
        format: description.format_name,
        remote: description.remote_addr,
    });
    Ok(Some(Attached::new(tracks, Arc::clone(stream), consumer, asleep.then(Instant::now))))
}

/// The sources that the stream has now; what was tried of them counts. The others are
/// let go before a new one is dialled: both are often the same camera.
fn renewed(stream: &Stream, mut before: Vec<Candidate>) -> Vec<Candidate> {
    let now = stream.lock_sources().into_iter().map(|source| {
        let is_same = |candidate: &Candidate| match (&candidate.source, &source) {
            (Source::Slot(before), Source::Slot(now)) => Arc::ptr_eq(before, now),
            // Whether it pushes is asked anew.
            _ => false,
        };
        match before.iter().position(is_same) {
            Some(at) => before.swap_remove(at),
            None => Candidate { source, state: CandidateState::Untried },
        }
    });
    let now = now.collect();
    let leases = before.into_iter().filter_map(|candidate| match candidate.state {
        CandidateState::Open { lease, .. } => lease,
        CandidateState::Opening(_, lease) => Some(lease),
        _ => None,
    });
    stream.drop_retired(&mut leases.collect());
    now
}

/// Matches what is wanted with what the sources give, opening them as far as needed; if
/// something else would do, too, not those that are known to give nothing of it.
async fn find(
    stream: &Arc<Stream>,
    request: &Request,
    (medias, or_else): (&[Media], bool),
    candidates: &mut [Candidate],
    dial: Dial,
    urgency: Urgency,
) -> Result<Found, Gone> {
    let sources: Vec<Source> = candidates.iter().map(|c| c.source.clone()).collect();
    let slots: Vec<Arc<Slot>> = slots(&sources).cloned().collect();
    let mut found = Found { used: vec![false; candidates.len()], ..Found::default() };
    let may_sleep = request.may_sleep && stream.options().wake == Wake::Viewer;
    let dial = if may_sleep && dial == Dial::All { Dial::Unknown } else { dial };

    for (index, wanted) in medias.iter().enumerate() {
        'candidates: for (position, candidate) in candidates.iter_mut().enumerate() {
            if candidate.is_tagged(request.source_tag.as_deref()) {
                continue;
            }
            if or_else && candidate.is_known_without(wanted) {
                continue;
            }
            let live = candidate.live((stream, &slots), dial, urgency).await?;
            let Some(live) = live else { continue };
            for (media, offered) in live.medias().iter().enumerate() {
                found.seen.push(offered.clone());
                let Some(pair) = match_medias(offered, wanted) else { continue };
                let voice = || stream.floor().voice(&request.connection);
                let given = (media, offered);
                let track = connect(&live, given, wanted, pair, voice, &mut found.feeds);
                let Some(track) = track else { continue };
                let codec = offered.codecs[pair.producer].clone();
                let sender = Arc::new(Sender::new(codec.clone(), track.id));
                if offered.direction == Direction::RecvOnly {
                    track.watch(&sender);
                }
                found.tracks.push(AttachedTrack {
                    media: index,
                    direction: wanted.direction,
                    codec,
                    wanted: wanted.codecs[pair.consumer].clone(),
                    track,
                    sender,
                });
                found.used[position] = true;
                if !wanted.codecs.iter().any(|c| c.id == CodecId::All) {
                    break 'candidates;
                }
            }
        }
    }
    Ok(found)
}

/// Takes the track of a matched pair: the producer's for picture and sound, one
/// of the consumer's for a microphone.
fn connect(
    live: &Arc<Live>,
    (media, offered): (usize, &Media),
    wanted: &Media,
    pair: Match,
    voice: impl FnOnce() -> Voice,
    feeds: &mut Feeds,
) -> Option<Arc<Track>> {
    if offered.direction == Direction::RecvOnly {
        return live.track(media, pair.producer);
    }
    let codec = wanted.codecs.get(pair.consumer)?.clone();
    let track = Arc::new(Track::microphone(codec, voice()));
    live.feed(media, pair.producer, &track)?;
    let codec = offered.codecs.get(pair.producer)?.clone();
    feeds.0.push(Feed { live: Some(Arc::clone(live)), track: Arc::clone(&track), codec });
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
