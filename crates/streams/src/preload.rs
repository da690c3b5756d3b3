//! Preload: a viewer that is always there and reads nothing, so that a source
//! is running before somebody asks (`spec/core.md` 8). It is supervised like any
//! viewer; when it cannot be attached it tries again by the table of
//! [`crate::retry`].

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Frame, Media};
use tokio_util::sync::CancellationToken;

use crate::attach::{Attached, Request};
use crate::connection::{Connection, Description};
use crate::options::Departure;
use crate::registry::{Shared, not_found};
use crate::retry::Retry;
use crate::track::Sink;

/// Takes no frames, tells when its track ended.
struct Idle(CancellationToken);

impl Sink for Idle {
    fn push(&self, _: &Arc<Frame>) {}

    fn end(&self) {
        self.0.cancel();
    }
}

/// Holds medias of a stream until `cancel` fires. The stream is looked up by its
/// name again after it was replaced or deleted.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    name: String,
    medias: Vec<Media>,
    cancel: CancellationToken,
) {
    let mut retry = Retry::default();
    loop {
        let mut changed = shared.changed.subscribe();
        let attached = tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            attached = attach(&shared, &name, &medias) => attached,
        };
        let error = match attached {
            Ok(attached) => {
                let since = tokio::time::Instant::now();
                let Some(error) = hold(attached, &cancel).await else { return };
                retry.ran(since.elapsed());
                error
            }
            Err(error) => error,
        };
        let wait = retry.next(Some(error.kind()), false);
        let retry_ms = wait.map(|wait| wait.as_millis() as u64);
        tracing::warn!(target: "streams", stream = name, %error, retry_ms, "preload");
        let timer = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait.max(Duration::from_millis(10))).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => return,
            _ = changed.changed() => retry = Retry::default(),
            () = timer => {}
        }
    }
}

async fn attach(shared: &Arc<Shared>, name: &str, medias: &[Media]) -> Result<Attached, Error> {
    let stream = shared.names().get(name).cloned().ok_or_else(|| not_found(name))?;
    let connection = Arc::new(Connection::new(Description {
        format_name: "preload".to_owned(),
        medias: medias.to_vec(),
        ..Description::default()
    }));
    let medias = medias.to_vec();
    stream.attach(Request { medias, connection, source_tag: None, may_sleep: false }).await
}

/// Says why it had to go; `None` if nobody wants it any more.
async fn hold(attached: Attached, cancel: &CancellationToken) -> Option<Error> {
    let ended = CancellationToken::new();
    let sink: Arc<dyn Sink> = Arc::new(Idle(ended.clone()));
    let subscriptions = attached.tracks.iter().map(|t| t.track.subscribe(Arc::clone(&sink)));
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
