//! RTSP messages (RFC 2326 sections 4 to 7 and 10.12) and how they are written.

use bytes::{BufMut, Bytes, BytesMut};
use rs2rtc_base::ErrorKind;
use rs2rtc_base::http::{HeadError, Headers};

/// Longest body that is accepted, in bytes.
pub const MAX_BODY: usize = 1024 * 1024;

/// Why bytes are not RTSP. Every one is fatal for the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The head is too long, has too many fields or a wrong first line.
    #[error("RTSP {0}")]
    Head(#[from] HeadError),
    /// `Content-Length` is not a number.
    #[error("RTSP wrong Content-Length")]
    ContentLength,
    /// The body is longer than [`MAX_BODY`].
    #[error("RTSP body too long")]
    BodyTooLong,
    /// Neither a message nor interleaved data, and the next one was not found.
    #[error("RTSP wrong input")]
    Garbage,
}

impl MessageError {
    /// Always `Protocol`.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Protocol
    }
}

impl From<MessageError> for rs2rtc_base::Error {
    fn from(error: MessageError) -> Self {
        Self::new(error.kind(), error.to_string())
    }
}

/// Request methods (RFC 2326 section 10).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Options,
    Describe,
    Announce,
    Setup,
    Play,
    Pause,
    Record,
    Teardown,
    GetParameter,
    SetParameter,
    Redirect,
    /// Any other, as sent.
    Other(String),
}

impl Method {
    /// By its name, which is case-sensitive.
    pub fn parse(name: &str) -> Self {
        match name {
            "OPTIONS" => Self::Options,
            "DESCRIBE" => Self::Describe,
            "ANNOUNCE" => Self::Announce,
            "SETUP" => Self::Setup,
            "PLAY" => Self::Play,
            "PAUSE" => Self::Pause,
            "RECORD" => Self::Record,
            "TEARDOWN" => Self::Teardown,
            "GET_PARAMETER" => Self::GetParameter,
            "SET_PARAMETER" => Self::SetParameter,
            "REDIRECT" => Self::Redirect,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Options => "OPTIONS",
            Self::Describe => "DESCRIBE",
            Self::Announce => "ANNOUNCE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Pause => "PAUSE",
            Self::Record => "RECORD",
            Self::Teardown => "TEARDOWN",
            Self::GetParameter => "GET_PARAMETER",
            Self::SetParameter => "SET_PARAMETER",
            Self::Redirect => "REDIRECT",
            Self::Other(name) => name,
        }
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub method: Method,
    /// Absolute URL or `*`, as sent.
    pub url: String,
    /// Header fields; `Content-Length` is written from the body.
    pub headers: Headers,
    /// May be empty.
    pub body: Bytes,
}

impl Request {
    /// Without fields and body.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self { method, url: url.into(), headers: Headers::new(), body: Bytes::new() }
    }

    /// The same with a field more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The bytes on the wire.
    pub fn write(&self) -> Bytes {
        let url: String = self.url.chars().filter(|c| !c.is_ascii_control()).collect();
        let url = if url.trim().is_empty() { "*" } else { url.as_str() };
        write(&format!("{} {url} RTSP/1.0", self.method), &self.headers, &self.body)
    }
}

/// An answer of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 999.
    pub code: u16,
    /// Reason phrase, may be empty.
    pub reason: String,
    /// Header fields; `Content-Length` is written from the body.
    pub headers: Headers,
    /// May be empty.
    pub body: Bytes,
}

impl Response {
    /// With the usual reason of the code.
    pub fn new(code: u16) -> Self {
        Self::with_reason(code, reason(code))
    }

    /// With a reason.
    pub fn with_reason(code: u16, reason: &str) -> Self {
        Self { code, reason: reason.to_owned(), headers: Headers::new(), body: Bytes::new() }
    }

    /// The same with a field more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push(name, value);
        self
    }

    /// The bytes on the wire.
    pub fn write(&self) -> Bytes {
        let reason: String = self.reason.chars().filter(|c| !c.is_ascii_control()).collect();
        write(&format!("RTSP/1.0 {} {reason}", self.code), &self.headers, &self.body)
    }
}

/// A packet inside the RTSP connection (RFC 2326 section 10.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interleaved {
    /// Which stream; even is RTP, odd is RTCP by custom.
    pub channel: u8,
    /// The packet, a slice of the receive buffer.
    pub payload: Bytes,
}

/// Whatever comes over the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Message {
    Request(Request),
    Response(Response),
    Interleaved(Interleaved),
}

/// Header of an interleaved packet: to be sent just before its payload.
/// `None` if the payload is longer than 65535 bytes.
pub fn interleaved_header(channel: u8, length: usize) -> Option<[u8; 4]> {
    let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
    Some([b'$', channel, high, low])
}

/// An interleaved packet with its header. `None` if it is longer than 65535 bytes.
pub fn write_interleaved(channel: u8, payload: &[u8]) -> Option<Bytes> {
    let header = interleaved_header(channel, payload.len())?;
    let mut out = BytesMut::with_capacity(header.len() + payload.len());
    out.put_slice(&header);
    out.put_slice(payload);
    Some(out.freeze())
}

/// Usual reason phrase of a status code (RFC 2326 section 7.1.1).
pub const fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        415 => "Unsupported Media Type",
        453 => "Not Enough Bandwidth",
        454 => "Session Not Found",
        455 => "Method Not Valid In This State",
        461 => "Unsupported transport",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "RTSP Version not supported",
        551 => "Option not supported",
        _ => "",
    }
}

fn write(start: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(256 + body.len());
    out.extend_from_slice(start.trim_end().as_bytes());
    out.extend_from_slice(b"\r\n");
    headers.write(&mut out);
    if !body.is_empty() && headers.get("Content-Length").is_none() {
        out.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
    out.into()
}
