//! A stream as the source of another one: frames are passed on in the process.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Direction, Frame, Media};
use tokio_util::sync::CancellationToken;

use crate::attach::{Attached, Request};
use crate::connection::{Connection, Description};
use crate::live::{TrackWriter, Tracks};
use crate::producer::{BoxFuture, Ended, OpenRequest, Producer};
use crate::registry::not_found;
use crate::slot::{Lease, Slot};
use crate::stream::{Source, Stream, slots};
use crate::track::{Sink, Subscription};

/// How long it takes at most to learn that nobody waits for the inner source any more.
const CONTENDED: Duration = Duration::from_millis(500);

struct Relay {
    origin: Arc<Stream>,
    connection: Arc<Connection>,
    medias: Vec<Media>,
    /// Keeps the sources open until the first attach; what it uses it holds itself.
    leases: Vec<Lease>,
}

/// Opens all sources of `origin` and offers what they give.
pub(crate) fn open(
    origin: Arc<Stream>,
    request: OpenRequest,
) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
    Box::pin(async move {
        let mut origin = origin;
        let (medias, leases) = loop {
            if reaches(&origin, &request.stream, &mut HashSet::new()) {
                let text = format!(
                    "stream {} is its own source (through {}): give one of them a camera",
                    request.stream, request.source
                );
                return Err(Error::new(ErrorKind::Config, text));
            }
            let opened = open_all(&origin).await;
            if origin.closed().is_none() {
                let (medias, leases, failure) = opened;
                if medias.is_empty() {
                    return Err(failure.unwrap_or_else(|| not_found(&request.source)));
                }
                break (medias, leases);
            }
            // The name may mean another stream by now.
            let other = origin.named(&request.source).filter(|other| other.closed().is_none());
            origin = other.ok_or_else(|| not_found(&request.source))?;
        };
        let connection = Arc::new(Connection::new(Description {
            format_name: "relay".to_owned(),
            url: request.source,
            medias: medias.clone(),
            ..Description::default()
        }));
        Ok(Box::new(Relay { origin, connection, medias, leases }) as Box<dyn Producer>)
    })
}

/// Opens the sources of a stream one after the other, those that it has at the end: what
/// they give, the hold on them, and the first error.
async fn open_all(origin: &Arc<Stream>) -> (Vec<Media>, Vec<Lease>, Option<Error>) {
    let mut leases: Vec<Lease> = Vec::new();
    'anew: loop {
        origin.drop_retired(&mut leases);
        let mut medias: Vec<Media> = Vec::new();
        let mut failure = None;
        let sources = origin.lock_sources();
        let slots: Vec<Arc<Slot>> = slots(&sources).cloned().collect();
        for source in sources {
            let live = match source {
                Source::External(external) => Arc::clone(&external.live),
                Source::Slot(slot) => {
                    if slot.is_retired() {
                        continue 'anew;
                    }
                    let is_its = |lease: &Lease| Arc::ptr_eq(lease.slot(), &slot);
                    let lease = match leases.iter().position(is_its) {
                        Some(at) => leases.swap_remove(at),
                        None => slot.lease(),
                    };
                    let opened = origin.opened(&lease, &slots).await;
                    if let Some(Err(error)) = opened {
                        failure.get_or_insert(error);
                        continue;
                    }
                    leases.push(lease);
                    if opened.is_none() {
                        continue 'anew;
                    }
                    Arc::clone(&slot.live)
                }
            };
            let offered = live.medias().into_iter();
            medias.extend(offered.filter(|m| m.direction == Direction::RecvOnly));
        }
        return (medias, leases, failure);
    }
}

/// Whether `stream` is among the sources of `from`, directly or through others.
fn reaches(from: &Arc<Stream>, stream: &str, visited: &mut HashSet<String>) -> bool {
    if from.name() == stream {
        return true;
    }
    if !visited.insert(from.name().to_owned()) {
        return false;
    }
    from.lock_sources().iter().any(|source| match source {
        Source::Slot(slot) => {
            from.named(&slot.source()).is_some_and(|next| reaches(&next, stream, visited))
        }
        Source::External(_) => false,
    })
}

impl Producer for Relay {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(mut self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let mut held: Option<(Attached, Vec<Subscription>)> = None;
            let let_go = |held: Option<(Attached, Vec<Subscription>)>, tracks: &Tracks| {
                if let (Some((attached, _)), Some(departure)) = (held, tracks.departure()) {
                    attached.detach(departure);
                }
                Ended::Cancelled
            };
            loop {
                let wanted = tracks.wanted();
                let medias: Vec<(usize, Media)> = wanted
                    .iter()
                    .filter_map(|w| {
                        let offered = self.medias.get(w.media)?;
                        let mut media = offered.clone();
                        media.direction = Direction::SendOnly;
                        media.codecs = vec![w.codec.clone()];
                        Some((w.media, media))
                    })
                    .collect();
                if cancel.is_cancelled() {
                    if let Some(departure) = tracks.departure() {
                        self.leases.drain(..).for_each(|lease| lease.release(&departure, 0, false));
                    }
                    return let_go(held, &tracks);
                }
                let request = Request {
                    medias: medias.iter().map(|(_, m)| m.clone()).collect(),
                    connection: Arc::new(Connection::new(Description {
                        format_name: "relay".to_owned(),
                        ..Description::default()
                    })),
                    source_tag: None,
                    may_sleep: false,
                };
                let attached = tokio::select! {
                    biased;
                    () = cancel.cancelled() => return let_go(held, &tracks),
                    never = self.origin.let_go(&mut self.leases) => match never {},
                    attached = self.origin.attach(request) => attached,
                };
                let attached = match attached {
                    Ok(attached) => attached,
                    Err(error) => return Ended::Failed(error),
                };
                self.leases.clear();
                let ended = CancellationToken::new();
                drop(held.take());
                let subscriptions = attached.tracks.iter().filter_map(|t| {
                    let writer = tracks.writer(medias.get(t.media)?.0)?;
                    let forward = Forward {
                        writer,
                        connection: Arc::clone(&self.connection),
                        sender: Arc::clone(&t.sender),
                        ended: ended.clone(),
                    };
                    Some(t.track.subscribe(Arc::new(forward)))
                });
                let subscriptions = subscriptions.collect();
                let kicked = attached.kicked();
                let bond = tracks.bond();
                let (attached, _) = held.insert((attached, subscriptions));
                // Whoever waits for the inner source waits for our viewers.
                let contended = async {
                    loop {
                        attached.contended().await;
                        if let Some(bond) = &bond {
                            let awaited = attached.is_contended();
                            bond.contended
                                .send_if_modified(|old| std::mem::replace(old, awaited) != awaited);
                        }
                        tokio::time::sleep(CONTENDED).await;
                        if let (Some(bond), false) = (&bond, attached.is_contended()) {
                            bond.contended.send_replace(false);
                        }
                    }
                };
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => return let_go(held, &tracks),
                    () = contended => return Ended::Finished,
                    () = kicked.cancelled() => return Ended::Finished,
                    () = ended.cancelled() => return Ended::Finished,
                    () = tracks.changed() => {}
                }
            }
        })
    }
}

struct Forward {
    writer: TrackWriter,
    connection: Arc<Connection>,
    sender: Arc<crate::track::Sender>,
    ended: CancellationToken,
}

impl Sink for Forward {
    fn push(&self, frame: &Arc<Frame>) {
        let size = frame.payload.len();
        self.connection.received(size);
        self.sender.sent(1, size);
        self.writer.write(frame.at(frame.pts, frame.dts));
    }

    fn end(&self) {
        self.ended.cancel();
    }
}
