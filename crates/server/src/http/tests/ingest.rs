//! Media that clients push.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{Connection, Description, FrameQueue, Request, Stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Server;

const STREAMS: &str = "streams:\n  push:\n";

/// 1.2 s as FFmpeg writes it.
fn media(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/container");
    std::fs::read(folder.join(name)).unwrap()
}

/// A push that goes on until it is dropped.
async fn push(server: &Server, path: &str, media: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        server.addr
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    send(&mut stream, media).await;
    stream
}

async fn send(stream: &mut TcpStream, media: &[u8]) {
    let chunk = [format!("{:x}\r\n", media.len()).as_bytes(), media, b"\r\n"].concat();
    stream.write_all(&chunk).await.unwrap();
}

/// Sends a body with its length; the status and the body of the answer.
async fn whole(server: &Server, path: &str, media: &[u8]) -> (String, String) {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        media.len()
    );
    stream.write_all(&[head.as_bytes(), media].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().to_owned(), body.to_owned())
}

/// What gives the stream its media, once it is so.
async fn sources(server: &Server, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let look = async {
        loop {
            let answer = server.call("GET", "/api/streams?src=push").await;
            let stream: Value = serde_json::from_str(&answer.body).unwrap();
            let producers = stream["producers"].as_array().cloned().unwrap_or_default();
            if is_so(&producers) {
                return producers;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.expect("in time")
}

/// A viewer of the pictures, and where they come.
async fn view(stream: &Arc<Stream>) -> (impl Drop + use<>, Arc<FrameQueue>) {
    struct Viewer(Option<Box<dyn std::any::Any + Send>>);
    impl Drop for Viewer {
        fn drop(&mut self) {
            self.0.take();
        }
    }
    let request = Request {
        medias: vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::H264))],
        connection: Arc::new(Connection::new(Description::default())),
        source_tag: None,
        may_sleep: false,
    };
    let attached = stream.attach(request).await.unwrap();
    let queue = FrameQueue::new();
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&attached.tracks[0].sender));
    let subscription = attached.tracks[0].track.subscribe(sink);
    (Viewer(Some(Box::new((attached, subscription)))), queue)
}

#[tokio::test]
async fn a_push_is_a_source_while_it_lasts_and_viewers_outlive_it() {
    let server = Server::start("ingest", STREAMS);
    let first = push(&server, "/api/stream.ts?dst=push", &media("h264_aac.ts")).await;
    let producers = sources(&server, |all| !all.is_empty()).await;
    assert_eq!(producers[0]["format_name"], "mpegts");
    let url = producers[0]["url"].as_str().unwrap();
    let port = first.local_addr().unwrap().port();
    assert_eq!(url, format!("http://127.0.0.1:{port}/api/stream.ts?dst=push"));
    assert_eq!(producers[0]["medias"].as_array().unwrap().len(), 2);
    assert!(producers[0]["bytes_recv"].as_u64() > Some(10_000));
    let stream = server.streams.get("push").unwrap();
    let (viewer, queue) = view(&stream).await;
    drop(first);
    sources(&server, |all| all.iter().all(|producer| producer["format_name"].is_null())).await;
    // The next push of the same codecs goes to the viewer that stayed.
    let mut second = push(&server, "/api/stream?dst=push", &media("h264_aac.flv")).await;
    let mut last = i64::MIN;
    for _ in 0..12 {
        let frame = tokio::time::timeout(Duration::from_secs(20), queue.recv()).await.unwrap();
        let (_, frame) = frame.expect("the stream goes on");
        assert!(frame.dts > last);
        last = frame.dts;
    }
    drop(viewer);
    second.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    second.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 500");
    sources(&server, <[Value]>::is_empty).await;
    server.stop().await;
}

const NOTHING: &str = "the end came before any picture and any sound\n";

#[tokio::test]
async fn how_pushes_are_answered() {
    let server = Server::start("ingest-answers", STREAMS);
    let mpjpeg = media("pictures.mpjpeg");
    for (path, body, status, text) in [
        ("stream.ts?dst=push", &media("h264_aac.ts")[..], "500", "EOF\n"),
        ("stream?dst=push", &media("h264_aac.ts"), "500", "EOF\n"),
        ("stream?dst=push", &media("pictures.h264"), "500", "EOF\n"),
        ("stream.flv?dst=push", &media("h264_aac.flv"), "200", ""),
        ("stream.mp4?dst=push", &media("h264_aac.fragments.mp4"), "200", ""),
        ("stream.mjpeg?dst=push", &mpjpeg, "200", ""),
        ("stream.mjpeg?dst=push", &media("pictures.mjpeg"), "200", ""),
        ("stream?dst=push", b"hello world, this is not media at all", "500", "unexpected EOF\n"),
        ("stream?dst=push", b"", "500", "EOF\n"),
        ("stream.ts?dst=push", &media("h264_aac.flv"), "500", "this is flv, not mpegts\n"),
        ("stream?dst=push", &[b'x'; 5000], "500", "magic: unsupported header: 78787878\n"),
        ("stream.mjpeg?dst=push", b"", "500", NOTHING),
        ("stream.mjpeg?dst=push", b"hello", "500", NOTHING),
        ("stream.flv?dst=push", &media("h264_aac.flv")[..500], "500", NOTHING),
        ("stream.ts?dst=nosuch", b"x", "404", "stream not found\n"),
        ("stream.flv", b"x", "404", "stream not found\n"),
    ] {
        let answer = whole(&server, &format!("/api/{path}"), body).await;
        assert_eq!(answer, (status.to_owned(), text.to_owned()), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_deleted_stream_sends_who_pushes_away() {
    let server = Server::start("ingest-deleted", STREAMS);
    let mut client = push(&server, "/api/stream.flv?dst=push", &media("h264_aac.flv")).await;
    sources(&server, |all| !all.is_empty()).await;
    server.call("DELETE", "/api/streams?src=push").await.is(200, "");
    let mut answer = vec![0; 1024];
    let length = client.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 500") && answer.contains("the stream was closed"),
        "{answer}"
    );
    server.stop().await;
}
