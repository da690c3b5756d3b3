//! Answers that are written as something happens: a queue on its way to a client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::call::{Reply, error, typed};

/// An answer that lasts as long as its queue. Nobody may keep it, and proxies are
/// to pass it on at once.
pub(crate) fn streamed<T: Send + 'static>(
    content_type: &'static str,
    queue: mpsc::Receiver<T>,
    write: impl FnMut(T) -> Bytes + Send + Unpin + 'static,
) -> Reply {
    let mut reply = typed(content_type, Body::new(Streamed { queue, write }));
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

/// There are too many answers of a kind already.
pub(crate) fn too_many(text: &str) -> Reply {
    let mut reply = error(StatusCode::SERVICE_UNAVAILABLE, text);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    reply
}

struct Streamed<T, F> {
    queue: mpsc::Receiver<T>,
    write: F,
}

impl<T, F: FnMut(T) -> Bytes + Unpin> HttpBody for Streamed<T, F> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let item = ready!(self.queue.poll_recv(context));
        Poll::Ready(item.map(|item| Ok(Frame::data((self.write)(item)))))
    }
}
