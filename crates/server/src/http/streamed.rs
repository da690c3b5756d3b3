//! Answers that are written as something happens: a queue on its way to a client.
//!
//! They claim their connection ([`Streaming`]), so that the client's end is seen
//! at once although nothing is read from it, and in time if it takes nothing.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use bytes::Bytes;
use hyper::body::Frame;
use rs2rtc_endpoints::io::wire::{Line, Streaming};
use rs2rtc_streams::{CancellationToken, Departure};
use tokio::sync::mpsc;

use super::call::{Reply, error, typed};

/// An answer that lasts as long as its queue. Nobody may keep it, and proxies are
/// to pass it on at once.
pub(crate) fn streamed<T, P, F>(
    content_type: &'static str,
    queue: mpsc::Receiver<T>,
    streaming: Streaming,
    write: F,
) -> Reply
where
    T: Send + 'static,
    P: IntoIterator<Item = Bytes>,
    P::IntoIter: Send + Unpin + 'static,
    F: FnMut(T) -> P + Send + Unpin + 'static,
{
    let mut reply = typed(content_type, body(queue, streaming, write));
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    reply
}

/// The body of such an answer. An item may be written in several pieces.
pub(crate) fn body<T, P, F>(queue: mpsc::Receiver<T>, streaming: Streaming, write: F) -> Body
where
    T: Send + 'static,
    P: IntoIterator<Item = Bytes>,
    P::IntoIter: Send + Unpin + 'static,
    F: FnMut(T) -> P + Send + Unpin + 'static,
{
    Body::new(Streamed { queue, write, pieces: None, _streaming: streaming })
}

/// Why a viewer goes that `feed` hands bytes to a queue for: the first end of its
/// client, of the server or of the feed; `None` if it was kicked, which is seen also while
/// its client takes nothing.
pub(crate) async fn until_over<T>(
    give: &mpsc::Sender<T>,
    line: &Line,
    kicked: &CancellationToken,
    cancel: &CancellationToken,
    feed: impl Future<Output = Option<Departure>>,
) -> Option<Departure> {
    tokio::select! {
        biased;
        () = give.closed() => Some(line.departure()),
        () = kicked.cancelled() => None,
        () = cancel.cancelled() => Some(Departure::now("shutdown")),
        departure = feed => departure,
    }
}

/// There are too many answers of a kind already.
pub(crate) fn too_many(text: &str) -> Reply {
    let mut reply = error(StatusCode::SERVICE_UNAVAILABLE, text);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    reply
}

struct Streamed<T, F, I> {
    queue: mpsc::Receiver<T>,
    write: F,
    /// What is left of an item.
    pieces: Option<I>,
    _streaming: Streaming,
}

impl<T, P, F> HttpBody for Streamed<T, F, P::IntoIter>
where
    P: IntoIterator<Item = Bytes>,
    P::IntoIter: Unpin,
    F: FnMut(T) -> P + Unpin,
{
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        loop {
            if let Some(piece) = self.pieces.as_mut().and_then(Iterator::next) {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            let Some(item) = ready!(self.queue.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            let pieces = (self.write)(item).into_iter();
            self.pieces = Some(pieces);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_kick_is_seen_while_the_client_takes_nothing() {
        let (give, _take) = mpsc::channel(1);
        give.send(1).await.unwrap();
        let kicked = CancellationToken::new();
        let stalled = async { give.send(2).await.err().map(|_| Departure::now("left")) };
        let (line, cancel) = (Line::default(), CancellationToken::new());
        let over = until_over(&give, &line, &kicked, &cancel, stalled);
        tokio::pin!(over);
        let waits =
            std::future::poll_fn(|context| Poll::Ready(over.as_mut().poll(context).is_pending()));
        assert!(waits.await);
        kicked.cancel();
        assert!(over.await.is_none());
    }
}
