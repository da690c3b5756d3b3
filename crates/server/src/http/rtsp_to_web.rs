//! `/stream/{id}/…`: what clients of RTSPtoWebRTC ask for (`spec/api.md` 10).
//!
//! `add` names a source, `channel/0/webrtc` exchanges offer and answer. The id is
//! the path's part as it is written.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use serde_json::Value;

use super::call::{Call, Reply, error, no_page, no_stream, typed};
use super::{Api, Class, streams_api, system, webrtc};

/// What a path asks for.
enum Wish<'p> {
    Add,
    Watch(&'p str),
}

pub(crate) fn class(_: &Api, call: &Call) -> Class {
    match wish(call) {
        Some(Wish::Add) => Class::Stream,
        _ => Class::View,
    }
}

pub(crate) async fn handle(api: Arc<Api>, mut call: Call) -> Reply {
    let path = call.parts.uri.path().to_owned();
    match wish_of(&path) {
        Some(_) if !matches!(*call.method(), Method::POST | Method::PUT) => {
            error(StatusCode::METHOD_NOT_ALLOWED, "")
        }
        Some(Wish::Add) => add(api, &mut call).await,
        Some(Wish::Watch(id)) => watch(api, &mut call, id).await,
        None => no_page(),
    }
}

fn wish(call: &Call) -> Option<Wish<'_>> {
    wish_of(call.parts.uri.path())
}

fn wish_of(path: &str) -> Option<Wish<'_>> {
    let (id, rest) = path.strip_prefix("/stream/")?.split_once('/')?;
    match rest {
        "add" => Some(Wish::Add),
        "channel/0/webrtc" => Some(Wish::Watch(id)),
        _ => None,
    }
}

/// `{"name":"cam","channels":{"0":{"url":"rtsp://…"}}}`.
async fn add(api: Arc<Api>, call: &mut Call) -> Reply {
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let wanted: Value = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(problem) => return error(StatusCode::BAD_REQUEST, &problem.to_string()),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, url) = (text(&wanted["name"]), text(&wanted["channels"]["0"]["url"]));
    if name.is_empty() && !url.is_empty() {
        return error(StatusCode::BAD_REQUEST, "streams: the stream needs a name");
    }
    if let Err(text) = streams_api::check_name(&api, &name) {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    if let Err(text) = streams_api::may_name(&api, call, std::slice::from_ref(&url)).await {
        return error(StatusCode::BAD_REQUEST, &text);
    }
    match api.streams.patch(&name, &url, call.origin()) {
        Ok(_) => system::done(),
        Err(problem) => streams_api::failed(&api, StatusCode::BAD_REQUEST, &problem),
    }
}

async fn watch(api: Arc<Api>, call: &mut Call, id: &str) -> Reply {
    if let Err(reply) = webrtc::may_view(&api, call) {
        return *reply;
    }
    let Some(stream) = api.streams.get(id) else { return no_stream() };
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let offer = match webrtc::offer_of_form(&String::from_utf8_lossy(&body)) {
        Ok(offer) => offer,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    match webrtc::exchange(&api, call, &stream, &offer, "hass/webrtc").await {
        Ok(answer) => {
            let text = base64::engine::general_purpose::STANDARD.encode(answer.sdp);
            typed("text/plain; charset=utf-8", text)
        }
        Err(reply) => *reply,
    }
}
