//! The configuration: one typed tree, read from files and the command line
//! (`spec/core.md` 2 and 3).
//!
//! Documents are read in order into the same sections: a later scalar wins, a
//! null changes nothing, mappings of names are united. A mistake costs only what
//! it stands on and is reported with its place; nothing here stops the program.

use std::collections::BTreeMap;
use std::path::Path;

use rs2rtc_base::Secret;
use rs2rtc_endpoints::outputs::webrtc::Listen as ListenOn;
use serde_json::Value as Json;

mod check;
mod document;
pub mod duration;
pub mod file;
pub mod key;
pub mod liveness;
pub mod mask;
mod merge;
pub mod node;
pub mod patch;
pub mod problem;
pub mod schema;
mod section;
pub mod sources;
pub mod streams;
pub mod versions;

pub use file::{ConfigFile, WriteError};
pub use patch::Edit;
pub use problem::{Place, Problem, Severity};

use key::{Key, Kind};
use node::{Node, Value};
use section::Section;
use sources::{Environment, Sources};

/// Sections of the contract whose module does not exist in this version.
const NOT_YET: &[&str] = &[
    "rtmp",
    "srtp",
    "mp4",
    "hls",
    "mjpeg",
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

/// Modules that exist in this version, by their names in `app.modules`.
const MODULES: &[&str] = &["api", "ws", "rtsp", "webrtc", "exec", "ffmpeg", "demo"];

/// All modules of the contract, for spelling.
const ALL_MODULES: &[&str] = &[
    "api",
    "ws",
    "http",
    "rtsp",
    "webrtc",
    "mp4",
    "hls",
    "mjpeg",
    "hass",
    "homekit",
    "onvif",
    "rtmp",
    "webtorrent",
    "wyoming",
    "echo",
    "exec",
    "expr",
    "ffmpeg",
    "alsa",
    "v4l2",
    "bubble",
    "doorbird",
    "dvrip",
    "eseecloud",
    "flussonic",
    "gopro",
    "isapi",
    "ivideon",
    "kasa",
    "mpegts",
    "mpeg",
    "multitrans",
    "nest",
    "ring",
    "roborock",
    "tapo",
    "tuya",
    "wyze",
    "xiaomi",
    "yandex",
    "debug",
    "ngrok",
    "pinggy",
    "srtp",
    "demo",
];

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `app.modules`: only these; `None` means all.
    pub modules: Option<Vec<String>>,
    /// `compat: go2rtc`: open to everybody, as go2rtc is.
    pub compat: bool,
    /// Section `log`.
    pub log: Log,
    /// Section `api`.
    pub api: Api,
    /// Section `rtsp`.
    pub rtsp: Rtsp,
    /// Section `webrtc`.
    pub webrtc: Webrtc,
    /// Section `streams`.
    pub streams: streams::Entries,
    /// Section `defaults`: settings for every stream.
    pub defaults: streams::Options,
    /// Section `publish`: stream to destinations.
    pub publish: BTreeMap<String, Vec<String>>,
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
}

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

/// Section `api`.
#[derive(Clone, Debug)]
pub struct Api {
    /// TCP address; empty: none. Default `:1984`.
    pub listen: String,
    /// TCP address for HTTPS; empty: none.
    pub tls_listen: String,
    /// Certificate chain: path of a PEM file, or the PEM text itself.
    pub tls_cert: String,
    /// Its private key, the same way.
    pub tls_key: Secret,
    /// Path of a unix socket; empty: none.
    pub unix_listen: String,
    /// Login name; empty: no login.
    pub username: String,
    /// Password that goes with it; may be empty.
    pub password: Secret,
    /// Ask loopback and unix clients for the login too.
    pub local_auth: bool,
    /// Prefix of all paths, without a slash at its end; may be empty.
    pub base_path: String,
    /// Folder that replaces the built-in web interface; empty: none.
    pub static_dir: String,
    /// `*`: every web page may use the API; another value: this origin's host only.
    pub origin: String,
    /// Only these patterns exist; `None` means all.
    pub allow_paths: Option<Vec<String>>,
    /// Host names under which browsers may change things, beside local ones.
    pub hosts: Vec<String>,
}

/// Section `rtsp`.
#[derive(Clone, Debug)]
pub struct Rtsp {
    /// TCP address; empty: no server. Default `:8554`.
    pub listen: String,
    /// Login name; empty: no login.
    pub username: String,
    /// Password that goes with it.
    pub password: Secret,
    /// Codecs for clients that name none. Default `video&audio`.
    pub default_query: String,
    /// Largest RTP packet for H.264 and H.265 in bytes; 0: the default.
    pub pkt_size: u16,
}

/// Section `webrtc`.
#[derive(Clone, Debug)]
pub struct Webrtc {
    /// `host:port`, `/tcp` or `/udp` for one of them; empty: a random UDP port. Default `:8555`.
    pub listen: String,
    /// Extra host candidates.
    pub candidates: Vec<String>,
    /// STUN and TURN servers. `None`: the default list.
    pub ice_servers: Option<Vec<IceServer>>,
    /// Section `webrtc.filters`.
    pub filters: Filters,
    /// How quickly silent viewers are let go.
    pub liveness: liveness::Liveness,
    /// The same in the words of other servers.
    pub timeouts: liveness::Timeouts,
}

/// A STUN or TURN server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=…`.
    pub urls: Vec<String>,
    /// For TURN.
    pub username: String,
    /// For TURN.
    pub credential: Secret,
}

/// Section `webrtc.filters`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Only these candidates are offered.
    pub candidates: Option<Vec<String>>,
    /// Offer loopback addresses.
    pub loopback: bool,
    /// Only these interfaces.
    pub interfaces: Option<Vec<String>>,
    /// Only these addresses.
    pub ips: Option<Vec<String>>,
    /// Only these of `udp4`, `udp6`, `tcp4`, `tcp6`.
    pub networks: Option<Vec<String>>,
    /// First and last UDP port.
    pub udp_ports: Option<(u16, u16)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            modules: None,
            compat: false,
            log: Log {
                level: "info".into(),
                format: String::new(),
                output: "stdout".into(),
                time: "UNIXMS".into(),
                modules: BTreeMap::new(),
            },
            api: Api {
                listen: ":1984".into(),
                tls_listen: String::new(),
                tls_cert: String::new(),
                tls_key: Secret::default(),
                unix_listen: String::new(),
                username: String::new(),
                password: Secret::default(),
                local_auth: false,
                base_path: String::new(),
                static_dir: String::new(),
                origin: String::new(),
                allow_paths: None,
                hosts: Vec::new(),
            },
            rtsp: Rtsp {
                listen: ":8554".into(),
                username: String::new(),
                password: Secret::default(),
                default_query: "video&audio".into(),
                pkt_size: 0,
            },
            webrtc: Webrtc {
                listen: ":8555".into(),
                candidates: Vec::new(),
                ice_servers: None,
                filters: Filters::default(),
                liveness: liveness::Liveness::default(),
                timeouts: liveness::Timeouts::default(),
            },
            streams: streams::Entries::default(),
            defaults: streams::Options::default(),
            publish: BTreeMap::new(),
            preload: BTreeMap::new(),
            preload_places: Vec::new(),
            exec_allow_paths: None,
            ffmpeg: BTreeMap::new(),
            liveness: liveness::Resolved::default(),
            problems: Vec::new(),
        }
    }
}

impl Config {
    /// Reads the items of the command line (or the default file in `dir`).
    /// Without any configuration there is one stream, `demo`.
    pub fn load(items: &[String], dir: &Path, env: &dyn Environment) -> (Self, Sources) {
        let sources = sources::read(items, dir, env, None);
        (Self::from_sources(&sources), sources)
    }

    /// Reads documents in order.
    pub fn from_sources(sources: &Sources) -> Self {
        let mut config = Self::default();
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
            });
        }
        config.resolve();
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
        self.modules.as_ref().is_none_or(|list| list.iter().any(|m| m == name))
    }

    fn read(&mut self, file: &str, document: &Node) {
        let mut root = Section::new(file, "", document);
        self.read_root(&mut root);
        self.problems.extend(root.finish().problems);
    }

    fn read_root(&mut self, root: &mut Section<'_>) {
        root.about("Which modules run.");
        with(root, "app", |s| self.read_app(s));
        root.about("Level, form and place of the log.").note("log", Kind::Section, || Json::Null);
        open(root, "log", |s| self.log.read(s));
        root.about("The HTTP API and the web interface.");
        with(root, "api", |s| self.api.read(s));
        root.about("The RTSP server.");
        with(root, "rtsp", |s| self.rtsp.read(s));
        root.about("Viewers over WebRTC.");
        with(root, "webrtc", |s| self.webrtc.read(s));
        root.about("Settings of every stream that does not say otherwise.");
        with(root, "defaults", |s| self.defaults.read(s));
        root.about("Cameras and other sources, by the name of the stream.");
        root.note("streams", Kind::Section, || Json::Null);
        open(root, "streams", |s| self.streams.read(s));
        root.about("Streams that are sent to other servers.");
        root.note("publish", Kind::Section, || Json::Null);
        open(root, "publish", |s| read_publish(s, &mut self.publish));
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
        if let Some(node) = root.any("publish").filter(|_| !self.publish.is_empty()) {
            let text = "not available in this version, accepted but not started".to_owned();
            root.report(Severity::Warning, node.at, "publish", text);
        }
    }

    fn read_app(&mut self, section: &mut Section<'_>) {
        section.about("Only these modules run; without the key, all.").restart();
        section.list_of("modules", ALL_MODULES, &mut self.modules);
        let Some(node) = section.any("modules") else { return };
        for module in self.modules.iter().flatten() {
            if !ALL_MODULES.contains(&module.as_str()) {
                let near = problem::nearest(module, ALL_MODULES.iter().copied());
                let hint = near.map(|n| format!(", did you mean {n:?}?")).unwrap_or_default();
                let text = format!("unknown module {module:?}{hint}");
                section.report(Severity::Warning, node.at, "app.modules", text);
            } else if !MODULES.contains(&module.as_str()) {
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

fn read_publish(section: &mut Section<'_>, into: &mut BTreeMap<String, Vec<String>>) {
    if section.notes() {
        section.about("Where the stream is sent, one or a list.");
        section
            .note("*", Kind::List(Vec::new()), || serde_json::to_value(&*into).unwrap_or_default());
        return;
    }
    match &section.node().value {
        Value::Map(entries) => {
            for entry in entries {
                let path = section.child(&entry.key);
                let texts = section.texts(&path, &entry.node);
                into.insert(entry.key.clone(), texts);
            }
        }
        _ => into.clear(),
    }
}

impl Log {
    fn read(&mut self, section: &mut Section<'_>) {
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
        let near = problem::nearest(&lower, LEVELS.iter().copied());
        let hint = near.map(|n| format!(", did you mean {n:?}?")).unwrap_or_default();
        let path = section.child(key);
        let text = format!("unknown level {text:?}{hint}");
        section.report(Severity::Warning, node.at, &path, text);
        return None;
    }
    Some(lower)
}

/// Asks for a TCP address.
fn address(section: &mut Section<'_>, key: &'static str, into: &mut String) {
    section.text(key, into);
    let Some(node) = section.any(key) else { return };
    let port = into.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none() && !into.is_empty() && node.text().is_some() {
        let path = section.child(key);
        let text = format!("must be host:port or :port, not {into:?}");
        section.report(Severity::Error, node.at, &path, text);
    }
}

impl Api {
    fn read(&mut self, section: &mut Section<'_>) {
        section.about("TCP address, `host:port` or `:port`; empty: none.").restart();
        address(section, "listen", &mut self.listen);
        section.about("Path of a unix socket; empty: none.").restart();
        section.text("unix_listen", &mut self.unix_listen);
        section.about("Login name; empty: no login.");
        section.text("username", &mut self.username);
        section.about("Password that goes with it.");
        section.secret("password", &mut self.password);
        section.about("Ask programs on this machine for the login too.");
        section.flag("local_auth", &mut self.local_auth);
        section.about("Prefix of all paths, such as /rtc.");
        section.text("base_path", &mut self.base_path);
        let base = self.base_path.trim_matches('/');
        self.base_path = if base.is_empty() { String::new() } else { format!("/{base}") };
        section.about("Folder that replaces the built-in web interface.");
        section.text("static_dir", &mut self.static_dir);
        section.about("`*`: every web page may use the API; else the one origin that may.");
        section.text("origin", &mut self.origin);
        section.about(
            "Only these paths exist, compared exactly, with base_path; without the key, all.",
        );
        section.list("allow_paths", &mut self.allow_paths);
        section.about("Host names under which browsers may change things, beside local ones.");
        section.plain_list("hosts", &mut self.hosts);
        section.about("TCP address for HTTPS; needs tls_cert and tls_key.").restart();
        address(section, "tls_listen", &mut self.tls_listen);
        section.about("Certificate chain: a PEM file or the PEM text.").restart();
        section.text("tls_cert", &mut self.tls_cert);
        section.about("Private key of the certificate: a PEM file or the PEM text.").restart();
        section.secret("tls_key", &mut self.tls_key);
        let complete = !self.tls_cert.is_empty() && !self.tls_key.expose().is_empty();
        if let Some(node) = section.any("tls_listen").filter(|n| n.text() != Some("") && !complete)
        {
            let text = "HTTPS needs tls_cert and tls_key too".to_owned();
            section.report(Severity::Warning, node.at, "api.tls_listen", text);
        }
    }
}

impl Rtsp {
    fn read(&mut self, section: &mut Section<'_>) {
        section.about("TCP address, `host:port` or `:port`; empty: no server.").restart();
        address(section, "listen", &mut self.listen);
        section.about("Login name, not asked from this machine; empty: no login.");
        section.text("username", &mut self.username);
        section.about("Password that goes with it.");
        section.secret("password", &mut self.password);
        section.about("Codecs for clients that name none.");
        section.text("default_query", &mut self.default_query);
        section.about("Largest RTP packet in bytes; 0: 1472. Any smaller value gives packets of at most 1180 bytes.");
        section.number("pkt_size", &mut self.pkt_size);
    }
}

impl Webrtc {
    fn read(&mut self, section: &mut Section<'_>) {
        section
            .about("`host:port`, with /tcp or /udp for one of them; empty: a random UDP port.")
            .restart();
        section.text("listen", &mut self.listen);
        if let Some(node) = section.any("listen")
            && ListenOn::parse(&self.listen).is_err()
        {
            let text =
                format!("must be host:port, host:port/tcp or host:port/udp, not {:?}", self.listen);
            section.report(Severity::Error, node.at, "webrtc.listen", text);
        }
        section.about("Addresses `host:port` to tell viewers besides our own; `stun:port` asks for the public one.");
        section.plain_list("candidates", &mut self.candidates);
        self.read_ice_servers(section);
        section.about("Which of our own addresses viewers are told.");
        with(section, "filters", |s| self.filters.read(s));
        self.liveness.read(section, "liveness");
        section.about("How quickly silent viewers are let go, in the words of other servers.");
        with(section, "timeouts", |s| self.timeouts.read(s));
    }

    fn read_ice_servers(&mut self, section: &mut Section<'_>) {
        if section.notes() {
            section.about("STUN and TURN servers for viewers.");
            section.note("ice_servers", Kind::Items, || {
                let servers = self.ice_servers.iter().flatten();
                servers.map(|s| format!("{s:?} {}", s.credential.expose())).collect()
            });
            let mut inner = section.noting_below("ice_servers.[]");
            IceServer::default().read(&mut inner);
            section.absorb(inner.finish());
            return;
        }
        let Some(node) = section.any("ice_servers") else { return };
        match &node.value {
            Value::List(items) => {
                let read = items.iter().map(|item| {
                    let mut inner = section.below("webrtc.ice_servers", item);
                    let mut server = IceServer::default();
                    server.read(&mut inner);
                    section.absorb(inner.finish());
                    server
                });
                self.ice_servers = Some(read.collect());
            }
            _ => section.wrong("ice_servers", node, "a list of servers"),
        }
    }
}

impl IceServer {
    fn read(&mut self, section: &mut Section<'_>) {
        section.about("`stun:host:port` or `turn:host:port`, one or more.");
        section.plain_list("urls", &mut self.urls);
        section.about("User name, for TURN.");
        section.text("username", &mut self.username);
        section.about("Password, for TURN.");
        section.secret("credential", &mut self.credential);
    }
}

impl Filters {
    fn read(&mut self, section: &mut Section<'_>) {
        section.about("Only these addresses are told.");
        section.list("candidates", &mut self.candidates);
        section.about("Tell loopback addresses too.");
        section.flag("loopback", &mut self.loopback);
        section.about("Only addresses of these interfaces.");
        section.list("interfaces", &mut self.interfaces);
        section.about("Only these addresses of our own.");
        section.list("ips", &mut self.ips);
        section.about("Only these kinds.");
        section.list_of("networks", &["udp4", "udp6", "tcp4", "tcp6"], &mut self.networks);
        let mut ports =
            self.udp_ports.map(|(first, last)| vec![first.to_string(), last.to_string()]);
        section
            .about("First and last of the UDP ports that are tried when listen is empty.")
            .restart();
        section.list("udp_ports", &mut ports);
        let Some((ports, node)) = ports.zip(section.any("udp_ports")) else { return };
        let numbers: Vec<u16> = ports.iter().filter_map(|p| p.trim().parse().ok()).collect();
        match numbers.as_slice() {
            [first, last] if first <= last => self.udp_ports = Some((*first, *last)),
            _ => section.wrong("udp_ports", node, "two ports, first and last"),
        }
    }
}

#[cfg(test)]
mod tests;
