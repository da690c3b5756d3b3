//! Endless answers: what they send, and that their end lets go of the camera at
//! once.

use std::time::Duration;

use rs2rtc_streams::events::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Server;

const DEMO: &str = "streams:\n  demo: 'demo:'\n  mute: 'demo:?audio=none'\n";
const LIMIT: Duration = Duration::from_secs(20);

/// A client of an endless answer.
struct Client {
    stream: TcpStream,
    head: String,
}

impl Client {
    async fn get(server: &Server, path: &str, behind: &str) -> Self {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n{behind}", server.addr);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        Self { stream, head: String::from_utf8(head).unwrap() }
    }

    /// Takes so many bytes.
    async fn take(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(LIMIT, self.stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }
}

/// The first event behind one that is wanted, waiting for it.
async fn event<T>(server: &Server, after: u64, wanted: impl Fn(&Event) -> Option<T>) -> T {
    let events = server.streams.events();
    let found = async {
        let mut seq = after;
        loop {
            for record in events.since(seq).records {
                seq = record.seq;
                if let Some(found) = wanted(&record.event) {
                    return found;
                }
            }
            events.changed(seq).await;
        }
    };
    timeout(LIMIT, found).await.unwrap()
}

/// Why the next viewer leaves, waiting for it.
pub(super) async fn left(server: &Server, after: u64) -> (String, String) {
    let wanted = |event: &Event| match event {
        Event::ViewerLeft { format, reason, .. } => Some((format.clone(), reason.to_string())),
        _ => None,
    };
    event(server, after, wanted).await
}

/// Why the next viewer lets go of the camera for now, waiting for it.
pub(super) async fn parked(server: &Server, after: u64) -> String {
    let wanted = |event: &Event| match event {
        Event::ViewerParked { reason, .. } => Some(reason.to_string()),
        _ => None,
    };
    event(server, after, wanted).await
}

/// Waits until the camera is free.
pub(super) async fn released(server: &Server, after: u64) {
    let wanted = |event: &Event| matches!(event, Event::SourceReleased { .. }).then_some(());
    event(server, after, wanted).await;
}

#[tokio::test]
async fn the_end_of_a_client_frees_the_camera() {
    let server = Server::start("outputs", DEMO);
    // What some clients send behind their request hides nothing.
    for behind in ["", "x", "GET /api HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let before = server.streams.events().last();
        let mut client = Client::get(&server, "/api/stream.ts?src=demo", behind).await;
        assert!(client.head.starts_with("HTTP/1.1 200 OK\r\n"), "{}", client.head);
        assert!(client.head.contains("content-type: video/mp2t\r\n"), "{}", client.head);
        client.take(2000).await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(left(&server, before).await, ("mpegts".into(), "tcp_fin".into()), "{behind}");
        released(&server, before).await;
        let before = server.streams.events().last();
        let client = Client::get(&server, "/api/stream.ts?src=demo", behind).await;
        rs2rtc_endpoints::io::tcp::reset_when_closed(&client.stream);
        drop(client);
        assert_eq!(left(&server, before).await, ("mpegts".into(), "tcp_rst".into()), "{behind}");
        released(&server, before).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_viewer_that_is_sent_away_is_told_by_the_end() {
    let server = Server::start("outputs-kick", DEMO);
    let before = server.streams.events().last();
    let mut client = Client::get(&server, "/api/stream.ts?src=demo", "").await;
    client.take(1000).await;
    let stream = server.streams.get("demo").unwrap();
    let viewers = stream.snapshot().consumers.unwrap();
    assert_eq!(viewers[0].description.format_name, "mpegts");
    assert!(stream.kick(viewers[0].id, "enough"));
    let mut rest = Vec::new();
    timeout(LIMIT, client.stream.read_to_end(&mut rest)).await.unwrap().unwrap_or_default();
    assert_eq!(left(&server, before).await.1, "admin");
    server.stop().await;
}

#[tokio::test]
async fn answers_without_a_viewer() {
    let server = Server::start("outputs-none", DEMO);
    for name in ["ts", "flv", "aac", "wav", "h264", "hevc"] {
        let path = format!("/api/stream.{name}");
        server.call("GET", &format!("{path}?src=nosuch")).await.is(404, "stream not found\n");
        let before = server.streams.events().last();
        server.call("HEAD", &format!("{path}?src=demo")).await.is(200, "");
        assert_eq!(server.streams.events().last(), before, "nobody came");
    }
    let none = server.call("GET", "/api/stream.aac?src=mute").await;
    assert_eq!(none.status, 500);
    assert!(none.body.starts_with("streams: codecs not matched: "), "{}", none.body);
    server.stop().await;
}

/// The other containers: their first bytes, and that they go on.
#[tokio::test]
async fn containers_begin_as_they_must() {
    let server = Server::start("outputs-kinds", "streams:\n  demo: 'demo:?audio=pcmu'\n");
    for (name, content_type, first) in [
        ("flv", "video/x-flv", &b"FLV\x01"[..]),
        ("wav", "audio/wav", b"RIFF\xff\xff\xff\xffWAVEfmt "),
        ("h264", "application/octet-stream", b"\0\0\0\x01\x67"),
        ("ts", "video/mp2t", b"\x47\x40\0"),
    ] {
        let mut client = Client::get(&server, &format!("/api/stream.{name}?src=demo"), "").await;
        let content_type = format!("content-type: {content_type}\r\n");
        assert!(client.head.contains(&content_type), "{}", client.head);
        // The first line is the length of the first chunk.
        let bytes = client.take(3000).await;
        let line = bytes.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
        assert!(bytes[line..].starts_with(first), "{name}: {:?}", &bytes[..64]);
    }
    server.stop().await;
}

/// A value that is no number, or out of its range, is refused at once with the name of the
/// parameter, the value and what is allowed. Nothing is dialled for it.
#[tokio::test]
async fn odd_numbers_are_refused_in_words() {
    let server = Server::start("odd-numbers", "streams:\n  cam: 'demo:'\n");
    let whole = "a whole number from";
    let pixels = "a whole number from 1 to 4096";
    let turns = "one of 0, 90, 180, 270";
    let ratio = "a ratio such as 4:3, of whole numbers from 1 to 4294967295";
    let length = "a duration such as 10s or 500ms, at most";
    let huge = "9".repeat(400);
    let table = [
        (
            "/api/stream.mp4",
            "duration",
            &["abc", "-1", "0", "1.5", "1e9", "NaN", "604801"][..],
            whole,
        ),
        ("/api/stream.mp4", "rotate", &["45", "-90", "x", "360", "NaN", "1e2"], turns),
        ("/api/stream.mp4", "scale", &["0:0", "4", "4:", "-4:3", "4:3:1", "NaN:1", "1e3:1"], ratio),
        ("/api/stream.mp4", "burst", &["2", "-1", "x"], "1 or 0"),
        ("/api/frame.mp4", "rotate", &["45", "x"], turns),
        ("/api/frame.mp4", "scale", &["0:1", "1:0"], ratio),
        ("/api/frame.mp4", "wake", &["2"], "1 or 0"),
        ("/api/frame.jpeg", "width", &["-1", "0", "abc", "4097", "NaN", "1e2", "99999999"], pixels),
        ("/api/frame.jpeg", "w", &["99999999", "-1"], pixels),
        ("/api/frame.jpeg", "height", &["-1", "0"], pixels),
        ("/api/frame.jpeg", "h", &["4097"], pixels),
        ("/api/frame.jpeg", "rotate", &["45", "x", "-91"], "one of 0, 90, 180, 270, -90"),
        ("/api/frame.jpeg", "quality", &["1000", "0", "-1", "x"], "a whole number from 1 to 100"),
        (
            "/api/frame.jpeg",
            "cache",
            &["-1", "1e999", "NaN", "inf", "x", "2d", "5 parsecs"],
            length,
        ),
        ("/api/frame.jpeg", "wake", &["x"], "1 or 0"),
        ("/api/rs/poster", "w", &["0", "4097", "x"], pixels),
        ("/api/rs/poster", "quality", &["101"], "a whole number from 1 to 100"),
        ("/api/rs/clip.mp4", "before", &["1e999", "-1", "NaN", "x", "301"], length),
        ("/api/rs/clip.mp4", "after", &["1e999", "-1s", "inf", "x", "1d"], length),
        ("/api/hls/init.mp4", "n", &["x", "-1", "NaN"], "a whole number"),
        ("/api/hls/segment.ts", "n", &["x", "-1", "1e3"], "a whole number"),
        ("/api/hls/segment.m4s", "part", &["x", "-1"], "a whole number"),
    ];
    for (path, name, values, allowed) in table {
        // The second time what is a number, but of no machine.
        for value in values.iter().copied().chain(["-9223372036854775809", huge.as_str()]) {
            let path = format!("{path}?src=cam&{name}={}", value.replace(' ', "%20"));
            let answer = timeout(LIMIT, server.call("GET", &path)).await.unwrap();
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
            let shown: String = value.chars().take(40).collect();
            let said = &answer.body;
            assert!(said.contains(&format!("{name}: \"{shown}")), "{path}: {said}");
            assert!(said.contains(allowed) && said.len() < 200, "{path}: {said}");
        }
    }
    let stream = server.streams.get("cam").unwrap().snapshot();
    assert!(stream.consumers.is_none_or(|consumers| consumers.is_empty()));
    // An empty one is none.
    let path = "/api/stream.mp4?src=cam&duration=&rotate=&scale=&burst=0&filename=";
    assert_eq!(server.call("HEAD", path).await.status, 200);
    let path = "/api/frame.jpeg?src=cam&w=&width=&h=&rotate=&quality=&cache=";
    assert_eq!(server.call("HEAD", path).await.status, 200);
    server.stop().await;
}
