//! Changing one key of a YAML text and nothing else: comments, order and spacing
//! stay (`spec/core.md` 2.5).

use serde_json::Value as Json;

use super::document::parse_text;
use super::node::{Entry, Node, ParseError, Value, first_document};

/// A value to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A text.
    Text(String),
    /// A list of texts, in block style.
    List(Vec<String>),
    /// Any value, in block style.
    Value(Json),
    /// Take the key out.
    Remove,
}

/// Why a text could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// The text is no YAML.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The text is a list or a scalar.
    #[error("yaml: can't patch")]
    NotAMapping,
    /// The section is not there and cannot be made.
    #[error("yaml: path not exist")]
    NoPath,
    /// The section is written as `{a: b}`.
    #[error(
        "yaml: line {line}: section {key} is written in braces; put each entry on its own line to let it be changed"
    )]
    Flow {
        /// Line of the section.
        line: usize,
        /// Name of the section.
        key: String,
    },
    /// The result would not have meant what was asked for.
    #[error("yaml: {0} could not be changed without changing the rest of the file")]
    Unsafe(String),
}

/// Longest key that is written, in bytes, and so also with what stands for its quotes. YAML ends
/// a key of one line after 1024 characters.
pub const MAX_KEY: usize = 1000;

/// How nothing can be written.
const NULLS: [&str; 4] = ["~", "null", "Null", "NULL"];

/// Whether a name can be written as a key.
pub fn is_key(name: &str) -> bool {
    name.len() <= MAX_KEY && quote(name).len() <= MAX_KEY + 2
}

/// Sets the key at `path` and gives the new text. Of a path whose parent is not
/// there the section is made if the path has two names. Of several documents the first one
/// is changed.
///
/// # Errors
/// The text is not changed then; see [`PatchError`].
pub fn patch(text: &str, path: &[&str], edit: &Edit) -> Result<String, PatchError> {
    let (first, others) = first_document(text);
    Ok(patch_first(first, path, edit)? + others)
}

fn patch_first(text: &str, path: &[&str], edit: &Edit) -> Result<String, PatchError> {
    // What is read without its quotes is written with them.
    let (text, root) = parse_text(text);
    let (text, root) = (text.as_ref(), root?);
    if !matches!(root.value, Value::Map(_) | Value::Null) {
        return Err(PatchError::NotAMapping);
    }
    let Some((key, parents)) = path.split_last() else { return Err(PatchError::NoPath) };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if parents.is_empty() {
        return at_root(text, &root, lines, key, edit);
    }
    let Some(parent) = find(&root, parents) else {
        return append(text, path, edit);
    };
    match &parent.node.value {
        Value::Map(entries)
            if entries.is_empty() && (*edit == Edit::Remove || open(&mut lines, &parent.node)) => {}
        Value::Map(_) if is_flow(&lines, &parent.node) => {
            return Err(PatchError::Flow { line: parent.at.line, key: parent.key.clone() });
        }
        Value::Null if *edit != Edit::Remove => {
            // With nothing written there is nothing to take away.
            open(&mut lines, &parent.node);
        }
        Value::Map(_) | Value::Null => {}
        _ => return Err(PatchError::Unsafe(parents.join("."))),
    }
    let line_end = line_end(text);
    if let Some(entry) = parent.node.get(key) {
        let first = entry.at.line.saturating_sub(1);
        let end = end_of(&lines, entry);
        let new = match edit {
            Edit::Remove => None,
            _ => Some(block(key, edit, entry.at.column.saturating_sub(1), line_end)),
        };
        lines.splice(first..end, new);
    } else if *edit != Edit::Remove {
        let indent = match &parent.node.value {
            Value::Map(children) if !children.is_empty() => {
                children.first().map_or(0, |c| c.at.column.saturating_sub(1))
            }
            _ => parent.at.column + 1,
        };
        let end = end_of(&lines, parent);
        let last = end.checked_sub(1).and_then(|i| lines.get_mut(i));
        if let Some(last) = last.filter(|line| !line.ends_with('\n')) {
            last.push_str(line_end);
        }
        lines.insert(end, block(key, edit, indent, line_end));
    }
    verify(text, lines.concat(), path, edit)
}

/// Sets a key of the document itself.
fn at_root(
    text: &str,
    root: &Node,
    mut lines: Vec<String>,
    key: &str,
    edit: &Edit,
) -> Result<String, PatchError> {
    if matches!(root.value, Value::Map(_)) && is_flow(&lines, root) {
        return Err(PatchError::Flow { line: root.at.line, key: "(all)".to_owned() });
    }
    let line_end = line_end(text);
    if let Some(entry) = root.get(key) {
        let first = entry.at.line.saturating_sub(1);
        let new = (*edit != Edit::Remove).then(|| block(key, edit, 0, line_end));
        lines.splice(first..end_of(&lines, entry), new);
    } else if *edit != Edit::Remove {
        if let Some(last) = lines.last_mut().filter(|line| !line.ends_with('\n')) {
            last.push_str(line_end);
        }
        lines.push(block(key, edit, 0, line_end));
    }
    verify(text, lines.concat(), &[key], edit)
}

fn append(text: &str, path: &[&str], edit: &Edit) -> Result<String, PatchError> {
    let [section, key] = path else { return Err(PatchError::NoPath) };
    if *edit == Edit::Remove {
        return Err(PatchError::NoPath);
    }
    let line_end = line_end(text);
    let mut out = text.to_owned();
    if !out.is_empty() && !out.ends_with('\n') {
        out.push_str(line_end);
    }
    out.push_str(&quote(section));
    out.push(':');
    out.push_str(line_end);
    out.push_str(&block(key, edit, 2, line_end));
    verify(text, out, path, edit)
}

/// The result must parse, hold the new value and otherwise be what it was.
fn verify(old: &str, new: String, path: &[&str], edit: &Edit) -> Result<String, PatchError> {
    let mut expected = Node::parse(old)?.to_json();
    let Ok(result) = Node::parse(&new) else { return Err(PatchError::Unsafe(path.join("."))) };
    let result = result.to_json();
    if expected.is_null() {
        expected = Json::Object(serde_json::Map::new());
    }
    let changed = set(&mut expected, path, edit);
    let removed_all = |v: &Json| v.is_null() || v.as_object().is_some_and(|m| m.is_empty());
    if changed
        && (normal(expected.clone()) == normal(result.clone())
            || (removed_all(&expected) && removed_all(&result)))
    {
        Ok(new)
    } else {
        Err(PatchError::Unsafe(path.join(".")))
    }
}

/// Sets a key of a tree. `false` if a parent is no mapping.
pub(super) fn set(value: &mut Json, path: &[&str], edit: &Edit) -> bool {
    let Some((key, rest)) = path.split_first() else { return false };
    if value.is_null() {
        *value = Json::Object(serde_json::Map::new());
    }
    let Json::Object(map) = value else { return false };
    if !rest.is_empty() {
        return set(map.entry(*key).or_insert(Json::Null), rest, edit);
    }
    match edit.value() {
        None => map.shift_remove(*key),
        Some(value) => map.insert((*key).to_owned(), value),
    };
    true
}

/// An emptied mapping reads as nothing; the order of keys does not count.
fn normal(value: Json) -> Json {
    match value {
        Json::Object(map) if map.is_empty() => Json::Null,
        Json::Object(map) => {
            let mut pairs: Vec<(String, Json)> =
                map.into_iter().map(|(k, v)| (k, normal(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Json::Object(pairs.into_iter().collect())
        }
        other => other,
    }
}

fn find<'n>(root: &'n Node, path: &[&str]) -> Option<&'n Entry> {
    let (first, rest) = path.split_first()?;
    let mut entry = root.get(first)?;
    for key in rest {
        entry = entry.node.get(key)?;
    }
    Some(entry)
}

/// True if a value begins with a brace.
fn is_flow(lines: &[String], node: &Node) -> bool {
    let line = node.at.line.checked_sub(1).and_then(|i| lines.get(i));
    line.and_then(|l| l.chars().nth(node.at.column.saturating_sub(1))) == Some('{')
}

/// Takes empty braces or a written null away, so that entries can follow on their own lines.
fn open(lines: &mut [String], node: &Node) -> bool {
    let Some(line) = node.at.line.checked_sub(1).and_then(|i| lines.get_mut(i)) else {
        return false;
    };
    let Some((begin, _)) = line.char_indices().nth(node.at.column.saturating_sub(1)) else {
        return false;
    };
    let (before, value) = line.split_at(begin);
    let rest = if matches!(node.value, Value::Null) {
        let rest = NULLS.iter().find_map(|null| value.strip_prefix(null));
        rest.filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace))
    } else {
        let inside = value.strip_prefix('{').map(str::trim_start);
        inside.and_then(|inside| inside.strip_prefix('}'))
    };
    let Some(rest) = rest else { return false };
    *line = format!("{}{rest}", before.trim_end_matches([' ', '\t']));
    true
}

/// The line after the last one that belongs to a key: lines indented deeper, and
/// the items of a list that stand at the key's own column.
fn end_of(lines: &[String], entry: &Entry) -> usize {
    let column = entry.at.column.saturating_sub(1);
    let listed = matches!(&entry.node.value, Value::List(_));
    let mut end = entry.at.line;
    for (index, line) in lines.iter().enumerate().skip(entry.at.line) {
        let content = line.trim();
        if content.is_empty() {
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        let item = listed && indent == column && (content == "-" || content.starts_with("- "));
        if indent <= column && !item {
            break;
        }
        end = index + 1;
    }
    end
}

impl Edit {
    /// What stands at the key afterwards; `None`: nothing.
    pub(super) fn value(&self) -> Option<Json> {
        match self {
            Self::Text(text) => Some(Json::String(text.clone())),
            Self::List(list) => Some(list.iter().cloned().map(Json::String).collect()),
            Self::Value(value) => Some(value.clone()),
            Self::Remove => None,
        }
    }
}

/// How the lines of a text end: as the first one does.
pub(super) fn line_end(text: &str) -> &'static str {
    let first = text.split_inclusive('\n').next();
    if first.is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
}

/// A whole document in block style.
pub(super) fn document(value: &Json, line_end: &str) -> String {
    let text: String = match value {
        Json::Object(map) => map.iter().map(|(key, value)| entry(key, value, 0)).collect(),
        _ => String::new(),
    };
    text.replace('\n', line_end)
}

/// `key: value` at an indentation, with the end of a line at its end.
fn block(key: &str, edit: &Edit, indent: usize, line_end: &str) -> String {
    // Those of a value are escaped.
    let text = edit.value().map(|value| entry(key, &value, indent)).unwrap_or_default();
    text.replace('\n', line_end)
}

fn entry(key: &str, value: &Json, indent: usize) -> String {
    let pad = " ".repeat(indent);
    let key = quote(key);
    match value {
        Json::Object(map) if !map.is_empty() => {
            let inner: String = map.iter().map(|(k, v)| entry(k, v, indent + 2)).collect();
            format!("{pad}{key}:\n{inner}")
        }
        Json::Array(list) if !list.is_empty() => {
            let items: String = list.iter().map(|value| item(value, indent + 2)).collect();
            format!("{pad}{key}:\n{items}")
        }
        _ => format!("{pad}{key}: {}\n", scalar(value)),
    }
}

fn item(value: &Json, indent: usize) -> String {
    let pad = " ".repeat(indent);
    match value {
        Json::Object(map) if !map.is_empty() => {
            let inner: String = map.iter().map(|(k, v)| entry(k, v, indent + 2)).collect();
            format!("{pad}- {}", inner.trim_start_matches(' '))
        }
        _ => format!("{pad}- {}\n", scalar(value)),
    }
}

/// On one line; what is no scalar in the notation of JSON, which is YAML too.
fn scalar(value: &Json) -> String {
    match value {
        Json::String(text) => quote(text),
        _ => value.to_string(),
    }
}

/// A text as a YAML scalar: plain where that reads back as the same text.
fn quote(text: &str) -> String {
    if text.chars().any(must_escape) {
        return escaped(text);
    }
    if is_word(text) || looks_like_a_number(text) || text.is_empty() {
        return format!("\"{text}\"");
    }
    let plain = !text.starts_with([
        ' ', '-', '?', ':', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%',
        '@', '`',
    ]) && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...");
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Line breaks of any kind, and what editors do not show.
fn must_escape(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if must_escape(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn is_word(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<"];
    WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn looks_like_a_number(text: &str) -> bool {
    let first = text.trim_start_matches(['+', '-', '.']).chars().next();
    let numeric =
        |c: char| c.is_ascii_hexdigit() || matches!(c, '+' | '-' | '.' | '_' | ':' | 'x' | 'o');
    (first.is_some_and(|c| c.is_ascii_digit()) && text.chars().all(numeric))
        || matches!(text.to_ascii_lowercase().as_str(), ".inf" | "-.inf" | "+.inf" | ".nan")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Edit {
        Edit::Text(value.into())
    }

    fn list(values: &[&str]) -> Edit {
        Edit::List(values.iter().map(|v| (*v).to_owned()).collect())
    }

    #[test]
    fn the_twelve_vectors_of_the_contract() {
        const CAMERA: &[&str] = &["streams", "camera1"];
        const PAIRINGS: &[&str] = &["homekit", "camera1", "pairings"];
        let vectors: &[(&str, &[&str], Edit, &str)] = &[
            ("", CAMERA, text("val1"), "streams:\n  camera1: val1\n"),
            ("#dummy", CAMERA, text("val1"), "#dummy\nstreams:\n  camera1: val1\n"),
            (
                "streams:\n  camera1: url1\n  camera2: url2",
                CAMERA,
                text("val1"),
                "streams:\n  camera1: val1\n  camera2: url2",
            ),
            (
                "streams:\n  camera1:\n    url1\n  camera2: url2",
                CAMERA,
                text("val1"),
                "streams:\n  camera1: val1\n  camera2: url2",
            ),
            (
                "streams:\n  camera1: url1\n    url2\n  camera2: url2",
                CAMERA,
                text("val1"),
                "streams:\n  camera1: val1\n  camera2: url2",
            ),
            (
                "streams:\n  camera1:\n    url1\n    url2\n  camera2: url2",
                CAMERA,
                text("val1"),
                "streams:\n  camera1: val1\n  camera2: url2",
            ),
            ("", CAMERA, list(&["val1", "val2"]), "streams:\n  camera1:\n    - val1\n    - val2\n"),
            (
                "streams:\n  camera1: url1\n  camera2: url2",
                CAMERA,
                Edit::Remove,
                "streams:\n  camera2: url2",
            ),
            (
                "homekit:\n  camera1:\nstreams:\n  camera1: url1",
                PAIRINGS,
                list(&["val1"]),
                "homekit:\n  camera1:\n    pairings:\n      - val1\nstreams:\n  camera1: url1",
            ),
            (
                "homekit:\n  camera1:\n    pairings:\n      - val1\nstreams:\n  camera1: url1",
                PAIRINGS,
                Edit::Remove,
                "homekit:\n  camera1:\nstreams:\n  camera1: url1",
            ),
            ("streams:\n  camera1: url1", CAMERA, text("val1"), "streams:\n  camera1: val1\n"),
            (
                "streams:\n  camera1: url1\nhomekit:\n  camera1:\n    name: dummy",
                PAIRINGS,
                list(&["val1"]),
                "streams:\n  camera1: url1\nhomekit:\n  camera1:\n    name: dummy\n    pairings:\n      - val1\n",
            ),
        ];
        for (input, path, edit, output) in vectors {
            assert_eq!(&patch(input, path, edit).unwrap(), output, "input {input:?}");
        }
    }

    #[test]
    fn errors_leave_the_text_alone() {
        let run =
            |input, edit: &Edit| patch(input, &["streams", "z"], edit).map_err(|e| e.to_string());
        assert_eq!(run("log:\n  level: info\n", &Edit::Remove), Err("yaml: path not exist".into()));
        assert_eq!(run("- a\n", &text("x")), Err("yaml: can't patch".into()));
        assert!(run("streams: {a: b}\n", &text("x")).unwrap_err().contains("braces"));
        assert!(run("a: [", &text("x")).is_err());
        assert!(run("streams: text\n", &text("x")).is_err());
        assert_eq!(run("streams:\n  a: b\n", &Edit::Remove), Ok("streams:\n  a: b\n".into()));
    }

    #[test]
    fn empty_braces_are_opened() {
        let run = |input, edit: &Edit| {
            patch(input, &["streams", "camera1"], edit).map_err(|e| e.to_string())
        };
        for (input, output) in [
            ("streams: {}", "streams:\n  camera1: x\n"),
            ("log: {}\nstreams: { }\napi: {}\n", "log: {}\nstreams:\n  camera1: x\napi: {}\n"),
            ("streams: {}  # none yet\n", "streams:  # none yet\n  camera1: x\n"),
            ("# ä\n\"streams\" : {}\n", "# ä\n\"streams\" :\n  camera1: x\n"),
        ] {
            assert_eq!(run(input, &text("x")), Ok(output.to_owned()), "{input:?}");
            assert_eq!(run(input, &Edit::Remove), Ok(input.to_owned()), "{input:?}");
        }
        // Over several lines they are left to whoever wrote them.
        assert!(run("streams: {\n}\n", &text("x")).unwrap_err().contains("braces"));
    }

    #[test]
    fn a_written_null_is_taken_away() {
        for null in NULLS {
            for (input, output) in [
                ("streams: ~", "streams:\n  camera1: x\n"),
                ("a: ~\nstreams:  ~ # none\nb: ~\n", "a: ~\nstreams: # none\n  camera1: x\nb: ~\n"),
                ("streams: ~\r\nb: ~\r\n", "streams:\r\n  camera1: x\r\nb: ~\r\n"),
            ] {
                let (input, output) = (input.replace('~', null), output.replace('~', null));
                let run = |edit: &Edit| {
                    patch(&input, &["streams", "camera1"], edit).map_err(|error| error.to_string())
                };
                assert_eq!(run(&text("x")), Ok(output), "{input:?}");
                assert_eq!(run(&Edit::Remove), Ok(input.clone()), "{input:?}");
            }
        }
        let error = patch("streams: !!null ~\n", &["streams", "a"], &text("x")).unwrap_err();
        assert!(error.to_string().contains("could not be changed"), "{error}");
    }

    #[test]
    fn lines_end_as_those_of_the_file() {
        let run = |input: &str, path: &[&str], edit: &Edit| {
            let out = patch(input, path, edit).unwrap();
            assert!(!out.replace("\r\n", "").contains(['\r', '\n']), "{out:?}");
            let unix = patch(&input.replace("\r\n", "\n"), path, edit).unwrap();
            assert_eq!(out.replace("\r\n", "\n"), unix, "{input:?}");
        };
        let input = "log: {}\r\nstreams:\r\n  a: b\r\n  c:\r\n    - d: \r\n";
        let last = "log: x\r\nstreams:\r\n  a: b";
        let deep = Edit::Value(serde_json::json!({ "url": ["x", "y\r\nz"], "linger": "1s" }));
        for edit in [text("x"), list(&["x", "y"]), deep, Edit::Remove] {
            for path in [["streams", "a"].as_slice(), &["streams", "n"], &["log", "n"], &["new"]] {
                run(input, path, &edit);
            }
            run(last, &["streams", "n"], &edit);
            run(last, &["new"], &edit);
        }
        run(last, &["new", "n"], &text("x"));
        run(last, &["new", "n"], &list(&["x", "y"]));
    }

    #[test]
    fn other_documents_stay() {
        let others = "---\n# more\nstreams:\n  a: c\n  d: demo:\n";
        for (input, output) in [
            ("streams:\n  a: b\n", "streams:\n  a: x\n"),
            ("# c\n---\nlog:\n  a: b\n", "# c\n---\nlog:\n  a: b\nstreams:\n  a: x\n"),
            ("---\n", "---\nstreams:\n  a: x\n"),
            ("streams:\n  b: demo:\n", "streams:\n  b: \"demo:\"\n  a: x\n"),
        ] {
            let out = patch(&format!("{input}{others}"), &["streams", "a"], &text("x")).unwrap();
            assert_eq!(out, format!("{output}{others}"));
            let out = patch(&out, &["streams", "a"], &Edit::Remove).unwrap();
            assert!(!out.contains("a: x") && out.ends_with(others), "{out}");
        }
    }

    #[test]
    fn comments_lists_and_odd_names_stay() {
        let input = "# head\nstreams:\n  a:   # cam a\n  - rtsp://x\n\n  - rtsp://y\n  # about b\n  b: rtsp://z\n# tail\n";
        let out = patch(input, &["streams", "a"], &list(&["rtsp://n"])).unwrap();
        assert_eq!(
            out,
            "# head\nstreams:\n  a:\n    - rtsp://n\n  # about b\n  b: rtsp://z\n# tail\n"
        );
        let out = patch(&out, &["streams", "Камера №1: \"x\" #y"], &list(&["n", "1984"])).unwrap();
        assert!(
            out.contains("  'Камера №1: \"x\" #y':\n    - \"n\"\n    - \"1984\"\n# tail\n"),
            "{out}"
        );
        let out = patch(&out, &["streams", "n"], &text("a: b")).unwrap();
        assert!(out.contains("  \"n\": 'a: b'\n"), "{out}");
        let all = patch("streams:\n  a: b\n", &["streams", "a"], &Edit::Remove).unwrap();
        assert_eq!(all, "streams:\n");
    }

    #[test]
    fn only_the_url_of_a_mapping_changes() {
        let input = "streams:\n  a:\n    url: rtsp://x\n    linger: 1s\n";
        let out = patch(input, &["streams", "a", "url"], &list(&["rtsp://y"])).unwrap();
        assert_eq!(out, "streams:\n  a:\n    url:\n      - rtsp://y\n    linger: 1s\n");
    }
}
