//! Arguments of programs: what follows `--password`, `-headers`, `-u` with a colon, and the
//! like. Words are split as programs are started, and once more within quotes, for shells.

use std::ops::Range;

use super::parameters::begins_parameter;
use super::quotes::{end_of_quotation, is_quote};
use super::{MASK, names};

/// How deep quotes in quotes are looked into.
const MAX_DEPTH: usize = 3;

/// What the word behind an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Secret,
    /// With a name in front, which is left to see if it is known.
    Header,
    /// A name, and a password if a colon is between.
    User,
}

/// The text without secret arguments.
pub(super) fn without(text: &str) -> String {
    let mut hidden = Vec::new();
    find(text, 0, MAX_DEPTH, &mut hidden);
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for range in hidden {
        masked.push_str(&text[from..range.start]);
        masked.push_str(MASK);
        from = range.end;
    }
    masked.push_str(&text[from..]);
    masked
}

/// Finds what is to be hidden, in its order. `base`: where `text` begins.
fn find(text: &str, base: usize, depth: usize, hidden: &mut Vec<Range<usize>>) {
    let mut expected = None;
    let mut from = 0;
    while let Some(word) = next_word(text, from) {
        from = word.end;
        let content = &text[word.inside.clone()];
        let at = |offset: usize| base + word.inside.start + offset;
        let is_flag = content.starts_with('-') && content.len() > 1;
        match expected.take().filter(|_| word.is_quoted || !is_flag) {
            Some(value) if is_secret(content, value) => {
                let end = if word.is_quoted { content.len() } else { end_of_word(content) };
                hidden.push(at(0)..at(end));
            }
            // Of a user without a password nothing is hidden.
            Some(_) => {}
            None if is_flag && !content.contains(char::is_whitespace) || is_joined(content) => {
                match joined(content) {
                    Some((value, range)) if is_secret(&content[range.clone()], value) => {
                        hidden.push(at(range.start)..at(range.end));
                    }
                    Some(_) => {}
                    None => expected = value_of(content.trim_start_matches('-')),
                }
            }
            None if word.is_quoted && depth > 0 && content.contains(char::is_whitespace) => {
                find(content, at(0), depth - 1, hidden);
            }
            None => {}
        }
    }
}

fn is_secret(content: &str, value: Value) -> bool {
    match value {
        Value::Secret => content != MASK,
        Value::Header => !content.ends_with(MASK),
        Value::User => content.contains(':'),
    }
}

/// What the word behind an argument is.
fn value_of(name: &str) -> Option<Value> {
    match name {
        "H" | "header" | "headers" | "proxy-header" | "cookie" | "cookies" => Some(Value::Header),
        "u" | "user" | "proxy-user" => Some(Value::User),
        name => names::is_argument(name).then_some(Value::Secret),
    }
}

/// Whether a word is an argument together with its value in quotes.
fn is_joined(content: &str) -> bool {
    content.starts_with('-') && (content.contains("='") || content.contains("=\""))
}

/// The value of an argument that is one word with it (`--user=a:b`, `-ua:b`), and its place.
fn joined(content: &str) -> Option<(Value, Range<usize>)> {
    let begin = content.len() - content.trim_start_matches('-').len();
    let name = &content[begin..];
    if let Some((name, value)) = name.split_once('=') {
        let kind = value_of(name).filter(|kind| *kind != Value::Secret)?;
        let start = content.len() - value.len();
        let quote = value.chars().next().filter(|c| is_quote(*c));
        return Some(match quote {
            Some(quote) => {
                let inside = value[1..].strip_suffix(quote).unwrap_or_else(|| &value[1..]);
                (kind, start + 1..start + 1 + inside.len())
            }
            None => (kind, start..start + end_of_word(value)),
        });
    }
    let (kind, value) = match name.split_at_checked(1)? {
        ("u", value) => (Value::User, value),
        ("H", value) => (Value::Header, value),
        _ => return None,
    };
    let is_short = begin == 1 && value.contains(':');
    is_short.then(|| (kind, content.len() - value.len()..content.len()))
}

/// A word without quotes, before the parameters of a source.
fn end_of_word(word: &str) -> usize {
    let is_end = |&(at, _): &(usize, &str)| begins_parameter(&word[at + 1..]);
    word.match_indices('#').find(is_end).map_or(word.len(), |(at, _)| at)
}

/// A word, without the quotes around it.
struct Word {
    inside: Range<usize>,
    end: usize,
    is_quoted: bool,
}

/// The next word from a place on. One that begins with a quotation mark, which may be
/// escaped, reaches to its counterpart, or to the end of the line if there is none.
fn next_word(text: &str, from: usize) -> Option<Word> {
    let begin = from + text[from..].find(|c: char| !c.is_whitespace())?;
    let rest = &text[begin..];
    let escapes = rest.bytes().take_while(|b| *b == b'\\').count();
    let lead = if rest.starts_with("$'") { 1 } else { escapes };
    if let Some(mark) = rest[lead..].chars().next().filter(|c| is_quote(*c)) {
        let open = begin + lead + 1;
        let close = open + end_of_quotation(&text[open..], mark, escapes);
        let end = text[close..].find(|c| c != '\\').map_or(text.len(), |at| close + at);
        let end = end + usize::from(text[end..].starts_with(mark));
        return Some(Word { inside: open..close, end, is_quoted: true });
    }
    let mut end = begin + rest.find(char::is_whitespace).unwrap_or(rest.len());
    // `--header='X: y'`, for shells.
    if rest.starts_with('-')
        && let Some(at) = text[begin..end].find(['"', '\''])
        && text[begin..begin + at].ends_with('=')
    {
        let quote = text.as_bytes()[begin + at];
        let inside = begin + at + 1;
        let close = text.as_bytes()[inside..].iter().position(|b| *b == quote || *b == b'\n');
        if let Some(close) = close.map(|at| inside + at).filter(|at| text.as_bytes()[*at] == quote)
        {
            end = close + 1;
        }
    }
    Some(Word { inside: begin..end, end, is_quoted: false })
}
