//! What the pages ask for beside the contract: log levels, when a camera is let go, lists.

use std::time::Duration;

use serde_json::json;

use super::{Server, json_of};

#[tokio::test]
async fn log_levels_for_a_while() {
    let server = Server::start("levels", "log: {exec: error}\nstreams: {}\n");
    const CALL: &str = "/api/rs/log/levels";
    let begin = json_of(&server.call("GET", CALL).await);
    assert_eq!(begin["modules"], json!({"exec": "error"}));
    assert!(begin["known"].as_array().unwrap().iter().any(|name| name == "rtsp"), "{begin}");
    assert_eq!(begin["temporary"], json!([]));
    let set = |query: &str| format!("{CALL}?{query}");
    for (query, words) in [
        ("module=rtsp", "level must be one of trace, debug, info, warn, error, disabled\n"),
        ("module=rtsp&level=loud", "level must be one of"),
        ("module=a%20b&level=debug", "module must be a name"),
        ("level=debug&minutes=0", "minutes must be a number from 1 to 60\n"),
        ("level=debug&minutes=61", "minutes must be"),
        ("level=debug&minutes=x", "minutes must be"),
    ] {
        let reply = server.call("POST", &set(query)).await;
        assert!(reply.status == 400 && reply.body.starts_with(words), "{query}: {}", reply.body);
    }
    let now = json_of(
        &server.call("POST", &set("module=no_other_test_logs_here&level=debug&minutes=2")).await,
    );
    let [one] = now["temporary"].as_array().unwrap().as_slice() else { panic!("{now}") };
    assert_eq!(
        (&one["module"], &one["level"]),
        (&"no_other_test_logs_here".into(), &"debug".into())
    );
    let left = one["left_ms"].as_u64().unwrap();
    assert!((1..=120_000).contains(&left), "{left}");
    let end = set("module=no_other_test_logs_here");
    assert_eq!(json_of(&server.call("DELETE", &end).await)["temporary"], json!([]));
    server.call("DELETE", &end).await.is(404, "this module has no level for a while\n");
    server.call("PUT", CALL).await.is(405, "use GET, HEAD, POST, DELETE\n");
}

#[tokio::test]
async fn when_a_camera_is_let_go() {
    let server = Server::start(
        "release_policy",
        "webrtc: {liveness: fast}\nstreams: {a: 'demo:', b: {url: 'demo:', linger: 5s, hidden_linger: 1s, liveness: tolerant, exclusive: hub, clip: 30s}}\n",
    );
    let of = async |name: &str| {
        json_of(&server.call("GET", &format!("/api/rs/release?src={name}")).await)
    };
    // WebRTC starts beside the API.
    let started = async {
        while of("a").await["profile"].is_null() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), started).await.expect("WebRTC starts");
    let expected = json!({"linger_ms": 0.0, "hidden_linger_ms": 5000.0, "clip_ms": 0.0, "exclusive": false, "profile": "fast", "silence_ms": 1000.0, "warm": false});
    assert_eq!(of("a").await, expected);
    let expected = json!({"linger_ms": 5000.0, "hidden_linger_ms": 6000.0, "clip_ms": 30000.0, "exclusive": true, "profile": "tolerant", "silence_ms": 20000.0, "warm": false});
    assert_eq!(of("b").await, expected);
    server.call("GET", "/api/rs/release?src=x").await.is(404, "stream not found\n");
}

#[tokio::test]
async fn nothing_found_is_an_empty_list_for_who_says_so() {
    let server = Server::start("devices", "streams: {}\n");
    let plain = server.call("GET", "/api/ffmpeg/devices").await;
    let asked = server.call("GET", "/api/ffmpeg/devices?empty=1").await;
    assert_eq!(asked.status, 200);
    match plain.status {
        404 => assert_eq!(json_of(&asked), json!({"sources": []})),
        // This machine has some.
        _ => assert_eq!(asked.body, plain.body),
    }
}

/// What keeps a page from loading, running or telling anything that is not packed: word by word,
/// so that no line of it goes unseen.
#[tokio::test]
async fn pages_say_what_they_may_do() {
    let server = Server::start("page-headers", "");
    for (path, ancestors) in [
        ("/", "'self'"),
        ("/config.html", "'self'"),
        ("/camera.html?src=x", "'self'"),
        ("/links.html", "'self'"),
        ("/stream.html?src=x", "'self' *"),
        ("/webrtc.html", "'self' *"),
        ("/webrtc-sync.html", "'self' *"),
        ("/hls.html", "'self' *"),
    ] {
        let page = server.call("GET", path).await;
        assert_eq!(page.status, 200, "{path}");
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; \
             img-src 'self' blob: data:; media-src 'self' blob: data:; connect-src 'self'; \
             manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-src 'self'; \
             frame-ancestors {ancestors}; require-trusted-types-for 'script'; trusted-types 'none'"
        );
        for (name, value) in [
            ("content-security-policy", policy.as_str()),
            ("permissions-policy", "camera=(self), microphone=(self), display-capture=(self)"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            assert_eq!(page.header(name), Some(value), "{path}: {name}");
        }
        assert_eq!(page.header("cross-origin-resource-policy"), None, "{path}");
    }
    // Two files are for pages of other origins too.
    for (path, policy) in [
        ("/video-rtc.js", Some("cross-origin")),
        ("/video-stream.js", Some("cross-origin")),
        ("/player/rs-player.js", None),
        ("/app.css", None),
    ] {
        let file = server.call("GET", path).await;
        assert_eq!(file.status, 200, "{path}");
        assert_eq!(file.header("cross-origin-resource-policy"), policy, "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(file.header("referrer-policy"), Some("same-origin"), "{path}");
    }
    server.stop().await;
}
