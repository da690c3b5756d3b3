//! One request as the handlers see it, and the forms of answers
//! (`spec/api.md` 1.5).

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, HttpBody as _};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use bytes::{Bytes, BytesMut};
use rs2rtc_base::url::query_pairs;
use rs2rtc_endpoints::io::wire::Line;
use rs2rtc_streams::{CancellationToken, Origin};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use super::access::{Class, Peer};
use crate::live::watch;

/// An answer.
pub type Reply = Response<Body>;

/// Largest body of a request that is read into memory.
pub const MAX_BODY: usize = 1024 * 1024;
/// How long a body may take.
const BODY_LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

/// A request.
#[derive(Debug)]
pub struct Call {
    /// Head, with what an upgrade needs.
    pub parts: Parts,
    /// Who sent it.
    pub peer: Peer,
    /// Decoded pairs of the query.
    pub query: Query,
    /// What it was let in for.
    pub class: Class,
    /// May write the configuration and see secrets.
    pub admin: bool,
    /// May talk, which needs [`Class::Stream`].
    pub talk: bool,
    /// No page can have made it.
    pub program: bool,
    /// Drops the whole connection when it fires.
    pub connection: CancellationToken,
    /// Tells of the client's end while an answer without an end is under way.
    pub line: Line,
    /// The place of its connection, also for who goes on when HTTP has ended there.
    pub place: Option<Arc<OwnedSemaphorePermit>>,
    /// Locked only because a body is not `Sync` and calls are shared.
    body: Mutex<Body>,
}

/// Decoded pairs of a query, in order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the text after `?`.
    pub fn parse(text: &str) -> Self {
        Self(query_pairs(text).take(256).collect())
    }

    /// The first value of a name; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// All values of a name.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(n, _)| n == name).map(|(_, v)| v.clone()).collect()
    }

    /// Whether a name is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

impl Call {
    /// A request from a peer.
    pub fn new(parts: Parts, body: Body, peer: Peer, connection: CancellationToken) -> Self {
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let line = Line::default();
        Self {
            parts,
            peer,
            query,
            class: Class::View,
            admin: false,
            talk: false,
            program: false,
            connection,
            line,
            place: None,
            body: Mutex::new(body),
        }
    }

    /// What a source is taken for that it names.
    pub const fn origin(&self) -> Origin {
        if self.admin { Origin::Api } else { Origin::Stranger }
    }

    /// Its method.
    pub const fn method(&self) -> &Method {
        &self.parts.method
    }

    /// A header's value; empty if it is not there or no text.
    pub fn header(&self, name: &str) -> &str {
        header_text(&self.parts.headers, name)
    }

    /// The whole body, at most [`MAX_BODY`] bytes.
    ///
    /// # Errors
    /// The answer to give: 413 if there is more, 408 if it comes too slowly, 400 if it is
    /// broken or the client left.
    pub async fn body(&mut self) -> Result<Bytes, Box<Reply>> {
        let read = tokio::time::timeout(BODY_LIMIT, whole(self.take_body())).await;
        read.unwrap_or(Err(BodyError::Slow)).map_err(|problem| {
            let code = match problem {
                BodyError::Long => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::Slow => StatusCode::REQUEST_TIMEOUT,
                BodyError::Broken(_) => StatusCode::BAD_REQUEST,
            };
            Box::new(error(code, &format!("body: {problem}")))
        })
    }

    /// The body, to be read as it comes; empty the second time.
    pub fn take_body(&mut self) -> Body {
        let slot = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(slot, Body::empty())
    }

    /// `host:port` of the peer, with what a proxy says (`spec/api.md` 3.1).
    pub fn remote_addr(&self) -> String {
        let peer = self.peer.to_string();
        match self.header("x-forwarded-for") {
            "" => peer,
            forwarded => format!("{peer} forwarded {}", forwarded.replace(['\r', '\n'], " ")),
        }
    }
}

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("longer than {MAX_BODY} bytes")]
    Long,
    #[error("not complete within {} s", BODY_LIMIT.as_secs())]
    Slow,
    /// With what the server library says of its framing.
    #[error("broken, or not sent to its end: {0}")]
    Broken(String),
}

/// All bytes of a body; trailers say nothing.
async fn whole(mut body: Body) -> Result<Bytes, BodyError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|problem| BodyError::Broken(innermost(&problem)))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > MAX_BODY {
            return Err(BodyError::Long);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// What an error comes from: the outer ones only say that a body was read.
fn innermost(mut problem: &dyn std::error::Error) -> String {
    while let Some(source) = problem.source() {
        problem = source;
    }
    problem.to_string()
}

/// A header's value; empty if it is not there or no text.
pub fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

/// 200 without a body.
pub fn empty() -> Reply {
    Response::new(Body::empty())
}

/// Only a status.
pub fn status(status: StatusCode) -> Reply {
    let mut reply = empty();
    *reply.status_mut() = status;
    reply
}

/// 200 with a body of a type.
pub fn typed(content_type: &'static str, body: impl Into<Body>) -> Reply {
    let mut reply = Response::new(body.into());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Compact JSON with a newline at its end.
pub fn json(value: &Value) -> Reply {
    typed("application/json", text_of(value))
}

/// JSON as it is sent.
pub fn text_of(value: &Value) -> String {
    escape(value.to_string()) + "\n"
}

/// JSON indented by two spaces, with a newline at its end.
pub fn pretty(value: &Value) -> Reply {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    typed("application/json", escape(text) + "\n")
}

/// Characters that would mean something in HTML, as go2rtc writes them.
fn escape(text: String) -> String {
    if !text.contains(['<', '>', '&']) {
        return text;
    }
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// An error text. An empty one gives a body of one newline.
pub fn error(status: StatusCode, text: &str) -> Reply {
    let mut reply = typed("text/plain; charset=utf-8", format!("{text}\n"));
    *reply.status_mut() = status;
    let nosniff = HeaderValue::from_static("nosniff");
    reply.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    reply
}

/// Said where there is nothing to write to.
pub const NO_FILE: &str = "there is no configuration file: start with -c FILE";

/// 405 with what would be right.
pub fn not_allowed(methods: &'static str) -> Reply {
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, &format!("use {methods}"));
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    reply
}

/// 404 of a path that nobody serves.
pub fn no_page() -> Reply {
    error(StatusCode::NOT_FOUND, "404 page not found")
}

/// 404 of an unknown stream.
pub fn no_stream() -> Reply {
    error(StatusCode::NOT_FOUND, "stream not found")
}

/// Answers by work that waits for a disk, off the threads that carry media. It is
/// done to its end, also if the caller leaves.
pub async fn off_thread(work: impl FnOnce() -> Reply + Send + 'static) -> Reply {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| error(StatusCode::INTERNAL_SERVER_ERROR, "internal error"))
}

/// As [`off_thread`], for work that changes the configuration file: it begins when what
/// somebody else is writing there has rested.
pub async fn to_file(
    api: &Arc<Api>,
    work: impl FnOnce(&Arc<Api>) -> Reply + Send + 'static,
) -> Reply {
    watch::rest(api).await;
    let api = Arc::clone(api);
    off_thread(move || work(&api)).await
}
