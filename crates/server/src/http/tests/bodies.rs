//! Bodies of requests that cannot be taken: whose fault it was, and what to do.

use super::*;
use crate::http::call::MAX_BODY;

/// All that read a whole body.
const READERS: [(&str, &str); 8] = [
    ("POST", "/api/config"),
    ("PATCH", "/api/config"),
    ("POST", "/api/rs/config/check"),
    ("POST", "/api/rs/config/apply"),
    ("POST", "/api/rs/test"),
    ("POST", "/api/webrtc?src=cam"),
    ("POST", "/api/webrtc?dst=cam"),
    ("POST", "/stream/cam/channel/0/webrtc"),
];

#[tokio::test]
async fn broken_ones_are_the_fault_of_who_sent_them() {
    let server = Server::start("broken-bodies", STREAMS);
    let file = server.file();
    for (method, path) in READERS {
        for (body, what) in [
            ("zz\r\napi:\r\n", "size"),
            ("5\r\napi:\n123\r\n0\r\n\r\n", "chunk"),
            ("ffffffffffffffffff\r\n", "size"),
        ] {
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
                 Content-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n\r\n{body}",
                server.addr
            );
            let answer = server.exchange(&request).await;
            assert_eq!(answer.status, 400, "{method} {path} {body:?}: {}", answer.body);
            let text = answer.body.to_lowercase();
            assert!(text.starts_with("body: broken") && text.contains(what), "{text}");
        }
    }
    assert_eq!(server.file(), file);
    server.stop().await;
}

#[tokio::test]
async fn only_long_ones_are_too_long() {
    let server = Server::start("long-bodies", STREAMS);
    for (method, path) in READERS {
        let answer = server.send(method, path, "", &"#".repeat(MAX_BODY + 1)).await;
        answer.is(413, "body: longer than 1048576 bytes\n");
    }
    let answer = server.send("POST", "/api/rs/config/check", "", &"#".repeat(MAX_BODY)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    server.stop().await;
}
