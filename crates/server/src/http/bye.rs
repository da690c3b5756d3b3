//! `api/rs/bye/<secret>`: a page that goes away ends its sessions.
//!
//! `DELETE api/rs/bye/<secret>` (`fetch` with `keepalive`) and
//! `POST api/rs/bye/<secret>/bye` (`sendBeacon`, which can only POST) do the same
//! and may both come, in any order and again.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rs2rtc_endpoints::outputs::webrtc::Goodbye;

use super::Api;
use super::call::{Call, Reply, error, not_allowed, status};

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    let path = call.parts.uri.path();
    let name = path.rsplit_once("/bye/").map_or("", |(_, name)| name);
    // `…/bye/<secret>/bye`
    let (name, beacon) = match path.strip_suffix("/bye") {
        Some(path) => (path.rsplit_once('/').map_or("", |(_, name)| name), true),
        None => (name, false),
    };
    match *call.method() {
        Method::DELETE | Method::POST => {}
        Method::OPTIONS => return status(StatusCode::NO_CONTENT),
        _ => return not_allowed("POST, DELETE, OPTIONS"),
    }
    let goodbye = if beacon { Goodbye::Pagehide } else { Goodbye::Delete };
    match secret(name) {
        // Also when everything is gone already: the second of two goodbyes has come true,
        // and whether an address was ever good is nobody's business.
        Some(secret) => {
            api.players.goodbye(secret, goodbye);
            status(StatusCode::NO_CONTENT)
        }
        None => error(StatusCode::NOT_FOUND, ""),
    }
}

fn secret(text: &str) -> Option<u128> {
    let digits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    digits.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_32_digits() {
        assert_eq!(
            secret("000102030405060708090a0b0c0d0e0f"),
            Some(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f)
        );
        for text in
            ["", "bye", "+0102030405060708090a0b0c0d0e0f0", "000102030405060708090a0b0c0d0e0f0"]
        {
            assert_eq!(secret(text), None, "{text}");
        }
    }
}
