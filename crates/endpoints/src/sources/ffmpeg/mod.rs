//! placeholder

use std::collections::BTreeMap;

/// Settings of `ffmpeg:`: templates that override or add to the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Template name to text (`bin`, `global`, `h264`, …; `protocols-standard.md` 7.3).
    pub templates: BTreeMap<String, String>,
    /// The `-v` value (`log.ffmpeg`), `error` by default.
    pub log_level: Option<String>,
}
