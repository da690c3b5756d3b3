//! Where the body of an HTTP/1.1 answer ends (RFC 9112 6 and 7): after a length,
//! after the last chunk, or with the connection. Trailers are passed over.

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Headers, MAX_HEAD, find_head_end};

/// Longest line with the size of a chunk.
const MAX_LINE: usize = 4096;

/// The framing of a body is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// A length that is no number, or several that differ.
    #[error("wrong Content-Length")]
    Length,
    /// A coding of the transfer other than `chunked`.
    #[error("unsupported Transfer-Encoding")]
    Coding,
    /// No size where a chunk should begin, or no line end behind one.
    #[error("broken chunk")]
    Chunk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are left.
    Length(u64),
    /// In front of a line with a chunk's size.
    Size,
    /// In a chunk, so many bytes are left.
    Chunk(u64),
    /// Behind a chunk.
    LineEnd,
    /// Behind the last chunk.
    Trailers,
    /// Up to the end of the connection.
    Open,
    Done,
}

/// Takes a body from what comes over a connection.
#[derive(Debug)]
pub struct BodyDecoder {
    state: State,
    length: Option<u64>,
}

impl BodyDecoder {
    /// The body of the answer to a GET request.
    ///
    /// # Errors
    /// The head does not say where the body ends, or says it twice.
    pub fn new(status: u16, headers: &Headers) -> Result<Self, BodyError> {
        if matches!(status, 100..=199 | 204 | 304) {
            return Ok(Self { state: State::Done, length: Some(0) });
        }
        // A coding outdoes a length.
        if let Some(coding) = headers.get("transfer-encoding") {
            return match coding.trim().to_ascii_lowercase().as_str() {
                "chunked" => Ok(Self { state: State::Size, length: None }),
                "identity" => Ok(Self { state: State::Open, length: None }),
                _ => Err(BodyError::Coding),
            };
        }
        let mut lengths = headers.get_all("content-length").map(str::trim);
        let Some(first) = lengths.next() else {
            return Ok(Self { state: State::Open, length: None });
        };
        let length = first.parse().map_err(|_| BodyError::Length)?;
        if lengths.any(|other| other != first) {
            return Err(BodyError::Length);
        }
        Ok(Self { state: State::Length(length), length: Some(length) }.settled())
    }

    /// The next bytes of the body, if some have come. What follows the body stays.
    ///
    /// # Errors
    /// A chunk that is none.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, BodyError> {
        loop {
            match self.state {
                State::Done => return Ok(None),
                State::Open if buffer.is_empty() => return Ok(None),
                State::Open => return Ok(Some(buffer.split().freeze())),
                State::Length(left) => {
                    let (bytes, left) = some_of(buffer, left);
                    self.state = if left == 0 { State::Done } else { State::Length(left) };
                    return Ok(bytes);
                }
                State::Chunk(left) => {
                    let (bytes, left) = some_of(buffer, left);
                    self.state = if left == 0 { State::LineEnd } else { State::Chunk(left) };
                    return Ok(bytes);
                }
                State::Size => {
                    let Some(line) = line(buffer)? else { return Ok(None) };
                    self.state = match size(&line)? {
                        0 => State::Trailers,
                        size => State::Chunk(size),
                    };
                }
                State::LineEnd => {
                    let Some(line) = line(buffer)? else { return Ok(None) };
                    if !line.is_empty() {
                        return Err(BodyError::Chunk);
                    }
                    self.state = State::Size;
                }
                State::Trailers => {
                    let end = match buffer.as_ref() {
                        [b'\n', ..] => Some(1),
                        [b'\r', b'\n', ..] => Some(2),
                        rest => find_head_end(rest, 0),
                    };
                    let Some(end) = end else {
                        let long = buffer.len() > MAX_HEAD;
                        return if long { Err(BodyError::Chunk) } else { Ok(None) };
                    };
                    buffer.advance(end);
                    self.state = State::Done;
                }
            }
        }
    }

    /// Whether the whole body was taken, so that another answer may follow.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether a body whose connection ended now is whole.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Done | State::Open)
    }

    /// Its length, if the head says it.
    pub const fn length(&self) -> Option<u64> {
        self.length
    }

    fn settled(mut self) -> Self {
        if self.state == State::Length(0) {
            self.state = State::Done;
        }
        self
    }
}

/// At most `left` bytes, and how many are left then.
fn some_of(buffer: &mut BytesMut, left: u64) -> (Option<Bytes>, u64) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
    if length == 0 {
        return (None, left);
    }
    (Some(buffer.split_to(length).freeze()), left - length as u64)
}

/// A line without its end.
fn line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, BodyError> {
    let Some(end) = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n') else {
        return if buffer.len() >= MAX_LINE { Err(BodyError::Chunk) } else { Ok(None) };
    };
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    Ok(Some(line))
}

/// The size of a chunk; extensions are left out.
fn size(line: &[u8]) -> Result<u64, BodyError> {
    let text = std::str::from_utf8(line).map_err(|_| BodyError::Chunk)?;
    let digits = text.split(';').next().unwrap_or_default().trim();
    if digits.is_empty() || digits.starts_with('+') {
        return Err(BodyError::Chunk);
    }
    u64::from_str_radix(digits, 16).map_err(|_| BodyError::Chunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        fields.iter().for_each(|(name, value)| headers.push(*name, *value));
        headers
    }

    /// The body, what is left behind it, and whether it was whole.
    fn read(
        fields: &[(&str, &str)],
        stream: &[u8],
        size: usize,
    ) -> Result<(Vec<u8>, usize, bool), BodyError> {
        let mut decoder = BodyDecoder::new(200, &headers(fields))?;
        let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
        for piece in stream.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(bytes) = decoder.take(&mut buffer)? {
                assert!(!bytes.is_empty());
                body.extend_from_slice(&bytes);
            }
        }
        Ok((body, buffer.len(), decoder.is_whole()))
    }

    const CHUNKED: &[(&str, &str)] = &[("Transfer-Encoding", "Chunked"), ("Content-Length", "3")];

    #[test]
    fn three_ways_to_end() {
        let chunks = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\nX: y\r\n\r\nHTTP";
        for size in [1, 2, 3, 7, 100] {
            assert_eq!(read(CHUNKED, chunks, size), Ok((b"Wikipedia".to_vec(), 4, true)));
            let plain = b"4\nWiki\n0\n\n";
            assert_eq!(read(CHUNKED, plain, size), Ok((b"Wiki".to_vec(), 0, true)));
            let length = read(&[("content-length", "3")], b"abcHTTP", size);
            assert_eq!(length, Ok((b"abc".to_vec(), 4, true)));
            assert_eq!(read(&[], b"abc", size), Ok((b"abc".to_vec(), 0, true)));
        }
        for at in 0..34 {
            let (body, left, whole) = read(CHUNKED, &chunks[..at], 100).unwrap();
            assert!(b"Wikipedia".starts_with(&body[..]) && !whole && left <= 10, "{at}");
        }
    }

    #[test]
    fn what_is_no_framing() {
        let length = |text: &str| read(&[("Content-Length", text)], b"", 1);
        for text in ["", "-1", "x", "99999999999999999999"] {
            assert_eq!(length(text), Err(BodyError::Length), "{text}");
        }
        let twice = [("Content-Length", "1"), ("Content-Length", "2")];
        assert_eq!(read(&twice, b"", 1), Err(BodyError::Length));
        assert_eq!(read(&[("Transfer-Encoding", "gzip, chunked")], b"", 1), Err(BodyError::Coding));
        for chunks in [&b"x\r\n"[..], b"\r\n", b"+1\r\n", b"1\r\nab", b"fffffffffffffffff\r\n"] {
            let chunks = [chunks, b"\r\n"].concat();
            assert_eq!(read(CHUNKED, &chunks, 1), Err(BodyError::Chunk), "{chunks:?}");
        }
        assert_eq!(read(CHUNKED, &[b'1'; MAX_LINE], 100), Err(BodyError::Chunk));
        let trailers = [&b"0\r\n"[..], &[b'x'; MAX_HEAD + 2]].concat();
        assert_eq!(read(CHUNKED, &trailers, 100), Err(BodyError::Chunk));
    }

    #[test]
    fn answers_without_a_body() {
        for status in [100, 204, 304] {
            assert!(BodyDecoder::new(status, &headers(&[])).unwrap().is_done());
        }
        let none = BodyDecoder::new(200, &headers(&[("Content-Length", "0")])).unwrap();
        assert!(none.is_done() && none.length() == Some(0));
    }
}
