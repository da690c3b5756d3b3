//! Where the configuration comes from: files, inline items and texts, `env:` and
//! `${NAME:default}` (`spec/core.md` 2.1, 2.3, 2.4).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::document;
use super::node::{Position, Value};
use super::problem::{Problem, Severity};
use super::stamp::Stamp;

/// One configuration document before it is parsed.
#[derive(Clone, Debug)]
pub struct Document {
    /// File path or the item of the command line, for messages.
    pub name: String,
    /// YAML text with variables put in.
    pub text: String,
}

/// All documents in order, and what was learned while reading them.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Documents, later ones override.
    pub documents: Vec<Document>,
    /// The file that is written back to, absolute; `None` disables write-back.
    pub path: Option<PathBuf>,
    /// What stands in it; `None` if it does not exist.
    pub text: Option<String>,
    /// All files that were looked for, absolute.
    pub files: Vec<PathBuf>,
    /// How each of them was before it was read.
    pub stamps: Vec<Stamp>,
    /// Those of them that do not exist.
    pub missing: Vec<PathBuf>,
    /// Files that are there and cannot be read, with the reason.
    pub unreadable: Vec<String>,
    /// What is wrong with the bytes of files.
    pub problems: Vec<Problem>,
    /// Values that must never be shown.
    pub secrets: Vec<String>,
    /// True if no item was given and no default file exists.
    pub is_empty: bool,
    /// Somebody else's text: files that it names are not looked for.
    pub is_alone: bool,
}

impl Sources {
    /// A text that was read instead of the file stands in it now. If somebody else has
    /// written it again since, the file stays unknown, and is read when it has rested.
    pub fn stands_written(&mut self) {
        let place = self.files.iter().position(|file| Some(file) == self.path.as_ref());
        let (Some(path), Some(place)) = (&self.path, place) else { return };
        let stamp = Stamp::of(path);
        let stands = std::fs::read(path).ok().as_deref() == self.text.as_deref().map(str::as_bytes);
        if let Some(known) = self.stamps.get_mut(place).filter(|_| stands) {
            *known = stamp;
        }
    }

    /// Takes the text of a file, with its variables put in.
    fn add(
        &mut self,
        name: &str,
        text: &str,
        env: &mut BTreeMap<String, String>,
        environment: &dyn Environment,
    ) {
        learn_env(text, env, &mut self.secrets);
        let text = substitute(text, |name| {
            let value = lookup(name, env, environment)?;
            self.secrets.push(value.clone());
            Some(value)
        });
        self.documents.push(Document { name: name.to_owned(), text });
    }

    fn tidy(&mut self) {
        self.secrets.retain(|s| !s.is_empty());
        self.secrets.sort();
        self.secrets.dedup();
    }
}

/// Where variables are looked up after the `env:` section.
pub trait Environment {
    /// A variable of the process.
    fn var(&self, name: &str) -> Option<String>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Environment for Process {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Looked for when the command line names nothing; the first one that exists counts.
const DEFAULTS: [&str; 2] = ["rs2rtc.yaml", "go2rtc.yaml"];

/// What is read: chosen once, so that what comes and goes beside it later leads
/// to no other file.
#[derive(Clone, Debug)]
pub struct Items {
    items: Vec<String>,
    dir: PathBuf,
    is_default: bool,
}

impl Items {
    /// The items of the command line, or the default file in `dir`:
    /// `rs2rtc.yaml` if it exists, else `go2rtc.yaml`.
    pub fn new(items: &[String], dir: &Path) -> Self {
        let mut items = items.to_vec();
        let is_default = items.is_empty();
        if is_default {
            let [own, other] = DEFAULTS;
            items.push(if dir.join(own).exists() { own } else { other }.to_owned());
        }
        Self { items, dir: dir.to_owned(), is_default }
    }

    /// The default file that would be chosen now, if that is another one. It need
    /// not exist.
    pub fn preferred(&self) -> Option<PathBuf> {
        let [own, _] = DEFAULTS;
        let other = self.is_default && self.items.iter().all(|item| item != own);
        other.then(|| self.dir.join(own))
    }
}

/// No variable and no file of a secret.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Environment for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
}

/// A text alone, as if it stood in a file of this name: nothing of this machine is looked at.
pub fn alone(name: &str, text: &str) -> Sources {
    let mut sources = Sources { is_alone: true, ..Sources::default() };
    sources.add(name, text, &mut BTreeMap::new(), &Nothing);
    sources.tidy();
    sources
}

/// Reads all items. Missing files are empty.
///
/// With `instead`, that text counts as what stands in the file that is written
/// back to.
pub fn read(items: &Items, environment: &dyn Environment, instead: Option<&str>) -> Sources {
    let Items { items, dir, is_default } = items;
    let mut sources = Sources {
        is_empty: *is_default && items.iter().all(|item| !dir.join(item).exists()),
        ..Sources::default()
    };
    let mut env = BTreeMap::new();
    for item in items {
        if item.is_empty() {
            continue;
        }
        if item.starts_with('{') {
            sources.documents.push(Document { name: "-c {…}".to_owned(), text: item.clone() });
            continue;
        }
        if let Some(text) = inline(item) {
            let key = item.split('=').next().unwrap_or_default();
            sources.documents.push(Document { name: format!("-c {key}"), text });
            continue;
        }
        let path = dir.join(item);
        sources.stamps.push(Stamp::of(&path));
        let first = sources.path.is_none();
        if first {
            sources.path = Some(path.clone());
        }
        let text = match instead.filter(|_| first) {
            Some(text) => {
                sources.is_empty = false;
                text.to_owned()
            }
            None => match std::fs::read(&path) {
                Ok(bytes) => {
                    let wrong = not_text(item, &bytes);
                    let is_unread = wrong.as_ref().is_some_and(|p| p.severity == Severity::Error);
                    sources.problems.extend(wrong);
                    // What is said of its letters would be many times the same.
                    let bytes: &[u8] = if is_unread { b"" } else { &bytes };
                    String::from_utf8_lossy(bytes).into_owned()
                }
                Err(error) => {
                    sources.files.push(path.clone());
                    match error.kind() {
                        std::io::ErrorKind::NotFound => sources.missing.push(path),
                        _ => sources.unreadable.push(format!("{item}: {error}")),
                    }
                    continue;
                }
            },
        };
        sources.files.push(path);
        if first {
            sources.text = Some(text.clone());
        }
        sources.add(item, &text, &mut env, environment);
    }
    sources.tidy();
    sources
}

/// `a.b.c=v` as `{a: {b: {c: v}}}`.
fn inline(item: &str) -> Option<String> {
    let (key, value) = item.split_once('=')?;
    let parts: Vec<&str> = key.split('.').collect();
    if parts.len() < 2 {
        return None;
    }
    let mut text = String::new();
    for part in &parts {
        text.push('{');
        text.push_str(part);
        text.push_str(": ");
    }
    text.push_str(value);
    text.push_str(&"}".repeat(parts.len()));
    Some(text)
}

/// Reads the `env:` section of a file before its variables are put in; a mistake in
/// another section does not matter to it.
fn learn_env(text: &str, env: &mut BTreeMap<String, String>, secrets: &mut Vec<String>) {
    let document = Document { name: String::new(), text: text.to_owned() };
    // They are told when the document is read.
    let root = document::parse(&document, &mut Vec::new());
    let Some(section) = root.get("env") else { return };
    let Value::Map(entries) = &section.node.value else { return };
    for entry in entries {
        if let Some(value) = entry.node.text() {
            env.insert(entry.key.clone(), value.to_owned());
            secrets.push(value.to_owned());
        }
    }
}

/// Says where the first bytes are that are no text.
fn not_text(file: &str, bytes: &[u8]) -> Option<Problem> {
    // With its mark, or as Windows writes it without: every other byte of ASCII is zero.
    let marked = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    if marked || bytes.iter().take(4).filter(|byte| **byte == 0).count() == 2 {
        let text = "is UTF-16, which is not read: save the file as UTF-8";
        return Some(Problem {
            severity: Severity::Error,
            file: file.to_owned(),
            at: Position { line: 1, column: 1 },
            path: String::new(),
            text: text.to_owned(),
            code: None,
        });
    }
    let good = bytes.get(..std::str::from_utf8(bytes).err()?.valid_up_to())?;
    let line = String::from_utf8_lossy(good.rsplit(|byte| *byte == b'\n').next()?);
    Some(Problem {
        severity: Severity::Warning,
        file: file.to_owned(),
        at: Position {
            line: 1 + good.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + line.chars().count(),
        },
        path: String::new(),
        text: "is not UTF-8 here: save the file as that, the API does not change it before"
            .to_owned(),
        code: None,
    })
}

fn lookup(name: &str, env: &BTreeMap<String, String>, process: &dyn Environment) -> Option<String> {
    if let Some(value) = env.get(name) {
        return Some(value.clone());
    }
    if let Some(dir) = process.var("CREDENTIALS_DIRECTORY") {
        // The name is part of a path: it must not leave the folder.
        let plain = !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
        let text =
            plain.then(|| std::fs::read_to_string(Path::new(&dir).join(name)).ok()).flatten();
        if let Some(text) = text.map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()) {
            return Some(text);
        }
    }
    process.var(name)
}

/// Replaces `${NAME}` and `${NAME:default}`; what is not found stays as it is.
fn substitute(text: &str, mut lookup: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let inner = tail.get(2..).unwrap_or_default();
        let end = inner.find(['{', '}']).filter(|end| *end > 0 && inner[*end..].starts_with('}'));
        let Some(end) = end else {
            out.push_str("${");
            rest = inner;
            continue;
        };
        let body = &inner[..end];
        let (name, default) = match body.find(':').filter(|at| *at > 0) {
            Some(at) => (&body[..at], Some(&body[at + 1..])),
            None => (body, None),
        };
        match (lookup(name), default) {
            (Some(value), _) => out.push_str(&value),
            (None, Some(default)) => out.push_str(default),
            (None, None) => {
                out.push_str("${");
                out.push_str(body);
                out.push('}');
            }
        }
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static [(&'static str, &'static str)]);

    impl Environment for Fixed {
        fn var(&self, name: &str) -> Option<String> {
            self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        }
    }

    #[test]
    fn substitution_forms() {
        let env = Fixed(&[("A", "1"), ("EMPTY", "")]);
        let run = |text: &str| substitute(text, |name| env.var(name));
        assert_eq!(run("x ${A} y"), "x 1 y");
        assert_eq!(run("${B:two:three}"), "two:three");
        assert_eq!(run("${B:}|${EMPTY:z}"), "|");
        assert_eq!(run("${B} ${:A} ${} ${a{b} $A ${"), "${B} ${:A} ${} ${a{b} $A ${");
    }

    #[test]
    fn items_in_order() {
        let dir = std::env::temp_dir().join(format!("rs2rtc-sources-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = "env:\n  PASS: geheim\napi:\n  password: ${PASS}\n  username: ${USER_X:admin}\n";
        std::fs::write(dir.join("a.yaml"), file).unwrap();
        let items =
            ["", "{log: {level: info}}", "log.level=trace", "a.yaml", "b.yaml"].map(str::to_owned);
        let sources = read(&Items::new(&items, &dir), &Fixed(&[]), None);
        let texts: Vec<&str> = sources.documents.iter().map(|d| d.text.as_str()).collect();
        assert_eq!(texts[0], "{log: {level: info}}");
        assert_eq!(texts[1], "{log: {level: trace}}");
        assert!(texts[2].contains("password: geheim\n  username: admin"), "{}", texts[2]);
        assert_eq!(texts.len(), 3);
        assert_eq!(sources.path, Some(dir.join("a.yaml")));
        assert_eq!(sources.secrets, ["geheim"]);
        assert!(!sources.is_empty);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_default_file_is_chosen_once() {
        let dir = folder("default");
        let (own, other) = (dir.join("rs2rtc.yaml"), dir.join("go2rtc.yaml"));
        let read = |items: &Items| {
            let sources = read(items, &Fixed(&[]), None);
            (sources.path.unwrap(), sources.text, sources.is_empty)
        };
        let chosen = Items::new(&[], &dir);
        assert_eq!(read(&chosen), (other.clone(), None, true));
        assert_eq!(chosen.preferred(), Some(own.clone()));
        std::fs::write(&own, "log:\n").unwrap();
        assert_eq!(read(&chosen), (other.clone(), None, true), "another one beside it");
        let chosen = Items::new(&[], &dir);
        assert_eq!(read(&chosen), (own.clone(), Some("log:\n".to_owned()), false));
        assert_eq!(chosen.preferred(), None);
        std::fs::write(&other, "api:\n").unwrap();
        std::fs::remove_file(&own).unwrap();
        assert_eq!(read(&chosen), (own, None, true), "it is gone, nothing takes its place");
        assert_eq!(Items::new(&["a.yaml".to_owned()], &dir).preferred(), None);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("rs2rtc-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn texts(items: &[&str], dir: &Path, environment: &dyn Environment) -> (Vec<String>, Sources) {
        let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
        let sources = read(&Items::new(&items, dir), environment, None);
        (sources.documents.iter().map(|d| d.text.clone()).collect(), sources)
    }

    #[test]
    fn what_an_item_is() {
        let dir = folder("items");
        std::fs::write(dir.join("log.level=trace"), "a file of this name").unwrap();
        std::fs::write(dir.join("x=y"), "plain: ${V}\n").unwrap();
        let environment = Fixed(&[("V", "v")]);
        let items = [
            "log.level=trace",
            "rtsp.listen=\"\"",
            "webrtc.candidates=[1.2.3.4:8555]",
            "{a: ${V}, env: {V: w}}",
            "{\"json\": {\"list\": [1]}}",
            "missing.yaml",
            "x=y",
        ];
        let (found, sources) = texts(&items, &dir, &environment);
        let expected = [
            "{log: {level: trace}}",
            "{rtsp: {listen: \"\"}}",
            "{webrtc: {candidates: [1.2.3.4:8555]}}",
            // Neither replaced nor searched for `env`.
            "{a: ${V}, env: {V: w}}",
            "{\"json\": {\"list\": [1]}}",
            "plain: v\n",
        ];
        assert_eq!(found, expected);
        // The first file counts, also if it does not exist yet.
        assert_eq!((sources.path, sources.text), (Some(dir.join("missing.yaml")), None));
        assert_eq!(sources.files, [dir.join("missing.yaml"), dir.join("x=y")]);
        let (_, none) = texts(&["log.level=info"], &dir, &environment);
        assert!(none.path.is_none() && !none.is_empty);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn where_a_variable_is_looked_up() {
        let dir = folder("variables");
        std::fs::write(dir.join("A"), "from a file\n").unwrap();
        std::fs::write(dir.join("EMPTY"), " \n").unwrap();
        std::fs::write(dir.join("B"), "hidden").unwrap();
        std::fs::write(
            dir.join("1.yaml"),
            "env: {B: first, C: 1}\nx: ${B} ${A} ${EMPTY} ${P} ${Q:d}\n",
        )
        .unwrap();
        std::fs::write(
            dir.join("2.yaml"),
            "env:\n  B: second ${C}\nx: ${B} ${C} ${../1.yaml} ${R}\n",
        )
        .unwrap();
        let name: &'static str = Box::leak(dir.display().to_string().into_boxed_str());
        let variables: &'static [(&str, &str)] = Box::leak(Box::new([
            ("CREDENTIALS_DIRECTORY", name),
            ("A", "x"),
            ("EMPTY", "e"),
            ("P", ""),
        ]));
        let (found, sources) = texts(&["1.yaml", "2.yaml"], &dir, &Fixed(variables));
        assert!(found[0].ends_with("x: first from a file e  d\n"), "{found:?}");
        // `env` is read before anything is replaced in its own file.
        assert!(found[1].ends_with("x: second ${C} 1 ${../1.yaml} ${R}\n"), "{found:?}");
        let secrets = ["1", "e", "first", "from a file", "second ${C}"];
        assert_eq!(sources.secrets, secrets, "a default is no secret");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_mistake_elsewhere_costs_no_variable() {
        let dir = folder("mistake");
        let text = "env:\n  V: v\nlog: [\nstreams:\n  a: x:${V}\n";
        std::fs::write(dir.join("a.yaml"), text).unwrap();
        let (found, sources) = texts(&["a.yaml"], &dir, &Fixed(&[]));
        assert!(found[0].ends_with("  a: x:v\n"), "{found:?}");
        assert_eq!(sources.secrets, ["v"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_text_instead_of_the_file() {
        let dir = folder("instead");
        std::fs::write(dir.join("a.yaml"), "old: 1\n").unwrap();
        let items = ["log.level=info", "a.yaml"].map(str::to_owned);
        let items = Items::new(&items, &dir);
        let sources = read(&items, &Fixed(&[("V", "v")]), Some("new: ${V}\n"));
        assert_eq!(sources.documents[1].text, "new: v\n");
        let sources = read(&Items::new(&[], &dir), &Fixed(&[]), Some("new: 1\n"));
        assert_eq!((sources.is_empty, sources.documents.len()), (false, 1));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn utf_16_is_told_once() {
        let dir = folder("utf-16");
        let little =
            |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        for mark in ["", "\u{FEFF}"] {
            std::fs::write(dir.join("a.yaml"), little(&format!("{mark}log:\n  level: x\n")))
                .unwrap();
            let (_, sources) = texts(&["a.yaml"], &dir, &Fixed(&[]));
            let told = crate::config::Config::from_sources(&sources).problems;
            let told: Vec<String> = told.iter().map(ToString::to_string).collect();
            assert_eq!(told, ["a.yaml:1:1: is UTF-16, which is not read: save the file as UTF-8"]);
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn bytes_that_are_no_text_are_told_with_their_place() {
        let dir = folder("bytes");
        std::fs::write(dir.join("a.yaml"), b"log:\n  # caf\xc3\xa9 caf\xe9\n").unwrap();
        let (_, sources) = texts(&["a.yaml", "none.yaml"], &dir, &Fixed(&[]));
        let told = crate::config::Config::from_sources(&sources).problems;
        assert_eq!(told.len(), 1);
        assert!(told[0].to_string().starts_with("a.yaml:2:13: is not UTF-8"), "{}", told[0]);
        assert_eq!(sources.missing, [dir.join("none.yaml")]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
