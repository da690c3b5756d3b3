//! Changes of one stream or preload by a call: of what runs and of the file, as one step.
//!
//! A file with a mistake somewhere else is written all the same, as go2rtc does, and not
//! read. What was written into it is in force nevertheless, so it is taken into the
//! configuration in force by hand: what is compared with the next one must be what runs.

use rs2rtc_streams::{Origin, Streams};

use super::{Live, Refused, config_of};
use crate::config::Config;
use crate::config::streams::Entry;
use crate::http::Api;

/// What is preloaded if the file says nothing.
const DEFAULT_QUERY: &str = "video&audio";

/// What a call changes.
#[derive(Debug)]
pub(super) enum Subject {
    /// The stream of a name, and what its sources are taken for.
    Stream(String, Origin),
    /// What is preloaded of the stream of a name.
    Preload(String),
}

impl Subject {
    /// The name of the stream whose sources are changed, and what these are taken for.
    pub(super) fn stream(&self) -> Option<(&str, Origin)> {
        match self {
            Self::Stream(name, origin) => Some((name, *origin)),
            Self::Preload(_) => None,
        }
    }

    /// Takes over from `file` what runs already. What runs and does not stand in the file (it
    /// could not be written, or a later document says otherwise) is in force as it was.
    fn settle(&self, config: &mut Config, file: &Config, streams: &Streams) {
        match self {
            Self::Stream(name, _) => {
                let written = file.streams.get(name);
                let running = streams.get(name).map(|stream| stream.sources());
                if running.as_ref() != written.map(|entry| &entry.sources) {
                    return;
                }
                let Some(written) = written else { return config.streams.remove(name) };
                // Settings beside the sources are read with the rest of the file.
                let known = config.streams.get(name).map(|entry| entry.options.clone());
                let options = known.unwrap_or_default();
                config.streams.set(Entry { options, ..written.clone() });
            }
            Self::Preload(name) => {
                let all = streams.preloads();
                let running = all.iter().find(|(of, _)| of == name).map(|(_, p)| p.query.as_str());
                let written = file.preload.get(name).map(|query| match query.as_str() {
                    "" => DEFAULT_QUERY,
                    query => query,
                });
                if running != written {
                    return;
                }
                match file.preload.get(name) {
                    Some(query) => config.preload.insert(name.clone(), query.clone()),
                    None => config.preload.remove(name),
                };
            }
        }
    }
}

impl Live {
    /// Changes a stream that runs and writes the same into the file, as one step: whatever
    /// reads the file meanwhile would undo what is not written yet. The sources that the stream
    /// gets by that are no better than who named them, although they stand in the file now.
    pub fn edit_stream<T>(
        &self,
        api: &Api,
        name: &str,
        origin: Origin,
        change: impl FnOnce() -> T,
    ) -> T {
        self.edit(api, Subject::Stream(name.to_owned(), origin), change)
    }

    /// As [`Self::edit_stream`] for what is preloaded of a stream.
    pub fn edit_preload<T>(&self, api: &Api, name: &str, change: impl FnOnce() -> T) -> T {
        self.edit(api, Subject::Preload(name.to_owned()), change)
    }

    fn edit<T>(&self, api: &Api, subject: Subject, change: impl FnOnce() -> T) -> T {
        let mut running = self.lock();
        // What was written before comes first. What is wrong is in the log.
        let before = self.reload_locked(api, &mut running, "file");
        // A file that is gone comes back as it was: the change is one to what runs.
        let is_gone = api.file.path().is_some_and(|path| !path.exists());
        if let (Err(Refused::Gone(path)), Some(text), true) = (before, &running.text, is_gone) {
            match api.file.write(text) {
                Ok(()) => tracing::warn!(target: "config", "{path} is written again"),
                Err(error) => tracing::warn!(target: "config", "{error}"),
            }
        }
        let done = change();
        running.by = Some(subject);
        let read = self.reload_locked(api, &mut running, "api");
        if let (Some(subject), Err(_)) = (running.by.take(), read) {
            let file = config_of(api, &self.sources(None));
            subject.settle(&mut running.config, &file, &api.streams);
        }
        done
    }
}
