//! Which records are written: the levels of the configuration, and others for a while.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant};
use tracing::Metadata;
use tracing::level_filters::LevelFilter;

use super::record::module_of;

/// Levels by module. A name that nobody logs under has no effect.
#[derive(Debug)]
pub(crate) struct Levels {
    /// Of modules that have none of their own.
    pub(crate) general: LevelFilter,
    /// Of the configuration.
    pub(crate) modules: BTreeMap<String, LevelFilter>,
    /// What holds for a while instead, by module; the empty name stands for all that
    /// are not named here.
    temporary: BTreeMap<String, Temporary>,
}

#[derive(Clone, Copy, Debug)]
struct Temporary {
    level: LevelFilter,
    until: Instant,
}

/// The levels as they are now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Of modules that have none of their own.
    pub general: LevelFilter,
    /// Of the configuration, by module.
    pub modules: BTreeMap<String, LevelFilter>,
    /// What holds for a while instead: module (empty: all others), level, time left.
    pub temporary: Vec<(String, LevelFilter, Duration)>,
}

/// Why a level cannot hold for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// The name is none that a module or a library could have.
    #[error("module must be a name, such as rtsp, of at most {MAX_NAME} letters, digits, _ and ::")]
    Name,
    /// Too many of them.
    #[error("{MAX_TEMPORARY} modules have a level for a while already; end one first")]
    Many,
}

/// Longest name of a module, in bytes.
const MAX_NAME: usize = 64;
/// Modules with a level for a while at one time.
const MAX_TEMPORARY: usize = 32;

impl Default for Levels {
    fn default() -> Self {
        let (modules, temporary) = (BTreeMap::new(), BTreeMap::new());
        Self { general: LevelFilter::INFO, modules, temporary }
    }
}

impl Levels {
    /// Records of libraries are shown from `warn` on unless their own level is set; what
    /// holds for all for a while is for our own.
    pub(crate) fn of(&self, metadata: &Metadata<'_>) -> LevelFilter {
        let target = metadata.target();
        let root = target.split("::").next().unwrap_or(target);
        let module = module_of(metadata);
        // The sockets of players are part of the API.
        let parent = (module == Some("ws")).then_some("api");
        let named = [Some(target), Some(root), module, parent];
        let find =
            |of: &dyn Fn(&str) -> Option<LevelFilter>| named.into_iter().flatten().find_map(of);
        let temporary = |name: &str| self.temporary.get(name).map(|t| t.level);
        let lasting = |name: &str| self.modules.get(name).copied();
        if let Some(level) = find(&temporary) {
            return level;
        }
        let general = temporary("");
        if target.contains("::") && !root.starts_with("rs2rtc") {
            return find(&lasting)
                .unwrap_or_else(|| general.unwrap_or(self.general).min(LevelFilter::WARN));
        }
        general.or_else(|| find(&lasting)).unwrap_or(self.general)
    }

    /// Sets the level of a module, or with an empty name of all others, until then.
    pub(super) fn set(
        &mut self,
        module: &str,
        level: LevelFilter,
        until: Instant,
    ) -> Result<(), SetError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if module.len() > MAX_NAME || !module.chars().all(fits) {
            return Err(SetError::Name);
        }
        if self.temporary.len() >= MAX_TEMPORARY && !self.temporary.contains_key(module) {
            return Err(SetError::Many);
        }
        self.temporary.insert(module.to_owned(), Temporary { level, until });
        Ok(())
    }

    /// The configuration's level holds again. Whether another one did.
    pub(super) fn end(&mut self, module: &str) -> bool {
        self.temporary.remove(module).is_some()
    }

    /// Ends those whose time is over; gives their modules.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<String> {
        let over = self.temporary.extract_if(.., |_, temporary| temporary.until <= now);
        over.map(|(module, _)| module).collect()
    }

    /// When the next one ends.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.temporary.values().map(|t| t.until).min()
    }

    pub(super) fn report(&self, now: Instant) -> Report {
        let left = |t: &Temporary| t.until.saturating_duration_since(now);
        let temporary = self.temporary.iter().map(|(m, t)| (m.clone(), t.level, left(t)));
        let temporary = temporary.collect();
        Report { general: self.general, modules: self.modules.clone(), temporary }
    }
}

/// A module as records name it.
pub(crate) fn whose(module: &str) -> &str {
    if module.is_empty() { "all" } else { module }
}

/// `None` for an unknown name; an empty one shows everything.
pub(crate) fn parse(text: &str) -> Option<LevelFilter> {
    Some(match text.to_ascii_lowercase().as_str() {
        "" | "trace" => LevelFilter::TRACE,
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "fatal" | "panic" => LevelFilter::ERROR,
        "disabled" | "off" => LevelFilter::OFF,
        _ => return None,
    })
}

/// The name of a level in the configuration.
pub(crate) fn name(level: LevelFilter) -> &'static str {
    match level {
        LevelFilter::TRACE => "trace",
        LevelFilter::DEBUG => "debug",
        LevelFilter::INFO => "info",
        LevelFilter::WARN => "warn",
        LevelFilter::ERROR => "error",
        LevelFilter::OFF => "disabled",
    }
}

/// The names of all levels, as people are told them.
pub(crate) const NAMES: &str = "trace, debug, info, warn, error, disabled";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modules_and_their_number_are_bounded() {
        let mut levels = Levels::default();
        let until = Instant::now();
        let mut set = |name: &str| levels.set(name, LevelFilter::DEBUG, until);
        let long = "x".repeat(MAX_NAME + 1);
        for name in ["a b", "a\n", "ü", &long] {
            assert_eq!(set(name), Err(SetError::Name), "{name}");
        }
        for n in 0..MAX_TEMPORARY {
            assert_eq!(set(&format!("m{n}")), Ok(()));
        }
        assert_eq!(set("one_more"), Err(SetError::Many));
        assert_eq!(set("m0"), Ok(()), "one that is there can change");
    }

    #[test]
    fn every_level_has_a_name_that_is_read_again() {
        for text in NAMES.split(", ") {
            assert_eq!(parse(text).map(name), Some(text));
        }
        assert_eq!(parse("loud"), None);
    }
}
