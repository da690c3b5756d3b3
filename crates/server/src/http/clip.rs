//! `api/rs/clip.mp4`: a stream from some moment in the past to one that is to come.
//!
//! A clip is a task that hands bytes to the connection through a short channel,
//! as `api/stream.mp4` does; the end of the connection is the end of the clip.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use rs2rtc_endpoints::io::wire::Line;
use rs2rtc_endpoints::outputs::mp4::clip::{Clip, Span};
use rs2rtc_endpoints::outputs::mp4::{End, of_query};
use rs2rtc_streams::{CancellationToken, Departure, Stream};
use tokio::sync::mpsc;

use super::call::{Call, Reply, error, no_stream, not_allowed, typed};
use super::mp4::{description, disposition};
use super::numbers::duration_of;
use super::streamed::{body, until_over};
use super::{Api, streams_api};

/// Pieces that wait for the connection.
const QUEUE: usize = 4;
/// How far back a clip may begin; no stream keeps more.
const MAX_BEFORE: Duration = Duration::from_secs(300);
/// How long it may go on.
const MAX_AFTER: Duration = Duration::from_secs(3600);

/// A clip.
pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    let is_head = call.method() == Method::HEAD;
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return not_allowed("GET, HEAD");
    }
    let Some(stream) = api.streams.get(call.query.get("src")) else { return no_stream() };
    let (before, after) = match span(&call, &stream) {
        Ok(span) => span,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    if after.is_zero() && !stream.has_history() {
        let text = "clip: nothing is kept at the moment: no source of the stream runs";
        return error(StatusCode::NOT_FOUND, text);
    }
    if is_head {
        return headed(&call, "video/mp4", Body::empty());
    }
    // From here on the client's end is noticed whatever else it has sent.
    let streaming = call.line.stream();
    let span = Span { medias: medias(&call), description: description(&call), before, after };
    let mut clip = match Clip::open(&stream, span).await {
        Ok(clip) => clip,
        Err(problem) => {
            return streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem);
        }
    };
    let first = match clip.next().await {
        Ok(Some(first)) => first,
        Ok(None) => {
            clip.leave(Departure::now("left"));
            return error(StatusCode::NOT_FOUND, "clip: no keyframe came in its time");
        }
        Err(end) => {
            let text = format!("clip: {end}");
            clip.leave(Departure::now("source_failed"));
            return error(StatusCode::INTERNAL_SERVER_ERROR, &api.secrets.mask(&text));
        }
    };
    let content_type = clip.content_type();
    let (give, take) = mpsc::channel(QUEUE);
    let sending = Sending { clip, first, give, line: call.line.clone() };
    api.tasks.spawn("clip", sending.run(api.cancel.clone()));
    headed(&call, &content_type, body(take, streaming, |pieces: Vec<Bytes>| pieces))
}

/// From how far back for how long.
fn span(call: &Call, stream: &Stream) -> Result<(Duration, Duration), String> {
    let read = |name: &str, max: Duration, usual: Duration| {
        if !call.query.has(name) {
            return Ok(usual);
        }
        let value = duration_of(name, call.query.get(name), max);
        value.map_err(|text| format!("clip: {text}"))
    };
    let kept = stream.options().clip;
    let before = read("before", MAX_BEFORE, kept)?;
    let after = read("after", MAX_AFTER, Duration::ZERO)?;
    if !before.is_zero() && kept.is_zero() {
        return Err(
            "clip: nothing is kept of this stream: give it the setting clip: 10s".to_owned()
        );
    }
    if before.is_zero() && after.is_zero() {
        return Err("clip: before or after is needed, as before=10s&after=20s".to_owned());
    }
    Ok((before, after))
}

/// All that MP4 carries, unless the query says something else.
fn medias(call: &Call) -> Vec<rs2rtc_media::Media> {
    let says = ["mp4", "video", "audio"].iter().any(|name| call.query.has(name));
    let all = (!says).then_some(("mp4", "all"));
    let pairs: Vec<(&str, &str)> = call.query.pairs().chain(all).collect();
    of_query(pairs.into_iter())
}

fn headed(call: &Call, content_type: &str, body: Body) -> Reply {
    let mut reply = typed("", body);
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(value) = disposition(call.query.get("filename")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    reply
}

/// A clip on its way to a client.
struct Sending {
    clip: Clip,
    first: Vec<Bytes>,
    give: mpsc::Sender<Vec<Bytes>>,
    /// Tells how the connection ended.
    line: Line,
}

impl Sending {
    async fn run(mut self, cancel: CancellationToken) {
        let (give, line) = (self.give.clone(), self.line.clone());
        let kicked = self.clip.kicked();
        let departure = until_over(&give, &line, &kicked, &cancel, self.feed()).await;
        match departure {
            Some(departure) => self.clip.leave(departure),
            // It was kicked, and leaves for that reason.
            None => drop(self.clip),
        }
    }

    /// Hands on what comes; why it ended, or nothing if it was kicked.
    async fn feed(&mut self) -> Option<Departure> {
        let mut next = std::mem::take(&mut self.first);
        loop {
            // A client that takes nothing is ended by its connection.
            if self.give.send(next).await.is_err() {
                return Some(self.line.departure());
            }
            next = match self.clip.next().await {
                Ok(Some(pieces)) => pieces,
                Ok(None) => return Some(Departure::now("delivered")),
                Err(End::Kicked(_)) => return None,
                Err(End::Changed) => return Some(Departure::now("replaced")),
                Err(End::Source | End::Slow) => return Some(Departure::now("source_failed")),
            };
        }
    }
}
