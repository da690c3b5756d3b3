//! An answer and its body.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rs2rtc_base::http::{BodyDecoder, Headers};
use rs2rtc_base::{Error, ErrorKind, Url};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::{Kept, READ, lost, protocol};

/// A good answer.
#[derive(Debug)]
pub struct Answer {
    /// 200, or 206 for a part.
    pub status: u16,
    /// Its head.
    pub headers: Headers,
    /// Where it came from in the end.
    pub url: Url,
    /// What follows.
    pub body: Body,
}

impl Answer {
    pub(super) fn new(
        status: u16,
        headers: Headers,
        url: Url,
        connection: Kept,
        silence: Duration,
    ) -> Result<Self, Error> {
        let decoder = BodyDecoder::new(status, &headers).map_err(|e| protocol(&e.to_string()))?;
        let closes = headers.get("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
        let keep = !closes;
        let body = Body { connection, decoder, silence, keep, peeked: Bytes::new() };
        Ok(Self { status, headers, url, body })
    }

    /// Its media type in lower case, without parameters; empty if it names none.
    pub fn media_type(&self) -> String {
        let value = self.headers.get("content-type").unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct Body {
    connection: Kept,
    decoder: BodyDecoder,
    silence: Duration,
    /// The connection may serve another request afterwards.
    keep: bool,
    /// Put back to be read again.
    peeked: Bytes,
}

impl Body {
    /// The next bytes; nothing at the end. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Ended` if the connection breaks or is silent for too long, `Protocol` if
    /// what comes is no body.
    pub async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        if !self.peeked.is_empty() {
            return Ok(Some(std::mem::take(&mut self.peeked)));
        }
        loop {
            let input = &mut self.connection.input;
            let taken = self.decoder.take(input).map_err(|e| protocol(&e.to_string()))?;
            if taken.is_some() || self.decoder.is_done() {
                return Ok(taken);
            }
            input.reserve(READ);
            let read = timeout(self.silence, self.connection.stream.read_buf(input)).await;
            let read = read.map_err(|_| {
                let text = format!("no data for {} s", self.silence.as_secs());
                Error::new(ErrorKind::Ended, text)
            })?;
            match read {
                Ok(0) if self.decoder.is_whole() => {
                    self.keep = false;
                    return Ok(None);
                }
                Ok(0) => {
                    let text = "the connection ended in the middle";
                    return Err(Error::new(ErrorKind::Ended, text));
                }
                Ok(_) => {}
                // Some TLS servers end without saying so.
                Err(e)
                    if e.kind() == std::io::ErrorKind::UnexpectedEof && self.decoder.is_whole() =>
                {
                    self.keep = false;
                    return Ok(None);
                }
                Err(e) => return Err(lost(e)),
            }
        }
    }

    /// Puts bytes back in front: the next [`Self::read`] gives them.
    pub fn unread(&mut self, bytes: Bytes) {
        self.peeked = bytes;
    }

    /// All of it within the time that it may be silent: of something small, which a server
    /// could send a byte at a time for ever.
    ///
    /// # Errors
    /// As [`Self::read_all`]; `Ended` if it is not whole in time.
    pub async fn read_soon(&mut self, limit: usize) -> Result<Bytes, Error> {
        let within = self.silence;
        timeout(within, self.read_all(limit)).await.unwrap_or_else(|_| {
            let text = format!("the answer is not whole within {} s", within.as_secs());
            Err(Error::new(ErrorKind::Ended, text))
        })
    }

    /// All of it.
    ///
    /// # Errors
    /// As [`Self::read`]; `Protocol` if it has more than `limit` bytes.
    pub async fn read_all(&mut self, limit: usize) -> Result<Bytes, Error> {
        let mut all = BytesMut::new();
        while let Some(bytes) = self.read().await? {
            if all.len() + bytes.len() > limit {
                return Err(protocol(&format!("the answer has more than {limit} bytes")));
            }
            all.extend_from_slice(&bytes);
        }
        Ok(all.freeze())
    }

    /// Its length in bytes, if the head says it.
    pub const fn length(&self) -> Option<u64> {
        self.decoder.length()
    }

    /// Where it comes from, as `address:port`.
    pub fn remote_addr(&self) -> String {
        self.connection.stream.remote_addr()
    }

    pub(super) fn into_kept(self) -> Option<Kept> {
        (self.keep && self.decoder.is_done()).then_some(self.connection)
    }
}
