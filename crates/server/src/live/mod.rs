//! The configuration in force, and how another one takes its place while the
//! program runs.
//!
//! A signal, a changed file, the API and the web interface all go the same way:
//! read, check, compare, apply ([`Live::reload`]). What did not change is not
//! touched, so viewers of unchanged streams notice nothing. A configuration with
//! a new mistake is refused whole and the old one goes on.

mod apply;
mod diff;
pub(crate) mod unconfirmed;
pub(crate) mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use rs2rtc_base::Current;
use rs2rtc_endpoints::outputs::rtsp;

use crate::config::sources::{self, Items, Process, Sources};
use crate::config::{Config, Problem, Severity, WriteError};
use crate::http::Api;

pub(crate) use apply::{
    create_streams, exec_config, ffmpeg_config, passwords, rtsp_config, start_preloads,
    start_publishing, webrtc_config,
};
pub use diff::{Change, What};

/// The configuration in force.
#[derive(Debug)]
pub struct Live {
    items: Items,
    running: Mutex<Running>,
    unconfirmed: unconfirmed::Unconfirmed,
    rtsp: OnceLock<Arc<Current<rtsp::Config>>>,
}

#[derive(Debug)]
struct Running {
    /// What the program was started with: addresses and modules are still these.
    started: Config,
    config: Config,
    /// What stood in the file; `None`: there was none.
    text: Option<String>,
    since: SystemTime,
    files: Vec<PathBuf>,
    /// Whether it was told that the next start takes another file.
    told: bool,
}

/// A text that was checked, not applied.
#[derive(Debug)]
pub struct Checked {
    /// What it says, with what is wrong in it.
    pub config: Config,
    /// Values that must not be shown, those of this text included.
    pub secrets: Vec<String>,
}

/// What a new configuration changed.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// In the order of the sections.
    pub changes: Vec<Change>,
    /// Keys whose values hold from the next start on.
    pub restart_required: Vec<String>,
    /// What is odd in it, and mistakes that were there before.
    pub problems: Vec<Problem>,
}

/// Why a new configuration is not in force. The old one is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// It has mistakes that the old one has not.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Problem>),
    /// A file that was there is gone: that is no wish to have no cameras.
    #[error("{0} does not exist any more")]
    Gone(String),
    /// A file cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Live {
    /// The configuration that the program starts with.
    pub fn new(items: Items, config: Config, sources: &Sources) -> Self {
        let running = Running {
            started: config.clone(),
            config,
            text: sources.text.clone(),
            since: saved(sources.path.as_deref()),
            files: sources.files.clone(),
            told: false,
        };
        Self {
            items,
            running: Mutex::new(running),
            unconfirmed: unconfirmed::Unconfirmed::default(),
            rtsp: OnceLock::new(),
        }
    }

    /// Tells where the settings of the RTSP server are. The first call counts.
    pub fn set_rtsp(&self, settings: Arc<Current<rtsp::Config>>) {
        let _ = self.rtsp.set(settings);
    }

    /// The configuration that waits to be confirmed.
    pub(crate) const fn unconfirmed(&self) -> &unconfirmed::Unconfirmed {
        &self.unconfirmed
    }

    /// Checks a text as if it stood in the configuration file.
    pub fn check(&self, text: &str) -> Checked {
        let sources = sources::read(&self.items, &Process, Some(text));
        if sources.path.is_some() {
            let config = Config::from_sources(&sources);
            return Checked { config, secrets: sources.secrets };
        }
        Checked { config: Config::parse("configuration", text), secrets: Vec::new() }
    }

    /// What a checked text would change. May tell secrets by comparison: for
    /// admins only.
    pub fn preview(&self, checked: &Checked) -> Applied {
        let running = self.lock();
        Applied {
            changes: diff::changes(&running.config, &checked.config),
            restart_required: diff::restart_required(&running.started, &checked.config),
            problems: checked.config.problems.clone(),
        }
    }

    /// Mistakes of a checked text that the configuration in force has not: with
    /// them it would be refused.
    pub fn new_errors(&self, checked: &Checked) -> Vec<Problem> {
        new_errors(&self.lock().config, &checked.config)
    }

    /// Reads the configuration again and puts it in force. `cause` is for the log.
    ///
    /// # Errors
    /// See [`Refused`]; nothing is changed then.
    pub fn reload(&self, api: &Api, cause: &'static str) -> Result<Applied, Refused> {
        let mut running = self.lock();
        self.tell_of_another(&mut running);
        self.reload_locked(api, &mut running, cause)
    }

    /// Without items on the command line: that the file read now is not the one
    /// that a start would take.
    fn tell_of_another(&self, running: &mut Running) {
        let other = self.items.preferred().filter(|path| path.exists());
        let known = std::mem::replace(&mut running.told, other.is_some());
        if let Some(path) = other.filter(|_| !known) {
            let path = path.display();
            tracing::warn!(target: "config", "{path} is not read before the next start");
        }
    }

    fn reload_locked(
        &self,
        api: &Api,
        running: &mut Running,
        cause: &'static str,
    ) -> Result<Applied, Refused> {
        let result = self.put(api, running, self.sources());
        match &result {
            Ok(applied) if applied.changes.is_empty() => {}
            Ok(applied) => tell(applied, cause),
            Err(refused) => {
                tracing::error!(target: "config", cause, "not applied, the old configuration goes on");
                match refused {
                    Refused::Invalid(problems) => problems.iter().for_each(|problem| {
                        tracing::error!(target: "config", "{problem}");
                    }),
                    other => tracing::error!(target: "config", "{other}"),
                }
            }
        }
        result
    }

    /// Changes what runs and writes the same into the file, as one step: whatever
    /// reads the file meanwhile would undo what is not written yet.
    pub fn edit<T>(&self, api: &Api, change: impl FnOnce() -> T) -> T {
        let mut running = self.lock();
        // What was written before comes first. What is wrong is in the log.
        let before = self.reload_locked(api, &mut running, "file");
        // A file that is gone comes back as it was: the change is one to what runs.
        if let (Err(Refused::Gone(path)), Some(text)) = (before, &running.text) {
            match api.file.write(text) {
                Ok(()) => tracing::warn!(target: "config", "{path} is written again"),
                Err(error) => tracing::warn!(target: "config", "{error}"),
            }
        }
        let done = change();
        let _ = self.reload_locked(api, &mut running, "api");
        done
    }

    fn sources(&self) -> Sources {
        sources::read(&self.items, &Process, None)
    }

    fn put(&self, api: &Api, running: &mut Running, sources: Sources) -> Result<Applied, Refused> {
        if let Some(text) = sources.unreadable.first() {
            return Err(Refused::Unreadable(text.clone()));
        }
        if running.text.is_some() && sources.text.is_none() {
            let path = sources.path.as_deref().map(|path| path.display().to_string());
            return Err(Refused::Gone(path.unwrap_or_default()));
        }
        let config = Config::from_sources(&sources);
        let errors = new_errors(&running.config, &config);
        if !errors.is_empty() {
            return Err(Refused::Invalid(errors));
        }
        if let Some(old) = running.text.as_ref().filter(|old| Some(*old) != sources.text.as_ref()) {
            api.file.keep(old, running.since);
        }
        // Before anything of it can reach the log.
        api.secrets.add(sources.secrets);
        api.secrets.add(passwords(&config));
        let changes = diff::changes(&running.config, &config);
        let restart_required = diff::restart_required(&running.started, &config);
        if !changes.is_empty() {
            let parts = apply::Parts { api, rtsp: self.rtsp.get() };
            apply::apply(&parts, &running.started, &running.config, &config);
        }
        let problems = config.problems.clone();
        running.config = config;
        running.text = sources.text;
        running.since = saved(sources.path.as_deref());
        running.files = sources.files;
        Ok(Applied { changes, restart_required, problems })
    }

    /// Writes a text into the file, if that is still the one of version `base`,
    /// and puts it in force.
    ///
    /// # Errors
    /// See [`Refused`]; file and running configuration are as before then.
    pub fn apply(&self, api: &Api, base: &str, text: &str) -> Result<Applied, Refused> {
        let errors = self.new_errors(&self.check(text));
        if !errors.is_empty() {
            return Err(Refused::Invalid(errors));
        }
        // Nobody else may find the new text first: who asked is told what it changed.
        let mut running = self.lock();
        api.file.replace(base, text)?;
        self.reload_locked(api, &mut running, "api")
    }

    /// All files that are looked for, whether they exist or not.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = self.lock().files.clone();
        files.extend(self.items.preferred());
        files
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn saved(path: Option<&Path>) -> SystemTime {
    let modified = path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    modified.unwrap_or_else(SystemTime::now)
}

fn new_errors(old: &Config, new: &Config) -> Vec<Problem> {
    let known = |problem: &Problem| {
        old.problems.iter().any(|o| o.path == problem.path && o.text == problem.text)
    };
    let errors = new.problems.iter().filter(|p| p.severity == Severity::Error && !known(p));
    errors.cloned().collect()
}

fn tell(applied: &Applied, cause: &'static str) {
    const SHOWN: usize = 20;
    let mut changes: Vec<String> =
        applied.changes.iter().take(SHOWN).map(ToString::to_string).collect();
    if applied.changes.len() > SHOWN {
        changes.push(format!("and {} more", applied.changes.len() - SHOWN));
    }
    tracing::info!(target: "config", cause, changes = changes.join(", "), "new configuration");
    for problem in &applied.problems {
        tracing::warn!(target: "config", "{problem}");
    }
    if !applied.restart_required.is_empty() {
        let keys = applied.restart_required.join(", ");
        tracing::warn!(target: "config", keys, "takes effect with the next start");
    }
}
