//! Publishing a stream to a server (`spec/core.md` 9): a viewer that sends what
//! it gets to an address, for ever. What ends is begun again after five seconds,
//! whether the server or the camera was the reason.
//!
//! Which addresses there are is not known here: [`Destination`]s come from the
//! [`crate::Opener`] by their scheme.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted};
use rs2rtc_media::Media;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::attach::{Attached, Request};
use crate::connection::{Connection, Description};
use crate::producer::{BoxFuture, Ended};
use crate::registry::{Shared, not_found};

/// How long a publication that ended waits for its next try.
const AGAIN: Duration = Duration::from_secs(5);

/// A kind of server that streams can be published to.
pub trait Destination: Send + Sync + 'static {
    /// What the API shows of the connection.
    fn format_name(&self) -> &'static str;

    /// What it can take, from our side.
    fn medias(&self) -> Vec<Media>;

    /// Connects and sends until the server or the stream ends it, or `cancel`
    /// fires; then says goodbye within two seconds and returns. Never retries.
    fn send(&self, url: String, attached: Attached, cancel: CancellationToken) -> BoxFuture<Ended>;
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
    /// `streams: unsupported scheme: <url>`.
    pub(crate) fn new(shared: &Shared, stream: &str, url: &str) -> Result<Self, Error> {
        let destination = shared.destination(url).ok_or_else(|| {
            let text = format!("streams: unsupported scheme: {}", Redacted(url));
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
            url: self.url.clone(),
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
        while !self.cancel.is_cancelled() {
            let attached = match first.take() {
                Some(attached) => Ok(attached),
                None => tokio::select! {
                    biased;
                    () = self.cancel.cancelled() => return,
                    attached = self.attach(&shared) => attached,
                },
            };
            let problem = match attached {
                Ok(attached) => {
                    let (url, cancel) = (self.url.clone(), self.cancel.child_token());
                    match self.destination.send(url, attached, cancel).await {
                        Ended::Cancelled | Ended::Finished => "the connection ended".to_owned(),
                        Ended::Failed(error) => error.to_string(),
                    }
                }
                Err(error) => error.to_string(),
            };
            if self.cancel.is_cancelled() {
                return;
            }
            // The same again and again is said once.
            if problem != said {
                let (stream, url) = (self.stream.as_str(), Redacted(&self.url));
                tracing::warn!(target: "streams", stream, %url, problem, "publish");
                said = problem;
            }
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return,
                () = sleep(AGAIN) => {}
            }
        }
    }
}
