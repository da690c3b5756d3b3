//! Whom a proxy forwards for: `Forwarded` (RFC 7239), `X-Forwarded-For`, and the
//! headers that hold one address.
//!
//! Only what the nearest proxy wrote itself counts: the last element of the last
//! field. Everything before it may come from the client, and so may a whole header
//! that this proxy does not write: of several headers the one counts that trusts
//! least. What cannot be read is taken for somebody who hides, never for nobody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderValue};

use super::{Place, place_of_ip};

/// Whom a proxy forwards for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// This address.
    For(IpAddr),
    /// Somebody whose address it does not tell (`unknown`, `_name`), or not in a form
    /// that is understood.
    Hidden,
}

/// Headers with the address of the client alone.
const SINGLE: [&str; 4] = ["x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"];
/// Headers that only proxies write, and that tell no address.
const SIGNS: [&str; 4] = ["via", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server"];

/// More that proxies add, which tells nothing of the client.
const PLACES: [&str; 2] = ["x-forwarded-prefix", "x-ingress-path"];

/// The headers of a request that a proxy has added, by their names.
pub fn names(headers: &HeaderMap) -> Vec<&'static str> {
    let lists = ["forwarded", "x-forwarded-for"];
    let all = lists.into_iter().chain(SINGLE).chain(SIGNS).chain(PLACES);
    all.filter(|name| headers.contains_key(*name)).collect()
}

impl Forwarded {
    /// What the headers of a request say; `None`: no proxy has said anything.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let last = |name: &str, read: fn(&str) -> Option<IpAddr>| {
            let text = headers.get_all(name).into_iter().next_back().map(HeaderValue::to_str)?;
            Some(text.ok().and_then(read).map_or(Self::Hidden, Self::For))
        };
        let lists = [last("forwarded", last_element), last("x-forwarded-for", last_address)];
        let singles = SINGLE.iter().map(|name| last(name, single_address));
        let told = lists.into_iter().chain(singles).flatten();
        let farthest = told.max_by_key(|one| (one.place(), *one == Self::Hidden));
        let is_proxy = || SIGNS.iter().any(|name| headers.contains_key(*name));
        farthest.or_else(|| is_proxy().then_some(Self::Hidden))
    }

    /// Where that is.
    pub(super) fn place(self) -> Place {
        match self {
            Self::For(ip) => place_of_ip(ip),
            Self::Hidden => Place::Outside,
        }
    }
}

/// The last address of `X-Forwarded-For`.
fn last_address(list: &str) -> Option<IpAddr> {
    node(list.rsplit(',').next()?.trim())
}

/// The only address of a header that holds one.
fn single_address(text: &str) -> Option<IpAddr> {
    node(text.trim())
}

/// The address behind `for=` of the last element of a `Forwarded` field (RFC 7239 4).
fn last_element(field: &str) -> Option<IpAddr> {
    let mut rest = field;
    let mut found = None;
    loop {
        rest = rest.trim_start();
        let end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let name = rest[..end].trim_end();
        if let Some(after) = rest[end..].strip_prefix('=') {
            let (text, after) = value(after)?;
            if name.eq_ignore_ascii_case("for") && found.replace(text).is_some() {
                return None;
            }
            rest = after.trim_start();
        } else if name.is_empty() {
            rest = &rest[end..];
        } else {
            return None;
        }
        let mut after = rest.chars();
        match after.next() {
            None => return node(found?.as_str()),
            Some(';') => {}
            Some(',') => found = None,
            Some(_) => return None,
        }
        rest = after.as_str();
    }
}

/// A token or a quoted text, without its quotes, and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t', '"']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut rest = quoted.chars();
    loop {
        match rest.next()? {
            '"' => return Some((value, rest.as_str())),
            '\\' => value.push(rest.next()?),
            other => value.push(other),
        }
    }
}

/// The address of a node (RFC 7239 6), with or without a port; IPv6 also without its brackets.
fn node(text: &str) -> Option<IpAddr> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (ip, after) = bracketed.split_once(']')?;
        let ip = ip.parse::<Ipv6Addr>().ok()?;
        let is_whole = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
        return is_whole.then_some(ip.into());
    }
    text.parse().ok().or_else(|| {
        let (ip, port) = text.split_once(':')?;
        let ip = ip.parse::<Ipv4Addr>().ok()?;
        is_port(port).then_some(ip.into())
    })
}

/// A number of five digits at most, or a name for one.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &[(&'static str, &[u8])]) -> Option<Forwarded> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        Forwarded::of(&headers)
    }

    fn one(name: &'static str, value: &str) -> Option<Forwarded> {
        of(&[(name, value.as_bytes())])
    }

    fn ip(text: &str) -> Option<Forwarded> {
        Some(Forwarded::For(text.parse().unwrap()))
    }

    const HIDDEN: Option<Forwarded> = Some(Forwarded::Hidden);

    #[test]
    fn forms_of_rfc_7239() {
        for (text, wanted) in [
            ("for=8.8.8.8", ip("8.8.8.8")),
            ("For=\"[2001:db8:cafe::17]:4711\"", ip("2001:db8:cafe::17")),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", ip("192.0.2.60")),
            ("for=192.0.2.43, for=198.51.100.17", ip("198.51.100.17")),
            ("proto=https ; for = 8.8.8.8", HIDDEN),
            ("proto=https; FOR=8.8.8.8 ;host=\"a;b,c\"", ip("8.8.8.8")),
            ("for=\"8.8.8.8:443\"", ip("8.8.8.8")),
            ("for=8.8.8.8:_proxy-1", ip("8.8.8.8")),
            ("for=\"[::1]\"", ip("::1")),
            ("for=[::1]", ip("::1")),
            ("for=\"\\1\\0.0.0.9\"", ip("10.0.0.9")),
            ("host=\"x\\\", for=127.0.0.1\";for=8.8.8.8", ip("8.8.8.8")),
            (";;for=8.8.8.8;", ip("8.8.8.8")),
            ("for=unknown", HIDDEN),
            ("for=_hidden", HIDDEN),
            ("for=127.0.0.1, for=unknown", HIDDEN),
            ("for=127.0.0.1, proto=http", HIDDEN),
            ("for=127.0.0.1,", HIDDEN),
            ("for=127.0.0.1;for=127.0.0.1", HIDDEN),
            ("for=\"127.0.0.1", HIDDEN),
            ("for=\"a, for=\"[::1]\"", HIDDEN),
            ("for=\"127.0.0.1\"x", HIDDEN),
            ("for=127.0.0.1 x", HIDDEN),
            ("for=[::1", HIDDEN),
            ("for=\"[::1]x\"", HIDDEN),
            ("for=127.0.0.1:", HIDDEN),
            ("for=127.0.0.1:123456", HIDDEN),
            ("127.0.0.1", HIDDEN),
            ("", HIDDEN),
        ] {
            assert_eq!(one("forwarded", text), wanted, "{text}");
        }
    }

    #[test]
    fn the_list_of_x_forwarded_for() {
        for (text, wanted) in [
            ("127.0.0.1, 8.8.8.8", ip("8.8.8.8")),
            ("8.8.8.8, 192.168.1.2", ip("192.168.1.2")),
            ("8.8.8.8:1234", ip("8.8.8.8")),
            ("2001:db8::1", ip("2001:db8::1")),
            ("[2001:db8::1]:80", ip("2001:db8::1")),
            ("for=127.0.0.1", HIDDEN),
            ("127.0.0.1, ", HIDDEN),
            ("unknown", HIDDEN),
            ("", HIDDEN),
        ] {
            assert_eq!(one("x-forwarded-for", text), wanted, "{text}");
        }
    }

    #[test]
    fn the_last_field_counts_and_of_two_headers_who_is_further_away() {
        assert_eq!(of(&[]), None);
        let twice = [("x-forwarded-for", &b"127.0.0.1"[..]), ("x-forwarded-for", b"8.8.8.8")];
        assert_eq!(of(&twice), ip("8.8.8.8"));
        let both = [("forwarded", &b"for=127.0.0.1"[..]), ("x-forwarded-for", b"10.0.0.9")];
        assert_eq!(of(&both), ip("10.0.0.9"));
        let both = [("forwarded", &b"for=8.8.8.8"[..]), ("x-forwarded-for", b"10.0.0.9")];
        assert_eq!(of(&both), ip("8.8.8.8"));
        let unreadable = [("x-forwarded-for", &b"127.0.0.1\xff"[..])];
        assert_eq!(of(&unreadable), HIDDEN);
    }

    #[test]
    fn a_proxy_that_tells_its_client_elsewhere_or_not_at_all() {
        for name in SINGLE {
            assert_eq!(one(name, " 8.8.8.8"), ip("8.8.8.8"), "{name}");
            assert_eq!(one(name, "127.0.0.1, 8.8.8.8"), HIDDEN, "{name}");
            assert_eq!(one(name, ""), HIDDEN, "{name}");
            // What the proxy wrote holds, whatever the client sent under another name.
            let both = [(name, &b"127.0.0.1"[..]), ("x-forwarded-for", b"8.8.8.8")];
            assert_eq!(of(&both), ip("8.8.8.8"), "{name}");
            let both = [(name, &b"8.8.8.8"[..]), ("x-forwarded-for", b"127.0.0.1")];
            assert_eq!(of(&both), ip("8.8.8.8"), "{name}");
        }
        for name in SIGNS {
            assert_eq!(one(name, "x"), HIDDEN, "{name}");
            let both = [(name, &b"x"[..]), ("x-forwarded-for", b"10.0.0.9")];
            assert_eq!(of(&both), ip("10.0.0.9"), "{name}");
        }
        assert_eq!(one("host", "x"), None);
    }

    #[test]
    fn any_part_of_a_field_is_read() {
        let field = "for=\"[2001:db8::1]:_a\";by=\\x, for=\u{e4};\"";
        for (at, _) in field.char_indices() {
            let _ = last_element(&field[..at]);
            let _ = last_element(&field[at..]);
            let _ = last_address(&field[at..]);
        }
    }
}
