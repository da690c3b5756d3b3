//! `/api/frame.jpeg` and `/api/rs/poster` over a real connection.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::Server;
use super::players::soon;

pub(super) const STREAMS: &str = "streams:\n  demo: 'demo:?width=320&height=240'\n  jpeg: 'demo:?video=mjpeg&width=320&height=240'\n  \
     bell: {url: 'demo:?width=320&height=240', wake: viewer}\n  broken: rtsp://user:secret@127.0.0.1:1/none\n";

/// Head and body of an answer.
async fn fetch(server: &Server, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // The answer closes the connection, as the contract says.
    soon(path, stream.read_to_end(&mut bytes)).await.unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
    (head, bytes[end + 4..].to_vec())
}

/// Width and height of a JPEG image (ITU-T T.81 B.2.2).
pub(super) fn size(image: &[u8]) -> (u16, u16) {
    assert!(image.starts_with(&[0xff, 0xd8]) && image.ends_with(&[0xff, 0xd9]));
    let at = image.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let number = |at: usize| u16::from_be_bytes([image[at], image[at + 1]]);
    (number(at + 7), number(at + 5))
}

pub(super) async fn state(server: &Server, name: &str) -> Value {
    let body = server.call("GET", &format!("/api/streams?src={name}")).await.body;
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_picture_has_the_headers_and_forms_of_the_contract() {
    let server = Server::start("frame", STREAMS);
    for name in ["demo", "jpeg"] {
        let (head, image) = fetch(&server, &format!("/api/frame.jpeg?src={name}")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        for line in [
            "content-type: image/jpeg",
            "cache-control: no-cache",
            "connection: close",
            "pragma: no-cache",
        ] {
            assert!(head.lines().any(|l| l == line), "{line}: {head}");
        }
        // It was made for this answer.
        let age = head.lines().find_map(|line| line.strip_prefix("age: ")).unwrap();
        assert!(age.parse::<u64>().unwrap() < 20, "{head}");
        assert!(head.contains(&format!("content-length: {}", image.len())), "{head}");
        assert_eq!(size(&image), (320, 240));
        let path = format!("/api/frame.jpeg?src={name}&w=160&rotate=90&quality=40");
        assert_eq!(size(&fetch(&server, &path).await.1), (120, 160));
        // Nothing stays of those who asked.
        assert_eq!(state(&server, name).await["consumers"], json!([]));
    }
    let head = server.call("HEAD", "/api/frame.jpeg?src=demo").await;
    assert_eq!((head.status, head.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(server.call("POST", "/api/frame.jpeg?src=demo").await.status, 405);
    server.call("GET", "/api/frame.jpeg?src=nosuch").await.is(404, "stream not found\n");
    server.call("GET", "/api/frame.jpeg").await.is(404, "stream not found\n");
    server
        .call("GET", "/api/frame.jpeg?src=foo:bar")
        .await
        .is(400, "streams: source not supported\n");
    assert_eq!(server.call("GET", "/api/frame.jpeg?src=demo&rotate=45").await.status, 400);
    let broken = server.call("GET", "/api/frame.jpeg?src=broken").await;
    assert_eq!(broken.status, 500);
    assert!(
        broken.body.starts_with("streams: ") && !broken.body.contains("secret"),
        "{}",
        broken.body
    );
    server.stop().await;
}

#[tokio::test]
async fn an_address_becomes_a_stream() {
    let server = Server::start("frame-url", "api:\n  listen: 127.0.0.1:0\n");
    for (width, query, name) in [(160, "", ""), (200, "&name=new", "new")] {
        let source = format!("demo:%3Fwidth%3D{width}%26height%3D120");
        let path = format!("/api/frame.jpeg?src={source}{query}");
        let (head, image) = fetch(&server, &path).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert_eq!(size(&image), (width, 120));
        let name = if name.is_empty() { source.as_str() } else { name };
        let url = state(&server, name).await["producers"][0]["url"].clone();
        assert_eq!(url, format!("demo:?width={width}&height=120"));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_poster_opens_nothing_and_tells_its_age() {
    let server = Server::start("poster", STREAMS);
    // No picture yet is no error: a page would have to show it.
    server.call("GET", "/api/rs/poster?src=demo").await.is(204, "");
    server.call("GET", "/api/rs/poster?src=nosuch").await.is(404, "stream not found\n");
    assert_eq!(state(&server, "demo").await["consumers"], json!(null), "nobody ever came");
    fetch(&server, "/api/frame.jpeg?src=demo").await;
    let poster = server.call("GET", "/api/rs/poster?src=demo&h=120").await;
    assert_eq!((poster.status, poster.header("content-type")), (200, Some("image/jpeg")));
    assert!(poster.header("age").is_some_and(|age| age.parse::<u64>().is_ok()), "{}", poster.head);
    assert!(poster.header("server-timing").is_some_and(|t| t.starts_with("age;dur=")));
    assert_eq!(poster.header("cache-control"), Some("no-store"));
    server.stop().await;
}

#[tokio::test]
async fn a_bell_is_not_woken_unless_asked() {
    let server = Server::start("bell", STREAMS);
    let asleep = server.call("GET", "/api/frame.jpeg?src=bell").await;
    assert_eq!(asleep.status, 503);
    assert!(asleep.body.contains("wake=1"), "{}", asleep.body);
    let asleep = server.call("GET", "/api/frame.mp4?src=bell").await;
    assert_eq!(asleep.status, 503);
    assert!(asleep.body.contains("wake=1"), "{}", asleep.body);
    assert_eq!(state(&server, "bell").await["consumers"], json!(null));
    let (head, movie) = fetch(&server, "/api/frame.mp4?src=bell&wake=1").await;
    assert!(head.starts_with("http/1.1 200") && movie[4..8] == *b"ftyp", "{head}");
    let (head, image) = fetch(&server, "/api/frame.jpeg?src=bell&wake=1").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(size(&image), (320, 240));
    server.stop().await;
}

/// A camera that accepts and says nothing: the viewer waits, and leaves.
#[tokio::test]
async fn who_leaves_while_waiting_lets_go() {
    let camera = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = camera.local_addr().unwrap();
    let server = Server::start("frame-left", &format!("streams:\n  mute: rtsp://{address}/x\n"));
    let mut client = TcpStream::connect(server.addr).await.unwrap();
    let request = format!("GET /api/frame.jpeg?src=mute HTTP/1.1\r\nHost: {}\r\n\r\n", server.addr);
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut dialled, _) = soon("the dial", camera.accept()).await.unwrap();
    drop(client);
    // The dial is given up: the connection ends.
    let mut rest = Vec::new();
    let _ = soon("the end of the dial", dialled.read_to_end(&mut rest)).await;
    server.stop().await;
}
