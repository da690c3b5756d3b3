//! The cookie of a page whose user has given the admin token: it stands for the token, so that
//! no script can read what opens everything, and no page has to keep it.
//!
//! It counts only beside the header `X-RS`, which a page of another origin cannot send: what a
//! form or a picture of any page makes a browser send brings the cookie, too.

use axum::http::{HeaderMap, header};
use rs2rtc_base::Secret;
use rs2rtc_base::http::auth;
use sha2::{Digest as _, Sha256};

/// What scripts of our pages send with every call.
pub const MARK: &str = "x-rs";

/// Name and value of the cookie for a token. Cookies of a host are those of all its ports, so
/// every server has a name of its own. It changes with the token.
fn of(token: &Secret) -> (String, String) {
    let digest = Sha256::new_with_prefix(b"rs2rtc admin cookie ").chain_update(token.expose());
    let hex: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let (name, value) = hex.split_at(8);
    (format!("rs2rtc-{name}"), value.to_owned())
}

/// `Set-Cookie` for who has given the token; it ends with the browser. `folder` is the base
/// path of our pages, empty or with a leading slash.
pub fn set(token: &Secret, folder: &str) -> String {
    let (name, value) = of(token);
    format!("{name}={value}; Path={folder}/; HttpOnly; SameSite=Strict")
}

/// `Set-Cookie` that takes it away.
pub fn clear(token: &Secret, folder: &str) -> String {
    let (name, _) = of(token);
    format!("{name}=; Path={folder}/; Max-Age=0; HttpOnly; SameSite=Strict")
}

/// Whether a call of a script of ours brings it.
pub fn is_brought(headers: &HeaderMap, token: Option<&Secret>) -> bool {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return false };
    if !headers.contains_key(MARK) || !headers.contains_key(header::COOKIE) {
        return false;
    }
    let (name, value) = of(token);
    let lists = headers.get_all(header::COOKIE).iter().filter_map(|list| list.to_str().ok());
    let mut cookies = lists.flat_map(|list| list.split(';')).filter_map(|one| one.split_once('='));
    cookies.any(|(known, given)| {
        known.trim() == name && auth::constant_time_eq(given.trim().as_bytes(), value.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        all.iter().map(pair).collect()
    }

    #[test]
    fn it_counts_with_the_mark_of_our_pages_only() {
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let made = set(&token, "/rtc");
        let (pair, rest) = made.split_once(';').unwrap();
        assert_eq!(rest, " Path=/rtc/; HttpOnly; SameSite=Strict");
        assert!(!made.contains(token.expose()));
        assert_eq!(pair.len(), "rs2rtc-".len() + 8 + 1 + 56);
        let brought = |cookie: &str, mark: bool, token: &Secret| {
            let mut all = vec![("cookie", cookie)];
            all.extend(mark.then_some((MARK, "1")));
            is_brought(&headers(&all), Some(token))
        };
        assert!(brought(pair, true, &token));
        assert!(brought(&format!("a=b; {pair};c"), true, &token), "among others");
        assert!(!brought(pair, false, &token), "a form of any page sends that");
        assert!(!brought("", true, &token));
        assert!(!brought(&pair[..pair.len() - 1], true, &token));
        assert!(!brought(pair, true, &Secret::new("another token that is long enough")));
        assert!(!is_brought(&headers(&[("cookie", pair), (MARK, "1")]), None));
        let other = set(&Secret::new("another token that is long enough"), "");
        let name = |cookie: &str| cookie.split('=').next().unwrap().to_owned();
        assert_ne!(name(&other), name(pair), "two servers of a host do not share one");
        let gone = clear(&token, "");
        assert!(gone.starts_with(&format!("{}=;", name(pair))) && gone.contains("Max-Age=0"));
    }
}
