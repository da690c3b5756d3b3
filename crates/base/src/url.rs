//! Lenient URLs, as people write them for cameras (RFC 3986 where it does not
//! get in the way): passwords with `@`, `#`, `?` or a wrong `%`, IPv6 without
//! brackets, and the `#key=value#key` parameters of sources (`spec/core.md` 11.2).

use std::fmt;

use crate::secret::{Redacted, Secret};

/// Why a text is not a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// No `scheme://`.
    #[error("wrong url: scheme and host are joined by ://, as in rtsp://192.168.1.10")]
    NoScheme,
    /// The port is not a number from 0 to 65535.
    #[error("wrong url: bad port")]
    BadPort,
    /// A bracket where none belongs.
    #[error("wrong url: bad host")]
    BadHost,
    /// A line break or another control character.
    #[error("wrong url: control character")]
    ControlCharacter,
}

/// A URL in its parts. Cannot be printed with its credentials by accident:
/// `Display` and `Debug` show `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case, without `://`.
    pub scheme: String,
    /// Percent-decoded; `None` without user information.
    pub user: Option<String>,
    /// Percent-decoded; `None` without a colon in the user information.
    pub password: Option<Secret>,
    /// Without the brackets of IPv6; may be empty.
    pub host: String,
    /// As written; [`Url::port_or`] knows defaults.
    pub port: Option<u16>,
    /// Path and query as written, from the first `/` or `?`; may be empty.
    pub path_and_query: String,
    /// The parameters after the first `#`.
    pub fragment: Fragment,
}

impl Url {
    /// Splits a URL.
    ///
    /// # Errors
    /// No scheme, a bad port or control characters.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.chars().any(|c| c.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::NoScheme)?;
        if scheme.is_empty()
            || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        {
            return Err(UrlError::NoScheme);
        }
        let (userinfo, rest) = split_userinfo(rest);
        let (user, password) = match userinfo.map(|u| u.split_once(':').ok_or(u)) {
            None => (None, None),
            Some(Ok((user, password))) => {
                (Some(percent_decode(user)), Some(Secret::new(percent_decode(password))))
            }
            Some(Err(user)) => (Some(percent_decode(user)), None),
        };
        let (rest, fragment) = Fragment::split(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (host, port) = split_host(authority)?;
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            user,
            password,
            host: host.to_owned(),
            port,
            path_and_query: path.to_owned(),
            fragment,
        })
    }

    /// The port as written, else `default`.
    pub fn port_or(&self, default: u16) -> u16 {
        self.port.unwrap_or(default)
    }

    /// Host and port as written in a URL: IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"))
    }

    /// The path as written; may be empty.
    pub fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(self.path_and_query.as_str(), |(path, _)| path)
    }

    /// The query as written, without `?`; empty if there is none.
    pub fn query(&self) -> &str {
        self.path_and_query.split_once('?').map_or("", |(_, query)| query)
    }

    /// First value of a query parameter, decoded; empty for a bare key.
    pub fn query_get(&self, name: &str) -> Option<String> {
        query_pairs(self.query()).find(|(n, _)| n == name).map(|(_, value)| value)
    }

    /// Scheme, host, port, path and query: what goes into requests.
    pub fn without_credentials(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority(), self.path_and_query)
    }

    /// The address that a reference on this one names (RFC 3986 5.2), without
    /// parameters. Credentials are those of the reference if it has a host, else
    /// these.
    ///
    /// # Errors
    /// A bad port or control characters in the reference.
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        if reference.chars().any(|c| c.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        let before = reference.split(['/', '?']).next().unwrap_or_default();
        if before.ends_with(':') && reference[before.len()..].starts_with("//") {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{}:{reference}", self.scheme));
        }
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (reference, None),
        };
        let mut joined = self.clone();
        joined.fragment = Fragment::default();
        joined.path_and_query = match path {
            "" => self.path().to_owned(),
            absolute if absolute.starts_with('/') => without_dots(absolute),
            relative => {
                let folder = self.path().rsplit_once('/').map_or("", |(folder, _)| folder);
                without_dots(&format!("{folder}/{relative}"))
            }
        };
        let own = Some(self.query()).filter(|query| path.is_empty() && !query.is_empty());
        if let Some(query) = query.or(own) {
            joined.path_and_query.push('?');
            joined.path_and_query.push_str(query);
        }
        Ok(joined)
    }

    /// Everything, credentials and parameters included.
    pub fn expose(&self) -> String {
        let mut text = format!("{}://", self.scheme);
        if let Some(user) = &self.user {
            text.push_str(&percent_encode(user));
            if let Some(password) = &self.password {
                text.push(':');
                text.push_str(&percent_encode(password.expose()));
            }
            text.push('@');
        }
        text.push_str(&self.authority());
        text.push_str(&self.path_and_query);
        for (key, value) in self.fragment.iter() {
            text.push('#');
            text.push_str(key);
            if !value.is_empty() {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Redacted(&self.expose()), f)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// The `#key=value#key` parameters of a source, in order, not decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fragment(Vec<(String, String)>);

impl Fragment {
    /// Parses the text after the first `#`.
    pub fn parse(text: &str) -> Self {
        let parts = text.split('#').filter(|part| !part.is_empty());
        Self(
            parts
                .map(|part| match part.split_once('=') {
                    Some((key, value)) if !key.is_empty() => (key.to_owned(), value.to_owned()),
                    _ => (part.to_owned(), String::new()),
                })
                .collect(),
        )
    }

    /// Splits any source text at its first `#`.
    pub fn split(source: &str) -> (&str, Self) {
        match source.split_once('#') {
            Some((head, tail)) => (head, Self::parse(tail)),
            None => (source, Self::default()),
        }
    }

    /// First value of a key; empty for a bare key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key).next()
    }

    /// All values of a key, in order.
    pub fn get_all<'s>(&'s self, key: &str) -> impl Iterator<Item = &'s str> {
        self.0.iter().filter(move |(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// True if the key is there, with or without a value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// True without any parameter.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pairs of a query `a=b&c`, decoded (`+` is a space), in order.
pub fn query_pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let decode = |text: &str| percent_decode(&text.replace('+', " "));
    query.split('&').filter(|part| !part.is_empty()).map(move |part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

/// Decodes `%xx`; what is not such a code stays as it is.
pub fn percent_decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let code = match (byte, tail) {
            (b'%', [high, low, after @ ..]) => hex_digit(*high)
                .and_then(|h| hex_digit(*low).map(|l| (h << 4) | l))
                .map(|byte| (byte, after)),
            _ => None,
        };
        let (byte, after) = code.unwrap_or((byte, tail));
        out.push(byte);
        rest = after;
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Encodes everything but the unreserved characters of RFC 3986 2.3.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        }
    }
    out
}

/// Repairs RTSP URLs that cameras report of themselves: a doubled scheme, no
/// scheme, an IPv6 host without brackets (`spec/protocols-standard.md` 1.2).
/// Credentials and parameters are dropped.
///
/// # Errors
/// Nothing to repair helps.
pub fn repair_rtsp(text: &str) -> Result<String, UrlError> {
    let mut text = text.trim();
    while let Some(rest) = text.strip_prefix("rtsp://")
        && rest.starts_with("rtsp://")
    {
        text = rest;
    }
    let url = if text.contains("://") {
        Url::parse(text)?
    } else {
        Url::parse(&format!("rtsp://{text}"))?
    };
    Ok(url.without_credentials())
}

/// A path without `.` and `..` (RFC 3986 5.2.4).
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for part in path.split('/').skip(1) {
        match part {
            "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    if matches!(last, "." | "..") {
        parts.push("");
    }
    format!("/{}", parts.join("/"))
}

const HEX: [char; 16] =
    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// User information and what follows it. It reaches to the last `@` before the
/// first `/`; a `#` or `?` belongs to it only inside a password.
pub(crate) fn split_userinfo(rest: &str) -> (Option<&str>, &str) {
    let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = match authority.find(['#', '?']) {
        Some(at) if !in_password(&authority[..at], &authority[at..]) => &authority[..at],
        _ => authority,
    };
    match authority.rfind('@') {
        Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
        None => (None, rest),
    }
}

/// True if `head`, the text up to a `#` or `?`, looks like `user:pass` and not like
/// `host:port` or `user:pass@host`. A password may hold an `@` too: then another one follows
/// in `tail`, before anything that looks like a parameter.
fn in_password(head: &str, tail: &str) -> bool {
    let (before, _) = tail.split_once('=').unwrap_or((tail, ""));
    (!head.contains('@') || before.contains('@'))
        && head.split_once(':').is_some_and(|(_, after)| !after.bytes().all(|b| b.is_ascii_digit()))
        && !head.starts_with('[')
}

fn split_host(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    let port = |text: &str| match text {
        "" => Ok(None),
        _ => text.parse().map(Some).map_err(|_| UrlError::BadPort),
    };
    let strange = |host: &str| host.contains(['[', ']']);
    if let Some(bracketed) = authority.strip_prefix('[') {
        let (host, tail) = bracketed.split_once(']').unwrap_or((bracketed, ""));
        if strange(host) {
            return Err(UrlError::BadHost);
        }
        return Ok((host, port(tail.strip_prefix(':').unwrap_or(tail))?));
    }
    if strange(authority) {
        return Err(UrlError::BadHost);
    }
    match authority.matches(':').count() {
        0 => Ok((authority, None)),
        1 => {
            let (host, tail) = authority.split_once(':').unwrap_or((authority, ""));
            Ok((host, port(tail)?))
        }
        // IPv6 without brackets: no port can be told apart.
        _ => Ok((authority.strip_suffix(':').unwrap_or(authority), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String, Option<u16>, String) {
        let url = Url::parse(text).unwrap();
        let password = url.password.map(|p| p.expose().to_owned()).unwrap_or_default();
        (url.user.unwrap_or_default(), password, url.host, url.port, url.path_and_query)
    }

    fn expect(text: &str, user: &str, password: &str, host: &str, port: Option<u16>, path: &str) {
        assert_eq!(
            parts(text),
            (user.into(), password.into(), host.into(), port, path.into()),
            "{text}"
        );
    }

    #[test]
    fn splits_what_people_write() {
        expect("rtsp://10.0.0.1/live", "", "", "10.0.0.1", None, "/live");
        expect("rtsp://u:p@h:8554/a?b=c", "u", "p", "h", Some(8554), "/a?b=c");
        expect("rtsp://u@h", "u", "", "h", None, "");
        expect("rtsp://admin:p%40ss%2@h/", "admin", "p@ss%2", "h", None, "/");
        expect("rtsp://admin:p@ss@h/x@y", "admin", "p@ss", "h", None, "/x@y");
        expect("rtsp://admin:p#1?x@h/a#media=video", "admin", "p#1?x", "h", None, "/a");
        expect("rtsp://admin:p@ss#w@h/a#x=b@c", "admin", "p@ss#w", "h", None, "/a");
        expect("rtsp://admin:a:b@h/", "admin", "a:b", "h", None, "/");
        expect("rtsp://h:554#header=a@b", "", "", "h", Some(554), "");
        expect("rtsp://h?to=a@b", "", "", "h", None, "?to=a@b");
        expect("rtsp://u:p@h#x=a@b", "u", "p", "h", None, "");
        expect("rtsp://[fe80::1]:554/a", "", "", "fe80::1", Some(554), "/a");
        expect("rtsp://[fe80::1]/a", "", "", "fe80::1", None, "/a");
        expect("rtsp://h#transport=ws://u@x/y", "", "", "h", None, "");
    }

    #[test]
    fn refuses_what_is_none() {
        assert_eq!(Url::parse("h/a"), Err(UrlError::NoScheme));
        assert_eq!(Url::parse("://h"), Err(UrlError::NoScheme));
        assert_eq!(Url::parse("rtsp://h:70000/"), Err(UrlError::BadPort));
        assert_eq!(Url::parse("rtsp://fe80::1]:554/"), Err(UrlError::BadHost));
        assert_eq!(Url::parse("rtsp://[[::1]:554/"), Err(UrlError::BadHost));
        assert_eq!(Url::parse("rtsp://h/\r\nX: y"), Err(UrlError::ControlCharacter));
    }

    #[test]
    fn prints_without_credentials() {
        let url = Url::parse("RTSP://ad min:p@ss@[::1]:554/a?b#media=video#backchannel").unwrap();
        assert_eq!(url.without_credentials(), "rtsp://[::1]:554/a?b");
        assert_eq!(url.to_string(), "rtsp://***@[::1]:554/a?b#media=video#backchannel");
        assert_eq!(format!("{url:?}"), url.to_string());
        assert_eq!(Url::parse(&url.expose()).unwrap(), url);
    }

    #[test]
    fn parameters_keep_their_order() {
        let (head, f) = Fragment::split("exec:a b#video=h264#audio#video=x=y#=z#");
        assert_eq!(head, "exec:a b");
        let all: Vec<_> = f.iter().collect();
        assert_eq!(all, [("video", "h264"), ("audio", ""), ("video", "x=y"), ("=z", "")]);
        assert_eq!(f.get("video"), Some("h264"));
        assert_eq!(f.get_all("video").collect::<Vec<_>>(), ["h264", "x=y"]);
        assert!(f.has("audio") && !f.has("none") && !f.is_empty());
    }

    #[test]
    fn queries() {
        let url = Url::parse("rtsp://h/a?video&x=a%26b+c&x=d").unwrap();
        assert_eq!((url.path(), url.query()), ("/a", "video&x=a%26b+c&x=d"));
        assert_eq!(url.query_get("x").as_deref(), Some("a&b c"));
        assert_eq!(url.query_get("video").as_deref(), Some(""));
        assert_eq!(url.query_get("y"), None);
    }

    #[test]
    fn references() {
        let base = Url::parse("http://u:p@h:81/a/b/c.m3u8?x=1#timeout=9").unwrap();
        let join = |reference: &str| base.join(reference).unwrap().expose();
        for (reference, path) in [
            ("", "/a/b/c.m3u8?x=1"),
            ("?y", "/a/b/c.m3u8?y"),
            ("#z", "/a/b/c.m3u8?x=1"),
            ("d.ts?y=/../z", "/a/b/d.ts?y=/../z"),
            ("./d.ts", "/a/b/d.ts"),
            ("../d.ts", "/a/d.ts"),
            ("../../../d.ts", "/d.ts"),
            ("..", "/a/"),
            ("e/", "/a/b/e/"),
            ("/d.ts", "/d.ts"),
            ("/e/../d.ts", "/d.ts"),
            ("a:b", "/a/b/a:b"),
        ] {
            assert_eq!(join(reference), format!("http://u:p@h:81{path}"), "{reference}");
        }
        assert_eq!(join("https://other/x#y"), "https://other/x");
        assert_eq!(join("//other:82/x"), "http://other:82/x");
        assert_eq!(Url::parse("http://h").unwrap().join("x").unwrap().expose(), "http://h/x");
        assert_eq!(base.join("a\nb"), Err(UrlError::ControlCharacter));
    }

    #[test]
    fn repairs_what_cameras_report() {
        let vectors = [
            (
                "rtsp://::ffff:192.168.1.123/onvif/profile.1/",
                "rtsp://[::ffff:192.168.1.123]/onvif/profile.1/",
            ),
            ("rtsp://::ffff:192.168.1.123:/onvif/", "rtsp://[::ffff:192.168.1.123]/onvif/"),
            ("rtsp://rtsp://turret2-cam.lan:554/stream1/", "rtsp://turret2-cam.lan:554/stream1/"),
            ("192.168.253.220:1935/", "rtsp://192.168.253.220:1935/"),
            ("rtsp://u:p@h/a", "rtsp://h/a"),
        ];
        for (input, output) in vectors {
            assert_eq!(repair_rtsp(input).unwrap(), output);
        }
    }

    #[test]
    fn never_panics() {
        let text = "rtsp://ü:%e4%@[::1]:5x#a?é=@/b";
        for (at, _) in text.char_indices() {
            let _ = Url::parse(&text[..at]);
            let _ = Url::parse(&text[at..]);
            let _ = repair_rtsp(&text[at..]);
        }
    }
}
