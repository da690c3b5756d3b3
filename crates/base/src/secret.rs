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

/// Shows a text with the user information of every URL in it as `***`.
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find("://") {
            let (head, tail) = rest.split_at(at + 3);
            f.write_str(head)?;
            let end = tail.find(|c| !is_userinfo(c)).unwrap_or(tail.len());
            rest = if end > 0 && tail[end..].starts_with('@') {
                f.write_str("***")?;
                &tail[end..]
            } else {
                tail
            };
        }
        f.write_str(rest)
    }
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
