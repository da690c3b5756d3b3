//! `api/rs/doctor` over a real connection; that a way is found is tested where sessions are.

use serde_json::json;

use super::{Server, json_of, players};

#[tokio::test]
async fn facts_of_the_machine_and_our_ports() {
    let server = Server::start("doctor", "streams: {}\n");
    let proxied = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n";
    let answer = server.send("GET", "/api/rs/doctor", proxied, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let facts = json_of(&answer);
    let port = server.addr.port();
    let ports = facts["ports"].as_array().unwrap();
    let of = |module: &str, network: &str| {
        let mut found = ports.iter().filter(|p| p["module"] == module && p["network"] == network);
        found.next().unwrap_or_else(|| panic!("{module} {network}: {facts}")).clone()
    };
    let api = json!({ "module": "api", "network": "tcp", "address": format!("127.0.0.1:{port}"), "problem": null });
    assert_eq!(of("api", "tcp"), api);
    let media = of("webrtc", "udp")["address"].as_str().unwrap().to_owned();
    let candidates = facts["candidates"].as_array().unwrap();
    assert!(candidates.contains(&json!(format!("udp 127.0.0.1:{media}"))), "{facts}");
    let interfaces = facts["interfaces"].as_array().unwrap();
    assert!(
        interfaces.iter().any(|i| i["addresses"].as_array().unwrap().contains(&json!("127.0.0.1")))
    );
    assert!(facts["disk"]["total"].as_u64().unwrap() >= facts["disk"]["free"].as_u64().unwrap());
    assert!(facts["open_files"]["used"].as_u64().unwrap() > 5);
    assert!(facts["now_ms"].as_f64().unwrap() > 1.7e12);
    assert_eq!(facts["request"]["forwarded"], json!(["x-forwarded-for", "x-forwarded-proto"]));
    server.stop().await;
}

#[tokio::test]
async fn what_concerns_only_those_inside_is_told_to_nobody_else() {
    let server = Server::start("doctor-outside", "streams: {}\n");
    let outside = "X-Forwarded-For: 203.0.113.9\r\n";
    let answer = server.send("GET", "/api/rs/doctor", outside, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let facts = json_of(&answer);
    for key in ["ports", "interfaces", "candidates", "disk", "config", "ffmpeg"] {
        assert_eq!(facts[key], json!(null), "{key}");
    }
    let request =
        json!({ "peer": null, "host": server.addr.to_string(), "forwarded": ["x-forwarded-for"] });
    assert_eq!(facts["request"], request);
    server.stop().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_its_problem() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let file =
        format!("api:\n  unix_listen: /nosuch/folder/x.sock\nwebrtc:\n  listen: {address}\n");
    let dir = std::env::temp_dir().join(format!("rs2rtc-http-{}-doctor-ports", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(
        dir.join("go2rtc.yaml"),
        format!("rtsp: {{listen: \"\"}}\nlog: {{output: \"\"}}\n{file}"),
    )
    .unwrap();
    let config = ["go2rtc.yaml", "api.listen=127.0.0.1:0"].map(str::to_owned).to_vec();
    let server = Server::run(dir, config);
    let facts = json_of(&server.call("GET", "/api/rs/doctor").await);
    let ports = facts["ports"].as_array().unwrap();
    let problem = |network: &str| {
        let port = ports.iter().find(|p| p["network"] == network && p["problem"].is_string());
        port.unwrap_or_else(|| panic!("{network}: {facts}"))["problem"].as_str().unwrap().to_owned()
    };
    assert!(problem("tcp").contains(&address.port().to_string()), "{facts}");
    assert!(problem("unix").contains("No such file"), "{facts}");
    server.stop().await;
}

#[tokio::test]
async fn a_way_is_tried_with_a_data_channel_only() {
    let server = Server::start("doctor-path", "streams: {}\n");
    let offer = channel();
    let headers = "Content-Type: application/sdp\r\n";
    let answer = server.send("POST", "/api/rs/doctor/path", headers, &offer).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/sdp"));
    let count: usize = answer.header("x-candidates").unwrap().parse().unwrap();
    assert!(count >= 1);
    assert_eq!(answer.body.matches("a=candidate:").count(), 1, "{}", answer.body);
    let beyond = format!("/api/rs/doctor/path?candidate={count}");
    assert_eq!(server.send("POST", &beyond, headers, &offer).await.status, 404);
    for (path, body) in [
        ("/api/rs/doctor/path?candidate=x", offer.as_str()),
        ("/api/rs/doctor/path", "nonsense"),
        ("/api/rs/doctor/path", &players::offer()),
    ] {
        let refused = server.send("POST", path, headers, body).await;
        assert_eq!(refused.status, 400, "{path} {body}");
        assert!(refused.body.len() > 10, "{}", refused.body);
    }
    let sessions = server.call("GET", "/api/rs/sessions?ended=0").await;
    sessions.is(200, "{\"sessions\":[]}\n");
    let evil = "Origin: http://evil.example\r\nContent-Type: application/sdp\r\n";
    assert_eq!(server.send("POST", "/api/rs/doctor/path", evil, &offer).await.status, 403);
    assert_eq!(server.call("GET", "/api/rs/doctor/path").await.status, 405);
    server.stop().await;
}

/// The offer of a data channel.
fn channel() -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\n\
         a=mid:0\r\na=sctp-port:5000\r\n"
    )
}
