//! Preload: a viewer that is always there and reads nothing, so that a source
//! is running before somebody asks (`spec/core.md` 8). It is supervised like any
//! viewer; when it cannot be attached it tries again by the table of
//! [`crate::retry`].

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::url::query_pairs;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Frame, Media, filter};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::attach::{Attached, Request};
use crate::connection::{Connection, Description};
use crate::options::Departure;
use crate::registry::Shared;
use crate::repeats::{Repeat, Repeats};
use crate::retry::Retry;
use crate::snapshot::ConnectionSnapshot;
use crate::track::{Sender, Sink, size_of};

/// What is preloaded if the query says nothing.
const DEFAULT_QUERY: &str = "video&audio";

/// A preload as the API lists it (`spec/api.md` 3.4).
#[derive(Clone, Debug)]
pub struct PreloadSnapshot {
    /// What it asks for, e.g. `video&audio`.
    pub query: String,
    /// Its connection; without senders while it is not attached.
    pub consumer: ConnectionSnapshot,
}

/// What is kept running under one name.
#[derive(Clone)]
pub(crate) struct Preload {
    query: String,
    connection: Arc<Connection>,
    medias: Vec<Media>,
    /// Ends it.
    pub(crate) cancel: CancellationToken,
}

impl Preload {
    /// Reads a query: `video`, `audio` and `microphone` with the codecs they may
    /// have. Empty: pictures and sound.
    ///
    /// # Errors
    /// `Config` for a query that asks for nothing.
    pub(crate) fn new(query: &str, cancel: CancellationToken) -> Result<Self, Error> {
        let query = if query.is_empty() { DEFAULT_QUERY } else { query };
        let pairs: Vec<(String, String)> = query_pairs(query).collect();
        let medias = filter::medias(pairs.iter().map(|(name, value)| (&**name, &**value)));
        if medias.is_empty() {
            let text = format!("streams: preload {query}: use video, audio and microphone");
            return Err(Error::new(ErrorKind::Config, text));
        }
        let connection = Arc::new(Connection::new(Description {
            format_name: "preload".to_owned(),
            medias: medias.clone(),
            ..Description::default()
        }));
        Ok(Self { query: query.to_owned(), connection, medias, cancel })
    }

    /// Whether it asks for the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.query == other.query
    }

    /// Attaches it to the stream of a name.
    ///
    /// # Errors
    /// `streams: stream not found: <name>`, and what the stream says.
    pub(crate) async fn attach(&self, shared: &Shared, name: &str) -> Result<Attached, Error> {
        let stream = shared.names().get(name).cloned();
        let stream = stream.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("streams: stream not found: {name}"))
        })?;
        let request = Request {
            medias: self.medias.clone(),
            connection: Arc::clone(&self.connection),
            source_tag: None,
            may_sleep: false,
        };
        stream.attach_unhurried(request).await
    }

    /// Stays attached until `cancel` fires. The stream is looked up by its name
    /// again after it was replaced or deleted. The preload that it replaces ends
    /// once it was tried, so that a source that both want goes on.
    pub(crate) async fn keep(
        self,
        shared: Arc<Shared>,
        name: String,
        first: Option<Attached>,
        replaced: Option<DropGuard>,
    ) {
        let mut retry = Retry::default();
        let mut repeats = Repeats::default();
        let (mut first, mut replaced) = (first, replaced);
        loop {
            let mut changed = shared.changed.subscribe();
            let attached = match first.take() {
                Some(attached) => Ok(attached),
                None => tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => return,
                    attached = self.attach(&shared, &name) => attached,
                },
            };
            drop(replaced.take());
            let error = match attached {
                Ok(attached) => {
                    let since = Instant::now();
                    let Some(error) = hold(attached, &self.cancel).await else { return };
                    retry.ran(since.elapsed());
                    error
                }
                Err(error) => error,
            };
            let wait = retry.next(Some(error.kind()), false);
            let retry_ms = wait.map(|wait| wait.as_millis() as u64);
            let Repeat { is_news, tries } = repeats.count(&error.to_string(), Instant::now());
            let tries = Some(tries).filter(|tries| *tries > 1);
            if is_news {
                tracing::warn!(target: "streams", stream = name, %error, retry_ms, tries, "preload");
            } else {
                tracing::debug!(target: "streams", stream = name, %error, retry_ms, tries, "preload");
            }
            let timer = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait.max(Duration::from_millis(10))).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                _ = changed.changed() => retry = Retry::default(),
                () = timer => {}
            }
        }
    }

    pub(crate) fn snapshot(&self, shared: &Shared, name: &str) -> PreloadSnapshot {
        let stream = shared.names().get(name).cloned();
        let consumers = stream.map(|stream| stream.consumers().0).unwrap_or_default();
        let own = consumers.iter().find(|c| Arc::ptr_eq(&c.connection, &self.connection));
        let consumer = own.map_or_else(
            || ConnectionSnapshot::new(&self.connection, Vec::new(), Vec::new()),
            |consumer| ConnectionSnapshot::of_consumer(consumer),
        );
        PreloadSnapshot { query: self.query.clone(), consumer }
    }
}

/// Counts frames and drops them, tells when its track ended.
struct Idle {
    connection: Arc<Connection>,
    sender: Arc<Sender>,
    ended: CancellationToken,
}

impl Sink for Idle {
    fn push(&self, frame: &Arc<Frame>) {
        let (packets, bytes) = size_of(frame);
        self.sender.sent(packets, bytes);
        self.connection.sent(bytes);
    }

    fn end(&self) {
        self.ended.cancel();
    }
}

/// Says why it had to go; `None` if nobody wants it any more.
async fn hold(attached: Attached, cancel: &CancellationToken) -> Option<Error> {
    let ended = CancellationToken::new();
    let subscriptions = attached.tracks.iter().map(|t| {
        t.track.subscribe(Arc::new(Idle {
            connection: Arc::clone(attached.connection()),
            sender: Arc::clone(&t.sender),
            ended: ended.clone(),
        }))
    });
    let _subscriptions: Vec<_> = subscriptions.collect();
    let kicked = attached.kicked();
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            attached.detach(Departure::now("left"));
            return None;
        }
        () = kicked.cancelled() => {}
        () = ended.cancelled() => {}
    }
    let text = attached.kick_reason().unwrap_or_else(|| "a track ended".to_owned());
    Some(Error::new(ErrorKind::Ended, text))
}
