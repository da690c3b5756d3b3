//! Reading one mapping of a document into a typed section: known keys are asked
//! for by name, what nobody asked for is an unknown key.
//!
//! The same readers can run against nothing and note the keys they ask for; see
//! [`super::key`].

use std::collections::BTreeMap;
use std::time::Duration;

use rs2rtc_base::{Secret, nearest};
use serde_json::Value as Json;

use super::duration;
use super::key::{Key, Kind};
use super::node::{Node, Position, Value};
use super::problem::{Code, Place, Problem, Severity};

/// A mapping while it is read.
#[derive(Debug)]
pub struct Section<'d> {
    file: &'d str,
    path: String,
    node: &'d Node,
    asked: Vec<&'static str>,
    found: Found,
    /// Notes what is asked for instead of reading.
    notes: bool,
    about: &'static str,
    restart: bool,
}

/// What reading a section gave.
#[derive(Debug, Default)]
pub struct Found {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What was asked for, if the section notes that.
    pub keys: Vec<Key>,
    /// Where values stand that are judged when all is read.
    pub places: Vec<Place>,
}

/// What a section without a document reads.
static NOTHING: Node = Node { value: Value::Null, at: Position { line: 0, column: 0 } };

impl<'d> Section<'d> {
    /// Begins to read a mapping that stands at `path` of `file`.
    pub fn new(file: &'d str, path: impl Into<String>, node: &'d Node) -> Self {
        let mut section = Self {
            file,
            path: path.into(),
            node,
            asked: Vec::new(),
            found: Found::default(),
            notes: false,
            about: "",
            restart: false,
        };
        if !matches!(node.value, Value::Map(_) | Value::Null) {
            section.report_wrong("", node, "a mapping");
        }
        section
    }

    /// Begins to note which keys are asked for.
    pub fn noting() -> Self {
        Self { notes: true, ..Self::new("", "", &NOTHING) }
    }

    /// Whether it notes keys; there is nothing to read then.
    pub const fn notes(&self) -> bool {
        self.notes
    }

    /// Explains the key that is asked for next.
    pub const fn about(&mut self, text: &'static str) -> &mut Self {
        self.about = text;
        self
    }

    /// Says that a change of the key asked for next needs a new start.
    pub const fn restart(&mut self) -> &mut Self {
        self.restart = true;
        self
    }

    /// Notes a key and its value.
    pub fn note(&mut self, key: &str, kind: Kind, value: impl FnOnce() -> Json) {
        let (about, restart) = (std::mem::take(&mut self.about), std::mem::take(&mut self.restart));
        if self.notes {
            let path = self.child(key);
            self.found.keys.push(Key { path, kind, value: value(), about, restart });
        }
    }

    /// The mapping itself.
    pub const fn node(&self) -> &'d Node {
        self.node
    }

    /// Asks for a key whatever its type is. `None` if it is not there or null.
    pub fn any(&mut self, key: &'static str) -> Option<&'d Node> {
        self.asked.push(key);
        let node = &self.node.get(key)?.node;
        (!matches!(node.value, Value::Null)).then_some(node)
    }

    /// Asks for a text; numbers and flags count as the text they were written as.
    pub fn text(&mut self, key: &'static str, into: &mut String) {
        self.note(key, Kind::Text, || Json::from(into.as_str()));
        self.read_text(key, into);
    }

    /// Asks for a text that is not to be shown.
    pub fn secret(&mut self, key: &'static str, into: &mut Secret) {
        self.note(key, Kind::Secret, || Json::from(into.expose()));
        let mut text = into.expose().to_owned();
        self.read_text(key, &mut text);
        *into = Secret::new(text);
    }

    fn read_text(&mut self, key: &'static str, into: &mut String) {
        if let Some(node) = self.any(key) {
            match node.text() {
                Some(text) => text.clone_into(into),
                None => self.wrong(key, node, "a text"),
            }
        }
    }

    /// Asks for `true` or `false`.
    pub fn flag(&mut self, key: &'static str, into: &mut bool) {
        self.note(key, Kind::Flag, || Json::from(*into));
        if let Some(node) = self.any(key) {
            match &node.value {
                Value::Scalar(scalar) if scalar.flag.is_some() => {
                    *into = scalar.flag.unwrap_or(*into);
                }
                _ => self.wrong(key, node, "true or false"),
            }
        }
    }

    /// Asks for a whole number.
    pub fn number(&mut self, key: &'static str, into: &mut u16) {
        self.note(key, Kind::Whole(0, u64::from(u16::MAX)), || Json::from(*into));
        if let Some(node) = self.any(key) {
            match node.text().and_then(|text| text.trim().parse().ok()) {
                Some(number) => *into = number,
                None => {
                    let shown = match &node.value {
                        Value::Scalar(scalar) if scalar.is_number => scalar.text.clone(),
                        Value::Scalar(scalar) => format!("{:?}", scalar.text),
                        _ => node.kind().to_owned(),
                    };
                    let text = format!("must be a whole number from 0 to 65535, not {shown}");
                    let code = Code::WrongValue(["0 - 65535".to_owned(), shown]);
                    self.report_as(Severity::Error, node.at, &self.child(key), text, code);
                }
            }
        }
    }

    /// Asks for a duration within limits.
    pub fn duration_between(
        &mut self,
        key: &'static str,
        min: Duration,
        max: Duration,
        into: &mut Option<Duration>,
    ) {
        self.note(key, Kind::Duration(min, max), || into.map_or(Json::Null, shown));
        let Some(node) = self.any(key) else { return };
        let Some(value) = node.text().and_then(duration::parse) else {
            return self.wrong(key, node, "a duration such as 10s or 250ms");
        };
        if (min..=max).contains(&value) {
            *into = Some(value);
            return;
        }
        let show = duration::show;
        let values @ [min, max, found] = &[show(min), show(max), show(value)];
        let text = format!("must be between {min} and {max}, not {found}; the default is used");
        let code = Code::OutOfRange(values.clone());
        self.report_as(Severity::Error, node.at, &self.child(key), text, code);
    }

    /// Asks for one of some words.
    pub fn choice<T: Copy + PartialEq>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        into: &mut Option<T>,
    ) {
        self.note(key, Kind::Choice(choices.iter().map(|(name, _)| *name).collect()), || {
            let name = choices.iter().find(|(_, value)| Some(*value) == *into);
            name.map_or(Json::Null, |(name, _)| Json::from(*name))
        });
        let Some(node) = self.any(key) else { return };
        let found = choices.iter().find(|(name, _)| node.text() == Some(name));
        match found {
            Some((_, value)) => *into = Some(*value),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let found =
                    node.text().map_or_else(|| node.kind().to_owned(), |t| format!("{t:?}"));
                let text =
                    format!("must be {}, not {found}; the default is used", names.join(" or "));
                let code = Code::WrongValue([names.join(", "), found]);
                self.report_as(Severity::Error, node.at, &self.child(key), text, code);
            }
        }
    }

    /// Asks for a list of texts; a single text counts as a list of one.
    pub fn list(&mut self, key: &'static str, into: &mut Option<Vec<String>>) {
        self.list_of(key, &[], into);
    }

    /// Asks for a list of texts that replaces the one before.
    pub fn plain_list(&mut self, key: &'static str, into: &mut Vec<String>) {
        let mut list = Some(std::mem::take(into));
        self.list(key, &mut list);
        *into = list.unwrap_or_default();
    }

    /// As [`Self::list`]; only `words` make sense, which the caller checks.
    pub fn list_of(
        &mut self,
        key: &'static str,
        words: &[&'static str],
        into: &mut Option<Vec<String>>,
    ) {
        self.note(key, Kind::List(words.to_vec()), || Json::from(into.clone()));
        if let Some(node) = self.any(key) {
            let path = self.child(key);
            *into = Some(self.texts(&path, node));
        }
    }

    /// Asks for a mapping of texts. Keys are united with earlier documents; null clears.
    pub fn map(&mut self, into: &mut BTreeMap<String, String>) {
        if self.notes {
            self.note("*", Kind::Text, || into.clone().into_iter().collect());
            return;
        }
        match &self.node.value {
            Value::Map(entries) => {
                for entry in entries {
                    match entry.node.text() {
                        Some(text) => {
                            into.insert(entry.key.clone(), text.to_owned());
                        }
                        None if matches!(entry.node.value, Value::Null) => {
                            into.insert(entry.key.clone(), String::new());
                        }
                        None => self.wrong(&entry.key, &entry.node, "a text"),
                    }
                }
            }
            _ => into.clear(),
        }
    }

    /// Asks for a mapping below this one.
    pub fn section(&mut self, key: &'static str) -> Option<Self> {
        self.note(key, Kind::Section, || Json::Null);
        let node = match self.any(key) {
            None if self.notes => &NOTHING,
            node => node?,
        };
        Some(self.below(&self.child(key), node))
    }

    /// Begins to read a mapping below this one that was found otherwise.
    pub fn below(&self, path: &str, node: &'d Node) -> Self {
        Self { notes: self.notes, ..Self::new(self.file, path, node) }
    }

    /// Begins to note the keys of a mapping below this one.
    pub fn noting_below(&self, key: &str) -> Self {
        self.below(&self.child(key), &NOTHING)
    }

    /// Takes what a section below found.
    pub fn absorb(&mut self, found: Found) {
        self.found.problems.extend(found.problems);
        self.found.keys.extend(found.keys);
        self.found.places.extend(found.places);
    }

    /// The texts of a list, or of a single text; other items are reported and skipped.
    pub fn texts(&mut self, path: &str, node: &Node) -> Vec<String> {
        match &node.value {
            Value::List(items) => {
                let mut texts = Vec::new();
                for item in items {
                    match item.text().map(str::to_owned).or_else(|| unfinished(item)) {
                        Some(text) => texts.push(text),
                        None => self.report_wrong(path, item, "a text"),
                    }
                }
                texts
            }
            Value::Scalar(scalar) => vec![scalar.text.clone()],
            Value::Null => Vec::new(),
            Value::Map(_) => {
                self.report_wrong(path, node, "a list");
                Vec::new()
            }
        }
    }

    /// The texts of a list, or a single one, each with its place; numbers and all else that is
    /// no text is reported and skipped. `wanted` is what the value must be.
    pub fn strings(&mut self, path: &str, node: &Node, wanted: &str) -> Vec<(String, Position)> {
        let items = match &node.value {
            Value::Null => return Vec::new(),
            Value::List(items) => items.as_slice(),
            Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
        };
        let is_list = matches!(node.value, Value::List(_));
        let mut texts = Vec::new();
        for item in items {
            let text = match &item.value {
                Value::Scalar(scalar) if scalar.flag.is_none() && !scalar.is_number => {
                    Some(scalar.text.clone())
                }
                Value::Map(_) if is_list => unfinished(item),
                _ => None,
            };
            let wanted = if is_list { "a text" } else { wanted };
            match text {
                Some(text) => texts.push((text, item.at)),
                None => self.report_wrong(path, item, wanted),
            }
        }
        texts
    }

    /// Reports a value of the wrong type.
    pub fn wrong(&mut self, key: &str, node: &Node, wanted: &str) {
        self.report_wrong(&self.child(key), node, wanted);
    }

    fn report_wrong(&mut self, path: &str, node: &Node, wanted: &str) {
        let found = node.kind();
        let text = format!("must be {wanted}, not {found}");
        let code = Code::WrongValue([wanted.to_owned(), found.to_owned()]);
        self.report_as(Severity::Error, node.at, path, text, code);
    }

    /// The place of a key's value, for later.
    pub fn place(&self, key: &str, node: &Node) -> Place {
        Place { file: self.file.to_owned(), at: node.at, path: self.child(key) }
    }

    /// Remembers where keys stand that are judged when all is read.
    pub fn remember(&mut self, keys: &[&'static str]) {
        for key in keys {
            if let Some(node) = self.any(key) {
                let place = self.place(key, node);
                self.found.places.push(place);
            }
        }
    }

    /// Reports a problem at a full path.
    pub fn report(&mut self, severity: Severity, at: Position, path: &str, text: String) {
        let path = if path.is_empty() { self.path.clone() } else { path.to_owned() };
        let file = self.file.to_owned();
        self.found.problems.push(Problem { severity, file, at, path, text, code: None });
    }

    fn report_as(
        &mut self,
        severity: Severity,
        at: Position,
        path: &str,
        text: String,
        code: Code,
    ) {
        self.report(severity, at, path, text);
        if let Some(last) = self.found.problems.last_mut() {
            last.code = Some(code);
        }
    }

    /// Ends reading: keys that nobody asked for are unknown.
    pub fn finish(mut self) -> Found {
        if let Value::Map(entries) = &self.node.value {
            for entry in entries {
                if !self.asked.contains(&entry.key.as_str()) {
                    let near = nearest(&entry.key, self.asked.iter().copied());
                    let text = match near {
                        Some(near) => format!("unknown key, did you mean {near:?}?"),
                        None => "unknown key, ignored".to_owned(),
                    };
                    let (path, code) =
                        (self.child(&entry.key), Code::UnknownKey(near.map(str::to_owned)));
                    self.report_as(Severity::Warning, entry.at, &path, text, code);
                }
            }
        }
        self.found
    }

    /// Ends reading where any key is allowed.
    pub fn finish_open(self) -> Found {
        self.found
    }

    /// The path of a key of this section.
    pub fn child(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// As people write it.
fn shown(duration: Duration) -> Json {
    duration::show(duration).into()
}

/// `- demo:` in a list of texts: YAML reads a mapping without a value.
fn unfinished(node: &Node) -> Option<String> {
    match &node.value {
        Value::Map(entries) => match entries.as_slice() {
            [entry] if matches!(entry.node.value, Value::Null) => Some(format!("{}:", entry.key)),
            _ => None,
        },
        _ => None,
    }
}
