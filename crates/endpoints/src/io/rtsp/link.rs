//! A client's connection: machine, socket, and what waits to be sent.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_rtsp::client::{Event, Output, Session};
use rs2rtc_streams::Departure;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

use super::until;
use crate::io::progress::{Limits, Progress};
use crate::io::rtp::Pieces;
use crate::io::tcp::{self, Stream, TcpEnd};

/// Receive buffer that is kept free.
const READ_AHEAD: usize = 64 * 1024;
/// Unsent bytes beyond which no further frame is to be sent.
const MAX_UNSENT: usize = 1024 * 1024;
/// Unsent bytes beyond which nothing more is read: a server that asks without
/// reading our answers is not read either.
const MAX_ANSWERED: usize = 2 * MAX_UNSENT;
/// Unsent bytes that the system may hold; frames that it does not take wait in the
/// stream's queue, where they can be skipped.
const SYSTEM_QUEUE: u32 = 64 * 1024;
/// Payload of one TLS record at most (RFC 8446 5.1).
const RECORD: usize = 16 * 1024;
/// Reads after a write has failed.
const LAST_READS: usize = 64;

/// After what times a server is held to be gone.
const LIMITS: Limits =
    Limits { write_stall: Duration::from_secs(10), unacknowledged: Duration::from_secs(10) };

/// A connection with its machine.
pub struct Link {
    stream: Stream,
    /// The machine.
    pub session: Session,
    input: BytesMut,
    output: Pieces,
    /// What goes into the next TLS record.
    record: Vec<u8>,
    /// TLS holds bytes that the socket has yet to take.
    is_unflushed: bool,
    progress: Progress,
    is_closed_by_peer: bool,
    lost: Option<TcpEnd>,
}

/// What happened on a connection.
#[derive(Debug)]
pub enum Step {
    /// The machine has an event.
    Event(Event),
    /// Frames can be sent again.
    Room,
}

/// A connection broke off.
#[derive(Debug)]
pub struct Lost {
    how: TcpEnd,
    /// When the server was heard of last; its end is a word of it as well.
    heard: Instant,
    error: Option<io::Error>,
}

impl Lost {
    /// For the stream whose viewer this was.
    pub fn departure(&self) -> Departure {
        Departure { heard: Some(self.heard), ..Departure::now(self.how.code()) }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.how, &self.error) {
            (TcpEnd::Stalled, _) => f.write_str("the other side takes nothing"),
            (TcpEnd::Silent, _) => f.write_str("nothing comes back from the other side"),
            (_, Some(error)) => write!(f, "connection lost: {error}"),
            (_, None) => f.write_str("connection lost"),
        }
    }
}

impl From<Lost> for Error {
    fn from(lost: Lost) -> Self {
        Self::new(ErrorKind::Ended, lost.to_string())
    }
}

enum Moved {
    Read(usize),
    Written(usize),
}

impl Link {
    /// A connection that was just made.
    pub fn new(stream: Stream, session: Session, now: Instant) -> Self {
        Self::with_limits(stream, session, LIMITS, now)
    }

    fn with_limits(stream: Stream, session: Session, limits: Limits, now: Instant) -> Self {
        if let Err(error) = tcp::watch(stream.tcp(), limits.unacknowledged, SYSTEM_QUEUE) {
            tracing::debug!(%error, "the system does not watch a connection");
        }
        Self {
            stream,
            session,
            input: BytesMut::new(),
            output: Pieces::default(),
            record: Vec::new(),
            is_unflushed: false,
            progress: Progress::new(limits, now),
            is_closed_by_peer: false,
            lost: None,
        }
    }

    /// The other side as `address:port`; empty if it is already gone.
    pub fn remote_addr(&self) -> String {
        self.stream.remote_addr()
    }

    /// Whether the other side has closed the connection.
    pub const fn is_closed_by_peer(&self) -> bool {
        self.is_closed_by_peer
    }

    /// Whether a further frame can be taken.
    pub const fn has_room(&self) -> bool {
        self.unsent() < MAX_UNSENT
    }

    /// Bytes that wait.
    pub const fn unsent(&self) -> usize {
        self.output.len()
    }

    /// Queues bytes.
    pub fn send(&mut self, fill: impl FnOnce(&mut Pieces)) {
        let before = self.output.len();
        fill(&mut self.output);
        if before == 0 {
            self.progress.queued(Instant::now());
        }
    }

    /// Moves bytes until something happens. May be dropped and called again at any
    /// time: nothing is lost.
    ///
    /// # Errors
    /// The connection broke off. One that the other side closes is told to the
    /// machine, which says what that means.
    pub async fn step(&mut self) -> Result<Step, Lost> {
        loop {
            let deadline = match self.session.poll_output() {
                Output::Event(event) => return Ok(Step::Event(event)),
                Output::Transmit(bytes) => {
                    self.send(|output| output.push(bytes));
                    continue;
                }
                Output::Timeout(at) => at,
            };
            let waits = self.waits();
            let deadline = [deadline, self.progress.deadline(waits)].into_iter().flatten().min();
            if self.input.capacity() - self.input.len() < READ_AHEAD / 4 {
                self.input.reserve(READ_AHEAD);
            }
            tokio::select! {
                moved = self.transfer() => match moved {
                    Ok(Moved::Read(0)) => {
                        self.is_closed_by_peer = true;
                        self.session.handle_eof();
                    }
                    Ok(Moved::Read(_)) => self.session.handle_input(Instant::now(), &mut self.input),
                    Ok(Moved::Written(count)) => {
                        let was_full = !self.has_room();
                        self.output.advance(count);
                        self.progress.written(Instant::now());
                        if was_full && self.has_room() {
                            return Ok(Step::Room);
                        }
                    }
                    Err(error) => {
                        self.read_last_words().await;
                        if !self.session.is_closed() {
                            return Err(self.lost(TcpEnd::of(&error), Some(error)));
                        }
                    }
                },
                () = until(deadline) => {
                    let now = Instant::now();
                    if let Some(how) = self.progress.end(self.stream.tcp(), waits, now) {
                        return Err(self.lost(how, None));
                    }
                    self.session.handle_timeout(now);
                }
            }
        }
    }

    /// Says TEARDOWN, waits a moment for the answer and closes. What the other side
    /// still sends is taken meanwhile: one that waits for us to read does not read
    /// either, and closing with packets unread resets the connection before the
    /// goodbye is read. A connection that broke off is only closed.
    pub async fn goodbye(mut self, limit: Duration) {
        if let Some(how) = self.lost {
            if matches!(how, TcpEnd::Stalled | TcpEnd::Silent) {
                tcp::reset_when_closed(self.stream.tcp());
            }
            return;
        }
        let leave = async {
            if self.session.is_closed() {
                // It failed; what it said before that may still wait.
                while self.waits() {
                    match poll_fn(|cx| self.poll_write(cx)).await {
                        Ok(count) => self.output.advance(count),
                        Err(_) => return,
                    }
                }
            } else {
                self.session.teardown(Instant::now());
                while !self.session.is_closed() && self.step().await.is_ok() {}
            }
            let _ = self.stream.shutdown().await;
        };
        let _ = tokio::time::timeout(limit, leave).await;
    }

    const fn waits(&self) -> bool {
        !self.output.is_empty() || self.is_unflushed
    }

    async fn transfer(&mut self) -> io::Result<Moved> {
        poll_fn(|cx| {
            if self.output.len() < MAX_ANSWERED
                && let Poll::Ready(read) = pin!(self.stream.read_buf(&mut self.input)).poll(cx)
            {
                return Poll::Ready(read.map(Moved::Read));
            }
            if !self.waits() {
                return Poll::Pending;
            }
            self.poll_write(cx).map_ok(Moved::Written)
        })
        .await
    }

    /// Writes the first bytes that wait; if none do, what TLS has of them.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if self.output.is_empty() {
            ready!(stream.poll_flush(cx))?;
            self.is_unflushed = false;
            return Poll::Ready(Ok(0));
        }
        let mut slices: Vec<IoSlice<'_>> = Vec::new();
        self.output.slices(&mut slices);
        let count = if stream.is_write_vectored() {
            ready!(stream.poll_write_vectored(cx, &slices))?
        } else {
            // Full records, not one for every head and payload.
            self.record.clear();
            for slice in &slices {
                let left = RECORD - self.record.len();
                self.record.extend_from_slice(slice.get(..left).unwrap_or(slice));
            }
            let count = ready!(stream.poll_write(cx, &self.record))?;
            self.is_unflushed = true;
            count
        };
        match count {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => Poll::Ready(Ok(count)),
        }
    }

    /// Reads what had arrived before the connection broke: it may say why.
    async fn read_last_words(&mut self) {
        for _ in 0..LAST_READS {
            self.input.reserve(READ_AHEAD / 4);
            let read = tokio::select! {
                biased;
                read = self.stream.read_buf(&mut self.input) => read,
                () = std::future::ready(()) => return,
            };
            match read {
                Ok(1..) => self.session.handle_input(Instant::now(), &mut self.input),
                _ => return,
            }
        }
    }

    fn lost(&mut self, how: TcpEnd, error: Option<io::Error>) -> Lost {
        self.lost = Some(how);
        let now = Instant::now();
        let last = self.progress.last();
        let known = self.session.last_heard().map_or(last, |at| at.max(last));
        let heard = match how {
            TcpEnd::Fin | TcpEnd::Reset | TcpEnd::Local => now,
            TcpEnd::Stalled => known,
            TcpEnd::Silent => tcp::Answers::of(self.stream.tcp())
                .and_then(|answers| now.checked_sub(answers.since))
                .unwrap_or(known),
        };
        Lost { how, heard, error }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("to", &self.remote_addr()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rs2rtc_base::Url;
    use rs2rtc_rtsp::client::{Config, SetupTrack};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn link(limits: Limits) -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let url = Url::parse(&format!("rtsp://{address}/x")).unwrap();
        let session = Session::new(Config::new(url, "test", [0; 8]));
        let link = Link::with_limits(Stream::Plain(stream), session, limits, Instant::now());
        (link, listener.accept().await.unwrap().0)
    }

    /// The server's side of the next request.
    async fn answer(server: &mut TcpStream, method: &str, fields: &str, body: &str) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(server.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        assert!(request.starts_with(&format!("{method} ")), "{request}");
        let number = request.lines().find(|line| line.starts_with("CSeq: ")).unwrap();
        let fields = format!("{number}\r\n{fields}Content-Length: {}", body.len());
        let text = format!("RTSP/1.0 200 OK\r\n{fields}\r\n\r\n{body}");
        server.write_all(text.as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_answers_the_goodbye_is_closed_and_not_reset() {
        let (mut link, mut server) = link(LIMITS).await;
        let session = "Session: 4711\r\n";
        let script = async {
            let sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t0\r\n";
            answer(&mut server, "DESCRIBE", "", sdp).await;
            let set_up = format!("{session}Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n");
            answer(&mut server, "SETUP", &set_up, "").await;
            answer(&mut server, "PLAY", session, "").await;
            // It has something to say before it reads on.
            let packet = [&b"$\0\x05\x78\x80\x60"[..], &[0; 1398]].concat();
            server.write_all(&packet.repeat(50)).await.unwrap();
            answer(&mut server, "TEARDOWN", session, "").await;
            server.read_to_end(&mut Vec::new()).await
        };
        let play = async {
            link.session.describe(Instant::now());
            while !matches!(link.step().await.unwrap(), Step::Event(Event::Described { .. })) {}
            link.session.play(Instant::now(), &[SetupTrack::new("t0")]);
            while !matches!(link.step().await.unwrap(), Step::Event(Event::Playing { .. })) {}
            link.goodbye(Duration::from_secs(20)).await;
        };
        let (end, ()) = tokio::join!(script, play);
        assert_eq!(end.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_server_that_takes_nothing_is_left() {
        let (long, short) = (Duration::from_secs(60), Duration::from_millis(300));
        let (mut link, _server) = link(Limits { write_stall: short, unacknowledged: long }).await;
        while link.unsent() < 16 << 20 {
            link.send(|out| out.push(Bytes::from_static(&[0; 64 * 1024])));
        }
        assert!(!link.has_room());
        let lost = link.step().await.unwrap_err();
        assert_eq!(lost.departure().reason, "write_stall");
        assert_eq!(Error::from(lost).to_string(), "the other side takes nothing");
        // There is nobody to say goodbye to.
        link.goodbye(long).await;
    }

    #[tokio::test]
    async fn there_is_room_again_once_something_is_written() {
        let (mut link, mut server) = link(LIMITS).await;
        while link.has_room() {
            link.send(|out| out.push(Bytes::from_static(&[7; 64 * 1024])));
        }
        let step = link.step().await;
        assert!(matches!(step, Ok(Step::Room)), "{step:?}");
        assert!(link.has_room() && link.unsent() > 0);
        let mut first = [0; 1024];
        assert_eq!(server.read_exact(&mut first).await.unwrap(), first.len());
        assert!(first.iter().all(|byte| *byte == 7));
    }
}
