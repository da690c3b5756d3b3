//! `/api/frame.jpeg` and `/api/rs/poster`: still pictures (`spec/api.md` 4.2,
//! `docs/outputs/jpeg.md`).
//!
//! The answer is awaited in the call itself: when its client leaves, the future is
//! dropped, and with it the hold on the stream and the work.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use rs2rtc_endpoints::outputs::picture::{
    self, Picture, Poster, Rotation, Transform, Viewer, Wish,
};

use super::call::{Call, Query, Reply, empty, error, no_stream, status, typed};
use super::streams_api::failed;
use super::{Api, ws};

/// Oldest picture that `cache` may ask for.
const MAX_CACHE: Duration = Duration::from_secs(24 * 3600);

/// The newest picture.
pub(crate) async fn frame(api: Arc<Api>, call: Call) -> Reply {
    let stream = match ws::find_stream(&api, &call).await {
        Ok(stream) => stream,
        Err(text) if text == "stream not found" => return no_stream(),
        Err(text) => return error(StatusCode::BAD_REQUEST, &api.secrets.mask(&text)),
    };
    let wish = wish(&call.query).and_then(|wish| {
        let cache = call.query.duration("cache", MAX_CACHE)?;
        Ok((wish, cache, call.query.flag("wake")?))
    });
    let (wish, cache, wake) = match wish {
        Ok(wish) => wish,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    match *call.method() {
        // Nothing is opened for a head.
        Method::HEAD => return shown(empty()),
        Method::GET => {}
        _ => return error(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
    let viewer = Viewer {
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        line: call.line.clone(),
    };
    // A client that leaves is noticed while the camera is dialled.
    let _streaming = call.line.stream();
    let made = picture::snapshot(&api.context, &stream, &wish, cache, wake, viewer).await;
    match made {
        Ok(picture) => {
            let mut reply = shown(typed("image/jpeg", picture.jpeg.clone()));
            describe(&mut reply, &picture);
            reply
        }
        Err(problem) => failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

/// The last keyframe, however old; nothing is opened for it.
pub(crate) async fn poster(api: Arc<Api>, call: Call) -> Reply {
    let Some(stream) = api.streams.get(call.query.get("src")) else { return no_stream() };
    let wish = match wish(&call.query) {
        Ok(wish) => wish,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    if !matches!(*call.method(), Method::GET | Method::HEAD) {
        return error(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    match picture::poster(&api.context, &stream, &wish).await {
        Ok(Some(Poster::Jpeg(picture))) => {
            let mut reply = fleeting(typed("image/jpeg", picture.jpeg.clone()));
            describe(&mut reply, &picture);
            reply
        }
        Ok(Some(Poster::Mp4 { file, mime, taken })) => {
            let mut reply = fleeting(typed("video/mp4", file));
            let headers = reply.headers_mut();
            if let Ok(mime) = HeaderValue::from_str(&mime) {
                headers.insert(header::CONTENT_TYPE, mime);
            }
            headers.insert(header::AGE, HeaderValue::from(taken.elapsed().as_secs()));
            reply
        }
        // No error, which a page would have to tell of: there will be one.
        Ok(None) => status(StatusCode::NO_CONTENT),
        Err(problem) => failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

/// Not to be kept: the next one is another.
fn fleeting(mut reply: Reply) -> Reply {
    let no_store = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(header::CACHE_CONTROL, no_store);
    reply
}

/// With the headers that the contract gives pictures.
fn shown(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "image/jpeg"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONNECTION, "close"),
        (header::PRAGMA, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// How old the picture is, and what it cost.
fn describe(reply: &mut Reply, picture: &Picture) {
    let age = picture.taken.elapsed();
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let mut timing = format!("age;dur={:.0}", millis(age));
    if picture.frames > 0 {
        let (decoding, encoding) = (millis(picture.decoding), millis(picture.encoding));
        let _ = write!(timing, ", decode;dur={decoding:.1};desc=\"{} frames\"", picture.frames);
        let _ = write!(timing, ", encode;dur={encoding:.1}");
    }
    let headers = reply.headers_mut();
    headers.insert(header::AGE, HeaderValue::from(age.as_secs()));
    if let Ok(timing) = HeaderValue::from_str(&timing) {
        headers.insert("server-timing", timing);
    }
}

/// What the query asks for.
fn wish(query: &Query) -> Result<Wish, String> {
    let pixels = |long: &str, short: &str| -> Result<Option<usize>, String> {
        let range = 1..=Transform::MAX as u64;
        let (long, short) = (query.number(long, range.clone())?, query.number(short, range)?);
        Ok(long.or(short).and_then(|pixels| usize::try_from(pixels).ok()))
    };
    let (width, height) = (pixels("width", "w")?, pixels("height", "h")?);
    let degrees = query.one_of("rotate", &[0, 90, 180, 270, -90])?;
    let rotation = degrees.and_then(Rotation::from_degrees).unwrap_or_default();
    let quality = query.number("quality", 1..=100)?.and_then(|quality| u8::try_from(quality).ok());
    let engine = ["hardware", "hw"].into_iter().find(|name| query.has(name));
    let engine = engine.map(|name| query.get(name).to_owned());
    Ok(Wish { transform: Transform { width, height, rotation }, quality, engine })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Wish, String> {
        wish(&Query::parse(text))
    }

    #[test]
    fn wishes() {
        assert_eq!(of("src=cam"), Ok(Wish::default()));
        let both = of("w=320&height=200&rotate=-90&quality=50&hw=vaapi").unwrap();
        assert_eq!((both.transform.width, both.transform.height), (Some(320), Some(200)));
        assert_eq!(both.transform.rotation, Rotation::Left);
        assert_eq!((both.quality, both.engine.as_deref()), (Some(50), Some("vaapi")));
        assert_eq!(of("width=&h=&quality=&rotate=&rotate=0"), Ok(Wish::default()));
        assert_eq!(of("w=7&width=9").unwrap().transform.width, Some(9));
        assert_eq!(of("hardware").unwrap().engine.as_deref(), Some(""));
        let refused = [
            "w=4097",
            "w=0",
            "width=wide",
            "h=-1",
            "w=9&h=x",
            "rotate=45",
            "rotate=x",
            "quality=0",
            "quality=101",
        ];
        for refused in refused {
            assert!(of(refused).is_err(), "{refused}");
        }
    }
}
