//! `api/stream.ts` and its like: a stream in a container, without an end
//! (`spec/api.md` 4, `docs/outputs/http.md`).
//!
//! The viewer is a task of [`rs2rtc_endpoints::outputs::http`]; here is what a call
//! asks for and the form of the answer. `HEAD` starts no viewer. A client that
//! leaves while its camera is dialled gives the dial up. What is sent to `stream.ts`
//! and `stream.flv` is taken by [`ingest`].

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use rs2rtc_endpoints::outputs::http::{Output, codecs};
use rs2rtc_media::container::mux::{Error, Muxer, adts, flv, mpegts, raw, wav};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media, filter};
use rs2rtc_streams::{Attached, Connection, Description, Request, Stream};

use super::call::{Call, Reply, error, no_page, no_stream, typed};
use super::streamed::body;
use super::{Api, Class, ingest, streams_api, ws};

/// Modules of the outputs that share a path with what is pushed, which needs none.
pub(crate) const MODULES: &[&str] = &[MPEGTS, RTMP];
const MPEGTS: &str = "mpegts";
const RTMP: &str = "rtmp";

const PICTURES: &[CodecId] = &[CodecId::H264, CodecId::H265];
const SAMPLES: &[CodecId] = &[CodecId::Pcml, CodecId::L16, CodecId::Pcma, CodecId::Pcmu];

/// Watching is for everybody, publishing and adding a source are not.
pub(crate) fn class(api: &Api, call: &Call) -> Class {
    ws::class(api, call)
}

/// Pictures and sound as an MPEG transport stream; or one that is pushed.
pub(crate) async fn ts(api: Arc<Api>, call: Call) -> Reply {
    if is_push(&call) {
        return ingest::publish(api, call, ingest::Form::MpegTs).await;
    }
    let answer = Answer {
        module: MPEGTS,
        format_name: "mpegts",
        content_type: "video/mp2t",
        medias: wanted(&call),
        muxer: |codecs| Ok(Box::new(mpegts::Muxer::new(codecs)?)),
    };
    answer.serve(api, call).await
}

/// Pictures and sound as Flash Video; or some that is pushed.
pub(crate) async fn flv(api: Arc<Api>, call: Call) -> Reply {
    if is_push(&call) {
        return ingest::publish(api, call, ingest::Form::Flv).await;
    }
    let answer = Answer {
        module: RTMP,
        format_name: "flv",
        content_type: "video/x-flv",
        medias: wanted(&call),
        muxer: |codecs| Ok(Box::new(flv::Muxer::new(codecs)?)),
    };
    answer.serve(api, call).await
}

/// Sound as AAC with ADTS headers.
pub(crate) async fn aac(api: Arc<Api>, call: Call) -> Reply {
    let answer = Answer {
        module: MPEGTS,
        format_name: "adts",
        content_type: "audio/aac",
        medias: vec![media(Kind::Audio, &[CodecId::Aac])],
        muxer: |codecs| Ok(Box::new(adts::Muxer::new(codecs)?)),
    };
    answer.serve(api, call).await
}

/// Sound as a WAV file without an end.
pub(crate) async fn wav(api: Arc<Api>, call: Call) -> Reply {
    let answer = Answer {
        module: "http",
        format_name: "wav",
        content_type: "audio/wav",
        medias: vec![media(Kind::Audio, SAMPLES)],
        muxer: |codecs| Ok(Box::new(wav::Muxer::new(codecs)?)),
    };
    answer.serve(api, call).await
}

/// Pictures of H.264 with start codes.
pub(crate) async fn h264(api: Arc<Api>, call: Call) -> Reply {
    bare("h264", CodecId::H264).serve(api, call).await
}

/// Pictures of H.265 with start codes.
pub(crate) async fn hevc(api: Arc<Api>, call: Call) -> Reply {
    bare("hevc", CodecId::H265).serve(api, call).await
}

fn bare(format_name: &'static str, codec: CodecId) -> Answer {
    Answer {
        module: "http",
        format_name,
        content_type: "application/octet-stream",
        medias: vec![media(Kind::Video, &[codec])],
        muxer: |codecs| Ok(Box::new(raw::Muxer::new(codecs)?)),
    }
}

fn is_push(call: &Call) -> bool {
    call.method() == Method::POST && call.query.has("dst")
}

/// What the query names, else pictures with AAC.
fn wanted(call: &Call) -> Vec<Media> {
    let mut named = filter::medias(call.query.pairs());
    named.retain(|media| media.direction == Direction::SendOnly);
    if named.is_empty() { pictures_with_aac() } else { named }
}

/// What is sent if nothing is named.
pub(crate) fn pictures_with_aac() -> Vec<Media> {
    vec![media(Kind::Video, PICTURES), media(Kind::Audio, &[CodecId::Aac])]
}

/// One media to send, of any of these codecs.
fn media(kind: Kind, codecs: &[CodecId]) -> Media {
    Media {
        kind,
        direction: Direction::SendOnly,
        codecs: codecs.iter().cloned().map(Codec::new).collect(),
        id: String::new(),
    }
}

/// A muxer, unless it has no place for one of the tracks.
type Made = Result<Box<dyn Muxer>, Error>;

/// What an endless answer is.
struct Answer {
    /// It is there while this module is on.
    module: &'static str,
    /// `format_name` of the viewer.
    format_name: &'static str,
    /// `Content-Type` of the answer.
    content_type: &'static str,
    /// What is wanted of the stream.
    medias: Vec<Media>,
    /// Makes the muxer for the tracks that were found.
    muxer: fn(&[Codec]) -> Made,
}

impl Answer {
    /// Answers a call for the stream of its `src`.
    async fn serve(self, api: Arc<Api>, call: Call) -> Reply {
        let is_head = call.method() == Method::HEAD;
        // As go2rtc, a stream is sent whatever the method.
        if !is_head && !matches!(*call.method(), Method::GET | Method::POST) {
            return error(StatusCode::METHOD_NOT_ALLOWED, "");
        }
        if !api.settings().has_module(self.module) {
            return no_page();
        }
        let stream = match ws::find_stream(&api, &call).await {
            Ok(stream) => stream,
            Err(text) if text == "stream not found" => return no_stream(),
            Err(text) => return error(StatusCode::BAD_REQUEST, &api.secrets.mask(&text)),
        };
        if is_head {
            return typed(self.content_type, Body::empty());
        }
        // From here on the client's end is noticed whatever else it has sent.
        let streaming = call.line.stream();
        let attached = match attach(&call, &stream, self.format_name, "http", self.medias).await {
            Ok(attached) => attached,
            Err(problem) => {
                return streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem);
            }
        };
        let muxer = match (self.muxer)(&codecs(&attached)) {
            Ok(muxer) => muxer,
            Err(problem) => {
                return error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string());
            }
        };
        let (line, connection) = (call.line.clone(), call.connection.clone());
        let (output, take) = Output::new(attached, muxer, line, connection);
        api.tasks.spawn("http viewer", output.run(api.cancel.clone()));
        let mut reply = typed(self.content_type, body(take, streaming, |chunks| chunks));
        let no_store = HeaderValue::from_static("no-store");
        reply.headers_mut().insert(header::CACHE_CONTROL, no_store);
        reply
    }
}

/// Attaches the caller to a stream.
pub(crate) async fn attach(
    call: &Call,
    stream: &Arc<Stream>,
    format_name: &str,
    protocol: &str,
    medias: Vec<Media>,
) -> Result<Attached, rs2rtc_base::Error> {
    let description = Description {
        format_name: format_name.to_owned(),
        protocol: protocol.to_owned(),
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        medias: medias.clone(),
        ..Description::default()
    };
    let connection = Arc::new(Connection::new(description));
    stream.attach(Request { medias, connection, source_tag: None, may_sleep: false }).await
}
