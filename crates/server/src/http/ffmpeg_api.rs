//! `/api/ffmpeg/devices` and `/api/ffmpeg/hardware` (`spec/api.md` 8): what can be
//! added as a source. Both run FFmpeg, one call at a time.

use std::sync::Arc;

use axum::http::StatusCode;
use rs2rtc_endpoints::sources::ffmpeg::{self, Found};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::Api;
use super::call::{self, Call, Reply};

/// Encoders and devices take one asker at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// Capture devices of this machine.
pub(crate) async fn devices(api: Arc<Api>, _: Call) -> Reply {
    let Ok(_turn) = TURN.acquire().await else { return sources(Vec::new()) };
    sources(ffmpeg::devices(&api.context).await)
}

/// Hardware encoders of this machine, and whether they work.
pub(crate) async fn hardware(api: Arc<Api>, _: Call) -> Reply {
    let Ok(_turn) = TURN.acquire().await else { return sources(Vec::new()) };
    sources(ffmpeg::hardware(&api.context).await)
}

/// The list that pages offer to add; fields that say nothing are left out.
fn sources(found: Vec<Found>) -> Reply {
    if found.is_empty() {
        return call::error(StatusCode::NOT_FOUND, "no sources");
    }
    let source = |found: Found| {
        let fields = [("name", found.name), ("info", found.info), ("url", found.url)];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Value::Object(
            fields.map(|(key, value)| (key.to_owned(), value.into())).collect::<Map<_, _>>(),
        )
    };
    let list: Vec<Value> = found.into_iter().map(source).collect();
    call::json(&json!({ "sources": list }))
}
