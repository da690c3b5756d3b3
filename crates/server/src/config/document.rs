//! Parsing a document so that one mistake costs as little as possible: if the
//! whole is no YAML, its top-level sections are read one by one, and in a broken
//! section its entries.

use std::borrow::Cow;
use std::collections::HashMap;

use super::node::{
    Entry, Node, ParseError, Position, Scalar, Value, first_document, second_document,
};
use super::problem::{Code, Problem, Severity};
use super::sources::Document;

/// The document as a mapping; what could not be read is reported and left out.
pub(super) fn parse(document: &Document, problems: &mut Vec<Problem>) -> Node {
    let node = read(document, problems);
    report_repeated(document, &node, "", problems);
    if let Some(line) = second_document(&document.text) {
        let text = "another document begins here, which is not read: only the first one counts";
        let at = Position { line, column: 1 };
        let severity = Severity::Warning;
        problems.push(Problem { severity, ..problem(document, at, "", text.to_owned()) });
    }
    node
}

/// Of a key that is written twice the last one counts, and the other is lost: no matter for a
/// program that reads, but one for who wrote both.
fn report_repeated(document: &Document, node: &Node, path: &str, problems: &mut Vec<Problem>) {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::List(list) => {
            list.iter().for_each(|item| report_repeated(document, item, path, problems));
            return;
        }
        _ => return,
    };
    let mut lines = HashMap::new();
    for Entry { key, at, node } in entries {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if let Some(line) = lines.insert(key, at.line) {
            let text = format!("is written in line {line} already, and only this one counts");
            problems.push(problem(document, *at, &path, text).coded(Code::Repeated(line)));
        }
        report_repeated(document, node, &path, problems);
    }
}

fn read(document: &Document, problems: &mut Vec<Problem>) -> Node {
    let nothing = || Node { value: Value::Map(Vec::new()), at: Position::default() };
    match parse_text(&document.text).1 {
        Ok(node) => match node.value {
            Value::Map(_) => node,
            Value::Null => nothing(),
            _ => {
                let text = format!("must be a mapping of sections, not {}", node.kind());
                problems.push(problem(document, node.at, "", text));
                nothing()
            }
        },
        Err(error) => {
            let known = problems.len();
            let mut entries = Vec::new();
            for part in parts(first_document(&document.text).0, 0) {
                read_part(document, &part, &mut entries, problems);
            }
            // What is read in parts may mean something else than was written.
            if problems.len() == known {
                problems.push(at_part(document, 0, &error, ""));
            }
            Node { value: Value::Map(entries), at: Position::default() }
        }
    }
}

/// Reads a text, with quotes around [`unquoted`] values if there is no other way: the text
/// that was read, and what it says or why the given one is no YAML.
pub fn parse_text(text: &str) -> (Cow<'_, str>, Result<Node, ParseError>) {
    let error = match Node::parse(text) {
        Ok(node) => return (Cow::Borrowed(text), Ok(node)),
        Err(error) => error,
    };
    let quote = |line: &str| {
        let entry = unquoted(line, 0)?;
        let value = entry.node.text()?;
        let at = line.rfind(value)?;
        Some(format!("{}\"{value}\"{}", &line[..at], &line[at + value.len()..]))
    };
    let (first, others) = first_document(text);
    let lines = first.split_inclusive('\n');
    let lines = lines.map(|line| quote(line).unwrap_or_else(|| line.to_owned()));
    let quoted: String = lines.chain([others.to_owned()]).collect();
    match Node::parse(&quoted) {
        Ok(node) => (Cow::Owned(quoted), Ok(node)),
        Err(_) => (Cow::Borrowed(text), Err(error)),
    }
}

fn read_part(
    document: &Document,
    part: &Part<'_>,
    entries: &mut Vec<Entry>,
    problems: &mut Vec<Problem>,
) {
    let error = match Node::parse(part.text) {
        Ok(node) => {
            match shift(node, part.line) {
                Node { value: Value::Map(map), .. } => entries.extend(map),
                Node { value: Value::Null, .. } => {}
                node => problems.push(no_key(document, &node, "")),
            }
            return;
        }
        Err(error) => error,
    };
    let Some((head, body)) = part.text.split_once('\n') else {
        problems.push(at_part(document, part.line, &error, ""));
        return;
    };
    let Some(key) = head.trim_end().strip_suffix(':').filter(|k| !k.starts_with(' ')) else {
        problems.push(at_part(document, part.line, &error, ""));
        return;
    };
    let indent = body.lines().find(|l| !is_blank(l)).map_or(0, indent_of);
    let mut inner = Vec::new();
    for mut child in parts(body, indent) {
        child.line += part.line + 1;
        match Node::parse(child.text) {
            Ok(node) => match shift(node, child.line) {
                Node { value: Value::Map(map), .. } => inner.extend(map),
                Node { value: Value::Null, .. } => {}
                node => problems.push(no_key(document, &node, key)),
            },
            Err(error) => match unquoted(child.text, child.line) {
                Some(entry) => inner.push(entry),
                None => problems.push(at_part(document, child.line, &error, key)),
            },
        }
    }
    let at = Position { line: part.line + 1, column: 1 };
    let key = key.trim_matches(['"', '\'']).to_owned();
    entries.push(Entry { key, at, node: Node { value: Value::Map(inner), at } });
}

fn no_key(document: &Document, node: &Node, path: &str) -> Problem {
    let text = format!("must be `key: value`, not {}: is a colon missing?", node.kind());
    problem(document, node.at, path, text)
}

/// `demo: demo:` on one line: a text that ends with a colon is no YAML without
/// quotes, but nothing else can be meant.
fn unquoted(text: &str, line: usize) -> Option<Entry> {
    let mut lines = text.lines().filter(|l| !is_blank(l));
    let (only, None) = (lines.next()?, lines.next()) else { return None };
    let (key, value) = only.split_once(": ")?;
    let value = value.trim();
    let plain = value.ends_with(':') && !value.contains([' ', '\'', '"', '[', '{', '#', '&', '*']);
    let name = key.trim().trim_matches(['"', '\'']);
    if !plain || name.is_empty() {
        return None;
    }
    let at = Position { line: line + 1, column: indent_of(only) + 1 };
    let value_at = Position { line: line + 1, column: key.chars().count() + 3 };
    let scalar = Scalar { text: value.to_owned(), flag: None, is_number: false };
    let node = Node { value: Value::Scalar(scalar), at: value_at };
    Some(Entry { key: name.to_owned(), at, node })
}

/// Lines from one key of an indentation to the next.
struct Part<'t> {
    text: &'t str,
    /// Lines before it.
    line: usize,
}

fn parts(text: &str, indent: usize) -> Vec<Part<'_>> {
    let mut starts = Vec::new();
    let mut offset = 0;
    for (line, content) in text.split_inclusive('\n').enumerate() {
        let listed = content.trim_start().starts_with("- ");
        if !is_blank(content) && indent_of(content) <= indent && !listed {
            starts.push((offset, line));
        }
        offset += content.len();
    }
    let ends = starts.iter().skip(1).map(|(o, _)| *o).chain([text.len()]);
    let ranges = starts.iter().zip(ends);
    ranges
        .filter_map(|((o, line), end)| Some(Part { text: text.get(*o..end)?, line: *line }))
        .collect()
}

fn is_blank(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn shift(mut node: Node, lines: usize) -> Node {
    node.at.line += lines;
    node.value = match node.value {
        Value::List(list) => Value::List(list.into_iter().map(|n| shift(n, lines)).collect()),
        Value::Map(map) => {
            let moved = map.into_iter().map(|mut entry| {
                entry.at.line += lines;
                entry.node = shift(entry.node, lines);
                entry
            });
            Value::Map(moved.collect())
        }
        other => other,
    };
    node
}

fn at_part(document: &Document, line: usize, error: &ParseError, path: &str) -> Problem {
    let at = Position { line: error.at.line + line, column: error.at.column };
    let code = Code::Syntax(error.text.clone());
    problem(document, at, path, error.text.clone()).coded(code)
}

fn problem(document: &Document, at: Position, path: &str, text: String) -> Problem {
    let file = document.name.clone();
    Problem { severity: Severity::Error, file, at, path: path.to_owned(), text, code: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_ends_with_a_colon_is_understood() {
        let text = "log:\n  level: info\nstreams:\n  a: demo:\n  b: rtsp://x\n";
        let document = Document { name: "f.yaml".into(), text: text.into() };
        let mut problems = Vec::new();
        let node = parse(&document, &mut problems);
        let streams = &node.get("streams").unwrap().node;
        assert_eq!(streams.get("a").unwrap().node.text(), Some("demo:"));
        assert_eq!(streams.get("b").unwrap().node.text(), Some("rtsp://x"));
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn another_document_is_told_and_not_read() {
        let text = "streams:\n  a: demo:\n---\nstreams:\n  b: rtsp://b\n";
        // As a whole, and where another line is no YAML.
        for (more, others) in [("", 0), ("log: {\n", 1)] {
            let document = Document { name: "f.yaml".into(), text: format!("{more}{text}") };
            let mut problems = Vec::new();
            let node = parse(&document, &mut problems);
            let streams = &node.get("streams").unwrap().node;
            assert!(streams.get("a").is_some() && streams.get("b").is_none());
            assert_eq!(problems.len(), others + 1, "{problems:?}");
            let told = problems.pop().unwrap();
            assert_eq!((told.severity, told.at.line), (Severity::Warning, 3 + others));
            assert_eq!(
                told.text,
                "another document begins here, which is not read: only the first one counts"
            );
        }
    }

    #[test]
    fn keys_that_are_written_twice_are_told() {
        let text = "streams:\n  a: demo:\n  a: rtsp://a\napi: {listen: a, listen: b}\nstreams:\n  b: rtsp://b\nhooks:\n- {x: 1, x: 2}\n- {x: 1}\n";
        // As a whole, and where another line is no YAML.
        for (more, others) in [("", 0), ("log: {\n", 1)] {
            let document = Document { name: "f.yaml".into(), text: format!("{text}{more}") };
            let mut problems = Vec::new();
            let node = parse(&document, &mut problems);
            assert!(node.get("streams").unwrap().node.get("b").is_some());
            let said: Vec<_> = problems
                .iter()
                .skip(others)
                .map(|p| (p.path.as_str(), p.at.line, &*p.text))
                .collect();
            let counts =
                |line| format!("is written in line {line} already, and only this one counts");
            let expected = [
                ("streams.a", 3, &*counts(2)),
                ("api.listen", 4, &*counts(4)),
                ("streams", 5, &*counts(1)),
                ("hooks.x", 8, &*counts(8)),
            ];
            assert_eq!(said, expected, "{more}");
        }
    }

    #[test]
    fn settings_that_are_shared_are_not_written_twice() {
        let text = "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  a: 3\n";
        let document = Document { name: "f.yaml".into(), text: text.into() };
        let mut problems = Vec::new();
        parse(&document, &mut problems);
        assert_eq!(problems, []);
    }

    #[test]
    fn what_is_no_yaml_is_told_whatever_can_be_read_of_it() {
        let good = "streams:\n  demo: demo:\n  two: \"demo:?fps=5\"\n";
        for (text, line) in [
            ("streams:\n  demo: demo:\n  two \"demo:\"\n  c: rtsp://c\n", 3),
            ("streams:\n  demo: \"demo:\"\n  two \"demo:\"\n  c: rtsp://c\n", 3),
            ("streams:\n  - [\n", 0),
            ("streams:\n  a: rtsp://a\n  thre", 3),
            ("streams:\n  a: rtsp://a\n b: rtsp://b\n", 0),
            ("\"streams:\n  a: rtsp://a\n", 0),
            ("<<<<<<< HEAD\nstreams:\n=======\n", 1),
            ("streams:\n\tdemo: \"demo:\"\n", 2),
        ] {
            // After a document with mistakes of its own as well.
            for mut problems in [Vec::new(), vec![Problem { path: "x".into(), ..said(good) }]] {
                let known = problems.len();
                parse(&Document { name: "f.yaml".into(), text: text.into() }, &mut problems);
                assert!(problems.len() > known, "{text}");
                let first = &problems[known];
                assert_eq!(first.severity, Severity::Error, "{first}");
                assert!(first.at.line == line || line == 0 && first.at.line > 0, "{first}");
            }
        }
        let mut problems = Vec::new();
        parse(&Document { name: "f.yaml".into(), text: good.into() }, &mut problems);
        assert_eq!(problems, []);
    }

    fn said(text: &str) -> Problem {
        let document = Document { name: "f.yaml".into(), text: text.into() };
        problem(&document, Position { line: 1, column: 1 }, "", "wrong".into())
    }

    #[test]
    fn one_broken_entry_costs_only_itself() {
        let text = "api:\n  listen: :1\n# c\nstreams:\n  a: rtsp://a\n  b: x: y\n  c:\n    - 1\n\nlog: {\n";
        let document = Document { name: "f.yaml".into(), text: text.into() };
        let mut problems = Vec::new();
        let node = parse(&document, &mut problems);
        let streams = &node.get("streams").unwrap().node;
        assert_eq!(streams.get("a").unwrap().at, Position { line: 5, column: 3 });
        assert!(streams.get("b").is_none());
        assert_eq!(streams.get("c").unwrap().at.line, 7);
        assert_eq!(node.get("api").unwrap().node.get("listen").unwrap().node.text(), Some(":1"));
        let lines: Vec<usize> = problems.iter().map(|p| p.at.line).collect();
        assert_eq!(lines, [6, 10], "{problems:?}");
    }

    #[test]
    fn what_is_nested_too_deep_as_a_whole_is_a_mistake() {
        // Its entries alone are one less deep.
        let deep = format!("{}{}", "[".repeat(63), "]".repeat(63));
        let text = format!("streams:\n  a: {deep}\n");
        let document = Document { name: "f.yaml".into(), text };
        let mut problems = Vec::new();
        parse(&document, &mut problems);
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(texts.join("").contains("nested more than 64 deep"), "{texts:?}");
        assert_eq!(problems[0].severity, Severity::Error);
    }
}
