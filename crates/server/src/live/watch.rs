//! Looks whether a configuration file has changed: once a second, by its times.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::stamp::Stamp;
use crate::http::Api;

/// How often files are looked at. A changed one is read when it has rested for
/// as long, so that nothing half written is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a call waits for a file to rest. Longer, and a file that is written again and
/// again would let nobody change anything; shorter, and an editor on a slow disk is cut off.
const PATIENCE: Duration = Duration::from_secs(5);

/// Puts changed files in force until shutdown.
pub(crate) async fn run(api: Arc<Api>) {
    let mut resting = None;
    loop {
        tokio::select! {
            biased;
            () = api.cancel.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        resting = match unread(&api).await {
            Some(now) if resting.as_ref() == Some(&now) => {
                reload(&api, "file").await;
                None
            }
            now => now,
        };
    }
}

/// Waits until no file is being written by somebody else: a call that changes the file must
/// not take the half of it for all. What was read already, as after every call before, is
/// not waited for.
pub(crate) async fn rest(api: &Arc<Api>) {
    let until = Instant::now() + PATIENCE;
    let mut resting = None;
    while let Some(now) = unread(api).await {
        if resting.as_ref() == Some(&now) || api.cancel.is_cancelled() {
            return;
        }
        if Instant::now() >= until {
            let seconds = PATIENCE.as_secs();
            tracing::warn!(target: "config", seconds, "a file is written all the time, a change waits no longer");
            return;
        }
        tracing::debug!(target: "config", "a change waits until a file rests that somebody writes");
        resting = Some(now);
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Puts the configuration in force that stands in the files now, off the threads
/// that carry media. What is wrong is in the log.
pub(crate) async fn reload(api: &Arc<Api>, cause: &'static str) {
    let api = Arc::clone(api);
    let _ = tokio::task::spawn_blocking(move || drop(api.live.reload(&api, cause))).await;
}

/// Off the threads that carry media, too: disks and writers are waited for.
async fn unread(api: &Arc<Api>) -> Option<Vec<Stamp>> {
    let api = Arc::clone(api);
    tokio::task::spawn_blocking(move || api.live.unread()).await.unwrap_or_default()
}
