//! What a camera sees when nobody watches it any more: scripted cameras on loopback.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{
    Attached, Connection, Description, Opener, Origin, Request, Settings, Stream, Streams,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Whatever takes longer is a failure.
const LIMIT: Duration = Duration::from_secs(20);

struct Bench {
    camera: TcpListener,
    stream: Arc<Stream>,
    _streams: Streams,
}

async fn bench() -> Bench {
    let camera = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(table, Settings::default());
    context.set_streams(streams.clone());
    // A dial that is not given up lasts longer than any test.
    let source = format!("rtsp://{}/x#timeout=600", camera.local_addr().unwrap());
    let stream = streams.create("camera", &[source], Origin::Config).unwrap();
    Bench { camera, stream, _streams: streams }
}

impl Bench {
    async fn accept(&self) -> Camera {
        let accepted = tokio::time::timeout(LIMIT, self.camera.accept()).await;
        Camera(accepted.expect("a connection in time").unwrap().0)
    }

    fn view(&self) -> tokio::task::JoinHandle<Attached> {
        let stream = Arc::clone(&self.stream);
        tokio::spawn(async move {
            let request = Request {
                medias: vec![Media::new(
                    Kind::Video,
                    Direction::SendOnly,
                    Codec::new(CodecId::H264),
                )],
                connection: Arc::new(Connection::new(Description::default())),
                source_tag: None,
                may_sleep: false,
            };
            stream.attach(request).await.unwrap()
        })
    }
}

fn answer_to(request: &str, fields: &str, body: &str) -> String {
    let cseq = request.lines().find(|l| l.starts_with("CSeq: ")).unwrap();
    let length = body.len();
    format!("RTSP/1.0 200 OK\r\n{cseq}\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

/// What a camera sends all the time.
fn packets(count: usize) -> Vec<u8> {
    let mut packet = vec![0_u8; 1404];
    packet[..6].copy_from_slice(&[b'$', 0, 0x05, 0x78, 0x80, 96]);
    packet.repeat(count)
}

struct Camera(TcpStream);

impl Camera {
    /// The next request; empty at the end of the connection.
    async fn request(&mut self) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            match tokio::time::timeout(LIMIT, self.0.read_u8()).await.expect("in time") {
                Ok(byte) => text.push(byte),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
                Err(error) => panic!("{error}"),
            }
        }
        String::from_utf8(text).unwrap()
    }

    async fn answer(&mut self, request: &str, fields: &str, body: &str) {
        self.0.write_all(answer_to(request, fields, body).as_bytes()).await.unwrap();
    }

    /// Up to the request after DESCRIBE, which is given.
    async fn described(&mut self) -> String {
        let request = self.request().await;
        assert!(request.starts_with("DESCRIBE "), "{request}");
        let sdp = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:t0\r\n";
        self.answer(&request, "", sdp).await;
        self.request().await
    }

    async fn set_up(&mut self, request: &str) {
        assert!(request.starts_with("SETUP "), "{request}");
        let fields = "Session: 4711\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
        self.answer(request, fields, "").await;
    }

    async fn playing(&mut self) {
        let request = self.described().await;
        self.set_up(&request).await;
        let request = self.request().await;
        assert!(request.starts_with("PLAY "), "{request}");
        self.answer(&request, "Session: 4711\r\n", "").await;
        self.0.write_all(&packets(10)).await.unwrap();
    }

    async fn is_told_goodbye(&mut self) -> String {
        let request = self.request().await;
        Self::goodbye(request)
    }

    /// As [`Self::is_told_goodbye`]; a PLAY may have been on its way.
    async fn is_told_goodbye_at_last(&mut self) -> String {
        let mut request = self.request().await;
        if request.starts_with("PLAY ") {
            request = self.request().await;
        }
        Self::goodbye(request)
    }

    fn goodbye(request: String) -> String {
        assert!(request.starts_with("TEARDOWN "), "{request}");
        assert!(request.contains("\r\nSession: 4711\r\n"), "{request}");
        request
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_is_told_goodbye_and_may_answer() {
    let b = bench().await;
    let viewer = b.view();
    let mut camera = b.accept().await;
    camera.playing().await;
    drop(viewer.await.unwrap());
    // It has something to say before it reads on. If that takes it too long, nobody is there
    // any more; what is there in time is in the tests of the connection.
    let _ = camera.0.write_all(&packets(50)).await;
    let request = camera.is_told_goodbye().await;
    let answer = answer_to(&request, "Session: 4711\r\n", "");
    let _ = camera.0.write_all(answer.as_bytes()).await;
    let mut rest = Vec::new();
    let end = tokio::time::timeout(LIMIT, camera.0.read_to_end(&mut rest)).await;
    assert!(!matches!(end.expect("the end in time"), Ok(1..)), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_camera_that_does_not_answer_is_not_waited_for() {
    let b = bench().await;
    let viewer = b.view();
    let mut camera = b.accept().await;
    camera.playing().await;
    drop(viewer.await.unwrap());
    let mut old = camera;
    old.is_told_goodbye().await;
    // A new viewer does not wait for the old goodbye.
    let viewer = b.view();
    let mut camera = b.accept().await;
    camera.playing().await;
    viewer.await.unwrap();
    assert_eq!(old.request().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_ends_with_its_viewer() {
    let b = bench().await;
    let viewer = b.view();
    let mut camera = b.accept().await;
    let request = camera.request().await;
    assert!(request.starts_with("DESCRIBE "), "{request}");
    viewer.abort();
    assert_eq!(camera.request().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_set_up_is_torn_down() {
    // SETUP is not answered yet: the goodbye waits for the session's name.
    let b = bench().await;
    let viewer = b.view();
    let mut camera = b.accept().await;
    let request = camera.described().await;
    drop(viewer.await.unwrap());
    // What was answered may be read before the viewer's end is.
    camera.set_up(&request).await;
    camera.is_told_goodbye_at_last().await;
    assert_eq!(camera.request().await, "");
    // PLAY is not.
    let viewer = b.view();
    let mut camera = b.accept().await;
    let request = camera.described().await;
    camera.set_up(&request).await;
    let request = camera.request().await;
    assert!(request.starts_with("PLAY "), "{request}");
    drop(viewer.await.unwrap());
    camera.is_told_goodbye().await;
    assert_eq!(camera.request().await, "");
    // Refused half way.
    let viewer = b.view();
    let mut camera = b.accept().await;
    let request = camera.described().await;
    camera.set_up(&request).await;
    camera.request().await;
    camera.0.write_all(b"RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n").await.unwrap();
    camera.is_told_goodbye().await;
    drop(viewer.await.unwrap());
}
