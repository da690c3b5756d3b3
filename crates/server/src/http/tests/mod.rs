//! The API over a real loopback connection, against recorded answers of the
//! contract.

use std::net::SocketAddr;
use std::path::PathBuf;

use rs2rtc_streams::{CancellationToken, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::app::{App, Options, Outcome};

mod access;
mod bodies;
mod clip;
mod config;
mod doctor;
mod feed;
mod ffmpeg;
mod hls;
mod https;
mod ingest;
mod logins;
mod openapi;
mod openapi_answers;
mod outputs;
mod pages;
mod picture_streams;
mod pictures;
mod players;
mod slow_readers;
mod sockets;
mod talk;
mod trial;

struct Server {
    addr: SocketAddr,
    dir: PathBuf,
    cancel: CancellationToken,
    ended: tokio::sync::oneshot::Receiver<Outcome>,
    streams: rs2rtc_streams::Streams,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status, self.body.as_str()), (status, body), "{}", self.head);
    }
}

fn json_of(answer: &Answer) -> serde_json::Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.body))
}

impl Server {
    fn start(name: &str, file: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("rs2rtc-http-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let quiet = "rtsp:\n  listen: \"\"\nlog:\n  output: \"\"\n";
        std::fs::write(dir.join("go2rtc.yaml"), format!("{quiet}{file}")).unwrap();
        let mut config = vec!["go2rtc.yaml".to_owned(), "webrtc.listen=127.0.0.1:0".to_owned()];
        if !file.contains("listen: 127") {
            config.push("api.listen=127.0.0.1:0".to_owned());
        }
        Self::run(dir, config)
    }

    /// Starts with these items of a command line.
    fn run(dir: PathBuf, config: Vec<String>) -> Self {
        let app = App::load(&Options { config, dir: Some(dir.clone()) });
        let addr = app.http_addr().unwrap();
        let streams = app.streams().clone();
        let cancel = CancellationToken::new();
        let (tell, ended) = tokio::sync::oneshot::channel();
        let run = app.run(cancel.clone());
        Tasks::new().spawn("server", async move {
            let _ = tell.send(run.await);
        });
        Self { addr, dir, cancel, ended, streams }
    }

    async fn call(&self, method: &str, path: &str) -> Answer {
        self.send(method, path, "", "").await
    }

    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let addr = self.addr;
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n{length}{headers}\r\n{body}"
        );
        self.exchange(&request).await
    }

    /// The answer to bytes as they are, on a connection of its own.
    async fn exchange(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body }
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.dir.join("go2rtc.yaml")).unwrap()
    }

    async fn stop(self) -> Outcome {
        self.cancel.cancel();
        let outcome = self.ended.await.unwrap();
        std::fs::remove_dir_all(&self.dir).unwrap();
        outcome
    }
}

const STREAMS: &str = "streams:\n  cam: rtsp://user:secret@127.0.0.1:1/x?a=1&b=2\n  empty:\n";

#[tokio::test]
async fn the_program_itself() {
    let server = Server::start("system", STREAMS);
    let api = server.call("GET", "/api").await;
    assert_eq!(api.status, 200);
    assert_eq!(api.header("content-type"), Some("application/json"));
    let json: serde_json::Value = serde_json::from_str(&api.body).unwrap();
    assert_eq!(json["version"], "1.9.14");
    assert_eq!(json["host"], server.addr.to_string());
    assert_eq!(json["rtsp"]["listen"], "");
    assert!(api.body.contains("video\\u0026audio"), "{}", api.body);
    assert!(json["rs2rtc"]["version"].is_string());
    assert_eq!(json["rs2rtc"]["may"], "admin");
    assert!(json["config_path"].as_str().unwrap().ends_with("go2rtc.yaml"));
    let schemes = server.call("GET", "/api/schemes").await;
    assert!(schemes.body.contains("\"rtsp\"") && schemes.body.contains("\"demo\""));
    server.call("GET", "/api/exit").await.is(400, "\n");
    server.call("POST", "/api/exit").await.is(400, "Code must be in the range [0, 125]\n");
    server.call("POST", "/api/exit?code=126").await.is(400, "Code must be in the range [0, 125]\n");
    server.call("GET", "/api/restart").await.is(400, "\n");
    let log = server.call("GET", "/api/log").await;
    assert_eq!(log.header("content-type"), Some("application/jsonlines"));
    server.call("POST", "/api/log").await.is(400, "Method not allowed\n");
    server.call("DELETE", "/api/log").await.is(200, "OK");
    server.call("GET", "/api/unknown").await.is(404, "404 page not found\n");
    server.call("GET", "/static").await.is(200, "{\"status\":1,\"payload\":{}}");
    let clean = server.call("GET", "/api//streams?x=1").await;
    assert_eq!((clean.status, clean.header("location")), (307, Some("/api/streams?x=1")));
    assert_eq!(server.stop().await, Outcome::Exit(0));
}

#[tokio::test]
async fn exit_ends_the_program_with_its_code() {
    let server = Server::start("exit", STREAMS);
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"POST /api/exit?code=3 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut nothing = Vec::new();
    let _ = stream.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
    assert_eq!(server.stop().await, Outcome::Exit(3));
}

#[tokio::test]
async fn a_dead_camera_fills_no_log() {
    let server = Server::start("dead", "streams:\n  dead: rtsp://user:geheim@127.0.0.1:1/none\n");
    for _ in 0..5 {
        assert_eq!(server.call("GET", "/api/streams?src=dead&video").await.status, 500);
    }
    let log = server.call("GET", "/api/log").await.body;
    let warnings: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &serde_json::Value| record["level"] == "warn")
        .collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert_eq!(warnings[0]["stream"], "dead");
    assert_eq!(warnings[0]["source"], "rtsp://***@127.0.0.1:1/none");
    let error = warnings[0]["error"].as_str().unwrap();
    assert!(error.starts_with("rtsp: can't connect to 127.0.0.1:1"), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn streams_are_listed_changed_and_written_back() {
    let server = Server::start("streams", STREAMS);
    let one = "{\n  \"producers\": [\n    {\n      \"url\": \"rtsp://***@127.0.0.1:1/x?a=1\\u0026b=2\"\n    }\n  ],\n  \"consumers\": null\n}\n";
    server.call("GET", "/api/streams?src=cam").await.is(200, one);
    let all = "{\"cam\":{\"producers\":[{\"url\":\"rtsp://***@127.0.0.1:1/x?a=1\\u0026b=2\"}],\"consumers\":null},\"empty\":{\"producers\":null,\"consumers\":null}}\n";
    server.call("GET", "/api/streams").await.is(200, all);
    server.call("DELETE", "/api/streams").await.is(200, all);
    server.call("PUT", "/api/streams?name=x").await.is(200, all);
    server.call("GET", "/api/streams?src=nosuch").await.is(404, "\n");
    server.call("HEAD", "/api/streams?src=cam").await.is(200, "");
    server.call("FOO", "/api/streams?src=cam").await.is(200, "");
    let dot = server.call("GET", "/api/streams.dot").await;
    dot.is(200, "digraph {\n}");
    assert_eq!(dot.header("content-type"), Some("text/vnd.graphviz"));

    server
        .call("PUT", "/api/streams?name=new1&src=rtsp://user:pass@127.0.0.1:1/x")
        .await
        .is(200, "");
    assert!(server.file().ends_with("  new1:\n    - rtsp://user:pass@127.0.0.1:1/x\n"));
    let new = server.call("GET", "/api/streams?src=new1").await;
    assert!(new.body.contains("\"url\": \"rtsp://***@127.0.0.1:1/x\""));
    server.call("PUT", "/api/streams?src=rtsp://127.0.0.1:1/cam_opus").await.is(200, "");
    assert!(
        server
            .file()
            .contains("  rtsp://127.0.0.1:1/cam_opus:\n    - rtsp://127.0.0.1:1/cam_opus\n")
    );
    for (path, text) in [
        ("?name=bad1&src=foo://127.0.0.1/x", "streams: source not supported\n"),
        ("?name=bad2&src=exec:date", "streams: source from insecure producer\n"),
        (
            "?name=bad3&src=ffmpeg%3Amedia%2Fa%20b.mp4",
            "streams: source with spaces may be insecure\n",
        ),
        ("?name=bad4&src=rtsp://127.0.0.1/x&src=foo://1", "streams: source not supported\n"),
        ("?name=alias9&src=cam", "streams: source not supported\n"),
    ] {
        server.call("PUT", &format!("/api/streams{path}")).await.is(400, text);
    }
    // Only pages of ours are told its class: others get what go2rtc sends.
    for (headers, kind) in [("", None), ("X-RS: 1\r\n", Some("unsupported"))] {
        let answer = server.send("PATCH", "/api/streams?name=cam&src=foo://1", headers, "").await;
        assert_eq!((answer.status, answer.header("x-rs-error")), (400, kind));
    }
    assert!(!server.file().contains("bad"));
    server.call("PATCH", "/api/streams?name=alias1&src=cam").await.is(200, "");
    server.call("GET", "/api/streams?src=alias1").await.is(200, one);
    server.call("PATCH", "/api/streams?src=rtsp://127.0.0.1:1/none").await.is(400, "\n");
    server
        .call("PATCH", "/api/streams?name=zz&src=foo:bar")
        .await
        .is(400, "streams: source not supported\n");
    server.call("DELETE", "/api/streams?src=new1").await.is(200, "");
    assert!(!server.file().contains("new1"));
    server.call("GET", "/api/streams?src=new1").await.is(404, "\n");
    server.call("DELETE", "/api/streams?src=nosuch").await.is(200, "");
    server.call("POST", "/api/streams?src=cam").await.is(400, "\n");
    server.call("POST", "/api/streams?src=nosuch&dst=rtmp://x").await.is(404, "\n");
    server.stop().await;
}

#[tokio::test]
async fn a_probe_shows_itself_and_goes() {
    let server =
        Server::start("probe", "streams:\n  demo: 'demo:'\n  broken: rtsp://127.0.0.1:1/none\n");
    let probe = "/api/streams?src=broken&video=all";
    let broken = server.send("GET", probe, "X-RS: 1\r\n", "").await;
    assert_eq!((broken.status, broken.header("x-rs-error")), (500, Some("unreachable")));
    let probe = server.call("GET", "/api/streams?src=demo&video=all&audio=all").await;
    assert_eq!(probe.status, 200, "{}", probe.body);
    let json: serde_json::Value = serde_json::from_str(&probe.body).unwrap();
    assert_eq!(json["consumers"][0]["format_name"], "probe");
    assert_eq!(json["consumers"][0]["medias"][0], "video, sendonly, ALL");
    assert!(json["producers"][0]["url"].is_string());
    let after = server.call("GET", "/api/streams?src=demo").await;
    let json: serde_json::Value = serde_json::from_str(&after.body).unwrap();
    assert_eq!(json["consumers"], serde_json::json!([]));
    let broken = server.call("GET", "/api/streams?src=broken&video").await;
    assert_eq!(broken.status, 500);
    assert!(broken.body.starts_with("streams: "), "{}", broken.body);
    server.stop().await;
}

#[tokio::test]
async fn what_may_not_be_named_is_told_by_its_name() {
    let server = Server::start("insecure", STREAMS);
    for (source, part) in [
        ("ffmpeg:cam%23video=zz", "#video=zz may stand in the configuration file only"),
        ("ffmpeg:cam%23vdeo=h264", "unknown parameter \"vdeo\", did you mean \"video\"?"),
        ("ffmpeg:device?video=0", "this input may stand in the configuration file only"),
    ] {
        let answer = server.call("PUT", &format!("/api/streams?name=x&src={source}")).await;
        answer.is(400, &format!("streams: source from insecure producer: {part}\n"));
    }
    let exec = server.call("PUT", "/api/streams?name=x&src=exec:date").await;
    exec.is(400, "streams: source from insecure producer\n");
    server.stop().await;
}

#[tokio::test]
async fn the_configuration_file() {
    let server = Server::start("config", STREAMS);
    let get = server.call("GET", "/api/config").await;
    get.is(200, &server.file());
    assert_eq!(get.header("content-type"), Some("application/yaml"));
    server.send("POST", "/api/config", "", "a:\n\tb: 1\n").await;
    let bad = server.send("POST", "/api/config", "", "a:\n\tb: 1\n").await;
    assert_eq!(bad.status, 500);
    assert!(bad.body.starts_with("yaml: line 2: "), "{}", bad.body);
    assert_eq!(server.send("POST", "/api/config", "", "- a\n- b\n").await.status, 500);
    server.send("POST", "/api/config", "", "# new\nlog:\n  level: info\n").await.is(200, "");
    assert_eq!(server.file(), "# new\nlog:\n  level: info\n");
    server.call("PUT", "/api/config").await.is(200, "");
    server.call("DELETE", "/api/streams?src=a").await.is(400, "yaml: path not exist\n");
    std::fs::remove_file(server.dir.join("go2rtc.yaml")).unwrap();
    server.call("GET", "/api/config").await.is(404, "\n");
    let evil = "Origin: http://evil.example\r\n";
    assert_eq!(server.send("POST", "/api/config", evil, "a: 1").await.status, 403);
    server.stop().await;
}

#[tokio::test]
async fn webrtc_calls() {
    let server = Server::start("webrtc", STREAMS);
    for method in ["GET", "PUT", "PATCH"] {
        server.call(method, "/api/webrtc?src=cam").await.is(405, "\n");
    }
    server.call("OPTIONS", "/api/webrtc?src=cam").await.is(204, "");
    server.call("POST", "/api/webrtc").await.is(400, "\n");
    server.call("POST", "/api/webrtc?src=nosuch").await.is(404, "stream not found\n");
    server.call("DELETE", "/api/webrtc").await.is(400, "\n");
    server.call("DELETE", "/api/webrtc?id=zzz").await.is(404, "\n");
    server.call("POST", "/api/webrtc/bye?id=zzz").await.is(404, "\n");
    let json = "Content-Type: application/json\r\n";
    assert_eq!(server.send("POST", "/api/webrtc?src=cam", json, "{").await.status, 400);
    assert_eq!(server.send("POST", "/api/webrtc?src=cam", json, "{}").await.status, 500);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(server.send("POST", "/api/webrtc?src=cam", form, "data=%%%").await.status, 400);
    server.call("GET", "/api/ws?src=cam").await.is(400, "Bad Request\n");
    // A rejected offer leaves nothing behind.
    let after = server.call("GET", "/api/streams?src=cam").await;
    assert!(after.body.contains("\"consumers\": null"), "{}", after.body);
    server.stop().await;
}

#[tokio::test]
async fn login_origin_and_base_path() {
    let file = "api:\n  listen: 127.0.0.1:0\n  username: admin\n  password: pass\n  local_auth: true\n  base_path: /rtc\n  origin: '*'\n";
    let server = Server::start("login", file);
    let refused = server.call("GET", "/rtc/api").await;
    refused.is(401, "Unauthorized\n");
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"go2rtc\""));
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    let login = "Authorization: Basic YWRtaW46cGFzcw==\r\n";
    assert_eq!(server.send("GET", "/rtc/api", login, "").await.status, 200);
    let wrong = "Authorization: Basic YWRtaW46bm9wZQ==\r\n";
    assert_eq!(server.send("GET", "/rtc/api", wrong, "").await.status, 401);
    assert_eq!(server.send("GET", "/api", login, "").await.status, 404);
    let base = server.send("GET", "/rtc", login, "").await;
    assert_eq!((base.status, base.header("location")), (307, Some("/rtc/")));
    assert_eq!(server.send("GET", "/static", login, "").await.status, 200);
    let preflight = "Origin: http://x\r\nAccess-Control-Request-Method: PUT\r\n";
    server.send("OPTIONS", "/rtc/api/streams", preflight, "").await.is(204, "");
    server.stop().await;
}

#[tokio::test]
async fn the_page_that_is_let_in_opens_sockets() {
    let file = "api:\n  listen: 127.0.0.1:0\n  origin: https://ha.example\n";
    let server = Server::start("origin-socket", file);
    for (origin, expected) in [("https://ha.example", 101), ("https://evil.example", 403)] {
        let (status, _) = open_socket(&server, &format!("Origin: {origin}\r\n")).await;
        assert_eq!(status, expected, "{origin}");
    }
    server.stop().await;
}

#[tokio::test]
async fn only_listed_paths_exist() {
    let file = "api:\n  listen: 127.0.0.1:0\n  allow_paths: [/, /api, /api/streams]\n";
    let server = Server::start("paths", file);
    assert_eq!(server.call("GET", "/api").await.status, 200);
    assert_eq!(server.call("GET", "/api/streams").await.status, 200);
    server.call("GET", "/api/config").await.is(404, "404 page not found\n");
    server.call("GET", "/api/ws?src=cam").await.is(404, "404 page not found\n");
    server.stop().await;
}

#[tokio::test]
async fn the_web_interface() {
    let server = Server::start("ui", STREAMS);
    let plain = server.call("GET", "/video-rtc.js").await;
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert!(plain.body.contains("VideoRTC"));
    let gzip = "Accept-Encoding: br, gzip\r\n";
    let packed = server.send("GET", "/video-rtc.js", gzip, "").await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let tag = format!("If-None-Match: {}\r\n", plain.header("etag").unwrap());
    let known = server.send("GET", "/video-rtc.js", &tag, "").await;
    known.is(304, "");
    for page in [&plain, &known] {
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    }
    let part = server.send("GET", "/video-rtc.js", "Range: bytes=0-9\r\n", "").await;
    part.is(206, &plain.body[..10]);
    let index = server.call("GET", "/index.html").await;
    assert_eq!((index.status, index.header("location")), (301, Some("./")));
    server.call("GET", "/../go2rtc.yaml").await;
    server.call("GET", "/nosuch.js").await.is(404, "404 page not found\n");
    server.stop().await;
}

/// A client frame with a mask of zeros.
fn frame(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match u8::try_from(text.len()).ok().filter(|n| *n < 126) {
        Some(len) => bytes.push(0x80 | len),
        None => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(text.as_bytes());
    bytes
}

async fn open_socket(server: &Server, headers: &str) -> (u16, TcpStream) {
    open_socket_to(server, "nosuch", headers).await
}

async fn open_socket_to(server: &Server, src: &str, headers: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let request = format!(
        "GET /api/ws?src={src} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n",
        server.addr
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let status = String::from_utf8(head).unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    (status, stream)
}

/// The next text; pings, which a slow machine gets to see, are passed over.
async fn read_text(stream: &mut TcpStream) -> String {
    loop {
        let head = stream.read_u16().await.unwrap();
        let len = match head & 0x7F {
            126 => usize::from(stream.read_u16().await.unwrap()),
            127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
            len => usize::from(len),
        };
        let mut text = vec![0; len];
        stream.read_exact(&mut text).await.unwrap();
        // Neither a ping nor media.
        if !matches!(head >> 8, 0x89 | 0x82) {
            assert_eq!(head >> 8, 0x81, "not a text frame");
            return String::from_utf8(text).unwrap();
        }
    }
}

#[tokio::test]
async fn sockets_answer_errors_in_the_players_form() {
    let server = Server::start("ws", STREAMS);
    let (status, mut socket) = open_socket(&server, "").await;
    assert_eq!(status, 101);
    socket.write_all(&frame(r#"{"type":"webrtc/offer","value":"v=0"}"#)).await.unwrap();
    let expected = "{\"type\":\"error\",\"value\":\"webrtc/offer: stream not found\"}\n";
    assert_eq!(read_text(&mut socket).await, expected);
    socket
        .write_all(&frame(r#"{"type":"webrtc","value":{"type":"offer","sdp":"v=0"}}"#))
        .await
        .unwrap();
    assert!(read_text(&mut socket).await.contains("\"webrtc: stream not found\""));
    socket.write_all(&frame(r#"{"type":"later"}"#)).await.unwrap();
    socket.write_all(&frame(r#"{"type":"webrtc/candidate","value":""}"#)).await.unwrap();
    socket.write_all(&frame(r#"{"type":"mse","value":"avc1"}"#)).await.unwrap();
    assert!(read_text(&mut socket).await.starts_with("{\"type\":\"error\",\"value\":\"mse: "));
    socket.write_all(&frame("no json")).await.unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    // Closed with a reason: 1007.
    let code = [0x03, 0xEF];
    assert!(rest.windows(4).any(|close| close[0] == 0x88 && close[2..] == code), "{rest:?}");
    let (status, _) = open_socket(&server, "Origin: http://evil.example\r\n").await;
    assert_eq!(status, 403);
    server.stop().await;
}
