//! Secrets that cannot be printed, and masking of texts that may hold some
//! (`spec/core.md` 4).

use std::fmt;

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
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Shows a text with what is known by its place to be secret as `***`: the user
/// information of every URL, values of query parameters that are named like a
/// secret, and credentials after `Authorization:`.
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = without_users(self.0);
        let text = without_parameters(&text);
        f.write_str(&without_authorizations(&text))
    }
}

fn without_users(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        masked.push_str(head);
        let end = tail.find(|c| !is_userinfo(c)).unwrap_or(tail.len());
        rest = if end > 0 && tail[end..].starts_with('@') {
            masked.push_str("***");
            &tail[end..]
        } else {
            tail
        };
    }
    masked.push_str(rest);
    masked
}

/// Names of query parameters whose values nobody should see.
const SECRET_NAMES: [&str; 18] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "client_secret",
    "key",
    "loginpas",
    "pass",
    "passwd",
    "password",
    "psw",
    "pwd",
    "refresh_token",
    "secret",
    "sig",
    "signature",
    "token",
    "verify",
];

fn without_parameters(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (head, tail) = rest.split_at(at + 1);
        masked.push_str(head);
        rest = tail;
        let Some((name, value)) = tail.split_once('=') else { continue };
        if !SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            continue;
        }
        let ends = |c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\'' | '<' | '>');
        let end = value.find(ends).unwrap_or(value.len());
        masked.push_str(name);
        masked.push('=');
        if end > 0 {
            masked.push_str("***");
        }
        rest = &value[end..];
    }
    masked.push_str(rest);
    masked
}

/// What follows `Authorization:` up to the end of its line or quotation.
fn without_authorizations(text: &str) -> String {
    const NAME: &str = "authorization:";
    let lower = text.to_ascii_lowercase();
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = lower[from..].find(NAME).map(|at| from + at + NAME.len()) {
        masked.push_str(&text[from..at]);
        let value = &text[at..];
        let end = value.find(['\r', '\n', '"', '\'', '\\', '#']).unwrap_or(value.len());
        if !value[..end].trim().is_empty() {
            masked.push_str(" ***");
        }
        from = at + end;
    }
    masked.push_str(&text[from..]);
    masked
}

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const fn is_userinfo(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            '-' | '.'
                | '_'
                | '~'
                | '!'
                | '$'
                | '&'
                | '\''
                | '('
                | ')'
                | '*'
                | '+'
                | ','
                | ';'
                | '='
                | '%'
                | ':'
        )
}

/// Masks URL user information and every listed secret of at least three characters.
pub fn mask<'s>(text: &str, secrets: impl IntoIterator<Item = &'s str>) -> String {
    let mut masked = Redacted(text).to_string();
    for secret in secrets {
        if secret.chars().count() >= 3 {
            masked = masked.replace(secret, "***");
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_user_information_of_urls() {
        let vectors = [
            (
                "ffmpeg:rtsp://username:password@10.1.2.3:554/stream1",
                "ffmpeg:rtsp://***@10.1.2.3:554/stream1",
            ),
            (
                "ffmpeg:rtsp://10.1.2.3:554/stream1@#video=copy",
                "ffmpeg:rtsp://10.1.2.3:554/stream1@#video=copy",
            ),
            ("a rtsp://u:p@h b http://x:y@z", "a rtsp://***@h b http://***@z"),
            ("rtsp://rtsp://u:p@h", "rtsp://rtsp://***@h"),
            ("://@", "://@"),
            ("http://h/x?user=a&token=s3cret&b=1", "http://h/x?user=a&token=***&b=1"),
            ("http://h/x?PWD=s3cret#video=copy", "http://h/x?PWD=***#video=copy"),
            ("http://h/x?key=&tokens=1&a", "http://h/x?key=&tokens=1&a"),
            (
                "ffmpeg -headers \"Authorization: Bearer s3cret\" -i x",
                "ffmpeg -headers \"Authorization: ***\" -i x",
            ),
            ("authorization:", "authorization:"),
        ];
        for (input, output) in vectors {
            assert_eq!(Redacted(input).to_string(), output);
        }
    }

    #[test]
    fn masks_listed_secrets() {
        let text = "rtsp://admin:pa$$word@192.168.1.123/stream1";
        assert_eq!(mask(text, ["admin", "pa$$word"]), "rtsp://***@192.168.1.123/stream1");
        assert_eq!(mask("token abcd", ["abcd", "t"]), "token ***");
        assert_eq!(format!("{:?} {}", Secret::new("x"), Secret::new("x")), "*** ***");
    }
}
