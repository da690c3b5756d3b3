//! The login of a page whose user has given the admin token, so that no page has to keep what
//! opens everything. It is in two halves, each of no use without the other:
//!
//! - a cookie that no script can read. Browsers send it to every port of the host, and with
//!   what a form or a picture of any page makes them send;
//! - a key that the page sends as `X-RS`. Other pages cannot send that header, and those of
//!   other ports cannot read where it is kept.

use axum::http::{HeaderMap, header};
use rs2rtc_base::Secret;
use rs2rtc_base::http::auth;
use sha2::{Digest as _, Sha256};

/// What scripts of our pages send with every call: the key, or anything without a login.
pub const MARK: &str = "x-rs";
/// Longest key that is looked at.
const MAX_KEY: usize = 64;

fn digest(token: &Secret, what: &str) -> String {
    let digest = Sha256::new_with_prefix(b"rs2rtc admin ").chain_update(what);
    let digest = digest.chain_update(b" ").chain_update(token.expose());
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Cookies of a host are those of all its ports, so every server has a name of its own.
fn name(token: &Secret) -> String {
    let hex = digest(token, "name");
    format!("rs2rtc-{}", hex.get(..8).unwrap_or_default())
}

/// It is worthless with another token.
fn value(token: &Secret, key: &str) -> String {
    digest(token, &format!("login {key}"))
}

/// `Set-Cookie` for who has given the token; it ends with the browser. `key` is the other half,
/// `folder` the base path of our pages, empty or with a leading slash. `secure`: they came
/// over HTTPS.
pub fn set(token: &Secret, key: &str, folder: &str, secure: bool) -> String {
    let (name, value) = (name(token), value(token, key));
    let secure = if secure { "; Secure" } else { "" };
    format!("{name}={value}; Path={folder}/; HttpOnly; SameSite=Strict{secure}")
}

/// `Set-Cookie` that takes it away.
pub fn clear(token: &Secret, folder: &str) -> String {
    format!("{}=; Path={folder}/; Max-Age=0; HttpOnly; SameSite=Strict", name(token))
}

/// Whether a call brings both halves.
pub fn is_brought(headers: &HeaderMap, token: Option<&Secret>) -> bool {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return false };
    let key = headers.get(MARK).and_then(|key| key.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > MAX_KEY || !headers.contains_key(header::COOKIE) {
        return false;
    }
    let (name, value) = (name(token), value(token, key));
    let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
    let mut cookies = lists.flat_map(|list| list.split(';')).filter_map(|one| one.split_once('='));
    cookies.any(|(known, given)| {
        known.trim() == name && auth::constant_time_eq(given.trim().as_bytes(), value.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn brought(cookie: &str, key: &str, token: &Secret) -> bool {
        let all =
            [("cookie", cookie), (MARK, key)].into_iter().filter(|(_, text)| !text.is_empty());
        let pair =
            |(name, text)| (HeaderName::from_static(name), HeaderValue::from_str(text).unwrap());
        is_brought(&all.map(pair).collect(), Some(token))
    }

    #[test]
    fn both_halves_are_needed() {
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let other = Secret::new("another token that is long enough");
        let made = set(&token, "k3y", "/rtc", false);
        let (pair, rest) = made.split_once(';').unwrap();
        assert_eq!(rest, " Path=/rtc/; HttpOnly; SameSite=Strict");
        assert!(set(&token, "k3y", "", true).ends_with("; Secure"));
        assert!(!made.contains(token.expose()) && !made.contains("k3y"));
        assert!(brought(pair, "k3y", &token));
        assert!(brought(&format!("a=b; {pair};c"), "k3y", &token), "among others");
        assert!(!brought(pair, "", &token), "a form of any page sends that");
        assert!(!brought(pair, "1", &token), "another program of the host gets that");
        assert!(!brought("", "k3y", &token), "a script could read that");
        assert!(!brought(&pair[..pair.len() - 1], "k3y", &token));
        assert!(!brought(pair, &"k".repeat(MAX_KEY + 1), &token));
        assert!(!brought(pair, "k3y", &other));
        assert!(!is_brought(&HeaderMap::new(), None));
        assert_ne!(name(&other), name(&token), "two servers of a host do not share one");
        let gone = clear(&token, "");
        assert!(gone.starts_with(&format!("{}=;", name(&token))) && gone.contains("Max-Age=0"));
    }
}
