//! Secrets that cannot be printed, and masking of texts that may hold some
//! (`spec/core.md` 4).
//!
//! A text is looked through once for each kind of place where secrets stand: [`users`] of
//! addresses, [`stream_keys`], [`parameters`], header [`fields`] and [`arguments`] of
//! programs. Each takes time in proportion to the text, which may come from a stranger.

use std::fmt;

mod arguments;
mod fields;
mod names;
mod parameters;
mod quotes;
mod stream_keys;
#[cfg(test)]
mod tests;
mod users;

const MASK: &str = "***";

/// A secret text. Printing it in any way gives `***`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The text itself; never put it in a message.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True for an empty secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Shows a text with what is known by its place to be secret as `***`: the user
/// information of every URL, values of query parameters that are named like a secret
/// (`?auth=…`) and of names that mean nothing else wherever they stand (`password=…`),
/// header fields such as `Authorization:` and `Cookie:`, variables and arguments of programs
/// (`CAM_PASS=…`, `--token …`, `-u user:…`), and the keys of RTMP streams as far as they look
/// like some (`rtmp://server/app/KEY`).
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(self.0, false))
    }
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As [`Redacted`] for the address of a server that is published to: of RTMP the key is
/// never shown, whatever it looks like.
#[derive(Clone, Copy)]
pub struct RedactedTarget<'a>(pub &'a str);

impl fmt::Display for RedactedTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(self.0, true))
    }
}

impl fmt::Debug for RedactedTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn redacted(text: &str, is_target: bool) -> String {
    if !may_hold_secret(text) {
        return text.to_owned();
    }
    let text = users::without(text);
    let text = stream_keys::without(&text, is_target);
    let text = parameters::without(&text);
    let text = fields::without(&text);
    arguments::without(&text)
}

/// Whether [`Redacted`] may change a text. Most have no address and no header field, which
/// have a colon, no parameter, and no argument of a program.
pub fn may_hold_secret(text: &str) -> bool {
    let is_argument = |(at, _): (usize, &str)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || quotes::is_quote(c))
    };
    text.contains([':', '=']) || text.match_indices('-').any(is_argument)
}

/// Stands for any secret: has what one is told by where it depends on it, such as the colon
/// between a user and a password, and looks like no play path.
const PROBE: &str = "q0:Zw7kX2vB9nR4tY1";

/// Whether a text that somebody sends holds a mask of [`Redacted`] in place of a secret: a
/// `***` where anything else would be masked as well.
pub fn holds_mask(text: &str) -> bool {
    let masks = text.matches(MASK).count();
    if masks == 0 {
        return false;
    }
    let probed = text.replace(MASK, PROBE);
    Redacted(&probed).to_string().matches(PROBE).count() < masks
}

/// The text as [`Redacted`] shows it, and with every listed secret of at least three
/// characters as `***`.
pub fn mask<'s>(text: &str, secrets: impl IntoIterator<Item = &'s str>) -> String {
    let mut masked = redacted(text, false);
    for secret in secrets {
        if secret.chars().count() >= 3 && masked.contains(secret) {
            masked = masked.replace(secret, MASK);
        }
    }
    masked
}
