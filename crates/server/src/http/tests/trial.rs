//! `api/rs/test` over a real connection.

use serde_json::Value;

use super::Server;

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
async fn a_source_that_fails_says_why_without_its_password() {
    let server = Server::start("trial-fails", NONE);
    let lines = test(&server, "rtsp://user:geheim77@127.0.0.1:1/none").await;
    assert_eq!(steps(&lines), ["connect run", "connect fail", "release run", "release ok"]);
    assert_eq!(lines[1]["kind"], "unreachable");
    let text = serde_json::to_string(&lines).unwrap();
    assert!(!text.contains("geheim77"), "{text}");
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
