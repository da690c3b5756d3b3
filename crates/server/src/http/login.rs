//! `api/rs/login`: the admin token is exchanged for a cookie that no script can read and a key
//! that is of no use without it (`docs/access.md`).

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use super::Api;
use super::access::{brings_token, cookie};
use super::call::{Call, Reply, error, json as reply_json, not_allowed, status};
use crate::boot::random;

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    let mut reply = match *call.method() {
        Method::GET | Method::HEAD => {
            let by_cookie = cookie::is_brought(&call.parts.headers, api.token.as_ref());
            reply_json(&json!({ "admin": call.admin, "cookie": by_cookie }))
        }
        Method::POST => login(&api, &call).await,
        Method::DELETE => logout(&api),
        _ => not_allowed("GET, HEAD, POST, DELETE"),
    };
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

async fn login(api: &Api, call: &Call) -> Reply {
    let token = api.token.as_ref();
    let Some(token) = token.filter(|_| brings_token(call.header("authorization"), token)) else {
        if let Some(too_many) = api.wrong_login(call).await {
            return too_many;
        }
        return error(
            StatusCode::UNAUTHORIZED,
            "this is not the token of this server (docs/access.md)",
        );
    };
    let Ok(bytes) = random::<16>() else {
        return error(StatusCode::INTERNAL_SERVER_ERROR, "the system gives no randomness");
    };
    // Begins with a letter, so that nobody takes it for a number.
    let key: String = std::iter::once("k".to_owned())
        .chain(bytes.iter().map(|byte| format!("{byte:02x}")))
        .collect();
    let secure = call.header("origin").starts_with("https://");
    let made = cookie::set(token, &key, &api.settings().api.base_path, secure);
    with_cookie(reply_json(&json!({ "key": key })), &made)
}

fn logout(api: &Api) -> Reply {
    let reply = status(StatusCode::NO_CONTENT);
    match &api.token {
        Some(token) => with_cookie(reply, &cookie::clear(token, &api.settings().api.base_path)),
        None => reply,
    }
}

fn with_cookie(mut reply: Reply, cookie: &str) -> Reply {
    // Of a base path that no header can hold there are no pages either.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        reply.headers_mut().insert(header::SET_COOKIE, value);
    }
    reply
}
