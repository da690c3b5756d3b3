//! `api/rs/test`: tries a source before it is saved, or a stream that there is
//! (`docs/api-rs.md`).
//!
//! The answer is one line of JSON per step, as it happens; the last one is the
//! release. A client that leaves ends the trial at once.

use std::pin::Pin;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use rs2rtc_endpoints::outputs::picture::Poster;
use rs2rtc_endpoints::outputs::trial::{self, Asked, Found, Report, Step};
use rs2rtc_streams::{Description, Packets};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::call::{Call, Reply, error, no_stream, not_allowed};
use super::streamed::{streamed, too_many};
use super::streams_api::{failed, may_name};
use super::{Api, stream_json};
use crate::ledger::millis;
use crate::metrics::kind_name;

/// Trials at the same time.
pub const MAX_TRIALS: usize = 4;
/// Reports that wait for a slow client.
const QUEUE: usize = 16;

pub(crate) async fn handle(api: Arc<Api>, mut call: Call) -> Reply {
    if call.method() != Method::POST {
        return not_allowed("POST");
    }
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    // In the body, not in the address: it may hold a password.
    let wish = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let text = |key: &str| wish.get(key).and_then(Value::as_str).map(str::trim);
    let stream = match text("stream").map(|name| api.streams.get(name)) {
        Some(None) => return no_stream(),
        found => found.flatten(),
    };
    let source = text("src").filter(|source| source.contains(':') && stream.is_none());
    match source {
        Some(source) => {
            if let Err(text) = may_name(&api, &call, &[source.to_owned()]).await {
                return error(StatusCode::BAD_REQUEST, &text);
            }
        }
        None if stream.is_none() => {
            let text =
                "src: which source? Send {\"src\": \"rtsp://...\"}, or {\"stream\": \"name\"}";
            return error(StatusCode::BAD_REQUEST, text);
        }
        None => {}
    }
    let Ok(place) = Arc::clone(&api.trials).try_acquire_owned() else {
        return too_many("too many tests at the same time");
    };
    let description = Description {
        format_name: "test".into(),
        protocol: "http".into(),
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        ..Description::default()
    };
    let wants_still = wish.get("still").and_then(Value::as_bool).unwrap_or_default();
    let asked = Asked { description, still: wants_still.then(|| Arc::clone(&api.context)) };
    let (give, take) = mpsc::channel(QUEUE);
    let cancel = api.cancel.child_token();
    let run: Pin<Box<dyn Future<Output = ()> + Send>> = match (stream, source) {
        (Some(stream), _) => Box::pin(trial::check(stream, asked, give, cancel)),
        (None, source) => {
            let named = (source.unwrap_or_default(), call.origin());
            match trial::start(&api.streams, named, asked, give, cancel) {
                Ok(run) => Box::pin(run),
                Err(problem) => return failed(&api, StatusCode::BAD_REQUEST, &problem),
            }
        }
    };
    api.tasks.spawn("test of a source", async move {
        run.await;
        drop(place);
    });
    streamed("application/x-ndjson", take, call.line.stream(), move |report| {
        let mut value = line(&report);
        // Bytes of a picture that look like a secret by chance are none.
        if !matches!(report, Report::Still(_)) {
            api.secrets.mask_json(&mut value);
        }
        Some(Bytes::from(format!("{value}\n")))
    })
}

fn line(report: &Report) -> Value {
    match report {
        Report::Begun(step) => json!({ "step": step.name(), "state": "run" }),
        Report::Connected(took, is_running) => {
            let (step, ms) = (Step::Connect.name(), millis(*took));
            json!({ "step": step, "state": "ok", "ms": ms, "running": is_running })
        }
        Report::Done(step, took) => {
            json!({ "step": step.name(), "state": "ok", "ms": millis(*took) })
        }
        Report::Skipped(step) => json!({ "step": step.name(), "state": "skip" }),
        Report::Failed(step, took, problem) => json!({
            "step": step.name(),
            "state": "fail",
            "ms": millis(*took),
            "kind": kind_name(problem.kind()),
            "error": problem.to_string(),
        }),
        Report::Tracks(tracks, talk) => json!({
            "step": "tracks",
            "state": if tracks.is_empty() { "fail" } else { "ok" },
            "tracks": tracks.iter().map(track).collect::<Vec<_>>(),
            "talk": talk,
        }),
        Report::Protocol(timings) => {
            let parts =
                timings.iter().map(|(name, took)| json!({ "name": name, "ms": millis(*took) }));
            let parts: Vec<_> = parts.collect();
            json!({ "step": Step::Protocol.name(), "state": "ok", "parts": parts })
        }
        Report::Still(shown) => {
            let (mime, data) = match shown {
                Poster::Jpeg(picture) => ("image/jpeg", &picture.jpeg),
                Poster::Mp4 { file, mime, .. } => (mime.as_str(), file),
            };
            let data = STANDARD.encode(data);
            json!({ "step": Step::Still.name(), "state": "ok", "type": mime, "data": data })
        }
        Report::Keyframes(every) => {
            json!({ "step": "keyframes", "state": "ok", "every_ms": millis(*every) })
        }
        Report::Packets(took, came) => {
            let packets = came.packets;
            json!({
                "step": Step::Packets.name(),
                "state": "ok",
                "ms": millis(*took),
                "frames": came.frames,
                "packets": packets.map(|packets| packets.received),
                "lost": packets.map(|packets| packets.lost),
                "loss": packets.map(loss),
                "jumps": came.jumps,
            })
        }
    }
}

/// The share of packets that are missing, with four decimals.
#[allow(clippy::cast_precision_loss)]
fn loss(Packets { received, lost }: Packets) -> f64 {
    let all = (lost + received).max(1);
    (lost as f64 / all as f64 * 10_000.0).round() / 10_000.0
}

fn track(found: &Found) -> Value {
    let mut value = stream_json::codec(&found.codec);
    if let (Value::Object(map), Some((width, height))) = (&mut value, found.size) {
        map.insert("width".into(), width.into());
        map.insert("height".into(), height.into());
    }
    value
}
