//! What cameras send, and how they refuse.

use std::time::{Duration, Instant};

use rs2rtc_base::ErrorKind;
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::{CodecId, Payload};
use rs2rtc_streams::{Opener as _, Origin};

use crate::camera::{Camera, Reply, endless, ok, path};
use crate::lab::{description, failure, media, stream, view};

/// A picture that is none, but looks like one from outside.
const PICTURE: &[u8] =
    &[0xff, 0xd8, 0xff, 0xdb, 0x00, 0x03, 0x01, 0xff, 0xda, 0x00, 0x03, 0x01, 0x55, 0xff, 0xd9];

fn parts(count: usize) -> Vec<u8> {
    let head = format!("--x\r\nContent-Length: {}\r\n\r\n", PICTURE.len());
    [head.as_bytes(), PICTURE, b"\r\n"].concat().repeat(count)
}

#[tokio::test]
async fn pictures_in_parts() {
    let mut camera =
        Camera::always(|| Reply::Hang(endless("multipart/x-mixed-replace; boundary=x", &parts(3))))
            .await;
    let stream = stream(&camera.url("/video.mjpg?x=1"));
    let viewer = view(&stream).await.unwrap();
    assert_eq!(viewer.codecs(), ["JPEG"]);
    for _ in 0..3 {
        assert_eq!(viewer.next().await.payload, Payload::Data(PICTURE.into()));
    }
    let shown = description(&stream);
    assert_eq!((shown.format_name.as_str(), shown.protocol.as_str()), ("mpjpeg", "http"));
    assert_eq!(shown.remote_addr, format!("127.0.0.1:{}", camera.port));
    drop(viewer);
    camera.connection_ended().await;
    assert!(camera.requests()[0].starts_with("GET /video.mjpg?x=1 HTTP/1.1\r\n"));
}

#[tokio::test]
async fn one_picture_is_asked_for_again_over_the_same_connection() {
    let mut camera = Camera::always(|| Reply::Send(ok("image/jpeg", PICTURE))).await;
    let stream = stream(&camera.url("/snap.jpg"));
    let viewer = view(&stream).await.unwrap();
    let first = viewer.next().await;
    assert_eq!(first.codec, CodecId::Jpeg);
    let second = viewer.next().await;
    let third = viewer.next().await;
    assert!(second.pts > first.pts && third.pts > second.pts);
    drop(viewer);
    // One connection, although there were several requests.
    camera.connection_ended().await;
    assert!(camera.requests().len() >= 3);
}

#[tokio::test]
async fn streams_of_every_kind_are_told_by_their_beginning() {
    for (name, format, codecs) in [
        ("h264_aac.ts", "mpegts", 2),
        ("h264_aac.flv", "flv", 2),
        ("h264_aac.fragments.mp4", "mp4", 2),
        ("pictures.hevc", "hevc", 1),
        ("pictures.mjpeg", "mjpeg", 1),
        ("pictures.y4m", "yuv4mpegpipe", 1),
        ("sound.wav", "wav", 1),
        ("sound.aac", "adts", 1),
    ] {
        let body = media(name);
        let camera = Camera::new(move |_| Reply::Hang(endless("application/x", &body))).await;
        let stream = stream(&camera.url("/"));
        let viewer = view(&stream).await.unwrap();
        assert_eq!(viewer.codecs().len(), codecs, "{name}");
        viewer.next().await;
        assert_eq!(description(&stream).format_name, format, "{name}");
    }
}

#[tokio::test]
async fn bare_sound_is_told_by_its_type() {
    let camera = Camera::always(|| Reply::Hang(endless("audio/basic", &[0x55; 800]))).await;
    let viewer = view(&stream(&camera.url("/"))).await.unwrap();
    assert_eq!(viewer.next().await.codec, CodecId::Pcmu);
}

#[tokio::test]
async fn a_recording_plays_in_its_time() {
    let body = media("h264_aac.mp4");
    let camera = Camera::new(move |_| Reply::Hang(ok("video/mp4", &body))).await;
    let viewer = view(&stream(&camera.url("/clip.mp4"))).await.unwrap();
    let began = Instant::now();
    let mut pictures = 0;
    while pictures < 12 {
        pictures += u32::from(viewer.next().await.codec == CodecId::H264);
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "1.1 s of pictures came within {took:?}");
}

#[tokio::test]
async fn a_digest_is_answered_and_a_wrong_password_told() {
    let camera = Camera::new(|head| {
        let login = head.lines().find_map(|line| line.strip_prefix("Authorization: Digest "));
        let right = login.is_some_and(|l| l.contains("username=\"u\"") && l.contains("uri=\"/x\""));
        match right && path(head) == "/x" {
            true => Reply::Hang(endless("image/x", &parts(2))),
            false => Reply::Send(
                b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\
                  WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n\r\n"
                    .to_vec(),
            ),
        }
    })
    .await;
    let url = format!("http://u:p@127.0.0.1:{}/x", camera.port);
    view(&stream(&url)).await.unwrap().next().await;
    assert!(camera.requests()[0].contains("Authorization: Basic "));
    let error = failure(&format!("http://wrong:p@127.0.0.1:{}/x", camera.port)).await;
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Auth, "streams: http: wrong user/pass")
    );
    let error = failure(&camera.url("/x")).await;
    assert_eq!(error.to_string(), "streams: http: user/pass not provided");
}

#[tokio::test]
async fn redirects_are_followed_but_take_no_password_along() {
    let there = Camera::always(|| Reply::Hang(endless("", &parts(1)))).await;
    let to = format!("http://localhost:{}/there", there.port);
    let here = Camera::new(move |head| match path(head) {
        "/a" => {
            Reply::Send(b"HTTP/1.1 302 Found\r\nLocation: b?c\r\nContent-Length: 0\r\n\r\n".into())
        }
        "/b?c" => Reply::Close(format!("HTTP/1.1 307 X\r\nLocation: {to}\r\n\r\n").into()),
        _ => Reply::Close(b"HTTP/1.1 301 X\r\nLocation: /round\r\n\r\n".into()),
    })
    .await;
    let url = format!("http://u:p@127.0.0.1:{}/a#header=X-Key:s3cret", here.port);
    view(&stream(&url)).await.unwrap().next().await;
    assert!(here.requests().iter().all(|head| head.contains("Authorization: Basic")));
    let asked = there.requests().concat();
    assert!(asked.starts_with("GET /there ") && !asked.contains("Authorization"), "{asked}");
    assert!(!asked.contains("s3cret"), "{asked}");
    let error = failure(&here.url("/round")).await;
    assert_eq!(error.to_string(), "streams: http: the server redirects in circles");
}

#[tokio::test]
async fn refusals_are_told_as_what_they_are() {
    for (answer, kind, text) in [
        ("HTTP/1.1 404 Not Found\r\n\r\n", ErrorKind::NotFound, "404 Not Found"),
        ("HTTP/1.1 503 Busy\r\n\r\n", ErrorKind::Busy, "503 Busy"),
        ("HTTP/1.1 403 No\r\n\r\n", ErrorKind::Auth, "403 No"),
        ("HTTP/1.1 500\r\n\r\n", ErrorKind::Protocol, "500"),
        ("nonsense\r\n\r\n", ErrorKind::Protocol, "wrong start line"),
        ("", ErrorKind::Ended, "without an answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", ErrorKind::Protocol, "Content-Length"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", ErrorKind::Unsupported, "unsupported header: 3c68746d"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n--x", ErrorKind::Ended, "in the middle"),
        ("HTTP/1.1 302 X\r\nLocation: rtsp://h/x\r\n\r\n", ErrorKind::Unsupported, "rtsp://h/x"),
        ("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\nno", ErrorKind::Protocol, "no JPEG"),
    ] {
        let camera = Camera::new(move |_| Reply::Close(answer.into())).await;
        let error = failure(&camera.url("/")).await;
        assert_eq!(error.kind(), kind, "{answer}: {error}");
        let said = error.to_string();
        assert!(said.starts_with("streams: http: ") && said.contains(text), "{answer}: {said}");
    }
}

/// Containers that are not read are named, with what reads them.
#[tokio::test]
async fn containers_that_only_ffmpeg_reads_are_named() {
    let table = Table::new(Context::new(Default::default(), Default::default(), "rs2rtc/test"));
    for (bytes, name) in [
        (&b"\x1a\x45\xdf\xa3\xa3\x42\x82\x88matroska"[..], "Matroska"),
        (b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "WebM"),
        (b"OggS\0\x02", "Ogg"),
        (b"RIFF\xff\xff\xff\xffAVI LIST", "AVI"),
        (b"\0\0\x01\xba\x44", "an MPEG program stream"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF (WMV, WMA)"),
        (b"fLaC\0\0\0\x22", "FLAC"),
        (b"DKIF\0\0\x20\0VP80", "IVF"),
        (b"\xff\xfb\x90\x00", "MPEG audio without a tag in front"),
    ] {
        let answer = [b"HTTP/1.1 200 OK\r\n\r\n", bytes, &[0; 100]].concat();
        let camera = Camera::new(move |_| Reply::Close(answer.clone())).await;
        let url = camera.url("/film");
        let error = failure(&url).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
        let advice = "ffmpeg:URL reads it: write ffmpeg: in front of the address";
        let text = format!("streams: http: this is {name}, which is not read here; {advice}");
        assert_eq!(error.to_string(), text);
        // Which is an address that is taken.
        table.check(&format!("ffmpeg:{url}"), Origin::Config).unwrap();
    }
}

/// What a hostile server sends has an end here, in bytes and in time.
#[tokio::test]
async fn answers_without_an_end_are_given_up() {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    const LIST: &str = "HTTP/1.1 200 OK\r\nContent-Type: audio/mpegurl\r\n\r\n#EXTM3U\n#";
    for (bytes, more, slowly, said) in [
        // A field that never ends, and the same at a byte at a time.
        (format!("{OK}X: "), b'x', false, "message head too long"),
        (format!("{OK}X: "), b'x', true, "no answer within 1 s"),
        // Heads that only announce one.
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000), b'x', true, "no answer within 1 s"),
        // A playlist of any length, and one that comes for ever.
        (LIST.to_owned(), b'x', false, "the answer has more than 4194304 bytes"),
        (LIST.to_owned(), b'x', true, "the answer is not whole within 1 s"),
        // The size of a chunk that never ends.
        (format!("{OK}Transfer-Encoding: chunked\r\n\r\n1"), b'1', false, "chunk"),
        // A picture in parts, one that never ends, and a tag of Flash Video.
        (format!("{OK}\r\n--x\r\n\r\n\u{1}"), b'x', false, "unsupported header"),
    ] {
        let camera = Camera::new(move |_| Reply::Drip(bytes.clone().into(), more, slowly)).await;
        // Bytes are too many before the time is over.
        let url = format!("{}#timeout={}", camera.url("/"), if slowly { 1 } else { 20 });
        let limit = Duration::from_secs(30);
        let error = tokio::time::timeout(limit, failure(&url)).await.expect(said);
        assert!(error.to_string().contains(said), "{said}: {error}");
    }
}

#[tokio::test]
async fn a_camera_that_says_nothing_is_given_up() {
    let camera = Camera::always(|| Reply::Hang(Vec::new())).await;
    let error = failure(&format!("{}#timeout=1", camera.url("/"))).await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("no answer within 1 s"), "{error}");
    let camera = Camera::always(|| Reply::Hang(endless("", b"--x"))).await;
    let error = failure(&format!("{}#timeout=1", camera.url("/"))).await;
    assert!(error.to_string().contains("no data for 1 s"), "{error}");
}

#[tokio::test]
async fn a_dial_that_nobody_waits_for_ends_at_once() {
    let mut camera = Camera::always(|| Reply::Hang(Vec::new())).await;
    let stream = stream(&camera.url("/"));
    {
        let dial = view(&stream);
        tokio::pin!(dial);
        while camera.requests().is_empty() {
            tokio::select! {
                _ = &mut dial => panic!("there was no answer"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    let gone = Instant::now();
    camera.connection_ended().await;
    assert!(gone.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn media_over_a_bare_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let source = format!("tcp://{}", listener.local_addr().unwrap());
    let stream = stream(&source);
    let camera = async {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.write_all(&media("h264_aac.flv")).await.unwrap();
        let mut said = Vec::new();
        let _ = connection.read_to_end(&mut said).await;
        assert!(said.is_empty(), "nothing is said to it");
    };
    let viewer = async {
        let viewer = view(&stream).await.unwrap();
        viewer.next().await;
        let shown = description(&stream);
        assert_eq!((shown.format_name.as_str(), shown.protocol.as_str()), ("flv", "tcp"));
    };
    tokio::join!(camera, viewer);
    let error = failure("tcp://127.0.0.1:1").await;
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}
