//! A client of `api/ws` (RFC 6455), with masks of zeros.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use super::harness::{LIMIT, Server};

/// An open socket. Dropping it closes the connection without a goodbye.
pub(crate) struct Socket(TcpStream);

impl Socket {
    pub(crate) fn open(server: &Server, src: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.ports.api)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let request = format!(
            "GET /api/ws?src={src} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"));
        Self(stream)
    }

    pub(crate) fn say(&mut self, text: &str) {
        let len = u16::try_from(text.len()).unwrap().to_be_bytes();
        let mut frame = vec![0x81, 0x80 | 126, len[0], len[1], 0, 0, 0, 0];
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).unwrap();
    }

    /// The next text; pings and media are passed over.
    pub(crate) fn hear(&mut self) -> String {
        loop {
            if let (0x81, text) = self.frame() {
                return String::from_utf8(text).unwrap();
            }
        }
    }

    /// The next message of media; everything else is passed over.
    pub(crate) fn media(&mut self) -> Vec<u8> {
        loop {
            if let (0x82, bytes) = self.frame() {
                return bytes;
            }
        }
    }

    /// First byte and payload of the next frame; a ping is answered.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let more = match head[1] {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mut long = [0; 8];
        self.0.read_exact(&mut long[8 - more..]).unwrap();
        let length = if more == 0 { head[1].into() } else { u64::from_be_bytes(long) };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        if head[0] == 0x89 {
            let pong = [&[0x8a, 0x80 | head[1], 0, 0, 0, 0], payload.as_slice()].concat();
            self.0.write_all(&pong).unwrap();
        }
        (head[0], payload)
    }

    pub(crate) fn half_close(&self) {
        self.0.shutdown(Shutdown::Write).unwrap();
    }
}
