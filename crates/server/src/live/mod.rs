//! The configuration in force, and how another one takes its place while the
//! program runs.
//!
//! A signal, a changed file, the API and the web interface all go the same way:
//! read, check, compare, apply ([`Live::reload`]). What did not change is not
//! touched, so viewers of unchanged streams notice nothing. A configuration with
//! a new mistake is refused whole and the old one goes on.

mod apply;
mod diff;
mod edit;
pub(crate) mod unconfirmed;
pub(crate) mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use rs2rtc_base::Current;
use rs2rtc_endpoints::outputs::rtsp;

use crate::config::sources::{self, Items, Process, Sources};
use crate::config::stamp::Stamp;
use crate::config::{Config, Problem, Severity, Trial, WriteError};
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
    /// How they were before they were read last, whatever came of it.
    read: Vec<Stamp>,
    /// Those of them that did not exist.
    missing: Vec<PathBuf>,
    /// Whether it was told that the next start takes another file.
    told: bool,
    /// What a call is writing into the file.
    by: Option<edit::Subject>,
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
            read: sources.stamps.clone(),
            missing: sources.missing.clone(),
            told: false,
            by: None,
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

    /// Checks a text as if it stood in the configuration file.
    pub fn check(&self, text: &str) -> Checked {
        let sources = self.sources(Some(text));
        if sources.path.is_some() {
            let config = Config::from_sources(&sources);
            return Checked { config, secrets: sources.secrets };
        }
        Checked { config: Config::parse("configuration", text), secrets: Vec::new() }
    }

    /// Checks a text of somebody who may not know what this machine holds: it stands for
    /// itself, without variables, files and what else there is of a configuration.
    pub fn check_alone(&self, text: &str) -> Checked {
        let name = match self.lock().files.first().and_then(|file| file.file_name()) {
            Some(name) => name.to_string_lossy().into_owned(),
            None => "configuration".to_owned(),
        };
        let sources = sources::alone(&name, text);
        Checked { config: Config::from_sources(&sources), secrets: sources.secrets }
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
        let result = self.put(api, running, cause);
        if let Err(refused) = &result {
            tracing::error!(target: "config", cause, "not applied, the old configuration goes on");
            match refused {
                Refused::Invalid(problems) => problems.iter().for_each(|problem| {
                    tracing::error!(target: "config", "{problem}");
                }),
                other => tracing::error!(target: "config", "{other}"),
            }
        }
        result
    }

    /// Writes the file and puts in force what then stands in it, as one step. What
    /// is wrong in it is in the log.
    ///
    /// # Errors
    /// What `write` says; nothing is changed then.
    pub fn write(
        &self,
        api: &Api,
        write: impl FnOnce() -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let mut running = self.lock();
        write()?;
        let _ = self.reload_locked(api, &mut running, "api");
        Ok(())
    }

    fn sources(&self, instead: Option<&str>) -> Sources {
        sources::read(&self.items, &Process, instead)
    }

    /// The sources, if all of them are there that were there before.
    fn readable(&self, running: &mut Running, instead: Option<&str>) -> Result<Sources, Refused> {
        let sources = self.sources(instead);
        if instead.is_none() {
            running.read.clone_from(&sources.stamps);
        }
        if let Some(text) = sources.unreadable.first() {
            return Err(Refused::Unreadable(text.clone()));
        }
        match sources.missing.iter().find(|path| !running.missing.contains(path)) {
            Some(path) => Err(Refused::Gone(path.display().to_string())),
            None => Ok(sources),
        }
    }

    fn put(
        &self,
        api: &Api,
        running: &mut Running,
        cause: &'static str,
    ) -> Result<Applied, Refused> {
        let sources = self.readable(running, None)?;
        let config = checked(api, &running.config, &sources)?;
        Ok(self.force(api, running, sources, config, cause))
    }

    /// Writes a text with `write` and puts just that in force.
    fn apply_locked(
        &self,
        api: &Api,
        running: &mut Running,
        text: &str,
        write: impl FnOnce() -> Result<(), WriteError>,
    ) -> Result<Applied, Refused> {
        let mut sources = self.readable(running, Some(text))?;
        let config = checked(api, &running.config, &sources)?;
        write()?;
        sources.stands_written();
        Ok(self.force(api, running, sources, config, "api"))
    }

    /// Writes the text from before a trial and puts it in force, whatever mistakes
    /// are in it: it was in force with them.
    fn restore(&self, api: &Api, running: &mut Running, trial: &Trial) -> Result<Applied, Refused> {
        let mut sources = self.readable(running, Some(&trial.before))?;
        let config = config_of(api, &sources);
        api.file.replace(&trial.version, &trial.before)?;
        sources.stands_written();
        Ok(self.force(api, running, sources, config, "trial"))
    }

    fn force(
        &self,
        api: &Api,
        running: &mut Running,
        sources: Sources,
        config: Config,
        cause: &'static str,
    ) -> Applied {
        if let Some(old) = running.text.as_ref().filter(|old| Some(*old) != sources.text.as_ref()) {
            api.file.keep(old, running.since);
        }
        let changes = diff::changes(&running.config, &config);
        let restart_required = diff::restart_required(&running.started, &config);
        if !changes.is_empty() {
            let parts = apply::Parts {
                api,
                rtsp: self.rtsp.get(),
                by: running.by.as_ref().and_then(edit::Subject::stream),
            };
            apply::apply(&parts, &running.started, &running.config, &config);
        }
        let problems = config.problems.clone();
        let known = std::mem::replace(&mut running.config, config).problems;
        running.text = sources.text;
        running.since = saved(sources.path.as_deref());
        running.files = sources.files;
        running.read = sources.stamps;
        running.missing = sources.missing;
        let applied = Applied { changes, restart_required, problems };
        tell(&applied, &known, cause);
        applied
    }

    /// How the files are now, if that is not how they were read last. What a call writes is
    /// read before another one looks.
    fn unread(&self) -> Option<Vec<Stamp>> {
        let mut running = self.lock();
        self.tell_of_another(&mut running);
        let now: Vec<Stamp> = running.files.iter().map(|path| Stamp::of(path)).collect();
        (now != running.read).then_some(now)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn saved(path: Option<&Path>) -> SystemTime {
    let modified = path.and_then(|path| std::fs::metadata(path).ok()?.modified().ok());
    modified.unwrap_or_else(SystemTime::now)
}

/// What sources say.
///
/// # Errors
/// `Invalid`, with the mistakes that the old configuration has not.
fn checked(api: &Api, old: &Config, sources: &Sources) -> Result<Config, Refused> {
    let config = config_of(api, sources);
    let errors = new_errors(old, &config);
    if errors.is_empty() { Ok(config) } else { Err(Refused::Invalid(errors)) }
}

/// What sources say, with what must not be shown of it known before anything of it
/// can reach the log.
fn config_of(api: &Api, sources: &Sources) -> Config {
    let config = Config::from_sources(sources);
    api.secrets.add(sources.secrets.iter().cloned());
    api.secrets.add(passwords(&config));
    config
}

fn new_errors(old: &Config, new: &Config) -> Vec<Problem> {
    let errors = new.problems.iter().filter(|p| p.severity == Severity::Error);
    errors.filter(|problem| !is_known(&old.problems, problem)).cloned().collect()
}

/// Whether it was wrong before, wherever it stood.
fn is_known(old: &[Problem], problem: &Problem) -> bool {
    old.iter().any(|o| o.path == problem.path && o.text == problem.text)
}

/// What is wrong is told when it comes, whether it changes anything or not.
fn tell(applied: &Applied, known: &[Problem], cause: &'static str) {
    for problem in applied.problems.iter().filter(|problem| !is_known(known, problem)) {
        tracing::warn!(target: "config", "{problem}");
    }
    if !applied.changes.is_empty() {
        tell_changes(applied, cause);
    }
}

fn tell_changes(applied: &Applied, cause: &'static str) {
    const SHOWN: usize = 20;
    let mut changes: Vec<String> =
        applied.changes.iter().take(SHOWN).map(ToString::to_string).collect();
    if applied.changes.len() > SHOWN {
        changes.push(format!("and {} more", applied.changes.len() - SHOWN));
    }
    tracing::info!(target: "config", cause, changes = changes.join(", "), "new configuration");
    if !applied.restart_required.is_empty() {
        let keys = applied.restart_required.join(", ");
        tracing::warn!(target: "config", keys, "takes effect with the next start");
    }
}
