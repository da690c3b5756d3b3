//! Clips over HTTP.

use std::time::Duration;

use super::Server;

const STREAMS: &str = "streams:
  cam: {url: \"demo:\", clip: 10s}
  plain: \"demo:\"
";

#[tokio::test]
async fn bad_values_are_told() {
    let server = Server::start("clip-values", STREAMS);
    for (query, status, text) in [
        ("", 404, "stream not found"),
        ("src=nosuch", 404, "stream not found"),
        ("src=rtsp://127.0.0.1/x&after=1s", 404, "stream not found"),
        (
            "src=cam&before=soon",
            400,
            "clip: before: \"soon\" is not a duration such as 10s or 500ms, at most 5m",
        ),
        (
            "src=cam&before=-1",
            400,
            "clip: before: \"-1\" is not a duration such as 10s or 500ms, at most 5m",
        ),
        (
            "src=cam&before=1h",
            400,
            "clip: before: \"1h\" is not a duration such as 10s or 500ms, at most 5m",
        ),
        (
            "src=cam&after=",
            400,
            "clip: after: \"\" is not a duration such as 10s or 500ms, at most 1h",
        ),
        (
            "src=cam&after=2h",
            400,
            "clip: after: \"2h\" is not a duration such as 10s or 500ms, at most 1h",
        ),
        (
            "src=plain&before=5s&after=1s",
            400,
            "clip: nothing is kept of this stream: give it the setting clip: 10s",
        ),
        ("src=plain", 400, "clip: before or after is needed, as before=10s&after=20s"),
        (
            "src=cam&before=0&after=0",
            400,
            "clip: before or after is needed, as before=10s&after=20s",
        ),
        ("src=cam", 404, "clip: nothing is kept at the moment: no source of the stream runs"),
    ] {
        let answer = server.call("GET", &format!("/api/rs/clip.mp4?{query}")).await;
        answer.is(status, &format!("{text}\n"));
    }
    let answer = server.call("POST", "/api/rs/clip.mp4?src=cam").await;
    assert_eq!(answer.status, 405);
    server.stop().await;
}

#[tokio::test]
async fn the_head_wakes_no_camera() {
    let server = Server::start("clip-head", STREAMS);
    let answer = server.call("HEAD", "/api/rs/clip.mp4?src=cam&after=1s&filename=a.mp4").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("content-type"), Some("video/mp4"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"a.mp4\""));
    let stream = server.streams.get("cam").unwrap();
    assert!(stream.snapshot().consumers.is_none_or(|consumers| consumers.is_empty()));
    server.stop().await;
}

#[tokio::test]
async fn what_has_passed_is_kept_while_the_source_runs_and_no_longer() {
    let server = Server::start("clip-past", STREAMS);
    let stream = server.streams.get("cam").unwrap();
    assert!(!stream.has_history());
    server.streams.preload("cam", "video").unwrap();
    let changed = |wanted: bool| {
        let stream = stream.clone();
        let change = async move {
            while stream.has_history() != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), change)
    };
    changed(true).await.unwrap();
    let answer = server.call("GET", "/api/rs/clip.mp4?src=cam").await;
    assert_eq!(answer.status, 200);
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("video/mp4; codecs=\"avc1."), "{kind}");
    assert!(kind.contains(','), "sound is kept too although nobody hears it: {kind}");
    server.streams.unload("cam");
    changed(false).await.unwrap();
    server.stop().await;
}
