//! The configuration: one typed tree, read from files and the command line
//! (`spec/core.md` 2 and 3).
//!
//! Documents are read in order into the same sections: a later scalar wins, a
//! null changes nothing, mappings of names are united. A mistake costs only what
//! it stands on and is reported with its place; nothing here stops the program.

use std::collections::BTreeMap;
use std::path::Path;

use rs2rtc_base::Secret;

mod document;
pub mod duration;
pub mod file;
pub mod liveness;
pub mod node;
pub mod patch;
pub mod problem;
mod section;
pub mod sources;
pub mod streams;

pub use file::{ConfigFile, WriteError};
pub use patch::Edit;
pub use problem::{Problem, Severity};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let sources = sources::read(items, dir, env);
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
            });
        }
        config.resolve();
        (config, sources)
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
        self.problems.extend(root.finish());
    }

    fn read_root(&mut self, root: &mut Section<'_>) {
        with(root, "app", |s| self.read_app(s));
        if let Some(mut s) = root.section("log") {
            self.log.read(&mut s);
            root.absorb(s.finish_open());
        }
        with(root, "api", |s| self.api.read(s));
        with(root, "rtsp", |s| self.rtsp.read(s));
        with(root, "webrtc", |s| self.webrtc.read(s));
        with(root, "defaults", |s| self.defaults.read(s));
        open(root, "streams", |s| self.streams.read(s));
        open(root, "publish", |s| read_publish(s, &mut self.publish));
        open(root, "preload", |s| s.map(&mut self.preload));
        open(root, "ffmpeg", |s| s.map(&mut self.ffmpeg));
        open(root, "env", |_| {});
        with(root, "exec", |s| s.list("allow_paths", &mut self.exec_allow_paths));
        let mut compat = String::new();
        root.text("compat", &mut compat);
        self.compat |= compat == "go2rtc";
        for section in NOT_YET {
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
        section.list("modules", &mut self.modules);
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
    let Some(entry) = root.node().get(key) else { return };
    let mut section = root.below(key, &entry.node);
    read(&mut section);
    root.absorb(section.finish_open());
}

fn read_publish(section: &mut Section<'_>, into: &mut BTreeMap<String, Vec<String>>) {
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
        section.text("level", &mut self.level);
        section.text("format", &mut self.format);
        section.text("output", &mut self.output);
        section.text("time", &mut self.time);
        if let Value::Map(entries) = &section.node().value {
            for entry in entries {
                if matches!(entry.key.as_str(), "level" | "format" | "output" | "time") {
                    continue;
                }
                match entry.node.text() {
                    Some(level) => {
                        self.modules.insert(entry.key.clone(), level.to_owned());
                    }
                    None => section.wrong(&entry.key, &entry.node, "a level such as debug"),
                }
            }
        }
    }
}

impl Api {
    fn read(&mut self, section: &mut Section<'_>) {
        section.text("listen", &mut self.listen);
        section.text("unix_listen", &mut self.unix_listen);
        section.text("username", &mut self.username);
        secret(section, "password", &mut self.password);
        section.flag("local_auth", &mut self.local_auth);
        section.text("base_path", &mut self.base_path);
        let base = self.base_path.trim_matches('/');
        self.base_path = if base.is_empty() { String::new() } else { format!("/{base}") };
        section.text("static_dir", &mut self.static_dir);
        section.text("origin", &mut self.origin);
        section.list("allow_paths", &mut self.allow_paths);
        let mut hosts = None;
        section.list("hosts", &mut hosts);
        self.hosts = hosts.unwrap_or_else(|| std::mem::take(&mut self.hosts));
        section.text("tls_listen", &mut self.tls_listen);
        section.text("tls_cert", &mut self.tls_cert);
        secret(section, "tls_key", &mut self.tls_key);
    }
}

impl Rtsp {
    fn read(&mut self, section: &mut Section<'_>) {
        section.text("listen", &mut self.listen);
        section.text("username", &mut self.username);
        secret(section, "password", &mut self.password);
        section.text("default_query", &mut self.default_query);
        section.number("pkt_size", &mut self.pkt_size);
    }
}

impl Webrtc {
    fn read(&mut self, section: &mut Section<'_>) {
        section.text("listen", &mut self.listen);
        let mut candidates = None;
        section.list("candidates", &mut candidates);
        if let Some(candidates) = candidates {
            self.candidates = candidates;
        }
        if let Some(node) = section.any("ice_servers") {
            match &node.value {
                Value::List(items) => {
                    let read = items.iter().map(|item| IceServer::read(section, item));
                    self.ice_servers = Some(read.collect());
                }
                _ => section.wrong("ice_servers", node, "a list of servers"),
            }
        }
        with(section, "filters", |s| self.filters.read(s));
        self.liveness.read(section, "liveness");
        with(section, "timeouts", |s| self.timeouts.read(s));
    }
}

impl IceServer {
    fn read<'d>(section: &mut Section<'d>, node: &'d Node) -> Self {
        let mut inner = section.below("webrtc.ice_servers", node);
        let mut urls = None;
        inner.list("urls", &mut urls);
        let mut server = Self {
            urls: urls.unwrap_or_default(),
            username: String::new(),
            credential: Secret::default(),
        };
        inner.text("username", &mut server.username);
        secret(&mut inner, "credential", &mut server.credential);
        section.absorb(inner.finish());
        server
    }
}

impl Filters {
    fn read(&mut self, section: &mut Section<'_>) {
        section.list("candidates", &mut self.candidates);
        section.flag("loopback", &mut self.loopback);
        section.list("interfaces", &mut self.interfaces);
        section.list("ips", &mut self.ips);
        section.list("networks", &mut self.networks);
        let mut ports = None;
        section.list("udp_ports", &mut ports);
        let Some((ports, node)) = ports.zip(section.any("udp_ports")) else { return };
        let numbers: Vec<u16> = ports.iter().filter_map(|p| p.trim().parse().ok()).collect();
        match numbers.as_slice() {
            [first, last] if first <= last => self.udp_ports = Some((*first, *last)),
            _ => section.wrong("udp_ports", node, "two ports, first and last"),
        }
    }
}

fn secret(section: &mut Section<'_>, key: &'static str, into: &mut Secret) {
    let mut text = into.expose().to_owned();
    section.text(key, &mut text);
    *into = Secret::new(text);
}

#[cfg(test)]
mod tests;
