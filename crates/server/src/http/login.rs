//! `api/rs/login`: the admin token is exchanged for a cookie that no script can read
//! (`docs/access.md`).

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::Api;
use super::access::{brings_token, cookie};
use super::call::{Call, Reply, error, json as reply_json, not_allowed, status};

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::GET | Method::HEAD => {
            let by_cookie = cookie::is_brought(&call.parts.headers, api.token.as_ref());
            let mut reply = reply_json(&json!({ "admin": call.admin, "cookie": by_cookie }));
            no_store(&mut reply);
            reply
        }
        Method::POST => login(&api, &call),
        Method::DELETE => give(&api, cookie::clear),
        _ => not_allowed("GET, HEAD, POST, DELETE"),
    }
}

fn login(api: &Api, call: &Call) -> Reply {
    if !brings_token(call.header("authorization"), api.token.as_ref()) {
        return error(
            StatusCode::UNAUTHORIZED,
            "this is not the token of this server (docs/access.md)",
        );
    }
    give(api, cookie::set)
}

fn give(api: &Api, make: fn(&rs2rtc_base::Secret, &str) -> String) -> Reply {
    let mut reply = status(StatusCode::NO_CONTENT);
    no_store(&mut reply);
    let made = api.token.as_ref().map(|token| make(token, &api.settings().api.base_path));
    if let Some(value) = made.and_then(|made| HeaderValue::from_str(&made).ok()) {
        reply.headers_mut().insert(header::SET_COOKIE, value);
    }
    reply
}

fn no_store(reply: &mut Reply) {
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
