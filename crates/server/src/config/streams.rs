//! The sections `streams` and `defaults`: sources and our settings per stream.

use std::collections::HashMap;
use std::time::Duration;

use rs2rtc_streams::Wake;
use serde_json::Value as Json;

use super::key::Kind;
use super::liveness::Liveness;
use super::node::{Node, Position, Value};
use super::patch::{MAX_KEY, is_key};
use super::problem::{Place, Severity};
use super::section::Section;

/// Settings of a stream beyond its sources; what is `None` comes from `defaults`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long a source is held after its last viewer.
    pub linger: Option<Duration>,
    /// When the source is opened.
    pub wake: Option<Wake>,
    /// Group of sources of which only one may be open.
    pub exclusive: Option<String>,
    /// How long a viewer whose page is hidden keeps the source.
    pub hidden_linger: Option<Duration>,
    /// A running source without a frame for so long is opened again; zero: never.
    pub stall: Option<Duration>,
    /// How long what has passed is kept for clips; zero: not at all.
    pub clip: Option<Duration>,
    /// How quickly a silent viewer is let go.
    pub liveness: Liveness,
}

impl Options {
    /// Reads the keys of a mapping.
    pub fn read(&mut self, section: &mut Section<'_>) {
        let (zero, hour) = (Duration::ZERO, Duration::from_secs(3600));
        section.about("How long a source is held after its last viewer.");
        section.duration_between("linger", zero, hour, &mut self.linger);
        section
            .about("When a source is opened: as soon as a viewer asks, or when it is connected.");
        section.choice("wake", &[("offer", Wake::Offer), ("viewer", Wake::Viewer)], &mut self.wake);
        self.read_exclusive(section);
        section.about("How long a viewer whose page is hidden keeps the source.");
        section.duration_between("hidden_linger", zero, hour, &mut self.hidden_linger);
        self.read_stall(section);
        section.about("While a source runs, what has passed is kept for so long, for clips.");
        section.duration_between("clip", zero, Duration::from_secs(300), &mut self.clip);
        self.liveness.read(section, "liveness");
    }

    /// For the streams engine; what is not set here comes from `defaults`.
    pub fn engine(&self, defaults: &Self) -> rs2rtc_streams::Options {
        rs2rtc_streams::Options {
            linger: self.linger.or(defaults.linger),
            wake: self.wake.or(defaults.wake).unwrap_or_default(),
            exclusive: self.exclusive.clone().or_else(|| defaults.exclusive.clone()),
            hidden_linger: self.hidden_linger.or(defaults.hidden_linger),
            stall: self.stall.or(defaults.stall),
            clip: self.clip.or(defaults.clip).unwrap_or_default(),
        }
    }

    fn read_stall(&mut self, section: &mut Section<'_>) {
        let (min, max) = (Duration::from_secs(1), Duration::from_secs(600));
        section.about(
            "A running source without a frame for so long is opened again, from 1s; 0: never.",
        );
        if section.notes() {
            section.duration_between("stall", Duration::ZERO, max, &mut self.stall);
            return;
        }
        let text = section.any("stall").and_then(|node| node.text());
        if text.and_then(super::duration::parse) == Some(Duration::ZERO) {
            self.stall = Some(Duration::ZERO);
        } else {
            section.duration_between("stall", min, max, &mut self.stall);
        }
    }

    fn read_exclusive(&mut self, section: &mut Section<'_>) {
        section.about("Name of a group: of its sources only one is open at a time.");
        section.note("exclusive", Kind::Text, || Json::from(self.exclusive.clone()));
        let Some(node) = section.any("exclusive") else { return };
        match node.text().map(str::trim) {
            Some(group) if (1..=64).contains(&group.len()) => {
                self.exclusive = Some(group.to_owned());
            }
            _ => section.wrong("exclusive", node, "the name of a group, at most 64 bytes"),
        }
    }
}

/// What stands for a stream.
const WANTED: &str = "a source, a list of sources or a mapping with url";

/// A configured stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Sources in order; may be empty.
    pub sources: Vec<String>,
    /// Settings.
    pub options: Options,
    /// Where it stands; `None`: nowhere.
    pub place: Option<Place>,
    /// Where each source stands; what is not there is at `place`.
    pub places: Vec<Position>,
}

/// Streams in the order of their first appearance.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    list: Vec<Entry>,
    /// Where each name is in the list: somebody may send one of very many for a check.
    places: HashMap<String, usize>,
}

impl Entries {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    /// The stream of a name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.list.get(*self.places.get(name)?)
    }

    /// How many.
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Adds a stream, or replaces the one of that name.
    pub fn set(&mut self, entry: Entry) {
        let at = self.places.get(&entry.name);
        if let Some(old) = at.and_then(|at| self.list.get_mut(*at)) {
            *old = entry;
            return;
        }
        self.places.insert(entry.name.clone(), self.list.len());
        self.list.push(entry);
    }

    /// Takes a stream out.
    pub fn remove(&mut self, name: &str) {
        let Some(removed) = self.places.remove(name) else { return };
        self.list.remove(removed);
        for place in self.places.values_mut().filter(|place| **place > removed) {
            *place -= 1;
        }
    }

    /// Reads the section of one document.
    pub fn read(&mut self, section: &mut Section<'_>) {
        if section.notes() {
            section.about("Sources: one, a list, or a mapping with url and settings.");
            section.note("*", Kind::Sources, || Json::Null);
            let mut inner = section.noting_below("*");
            Options::default().read(&mut inner);
            inner.about("Sources, one or a list.");
            inner.note("url", Kind::Sources, || Json::Null);
            section.absorb(inner.finish());
            return;
        }
        match &section.node().value {
            Value::Map(entries) => {
                for entry in entries {
                    let (sources, options) = read_entry(section, &entry.key, &entry.node);
                    let (sources, places) = sources.into_iter().unzip();
                    let place = Some(section.place(&entry.key, &entry.node));
                    self.set(Entry { name: entry.key.clone(), sources, options, place, places });
                }
            }
            Value::Null => *self = Self::default(),
            _ => {}
        }
    }
}

/// Why no stream should have this name; `None`: it may.
pub fn wrong_name(name: &str) -> Option<String> {
    // U+FFFD stands where bytes are no text.
    if name.contains(|c: char| c.is_control() || c == '\u{FFFD}') {
        return Some("a name is one line of UTF-8 text".to_owned());
    }
    (!is_key(name)).then(|| format!("a name is at most {MAX_KEY} bytes"))
}

/// Sources, each with its place, and settings.
type Read = (Vec<(String, Position)>, Options);

fn read_entry<'d>(section: &mut Section<'d>, name: &str, node: &'d Node) -> Read {
    let path = section.child(name);
    let mut options = Options::default();
    let Value::Map(_) = &node.value else {
        return (section.strings(&path, node, WANTED), options);
    };
    let mut inner = section.below(&path, node);
    options.read(&mut inner);
    let url = inner.any("url");
    let wanted = "a source or a list of sources";
    let sources = url.map(|url| inner.strings(&format!("{path}.url"), url, wanted));
    section.absorb(inner.finish());
    if sources.is_none() {
        let text = "has no url; the stream stays empty".to_owned();
        section.report(Severity::Warning, node.at, &path, text);
    }
    (sources.unwrap_or_default(), options)
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn streams_keep_the_order_of_their_first_appearance() {
        let mut entries = Entries::default();
        let mut set = |name: &str, sources: &[&str]| {
            entries.set(Entry {
                name: name.to_owned(),
                sources: sources.iter().map(|&source| source.to_owned()).collect(),
                options: Options::default(),
                place: None,
                places: Vec::new(),
            });
        };
        set("a", &["demo:"]);
        set("b", &[]);
        set("a", &["rtsp://h/1"]);
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!((names, entries.len()), (vec!["a", "b"], 2));
        assert_eq!(entries.get("a").unwrap().sources, ["rtsp://h/1"]);
        assert!(entries.get("b").is_some() && entries.get("c").is_none());
        entries.remove("c");
        entries.remove("a");
        assert!(entries.get("a").is_none() && entries.get("b").unwrap().name == "b");
        assert_eq!((entries.len(), entries.iter().count()), (1, 1));
    }

    #[test]
    fn what_is_no_text_is_no_source() {
        let text = "streams:\n  list: [5, 'demo:', true, ~, [a]]\n  url: {url: [1.5, 'demo:', x]}\n  number: {url: 5}\n  text: '5'\n";
        let config = Config::parse("f", text);
        let sources = |name: &str| config.streams.get(name).unwrap().sources.clone();
        assert_eq!(
            (sources("list"), sources("url")),
            (vec!["demo:".to_owned()], ["demo:", "x"].map(str::to_owned).to_vec())
        );
        assert_eq!((sources("number"), sources("text")), (Vec::new(), vec!["5".to_owned()]));
        let told: Vec<String> = config.problems.iter().map(ToString::to_string).collect();
        let expected = [
            "f:2:10: streams.list: must be a text, not a number",
            "f:2:22: streams.list: must be a text, not true or false",
            "f:2:28: streams.list: must be a text, not nothing",
            "f:2:31: streams.list: must be a text, not a list",
            "f:3:15: streams.url.url: must be a text, not a number",
            "f:4:17: streams.number.url: must be a source or a list of sources, not a number",
            "f:3:29: streams.url: \"x\" is neither a source nor the name of a stream",
            "f:5:9: streams.text: \"5\" is neither a source nor the name of a stream",
        ];
        assert_eq!(told, expected);
    }

    /// Whoever may look may have a text checked: as many as a call can hold take no minutes.
    #[test]
    fn very_many_streams_are_read() {
        let lines = (0..60_000).map(|n| format!("  s{n}: 'demo:'\n"));
        let text = format!("streams:\n{}", lines.collect::<String>());
        assert!(text.len() < crate::http::call::MAX_BODY * 3 / 2, "as long as a call, about");
        let config = Config::parse("f", &text);
        assert_eq!((config.streams.len(), config.problems), (60_000, Vec::new()));
    }
}
