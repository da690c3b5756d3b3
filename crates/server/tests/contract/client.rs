//! The plainest clients: one HTTP request, one WebSocket.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer without an end is read so far.
const ENOUGH: usize = 16 * 1024;
/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// `None`: the connection ended without an answer.
    pub(crate) status: Option<u16>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends a request and reads the whole answer, or enough of one without an end.
pub(crate) fn request(
    to: SocketAddr,
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Answer {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut head = format!("{method} {} HTTP/1.1\r\n", escaped(url));
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str(&format!("Host: {to}\r\n"));
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    (&stream).write_all(head.as_bytes()).unwrap();
    let _ = (&stream).write_all(body);
    read(&mut BufReader::new(stream), method == "HEAD")
}

/// What a browser would escape.
fn escaped(url: &str) -> String {
    url.replace(' ', "%20")
}

fn read(from: &mut BufReader<TcpStream>, is_head: bool) -> Answer {
    let mut answer = Answer::default();
    let mut line = String::new();
    if from.read_line(&mut line).unwrap_or(0) == 0 {
        return answer;
    }
    answer.status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
    loop {
        line.clear();
        from.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        answer.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    if is_head || matches!(answer.status, Some(101 | 204 | 304)) {
        return answer;
    }
    let chunked = answer.headers.get("transfer-encoding").is_some_and(|v| v == "chunked");
    if chunked {
        loop {
            line.clear();
            from.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            from.read_exact(&mut chunk).unwrap();
            if size == 0 {
                return answer;
            }
            answer.body.extend_from_slice(&chunk[..size]);
            if answer.body.len() > ENOUGH {
                return answer;
            }
        }
    }
    match answer.headers.get("content-length").and_then(|v| v.parse().ok()) {
        Some(len) => {
            answer.body = vec![0; len];
            from.read_exact(&mut answer.body).unwrap();
        }
        None => {
            let _ = from.read_to_end(&mut answer.body);
        }
    }
    answer
}

/// What a WebSocket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Pong,
    /// A close frame.
    Close,
    /// The connection ended.
    End,
    /// Nothing in time.
    Silence,
}

/// A WebSocket whose masks are zeros.
pub(crate) struct Socket {
    stream: BufReader<TcpStream>,
}

impl Socket {
    /// Opens one; the answer if it is refused.
    pub(crate) fn open(
        to: SocketAddr,
        url: &str,
        headers: &[(String, String)],
    ) -> Result<Self, Answer> {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut head = format!("GET {} HTTP/1.1\r\nHost: {to}\r\n", escaped(url));
        head.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        head.push_str("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        (&stream).write_all(head.as_bytes()).unwrap();
        let mut stream = BufReader::new(stream);
        let answer = read(&mut stream, false);
        match answer.status {
            Some(101) => Ok(Self { stream }),
            _ => Err(answer),
        }
    }

    pub(crate) fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | u8::try_from(len).unwrap()),
            len => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        let _ = self.stream.get_ref().write_all(&frame);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.send(1, text.as_bytes());
    }

    /// Whether the server has read everything sent so far: a pong says so.
    pub(crate) fn ping(&mut self) {
        self.send(9, b"x");
    }

    /// The next frame, waited for at most so long.
    pub(crate) fn next(&mut self, limit: Duration) -> Frame {
        self.stream.get_ref().set_read_timeout(Some(limit)).unwrap();
        let mut head = [0; 2];
        match self.stream.read_exact(&mut head) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Frame::Silence,
            Err(_) => return Frame::End,
        }
        self.stream.get_ref().set_read_timeout(Some(LIMIT)).unwrap();
        let mut len = usize::from(head[1] & 0x7f);
        if len == 126 {
            let mut wide = [0; 2];
            self.stream.read_exact(&mut wide).unwrap();
            len = usize::from(u16::from_be_bytes(wide));
        } else if len == 127 {
            let mut wide = [0; 8];
            self.stream.read_exact(&mut wide).unwrap();
            len = usize::try_from(u64::from_be_bytes(wide)).unwrap();
        }
        let mut payload = vec![0; len];
        self.stream.read_exact(&mut payload).unwrap();
        match head[0] & 0x0f {
            1 => Frame::Text(String::from_utf8(payload).unwrap()),
            2 => Frame::Binary(payload),
            8 => Frame::Close,
            9 => {
                self.send(10, &payload);
                self.next(limit)
            }
            10 => Frame::Pong,
            other => panic!("frame of unknown kind {other}"),
        }
    }
}
