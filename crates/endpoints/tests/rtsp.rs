//! RTSP on loopback: our server, our client, and ffmpeg as the other side.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{ErrorKind, Secret};
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::outputs::rtsp::{Config, Server};
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{
    CancellationToken, Connection, Description, Opener, Origin, Request, Settings, Stream, Streams,
};

mod watching;

use watching::{Viewer, view, watch};

struct Bench {
    streams: Streams,
    port: u16,
    cancel: CancellationToken,
}

fn bench(config: Config) -> Bench {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(table, Settings::default());
    context.set_streams(streams.clone());
    let config = Config { listen: "127.0.0.1:0".into(), ..config };
    let server =
        Server::bind(config, Arc::clone(&context), streams.clone(), Arc::new(|_, _| Ok(())))
            .unwrap();
    let port = server.local_addr().unwrap().port();
    let cancel = CancellationToken::new();
    context.tasks.spawn("server", server.run(cancel.clone()));
    Bench { streams, port, cancel }
}

impl Bench {
    fn stream(&self, name: &str, source: &str) -> Arc<Stream> {
        let sources: Vec<String> =
            Some(source).filter(|s| !s.is_empty()).map(Into::into).into_iter().collect();
        self.streams.create(name, &sources, Origin::Config).unwrap()
    }

    fn url(&self, name: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_true() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not in time: {what}");
}

const SMALL: &str = "demo:?width=320&height=240&fps=15&gop=15";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_plays_what_our_server_serves() {
    let b = bench(Config::default());
    let camera = b.stream("camera", SMALL);
    let pulled = b.stream("pulled", &b.url("camera"));
    let viewer = view(&pulled).await.unwrap();
    assert_eq!(viewer.codecs(), ["H264", "OPUS/48000/2"]);
    let first = loop {
        let frame = viewer.next().await;
        if frame.codec == CodecId::H264 {
            break frame;
        }
    };
    assert!(first.keyframe, "a viewer begins at a keyframe");
    let (mut pictures, mut sounds) = ((0, first.dts), (0, i64::MIN));
    while pictures.0 < 20 || sounds.0 < 20 {
        let frame = viewer.next().await;
        let seen = if frame.codec == CodecId::H264 { &mut pictures } else { &mut sounds };
        assert!(frame.dts > seen.1);
        *seen = (seen.0 + 1, frame.dts);
    }
    // Sound and picture are on one timeline, to within the reports' precision.
    let (video, audio) = (pictures.1 as f64 / 90_000.0, sounds.1 as f64 / 48_000.0);
    assert!((video - audio).abs() < 0.5, "{video} {audio}");
    assert_eq!(camera.viewers(), 1);
    drop(viewer);
    until("the camera is let go", || camera.viewers() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_as_such() {
    let b = bench(Config::default());
    b.stream("x", &format!("rtsp://127.0.0.1:{}/nothing", b.port));
    let media = Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::Any));
    let request = || Request {
        medias: vec![media.clone()],
        connection: Arc::new(Connection::new(Description::default())),
        source_tag: None,
        may_sleep: false,
    };
    let error = b.streams.get("x").unwrap().attach(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("404"), "{error}");
    b.stream("closed", "rtsp://127.0.0.1:1/x");
    let error = b.streams.get("closed").unwrap().attach(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("127.0.0.1:1"), "{error}");
}

fn has(program: &str) -> bool {
    let found = std::process::Command::new(program)
        .arg("-version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffprobe_sees_the_demo_camera() {
    if !has("ffprobe") {
        return;
    }
    let b =
        bench(Config { credentials: Some(("a".into(), Secret::new("b"))), ..Config::default() });
    b.stream("camera", SMALL);
    let output = tokio::process::Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-rtsp_transport",
            "tcp",
            "-show_entries",
            "stream=codec_name,width,height,profile",
        ])
        .args(["-of", "csv", &b.url("camera")])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(30), output).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("h264,Constrained Baseline,320,240"), "{text}{errors}");
    assert!(text.contains("opus"), "{text}{errors}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ffmpeg_publishes_and_viewers_outlive_it() {
    if !has("ffmpeg") {
        return;
    }
    let b = bench(Config::default());
    let stream = b.stream("push", "");
    let push = || {
        tokio::process::Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=15"])
            .args([
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-g",
                "15",
                "-pix_fmt",
                "yuv420p",
            ])
            .args(["-rtsp_transport", "tcp", "-f", "rtsp", &b.url("push")])
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    };
    let mut child = push();
    until("the push is there", || stream.snapshot().producers.is_some_and(|p| !p.is_empty())).await;
    let viewer = view_video(&stream).await;
    let mut last = i64::MIN;
    for round in 0..2 {
        for _ in 0..20 {
            let frame = viewer.next().await;
            assert!(frame.dts > last, "round {round}");
            last = frame.dts;
        }
        child.kill().await.unwrap();
        until("the push is gone", || stream.snapshot().producers.is_none_or(|p| p.is_empty()))
            .await;
        while viewer.queue.try_recv().is_some() {}
        child = push();
    }
    child.kill().await.unwrap();
}

async fn view_video(stream: &Arc<Stream>) -> Viewer {
    let video = Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::H264));
    watch(stream, vec![video]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_asks_without_reading_is_not_served_without_limit() {
    use tokio::io::AsyncWriteExt as _;
    let b = bench(Config::default());
    let mut peer = tokio::net::TcpStream::connect(("127.0.0.1", b.port)).await.unwrap();
    let requests = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".repeat(30_000);
    let mut taken = 0;
    // Unlimited, it would take all of it and hold five times as much in answers.
    while taken < 60 << 20 {
        let write = peer.write_all(requests.as_bytes());
        match tokio::time::timeout(Duration::from_secs(2), write).await {
            Ok(Ok(())) => taken += requests.len(),
            Ok(Err(_)) | Err(_) => return,
        }
    }
    panic!("{taken} bytes of requests were taken from a peer that reads nothing");
}
