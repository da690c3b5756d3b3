//! A configuration on trial: in force until a moment, and kept only if somebody
//! confirms it by then. Who locks himself out with a change is let in again.
//!
//! What is not confirmed goes back, also when the program ends before: a change
//! that needs another start cannot be tried like this.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_streams::CancellationToken;
use tokio::time::Instant;

use super::{Applied, Live, Refused};
use crate::config::{WriteError, versions};
use crate::http::Api;

/// The longest time that a configuration can be on trial.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// The configuration that waits to be confirmed, if one does.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed(Mutex<Option<Waiting>>);

#[derive(Debug)]
struct Waiting {
    version: String,
    /// The text that was confirmed last, or never had to be.
    before: String,
    until: Instant,
    settled: CancellationToken,
}

impl Waiting {
    fn is(&self, version: &str) -> bool {
        self.version == version && !self.settled.is_cancelled()
    }
}

impl Unconfirmed {
    /// How long a version still waits; `None`: it is not on trial.
    pub(crate) fn left(&self, version: &str) -> Option<Duration> {
        let waiting = self.lock();
        let waiting = waiting.as_ref().filter(|waiting| waiting.is(version))?;
        Some(waiting.until.saturating_duration_since(Instant::now()))
    }

    /// Keeps a version for good; `false`: it does not wait any more.
    pub(crate) fn confirm(&self, version: &str) -> bool {
        self.take(version).is_some()
    }

    /// Ends the wait of a version and gives the text to go back to.
    fn take(&self, version: &str) -> Option<String> {
        let waiting = self.lock().take_if(|waiting| waiting.is(version))?;
        waiting.settled.cancel();
        Some(waiting.before)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Puts a text in force as [`Self::apply`] does, for good or, with `wait`,
    /// until that has passed without [`Unconfirmed::confirm`]. Either ends the
    /// trial of the one before.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(crate) fn apply_for(
        &self,
        api: &Arc<Api>,
        base: &str,
        text: &str,
        wait: Option<Duration>,
    ) -> Result<Applied, Refused> {
        let before = api.file.text()?;
        let applied = self.apply(api, base, text)?;
        let mut waiting = self.unconfirmed.lock();
        let last = waiting.take();
        if let Some(last) = &last {
            last.settled.cancel();
        }
        let Some(wait) = wait else { return Ok(applied) };
        // On top of a trial: what was good before both is good.
        let before = match last {
            Some(last) if last.version == base => last.before,
            _ => before,
        };
        let version = versions::id(text);
        let settled = CancellationToken::new();
        let until = Instant::now() + wait;
        *waiting =
            Some(Waiting { version: version.clone(), before, until, settled: settled.clone() });
        drop(waiting);
        tracing::info!(target: "config", seconds = wait.as_secs(), "on trial until it is confirmed");
        api.tasks.spawn("configuration on trial", watch(Arc::clone(api), version, until, settled));
        Ok(applied)
    }

    /// Puts the text from before a trial in force again; `None`: that version is not on trial.
    pub(crate) fn go_back(
        &self,
        api: &Api,
        version: &str,
    ) -> Option<Result<(String, Applied), Refused>> {
        let before = self.unconfirmed.take(version)?;
        let applied = self.apply(api, version, &before);
        Some(applied.map(|applied| (versions::id(&before), applied)))
    }

    /// The same in the file alone, for the next start.
    fn write_back(&self, api: &Api, version: &str) -> Option<Result<(), WriteError>> {
        let before = self.unconfirmed.take(version)?;
        Some(api.file.replace(version, &before))
    }
}

/// Goes back when the time is over, or at shutdown.
async fn watch(api: Arc<Api>, version: String, until: Instant, settled: CancellationToken) {
    let ends = tokio::select! {
        biased;
        () = settled.cancelled() => return,
        () = api.cancel.cancelled() => true,
        () = tokio::time::sleep_until(until) => false,
    };
    let back = move || {
        let done = if ends {
            api.live.write_back(&api, &version).map(|done| done.map_err(Refused::from))
        } else {
            api.live.go_back(&api, &version).map(|done| done.map(drop))
        };
        match done {
            Some(Ok(())) => {
                tracing::warn!(target: "config", "not confirmed, the configuration before holds again");
            }
            // Somebody wrote the file meanwhile: that is what holds.
            Some(Err(Refused::Write(WriteError::Conflict { .. }))) | None => {}
            Some(Err(error)) => {
                tracing::error!(target: "config", %error, "not confirmed, but going back failed");
            }
        }
    };
    let _ = tokio::task::spawn_blocking(back).await;
}
