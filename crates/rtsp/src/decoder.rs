//! Bytes of a connection to messages, one at a time, without copying payloads
//! (RFC 2326 sections 4 and 10.12).
//!
//! Cameras lose their place: a packet longer or shorter than its header says,
//! stray bytes after a body. What is neither `$` nor the beginning of a message
//! is passed over up to the next plausible one, so often and so far only.

use bytes::{Buf, Bytes, BytesMut};
use rs2rtc_base::http::{Head, HeadError, MAX_HEAD, RequestLine, StatusLine, find_head_end};

use crate::message::{Interleaved, MAX_BODY, Message, MessageError, Method, Request, Response};

/// How often the place may be lost before [`GOOD_RUN`] messages in a row.
const MAX_TRIES: u32 = 10;
/// How many bytes may be passed over in that time: more than the largest picture of a camera
/// that has lost its place for one picture.
const MAX_SKIPPED: usize = 1024 * 1024;
/// So many messages in a row and the place counts as found.
const GOOD_RUN: u32 = 64;
/// Plausible packets in garbage: channel below, size at most, unless the next
/// packet is seen to follow.
const PLAUSIBLE_CHANNEL: u8 = 20;
const PLAUSIBLE_SIZE: usize = 1500;
/// Longest method name that is taken for one.
const MAX_METHOD: usize = 24;

/// What was passed over so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How often the place was lost.
    pub times: u64,
    /// How many bytes were passed over.
    pub bytes: u64,
}

/// Incremental decoder of one direction of a connection.
#[derive(Debug, Default)]
pub struct Decoder {
    strict: bool,
    /// How far the end of the head was searched in vain.
    scanned: usize,
    /// A head whose body is not complete.
    head: Option<(Start, Head, usize)>,
    /// The place is lost and the next message is searched.
    searching: bool,
    tries: u32,
    good: u32,
    recently_skipped: usize,
    skipped: Skipped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Request,
    Response,
    Incomplete,
    Garbage,
}

impl Decoder {
    /// Finds its place again after garbage.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes garbage as an error at once.
    pub fn strict() -> Self {
        Self { strict: true, ..Self::default() }
    }

    /// Changes how garbage is taken.
    pub const fn set_strict(&mut self, strict: bool) {
        self.strict = strict;
    }

    /// What was passed over so far.
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Takes the next message off `buffer`; `None` while it is not complete.
    ///
    /// # Errors
    /// A limit is exceeded or it is not RTSP; the connection is of no more use.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, MessageError> {
        loop {
            if self.searching && !self.search(buffer)? {
                return Ok(None);
            }
            if let Some((_, _, length)) = &self.head {
                if buffer.len() < *length {
                    return Ok(None);
                }
                if let Some((start, head, length)) = self.head.take() {
                    let body = buffer.split_to(length).freeze();
                    self.count_good();
                    return message(start, head, body).map(Some);
                }
            }
            match buffer.first() {
                None => return Ok(None),
                Some(b'\r' | b'\n') => buffer.advance(1),
                Some(b'$') => {
                    let message = packet(buffer);
                    if message.is_some() {
                        self.count_good();
                    }
                    return Ok(message.map(Message::Interleaved));
                }
                Some(_) => match self.decode_head(buffer) {
                    Ok(true) => {}
                    Ok(false) => return Ok(None),
                    Err(MessageError::Garbage | MessageError::Head(HeadError::StartLine)) => {
                        self.lose(buffer)?;
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// True when a head was taken, false when more bytes are needed.
    fn decode_head(&mut self, buffer: &mut BytesMut) -> Result<bool, MessageError> {
        let start = match start(buffer) {
            Start::Garbage => return Err(MessageError::Garbage),
            Start::Incomplete => return Ok(false),
            start => start,
        };
        let Some(end) = find_head_end(buffer, self.scanned) else {
            self.scanned = buffer.len();
            return if buffer.len() < MAX_HEAD {
                Ok(false)
            } else {
                Err(HeadError::TooLong.into())
            };
        };
        if end > MAX_HEAD {
            return Err(HeadError::TooLong.into());
        }
        self.scanned = 0;
        let head = Head::parse_complete(buffer.get(..end).unwrap_or_default())?;
        check_start(start, &head.start)?;
        let length = match head.headers.get("Content-Length") {
            None | Some("") => 0,
            Some(text) => text.trim().parse().map_err(|_| MessageError::ContentLength)?,
        };
        if length > MAX_BODY {
            return Err(MessageError::BodyTooLong);
        }
        buffer.advance(end);
        self.head = Some((start, head, length));
        Ok(true)
    }

    const fn count_good(&mut self) {
        self.good = self.good.saturating_add(1);
        if self.good >= GOOD_RUN {
            self.tries = 0;
            self.recently_skipped = 0;
        }
    }

    /// The first byte of `buffer` begins nothing known.
    fn lose(&mut self, buffer: &mut BytesMut) -> Result<(), MessageError> {
        if self.strict || self.tries == MAX_TRIES {
            return Err(MessageError::Garbage);
        }
        self.tries += 1;
        self.good = 0;
        self.scanned = 0;
        self.searching = true;
        self.skipped.times += 1;
        self.skip(buffer, 1)
    }

    fn skip(&mut self, buffer: &mut BytesMut, n: usize) -> Result<(), MessageError> {
        buffer.advance(n);
        self.skipped.bytes += n as u64;
        self.recently_skipped += n;
        if self.recently_skipped > MAX_SKIPPED { Err(MessageError::Garbage) } else { Ok(()) }
    }

    /// True when something plausible is at the beginning of `buffer`.
    fn search(&mut self, buffer: &mut BytesMut) -> Result<bool, MessageError> {
        let mut at = 0;
        let mut found = false;
        while let Some(rest) = buffer.get(at..)
            && !rest.is_empty()
        {
            match plausible(rest) {
                Some(true) => {
                    found = true;
                    break;
                }
                // May become so with more bytes.
                None => break,
                Some(false) => at += 1,
            }
        }
        self.searching = !found;
        self.skip(buffer, at)?;
        Ok(found)
    }
}

/// A complete packet off the beginning of `buffer`, which is `$`.
fn packet(buffer: &mut BytesMut) -> Option<Interleaved> {
    let &[_, channel, high, low] = buffer.first_chunk::<4>()?;
    let end = 4 + usize::from(u16::from_be_bytes([high, low]));
    if buffer.len() < end {
        return None;
    }
    let mut payload = buffer.split_to(end).freeze();
    payload.advance(4);
    Some(Interleaved { channel, payload })
}

/// What the bytes begin.
fn start(data: &[u8]) -> Start {
    let name = data.iter().take_while(|b| b.is_ascii_uppercase() || **b == b'_').count();
    match (name, data.get(name)) {
        (0, _) => Start::Garbage,
        (n, None) if n <= MAX_METHOD => Start::Incomplete,
        (4, Some(b'/')) if data.starts_with(b"RTSP") => Start::Response,
        (3..=MAX_METHOD, Some(b' ')) => Start::Request,
        _ => Start::Garbage,
    }
}

fn check_start(start: Start, line: &str) -> Result<(), HeadError> {
    let version = match start {
        Start::Response => StatusLine::parse(line)?.version,
        _ => RequestLine::parse(line)?.version,
    };
    if version.starts_with("RTSP/") { Ok(()) } else { Err(HeadError::StartLine) }
}

fn message(start: Start, head: Head, body: Bytes) -> Result<Message, MessageError> {
    let headers = head.headers;
    if start == Start::Response {
        let line = StatusLine::parse(&head.start)?;
        let reason = line.reason.to_owned();
        return Ok(Message::Response(Response { code: line.code, reason, headers, body }));
    }
    let line = RequestLine::parse(&head.start)?;
    let url = line.target.to_owned();
    Ok(Message::Request(Request { method: Method::parse(line.method), url, headers, body }))
}

/// Whether a message may begin here, in the middle of garbage; `None` if more
/// bytes are needed to tell.
fn plausible(data: &[u8]) -> Option<bool> {
    const RESPONSE: &[u8] = b"RTSP/1.0 ";
    match data.first()? {
        b'$' => {
            let channel = *data.get(1)?;
            let size = usize::from(u16::from_be_bytes([*data.get(2)?, *data.get(3)?]));
            if channel >= PLAUSIBLE_CHANNEL {
                return Some(false);
            }
            match data.get(4 + size) {
                Some(next) => Some(matches!(next, b'$' | b'R')),
                None => Some(size <= PLAUSIBLE_SIZE),
            }
        }
        b'R' => {
            let length = RESPONSE.len().min(data.len());
            if data.get(..length) != RESPONSE.get(..length) {
                return Some(false);
            }
            (length == RESPONSE.len()).then_some(true)
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests;
