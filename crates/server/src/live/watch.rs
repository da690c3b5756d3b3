//! Looks whether a configuration file has changed.
//!
//! Asking the system for the times of a few files once a second works on every
//! file system, also for files that are mounted or replaced by renaming.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::http::Api;

/// How often files are looked at. A changed one is read when it has rested for
/// as long, so that nothing half written is read.
const INTERVAL: Duration = Duration::from_secs(1);

/// When a file was changed, how long it is, and which file it is.
type Stamp = Option<(SystemTime, u64, Inode)>;

/// The number of a file, and when anything of it was changed: a copy may have the
/// times of what it was copied from, and one that could not be read may be let.
type Inode = (u64, i64, i64);

/// Puts changed files in force until shutdown. What the API writes is read at once.
pub(crate) async fn run(api: Arc<Api>) {
    let written = api.file.changed();
    // Of what was read at the start nothing is known: it is read once more.
    let mut known = Vec::new();
    let mut resting = None;
    loop {
        tokio::select! {
            biased;
            () = api.cancel.cancelled() => return,
            () = written.notified() => {
                known = stamps(&api).await;
                resting = None;
                reload(&api, "api").await;
                continue;
            }
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let now = stamps(&api).await;
        if now == known {
            resting = None;
        } else if resting.as_ref() == Some(&now) {
            known = now;
            resting = None;
            reload(&api, "file").await;
        } else {
            resting = Some(now);
        }
    }
}

/// Puts the configuration in force that stands in the files now, off the threads
/// that carry media. What is wrong is in the log.
pub(crate) async fn reload(api: &Arc<Api>, cause: &'static str) {
    let api = Arc::clone(api);
    let _ = tokio::task::spawn_blocking(move || drop(api.live.reload(&api, cause))).await;
}

/// Off the threads that carry media, too: disks and writers are waited for.
async fn stamps(api: &Arc<Api>) -> Vec<Stamp> {
    let api = Arc::clone(api);
    let all = move || api.live.files().iter().map(|path| stamp(path)).collect();
    tokio::task::spawn_blocking(all).await.unwrap_or_default()
}

fn stamp(path: &std::path::Path) -> Stamp {
    let meta = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let inode = {
        use std::os::unix::fs::MetadataExt as _;
        (meta.ino(), meta.ctime(), meta.ctime_nsec())
    };
    #[cfg(not(unix))]
    let inode = Inode::default();
    Some((meta.modified().ok()?, meta.len(), inode))
}
