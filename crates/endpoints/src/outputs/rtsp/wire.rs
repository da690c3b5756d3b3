//! The connection to a client: machine, socket, and what waits to be sent.

use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::time::Instant;

use bytes::BytesMut;
use rs2rtc_rtsp::server::{CloseReason, Event, Output, Session};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::Timers;
use crate::io::progress::{Limits, Progress};
use crate::io::rtp::Pieces;
use crate::io::rtsp::until;
use crate::io::tcp::{self, TcpEnd};
use rs2rtc_streams::Departure;

/// Receive buffer that is kept free.
const READ_AHEAD: usize = 64 * 1024;
/// Unsent bytes beyond which no further frame is taken from the queue.
const MAX_UNSENT: usize = 1024 * 1024;
/// Unsent answers beyond which nothing more is read from the client.
const MAX_ANSWERS: usize = 1024 * 1024;

/// Socket, machine and what waits to be sent.
pub(super) struct Wire {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    pub(super) session: Session,
    input: BytesMut,
    output: Pieces,
    /// Bytes of answers that were queued since nothing waited.
    answers: usize,
    progress: Progress,
    timers: Timers,
}

/// How a connection broke off.
#[derive(Debug)]
pub(super) struct End {
    pub(super) how: TcpEnd,
    /// When the client was heard of last: its end is a word of it as well.
    heard: Instant,
    error: Option<io::Error>,
}

impl End {
    /// For the stream.
    pub(super) fn departure(&self) -> Departure {
        Departure { heard: Some(self.heard), ..Departure::now(self.how.code()) }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.how, &self.error) {
            (TcpEnd::Fin, _) => f.write_str("the client closed the connection"),
            (TcpEnd::Reset, _) => f.write_str("the client reset the connection"),
            (TcpEnd::Stalled, _) => f.write_str("the client takes nothing"),
            (TcpEnd::Silent, _) => f.write_str("nothing comes back from the client"),
            (TcpEnd::Local, Some(error)) => error.fmt(f),
            (TcpEnd::Local, None) => f.write_str("closed"),
        }
    }
}

/// Why a client went whose session is closed.
pub(super) fn departure(reason: &CloseReason, session: &Session) -> Departure {
    let code = match reason {
        CloseReason::Teardown => "teardown",
        CloseReason::Disconnected => TcpEnd::Fin.code(),
        CloseReason::Silent(_) => "rtcp_silence",
        _ => "protocol_error",
    };
    Departure { heard: Some(session.last_heard()), ..Departure::now(Cow::Borrowed(code)) }
}

impl Wire {
    pub(super) fn new(stream: TcpStream, session: Session, timers: Timers, now: Instant) -> Self {
        let (reader, writer) = stream.into_split();
        let Timers { write_stall, unacknowledged, .. } = timers;
        Self {
            reader,
            writer,
            session,
            input: BytesMut::new(),
            output: Pieces::default(),
            answers: 0,
            progress: Progress::new(Limits { write_stall, unacknowledged }, now),
            timers,
        }
    }

    /// Whether a further frame can be taken.
    pub(super) const fn has_room(&self) -> bool {
        self.output.len() < MAX_UNSENT
    }

    /// Moves bytes until the machine has an event, or, which is `None`, there is
    /// room again for frames. May be dropped and called again: nothing is lost.
    pub(super) async fn event(&mut self) -> Result<Option<Event>, End> {
        loop {
            let deadline = match self.session.poll_output() {
                Output::Event(event) => return Ok(Some(event)),
                Output::Transmit(bytes) => {
                    self.answers += bytes.len();
                    self.send(|output| output.push(bytes));
                    continue;
                }
                Output::Timeout(at) => at,
            };
            let sending = !self.output.is_empty();
            let deadline = [deadline, self.progress.deadline(sending)].into_iter().flatten().min();
            if self.input.capacity() - self.input.len() < READ_AHEAD / 4 {
                self.input.reserve(READ_AHEAD);
            }
            // A client that asks without reading our answers is not read either.
            let may_read = self.answers < MAX_ANSWERS;
            tokio::select! {
                read = self.reader.read_buf(&mut self.input), if may_read => match read {
                    Ok(0) => return Err(self.end(TcpEnd::Fin, None)),
                    Ok(_) => self.session.handle_input(Instant::now(), &mut self.input),
                    Err(error) => return Err(self.broken(error)),
                },
                written = write(&mut self.writer, &self.output), if sending => match written {
                    Ok(count) => {
                        let was_full = !self.has_room();
                        self.written(count);
                        if was_full && self.has_room() {
                            return Ok(None);
                        }
                    }
                    Err(error) => {
                        if !self.has_last_words() {
                            return Err(self.broken(error));
                        }
                    }
                },
                () = until(deadline) => {
                    let now = Instant::now();
                    if let Some(how) = self.progress.end(self.reader.as_ref(), sending, now) {
                        return Err(self.end(how, None));
                    }
                    self.session.handle_timeout(now);
                }
            }
        }
    }

    /// Queues bytes. Says how many.
    pub(super) fn send(&mut self, fill: impl FnOnce(&mut Pieces)) -> usize {
        let before = self.output.len();
        fill(&mut self.output);
        if before == 0 {
            self.progress.queued(Instant::now());
        }
        self.output.len() - before
    }

    fn written(&mut self, count: usize) {
        self.output.advance(count);
        self.progress.written(Instant::now());
        if self.output.is_empty() {
            self.answers = 0;
        }
    }

    /// Reads what had arrived before the connection broke. Says whether it was
    /// a goodbye.
    fn has_last_words(&mut self) -> bool {
        while matches!(self.reader.try_read_buf(&mut self.input), Ok(1..)) {
            self.session.handle_input(Instant::now(), &mut self.input);
        }
        self.session.is_closed()
    }

    fn broken(&self, error: io::Error) -> End {
        self.end(TcpEnd::of(&error), Some(error))
    }

    fn end(&self, how: TcpEnd, error: Option<io::Error>) -> End {
        let now = Instant::now();
        let known = self.session.last_heard().max(self.progress.last());
        let heard = match how {
            TcpEnd::Fin | TcpEnd::Reset | TcpEnd::Local => now,
            TcpEnd::Stalled => known,
            TcpEnd::Silent => tcp::Answers::of(self.reader.as_ref())
                .and_then(|answers| now.checked_sub(answers.since))
                .unwrap_or(known),
        };
        End { how, heard, error }
    }

    /// Closes after it broke off: nothing more can be said. What a client that
    /// is away has not taken is thrown away.
    pub(super) fn abandon(self, how: TcpEnd) {
        if matches!(how, TcpEnd::Stalled | TcpEnd::Silent) {
            tcp::reset_when_closed(self.reader.as_ref());
        }
    }

    /// Sends what is left and closes.
    pub(super) async fn finish(mut self) {
        loop {
            match self.session.poll_output() {
                Output::Transmit(bytes) => {
                    self.send(|output| output.push(bytes));
                }
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        let send = async {
            while !self.output.is_empty() {
                let Ok(count) = write(&mut self.writer, &self.output).await else { return };
                self.output.advance(count);
            }
            let _ = self.writer.shutdown().await;
        };
        let _ = tokio::time::timeout(self.timers.goodbye, send).await;
    }
}

async fn write(writer: &mut OwnedWriteHalf, output: &Pieces) -> io::Result<usize> {
    let mut slices: Vec<IoSlice<'_>> = Vec::new();
    output.slices(&mut slices);
    writer.write_vectored(&slices).await
}
