//! Wrong logins: what their answers wait for, and what not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rs2rtc_base::throttle::Source;
use rs2rtc_streams::CancellationToken;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Server;
use crate::app::{App, Options};
use crate::http::listener::Listener;
use crate::http::{Api, Call, Peer, Reply};

const GOOD: &str = "Basic YWRtaW46cGFzcw==";
const WRONG: &str = "Basic YWRtaW46bm9wZQ==";
const LIMIT: Duration = Duration::from_secs(3);

fn app() -> App {
    let items = ["api.listen=", "rtsp.listen=", "log.output=", "api.username=admin"];
    let more = ["api.password=pass", "api.local_auth=true", "streams.cam=\"demo:\""];
    let config = items.iter().chain(&more).map(|&item| item.to_owned()).collect();
    App::load(&Options { config, dir: Some(std::env::temp_dir()) })
}

fn call(path: &str, peer: Peer, authorization: &str) -> Call {
    let mut request = Request::builder().uri(path).header("host", "127.0.0.1:1984");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    Call::new(parts, Body::empty(), peer, CancellationToken::new())
}

fn peer(ip: &str) -> Peer {
    Peer::Ip((ip.parse::<IpAddr>().unwrap(), 5000).into())
}

/// The status, and how many milliseconds it took.
async fn timed(api: &Arc<Api>, call: Call) -> (u16, u128) {
    let begin = Instant::now();
    let reply: Reply = Arc::clone(api).answer(call).await;
    (reply.status().as_u16(), begin.elapsed().as_millis())
}

/// Has so many wrong logins counted whose answers nobody waits for.
fn count(api: &Api, source: Source, times: usize) {
    for _ in 0..times {
        let mut wrong = Box::pin(api.context.logins.wrong(source, None));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = wrong.as_mut().poll(&mut context);
    }
}

async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let wait = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.expect(what);
}

#[tokio::test(start_paused = true)]
async fn only_wrong_logins_wait_and_each_for_longer() {
    let app = app();
    let api = app.api();
    for peer in [peer("192.168.1.5"), peer("2001:db8::1"), peer("127.0.0.1"), Peer::Unix] {
        for wait in [0, 0, 0, 250, 500, 1000, 2000, 4000, 4000] {
            assert_eq!(timed(api, call("/api", peer, WRONG)).await, (401, wait), "{peer}");
            assert_eq!(timed(api, call("/api", peer, "")).await, (401, 0), "only asked");
            assert_eq!(timed(api, call("/api", peer, GOOD)).await, (200, 0), "he knows it");
        }
    }
    let neighbour = timed(api, call("/api/ws?src=cam", peer("192.168.1.6"), WRONG)).await;
    assert_eq!(neighbour, (401, 0), "another address");
    let socket = timed(api, call("/api/ws?src=cam", peer("192.168.1.5"), WRONG)).await;
    assert_eq!(socket, (401, 4000), "whatever is asked for");
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(timed(api, call("/api", peer("192.168.1.5"), WRONG)).await, (401, 0), "forgotten");
}

/// This machine needs no login: a wrong one in what it sends is not even looked at.
#[tokio::test(start_paused = true)]
async fn who_needs_no_login_is_not_held_up() {
    let config = ["api.listen=", "rtsp.listen=", "log.output=", "api.username=a"];
    let config = config.map(str::to_owned).to_vec();
    let app = App::load(&Options { config, dir: Some(std::env::temp_dir()) });
    for peer in [peer("127.0.0.1"), peer("::1"), Peer::Unix] {
        for _ in 0..20 {
            assert_eq!(timed(app.api(), call("/api", peer, WRONG)).await, (200, 0));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn few_answers_wait_at_the_same_time_and_no_right_one() {
    let app = app();
    let api = app.api();
    let from = peer("192.168.1.5");
    count(api, from.source(), 3);
    let (tell, mut told) = tokio::sync::mpsc::channel(8);
    for _ in 0..8 {
        let (answer, tell) = (Arc::clone(api).answer(call("/api", from, WRONG)), tell.clone());
        api.tasks.spawn("client", async move { tell.send(answer.await.status()).await.unwrap() });
    }
    until("all wait", || api.context.logins.waiting() == 8).await;
    let reply = Arc::clone(api).answer(call("/api", from, WRONG)).await;
    assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.headers()["retry-after"], "4");
    assert_eq!(timed(api, call("/api", from, GOOD)).await, (200, 0));
    let begin = Instant::now();
    api.cancel.cancel();
    for _ in 0..8 {
        assert_eq!(told.recv().await, Some(StatusCode::UNAUTHORIZED));
    }
    assert_eq!(begin.elapsed(), Duration::ZERO, "the end of the program waits for nobody");
}

#[tokio::test]
async fn the_wait_ends_with_the_client() {
    const CALL: &str = "GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46bm9wZQ==\r\n";
    let app = app();
    let api = app.api();
    let listener = Listener::tcp("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    api.tasks.spawn("listener", listener.run(Arc::clone(api)));
    count(api, peer("127.0.0.1").source(), 10);
    let second = format!("{CALL}\r\n{CALL}\r\n");
    let with_body = format!("{CALL}Content-Length: 100000\r\n\r\nx");
    for request in [format!("{CALL}\r\n"), second, with_body] {
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        until("it waits", || api.context.logins.waiting() == 1).await;
        drop(client);
        until("the client left", || api.context.logins.waiting() == 0).await;
    }
    api.cancel.cancel();
}

/// A browser asks again over the same connection, with what its user has typed meanwhile.
#[tokio::test]
async fn a_connection_goes_on_after_a_wrong_login() {
    let app = app();
    let api = app.api();
    let listener = Listener::tcp("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    api.tasks.spawn("listener", listener.run(Arc::clone(api)));
    count(api, peer("127.0.0.1").source(), 3);
    for (login, status) in [(WRONG, "401"), (GOOD, "200")] {
        let request = format!("GET /static HTTP/1.1\r\nHost: x\r\nAuthorization: {login}\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(answer).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap();
        client.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
    }
    api.cancel.cancel();
}

#[tokio::test]
async fn the_log_says_who_tries() {
    let login = "api:\n  username: admin\n  password: pass\n  local_auth: true\n";
    let server = Server::start("wrong-logins", login);
    let header = |value: &str| format!("Authorization: {value}\r\nX-Forwarded-For: 8.8.8.8\r\n");
    for _ in 0..3 {
        assert_eq!(server.send("GET", "/api", &header(WRONG), "").await.status, 401);
    }
    let lines = loop {
        let log = server.send("GET", "/api/log", &header(GOOD), "").await.body;
        let lines: Vec<String> =
            log.lines().filter(|line| line.contains("wrong logins")).map(str::to_owned).collect();
        if !lines.is_empty() {
            break lines;
        }
    };
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(line["level"], "warn");
    assert_eq!(
        (line["from"].as_str(), line["forwarded"].as_str()),
        (Some("127.0.0.1"), Some("8.8.8.8"))
    );
    assert!(line["tries"].as_u64().is_some_and(|tries| (1..=3).contains(&tries)));
    assert!(!lines[0].contains("nope") && !lines[0].contains("YWRt"), "{lines:?}");
    server.stop().await;
}
