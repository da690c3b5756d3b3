//! Secrets that cannot be printed, and masking of texts that may hold some
//! (`spec/core.md` 4).

use std::fmt;

use crate::stream_key::without_keys;

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
/// secret, those of header fields such as `Authorization:` and `Cookie:`, those of
/// variables for programs (`CAM_PASS=…`), and the keys of RTMP streams as far as they
/// look like some (`rtmp://server/app/KEY`).
#[derive(Clone, Copy)]
pub struct Redacted<'a>(pub &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(self.0, false))
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
    let text = without_users(text);
    let text = without_keys(&text, is_target);
    let text = without_parameters(&text);
    let text = without_fields(&text);
    without_arguments(&text)
}

fn without_users(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        masked.push_str(head);
        rest = tail;
        let url = &tail[..end_of_url(tail)];
        let end = end_of_userinfo(url).or_else(|| end_of_spaced(tail, url));
        if let Some(end) = end.filter(|end| *end > 0) {
            masked.push_str("***");
            rest = &tail[end..];
        }
    }
    masked.push_str(rest);
    masked
}

/// Longest password with spaces that is looked for, in bytes.
const SPACED: usize = 128;

/// Where the user information ends that goes on behind the space at which `url` ends.
fn end_of_spaced(text: &str, url: &str) -> Option<usize> {
    let (_, password) = url.split_once(':')?;
    let is_port = password.split('/').next().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    if is_port || url.starts_with('[') || !text[url.len()..].starts_with(' ') {
        return None;
    }
    let line = text.find(['\n', '\r', '"', '\'']).map_or(text, |at| &text[..at]);
    let line = line.find("://").map_or(line, |at| &line[..at]);
    line.find('@').filter(|at| *at > url.len() && *at - url.len() < SPACED)
}

/// Where a URL in a text ends. People write passwords with any character, so that only a
/// space ends it for certain; a quotation mark does where what follows is not part of a word.
fn end_of_url(text: &str) -> usize {
    let closes = |after: &str| {
        after.chars().next().is_none_or(|c| {
            c.is_whitespace() || matches!(c, ',' | ';' | ':' | '}' | ']' | ')' | '>' | '\\')
        })
    };
    let ends = |&(at, c): &(usize, char)| {
        c.is_whitespace()
            || c.is_control()
            || (matches!(c, '"' | '\'' | '`') && closes(&text[at + c.len_utf8()..]))
    };
    text.char_indices().find(ends).map_or(text.len(), |(at, _)| at)
}

/// Where the user information of a URL (without its scheme) ends: at its `@`, as for who
/// dials it. A password with a slash makes no URL, but is a password.
fn end_of_userinfo(url: &str) -> Option<usize> {
    if let Some(userinfo) = crate::url::split_userinfo(url).0 {
        return Some(end_of_password(url, userinfo.len()));
    }
    let authority = url.find(['/', '?', '#']).map_or(url, |at| &url[..at]);
    let (_, after) = authority.split_once(':')?;
    let is_port = after.bytes().all(|b| b.is_ascii_digit());
    if is_port || authority.starts_with('[') {
        return None;
    }
    let path = url.find('#').map_or(url, |at| &url[..at]);
    path.rfind('@')
}

/// Where a password ends that may hold an `@` besides a character that ends the address for
/// who dials it at `end`: before what looks like an address. Hiding too much of a strange URL
/// is better than showing half a password.
fn end_of_password(url: &str, end: usize) -> usize {
    let url = url.find("://").map_or(url, |at| &url[..at]);
    if !url.get(..end).is_some_and(|userinfo| userinfo.contains(':')) {
        return end;
    }
    let path = url[end..].find('/').map_or(url.len(), |at| end + at);
    let is_parameter = |&(at, _): &(usize, &str)| {
        let after = url[at..].split('@').next().unwrap_or_default();
        after.contains('=')
    };
    let query = url[path..].match_indices(['?', '#']).map(|(at, c)| (path + at, c));
    let url = &url[..query.into_iter().find(is_parameter).map_or(url.len(), |(at, _)| at)];
    let before_address = |&(at, _): &(usize, &str)| {
        let after = &url[at + 1..];
        let host = after.find(['/', '?', '#']).map_or(after, |at| &after[..at]);
        at < path || host.contains(['.', ':'])
    };
    url.rmatch_indices('@').find(before_address).map_or(end, |(at, _)| at)
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

/// Names that mean nothing else wherever they stand before a `=`, alone or behind a `-` or `_`
/// (`--token=x`, `user=a_password=x` in paths of cameras), or before a space as an argument.
const CLEAR_NAMES: [&str; 11] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "client_secret",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
    "user-pw",
];

fn without_parameters(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = text[from..].find('=').map(|at| from + at) {
        masked.push_str(&text[from..=at]);
        from = at + 1;
        let (before, name) = split_name(&text[..at]);
        let in_query = before.ends_with(['?', '&']) && SECRET_NAMES.contains(&name.as_str());
        if !in_query && !is_clear(&name) && !is_variable(&text[before.len()..at]) {
            continue;
        }
        let value = &text[from..];
        if let Some((open, close)) = quoted(value) {
            masked.push_str(&value[..open]);
            masked.push_str("***");
            from += close;
            continue;
        }
        let ends = |c: char| c.is_whitespace() || matches!(c, '&' | '#' | '"' | '\'' | '<' | '>');
        let mut end = value.find(ends).unwrap_or(value.len());
        if name.contains('_') {
            end = value[..end]
                .match_indices('_')
                .map(|(at, _)| at)
                .find(|at| {
                    let next = value[at + 1..end].split('_').next().unwrap_or_default();
                    next.split_once('=')
                        .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric()))
                })
                .unwrap_or(end);
        }
        if end > 0 {
            masked.push_str("***");
        }
        from += end;
    }
    masked.push_str(&text[from..]);
    masked
}

/// What stands before the name at the end of a text, and the name in lower case.
fn split_name(text: &str) -> (&str, String) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let before = text.trim_end_matches(is_name);
    (before, text[before.len()..].to_ascii_lowercase())
}

/// Whether a name ends with a word that is one of [`CLEAR_NAMES`].
fn is_clear(name: &str) -> bool {
    CLEAR_NAMES.iter().any(|clear| {
        name.strip_suffix(clear).is_some_and(|rest| rest.is_empty() || rest.ends_with(['-', '_']))
    })
}

/// What makes the name of a variable that is given to a program one of a secret.
const VARIABLE_PARTS: [&str; 8] = ["PASS", "PWD", "PSW", "SECRET", "TOKEN", "KEY", "AUTH", "CRED"];

/// Whether a name is that of a variable that holds a secret, as in `CAM_PASS=x ffmpeg`:
/// these are written in capitals, which names of parameters are not.
fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && VARIABLE_PARTS.iter().any(|part| name.contains(part))
}

/// Where the inside of a value in quotes, escaped or not, begins and ends; one without an
/// end reaches to that of its line.
fn quoted(value: &str) -> Option<(usize, usize)> {
    let escapes = value.len() - value.trim_start_matches('\\').len();
    let quote = value[escapes..].chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let open = escapes + 1;
    let line = value[open..].find('\n').map_or(value.len(), |at| open + at);
    let close = value[open..line].find(quote).map_or(line, |at| open + at);
    // The escapes of the closing quote are none of the value.
    let inside = value[open..close].trim_end_matches('\\');
    (!inside.is_empty()).then(|| (open, open + inside.len()))
}

/// Arguments of programs: what follows `--password`, `-headers`, `-u` with a colon, and the like.
fn without_arguments(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = text[from..].find(" -").map(|at| from + at + 1) {
        masked.push_str(&text[from..at]);
        let end = text[at..].find(' ').map_or(text.len(), |length| at + length);
        masked.push_str(&text[at..end]);
        from = end;
        let name = text[at..end].trim_start_matches('-');
        if let Some((name, user)) = name.split_once('=')
            && matches!(name, "u" | "user")
            && user.contains(':')
        {
            masked.truncate(masked.len() - user.len());
            masked.push_str("***");
            continue;
        }
        let value = text[end..].trim_start_matches(' ');
        let begin = text.len() - value.len();
        let is_header = matches!(name, "H" | "header" | "headers");
        let is_user = matches!(name, "u" | "user");
        if value.is_empty() || !(is_header || is_user || is_clear(&name.to_ascii_lowercase())) {
            continue;
        }
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (inside, rest) = match quote.map(|quote| value[1..].split_once(quote)) {
            Some(Some(both)) => both,
            Some(None) => (&value[1..], ""),
            None => value.split_at(value.find([' ', '"', '\'', '#']).unwrap_or(value.len())),
        };
        // Of a header that is known its name is left to see.
        let is_known = is_header && inside.ends_with("***");
        let is_flag = inside.starts_with('-') && quote.is_none();
        if is_known || is_flag || is_user && !inside.contains(':') {
            continue;
        }
        masked.push_str(&text[end..begin]);
        masked.push_str("***");
        from = text.len() - rest.len();
    }
    masked.push_str(&text[from..]);
    masked
}

/// Names of header fields whose values nobody should see.
const SECRET_FIELDS: [&str; 11] = [
    "api-key",
    "apikey",
    "authorization",
    "cookie",
    "private-token",
    "proxy-authorization",
    "set-cookie",
    "x-access-token",
    "x-api-key",
    "x-auth-key",
    "x-auth-token",
];

/// What makes the name of a field in `#header=` one of a secret.
const SECRET_PARTS: [&str; 8] =
    ["auth", "cookie", "key", "pass", "secret", "session", "sign", "token"];

/// What follows the name of a secret header field up to the end of its line or quotation.
fn without_fields(text: &str) -> String {
    const PARAMETER: &str = "header=";
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(at) = text[from..].find(':').map(|at| from + at) {
        masked.push_str(&text[from..=at]);
        from = at + 1;
        let (before, name) = split_name(&text[..at]);
        let in_parameter = before.len().checked_sub(PARAMETER.len()).and_then(|n| before.get(n..));
        let is_secret = SECRET_FIELDS.contains(&name.as_str())
            || (in_parameter.is_some_and(|p| p.eq_ignore_ascii_case(PARAMETER))
                && SECRET_PARTS.iter().any(|part| name.contains(part)));
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

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
            (
                "http://h/#header=X-Door-Key: s3cret#timeout=5",
                "http://h/#header=X-Door-Key: ***#timeout=5",
            ),
            ("http://h/#header=Accept: text/html", "http://h/#header=Accept: text/html"),
            ("curl -H 'Cookie: id=s3cret' http://h", "curl -H 'Cookie: ***' http://h"),
            ("{\"url\":\"rtsp://h\",\"mail\":\"a@b\"}", "{\"url\":\"rtsp://h\",\"mail\":\"a@b\"}"),
            ("[\"rtsp://u:p@h\"]", "[\"rtsp://***@h\"]"),
            ("http://h:80/a?m=x@y", "http://h:80/a?m=x@y"),
            ("http://h?m=x:y@z", "http://h?m=x:y@z"),
            ("http://[::1]:80/x@y", "http://[::1]:80/x@y"),
        ];
        for (input, output) in vectors {
            assert_eq!(Redacted(input).to_string(), output);
            assert_eq!(Redacted(output).to_string(), output, "again");
        }
    }

    /// People choose them, and sources with them are dialled.
    #[test]
    fn passwords_of_any_characters_are_masked() {
        for odd in
            "\u{2039} # @ ? \" ^ [ ] { } < > | \\ ` ' ä 密 ! $ & ( ) * + , ; = : % ~ /".split(' ')
        {
            // Behind the colon these three end the address of who dials it.
            let first = if matches!(odd, "#" | "?" | "/") { "p" } else { "" };
            let passwords = [
                format!("pa{odd}word"),
                format!("{first}{odd}word"),
                format!("pass{odd}{odd}w"),
                format!("p@ss{odd}w"),
                format!("p{odd}ss@w"),
                format!("p@s{odd}s@w"),
            ];
            for password in passwords {
                let url = format!("rtsp://admin:{password}@10.1.2.3:554/stream1");
                let masked = "rtsp://***@10.1.2.3:554/stream1";
                assert_eq!(Redacted(&url).to_string(), masked, "{url}");
                let text = format!("dial {url} failed, ffmpeg:{url}#video=copy");
                let expected = format!("dial {masked} failed, ffmpeg:{masked}#video=copy");
                assert_eq!(Redacted(&text).to_string(), expected);
            }
        }
    }

    #[test]
    fn addresses_stay_legible_beside_a_mask() {
        for (text, masked) in [
            ("rtsp://u:p@h/live/ch1@main", "rtsp://***@h/live/ch1@main"),
            ("http://u:p@h:80/x?to=a@b.c", "http://***@h:80/x?to=a@b.c"),
            ("http://u@h/x?to=a@b.c", "http://***@h/x?to=a@b.c"),
            ("http://h/x?to=a@b.c", "http://h/x?to=a@b.c"),
            ("rtsp://u:p@h/1,rtsp://u:q@g.h/2", "rtsp://***@h/1,rtsp://***@g.h/2"),
            (
                "ffmpeg:http://u:p@h/x#input=rtsp://u:p@g",
                "ffmpeg:http://***@h/x#input=rtsp://***@g",
            ),
        ] {
            assert_eq!(Redacted(text).to_string(), masked);
        }
    }

    #[test]
    fn names_that_are_clear_hide_what_follows_wherever_they_stand() {
        for (text, masked) in [
            (
                "rtsp://h/user=admin_password=Se_cr3t_channel=1_stream=0.sdp",
                "rtsp://h/user=admin_password=***_channel=1_stream=0.sdp",
            ),
            ("rtsp://admin:CAN sp@h:554/s failed", "rtsp://***@h:554/s failed"),
            ("exec:curl --token=x 'http://h'", "exec:curl --token=*** 'http://h'"),
            ("exec:env PASSWORD=x curl", "exec:env PASSWORD=*** curl"),
            ("exec:curl -u admin:x http://h/a", "exec:curl -u *** http://h/a"),
            ("exec:curl -u admin http://h", "exec:curl -u admin http://h"),
            ("exec:x --password x y", "exec:x --password *** y"),
            ("exec:x --password 'x y' z", "exec:x --password *** z"),
            ("exec:x --password", "exec:x --password"),
            ("exec:x --password --force", "exec:x --password --force"),
            ("ffmpeg -headers 'X-Key: k' -i {input}", "ffmpeg -headers *** -i {input}"),
            ("exec:gst rtspsrc user-pw=x ! y", "exec:gst rtspsrc user-pw=*** ! y"),
            ("demo:?size=1&fps=2#audio=opus", "demo:?size=1&fps=2#audio=opus"),
            (
                "ffmpeg -rtsp_transport tcp -i rtsp://h:554/a -f rtsp {output}",
                "ffmpeg -rtsp_transport tcp -i rtsp://h:554/a -f rtsp {output}",
            ),
            ("to rtsp://h:x failed, mail", "to rtsp://h:x failed, mail"),
            ("exec:PASSWORD=x ffmpeg -i y", "exec:PASSWORD=*** ffmpeg -i y"),
            (
                "exec:sh -c 'CAM_PASS=x PGPASSWORD=y z'",
                "exec:sh -c 'CAM_PASS=*** PGPASSWORD=*** z'",
            ),
            ("AWS_SECRET_ACCESS_KEY=x AUTH=y a", "AWS_SECRET_ACCESS_KEY=*** AUTH=*** a"),
            ("exec:env PASSWORD=\"x y\" z", "exec:env PASSWORD=\"***\" z"),
            ("exec:sh -c \"PASSWORD='x y' z\"", "exec:sh -c \"PASSWORD='***' z\""),
            (r#"sh -c \"TOKEN=\\\"x y\\\" z\""#, r#"sh -c \"TOKEN=\\\"***\\\" z\""#),
            ("PASSWORD=\"x y", "PASSWORD=\"***"),
            ("PASSWORD=\"\" z", "PASSWORD=\"\" z"),
            ("PATH=/bin LANG=C x", "PATH=/bin LANG=C x"),
            ("exec:ffmpeg -g keyint=30", "exec:ffmpeg -g keyint=30"),
            ("exec:curl --user=admin:x http://h", "exec:curl --user=*** http://h"),
            ("exec:curl --user=admin http://h", "exec:curl --user=admin http://h"),
            (
                "rtmp://192.168.1.5/bcs/channel0_main.bcs?channel=0&user=admin&password=x",
                "rtmp://192.168.1.5/bcs/channel0_main.bcs?channel=0&user=admin&password=***",
            ),
            ("rtmp://u:p@h/live2/a1b2-c3d4-e5f6", "rtmp://***@h/live2/***"),
        ] {
            assert_eq!(Redacted(text).to_string(), masked);
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
