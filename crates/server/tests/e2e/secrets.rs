//! Secrets in every place where one can stand, and none of them in any output.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use super::harness::{Folder, LIMIT, Ports, Server, binary};

/// Every secret of the configuration below begins so.
const CANARY: &str = "canary-";

const CONFIG: &str = r#"
# rtsp://user:canary-comment-31@127.0.0.1:1/x
#password: canary-comment-32
# old: token=canary-comment-33
#env:
#  OLD: canary-comment-34
env:
  FROM_SECTION: canary-section-01
api: {username: operator, password: canary-api-02, listen: "127.0.0.1:API"}
rtsp: {username: operator, password: canary-rtsp-03, listen: "127.0.0.1:RTSP"}
webrtc:
  listen: "127.0.0.1:WEBRTC"
  ice_servers: [{urls: ["turn:127.0.0.1:9"], username: u, credential: canary-ice-04}]
  filters: {loopback: true, ips: [127.0.0.1]}
log: {level: trace, format: FORMAT}
streams:
  section: rtsp://user:${FROM_SECTION}@127.0.0.1:1/x
  process: rtsp://127.0.0.1:1/${FROM_PROCESS}/x
  credentials: rtsp://127.0.0.1:1/${FROM_CREDENTIALS}/x
  written: rtsp://user:canary-url-07@127.0.0.1:1/x
  query: rtsp://127.0.0.1:1/x?user=a&token=canary-query-08&channel=1
  nested: ffmpeg:rtsp://user:canary-nested-09@127.0.0.1:1/x#video=copy
  header: "exec:false -headers 'Authorization: Bearer canary-header-10' {output}"
  argument: exec:false -i http://user:canary-argument-11@127.0.0.1:1/x?password=canary-argument-12 {output}
  variable: exec:sh -c 'CAM_PASS=canary-variable-15 PGPASSWORD="canary-variable 16" false' {output}
  key: rtmp://127.0.0.1:1/live2/canary-a1b2-c3d4-e5f6
  player: rtmp://127.0.0.1:1/bcs/channel0_main.bcs?channel=0&user=admin&password=canary-player-17 # password: canary-comment-35
  pushed: exec:false -f flv rtmp://127.0.0.1:1/live/canary-pushed-18
  several: ["rtsp://user:canary-several-13@127.0.0.1:1/a", "rtsp://user:canary-several-14@127.0.0.1:1/b"]
  demo: "demo:"
publish:
  # rtmp://127.0.0.1:1/live/canary-comment-36
  demo: [rtmp://127.0.0.1:1/live/canary-target-19, "rtmps://127.0.0.1:1/rtmp/canary-target-20?a=canary-target-27"]
"#;

const NAMES: [&str; 14] = [
    "section",
    "process",
    "credentials",
    "written",
    "query",
    "nested",
    "header",
    "argument",
    "variable",
    "key",
    "player",
    "pushed",
    "several",
    "demo",
];

fn start(format: &str) -> Server {
    let ports = Ports::free();
    let folder = Folder::new();
    let config = CONFIG
        .replace("API", &ports.api.to_string())
        .replace("RTSP", &ports.rtsp.to_string())
        .replace("WEBRTC", &ports.webrtc.to_string())
        .replace("FORMAT", format);
    folder.write("rs2rtc.yaml", &config);
    folder.write("FROM_CREDENTIALS", "canary-file-06\n");
    let mut command = Command::new(binary());
    command.env("FROM_PROCESS", "canary-process-05");
    command.env("CREDENTIALS_DIRECTORY", folder.path());
    let server = Server::spawn(command, folder, ports);
    server.wait_log("[api] listen");
    server
}

/// A whole answer, head and body. `extra` are header lines.
fn ask(server: &Server, method: &str, path: &str, extra: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.ports.api)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{extra}Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a WebSocket answers to an offer that cannot be answered.
fn socket(server: &Server, src: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.ports.api)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head = format!(
        "GET /api/ws?src={src} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let offer = "v=0\\r\\no=- 1 1 IN IP4 0.0.0.0\\r\\ns=-\\r\\nt=0 0\\r\\nm=video 9 UDP/TLS/RTP/SAVPF 96\\r\\n\
        c=IN IP4 0.0.0.0\\r\\na=ice-ufrag:abcd\\r\\na=ice-pwd:0123456789012345678901\\r\\n\
        a=fingerprint:sha-256 6B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08\\r\\n\
        a=setup:actpass\\r\\na=mid:0\\r\\na=recvonly\\r\\na=rtcp-mux\\r\\na=rtpmap:96 H264/90000\\r\\n";
    let text = format!("{{\"type\":\"webrtc/offer\",\"value\":\"{offer}\"}}");
    let len = u16::try_from(text.len()).unwrap().to_be_bytes();
    let mut frame = vec![0x81, 0x80 | 126, len[0], len[1], 0, 0, 0, 0];
    frame.extend_from_slice(text.as_bytes());
    stream.write_all(&frame).unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("\"type\":\"error\"") {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "{src}: the socket ended");
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The beginning of the event feed, until it has told of a failed source.
fn feed(server: &Server) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.ports.api)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET /api/rs/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("event: hello") {
        let read = stream.read(&mut chunk).unwrap();
        answer.extend_from_slice(&chunk[..read]);
    }
    for name in NAMES {
        ask(server, "GET", &format!("api/streams?src={name}&video=all&audio=all"), "", "");
    }
    while !String::from_utf8_lossy(&answer).contains("source_failed") {
        let read = stream.read(&mut chunk).unwrap();
        answer.extend_from_slice(&chunk[..read]);
    }
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    while let Ok(read @ 1..) = stream.read(&mut chunk) {
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn rtsp(server: &Server, stream: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", server.ports.rtsp)).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    let request = format!("DESCRIBE rtsp://127.0.0.1/{stream} RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut chunk = [0; 8192];
    let read = connection.read(&mut chunk).unwrap_or(0);
    String::from_utf8_lossy(&chunk[..read]).into_owned()
}

fn outputs(server: &Server) -> Vec<(String, String)> {
    let mut all = vec![("feed".to_owned(), feed(server))];
    let mut get = |path: &str, extra: &str| {
        all.push((path.to_owned(), ask(server, "GET", path, extra, "")));
    };
    // Somebody on the network, behind a proxy on this machine, is no admin.
    let guest = "X-Forwarded-For: 10.0.0.9\r\n";
    get("api/config", guest);
    get("api/streams", guest);
    get("api/log", guest);
    for path in [
        "",
        "api",
        "api/log",
        "api/schemes",
        "api/stack",
        "api/streams",
        "api/streams.dot",
        "api/preload",
        "api/webrtc",
        "api/rs/sessions",
        "api/rs/metrics",
        "metrics",
        "api/openapi.yaml",
        "schema.json",
        "api/nosuch",
    ] {
        get(path, "");
    }
    for name in NAMES {
        get(&format!("api/streams?src={name}"), "");
        get(&format!("api/streams?src={name}&video=all&audio=all&microphone"), "");
        get(&format!("api/streams.dot?src={name}"), "");
    }
    for source in [
        "rtsp://user:canary-put-21@127.0.0.1:1/x",
        "foo://user:canary-put-22@127.0.0.1:1/x",
        "rtsp://127.0.0.1:1/x?token=canary-put-23",
    ] {
        all.push((
            "put".into(),
            ask(server, "PUT", &format!("api/streams?name=put&src={source}"), "", ""),
        ));
        all.push(("get".into(), ask(server, "GET", "api/streams?src=put&video=all", "", "")));
        all.push(("socket".into(), socket(server, source)));
    }
    for call in [
        ("PUT", "name=put&src=rtsp%3A%2F%2Fuser%3Acanary-put-24%40127.0.0.1%3A1%2Fx"),
        ("PUT", "name=put&src=rtmp%3A%2F%2F127.0.0.1%3A1%2Flive%2Fcanary-put-25-a1b2"),
        // Its name is its address.
        ("PUT", "src=rtsp://user:canary-put-29@127.0.0.1:1/x"),
        ("GET", "src=rtsp://user:canary-put-29@127.0.0.1:1/x&video"),
        ("POST", "src=demo&dst=rtmp://127.0.0.1:1/live/canary-target-26"),
        ("POST", "src=demo&dst=rtmp%3A%2F%2F127.0.0.1%3A1%2Flive%2Fcanary-target-27"),
        ("DELETE", "src=demo&dst=rtmp%3A%2F%2F127.0.0.1%3A1%2Flive%2Fcanary-target-28"),
    ] {
        let path = format!("api/streams?{}", call.1);
        all.push((format!("{} {}", call.0, call.1), ask(server, call.0, &path, "", "")));
    }
    for path in ["api/streams", "api/streams.dot", "api/rs/sessions", "metrics"] {
        all.push((path.into(), ask(server, "GET", path, "", "")));
    }
    for name in NAMES.iter().filter(|name| **name != "demo") {
        all.push((format!("ws {name}"), socket(server, name)));
        all.push((format!("rtsp {name}"), rtsp(server, name)));
    }
    all.push(("log at last".into(), ask(server, "GET", "api/log", "", "")));
    all
}

fn clean(server: &Server) {
    for (name, text) in outputs(server) {
        assert!(!text.contains(CANARY), "{name}: {text}");
    }
    let log = server.log();
    for line in log.lines() {
        assert!(!line.contains(CANARY), "log: {line}");
    }
    assert!(log.contains("***"), "the log tells of masked sources");
    assert!(log.contains("unsupported scheme: rtmp://127.0.0.1:1/live/***"), "{log}");
    assert!(
        log.contains("rtmp://127.0.0.1:1/bcs/channel0_main.bcs?channel=0"),
        "a camera is named"
    );
}

#[test]
fn no_output_holds_a_secret_with_a_log_in_text() {
    clean(&start("text"));
}

#[test]
fn no_output_holds_a_secret_with_a_log_in_json() {
    let server = start("json");
    clean(&server);
    for line in server.log().lines().filter(|line| line.starts_with('{')) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record["level"].is_string() && record["message"].is_string(), "{line}");
    }
}

/// The secrets are there: who may see the file sees them.
#[test]
fn an_admin_sees_the_file_as_it_is() {
    let server = start("text");
    let file = ask(&server, "GET", "api/config", "", "");
    for secret in ["canary-api-02", "canary-query-08", "canary-comment-32", "canary-target-19"] {
        assert!(file.contains(secret), "{file}");
    }
}
