//! YAML as a tree that remembers where every value stands.
//!
//! Scalars keep their text: a password `0123` stays `0123`, whatever number the
//! YAML schema sees in it.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

/// What aliases may repeat in all: values, keys, and beginnings and ends of collections. A text
/// of a few hundred bytes could else stand for gigabytes.
const REPEATED: usize = 20_000;
/// Bytes of values that may come on top of those of the text, by aliases.
const REPEATED_BYTES: usize = 16 << 20;

thread_local! {
    /// Bytes of values that may still come in the text that is being read.
    static LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1; 0 if unknown.
    pub line: usize,
    /// Column in characters, from 1; 0 if unknown.
    pub column: usize,
}

/// A YAML value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it begins.
    pub at: Position,
}

/// A YAML value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Anything that is not a collection.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<Entry>),
}

/// A scalar: its text and what the YAML schema makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// As written, without quotes.
    pub text: String,
    /// `true`, `yes`, `on` and their opposites, unquoted.
    pub flag: Option<bool>,
    /// A number, unquoted.
    pub is_number: bool,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key begins.
    pub at: Position,
    /// The value.
    pub node: Node,
}

/// Collections within collections that are read: the limit of the YAML library.
const MAX_DEPTH: usize = 64;

/// A text that is no YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("yaml: line {}: {text}", at.line)]
pub struct ParseError {
    /// Where the parser stopped.
    pub at: Position,
    /// What it did not like.
    pub text: String,
    /// It may be YAML, and is nested too deep to be read.
    pub too_deep: bool,
}

/// The first document of a text, and the text from the mark on that ends it. Only the first
/// one is read, as go2rtc does.
///
/// A mark at the beginning of a line is one wherever it stands, also within quotes (YAML 1.2,
/// 9.1.2: `c-forbidden`). Before a document there may be comments, directives and its own mark.
pub fn first_document(text: &str) -> (&str, &str) {
    let (mut offset, mut has_begun) = (0, false);
    for line in text.split_inclusive('\n') {
        let line_text = line.trim_start_matches('\u{feff}');
        let is_mark = |mark| {
            let rest = line_text.strip_prefix(mark);
            rest.is_some_and(|rest: &str| rest.is_empty() || rest.starts_with(char::is_whitespace))
        };
        let (begins, ends) = (is_mark("---"), is_mark("..."));
        if has_begun && (begins || ends) {
            return text.split_at(offset);
        }
        let content = line_text.trim();
        let is_before = content.is_empty() || content.starts_with(['#', '%']) || ends;
        has_begun |= begins || !is_before;
        offset += line.len();
    }
    (text, "")
}

/// The line of the mark behind which another document begins; `None`: there is only one.
pub fn second_document(text: &str) -> Option<usize> {
    let (first, others) = first_document(text);
    let is_content = |line: &str| {
        let line = line.strip_prefix("---").or_else(|| line.strip_prefix("...")).unwrap_or(line);
        !line.trim().is_empty() && !line.trim().starts_with('#')
    };
    others.lines().any(is_content).then(|| 1 + first.matches('\n').count())
}

impl Node {
    /// Reads the first document of a text. An empty one is [`Value::Null`].
    ///
    /// # Errors
    /// Where the parser stopped and why.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (text, _) = first_document(text);
        let mut options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
        options.alias_limits.max_total_replayed_events = REPEATED;
        if let Some(budget) = &mut options.budget {
            // A hundred cameras may share their settings.
            budget.enforce_alias_anchor_ratio = false;
        }
        LEFT.set(text.len() + REPEATED_BYTES);
        match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
            Ok(raw) => Ok(node(text, raw)),
            Err(error) => {
                let at = error.location().map_or_else(Position::default, |l| position(&l));
                let error = error.without_snippet();
                if let serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } =
                    error
                {
                    let text = format!("nested more than {MAX_DEPTH} deep");
                    return Err(ParseError { at, text, too_deep: true });
                }
                let mut message = error.to_string();
                if let Some(cut) = message.rfind(" at line ") {
                    message.truncate(cut);
                }
                Err(ParseError { at, text: message, too_deep: false })
            }
        }
    }

    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().rev().find(|e| e.key == key),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// `a list`, `a mapping`, … for messages.
    pub const fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(Scalar { flag: Some(_), .. }) => "true or false",
            Value::Scalar(Scalar { is_number: true, .. }) => "a number",
            Value::Scalar(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// As JSON, for merging and comparing; the place of the values is lost.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.value {
            Value::Null => Json::Null,
            Value::Scalar(Scalar { flag: Some(flag), .. }) => Json::Bool(*flag),
            Value::Scalar(scalar) => {
                let number = scalar.is_number.then(|| scalar.text.parse::<serde_json::Number>());
                match number {
                    Some(Ok(number)) => Json::Number(number),
                    _ => Json::String(scalar.text.clone()),
                }
            }
            Value::List(list) => Json::Array(list.iter().map(Self::to_json).collect()),
            Value::Map(map) => {
                Json::Object(map.iter().map(|e| (e.key.clone(), e.node.to_json())).collect())
            }
        }
    }
}

/// What the deserializer gives before the texts are looked up.
enum Raw {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

fn node(source: &str, raw: Spanned<Raw>) -> Node {
    let at = position(&raw.referenced);
    // Of a value behind an alias or a merge key the text stands at the anchor.
    let written = raw.defined;
    let plain = |fallback: String| slice(source, &written).map_or(fallback, str::to_owned);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(flag) => Value::Scalar(Scalar {
            text: plain(flag.to_string()),
            flag: Some(flag),
            is_number: false,
        }),
        Raw::Number(text) => {
            Value::Scalar(Scalar { text: plain(text), flag: None, is_number: true })
        }
        Raw::Text(text) => Value::Scalar(Scalar { text, flag: None, is_number: false }),
        Raw::List(list) => Value::List(list.into_iter().map(|item| node(source, item)).collect()),
        Raw::Map(map) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(map.len());
            for (key, value) in map {
                let key = node(source, key);
                let entry = Entry {
                    key: key.text().unwrap_or_default().to_owned(),
                    at: key.at,
                    node: node(source, value),
                };
                entries.push(entry);
            }
            Value::Map(entries)
        }
    };
    Node { value, at }
}

fn slice<'s>(source: &'s str, at: &serde_saphyr::Location) -> Option<&'s str> {
    let span = at.span();
    let (from, len) = span.byte_offset().zip(span.byte_len())?;
    let (from, len) = (usize::try_from(from).ok()?, usize::try_from(len).ok()?);
    source.get(from..from.checked_add(len)?).filter(|text| !text.is_empty())
}

fn position(at: &serde_saphyr::Location) -> Position {
    let number = |n: u64| usize::try_from(n).unwrap_or(0);
    Position { line: number(at.line()), column: number(at.column()) }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Number(value.to_string()))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Raw, E> {
        match LEFT.get().checked_sub(value.len()) {
            Some(left) => LEFT.set(left),
            None => return Err(E::custom("aliases repeat more than 16 MiB of text")),
        }
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nested_too_deep_is_said_so() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Node::parse(&nested(MAX_DEPTH)).is_ok());
        let error = Node::parse(&nested(MAX_DEPTH + 1)).unwrap_err();
        assert_eq!(error.to_string(), "yaml: line 1: nested more than 64 deep");
        assert!(error.too_deep);
    }

    #[test]
    fn only_the_first_document_is_read() {
        for (first, others, line) in [
            ("a: 1\n", "---\nb: 2\n", Some(2)),
            ("# head\n---\na: 1\n", "--- # more\nb: 2\n", Some(4)),
            ("%YAML 1.2\n---\na: 1\n", "...\nb: 2\n", Some(4)),
            ("\u{feff}--- {a: 1}\r\n", "---\r\n{b: 2}\r\n", Some(2)),
            ("a: 1\n", "--- {b: 2}\n---\nc: 3\n", Some(2)),
            ("a: 1\n", "...\n# tail\n", None),
            ("a: 1\n", "---", None),
            ("---\na: 1\nb: '\n  ---\n  '\nc: |\n  ---\n---d: 1\n", "", None),
            ("a: 1\n", "", None),
        ] {
            let text = format!("{first}{others}");
            assert_eq!(first_document(&text), (first, others));
            assert_eq!(second_document(&text), line, "{text}");
            let node = Node::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(node.get("a").unwrap().node.text(), Some("1"), "{text}");
            assert!(others.is_empty() || node.get("b").is_none(), "{text}");
        }
        // Nothing is a document, too.
        assert_eq!(first_document("---\n---\na: 1\n"), ("---\n", "---\na: 1\n"));
        assert!(matches!(Node::parse("---\n---\na: 1\n").unwrap().value, Value::Null));
    }

    #[test]
    fn scalars_keep_their_text_and_place() {
        let node = Node::parse("a: 0123\nb:\n  c: yes\n  \"d\": 'x y'\n1984: ~\n").unwrap();
        assert_eq!(node.get("a").unwrap().node.text(), Some("0123"));
        let b = &node.get("b").unwrap().node;
        assert_eq!(b.get("c").unwrap().node.text(), Some("yes"));
        assert_eq!(b.get("c").unwrap().at, Position { line: 3, column: 3 });
        assert_eq!(b.get("d").unwrap().node.text(), Some("x y"));
        assert!(matches!(node.get("1984").unwrap().node.value, Value::Null));
    }

    #[test]
    fn aliases_repeat_within_reason() {
        let shared = "options: &shared {a: 1, b: [2, 3]}\nstreams:\n".to_owned();
        let many = (0..1000).fold(shared, |text, n| text + &format!("  s{n}: *shared\n"));
        assert_eq!(Node::parse(&many).err(), None);
        let bomb = ('b'..='i').fold("a: &a [x, x]\n".to_owned(), |text, name| {
            let last = char::from(name as u8 - 1);
            text + &format!(
                "{name}: &{name} [*{last}, *{last}, *{last}, *{last}, *{last}, *{last}]\n"
            )
        });
        let error = Node::parse(&bomb).unwrap_err();
        assert!(error.text.contains("alias"), "{error}");
        // A long text is as bad as many.
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1000));
        let error = Node::parse(&long).unwrap_err();
        assert!(error.text.contains("alias"), "{error}");
    }

    #[test]
    fn broken_text_says_where() {
        let error = Node::parse("a:\n\tb: 1\n").unwrap_err();
        assert_eq!(error.at.line, 2);
        assert!(error.to_string().starts_with("yaml: line 2: tabs"), "{error}");
    }
}
