//! A consumer's hold on a stream: parking, resuming, leaving.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, Direction, Media};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::Connection;
use crate::consumer::Consumer;
use crate::events::Event;
use crate::live::Live;
use crate::options::Departure;
use crate::slot::{Lease, Slot};
use crate::stream::Stream;
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

/// A consumer's hold on a stream. Dropping it detaches the consumer (reason
/// `left`, or why it was kicked); with the last one its sources are released at once.
pub struct Attached {
    /// The tracks, in the order they were matched.
    pub tracks: Vec<AttachedTrack>,
    stream: Arc<Stream>,
    consumer: Arc<Consumer>,
    parked: Option<Instant>,
    departure: Option<Departure>,
}

impl Attached {
    pub(crate) const fn new(
        tracks: Vec<AttachedTrack>,
        stream: Arc<Stream>,
        consumer: Arc<Consumer>,
        parked: Option<Instant>,
    ) -> Self {
        Self { tracks, stream, consumer, parked, departure: None }
    }

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

    /// The code of why it was kicked: `deleted` with its stream, `admin`, ...
    pub fn kick_code(&self) -> Option<&'static str> {
        self.consumer.why().map(|kick| kick.code)
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
        self.consumer.set_parked(true);
        self.consumer.release(&departure, true);
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
        let kicked = self.kicked();
        tokio::select! {
            biased;
            () = kicked.cancelled() => {
                let words = self.kick_reason().unwrap_or_default();
                return Err(Error::new(ErrorKind::Ended, words));
            }
            taken = self.take_hold() => taken?,
        }
        self.parked = None;
        self.stream.events().emit(Event::ViewerResumed {
            stream: self.stream.name().to_owned(),
            viewer: self.consumer.connection.id,
            parked: since.elapsed(),
        });
        Ok(())
    }

    /// Opens the sources that it was parked at, or those that took their place.
    async fn take_hold(&self) -> Result<(), Error> {
        loop {
            // Who moves them knows that it has no hold now.
            self.stream.settled(&self.consumer).await;
            // All at once, then wait for each: dropped together if one fails.
            let slots: Vec<Arc<Slot>> = {
                let held = self.consumer.held();
                held.holds.iter().map(|hold| Arc::clone(&hold.slot)).collect()
            };
            let mut leases: Vec<Lease> = slots.iter().map(Slot::lease).collect();
            let mut opened = Some(Ok(()));
            for lease in &leases {
                opened = self.stream.opened(lease, &slots).await;
                if !matches!(opened, Some(Ok(()))) {
                    break;
                }
            }
            let Some(opened) = opened else {
                self.stream.drop_retired(&mut leases);
                continue;
            };
            opened?;
            if self.tracks.iter().any(|t| t.track.is_ended()) {
                return Err(Error::new(ErrorKind::Ended, "streams: a track did not come back"));
            }
            let mut held = self.consumer.held();
            let same = held.holds.len() == slots.len()
                && held.holds.iter().zip(&slots).all(|(hold, slot)| Arc::ptr_eq(&hold.slot, slot));
            if !same {
                // The stream got other sources meanwhile.
                continue;
            }
            for feed in &mut held.feeds.0 {
                let lives = slots.iter().map(|slot| &slot.live);
                let takes = |live: &&Arc<Live>| live.feed_again(&feed.codec, &feed.track).is_some();
                let takes = feed.live.iter().chain(lives).find(takes).cloned();
                feed.live = takes;
            }
            for (hold, lease) in held.holds.iter_mut().zip(leases) {
                lease.start();
                hold.lease = Some(lease);
            }
            self.consumer.set_parked(false);
            return Ok(());
        }
    }

    /// Whether it has no hold on the sources at the moment.
    pub const fn is_parked(&self) -> bool {
        self.parked.is_some()
    }

    /// Resolves when somebody waits for an exclusive group that one of its
    /// sources holds; for a parked consumer never.
    pub fn contended(&self) -> impl Future<Output = ()> + Send + use<> {
        let consumer = Arc::clone(&self.consumer);
        async move {
            let mut moved = consumer.moved();
            loop {
                moved.mark_unchanged();
                let mut waits: Vec<_> = {
                    let held = consumer.held();
                    let leases = held.holds.iter().filter_map(|hold| hold.lease.as_ref());
                    leases.map(|lease| Box::pin(lease.contended())).collect()
                };
                let contended = std::future::poll_fn(move |cx| {
                    let mut waits = waits.iter_mut();
                    if waits.any(|wait| wait.as_mut().poll(cx).is_ready()) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                });
                tokio::select! {
                    biased;
                    () = contended => return,
                    _ = moved.changed() => {}
                }
            }
        }
    }

    /// Whether somebody waits for such a group now.
    pub(crate) fn is_contended(&self) -> bool {
        let held = self.consumer.held();
        held.holds.iter().filter_map(|hold| hold.lease.as_ref()).any(Lease::is_contended)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let departure = self.departure.take().unwrap_or_else(|| {
            Departure::now(self.consumer.why().map_or("left", |kick| kick.code))
        });
        // The camera first.
        self.consumer.release(&departure, false);
        self.tracks.clear();
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
