//! Publishing to RTSP servers on loopback: ours, and scripted ones.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

#[path = "../certified/mod.rs"]
mod certified;
mod lab;
mod server;

use rs2rtc_base::ErrorKind;
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::CodecId;
use rs2rtc_streams::{CancellationToken, Ended, Opener as _, Origin};

use lab::{Bench, LIMIT, attach, until, view};
use server::Server;

const SMALL: &str = "demo:?width=320&height=240&fps=15&gop=15";

/// Publishes once, to an address that `origin` names.
async fn once(b: &Bench, url: String, origin: Origin) -> Ended {
    let destination = Table::new(b.context.clone()).destination(&url, origin).unwrap().unwrap();
    let connected = match destination.connect().await {
        Ok(connected) => connected,
        Err(error) => return Ended::Failed(error),
    };
    let attached = attach(&b.stream("once", SMALL), destination.medias()).await;
    let ended = connected.send(attached, CancellationToken::new());
    tokio::time::timeout(LIMIT, ended).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_server_takes_it_with_all_tracks_on_one_timeline() {
    for scheme in ["rtsp", "rtspx"] {
        let b = Bench::new();
        let camera = b.stream("camera", SMALL);
        let copy = b.stream("copy", "");
        let port = if scheme == "rtspx" { server::protected(b.port).await } else { b.port };
        let url = format!("{scheme}://u:secret@127.0.0.1:{port}/copy");
        b.streams.publish("camera", &url, Origin::Api).await.unwrap();
        until("it is there", || copy.snapshot().producers.is_some_and(|p| !p.is_empty())).await;
        let viewer = view(&copy).await;
        assert_eq!(viewer.codecs(), ["H264", "OPUS/48000/2"]);
        let (mut pictures, mut sounds) = ((0, i64::MIN), (0, i64::MIN));
        while pictures.0 < 20 || sounds.0 < 20 {
            let frame = viewer.next().await;
            let seen = if frame.codec == CodecId::H264 { &mut pictures } else { &mut sounds };
            assert!(frame.dts > seen.1, "{scheme}");
            *seen = (seen.0 + 1, frame.dts);
        }
        let (video, audio) = (pictures.1 as f64 / 90_000.0, sounds.1 as f64 / 48_000.0);
        assert!((video - audio).abs() < 0.5, "{scheme}: {video} {audio}");

        let shown = &camera.snapshot().consumers.unwrap()[0];
        let about = &shown.description;
        assert_eq!((about.format_name.as_str(), about.protocol.as_str()), ("rtsp", "rtsp+tcp"));
        assert_eq!(about.remote_addr, format!("127.0.0.1:{port}"));
        assert_eq!(about.url, format!("{scheme}://127.0.0.1:{port}/copy"));
        assert!(shown.bytes_send > 10_000, "{}", shown.bytes_send);
        assert_eq!(shown.senders.len(), 2);
        assert!(shown.senders.iter().all(|s| s.packets >= 20 && s.drops == 0), "{scheme}");

        assert!(b.streams.withdraw("camera", &url));
        assert_eq!(b.left().await, "withdrawn");
        assert_eq!(camera.viewers(), 0);
        until("it is gone", || copy.snapshot().producers.is_none_or(|p| p.is_empty())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_asked_in_order_and_told_goodbye() {
    let (b, server) = (Bench::new(), Server::new().await);
    let camera = b.stream("camera", SMALL);
    // Whoever waits for an answer waits longer than any test.
    let url = server.url("live?key=1#timeout=600");
    b.streams.publish("camera", &url, Origin::Config).await.unwrap();
    let mut peer = server.accept().await;
    let request = peer.asked("OPTIONS").await;
    peer.answer(&request, "200 OK", "Public: OPTIONS, ANNOUNCE, GET_PARAMETER\r\n").await;
    let request = peer.asked("ANNOUNCE").await;
    assert!(request.starts_with("ANNOUNCE rtsp://127.0.0.1"), "{request}");
    for line in
        ["m=video 0 RTP/AVP 96\r\n", "m=audio 0 RTP/AVP 97\r\n", "a=rtpmap:96 H264/90000\r\n"]
    {
        assert!(request.contains(line), "{request}");
    }
    peer.answer(&request, "200 OK", "").await;
    for (track, channels) in [(0, "0-1"), (1, "2-3")] {
        let request = peer.asked("SETUP").await;
        assert!(request.contains(&format!("/trackID={track} RTSP/1.0")), "{request}");
        let transport = format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}");
        assert!(request.contains(&format!("{transport};mode=record\r\n")), "{request}");
        peer.answer(&request, "200 OK", &format!("Session: 4711;timeout=2\r\n{transport}\r\n"))
            .await;
    }
    let request = peer.asked("RECORD").await;
    peer.answer(&request, "200 OK", "Session: 4711\r\n").await;
    // Each track begins with a sender report, pictures with a keyframe and what it needs.
    let mut first = [None, None, None, None];
    while first.iter().any(Option::is_none) {
        let (channel, packet) = peer.packet().await;
        first[usize::from(channel)].get_or_insert(packet);
    }
    let [picture, report, sound, _] = first.map(Option::unwrap);
    assert_eq!((picture[0], picture[1] & 0x7f, sound[1] & 0x7f), (0x80, 96, 97));
    assert_eq!(report[1], 200, "a sender report");
    assert_eq!(report[16..20], picture[4..8], "it names the time of the first packet");
    // It asks, and is answered; it is kept alive within its two seconds.
    peer.say("OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n").await;
    let (mut has_answered, mut was_kept) = (false, false);
    while !(has_answered && was_kept) {
        let text = peer.text().await;
        if text.starts_with("GET_PARAMETER ") {
            assert!(text.contains("Session: 4711\r\n"), "{text}");
            peer.answer(&text, "200 OK", "").await;
            was_kept = true;
        } else {
            assert_eq!(text, "RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n");
            has_answered = true;
        }
    }

    assert!(b.streams.withdraw("camera", &url));
    assert_eq!(b.left().await, "withdrawn");
    assert_eq!(camera.viewers(), 0, "the camera does not wait for the goodbye");
    let mut request = peer.text().await;
    while request.starts_with("GET_PARAMETER ") {
        request = peer.text().await;
    }
    assert!(request.starts_with("TEARDOWN "), "{request}");
    assert!(request.contains("Session: 4711\r\n"), "{request}");
    // Who does not answer is not waited for.
    assert_eq!(peer.text().await, "", "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_says_is_told_without_the_password() {
    let refused = |status: &'static str, fields: &'static str| async move {
        let (b, server) = (Bench::new(), Server::new().await);
        let url = server.url("live").replace("://", "://user:s3cret@");
        let script = async {
            let mut peer = server.accept().await;
            let request = peer.asked("OPTIONS").await;
            peer.answer(&request, "200 OK", "").await;
            while let Some(request) = peer.asked_perhaps("ANNOUNCE").await {
                peer.answer(&request, status, fields).await;
            }
        };
        let (ended, ()) = tokio::join!(once(&b, url, Origin::Config), script);
        let Ended::Failed(error) = ended else { panic!("{ended:?}") };
        assert_eq!(b.left().await, "refused");
        let text = error.to_string();
        assert!(text.contains(&server.address) && !text.contains("s3cret"), "{text}");
        (error.kind(), text)
    };
    let (kind, text) = refused("403 Not Here", "").await;
    assert_eq!(kind, ErrorKind::Auth);
    assert!(text.ends_with("RTSP wrong response on ANNOUNCE: 403 Not Here"), "{text}");
    for fields in [
        "WWW-Authenticate: Basic realm=\"r\"\r\n",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n",
    ] {
        let (kind, text) = refused("401 Unauthorized", fields).await;
        assert_eq!(kind, ErrorKind::Auth);
        assert!(text.ends_with("RTSP wrong user/pass"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_it_says_why() {
    // Without a word.
    let (b, server) = (Bench::new(), Server::new().await);
    let script = async { drop(server.accept().await.recording().await) };
    let (ended, ()) = tokio::join!(once(&b, server.url("live"), Origin::Config), script);
    let Ended::Failed(error) = ended else { panic!("{ended:?}") };
    assert!(error.to_string().starts_with(&format!("rtsp: {}: ", server.address)), "{error}");
    let reason = b.left().await;
    assert!(matches!(reason.as_str(), "tcp_fin" | "tcp_rst"), "{reason}");
    // With one.
    let (b, server) = (Bench::new(), Server::new().await);
    let script = async {
        let mut peer = server.accept().await.recording().await;
        peer.say("TEARDOWN rtsp://h/live RTSP/1.0\r\nCSeq: 5\r\n\r\n").await;
        while peer.bytes().await > 0 {}
    };
    let (ended, ()) = tokio::join!(once(&b, server.url("live"), Origin::Config), script);
    let Ended::Failed(error) = ended else { panic!("{ended:?}") };
    assert!(error.to_string().ends_with("RTSP session ended by the other side"), "{error}");
    assert_eq!(b.left().await, "refused");
    // Nobody there.
    let b = Bench::new();
    let Ended::Failed(error) = once(&b, "rtsp://127.0.0.1:1/x".to_owned(), Origin::Config).await
    else {
        panic!("nobody listens there")
    };
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_wait_for_the_camera_is_asked_again() {
    let (b, server) = (Bench::new(), Server::new().await);
    let script = async {
        drop(server.accept().await);
        server.accept().await.recording().await.packet().await;
    };
    let (ended, _) = tokio::join!(once(&b, server.url("live"), Origin::Config), script);
    assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
    let shown = b.left().await;
    assert!(matches!(shown.as_str(), "tcp_fin" | "tcp_rst"), "it has begun: {shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_ends_at_any_moment_of_the_dial() {
    for answered in 0..4 {
        let (b, server) = (Bench::new(), Server::new().await);
        b.stream("camera", SMALL);
        let url = server.url("live#timeout=600");
        b.streams.publish("camera", &url, Origin::Config).await.unwrap();
        let mut peer = server.accept().await;
        for method in ["OPTIONS", "ANNOUNCE", "SETUP"].into_iter().take(answered) {
            let request = peer.asked(method).await;
            let fields = "Session: 9\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n";
            peer.answer(&request, "200 OK", fields).await;
        }
        let last = peer.text().await;
        assert!(b.streams.withdraw("camera", &url), "{last}");
        assert_eq!(b.left().await, "withdrawn");
        let mut told = false;
        while let Some(request) = peer.asked_perhaps("TEARDOWN").await {
            told = true;
            peer.answer(&request, "200 OK", "").await;
        }
        assert_eq!(told, answered > 0, "who was asked for a session is told: {answered}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_followed_but_not_in_circles() {
    let (b, server) = (Bench::new(), Server::new().await);
    let script = async {
        for _ in 0..=5 {
            let mut peer = server.accept().await;
            let request = peer.asked("OPTIONS").await;
            let location = format!("Location: {}\r\n", server.url("other"));
            peer.answer(&request, "302 Found", &location).await;
        }
    };
    let (ended, ()) = tokio::join!(once(&b, server.url("live"), Origin::Config), script);
    let Ended::Failed(error) = ended else { panic!("{ended:?}") };
    assert!(error.to_string().ends_with("it redirects in circles"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_reaches_nothing_on_this_machine() {
    let (b, server) = (Bench::new(), Server::new().await);
    let Ended::Failed(error) = once(&b, server.url("live"), Origin::Stranger).await else {
        panic!("it was reached")
    };
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("may only be named on this machine"), "{error}");
    assert!(server.is_untouched());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_track_ends_it() {
    let (b, server) = (Bench::new(), Server::new().await);
    let script = async {
        let mut peer = server.accept().await.recording().await;
        peer.packet().await;
        // With a camera of another codec its tracks end.
        b.stream("once", "demo:?video=mjpeg&audio=none&width=320&height=240");
        while !peer.text_or_packet().await.starts_with("TEARDOWN ") {}
    };
    let (ended, ()) = tokio::join!(once(&b, server.url("live"), Origin::Config), script);
    let Ended::Failed(error) = ended else { panic!("{ended:?}") };
    assert!(error.to_string().contains("one of its tracks, has ended"), "{error}");
    assert_eq!(b.left().await, "source_failed");
}
