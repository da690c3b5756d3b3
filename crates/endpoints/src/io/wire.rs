//! A connection that answers without an end go over: how its end is noticed.
//!
//! A server that only writes learns of its client's end from a write that fails,
//! and only once there is something to write. [`Wire`] stands between the socket
//! (TCP, TLS or unix) and the HTTP library. While a [`Streaming`] is held, it
//!
//! * reads whenever the connection's task runs, whatever the library does: the
//!   client's FIN or reset ends the connection at once. What a client sends behind
//!   the request that is being answered (it will never be answered) is thrown away,
//!   and the connection is not used for another request then;
//! * ends the connection of a client that takes not a byte for some time;
//! * looks at what the client's system acknowledges: nothing for some time
//!   although something is owed means that its cable is pulled ([`Limits`]).
//!
//! How it ended is told by the [`Line`], which belongs to the connection.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rs2rtc_streams::Departure;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::tcp::{Answers, TcpEnd};

/// After what times a client is held to be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One that takes nothing for so long while there is something to send.
    /// Default 10 s.
    pub write_stall: Duration,
    /// One whose system acknowledges nothing for so long. Default 10 s.
    pub silence: Duration,
    /// How often is looked at that: what either may take longer. Default 1 s.
    pub look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let (write_stall, silence) = (Duration::from_secs(10), Duration::from_secs(10));
        Self { write_stall, silence, look: Duration::from_secs(1) }
    }
}

/// Reads at a time; a client that sends on and on does not keep its task busy.
const READS: usize = 8;

/// A socket that may know what its peer's system acknowledges.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// `None` where the system does not tell.
    fn answers(&self) -> Option<Answers>;
}

impl Socket for TcpStream {
    fn answers(&self) -> Option<Answers> {
        Answers::of(self)
    }
}

impl Socket for TlsStream<TcpStream> {
    fn answers(&self) -> Option<Answers> {
        Answers::of(self.get_ref().0)
    }
}

impl Socket for UnixStream {
    fn answers(&self) -> Option<Answers> {
        None
    }
}

/// What is known of a connection's client. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Answers without an end that go over it.
    streaming: AtomicUsize,
    end: Mutex<Option<End>>,
}

/// How it ended, and when its client was heard last.
#[derive(Clone, Copy, Debug)]
struct End {
    how: TcpEnd,
    heard: Instant,
}

impl Line {
    /// Claims the connection for an answer without an end.
    pub fn stream(&self) -> Streaming {
        self.0.streaming.fetch_add(1, Ordering::Relaxed);
        Streaming(self.clone())
    }

    /// How it ended; `None` while it has not, or if it ended here.
    pub fn end(&self) -> Option<TcpEnd> {
        self.lock().map(|end| end.how)
    }

    /// Why a viewer goes whose answer is not taken any more.
    pub fn departure(&self) -> Departure {
        let end = *self.lock();
        let departure = Departure::now(end.map_or("left", |end| end.how.code()));
        Departure { heard: end.map(|end| end.heard.into_std()), ..departure }
    }

    fn lock(&self) -> MutexGuard<'_, Option<End>> {
        self.0.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_streaming(&self) -> bool {
        self.0.streaming.load(Ordering::Relaxed) > 0
    }

    fn ended(&self, how: TcpEnd, heard: Instant) {
        self.lock().get_or_insert(End { how, heard });
    }
}

/// An answer without an end is going over a connection; until it is dropped.
#[derive(Debug)]
pub struct Streaming(Line);

impl Streaming {
    /// The connection.
    pub const fn line(&self) -> &Line {
        &self.0
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.0.streaming.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket whose client is watched while something is streamed over it.
#[derive(Debug)]
pub struct Wire<S> {
    socket: S,
    line: Line,
    limits: Limits,
    /// When the client took bytes last, or since when it is watched.
    progress: Instant,
    /// Something is to be sent that it did not take yet.
    is_full: bool,
    /// Since when its system owes an acknowledgement at every look.
    owed: Option<Instant>,
    /// Fires at the next look; there while it is watched.
    timer: Option<Pin<Box<Sleep>>>,
    /// Something of the client was thrown away.
    is_spoiled: bool,
}

impl<S: Socket> Wire<S> {
    /// Puts a socket under the watch of its line.
    pub fn new(socket: S, line: Line) -> Self {
        Self {
            socket,
            line,
            limits: Limits::default(),
            progress: Instant::now(),
            is_full: false,
            owed: None,
            timer: None,
            is_spoiled: false,
        }
    }

    /// While something is streamed: notices the client's end. Has the task woken
    /// for the next time.
    fn watch(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if !self.line.is_streaming() {
            self.timer = None;
            return Ok(());
        }
        self.drain(context)?;
        loop {
            let now = Instant::now();
            if self.timer.is_none() {
                (self.progress, self.owed) = (now, None);
            }
            let look =
                self.timer.get_or_insert_with(|| Box::pin(sleep_until(now + self.limits.look)));
            if look.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            look.as_mut().reset(now + self.limits.look);
            self.look(now)?;
        }
    }

    /// Reads what the client sends, to see its end.
    fn drain(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [0; 512];
        for _ in 0..READS {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(())) => self.is_spoiled = true,
                Poll::Ready(Err(error)) => return Err(self.broken(error)),
            }
        }
        context.waker().wake_by_ref();
        Ok(())
    }

    fn look(&mut self, now: Instant) -> io::Result<()> {
        let answers = self.socket.answers().filter(|answers| answers.waits());
        self.owed = answers.and_then(|_| self.owed.or(Some(now)));
        if let (Some(answers), Some(owed)) = (answers, self.owed)
            && let Some(silent) = answers.silence(now - owed, self.limits.silence)
        {
            self.line.ended(TcpEnd::Silent, now.checked_sub(silent).unwrap_or(now));
            return Err(io::ErrorKind::TimedOut.into());
        }
        if self.is_full && now - self.progress >= self.limits.write_stall {
            self.line.ended(TcpEnd::Stalled, self.progress);
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(())
    }

    fn broken(&self, error: io::Error) -> io::Error {
        self.line.ended(TcpEnd::of(&error), Instant::now());
        error
    }

    fn written(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(count)) => {
                self.is_full = false;
                self.progress = Instant::now();
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.broken(error))),
            Poll::Pending => {
                if !self.is_full {
                    self.is_full = true;
                    self.progress = Instant::now();
                }
                Poll::Pending
            }
        }
    }
}

impl<S: Socket> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.watch(context)?;
        if self.line.is_streaming() {
            return Poll::Pending;
        }
        if self.is_spoiled {
            // The rest would be taken for the beginning.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: Socket> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(context)?;
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(context)?;
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(context)?;
        let flushed = ready!(Pin::new(&mut self.socket).poll_flush(context));
        Poll::Ready(flushed.map_err(|error| self.broken(error)))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::net::TcpListener;

    use super::*;

    impl Socket for DuplexStream {
        fn answers(&self) -> Option<Answers> {
            None
        }
    }

    /// Lets the wire run until its connection is over.
    async fn ended<S: Socket>(wire: &mut Wire<S>) -> io::ErrorKind {
        let end = poll_fn(|context| match wire.watch(context) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(error),
        });
        end.await.kind()
    }

    async fn connection() -> (TcpStream, Wire<TcpStream>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (client.unwrap(), Wire::new(accepted.unwrap().0, Line::default()))
    }

    #[tokio::test]
    async fn the_end_of_the_client_is_seen_behind_what_it_sent() {
        let (mut client, mut wire) = connection().await;
        let streaming = wire.line.stream();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(ended(&mut wire).await, io::ErrorKind::UnexpectedEof);
        assert_eq!(wire.line.departure().reason, "tcp_fin");
        assert!(wire.line.departure().detect().is_some());
        drop(streaming);
        // What was thrown away cannot be answered any more.
        assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_reset_is_told_from_an_end() {
        let (client, mut wire) = connection().await;
        let _streaming = wire.line.stream();
        crate::io::tcp::reset_when_closed(&client);
        drop(client);
        assert_eq!(ended(&mut wire).await, io::ErrorKind::ConnectionReset);
        assert_eq!(wire.line.departure().reason, "tcp_rst");
    }

    #[tokio::test]
    async fn the_end_of_a_unix_client_is_seen() {
        let (client, server) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(server, Line::default());
        let _streaming = wire.line.stream();
        drop(client);
        assert_eq!(ended(&mut wire).await, io::ErrorKind::UnexpectedEof);
        assert_eq!(wire.line.end(), Some(TcpEnd::Fin));
    }

    #[tokio::test]
    async fn without_a_stream_nothing_is_read_ahead() {
        let (mut client, mut wire) = connection().await;
        client.write_all(b"next").await.unwrap();
        poll_fn(|context| Poll::Ready(wire.watch(context))).await.unwrap();
        let mut next = [0; 4];
        wire.read_exact(&mut next).await.unwrap();
        assert_eq!(&next, b"next");
        assert_eq!(wire.line.departure().reason, "left");
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_gone_in_time() {
        let (_client, server) = duplex(8);
        let mut wire = Wire::new(server, Line::default());
        let milliseconds = Duration::from_millis;
        wire.limits = Limits {
            write_stall: milliseconds(30),
            silence: milliseconds(10),
            look: milliseconds(5),
        };
        let streaming = wire.line.stream();
        // One that took everything may wait for ever; what comes next it has to take.
        wire.write_all(&[0; 8]).await.unwrap();
        let begun = Instant::now();
        let error = wire.write_all(&[0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= wire.limits.write_stall);
        assert_eq!(wire.line.departure().reason, "write_stall");
        assert!(wire.line.departure().detect() >= Some(wire.limits.write_stall));
        drop(streaming);
    }
}
