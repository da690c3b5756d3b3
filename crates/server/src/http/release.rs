//! `api/rs/release`: when a stream lets go of its camera (`docs/api-rs.md`).

use std::sync::Arc;

use axum::http::Method;
use serde_json::json;

use super::call::{Call, Reply, json as reply_json, no_stream, not_allowed};
use super::{Api, ws};
use crate::ledger::millis;

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let name = call.query.get("src");
    let Some(stream) = api.streams.get(name) else { return no_stream() };
    let gateway = api.webrtc.get().and_then(Option::as_ref);
    let timers = gateway.map(|gateway| gateway.timers(stream.name()));
    // The stream's own holds whyever the last viewer went, the profile's after a goodbye.
    let own = stream.options().linger;
    let after_goodbye = own.or_else(|| timers.map(|timers| timers.linger)).unwrap_or_default();
    let own = own.unwrap_or_default();
    reply_json(&json!({
        "warm": api.streams.has_preload(name),
        "linger_ms": millis(after_goodbye),
        "hidden_linger_ms": millis(ws::hidden_linger(&api, &stream) + own),
        // How far back a clip may begin.
        "clip_ms": millis(stream.options().clip),
        "exclusive": ws::is_exclusive(&api, &stream),
        "profile": timers.map(|timers| timers.profile.name()),
        "silence_ms": timers.map(|timers| millis(timers.silence_min + own)),
    }))
}
