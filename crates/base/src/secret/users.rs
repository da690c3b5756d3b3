//! User names and passwords of addresses. People write them with any character, and who
//! dials them reads them (`crate::url`): hiding too much of a strange address is better than
//! showing half a password.

use super::MASK;
use super::quotes::closes;

/// Longest rest of a user name and password behind a space that is looked for, in bytes.
const SPACED: usize = 128;

/// The text without the user information of its URLs.
pub(super) fn without(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        masked.push_str(head);
        rest = tail;
        let tail = &tail[..tail.find("://").unwrap_or(tail.len())];
        if let Some(end) = end_of_userinfo(tail).filter(|end| *end > 0) {
            masked.push_str(MASK);
            rest = &rest[end..];
        }
    }
    masked.push_str(rest);
    without_scheme(&masked)
}

/// Longest user name with password that is looked for without a scheme, in bytes.
const MAX_PLAIN: usize = 256;

/// The same for addresses whose scheme was forgotten: `user:password@` at the beginning of a
/// word, or behind slashes there.
fn without_scheme(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices('@') {
        let is_host = |c: char| c.is_alphanumeric() || c == '[';
        if at < from || !text[at + 1..].starts_with(is_host) {
            continue;
        }
        let starts = |c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '=' | ',' | '@');
        let before = text[from..at].char_indices().rev();
        let near = before.take_while(|(start, _)| at - from - start <= MAX_PLAIN);
        let start =
            near.take_while(|(_, c)| !starts(*c)).last().map_or(at, |(start, _)| from + start);
        let (head, userinfo) = (&text[..start], &text[start..at]);
        let slashes = head.len() - head.trim_end_matches('/').len();
        let word = head.trim_end_matches('/').chars().next_back();
        let begins = word.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\''))
            || (word == Some(':') && slashes > 0);
        let has_password = userinfo
            .split_once(':')
            .is_some_and(|(user, password)| !user.is_empty() && !password.is_empty());
        if begins && has_password {
            masked.push_str(&text[from..start]);
            masked.push_str(MASK);
            from = at;
        }
    }
    masked.push_str(&text[from..]);
    masked
}

/// Where the user information ends that a text behind `://` begins with: at its `@`.
fn end_of_userinfo(text: &str) -> Option<usize> {
    let url = &text[..end_of_url(text)];
    let end = match crate::url::split_userinfo(url).0 {
        Some(userinfo) => Some(end_of_password(url, userinfo.len())),
        None => end_behind_slash(url),
    };
    end_of_spaced(text, url, end).or(end)
}

/// Where a URL in a text ends: only a space ends it for certain; a quotation mark does where
/// what follows is not part of a word.
fn end_of_url(text: &str) -> usize {
    text.char_indices()
        .find(|(at, c)| c.is_whitespace() || ends_quotation(text, *at, *c))
        .map_or(text.len(), |(at, _)| at)
}

fn ends_quotation(text: &str, at: usize, c: char) -> bool {
    c.is_control() || (matches!(c, '"' | '\'' | '`') && closes(&text[at + c.len_utf8()..]))
}

/// A password with a slash makes no URL, but is a password.
fn end_behind_slash(url: &str) -> Option<usize> {
    let authority = url.find(['/', '?', '#']).map_or(url, |at| &url[..at]);
    let (_, after) = authority.split_once(':')?;
    if is_number(after) || authority.starts_with('[') {
        return None;
    }
    let path = url.find('#').map_or(url, |at| &url[..at]);
    path.rfind('@')
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Where a password ends that may hold an `@` besides a character that ends the address for
/// who dials it at `end`: before what looks like an address, if what it dials does not.
fn end_of_password(url: &str, end: usize) -> usize {
    let has_password = url.get(..end).is_some_and(|userinfo| userinfo.contains(':'));
    let after = url.get(end + 1..).unwrap_or_default();
    let authority = after.find(['/', '?', '#']).map_or(after, |at| &after[..at]);
    if !has_password || is_address(authority) {
        return end;
    }
    let path = url[end..].find('/').map_or(url.len(), |at| end + at);
    let url = &url[..begin_of_query(url, path)];
    // From the end, whether a dot or a colon stands before the next separator.
    let mut in_host = false;
    for (at, byte) in url.bytes().enumerate().rev() {
        match byte {
            b'/' | b'?' | b'#' => in_host = false,
            b'.' | b':' => in_host = true,
            b'@' if at < path || in_host => return at,
            _ => {}
        }
    }
    end
}

/// Whether this can be nothing but a host: a number of IP or a name, with a port.
fn is_address(authority: &str) -> bool {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let is_ip = |host: &str| host.parse::<std::net::IpAddr>().is_ok();
    let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    let has_port = !port.is_empty() && is_number(port);
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    is_ip(authority)
        || (is_number(port) && is_ip(literal.unwrap_or(host)))
        || (has_port && is_name && !host.is_empty())
        || authority.strip_prefix('[').and_then(|a| a.strip_suffix(']')).is_some_and(is_ip)
}

/// Where the query or the parameters begin: at the first `?` or `#` behind `path` that a `=`
/// follows before any `@`.
fn begin_of_query(url: &str, path: usize) -> usize {
    let mut begin = None;
    for (at, byte) in url.bytes().enumerate().skip(path) {
        match (byte, begin) {
            (b'?' | b'#', None) => begin = Some(at),
            (b'@', _) => begin = None,
            (b'=', Some(begin)) => return begin,
            _ => {}
        }
    }
    url.len()
}

/// Where user information ends that goes on behind the space at which `url` ends. `end`:
/// where that of `url` alone does.
fn end_of_spaced(text: &str, url: &str, end: Option<usize>) -> Option<usize> {
    let rest = text.get(url.len()..).filter(|rest| rest.starts_with(' '))?;
    let host = end.map_or("", |end| url.get(end + 1..).unwrap_or_default());
    let is_over = match end {
        // Its host, or what is one by its looks.
        Some(_) => host.contains(['/', '?', '#', '.', ':', '[']),
        None => url.starts_with('[') || url.contains(['/', '?', '#']),
    };
    if is_over {
        return None;
    }
    let ends = |&(at, c): &(usize, char)| at > SPACED || c == '/' || ends_quotation(rest, at, c);
    let rest = &rest[..rest.char_indices().find(ends).map_or(rest.len(), |(at, _)| at)];
    let is_before_host = |&(at, _): &(usize, &str)| {
        rest[at + 1..].starts_with(|c: char| c.is_alphanumeric() || c == '[')
    };
    let at = rest.rmatch_indices('@').find(is_before_host).map(|(at, _)| url.len() + at)?;
    text[..at].contains(':').then_some(at)
}
