//! Playing a source to a camera (`spec/core.md` 10): a source of the stream that
//! has a loudspeaker gets the sound of another source, once, until that ends.
//!
//! The played source is a producer of the stream that no viewer can ask for; the
//! camera is held like by a viewer, so that one connection serves both.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted};
use rs2rtc_media::{Direction, Media, match_medias};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::next_id;
use crate::consumer::{Feed, Feeds};
use crate::live::Live;
use crate::producer::{Ended, OpenRequest, Origin, Producer};
use crate::slot::{Lease, Slot};
use crate::stream::{Source, Stream};
use crate::track::Track;

/// How long the camera is held after the end of the source: its buffers drain.
const DRAIN: Duration = Duration::from_secs(1);
/// What a source has to end in.
const GOODBYE: Duration = Duration::from_secs(5);

/// What is played on a stream at the moment.
#[derive(Clone)]
pub(crate) struct Playing {
    id: u64,
    /// The text that was asked for.
    pub(crate) source: String,
    /// Its connection and the one track of it.
    pub(crate) live: Arc<Live>,
    /// The source with the loudspeaker.
    pub(crate) target: Arc<Slot>,
    /// Ends it.
    pub(crate) cancel: CancellationToken,
    /// Fires when its hold on the camera is dropped.
    over: CancellationToken,
}

/// Where the sound of a source goes.
struct Route {
    lease: Lease,
    slot: Arc<Slot>,
    live: Arc<Live>,
    generation: u64,
    feeds: Feeds,
    /// The camera's connection was lost.
    lost: watch::Receiver<u64>,
}

/// Ends what is played; plays `source` if it is not empty. Returns when the
/// sound flows, or what was played has let go of the camera.
///
/// # Errors
/// What opening the source says; `can't find consumer` if no source of the
/// stream has a loudspeaker for it.
pub(crate) async fn play(stream: &Arc<Stream>, source: &str, origin: Origin) -> Result<(), Error> {
    let before = stream.stop_playing();
    if source.is_empty() {
        if let Some(before) = before {
            let _ = timeout(GOODBYE, before.over.cancelled()).await;
        }
        return Ok(());
    }
    let (tell, told) = oneshot::channel();
    // On a task of its own: who asked may leave.
    let playing = run(Arc::clone(stream), source.to_owned(), origin, tell);
    stream.shared().tasks.spawn("play", playing);
    told.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Ended, "server is shutting down")))
}

async fn run(
    stream: Arc<Stream>,
    source: String,
    origin: Origin,
    tell: oneshot::Sender<Result<(), Error>>,
) {
    let cancel = stream.shared().cancel.child_token();
    let (producer, route) = match prepare(&stream, &source, origin, &cancel).await {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = tell.send(Err(error));
            return;
        }
    };
    let Route { lease, slot, live, generation, feeds, mut lost } = route;
    let over = CancellationToken::new();
    let _over = over.clone().drop_guard();
    let id = next_id();
    stream.start_playing(Playing {
        id,
        source: source.clone(),
        live: Arc::clone(&live),
        target: Arc::clone(&slot),
        cancel: cancel.clone(),
        over,
    });
    lease.start();
    let _ = tell.send(Ok(()));
    let stop = CancellationToken::new();
    let mut running = producer.run(live.tracks(generation, None), stop.clone());
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        () = slot.retired() => None,
        _ = lost.changed() => None,
        ended = &mut running => Some(ended),
    };
    match ended {
        None => {
            stop.cancel();
            let _ = timeout(GOODBYE, running).await;
        }
        Some(ended) => {
            if let Ended::Failed(error) = ended {
                let source = Redacted(&source);
                tracing::warn!(target: "streams", stream = stream.name(), %source, %error, "play");
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = slot.retired() => {}
                () = sleep(DRAIN) => {}
            }
        }
    }
    drop(feeds);
    stream.end_playing(id);
    drop(lease);
}

/// Finds a loudspeaker and opens the source, once: open cameras first, then the
/// others in their order. A camera that the stream loses meanwhile is let go.
async fn prepare(
    stream: &Arc<Stream>,
    source: &str,
    origin: Origin,
    cancel: &CancellationToken,
) -> Result<(Box<dyn Producer>, Route), Error> {
    let mut opened: Option<Box<dyn Producer>> = None;
    'anew: loop {
        let slots = stream.lock_sources().into_iter().filter_map(|source| match source {
            Source::Slot(slot) if !slot.source().is_empty() => Some(slot),
            _ => None,
        });
        let (open, closed): (Vec<_>, Vec<_>) =
            slots.partition(|slot| slot.live.connection().is_some());
        for slot in open.into_iter().chain(closed) {
            if slot.is_retired() {
                continue 'anew;
            }
            let (lease, one) = (slot.lease(), [Arc::clone(&slot)]);
            let ready = tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(ended()),
                ready = stream.opened(&lease, &one) => ready,
            };
            let Some(ready) = ready else { continue 'anew };
            let speaks = |media: &Media| media.direction == Direction::SendOnly;
            if ready.is_err() || !slot.live.medias().iter().any(speaks) {
                continue;
            }
            let mut held = vec![lease];
            let producer = match opened.take() {
                Some(producer) => producer,
                None => match sound(stream, source, origin, cancel, &mut held).await {
                    Some(opened) => opened?,
                    None => continue 'anew,
                },
            };
            let Some(lease) = held.pop() else {
                opened = Some(producer);
                continue 'anew;
            };
            match route(stream, slot, lease, producer.as_ref()) {
                Some(route) => return Ok((producer, route)),
                None => opened = Some(producer),
            }
        }
        break;
    }
    if let Some(producer) = opened {
        let unwanted = CancellationToken::new();
        unwanted.cancel();
        let tracks = stream.empty_live().tracks(0, None);
        let _ = timeout(GOODBYE, producer.run(tracks, unwanted)).await;
    }
    Err(match stream.closed() {
        Some((reason, _)) => Error::new(ErrorKind::Ended, reason),
        None => Error::new(ErrorKind::NotFound, "can't find consumer"),
    })
}

/// Opens the source of the sound. The camera is held meanwhile, as long as the stream has
/// it. `None` once the stream is closed: what was begun is undone.
async fn sound(
    stream: &Arc<Stream>,
    source: &str,
    origin: Origin,
    cancel: &CancellationToken,
    held: &mut Vec<Lease>,
) -> Option<Result<Box<dyn Producer>, Error>> {
    let cancel = cancel.child_token();
    let mut opening = stream.shared().open(OpenRequest {
        source: source.to_owned(),
        stream: stream.name().to_owned(),
        origin,
        cancel: cancel.clone(),
    });
    tokio::select! {
        biased;
        never = stream.let_go(held) => match never {},
        () = stream.until_closed() => {}
        opened = &mut opening => return Some(opened),
    }
    cancel.cancel();
    if stream.shared().undoes(source)
        && let Ok(Ok(producer)) = timeout(GOODBYE, opening).await
    {
        let tracks = stream.empty_live().tracks(0, None);
        let _ = timeout(GOODBYE, producer.run(tracks, cancel)).await;
    }
    None
}

/// Connects the first media of the source that a loudspeaker can play.
fn route(stream: &Stream, slot: Arc<Slot>, lease: Lease, producer: &dyn Producer) -> Option<Route> {
    let lost = slot.live.losses();
    let offered = producer.medias();
    let targets = slot.live.medias();
    let (from, codec, to, takes) = offered.iter().enumerate().find_map(|(from, offered)| {
        targets.iter().enumerate().find_map(|(to, target)| {
            let is_pair = offered.direction == Direction::RecvOnly;
            let found = match_medias(offered, target).filter(|_| is_pair)?;
            Some((from, found.producer, to, found.consumer))
        })
    })?;
    let live = stream.empty_live();
    let generation = live.opened(0, offered.to_vec(), producer.connection())?;
    let track: Arc<Track> = live.track(from, codec)?;
    slot.live.feed(to, takes, &track)?;
    let codec = targets.get(to)?.codecs.get(takes)?.clone();
    let feeds = Feeds(vec![Feed { live: Some(Arc::clone(&slot.live)), track, codec }]);
    Some(Route { lease, slot, live, generation, feeds, lost })
}

fn ended() -> Error {
    Error::new(ErrorKind::Ended, "server is shutting down")
}

impl Playing {
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }
}
