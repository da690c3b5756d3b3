//! WebRTC publishers (WHIP, RFC 9725, and browsers that send their camera): the
//! other side's pictures and sound become a source of a stream.
//!
//! Viewers of an earlier push of the same codecs go on with it. A publisher that
//! falls silent is taken off the stream and comes back with its next packets;
//! one that has ended is gone at once.

use std::sync::Arc;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, Direction, Media};
use rs2rtc_streams::{Connection, Publication, Stream};
use rs2rtc_webrtc::liveness::Reason;
use rs2rtc_webrtc::{Offer, Selected, Session};
use tokio::sync::watch;
use tracing::{Instrument as _, debug, info, info_span};

use super::{Answer, Gateway, Inner, SessionHandle, Signalling, Terms, refused};
use crate::io::shard::{Hold, Intake, NewSession};

impl Gateway {
    /// Answers a publisher's offer: what it sends becomes a source of the stream
    /// until it ends. For each of its medias the codec is taken that most viewers
    /// understand. `complete`: as for [`Self::answer`].
    ///
    /// # Errors
    /// `Unsupported` for an offer that cannot be used or brings nothing.
    pub async fn publish(
        &self,
        stream: &Arc<Stream>,
        offer: &str,
        signalling: Signalling,
        complete: bool,
    ) -> Result<Answer, Error> {
        let parsed = Offer::parse(offer).map_err(refused)?;
        let selected = parsed.brought();
        if selected.is_empty() {
            let text = "webrtc: offer brings nothing: its medias are recvonly";
            return Err(Error::new(ErrorKind::Unsupported, text));
        }
        let offered = parsed.medias().iter();
        let offered = offered.filter(|media| media.direction == Direction::RecvOnly);
        let connection = signalling.connection(offered.cloned().collect());
        let medias = taken(&parsed, &selected);
        let inner = &self.inner;
        let terms = Terms::of(inner, stream, true, signalling.loopback, complete);
        let (shard, accepted) = inner.accept(parsed, selected, terms).await?;
        let push = Push { stream: Arc::clone(stream), medias, connection };
        let session = inner.take_in(shard, accepted.session, signalling.protocol, push)?;
        Ok(Answer { sdp: accepted.answer, candidates: accepted.candidates, session })
    }
}

/// The medias of a publication: one codec each, numbered as in the selection.
fn taken(offer: &Offer, selected: &[Selected]) -> Vec<Media> {
    let media = |chosen: &Selected| {
        let mut media = offer.medias().get(chosen.media)?.clone();
        media.codecs = vec![chosen.codec.clone()];
        Some(media)
    };
    selected.iter().filter_map(media).collect()
}

/// What is published, and where.
struct Push {
    stream: Arc<Stream>,
    medias: Vec<Media>,
    connection: Arc<Connection>,
}

impl Push {
    fn begin(&self) -> (Publication, Intake) {
        let connection = Arc::clone(&self.connection);
        let publication = self.stream.publish(self.medias.clone(), connection);
        let codecs: Vec<Codec> = self.medias.iter().flat_map(|m| m.codecs.clone()).collect();
        let intake = Intake::new(publication.tracks(), codecs);
        (publication, intake)
    }
}

impl Inner {
    /// Gives a publisher's session to its shard and lists it as a source.
    fn take_in(
        self: &Arc<Self>,
        shard: usize,
        session: Session,
        signalling: String,
        push: Push,
    ) -> Result<SessionHandle, Error> {
        let (hold, watcher) = watch::channel(Hold::Held);
        let (publication, intake) = push.begin();
        let new = NewSession {
            session,
            tracks: Vec::new(),
            connection: Arc::clone(&push.connection),
            signalling,
            stream: push.stream.name().to_owned(),
            hold,
            epoch: push.stream.epoch().0,
            intake: Some(intake),
        };
        let handle = self.hand_over(shard, new, watcher)?;
        let (inner, keeper) = (Arc::clone(self), handle.clone());
        let span = info_span!("source", stream = handle.stream(), scheme = "webrtc");
        let task = async move { keep(&inner, &keeper, push, publication).await };
        self.tasks.spawn("webrtc publisher", task.instrument(span));
        Ok(handle)
    }
}

/// Lists the source as long as its publisher is heard, and ends the session when
/// the stream or the program ends.
async fn keep(inner: &Inner, session: &SessionHandle, push: Push, publication: Publication) {
    info!("publisher has come");
    let mut hold = session.hold.clone();
    let mut publication = Some(publication);
    let (mut told, mut changed) = (false, false);
    let departed = loop {
        let now = hold.borrow_and_update().clone();
        match now {
            Hold::Closed(departed) => break Some(departed),
            Hold::Parked(_) => publication = None,
            // Also if it was parked and came back before we looked: its intake is gone.
            Hold::Held if publication.is_none() || changed => {
                drop(publication.take());
                let (again, intake) = push.begin();
                publication = Some(again);
                inner.shards.intake(session.shard, session.key, intake);
            }
            Hold::Held => {}
        }
        let kicked = async {
            match &publication {
                Some(publication) => publication.kicked().cancelled().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            result = hold.changed() => {
                if result.is_err() {
                    break None;
                }
                changed = true;
            }
            () = inner.cancel.cancelled(), if !told => {
                told = true;
                session.close(Reason::Shutdown, "server stops");
            }
            () = kicked, if !told => {
                told = true;
                session.close(Reason::Deleted, "stream was deleted");
            }
        }
    };
    drop(publication);
    debug!("publisher is off the stream");
    inner.forget(session, departed);
}
