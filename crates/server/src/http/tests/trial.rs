//! `api/rs/test` over a real connection.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{Connection, Description};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Server;
use super::players::Player;

const NONE: &str = "streams: {}\n";

async fn test(server: &Server, source: &str) -> Vec<Value> {
    let body = serde_json::json!({ "src": source }).to_string();
    let answer = server.send("POST", "/api/rs/test", "", &body).await;
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.body);
    let lines = answer.body.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn steps(lines: &[Value]) -> Vec<String> {
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines.iter().map(|l| format!("{} {}", text(l, "step"), text(l, "state"))).collect()
}

#[tokio::test]
async fn a_source_that_works_is_told_step_by_step_and_let_go() {
    let server = Server::start("trial", NONE);
    // Its keyframes come soon on any machine.
    let lines = test(&server, "demo:?width=320&height=180&gop=10").await;
    assert_eq!(
        steps(&lines),
        [
            "connect run",
            "connect ok",
            "tracks ok",
            "picture run",
            "picture ok",
            "keyframes run",
            "keyframes ok",
            "release run",
            "release ok"
        ]
    );
    let video = &lines[2]["tracks"][0];
    assert_eq!(video["codec_name"], "h264");
    assert!(video["width"].as_u64().unwrap() >= 320, "{video}");
    assert!(lines[6]["every_ms"].as_f64().unwrap() > 0.0);
    // Milliseconds; how many is measured elsewhere.
    assert!(lines[8]["ms"].as_f64().unwrap() < 20_000.0);
    // Nothing is left: no stream, no viewer, no open source.
    assert_eq!(server.call("GET", "/api/streams").await.body.trim(), "{}");
    let sessions = server.call("GET", "/api/rs/sessions?ended=0").await;
    assert_eq!(sessions.body.trim(), "{\"sessions\":[]}");
    let metrics = server.call("GET", "/metrics").await.body;
    assert!(metrics.contains("\nrs2rtc_leases{state=\"held\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn who_asks_for_it_is_shown_what_the_camera_sees() {
    let server = Server::start("trial-still", NONE);
    for (size, shown) in
        [("width=320&height=180", (320, 180)), ("width=1280&height=720", (640, 360))]
    {
        let body = json!({ "src": format!("demo:?{size}&gop=10"), "still": true }).to_string();
        let answer = server.send("POST", "/api/rs/test", "", &body).await;
        let lines: Vec<Value> =
            answer.body.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let order = steps(&lines);
        let at = |step: &str| order.iter().position(|one| one == step).expect(step);
        assert!((at("picture ok") + 1..at("release run")).contains(&at("still ok")), "{order:?}");
        let still = &lines[at("still ok")];
        assert_eq!(still["type"], "image/jpeg");
        let jpeg = STANDARD.decode(still["data"].as_str().unwrap()).unwrap();
        assert_eq!(super::pictures::size(&jpeg), shown);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_source_that_fails_says_why_without_its_password() {
    let server = Server::start("trial-fails", NONE);
    let lines = test(&server, "rtsp://user:geheim77@127.0.0.1:1/none").await;
    assert_eq!(steps(&lines), ["connect run", "connect fail", "release run", "release ok"]);
    assert_eq!(lines[1]["kind"], "unreachable");
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains("geheim77"), "{text}");
}

/// A stream that is configured, as it is.
async fn check(server: &Server, stream: &str) -> Vec<Value> {
    let body = serde_json::json!({ "stream": stream }).to_string();
    let answer = server.send("POST", "/api/rs/test", "", &body).await;
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.body);
    let lines = answer.body.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_stream_is_checked_the_way_that_viewers_go() {
    let file = "streams:\n  cam: demo:?width=320&height=180&gop=10\n  dead: rtsp://127.0.0.1:1/x\n";
    let server = Server::start("trial-stream", file);
    let lines = check(&server, "cam").await;
    let all = steps(&lines);
    assert_eq!(all[all.len() - 4..], ["packets run", "packets ok", "release run", "release ok"]);
    assert_eq!(lines[1]["running"], false);
    let packets = &lines[lines.len() - 3];
    assert!(packets["frames"].as_u64().unwrap() > 0, "{packets}");
    assert_eq!((&packets["loss"], &packets["jumps"]), (&Value::Null, &serde_json::json!(0)));
    let streams = server.call("GET", "/api/streams?src=cam").await.body;
    assert!(!streams.contains("receivers"), "it is let go: {streams}");

    // Somebody watches: the source is not dialled again, and not let go.
    let mut player = Player::open(&server, "cam", "000102030405060708090a0b0c0d0e0f").await;
    player.say(&serde_json::json!({ "type": "mse", "value": "avc1.640029" })).await;
    player.hear("mse").await;
    let lines = check(&server, "cam").await;
    assert_eq!(lines[1]["running"], true);
    assert_eq!(steps(&lines).last().unwrap(), "release skip");
    let metrics = server.call("GET", "/metrics").await.body;
    assert!(metrics.contains("\nrs2rtc_producers 1\n"), "{metrics}");

    let lines = check(&server, "dead").await;
    assert_eq!(steps(&lines)[1], "connect fail");
    let sources = server.call("GET", "/api/rs/sources?src=dead").await;
    let sources: Value = serde_json::from_str(&sources.body).unwrap();
    assert_eq!(sources["errors"][0]["kind"], "unreachable");
    assert_eq!(sources["sources"][0]["open"], false);
    let unknown = server.send("POST", "/api/rs/test", "", "{\"stream\": \"nosuch\"}").await;
    assert_eq!(unknown.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn the_last_failures_of_a_stream_are_told_without_secrets() {
    let server =
        Server::start("failures", "streams:\n  dead: rtsp://user:geheim77@127.0.0.1:1/x\n");
    for _ in 0..7 {
        assert_eq!(server.call("GET", "/api/streams?src=dead&video=all").await.status, 500);
    }
    let answer = server.call("GET", "/api/rs/sources?src=dead").await;
    assert!(!answer.body.contains("geheim77"), "{}", answer.body);
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    let errors = told["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 5);
    let at = |one: &Value| one["at"].as_f64().unwrap();
    assert!(errors.windows(2).all(|pair| at(&pair[0]) >= at(&pair[1])), "newest first: {told}");
    assert_eq!(server.call("GET", "/api/rs/sources?src=nosuch").await.status, 404);
    // Those of a source that it does not have any more say nothing.
    assert_eq!(server.call("PATCH", "/api/streams?name=dead&src=demo:").await.status, 200);
    let answer = server.call("GET", "/api/rs/sources?src=dead").await;
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!((&told["errors"], &told["sources"][0]["source"]), (&json!([]), &json!("demo:")));
    server.stop().await;
}

#[tokio::test]
async fn since_when_a_stream_is_open_and_how_it_was_let_go() {
    let server =
        Server::start("streams-about", "streams:\n  cam: demo:\n  dead: rtsp://127.0.0.1:1/x\n");
    let about = async |name: &str| {
        let all: Value =
            serde_json::from_str(&server.call("GET", "/api/rs/streams").await.body).unwrap();
        all["streams"][name].clone()
    };
    let nothing = json!({ "since": null, "released_at": null, "release_ms": null });
    assert_eq!((about("cam").await, about("dead").await), (nothing.clone(), nothing.clone()));
    let mut player = Player::open(&server, "cam", "000102030405060708090a0b0c0d0e0f").await;
    player.say(&json!({ "type": "mse", "value": "avc1.640029" })).await;
    player.hear("mse").await;
    let now = about("cam").await;
    assert!(now["since"].as_f64().unwrap() > 1.7e12, "{now}");
    assert_eq!(now["released_at"], json!(null));
    // Whatever a check finds, it lets go.
    drop(player);
    let mut last = server.streams.events().last();
    while about("cam").await["released_at"].is_null() {
        server.streams.events().changed(last).await;
        last = server.streams.events().last();
    }
    let then = about("cam").await;
    assert_eq!(then["since"], json!(null));
    assert!(then["released_at"].as_f64() >= now["since"].as_f64() && then["release_ms"].is_f64());
    check(&server, "dead").await;
    assert_eq!(about("dead").await["since"], json!(null));
    // One without a name has its address as such.
    let put = "/api/streams?src=rtsp://user:geheim77@127.0.0.1:1/x";
    assert_eq!(server.call("PUT", put).await.status, 200);
    let all = server.call("GET", "/api/rs/streams").await.body;
    assert!(all.contains("127.0.0.1:1/x") && !all.contains("geheim77"), "{all}");
    server.stop().await;
}

#[tokio::test]
async fn what_is_pushed_is_checked_and_stays() {
    let server = Server::start("trial-push", "streams:\n  push:\n");
    let stream = server.streams.get("push").unwrap();
    let codec = Codec::new(CodecId::Pcma).clock(8000);
    let media = Media::new(Kind::Audio, Direction::RecvOnly, codec);
    let about = Arc::new(Connection::new(Description::default()));
    let publication = stream.publish(vec![media], about);
    let lines = check(&server, "push").await;
    assert_eq!(
        (&lines[1]["running"], &lines[2]["tracks"][0]["codec_name"]),
        (&json!(true), &json!("pcm_alaw"))
    );
    assert_eq!(steps(&lines)[steps(&lines).len() - 1], "release skip");
    assert!(stream.is_open());
    drop(publication);
    server.stop().await;
}

#[tokio::test]
async fn a_test_names_only_what_a_call_may_name() {
    let server = Server::start("trial-refused", NONE);
    for (body, text) in [
        ("{\"src\": \"exec:reboot\"}", "source"),
        ("{\"src\": \"nosuch://host/x\"}", "source not supported"),
        ("{\"src\": \"word\"}", "which source"),
        ("{}", "which source"),
        ("nonsense", "which source"),
    ] {
        let answer = server.send("POST", "/api/rs/test", "", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.body.contains(text), "{body}: {}", answer.body);
    }
    assert_eq!(server.call("GET", "/api/rs/test").await.status, 405);
}

const CAMERA_SDP: &str = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAyDxQqkg,aMuMsg==\r\na=control:t0\r\n";
/// An IDR slice in one packet of RTP over the connection.
const PACKET: &[u8] = b"$\0\0\x10\x80\xe0\0\x01\0\0\0\0\0\0\0\x07\x65\x88\x84\0";

/// A camera that answers each request as it is told; what it answers on SETUP is given.
pub(super) async fn camera(setup: &'static str) -> (String, impl Future<Output = ()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            while let Ok(byte) = client.read_u8().await {
                request.push(byte);
                if !request.ends_with(b"\r\n\r\n") {
                    continue;
                }
                let text = String::from_utf8(std::mem::take(&mut request)).unwrap();
                let number = text.lines().find(|line| line.starts_with("CSeq: ")).unwrap();
                let (code, fields, body, media) = match text.split(' ').next() {
                    Some("DESCRIBE") => ("200 OK", String::new(), CAMERA_SDP, &b""[..]),
                    Some("SETUP") => {
                        let way = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n";
                        (setup, format!("Session: 4711\r\n{way}"), "", &b""[..])
                    }
                    Some("PLAY") => ("200 OK", String::new(), "", PACKET),
                    _ => ("200 OK", String::new(), "", &b""[..]),
                };
                let head = format!("RTSP/1.0 {code}\r\n{number}\r\n{fields}");
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                if client.write_all(&[answer.as_bytes(), media].concat()).await.is_err() {
                    break;
                }
            }
        }
    };
    (format!("rtsp://{address}/x#timeout=2"), answers)
}

/// What a test of it tells.
async fn test_of(server: &Server, setup: &'static str) -> Vec<Value> {
    let (source, answers) = camera(setup).await;
    tokio::select! {
        lines = test(server, &source) => lines,
        () = answers => panic!("the camera listens no more"),
    }
}

#[tokio::test]
async fn what_the_protocol_did_is_told_with_its_times() {
    let server = Server::start("trial-protocol", NONE);
    let lines = test_of(&server, "200 OK").await;
    let order = steps(&lines);
    let at = order.iter().position(|one| one == "protocol ok").expect("the protocol");
    assert_eq!((order[at - 1].as_str(), order[at + 1].as_str()), ("picture run", "picture ok"));
    let parts = lines[at]["parts"].as_array().unwrap();
    let names: Vec<_> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["connect", "DESCRIBE", "SETUP", "PLAY", "RTP"]);
    assert!(parts.iter().all(|part| part["ms"].as_f64().is_some_and(|ms| ms < 60_000.0)));
    server.stop().await;
}

#[tokio::test]
async fn a_camera_that_is_busy_says_so_and_is_not_waited_for() {
    let server = Server::start("trial-busy", NONE);
    let lines = test_of(&server, "453 Not Enough Bandwidth").await;
    let failed = &lines[lines.len() - 3];
    assert_eq!(
        (&failed["step"], &failed["state"]),
        (&json!("picture"), &json!("fail")),
        "{lines:?}"
    );
    assert_eq!(failed["kind"], "busy");
    // A picture is waited for 15 s.
    assert!(failed["ms"].as_f64().is_some_and(|ms| ms < 10_000.0), "{failed}");
    let text = failed["error"].as_str().unwrap();
    assert!(text.starts_with("no picture came: ") && text.contains("SETUP: 453"), "{text}");
    server.stop().await;
}
