//! Header fields (RFC 9110 5), also in arguments of programs and parameters of sources.

use super::names;

/// A parameter of a source that is a header field.
const PARAMETER: &str = "header=";

/// The text without what follows the name of a secret field up to the end of its line or
/// quotation.
pub(super) fn without(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = text[from..].find(':').map(|at| from + at) {
        masked.push_str(&text[from..=at]);
        let (before, name) = names::split(&text[from..at]);
        let before = &text[..from + before.len()];
        from = at + 1;
        let in_parameter = before.len().checked_sub(PARAMETER.len()).and_then(|n| before.get(n..));
        let is_secret = names::is_field(name)
            || (in_parameter.is_some_and(|p| p.eq_ignore_ascii_case(PARAMETER))
                && names::is_given_field(name));
        let value = &text[from..];
        if !is_secret || value.starts_with("//") {
            continue;
        }
        let end = value.find(['\r', '\n', '"', '\'', '\\', '#']).unwrap_or(value.len());
        if !value[..end].trim().is_empty() {
            masked.push_str(" ***");
        }
        from += end;
    }
    masked.push_str(&text[from..]);
    masked
}
