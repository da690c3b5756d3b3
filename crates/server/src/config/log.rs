//! Section `log`.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::key::Kind;
use super::node::{Node, Value};
use super::problem::{Severity, nearest};
use super::section::Section;

/// Section `log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Level of everything without a level of its own. Default `info`.
    pub level: String,
    /// Empty (colour on a terminal), `color`, `text` or `json`. Default empty.
    pub format: String,
    /// Empty (memory only), `stdout`, `stderr`, `file` or `file:<path>`. Default `stdout`.
    pub output: String,
    /// Empty (no time), `UNIXMS`, `UNIXMICRO`, `UNIXNANO` or a layout. Default `UNIXMS`.
    pub time: String,
    /// Module to level.
    pub modules: BTreeMap<String, String>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: String::new(),
            output: "stdout".into(),
            time: "UNIXMS".into(),
            modules: BTreeMap::new(),
        }
    }
}

impl Log {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about("Least level that is written: trace, debug, info, warn, error, fatal, panic or disabled.");
        level(section, "level", &mut self.level);
        section.about(
            "Form on the output: `color`, `text`, `json`; empty: text, coloured on a terminal.",
        );
        section.text("format", &mut self.format);
        section.about(
            "`stdout`, `stderr`, `file` or `file:path`; empty: only the last records in memory.",
        );
        section.text("output", &mut self.output);
        section.about("UNIXMS, UNIXMICRO, UNIXNANO or a layout as in Go; empty: no times.");
        section.text("time", &mut self.time);
        if section.notes() {
            section.about("The same for one module; `ffmpeg` also sets what FFmpeg itself says.");
            section.note("*", Kind::Choice(LEVELS.to_vec()), || {
                self.modules.clone().into_iter().collect()
            });
        }
        if let Value::Map(entries) = &section.node().value {
            for entry in entries {
                if matches!(entry.key.as_str(), "level" | "format" | "output" | "time") {
                    continue;
                }
                if let Some(text) = read_level(section, &entry.key, &entry.node) {
                    self.modules.insert(entry.key.clone(), text);
                }
            }
        }
    }
}

/// Names of levels.
const LEVELS: &[&str] = &[
    "", "trace", "debug", "info", "warn", "warning", "error", "fatal", "panic", "disabled", "off",
];

fn level(section: &mut Section<'_>, key: &'static str, into: &mut String) {
    section.note(key, Kind::Choice(LEVELS.to_vec()), || Json::from(into.as_str()));
    if let Some(node) = section.any(key)
        && let Some(text) = read_level(section, key, node)
    {
        *into = text;
    }
}

fn read_level(section: &mut Section<'_>, key: &str, node: &Node) -> Option<String> {
    let Some(text) = node.text() else {
        if !matches!(node.value, Value::Null) {
            section.wrong(key, node, "a level such as debug");
        }
        return None;
    };
    let lower = text.to_ascii_lowercase();
    if !LEVELS.contains(&lower.as_str()) {
        let near = nearest(&lower, LEVELS.iter().copied());
        let hint = near.map(|n| format!(", did you mean {n:?}?")).unwrap_or_default();
        let path = section.child(key);
        let text = format!("unknown level {text:?}{hint}");
        section.report(Severity::Warning, node.at, &path, text);
        return None;
    }
    Some(lower)
}
