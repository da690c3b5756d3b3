//! Section `log`.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use rs2rtc_base::nearest;
use serde_json::Value as Json;

use super::key::Kind;
use super::node::{Node, Position, Value};
use super::problem::Severity;
use super::section::Section;
use crate::{modules, version};

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
        self.check_format(section);
        section.about(
            "`stdout`, `stderr`, `file` or `file:path`; empty: only the last records in memory.",
        );
        section.text("output", &mut self.output);
        self.check_output(section);
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
                check_module(section, &entry.key, entry.at);
                if let Some(text) = read_level(section, &entry.key, &entry.node) {
                    self.modules.insert(entry.key.clone(), text);
                }
            }
        }
    }
}

impl Log {
    /// The file that `output` names.
    pub fn file(&self) -> Option<&Path> {
        match self.output.split_once(':') {
            None if self.output == "file" => Some(Path::new(file_name(version::program()))),
            Some(("file", "")) => Some(Path::new(file_name(version::program()))),
            Some(("file", path)) => Some(Path::new(path)),
            _ => None,
        }
    }

    fn check_format(&self, section: &mut Section<'_>) {
        let Some(node) = section.any("format") else { return };
        if !FORMATS.contains(&self.format.as_str()) {
            let text = format!("must be color, text or json, not {:?}; text is used", self.format);
            section.report(Severity::Warning, node.at, "log.format", text);
        }
    }

    fn check_output(&self, section: &mut Section<'_>) {
        let Some(node) = section.any("output") else { return };
        let text = match (self.output.as_str(), self.file()) {
            ("" | "stdout" | "stderr", _) => return,
            (_, Some(_)) => return,
            (other, None) => format!(
                "must be stdout, stderr, file or file:path, not {other:?}; the log stays in memory"
            ),
        };
        section.report(Severity::Warning, node.at, "log.output", text);
    }

    /// Why nothing can be written to the file that `output` names.
    pub(super) fn unwritable(&self) -> Option<String> {
        let file = self.file()?;
        let error = writable(file).err()?;
        Some(format!("{}: {error}; the log stays in memory", file.display()))
    }
}

/// Whether a file can be appended to, as far as can be told without making it.
fn writable(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        // A device or a pipe is not opened to try it.
        Ok(there) if !there.is_file() && !there.is_dir() => Ok(()),
        Ok(_) => OpenOptions::new().append(true).open(path).map(|_| ()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = std::fs::metadata(folder.unwrap_or_else(|| Path::new(".")))?;
            match (folder.is_dir(), folder.permissions().readonly()) {
                (false, _) => Err(io::ErrorKind::NotADirectory.into()),
                (true, true) => Err(io::ErrorKind::PermissionDenied.into()),
                (true, false) => Ok(()),
            }
        }
        Err(error) => Err(error),
    }
}

/// A level for what never writes a record does nothing.
fn check_module(section: &mut Section<'_>, name: &str, at: Position) {
    let root = name.split("::").next().unwrap_or(name);
    if root.starts_with("rs2rtc") || names().any(|n| n == root) || LIBRARIES.contains(&root) {
        return;
    }
    let hint = match nearest(name, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("use {}", names().collect::<Vec<_>>().join(", ")),
    };
    let path = section.child(name);
    section.report(
        Severity::Warning,
        at,
        &path,
        format!("no module of this name writes records, {hint}"),
    );
}

/// Where `file` without a path is: named after the program that this one replaces,
/// where it runs under its name.
fn file_name(program: &str) -> &'static str {
    if program == "go2rtc" { "go2rtc.log" } else { "rs2rtc.log" }
}

const FORMATS: [&str; 4] = ["", "color", "text", "json"];

/// What records are named after besides modules.
const PARTS: [&str; 3] = ["app", "config", "streams"];

/// All names of records, of the modules of the contract too.
fn names() -> impl Iterator<Item = &'static str> {
    PARTS.into_iter().chain(modules::ALL.iter().copied())
}

/// Libraries whose records have levels of their own.
const LIBRARIES: &[&str] = &[
    "axum",
    "dimpl",
    "h2",
    "hyper",
    "hyper_util",
    "is",
    "mio",
    "rustls",
    "sctp_proto",
    "str0m",
    "tokio",
    "tower",
];

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn problems(text: &str) -> Vec<String> {
        Config::parse("f.yaml", text).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_does_nothing_is_told() {
        let form = "log.format: must be color, text or json, not \"xml\"; text is used";
        assert_eq!(problems("log: {format: xml}"), [format!("f.yaml:1:15: {form}")]);
        let name = "log.rtps: no module of this name writes records, did you mean \"rtsp\"?";
        assert_eq!(problems("log: {rtps: debug}"), [format!("f.yaml:1:7: {name}")]);
        let foo = problems("log: {foo: debug}").join("");
        assert!(
            foo.contains("log.foo: no module") && foo.contains("use app, config, streams, api,"),
            "{foo}"
        );
        let output = problems("log: {output: syslog}").join("");
        assert!(output.contains("stdout, stderr, file or file:path, not \"syslog\""), "{output}");
        let fine =
            "log: {format: json, output: stderr, rtsp: debug, str0m: debug, rs2rtc_webrtc: info}";
        assert_eq!(problems(fine), [""; 0]);
    }

    #[test]
    fn the_file_is_named_after_the_program() {
        assert_eq!([file_name("rs2rtc"), file_name("go2rtc")], ["rs2rtc.log", "go2rtc.log"]);
        let file = |output: &str| {
            Log { output: output.into(), ..Log::default() }.file().map(Path::to_owned)
        };
        assert_eq!(file("file"), Some("rs2rtc.log".into()));
        assert_eq!(file("file:x.log"), Some("x.log".into()));
        assert_eq!(file("stdout"), None);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_and_none_is_made() {
        let folder = std::env::temp_dir().join(format!("rs2rtc-log-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let said = |path: &Path| problems(&format!("log: {{output: \"file:{}\"}}", path.display()));
        let new = folder.join("new.log");
        assert_eq!(said(&new), [""; 0]);
        assert!(!new.exists());
        for bad in [folder.clone(), folder.join("none/x.log")] {
            let told = said(&bad).join("");
            assert!(told.starts_with("f.yaml:1:15: log.output: "), "{told}");
            assert!(told.contains(&bad.display().to_string()), "{told}");
        }
        std::fs::write(&new, "mine").unwrap();
        assert_eq!(said(&new), [""; 0]);
        assert_eq!(std::fs::read_to_string(&new).unwrap(), "mine");
        let below = said(&new.join("x.log")).join("");
        assert!(below.contains("log.output"), "{below}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
