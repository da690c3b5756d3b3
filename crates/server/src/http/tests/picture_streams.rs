//! `/api/stream.mjpeg`, `.ascii` and `.y4m`, and `mjpeg` over the WebSocket, over real
//! connections.

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::pictures::{STREAMS, size, state};
use super::players::soon;
use super::{Server, frame, open_socket_to, read_text};

/// A client of an answer without an end.
struct Watcher(BufReader<TcpStream>);

impl Watcher {
    /// Opens it; gives the head of the answer too.
    async fn open(server: &Server, path: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut watcher = Self(BufReader::new(stream));
        let mut head = String::new();
        while soon(path, watcher.0.read_line(&mut head)).await.unwrap() > 2 {}
        (watcher, head.to_ascii_lowercase())
    }

    /// The next chunk (RFC 9112 7.1).
    async fn chunk(&mut self) -> Vec<u8> {
        let mut line = String::new();
        soon("a chunk", self.0.read_line(&mut line)).await.unwrap();
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        soon("its bytes", self.0.read_exact(&mut chunk)).await.unwrap();
        chunk.truncate(size);
        chunk
    }

    /// A part with an image of the test's size.
    async fn part(&mut self) {
        let head = String::from_utf8(self.chunk().await).unwrap();
        let image = self.chunk().await;
        let wanted = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ";
        assert_eq!(head, format!("{wanted}{}\r\n\r\n", image.len()));
        assert_eq!(size(&image), (320, 240));
        assert_eq!(self.chunk().await, b"\r\n");
    }
}

async fn until_nobody_watches(server: &Server, name: &str) {
    let stream = server.streams.get(name).unwrap();
    let gone = async {
        loop {
            let last = stream.events().last();
            if stream.viewers() == 0 && !stream.is_open() {
                return;
            }
            stream.events().changed(last).await;
        }
    };
    soon("the end of the viewer", gone).await;
}

#[tokio::test]
async fn moving_pictures_go_on_until_the_client_leaves() {
    let server = Server::start("mjpeg", STREAMS);
    let (mut watcher, head) = Watcher::open(&server, "/api/stream.mjpeg?src=jpeg").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for line in [
        "content-type: multipart/x-mixed-replace; boundary=frame",
        "cache-control: no-cache",
        "connection: close",
        "pragma: no-cache",
    ] {
        assert!(head.lines().any(|l| l == line), "{line}: {head}");
    }
    for _ in 0..3 {
        watcher.part().await;
    }
    let consumer = &state(&server, "jpeg").await["consumers"][0];
    assert_eq!(consumer["format_name"], "mjpeg");
    assert_eq!(consumer["medias"], json!(["video, sendonly, JPEG, RAW"]));
    assert!(consumer["senders"][0]["packets"].as_u64() >= Some(3), "{consumer}");
    drop(watcher);
    until_nobody_watches(&server, "jpeg").await;

    // Of a camera that sends H.264 too; it is that which the list shows as its source.
    let (mut watcher, head) = Watcher::open(&server, "/api/stream.mjpeg?src=demo").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for _ in 0..3 {
        watcher.part().await;
    }
    let consumer = &state(&server, "demo").await["consumers"][0];
    assert_eq!(consumer["senders"][0]["codec"]["codec_name"], "mjpeg", "{consumer}");
    assert!(consumer["senders"][0]["packets"].as_u64() >= Some(3), "{consumer}");
    drop(watcher);
    until_nobody_watches(&server, "demo").await;

    let path = "/api/stream.ascii?src=jpeg&text=block&color=8";
    let (mut watcher, head) = Watcher::open(&server, path).await;
    assert!(head.contains("content-type: text/plain; charset=utf-8"), "{head}");
    assert_eq!(watcher.chunk().await, b"\x1b[2J");
    for _ in 0..2 {
        let text = String::from_utf8(watcher.chunk().await).unwrap();
        assert!(text.starts_with("\x1b[H\x1b[3") && text.ends_with("\x1b[0m"));
        assert_eq!(text.lines().count(), 241);
    }
    drop(watcher);
    until_nobody_watches(&server, "jpeg").await;
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_move_is_said() {
    let server = Server::start("mjpeg-errors", STREAMS);
    for path in ["stream.mjpeg", "stream.ascii", "stream.y4m"] {
        let answer = server.call("GET", &format!("/api/{path}?src=nosuch")).await;
        answer.is(404, "stream not found\n");
        // H.264 becomes all of them but uncompressed pictures.
        let (name, text) = match path {
            "stream.y4m" => {
                ("demo", "streams: codecs not matched: video:H264, audio:OPUS => video:RAW")
            }
            _ => ("broken", "streams: "),
        };
        let answer = server.call("GET", &format!("/api/{path}?src={name}")).await;
        assert_eq!(answer.status, 500);
        assert!(answer.body.starts_with(text), "{}", answer.body);
        assert!(!answer.body.contains("secret"), "{}", answer.body);
        until_nobody_watches(&server, name).await;
        // Nothing is opened for a head.
        assert_eq!(server.call("HEAD", &format!("/api/{path}?src=jpeg")).await.status, 200);
        assert_eq!(state(&server, "jpeg").await["consumers"], json!(null), "nobody ever came");
        assert_eq!(server.call("PUT", &format!("/api/{path}?src=jpeg")).await.status, 405);
    }
    server.stop().await;
}

/// The next message of a socket, which is a picture (RFC 6455 5.2).
async fn picture(socket: &mut TcpStream) -> Vec<u8> {
    let head = soon("a picture", socket.read_u16()).await.unwrap();
    assert_eq!(head >> 8, 0x82, "not a binary frame");
    let size = match head & 0x7F {
        126 => u64::from(socket.read_u16().await.unwrap()),
        127 => socket.read_u64().await.unwrap(),
        size => u64::from(size),
    };
    let mut picture = vec![0; usize::try_from(size).unwrap()];
    soon("its bytes", socket.read_exact(&mut picture)).await.unwrap();
    picture
}

#[tokio::test]
async fn pictures_go_over_the_socket_too() {
    let server = Server::start("ws-mjpeg", STREAMS);
    let (status, mut socket) = open_socket_to(&server, "jpeg", "").await;
    assert_eq!(status, 101);
    socket.write_all(&frame(r#"{"type":"mjpeg"}"#)).await.unwrap();
    assert_eq!(soon("the answer", read_text(&mut socket)).await, "{\"type\":\"mjpeg\"}\n");
    for _ in 0..3 {
        assert_eq!(size(&picture(&mut socket).await), (320, 240));
    }
    let consumer = &state(&server, "jpeg").await["consumers"][0];
    assert_eq!((&consumer["format_name"], &consumer["protocol"]), (&json!("mjpeg"), &json!("ws")));
    socket.write_all(&frame(r#"{"type":"stop","value":"mjpeg"}"#)).await.unwrap();
    until_nobody_watches(&server, "jpeg").await;

    // The end of the socket ends it as well.
    let (_, mut socket) = open_socket_to(&server, "jpeg", "").await;
    socket.write_all(&frame(r#"{"type":"mjpeg"}"#)).await.unwrap();
    soon("the answer", read_text(&mut socket)).await;
    picture(&mut socket).await;
    drop(socket);
    until_nobody_watches(&server, "jpeg").await;

    let (_, mut socket) = open_socket_to(&server, "demo", "").await;
    socket.write_all(&frame(r#"{"type":"mjpeg"}"#)).await.unwrap();
    assert_eq!(soon("the answer", read_text(&mut socket)).await, "{\"type\":\"mjpeg\"}\n");
    for _ in 0..3 {
        assert_eq!(size(&picture(&mut socket).await), (320, 240));
    }
    drop(socket);
    until_nobody_watches(&server, "demo").await;

    let (_, mut socket) = open_socket_to(&server, "broken", "").await;
    socket.write_all(&frame(r#"{"type":"mjpeg"}"#)).await.unwrap();
    let text = soon("the answer", read_text(&mut socket)).await;
    assert!(text.contains("mjpeg: streams: ") && !text.contains("secret"), "{text}");
    server.stop().await;
}
