//! `api/rs/sources`: how good what a stream's sources deliver is, and what failed
//! last. `api/rs/streams`: since when streams are open, and how their cameras were let go
//! (`docs/api-rs.md`).

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Method;
use rs2rtc_base::Redacted;
use serde_json::{Map, Value, json};

use super::Api;
use super::call::{Call, Reply, json as reply_json, no_stream, not_allowed};
use crate::ledger::millis;
use crate::metrics::kind_name;

/// All streams, by name.
pub(crate) async fn streams(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let about = api.streams.list().into_iter().map(|(name, stream)| {
        let (since, release) = api.ledger.about(&api.streams, &stream);
        let about = json!({
            "since": since.and_then(unix_millis),
            "released_at": release.and_then(|release| unix_millis(release.at)),
            "release_ms": release.map(|release| millis(release.took)),
        });
        (name, about)
    });
    let mut all = json!({ "streams": about.collect::<Map<String, Value>>() });
    // Who names no stream has its address as its name.
    api.secrets.mask_json(&mut all);
    reply_json(&all)
}

fn unix_millis(at: SystemTime) -> Option<f64> {
    at.duration_since(UNIX_EPOCH).ok().map(millis)
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let Some(stream) = api.streams.get(call.query.get("src")) else { return no_stream() };
    let producers = stream.snapshot().producers.unwrap_or_default();
    let sources = producers.iter().map(|producer| {
        let quality = producer.quality;
        json!({
            "source": Redacted(&producer.source).to_string(),
            "open": producer.connection.is_some(),
            "frames": quality.frames,
            "jumps": quality.jumps,
            "packets": quality.packets.map(|packets| packets.received),
            "lost": quality.packets.map(|packets| packets.lost),
        })
    });
    // Those of sources that it had before say nothing any more.
    let present = |source: &str| {
        producers.iter().any(|producer| Redacted(&producer.source).to_string() == source)
    };
    let failures = api.ledger.failures(&api.streams, stream.name());
    let failures = failures.iter().filter(|failure| present(&failure.source));
    let errors = failures.map(|failure| {
        json!({
            "at": unix_millis(failure.at),
            "source": failure.source,
            "kind": kind_name(failure.kind),
            "error": failure.error,
        })
    });
    let mut all = json!({ "sources": sources.collect::<Vec<Value>>(), "errors": errors.collect::<Vec<Value>>() });
    api.secrets.mask_json(&mut all);
    reply_json(&all)
}
