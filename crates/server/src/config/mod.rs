//! The configuration: one typed tree, read from files and the command line
//! (`spec/core.md` 2 and 3).
//!
//! Documents are read in order into the same sections: a later scalar wins, a
//! null changes nothing, mappings of names are united. A mistake costs only what
//! it stands on and is reported with its place; nothing here stops the program.

use std::collections::BTreeMap;
use std::path::Path;

use rs2rtc_endpoints::modules::Modules;
use serde_json::Value as Json;

use crate::modules;

mod api;
mod check;
mod document;
pub mod duration;
pub mod file;
pub mod key;
pub mod liveness;
mod log;
pub mod mask;
mod merge;
pub mod node;
pub mod patch;
mod paths;
pub mod problem;
pub mod schema;
mod section;
pub mod sources;
pub mod stamp;
pub mod streams;
mod ui;
mod variables;
pub mod versions;
mod webrtc;

pub use api::{Api, Rtsp};
pub use document::parse_text;
pub use file::{ConfigFile, Trial, WriteError};
pub use log::Log;
pub use patch::Edit;
pub use problem::{Code, Place, Problem, Severity};
pub use ui::Ui;
pub use webrtc::{Filters, IceServer, Webrtc};
pub(crate) use webrtc::{NETWORKS, STUN_SERVERS};

use key::{Key, Kind};
use node::{Node, Value};
use section::Section;
use sources::{Environment, Items, Sources};

/// Sections of the contract whose module does not exist in this version.
const NOT_YET: &[&str] = &[
    "rtmp",
    "srtp",
    "hass",
    "homekit",
    "onvif",
    "webtorrent",
    "wyoming",
    "echo",
    "expr",
    "ngrok",
    "pinggy",
    "wyze",
    "xiaomi",
    "roborock",
    "tapo",
    "ring",
    "nest",
];

/// Everything that can be configured.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `app.modules`.
    pub modules: Modules,
    /// `compat: go2rtc`: open to everybody, as go2rtc is.
    pub compat: bool,
    /// Section `log`.
    pub log: Log,
    /// Where `log.output` stands.
    pub log_place: Option<Place>,
    /// Section `api`.
    pub api: Api,
    /// Section `rtsp`.
    pub rtsp: Rtsp,
    /// Section `webrtc`.
    pub webrtc: Webrtc,
    /// Section `ui`.
    pub ui: Ui,
    /// Section `streams`.
    pub streams: streams::Entries,
    /// Section `defaults`: settings for every stream.
    pub defaults: streams::Options,
    /// Section `publish`: stream to destinations.
    pub publish: BTreeMap<String, Vec<String>>,
    /// Where the entries of `publish` stand.
    pub publish_places: BTreeMap<String, Place>,
    /// Section `preload`: stream to query.
    pub preload: BTreeMap<String, String>,
    /// Where the entries of `preload` stand.
    pub preload_places: Vec<(String, Place)>,
    /// `exec.allow_paths`: programs that may be run; `None` means any.
    pub exec_allow_paths: Option<Vec<String>>,
    /// Section `ffmpeg`: templates.
    pub ffmpeg: BTreeMap<String, String>,
    /// How quickly silent viewers are let go, from all sections together.
    pub liveness: liveness::Resolved,
    /// What is wrong, in the order it was found.
    pub problems: Vec<Problem>,
    /// Where values stand that are judged when all is read.
    places: Vec<Place>,
}

impl Config {
    /// Reads the items of the command line (or the default file in `dir`).
    /// Without any configuration there is one stream, `demo`.
    pub fn load(items: &[String], dir: &Path, env: &dyn Environment) -> (Self, Sources) {
        let sources = sources::read(&Items::new(items, dir), env, None);
        (Self::from_sources(&sources), sources)
    }

    /// Reads documents in order.
    pub fn from_sources(sources: &Sources) -> Self {
        let mut config = Self { problems: sources.problems.clone(), ..Self::default() };
        for document in &sources.documents {
            let mut problems = Vec::new();
            let node = document::parse(document, &mut problems);
            config.problems.append(&mut problems);
            config.read(&document.name, &node);
        }
        if sources.is_empty {
            config.streams.set(streams::Entry {
                name: "demo".into(),
                sources: vec!["demo:".into()],
                options: streams::Options::default(),
                place: None,
                places: Vec::new(),
            });
        }
        config.resolve();
        if !sources.is_alone {
            check::check_files(&mut config);
            variables::check(&mut config);
        }
        problem::bound(&mut config.problems);
        config
    }

    /// Every key that the readers know, with its value here.
    pub fn keys(&self) -> Vec<Key> {
        let mut root = Section::noting();
        self.clone().read_root(&mut root);
        root.finish_open().keys
    }

    /// Reads a text as the only document.
    pub fn parse(name: &str, text: &str) -> Self {
        let mut config = Self::default();
        let document = sources::Document { name: name.to_owned(), text: text.to_owned() };
        let mut problems = Vec::new();
        let node = document::parse(&document, &mut problems);
        config.problems = problems;
        config.read(name, &node);
        config.resolve();
        check::check_files(&mut config);
        problem::bound(&mut config.problems);
        config
    }

    /// Puts together what stands in several sections.
    fn resolve(&mut self) {
        check::check(self);
        self.liveness = liveness::Resolved::new(
            &self.webrtc.liveness,
            &self.webrtc.timeouts,
            &self.defaults.liveness,
            &self.streams,
            &mut self.problems,
        );
    }

    /// Whether a module of this version is switched on.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.has(name)
    }

    fn read(&mut self, file: &str, document: &Node) {
        let mut root = Section::new(file, "", document);
        self.read_root(&mut root);
        let found = root.finish();
        self.problems.extend(found.problems);
        self.places.extend(found.places);
    }

    /// Where the value of a key stands that counts.
    fn place(&self, path: &str) -> Option<&Place> {
        self.places.iter().rfind(|place| place.path == path)
    }

    fn read_root(&mut self, root: &mut Section<'_>) {
        root.about("Which modules run.");
        with(root, "app", |s| self.read_app(s));
        root.about("Level, form and place of the log.").note("log", Kind::Section, || Json::Null);
        open(root, "log", |s| {
            self.log.read(s);
            if let Some(output) = s.node().get("output") {
                self.log_place = Some(s.place("output", &output.node));
            }
        });
        root.about("The HTTP API and the web interface.");
        with(root, "api", |s| self.api.read(s));
        root.about("The RTSP server.");
        with(root, "rtsp", |s| self.rtsp.read(s));
        root.about("Viewers over WebRTC.");
        with(root, "webrtc", |s| self.webrtc.read(s));
        root.about("The web interface.");
        with(root, "ui", |s| self.ui.read(s));
        root.about("Settings of every stream that does not say otherwise.");
        with(root, "defaults", |s| self.defaults.read(s));
        root.about("Cameras and other sources, by the name of the stream.");
        root.note("streams", Kind::Section, || Json::Null);
        open(root, "streams", |s| self.streams.read(s));
        root.about("Streams that are sent to other servers.");
        root.note("publish", Kind::Section, || Json::Null);
        open(root, "publish", |s| self.read_publish(s));
        root.about("Streams that run although nobody watches: name to `video`, `audio`, `microphone`, with codecs if wanted. Empty: video&audio.");
        root.note("preload", Kind::Section, || Json::Null);
        open(root, "preload", |s| {
            s.about("What is kept running; empty: video&audio.");
            s.map(&mut self.preload);
            if let Value::Map(entries) = &s.node().value {
                let places = entries.iter().map(|e| (e.key.clone(), s.place(&e.key, &e.node)));
                self.preload_places.extend(places);
            }
        });
        root.about(
            "Templates of FFmpeg command lines: `bin`, `global`, codecs, inputs and outputs.",
        );
        root.note("ffmpeg", Kind::Section, || Json::Null);
        open(root, "ffmpeg", |s| {
            s.about("A piece of the command line.");
            s.map(&mut self.ffmpeg);
        });
        root.about(
            "Values for ${NAME} in this file; they are masked wherever they would be shown.",
        );
        root.note("env", Kind::Map, || Json::Null);
        open(root, "env", |_| {});
        root.about("Sources that run a program.");
        with(root, "exec", |s| {
            s.about("Only these programs may be run, compared with the first word; without the key, any.");
            s.list("allow_paths", &mut self.exec_allow_paths);
        });
        let words = [("go2rtc", true), ("off", false)];
        let mut compat = Some(self.compat);
        root.about("`go2rtc`: open to every address, as go2rtc is.");
        root.choice("compat", &words, &mut compat);
        self.compat = compat.unwrap_or(self.compat);
        for section in NOT_YET {
            root.about("Not available in this version, ignored.");
            root.note(section, Kind::NotYet, || Json::Null);
            if let Some(node) = root.any(section) {
                let text = "not available in this version, the section is ignored".to_owned();
                root.report(Severity::Warning, node.at, section, text);
            }
        }
    }

    fn read_publish(&mut self, section: &mut Section<'_>) {
        if section.notes() {
            section.about("Addresses of servers that the stream is sent to, one or a list.");
            section.note("*", Kind::List(Vec::new()), || {
                serde_json::to_value(&self.publish).unwrap_or_default()
            });
            return;
        }
        match &section.node().value {
            Value::Map(entries) => {
                for entry in entries {
                    let path = section.child(&entry.key);
                    let texts = section.texts(&path, &entry.node);
                    self.publish.insert(entry.key.clone(), texts);
                    let place = section.place(&entry.key, &entry.node);
                    self.publish_places.insert(entry.key.clone(), place);
                }
            }
            _ => self.publish.clear(),
        }
    }

    fn read_app(&mut self, section: &mut Section<'_>) {
        section.about("Only these modules run; without the key, all.").restart();
        let mut names = self.modules.names().map(<[String]>::to_vec);
        section.list_of("modules", modules::ALL, &mut names);
        self.modules = Modules::new(names);
        let Some(node) = section.any("modules") else { return };
        for module in self.modules.names().unwrap_or_default() {
            if !modules::ALL.contains(&module.as_str()) {
                let near = rs2rtc_base::nearest(module, modules::ALL.iter().copied());
                let hint = near.map(|n| format!(", did you mean {n:?}?")).unwrap_or_default();
                let text = format!("unknown module {module:?}{hint}");
                section.report(Severity::Warning, node.at, "app.modules", text);
            } else if !modules::exists(module) {
                let text = format!("module {module:?} is not available in this version");
                section.report(Severity::Warning, node.at, "app.modules", text);
            }
        }
    }
}

/// Reads a section with fixed keys.
fn with(root: &mut Section<'_>, key: &'static str, read: impl FnOnce(&mut Section<'_>)) {
    if let Some(mut section) = root.section(key) {
        read(&mut section);
        root.absorb(section.finish());
    }
}

/// Reads a section whose keys are names; null clears it.
fn open(root: &mut Section<'_>, key: &'static str, read: impl FnOnce(&mut Section<'_>)) {
    root.any(key);
    let mut section = match root.node().get(key) {
        Some(entry) => root.below(key, &entry.node),
        None if root.notes() => root.noting_below(key),
        None => return,
    };
    read(&mut section);
    root.absorb(section.finish_open());
}

#[cfg(test)]
mod tests;
