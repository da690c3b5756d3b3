//! `/api/stream.m3u8` and what it leads to (`spec/api.md` 4.3, `docs/outputs/hls.md`).
//!
//! The master playlist opens a session; its id is in every address that follows.
//! Beyond the contract: numbers of segments count (a segment stays what it is), and
//! parts with blocking reloads (rfc8216bis 6.2.5).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use rs2rtc_base::Error;
use rs2rtc_endpoints::outputs::hls::{Refused, Reload, Session, Signalling};
use rs2rtc_endpoints::outputs::mp4::of_query;
use rs2rtc_media::Media;
use rs2rtc_media::hls::Form;
use rs2rtc_streams::Stream;

use super::call::{Call, Query, Reply, error, no_page, no_stream, typed};
use super::containers::{attach, pictures_with_aac};
use super::{Api, Class, streams_api, ws};

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const INIT: &str = "video/mp4";
/// Numbers of segments and parts.
const ANY: RangeInclusive<u64> = 0..=u64::MAX;

/// Watching; a source in place of a name is added.
pub(crate) fn class(api: &Api, call: &Call) -> Class {
    ws::class_of_source(api, call)
}

/// The master playlist: a session begins.
pub(crate) async fn master(api: Arc<Api>, call: Call) -> Reply {
    if call.method() == Method::OPTIONS {
        return options(PLAYLIST);
    }
    let stream = match ws::find_stream(&api, &call).await {
        Ok(stream) => stream,
        Err(text) if text == "stream not found" => return open_to_all(no_stream()),
        Err(text) => {
            return open_to_all(error(StatusCode::BAD_REQUEST, &api.secrets.mask(&text)));
        }
    };
    if call.method() == Method::HEAD {
        return open_to_all(typed(PLAYLIST, Body::empty()));
    }
    let is_mp4 = ["mp4", "video", "audio"].iter().any(|name| call.query.has(name));
    let (form, medias) = if is_mp4 {
        (Form::Mp4, of_query(call.query.pairs().collect::<Vec<_>>().into_iter()))
    } else {
        (Form::Ts, pictures_with_aac())
    };
    open_to_all(
        match open(&api, &call, &stream, "http", form, medias, Signalling::default()).await {
            Ok(session) => no_store(typed(PLAYLIST, session.master().await)),
            Err(problem) => streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
        },
    )
}

/// A session for a caller; the source is dialled if need be.
///
/// # Errors
/// As [`Stream::attach`], and if there are too many sessions.
pub(crate) async fn open(
    api: &Api,
    call: &Call,
    stream: &Arc<Stream>,
    protocol: &str,
    form: Form,
    medias: Vec<Media>,
    signalling: Signalling,
) -> Result<Arc<Session>, Error> {
    let format_name = match form {
        Form::Ts => "hls/mpegts",
        Form::Mp4 => "hls/fmp4",
    };
    let attached = attach(call, stream, format_name, protocol, medias).await?;
    api.hls.open(attached, form, signalling)
}

/// The media playlist of a session.
pub(crate) async fn playlist(api: Arc<Api>, call: Call) -> Reply {
    if call.method() == Method::OPTIONS {
        return options(PLAYLIST);
    }
    open_to_all(match session(&api, &call) {
        Some(session) => no_store(media_playlist(&session, &call).await),
        None => no_page(),
    })
}

async fn media_playlist(session: &Session, call: &Call) -> Reply {
    let reload = match reload(&call.query) {
        Ok(reload) => reload,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    session.playlist(reload).await.map_or_else(refused, |text| typed(PLAYLIST, text))
}

/// Players ask again for what has not come, and give up where it never will.
fn refused(why: Refused) -> Reply {
    match why {
        Refused::TooFar => error(StatusCode::BAD_REQUEST, "hls: not in sight"),
        Refused::TooLate => {
            let mut reply = error(StatusCode::SERVICE_UNAVAILABLE, "hls: no segment yet");
            reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            reply
        }
        Refused::Gone => no_page(),
    }
}

/// What is fetched before the segments.
pub(crate) async fn init(api: Arc<Api>, call: Call) -> Reply {
    if call.method() == Method::OPTIONS {
        return options(INIT);
    }
    let number = match call.query.number("n", ANY) {
        Ok(number) => number,
        Err(text) => return open_to_all(error(StatusCode::BAD_REQUEST, &text)),
    };
    let init = match session(&api, &call) {
        Some(session) => session.init(number).await,
        None => Err(Refused::Gone),
    };
    open_to_all(init.map_or_else(refused, |bytes| no_store(typed(INIT, bytes))))
}

/// A segment of a transport stream, or a part of one.
pub(crate) async fn segment_ts(api: Arc<Api>, call: Call) -> Reply {
    segment(&api, &call, Form::Ts, "video/mp2t").await
}

/// A segment of fragments, or a part of one.
pub(crate) async fn segment_mp4(api: Arc<Api>, call: Call) -> Reply {
    segment(&api, &call, Form::Mp4, "video/iso.segment").await
}

async fn segment(api: &Api, call: &Call, form: Form, content_type: &'static str) -> Reply {
    if call.method() == Method::OPTIONS {
        return options(content_type);
    }
    let query = &call.query;
    let asked = query.number("n", ANY).and_then(|number| Ok((number, query.number("part", ANY)?)));
    let (number, part) = match asked {
        Ok(asked) => asked,
        Err(text) => return open_to_all(error(StatusCode::BAD_REQUEST, &text)),
    };
    let part = part.map(|part| usize::try_from(part).unwrap_or(usize::MAX));
    let session = session(api, call).filter(|session| session.form() == form);
    let pieces = match session {
        Some(session) => session.fetch(number, part).await,
        None => Err(Refused::Gone),
    };
    open_to_all(pieces.map_or_else(refused, |pieces| {
        no_store(typed(content_type, Body::new(Pieces(pieces.into()))))
    }))
}

fn session(api: &Api, call: &Call) -> Option<Arc<Session>> {
    api.hls.session(call.query.get("id"))
}

/// `_HLS_msn` and `_HLS_part`; a part without a segment is an error (rfc8216bis 6.2.5.2).
fn reload(query: &Query) -> Result<Reload, String> {
    let segment = query.number("_HLS_msn", ANY)?;
    let part = query.number("_HLS_part", ANY)?;
    let part = part.map(|part| usize::try_from(part).unwrap_or(usize::MAX));
    if part.is_some() && segment.is_none() {
        return Err("_HLS_part is of no use without _HLS_msn".to_owned());
    }
    Ok(Reload { segment, part })
}

fn options(content_type: &'static str) -> Reply {
    let mut reply = typed(content_type, Body::empty());
    let get = HeaderValue::from_static("GET");
    reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, get);
    open_to_all(reply)
}

/// Players on pages of any origin may read it.
fn open_to_all(mut reply: Reply) -> Reply {
    let all = HeaderValue::from_static("*");
    reply.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, all);
    reply
}

fn no_store(mut reply: Reply) -> Reply {
    let value = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(header::CACHE_CONTROL, value);
    reply
}

/// Pieces that all viewers share as one body with a length.
struct Pieces(VecDeque<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}
