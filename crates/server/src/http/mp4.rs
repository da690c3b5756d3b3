//! `api/stream.mp4` and `api/frame.mp4` (`spec/api.md` 4 and 4.1). What is sent to
//! the first one is taken by [`ingest`].
//!
//! A download is a task that hands bytes to the connection through a short
//! channel. The end of the connection is the end of that channel: while an answer
//! is written, its read side is watched.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use rs2rtc_endpoints::io::wire::Line;
use rs2rtc_endpoints::outputs::mp4::{
    Begin, End, Picture, Piece, Still, Viewer, Wish, of_list, of_query,
};
use rs2rtc_streams::{CancellationToken, Departure, Description};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::call::{Call, Query, Reply, error, no_page, no_stream, typed};
use super::streamed::{body, until_over};
use super::{Api, Class, ingest, streams_api, ws};

/// Pieces that wait for the connection; what waits longer waits in the viewer's queue.
const QUEUE: usize = 4;
/// How long the first picture may take to come.
const FIRST_LIMIT: Duration = Duration::from_secs(60);
/// A keyframe that is not older is the newest picture that counts.
const FRESH: Duration = Duration::from_secs(1);
/// How long a newer keyframe is waited for if there is an older one.
const NEWER_LIMIT: Duration = Duration::from_secs(2);
/// Longest `duration`, in seconds.
const MAX_DURATION: u64 = 7 * 24 * 3600;

pub(crate) fn class(api: &Api, call: &Call) -> Class {
    ws::class(api, call)
}

/// A stream as one long file.
pub(crate) async fn stream(api: Arc<Api>, call: Call) -> Reply {
    let is_head = call.method() == Method::HEAD;
    if call.method() == Method::POST && call.query.has("dst") {
        return ingest::mp4(api, call).await;
    }
    // As go2rtc, a stream is sent whatever the method.
    if !matches!(*call.method(), Method::GET | Method::HEAD | Method::POST) {
        return error(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    if !api.settings().has_module("mp4") {
        return no_page();
    }
    let wish = match film(&call) {
        Ok(wish) => wish,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    if let Some(to) = hls_for_safari(&api, &call) {
        return moved(&to, is_head);
    }
    let stream = match ws::find_stream(&api, &call).await {
        Ok(stream) => stream,
        Err(text) if text == "stream not found" => return no_stream(),
        Err(text) => return error(StatusCode::BAD_REQUEST, &api.secrets.mask(&text)),
    };
    // From here on the client's end is noticed whatever else it has sent.
    let streaming = call.line.stream();
    let (wish, duration) = wish;
    let viewer = match api.context.mp4.attach(&stream, wish).await {
        Ok(viewer) => viewer,
        Err(problem) => {
            return streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem);
        }
    };
    let content_type = viewer.content_type();
    let answer = if is_head {
        viewer.leave(Departure::now("left"));
        Body::empty()
    } else {
        let (give, take) = mpsc::channel(QUEUE);
        let download = Download {
            viewer,
            give,
            duration,
            line: call.line.clone(),
            connection: call.connection.clone(),
        };
        api.tasks.spawn("mp4 download", download.run(api.cancel.clone()));
        body(take, streaming, Piece::into_parts)
    };
    let mut reply = typed("", answer);
    let headers = reply.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    if let Some(value) = disposition(call.query.get("filename")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    reply
}

/// The newest keyframe as a file.
pub(crate) async fn frame(api: Arc<Api>, call: Call) -> Reply {
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return error(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    // Chrome asks twice, and reads the second answer only.
    if call.header("user-agent").contains(" Chrome/") && call.header("range").is_empty() {
        return typed("video/mp4", Body::empty());
    }
    let Some(stream) = api.streams.get(call.query.get("src")) else { return no_stream() };
    let asked = picture(&call.query).and_then(|picture| Ok((picture, call.query.flag("wake")?)));
    let (picture, wakes) = match asked {
        Ok(asked) => asked,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    let wish = Wish {
        medias: of_list("", false),
        description: description(&call),
        begin: Begin::Pictures,
        wakes,
        picture,
    };
    // Ends the dial and the wait with its client.
    let _streaming = call.line.stream();
    let mut viewer = match api.context.mp4.attach(&stream, wish).await {
        Ok(viewer) => viewer,
        Err(problem) => {
            return streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem);
        }
    };
    let still = still(&mut viewer).await;
    let content_type = viewer.content_type();
    viewer.leave(Departure::now(if still.is_ok() { "delivered" } else { "failed" }));
    match still {
        Ok(still) => {
            let mut reply = typed("", Body::from(still.bytes));
            if let Ok(value) = HeaderValue::from_str(&content_type) {
                reply.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            reply
        }
        Err(text) => error(StatusCode::INTERNAL_SERVER_ERROR, &api.secrets.mask(&text)),
    }
}

/// The last keyframe if it is young, else the next one if that comes soon.
async fn still(viewer: &mut Viewer) -> Result<Still, String> {
    let first = match timeout(FIRST_LIMIT, viewer.next_still()).await {
        Ok(first) => first.map_err(|end| format!("mp4: {end}"))?,
        Err(_) => return Err("mp4: no keyframe came".to_owned()),
    };
    if first.arrival.elapsed() <= FRESH {
        return Ok(first);
    }
    match timeout(NEWER_LIMIT, viewer.next_still()).await {
        Ok(Ok(newer)) => Ok(newer),
        Ok(Err(_)) | Err(_) => Ok(first),
    }
}

pub(crate) fn description(call: &Call) -> Description {
    Description {
        format_name: "mp4".to_owned(),
        protocol: "http".to_owned(),
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        ..Description::default()
    }
}

/// What a query for a file asks for, and how much of it.
fn film(call: &Call) -> Result<(Wish, Option<Duration>), String> {
    let duration = call.query.number("duration", 1..=MAX_DURATION)?;
    let begin = if call.query.flag("burst")? { Begin::Live } else { Begin::Keyframe };
    let wish = Wish {
        medias: of_query(call.query.pairs().collect::<Vec<_>>().into_iter()),
        description: description(call),
        begin,
        wakes: true,
        picture: picture(&call.query)?,
    };
    Ok((wish, duration.map(Duration::from_secs)))
}

/// `rotate` in degrees, `scale` as the shape of a pixel.
fn picture(query: &Query) -> Result<Picture, String> {
    let degrees = query.one_of("rotate", &[0, 90, 180, 270])?.unwrap_or_default();
    Ok(Picture { rotate: u16::try_from(degrees).unwrap_or(0), pixel: query.ratio("scale")? })
}

/// The file's name, without what could end the header's value.
pub(crate) fn disposition(name: &str) -> Option<HeaderValue> {
    if name.is_empty() {
        return None;
    }
    let name: String =
        name.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
    HeaderValue::from_bytes(format!("attachment; filename=\"{name}\"").as_bytes()).ok()
}

/// Where Safari, which plays no file without a length, finds the same as HLS.
fn hls_for_safari(api: &Api, call: &Call) -> Option<String> {
    let agent = call.header("user-agent");
    let is_safari = agent.contains(" Safari/") && !agent.contains(" Chrome/");
    let settings = api.settings();
    // Browsers keep where it has moved to.
    let base = &settings.api.base_path;
    let has_hls = settings.has_module("hls") && settings.allows(&format!("{base}/api/stream.m3u8"));
    if !is_safari || !has_hls || call.query.has("duration") {
        return None;
    }
    let query = call.parts.uri.query().unwrap_or_default();
    let mp4 = if call.query.has("mp4") { "" } else { "&mp4" };
    Some(format!("{base}/api/stream.m3u8?{query}{mp4}"))
}

fn moved(to: &str, is_head: bool) -> Reply {
    let link = to.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&#34;");
    let body = format!("<a href=\"{link}\">Moved Permanently</a>.\n\n");
    let body = if is_head { Body::empty() } else { Body::from(body) };
    let mut reply = typed("text/html; charset=utf-8", body);
    *reply.status_mut() = StatusCode::MOVED_PERMANENTLY;
    if let Ok(value) = HeaderValue::from_str(to) {
        reply.headers_mut().insert(header::LOCATION, value);
    }
    reply
}

/// One client that loads a stream.
struct Download {
    viewer: Viewer,
    give: mpsc::Sender<Piece>,
    /// How much it wants.
    duration: Option<Duration>,
    /// Tells how the connection ended.
    line: Line,
    /// Drops the connection, so that an answer that was cut does not look whole.
    connection: CancellationToken,
}

impl Download {
    async fn run(mut self, cancel: CancellationToken) {
        let (give, line) = (self.give.clone(), self.line.clone());
        let kicked = self.viewer.kicked();
        let departure = until_over(&give, &line, &kicked, &cancel, self.feed()).await;
        match departure {
            Some(departure) => self.viewer.leave(departure),
            // It was kicked, and leaves for that reason.
            None => drop(self.viewer),
        }
    }

    /// Hands on what comes; why it ended, or nothing if it was kicked.
    async fn feed(&mut self) -> Option<Departure> {
        let mut until = Instant::now() + FIRST_LIMIT;
        let mut is_playing = false;
        loop {
            let limited = !is_playing || self.duration.is_some();
            let next = tokio::select! {
                next = self.viewer.next() => next,
                () = sleep_until(until), if limited => return Some(Departure::now("left")),
            };
            let piece = match next {
                Ok(piece) => piece,
                Err(End::Kicked(_)) => return None,
                Err(End::Slow) => {
                    self.connection.cancel();
                    return Some(Departure::now("write_stall"));
                }
                Err(End::Source) => return Some(Departure::now("source_failed")),
                Err(End::Changed) => return Some(Departure::now("replaced")),
            };
            if !is_playing && matches!(piece, Piece::Media { .. }) {
                is_playing = true;
                until = Instant::now() + self.duration.unwrap_or_default();
            }
            // A client that takes nothing is ended by its connection.
            if self.give.send(piece).await.is_err() {
                return Some(self.line.departure());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_cannot_break_the_header() {
        let of =
            |name| disposition(name).map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned());
        assert_eq!(of("record.mp4").unwrap(), "attachment; filename=\"record.mp4\"");
        assert_eq!(of("a\"b\r\n\\c").unwrap(), "attachment; filename=\"abc\"");
        assert_eq!(of(""), None);
    }

    #[test]
    fn pictures() {
        let of = |text| picture(&Query::parse(text));
        assert_eq!(of(""), Ok(Picture::default()));
        let turned = Picture { rotate: 270, pixel: Some((4, 3)) };
        assert_eq!(of("rotate=270&scale=4:3"), Ok(turned));
        assert!(of("rotate=-90").is_err() && of("scale=0:0").is_err());
    }
}
