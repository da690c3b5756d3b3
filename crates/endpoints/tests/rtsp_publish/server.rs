//! Scripted RTSP servers, and TLS in front of another one.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::certified;
use crate::lab::LIMIT;

pub(crate) struct Server {
    listener: TcpListener,
    pub(crate) address: String,
    touched: AtomicBool,
}

impl Server {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        Self { listener, address, touched: AtomicBool::new(false) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("rtsp://{}/{path}", self.address)
    }

    pub(crate) async fn accept(&self) -> Peer {
        let accepted = timeout(LIMIT, self.listener.accept()).await;
        self.touched.store(true, Ordering::Relaxed);
        Peer(accepted.expect("a connection in time").unwrap().0)
    }

    pub(crate) fn is_untouched(&self) -> bool {
        !self.touched.load(Ordering::Relaxed)
    }
}

/// Who publishes, as the server sees it.
pub(crate) struct Peer(TcpStream);

impl Peer {
    async fn byte(&mut self) -> Option<u8> {
        match timeout(LIMIT, self.0.read_u8()).await.expect("in time") {
            Ok(byte) => Some(byte),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The next message with its body, or packet; empty at the end of the connection.
    async fn message(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        let Some(first) = self.byte().await else { return message };
        message.push(first);
        if first == b'$' {
            let mut head = [0; 3];
            self.0.read_exact(&mut head).await.unwrap();
            message.extend(head);
            let mut packet = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            timeout(LIMIT, self.0.read_exact(&mut packet)).await.expect("in time").unwrap();
            message.extend(packet);
            return message;
        }
        while !message.ends_with(b"\r\n\r\n") {
            message.push(self.byte().await.expect("a whole message"));
        }
        let head = String::from_utf8(message.clone()).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        timeout(LIMIT, self.0.read_exact(&mut body)).await.expect("in time").unwrap();
        message.extend(body);
        message
    }

    pub(crate) async fn text_or_packet(&mut self) -> String {
        String::from_utf8_lossy(&self.message().await).into_owned()
    }

    /// The next text; empty at the end of the connection. Packets are passed over.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            let text = self.text_or_packet().await;
            if !text.starts_with('$') {
                return text;
            }
        }
    }

    /// The next packet with its channel. Texts are passed over.
    pub(crate) async fn packet(&mut self) -> (u8, Vec<u8>) {
        loop {
            let message = self.message().await;
            assert!(!message.is_empty(), "the connection is closed");
            if message[0] == b'$' {
                return (message[1], message[4..].to_vec());
            }
        }
    }

    /// The next request, which is of this kind; `None` at the end of the connection.
    pub(crate) async fn asked_perhaps(&mut self, method: &str) -> Option<String> {
        let text = self.text().await;
        assert!(text.is_empty() || text.starts_with(&format!("{method} ")), "{method}: {text}");
        Some(text).filter(|text| !text.is_empty())
    }

    pub(crate) async fn asked(&mut self, method: &str) -> String {
        self.asked_perhaps(method).await.unwrap_or_else(|| panic!("closed instead of {method}"))
    }

    pub(crate) async fn answer(&mut self, request: &str, status: &str, fields: &str) {
        let cseq = request.lines().find(|l| l.starts_with("CSeq: ")).unwrap();
        self.say(&format!("RTSP/1.0 {status}\r\n{cseq}\r\n{fields}\r\n")).await;
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads and forgets. Says how many bytes.
    pub(crate) async fn bytes(&mut self) -> usize {
        let mut buffer = [0; 4096];
        timeout(LIMIT, self.0.read(&mut buffer)).await.expect("in time").unwrap_or(0)
    }

    /// Takes what is published, with two tracks.
    pub(crate) async fn recording(mut self) -> Self {
        for method in ["OPTIONS", "ANNOUNCE", "SETUP", "SETUP", "RECORD"] {
            let request = self.asked(method).await;
            let fields = match method {
                "SETUP" => {
                    let transport = request.lines().find(|l| l.starts_with("Transport: ")).unwrap();
                    format!("Session: 4711\r\n{transport}\r\n")
                }
                _ => String::new(),
            };
            self.answer(&request, "200 OK", &fields).await;
        }
        self
    }
}

/// A port where TLS with a certificate that nobody vouches for is in front of another.
pub(crate) async fn protected(behind: u16) -> u16 {
    let acceptor = certified::acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (connection, _) = listener.accept().await.unwrap();
        let mut outer = acceptor.accept(connection).await.unwrap();
        let mut inner = TcpStream::connect(("127.0.0.1", behind)).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
    });
    port
}
