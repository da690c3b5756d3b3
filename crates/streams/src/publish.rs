//! Publishing a stream to a server (`spec/core.md` 9): a viewer that sends what
//! it gets to an address, for ever. What ends is begun again after five seconds,
//! whether the server or the camera was the reason.
//!
//! Which addresses there are is not known here: [`Destination`]s come from the
//! [`crate::Opener`] by their scheme and by who named them.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, RedactedTarget};
use rs2rtc_media::Media;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::attach::{Attached, Request};
use crate::connection::{Connection, Description};
use crate::options::Departure;
use crate::producer::{BoxFuture, Ended, Origin};
use crate::registry::{Shared, not_found};

/// How long a publication that ended waits for its next try.
const AGAIN: Duration = Duration::from_secs(5);

/// The same where the server refuses us: it will hardly think otherwise soon, and asking
/// for its opinion opens the camera.
const REFUSED: Duration = Duration::from_secs(60);

/// What ended after so long is told, also if it is what ended the one before.
const NEWS: Duration = Duration::from_secs(60);

/// An address that streams can be published to.
pub trait Destination: Send + Sync + 'static {
    /// What the API shows of the connection.
    fn format_name(&self) -> &'static str;

    /// What it can take, from our side.
    fn medias(&self) -> Vec<Media>;

    /// Connects, so that no camera is opened for a server that is not there. May
    /// be dropped.
    ///
    /// # Errors
    /// What failed, without secrets.
    fn connect(&self) -> BoxFuture<Result<Box<dyn Connected>, Error>>;
}

/// A server that is there. It may have to wait until the camera is open.
pub trait Connected: Send {
    /// Sends until the server or the stream ends it, or `cancel` fires; then lets
    /// go of the stream, says goodbye within two seconds and returns. Never retries.
    fn send(self: Box<Self>, attached: Attached, cancel: CancellationToken) -> BoxFuture<Ended>;
}

/// A stream that is published to an address.
#[derive(Clone)]
pub(crate) struct Outlet {
    stream: String,
    url: String,
    destination: Arc<dyn Destination>,
    pub(crate) cancel: CancellationToken,
}

impl Outlet {
    /// # Errors
    /// `streams: unsupported scheme: <url>`; what is wrong with the address.
    pub(crate) fn new(
        shared: &Shared,
        stream: &str,
        url: &str,
        origin: Origin,
    ) -> Result<Self, Error> {
        let destination = shared.destination(url, origin)?.ok_or_else(|| {
            let text = format!("streams: unsupported scheme: {}", RedactedTarget(url));
            Error::new(ErrorKind::Unsupported, text)
        })?;
        let cancel = shared.cancel.child_token();
        Ok(Self { stream: stream.to_owned(), url: url.to_owned(), destination, cancel })
    }

    pub(crate) async fn attach(&self, shared: &Shared) -> Result<Attached, Error> {
        let stream = shared.names().get(&self.stream).cloned();
        let stream = stream.ok_or_else(|| not_found(&self.stream))?;
        let medias = self.destination.medias();
        let connection = Arc::new(Connection::new(Description {
            format_name: self.destination.format_name().to_owned(),
            url: RedactedTarget(&self.url).to_string(),
            medias: medias.clone(),
            ..Description::default()
        }));
        let request = Request { medias, connection, source_tag: None, may_sleep: false };
        stream.attach_unhurried(request).await
    }

    /// Publishes until it is cancelled.
    pub(crate) async fn keep(self, shared: Arc<Shared>, first: Option<Attached>) {
        let mut first = first;
        let mut said = String::new();
        loop {
            let since = Instant::now();
            let Some(error) = self.once(&shared, first.take()).await else { return };
            // The same again and again is said once.
            let problem = error.to_string();
            if problem != said || since.elapsed() >= NEWS {
                let (stream, url) = (self.stream.as_str(), RedactedTarget(&self.url));
                tracing::warn!(target: "streams", stream, %url, problem, "publish");
                said = problem;
            }
            let wait = match error.kind() {
                ErrorKind::Auth | ErrorKind::Config => REFUSED,
                _ => AGAIN,
            };
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                () = sleep(wait) => {}
            }
        }
    }

    /// Publishes until it ends. Gives the reason; `None` once it is cancelled.
    async fn once(&self, shared: &Shared, first: Option<Attached>) -> Option<Error> {
        let begin = async {
            let connected = match (self.destination.connect().await, first) {
                (Ok(connected), Some(attached)) => return Ok((connected, attached)),
                (Ok(connected), None) => connected,
                (Err(error), first) => {
                    if let Some(attached) = first {
                        attached.detach(Departure::now("refused"));
                    }
                    return Err(error);
                }
            };
            Ok((connected, self.attach(shared).await?))
        };
        let begun = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return None,
            begun = begin => begun,
        };
        let (connected, attached) = match begun {
            Ok(begun) => begun,
            Err(error) => return Some(error),
        };
        let ended = connected.send(attached, self.cancel.child_token()).await;
        if self.cancel.is_cancelled() {
            return None;
        }
        Some(match ended {
            Ended::Failed(error) => error,
            Ended::Cancelled | Ended::Finished => {
                Error::new(ErrorKind::Ended, "the connection ended")
            }
        })
    }
}
