//! `api/stream.mjpeg`, `.ascii` and `.y4m`: pictures without an end (`spec/api.md` 4,
//! `docs/outputs/mjpeg.md`). What is sent to the first one is taken by [`ingest`].
//!
//! A viewer is a task that makes one picture and waits until the connection has taken
//! the one before; pictures that come meanwhile are left out. `HEAD` starts no viewer.

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use rs2rtc_endpoints::io::wire::Line;
use rs2rtc_endpoints::outputs::picture::{End, Form, Live, Style};
use rs2rtc_streams::{CancellationToken, Departure, Description};
use tokio::sync::mpsc;

use super::call::{Call, Reply, error, no_stream, typed};
use super::streamed::{body, until_over};
use super::streams_api::failed;
use super::{Api, Class, ingest};

/// Watching is for everybody, publishing is not.
pub(crate) fn class(_: &Api, call: &Call) -> Class {
    match *call.method() {
        Method::GET | Method::HEAD => Class::View,
        _ => Class::Stream,
    }
}

/// Motion JPEG as every browser shows it in an `<img>`.
pub(crate) async fn mjpeg(api: Arc<Api>, call: Call) -> Reply {
    if call.method() == Method::POST {
        return ingest::publish(api, call, ingest::Form::Mjpeg).await;
    }
    serve(api, call, Form::Multipart, "multipart/x-mixed-replace; boundary=frame").await
}

/// Text for a terminal.
pub(crate) async fn ascii(api: Arc<Api>, call: Call) -> Reply {
    let query = &call.query;
    let style = Style::parse(query.get("color"), query.get("back"), query.get("text"));
    serve(api, call, Form::Text(style), "text/plain; charset=utf-8").await
}

/// Uncompressed pictures. The type is what go2rtc's library takes the first line for.
pub(crate) async fn y4m(api: Arc<Api>, call: Call) -> Reply {
    serve(api, call, Form::Y4m, "text/plain; charset=utf-8").await
}

async fn serve(api: Arc<Api>, call: Call, form: Form, content_type: &'static str) -> Reply {
    let Some(stream) = api.streams.get(call.query.get("src")) else { return no_stream() };
    // As go2rtc, without a word about caches.
    let is_bare = matches!(form, Form::Y4m);
    match *call.method() {
        Method::HEAD => return dressed(typed(content_type, ""), is_bare),
        Method::GET => {}
        _ => return error(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
    // From here on the client's end is noticed whatever else it has sent.
    let streaming = call.line.stream();
    let about = Description {
        protocol: "http".to_owned(),
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        ..Description::default()
    };
    let live = match Live::attach(&api.context, &stream, form, about).await {
        Ok(live) => live,
        Err(problem) => return failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    };
    let (give, take) = mpsc::channel(1);
    api.tasks.spawn("picture viewer", feed(live, give, call.line.clone(), api.cancel.clone()));
    dressed(typed(content_type, body(take, streaming, |pieces: Vec<Bytes>| pieces)), is_bare)
}

/// With the headers that the contract gives it, if it gives any.
fn dressed(mut reply: Reply, is_bare: bool) -> Reply {
    if is_bare {
        return reply;
    }
    let headers = reply.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "close"),
        (header::PRAGMA, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// Hands pictures to the connection until one of both ends.
async fn feed(
    mut live: Live,
    give: mpsc::Sender<Vec<Bytes>>,
    line: Line,
    cancel: CancellationToken,
) {
    let kicked = live.kicked();
    let sent = async {
        loop {
            match live.next().await {
                // Its end is told by the channel.
                Ok(pieces) => drop(give.send(pieces).await),
                // With the reason of the kick.
                Err(End::Kicked(_)) => break None,
                Err(End::Source | End::Form(_)) => break Some(Departure::now("source_failed")),
            }
        }
    };
    match until_over(&give, &line, &kicked, &cancel, sent).await {
        Some(departure) => live.leave(departure),
        None => drop(live),
    }
}
