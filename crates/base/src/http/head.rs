//! Start line and header fields of HTTP/1 (RFC 9112) and RTSP (RFC 2326
//! section 4). Lenient as cameras need it: bare line feeds end lines, folded
//! lines are joined, lines without a colon are passed over.

use std::fmt;

/// Longest head that is accepted, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most header fields that are accepted.
pub const MAX_HEADERS: usize = 128;

/// Why a head was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// No end within [`MAX_HEAD`] bytes.
    #[error("message head too long")]
    TooLong,
    /// More than [`MAX_HEADERS`] fields.
    #[error("too many header fields")]
    TooManyHeaders,
    /// The first line is neither a request nor a status line.
    #[error("wrong start line")]
    StartLine,
}

/// Header fields in their order and original case; looked up without regard to case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// No fields.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The first value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// All values of a field, in order.
    pub fn get_all<'s>(&'s self, name: &str) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Adds a field. Line breaks in the value become spaces.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let mut value = value.into();
        if value.contains(['\r', '\n']) {
            value = value.replace(['\r', '\n'], " ");
        }
        self.0.push((name.into(), value));
    }

    /// Sets a field, instead of those of the same name.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
        self.push(name, value);
    }

    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// How many fields there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any field.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the fields as lines, without the empty line at the end.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Shows names and values; what authenticates is masked.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(n, v)| {
            let secret = n.to_ascii_lowercase().ends_with("authorization")
                || n.to_ascii_lowercase().contains("cookie");
            (n, if secret { "***" } else { v })
        });
        f.debug_map().entries(shown).finish()
    }
}

/// A start line and its header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The first line, without its end.
    pub start: String,
    /// The fields after it.
    pub headers: Headers,
}

impl Head {
    /// Parses a head at the beginning of `data`: the head and its length with
    /// the empty line; `None` while it is not complete.
    ///
    /// # Errors
    /// Too long or too many fields.
    pub fn parse(data: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        match find_head_end(data, 0) {
            Some(end) if end <= MAX_HEAD => {
                Ok(Some((Self::parse_complete(data.get(..end).unwrap_or_default())?, end)))
            }
            None if data.len() < MAX_HEAD => Ok(None),
            _ => Err(HeadError::TooLong),
        }
    }

    /// Parses a complete head, as cut by [`find_head_end`].
    ///
    /// # Errors
    /// Too many fields.
    pub fn parse_complete(data: &[u8]) -> Result<Self, HeadError> {
        let mut lines = data.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l));
        let start = lines.next().map(text).unwrap_or_default();
        let mut headers: Vec<(String, String)> = Vec::new();
        for (number, line) in lines.enumerate() {
            if number > 4 * MAX_HEADERS {
                return Err(HeadError::TooManyHeaders);
            }
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                if let Some((_, value)) = headers.last_mut() {
                    value.push(' ');
                    value.push_str(&text(line));
                }
                continue;
            }
            let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
            if headers.len() == MAX_HEADERS {
                return Err(HeadError::TooManyHeaders);
            }
            let (name, value) = line.split_at(colon);
            headers.push((text(name), text(value.get(1..).unwrap_or_default())));
        }
        Ok(Self { start, headers: Headers(headers) })
    }
}

/// Length of the head at the beginning of `data`, empty line included. Looks
/// only at what follows `from`, the length already searched in vain.
pub fn find_head_end(data: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(2);
    let mut rest = data.get(from..)?;
    let mut at = from;
    while let Some(feed) = rest.iter().position(|b| *b == b'\n') {
        rest = rest.get(feed + 1..)?;
        at += feed + 1;
        if rest.starts_with(b"\n") {
            return Some(at + 1);
        }
        if rest.starts_with(b"\r\n") {
            return Some(at + 2);
        }
    }
    None
}

/// `METHOD target VERSION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The request target.
    pub target: &'a str,
    /// `RTSP/1.0`, `HTTP/1.1`.
    pub version: &'a str,
}

impl<'a> RequestLine<'a> {
    /// Splits a request line. The target may have spaces in it.
    ///
    /// # Errors
    /// Fewer than three parts, or control characters.
    pub fn parse(line: &'a str) -> Result<Self, HeadError> {
        let (method, rest) = line.trim().split_once(' ').ok_or(HeadError::StartLine)?;
        let (target, version) = rest.trim().rsplit_once(' ').ok_or(HeadError::StartLine)?;
        let target = target.trim();
        let plain = !line.trim().contains(|c: char| c.is_ascii_control());
        if method.is_empty() || target.is_empty() || !version.contains('/') || !plain {
            return Err(HeadError::StartLine);
        }
        Ok(Self { method, target, version })
    }
}

/// `VERSION code reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// `RTSP/1.0`, `HTTP/1.1`.
    pub version: &'a str,
    /// 100 to 999.
    pub code: u16,
    /// May be empty.
    pub reason: &'a str,
}

impl<'a> StatusLine<'a> {
    /// Splits a status line.
    ///
    /// # Errors
    /// No version or no three-digit code.
    pub fn parse(line: &'a str) -> Result<Self, HeadError> {
        let (version, rest) = line.trim().split_once(' ').ok_or(HeadError::StartLine)?;
        let rest = rest.trim();
        let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        let code = code.parse().map_err(|_| HeadError::StartLine)?;
        if !version.contains('/') || !(100..1000).contains(&code) {
            return Err(HeadError::StartLine);
        }
        Ok(Self { version, code, reason: reason.trim() })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\
        www-authenticate: Digest realm=\"a\",\r\n  nonce=\"b\"\r\nodd\r\nEmpty:\r\n\r\nbody";

    #[test]
    fn parses_what_cameras_send() {
        let (head, length) = Head::parse(HEAD).unwrap().unwrap();
        assert_eq!(HEAD.get(length..), Some(&b"body"[..]));
        let line = StatusLine::parse(&head.start).unwrap();
        assert_eq!((line.version, line.code, line.reason), ("RTSP/1.0", 200, "OK"));
        assert_eq!(head.headers.get("cseq"), Some("1"));
        assert_eq!(head.headers.get("empty"), Some(""));
        let all: Vec<_> = head.headers.get_all("WWW-AUTHENTICATE").collect();
        assert_eq!(all, ["Basic realm=\"a\"", "Digest realm=\"a\", nonce=\"b\""]);
        assert_eq!(head.headers.len(), 4);
    }

    #[test]
    fn truncated_anywhere_asks_for_more() {
        let (_, length) = Head::parse(HEAD).unwrap().unwrap();
        for n in 0..length {
            assert_eq!(Head::parse(&HEAD[..n]).unwrap(), None, "{n}");
            // Searched in pieces it ends at the same place.
            assert_eq!(find_head_end(HEAD, n), Some(length));
        }
    }

    #[test]
    fn bare_line_feeds() {
        let (head, length) = Head::parse(b"GET / HTTP/1.1\nA: b\n\n").unwrap().unwrap();
        assert_eq!((head.headers.get("A"), length), (Some("b"), 21));
    }

    #[test]
    fn limits() {
        assert_eq!(Head::parse(&vec![b'a'; MAX_HEAD]), Err(HeadError::TooLong));
        let many = format!("x\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        assert_eq!(Head::parse(many.as_bytes()), Err(HeadError::TooManyHeaders));
    }

    #[test]
    fn start_lines() {
        let line = RequestLine::parse("DESCRIBE rtsp://h/a b RTSP/1.0").unwrap();
        assert_eq!(
            (line.method, line.target, line.version),
            ("DESCRIBE", "rtsp://h/a b", "RTSP/1.0")
        );
        for bad in
            ["", "a", "a b", "a b c", "RTSP/1.0", "RTSP/1.0 ", "RTSP/1.0 20", "RTSP/1.0 abc x"]
        {
            assert!(StatusLine::parse(bad).is_err(), "{bad}");
        }
        assert!(RequestLine::parse("a b c").is_err());
        assert!(RequestLine::parse("PLAY \x10 RTSP/1.0").is_err());
        assert_eq!(StatusLine::parse("RTSP/1.0 453").unwrap().reason, "");
    }

    #[test]
    fn no_header_injection_and_no_secret_in_debug() {
        let mut headers = Headers::new();
        headers.push("X", "a\r\nY: b");
        headers.set("Authorization", "Basic secret");
        headers.set("x", "c");
        let mut out = Vec::new();
        headers.write(&mut out);
        assert_eq!(out, b"Authorization: Basic secret\r\nx: c\r\n");
        assert!(!format!("{headers:?}").contains("secret"));
    }
}
