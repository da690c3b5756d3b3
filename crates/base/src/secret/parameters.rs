//! Parameters: in queries and paths of URLs, of sources, and in what programs are given.

use super::MASK;
use super::names;
use super::quotes::{Quotation, closes, end_of_quotation, is_quote};

/// Names that follow a password in the paths of cameras
/// (`/user=admin_password=x_channel=1_stream=0.sdp`).
const NEIGHBOURS: [&str; 8] =
    ["channel", "chn", "encode", "stream", "subtype", "type", "user", "username"];

/// Longest name of a parameter that follows a `#`, in bytes.
const MAX_NAME: usize = 32;

/// The text without the values of secret parameters.
pub(super) fn without(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut quotation = Quotation::default();
    let mut from = 0;
    while let Some(at) = text[from..].find('=').map(|at| from + at) {
        masked.push_str(&text[from..=at]);
        quotation.pass(&text[from..=at]);
        // A name never goes back beyond the last `=`.
        let (before, name) = names::split(&text[from..at]);
        let before = &text[..from + before.len()];
        from = at + 1;
        let in_query = before.ends_with(['?', '&']) && names::is_parameter(name);
        if !in_query && !names::is_clear(name) && !names::is_variable(name) {
            continue;
        }
        let value = &text[from..];
        let end = match quoted(value, quotation.mark()) {
            Some((open, close)) => {
                masked.push_str(&value[..open]);
                if close > open {
                    masked.push_str(MASK);
                }
                close
            }
            None => {
                // `'--token=x y'`: the argument is between the marks.
                let is_argument = name.starts_with('-') && quotation.length() == name.len() + 1;
                let end = end_of_value(value, quotation.mark(), is_argument);
                let end = if name.contains('_') { end_in_path(&value[..end]) } else { end };
                if end > 0 {
                    masked.push_str(MASK);
                }
                end
            }
        };
        quotation.pass(&value[..end]);
        from += end;
    }
    masked.push_str(&text[from..]);
    masked
}

/// Where a value ends in a quotation that `mark` ends. It holds spaces if it is the rest of
/// an argument that is all of the quotation.
fn end_of_value(value: &str, mark: Option<char>, is_argument: bool) -> usize {
    let is_argument = is_argument && mark.is_some();
    let ends = |&(at, c): &(usize, char)| {
        let after = &value[at + c.len_utf8()..];
        c.is_control()
            || Some(c) == mark
            || (!is_argument && (c.is_whitespace() || matches!(c, '&' | '<' | '>')))
            || (c == '#' && begins_parameter(after))
            || (mark.is_none() && is_quote(c) && closes(after))
    };
    let end = value.char_indices().find(ends).map_or(value.len(), |(at, _)| at);
    // The escapes of a mark are none of the value.
    if value[end..].starts_with(is_quote) { value[..end].trim_end_matches('\\').len() } else { end }
}

/// Whether the next parameter of a source begins, as in `#video=copy`.
pub(super) fn begins_parameter(after: &str) -> bool {
    let name = after.bytes().take(MAX_NAME).position(|b| !b.is_ascii_alphanumeric() && b != b'_');
    name.is_some_and(|end| end > 0 && after.as_bytes().get(end) == Some(&b'='))
}

/// Where a value ends that stands among others with underscores between them.
fn end_in_path(value: &str) -> usize {
    let is_next = |&(at, _): &(usize, &str)| {
        let next = &value[at + 1..];
        NEIGHBOURS
            .iter()
            .any(|name| next.strip_prefix(name).is_some_and(|rest| rest.starts_with('=')))
    };
    value.match_indices('_').find(is_next).map_or(value.len(), |(at, _)| at)
}

/// Where the inside of a value in quotes, escaped or not, begins and ends; one without an
/// end reaches to that of its line. In a quotation its `mark` ends what is in it.
fn quoted(value: &str, mark: Option<char>) -> Option<(usize, usize)> {
    let escapes = value.bytes().take_while(|b| *b == b'\\').count();
    let quote = value[escapes..].chars().next().filter(|c| is_quote(*c))?;
    if mark == Some(quote) && escapes == 0 {
        return Some((0, 0));
    }
    let open = escapes + 1;
    Some((open, open + end_of_quotation(&value[open..], quote, escapes)))
}
