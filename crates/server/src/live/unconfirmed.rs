//! A configuration on trial: in force until a moment, and kept only if somebody
//! confirms it by then. Who locks himself out with a change is let in again.
//!
//! What is not confirmed goes back, also when the program ends before: a change
//! that needs another start cannot be tried like this. Going back is tried until
//! it is done. What the API changes of the file meanwhile stays; whoever writes
//! all of it ends the trial.
//!
//! Locks are taken in this order: what runs, this, the file.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rs2rtc_streams::CancellationToken;
use tokio::time::Instant;

use super::{Applied, Live, Refused};
use crate::config::{ConfigFile, Trial, WriteError, versions};
use crate::http::Api;

/// The longest time that a configuration can be on trial.
pub(crate) const LONGEST: Duration = Duration::from_secs(3600);

/// When going back is tried again that was not possible.
pub(crate) const AGAIN: Duration = Duration::from_secs(5);

/// Who waits for a confirmation, if somebody does.
#[derive(Debug, Default)]
pub(crate) struct Unconfirmed(Mutex<Option<Waiting>>);

#[derive(Debug)]
struct Waiting {
    /// As it was applied; the file knows it with what was changed since.
    version: String,
    until: Instant,
    settled: CancellationToken,
}

impl Waiting {
    /// The trial, if it is this one that waits and `version` is a name of it.
    fn trial(&self, file: &ConfigFile, version: &str) -> Option<Trial> {
        file.trial().filter(|trial| self.version == version || trial.version == version)
    }
}

impl Unconfirmed {
    /// Begins a wait; the one before is over.
    fn begin(&self, version: String, until: Instant) -> CancellationToken {
        let settled = CancellationToken::new();
        let waiting = Waiting { version, until, settled: settled.clone() };
        if let Some(last) = self.lock().replace(waiting) {
            last.settled.cancel();
        }
        settled
    }

    fn end(&self) {
        if let Some(last) = self.lock().take() {
            last.settled.cancel();
        }
    }

    fn trial(&self, file: &ConfigFile, version: &str) -> Option<Trial> {
        self.lock().as_ref()?.trial(file, version)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Writes a text into the file, if that is still the one of version `base`,
    /// and puts it in force, for good or, with `wait`, until that has passed
    /// without [`Self::confirm`]. Either ends the trial of the one before.
    ///
    /// # Errors
    /// See [`Refused`]; file and running configuration are as before then.
    pub(crate) fn apply_for(
        &self,
        api: &Arc<Api>,
        base: &str,
        text: &str,
        wait: Option<Duration>,
    ) -> Result<Applied, Refused> {
        // Nobody else may find the new text first: who asked is told what it
        // changed. And nobody may take its place before its trial has begun.
        let mut running = self.lock();
        // What was written before comes first. What is wrong in it is in the log.
        let _ = self.reload_locked(api, &mut running, "file");
        let Some(wait) = wait else {
            let write = || api.file.replace(base, text);
            let applied = self.apply_locked(api, &mut running, text, write)?;
            self.unconfirmed.end();
            return Ok(applied);
        };
        // On top of a trial: what was good before both is good.
        let before = match api.file.trial() {
            Some(trial) if trial.version == base => trial.before,
            _ => running.text.clone().unwrap_or_default(),
        };
        let write = || api.file.try_out(base, text, &before);
        let applied = self.apply_locked(api, &mut running, text, write)?;
        let (version, until) = (versions::id(text), Instant::now() + wait);
        let settled = self.unconfirmed.begin(version.clone(), until);
        drop(running);
        tracing::info!(target: "config", seconds = wait.as_secs(), "on trial until it is confirmed");
        api.tasks.spawn("configuration on trial", watch(Arc::clone(api), version, until, settled));
        Ok(applied)
    }

    /// How long a version still waits to be confirmed; `None`: it is not on trial.
    pub(crate) fn left(&self, api: &Api, version: &str) -> Option<Duration> {
        let waiting = self.unconfirmed.lock();
        let waiting = waiting.as_ref().filter(|w| w.trial(&api.file, version).is_some())?;
        Some(waiting.until.saturating_duration_since(Instant::now()))
    }

    /// Keeps a version for good; `false`: it does not wait any more.
    pub(crate) fn confirm(&self, api: &Api, version: &str) -> bool {
        let _running = self.lock();
        let waits = self.unconfirmed.trial(&api.file, version).is_some();
        if waits {
            self.settle(api);
        }
        waits
    }

    /// Puts the text from before a trial in force again, with the mistakes that it
    /// always had; `None`: that version is not on trial. If it cannot be written
    /// the trial goes on.
    pub(crate) fn go_back(
        &self,
        api: &Api,
        version: &str,
    ) -> Option<Result<(String, Applied), Refused>> {
        let mut running = self.lock();
        let trial = self.unconfirmed.trial(&api.file, version)?;
        let done = self.restore(api, &mut running, &trial);
        if matches!(done, Ok(_) | Err(Refused::Write(WriteError::Conflict { .. }))) {
            self.settle(api);
        }
        Some(done.map(|applied| (versions::id(&trial.before), applied)))
    }

    /// The same in the file alone, for the next start.
    fn write_back(&self, api: &Api, version: &str) -> Option<Result<(), WriteError>> {
        let _running = self.lock();
        let trial = self.unconfirmed.trial(&api.file, version)?;
        Some(api.file.replace(&trial.version, &trial.before))
    }

    fn settle(&self, api: &Api) {
        self.unconfirmed.end();
        api.file.settle();
    }
}

/// Goes back when the time is over, or at shutdown.
async fn watch(api: Arc<Api>, version: String, mut until: Instant, settled: CancellationToken) {
    let mut told = None;
    loop {
        let ends = tokio::select! {
            biased;
            () = settled.cancelled() => return,
            () = api.cancel.cancelled() => true,
            () = tokio::time::sleep_until(until) => false,
        };
        let (api, version) = (Arc::clone(&api), version.clone());
        let back = move || match ends {
            true => api.live.write_back(&api, &version).map(|done| done.map_err(Refused::from)),
            false => api.live.go_back(&api, &version).map(|done| done.map(drop)),
        };
        match tokio::task::spawn_blocking(back).await {
            Ok(Some(Ok(()))) => {
                tracing::warn!(target: "config", "not confirmed, the configuration before holds again");
                return;
            }
            Ok(Some(Err(Refused::Write(WriteError::Conflict { .. })))) => {
                let text = "not confirmed, but somebody else has written the file: it stays so";
                tracing::warn!(target: "config", "{text}");
                return;
            }
            Ok(Some(Err(error))) => {
                let error = error.to_string();
                if told.as_ref() != Some(&error) {
                    tracing::error!(target: "config", error, "not confirmed, but going back failed");
                }
                told = Some(error);
            }
            Ok(None) | Err(_) => return,
        }
        if ends {
            return;
        }
        until = Instant::now() + AGAIN;
    }
}
