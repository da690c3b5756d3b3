//! The plainest RTSP client: over one connection, media not looked at.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(20);

/// A client that stays until it is dropped.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// Address of the stream.
    url: String,
    session: String,
    number: u32,
}

impl Client {
    fn open(port: u16, path: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let url = format!("rtsp://127.0.0.1:{port}/{path}");
        Self { stream: BufReader::new(stream), url, session: String::new(), number: 0 }
    }

    /// Announces a stream and begins to record, without sending media.
    pub(crate) fn record(port: u16, path: &str, sdp: &str) -> Self {
        let mut client = Self::open(port, path);
        let url = client.url.clone();
        client.request("ANNOUNCE", &url, "Content-Type: application/sdp\r\n", sdp);
        client.set_up(sdp, "mode=record;");
        client.request("RECORD", &url, "", "");
        client
    }

    /// Plays all tracks of a stream. What comes is read by nobody.
    pub(crate) fn play(port: u16, path: &str) -> Self {
        let mut client = Self::open(port, path);
        let url = client.url.clone();
        let sdp = client.request("DESCRIBE", &url, "Accept: application/sdp\r\n", "");
        client.set_up(&sdp, "");
        client.request("PLAY", &url, "", "");
        client
    }

    fn set_up(&mut self, sdp: &str, mode: &str) {
        let base = self.url.split('?').next().unwrap().to_owned();
        let tracks = sdp.lines().filter_map(|line| line.trim_end().strip_prefix("a=control:"));
        for (index, control) in tracks.enumerate() {
            let (rtp, rtcp) = (2 * index, 2 * index + 1);
            let transport =
                format!("Transport: RTP/AVP/TCP;unicast;{mode}interleaved={rtp}-{rtcp}\r\n");
            self.request("SETUP", &format!("{base}/{control}"), &transport, "");
        }
    }

    /// The body of the answer to a request.
    fn request(&mut self, method: &str, url: &str, headers: &str, body: &str) -> String {
        self.number += 1;
        let number = self.number;
        let mut head = format!("{method} {url} RTSP/1.0\r\nCSeq: {number}\r\n{headers}");
        if !self.session.is_empty() {
            head.push_str(&format!("Session: {}\r\n", self.session));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        self.stream.get_ref().write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("RTSP/1.0 200"), "{method} {url}: {line}");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            match name.to_ascii_lowercase().as_str() {
                "session" => {
                    value.trim().split(';').next().unwrap().clone_into(&mut self.session);
                }
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        String::from_utf8(body).unwrap()
    }
}
