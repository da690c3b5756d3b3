//! The event feed and the figures over a real connection.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::Server;
use super::players::soon;

const STREAMS: &str = "streams:\n  demo: 'demo:'\n  broken: rtsp://user:secret@127.0.0.1:1/none\n";

/// A reader of the feed.
pub(super) struct Feed {
    lines: BufReader<TcpStream>,
    pub(super) last: String,
    pings: usize,
}

impl Feed {
    pub(super) async fn open(server: &Server, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        let request =
            format!("GET /api/rs/events{query} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", server.addr);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut feed = Self { lines: BufReader::new(stream), last: String::new(), pings: 0 };
        let mut head = String::new();
        while feed.lines.read_line(&mut head).await.unwrap() > 2 {}
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("content-type: text/event-stream"), "{head}");
        feed
    }

    /// The next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<(String, Value)> {
        let (mut name, mut data) = (String::new(), Value::Null);
        loop {
            let mut line = String::new();
            let read = soon("an event", self.lines.read_line(&mut line)).await;
            if read.unwrap_or(0) == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(id) = line.strip_prefix("id: ") {
                id.clone_into(&mut self.last);
            } else if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(json) = line.strip_prefix("data: ") {
                data = serde_json::from_str(json).unwrap();
            } else if line.is_empty() && name == "ping" {
                self.pings += 1;
                return Box::pin(self.next()).await;
            } else if line.is_empty() && !name.is_empty() {
                return Some((name, data));
            }
            // Lengths of chunks.
        }
    }

    /// The next message of a name, and the names before it.
    pub(super) async fn until(&mut self, wanted: &str) -> (Value, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let (name, data) =
                self.next().await.unwrap_or_else(|| panic!("no {wanted}: {before:?}"));
            if name == wanted {
                return (data, before);
            }
            before.push(name);
        }
    }
}

async fn readers(server: &Server) -> f64 {
    let text = server.call("GET", "/metrics").await.body;
    let line = text.lines().find_map(|l| l.strip_prefix("rs2rtc_event_readers ")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn a_page_hears_that_the_feed_lives() {
    let server = Server::start("feed-ping", STREAMS);
    let mut feed = Feed::open(&server, "?topics=streams", "").await;
    feed.until("hello").await;
    // Whatever comes then comes after it.
    while feed.pings == 0 {
        let name = if server.streams.get("x").is_some() { "y" } else { "x" };
        let put = format!("/api/streams?name={name}&src=demo:");
        assert_eq!(server.call("PUT", &put).await.status, 200);
        feed.until("streams_changed").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn another_list_of_streams_is_told() {
    let server = Server::start("feed-list", STREAMS);
    let mut feed = Feed::open(&server, "?topics=streams", "").await;
    feed.until("hello").await;
    for (method, path) in [
        ("PUT", "/api/streams?name=new&src=demo:"),
        ("PATCH", "/api/streams?name=new&src=demo:%3Ffps=3"),
        ("PATCH", "/api/streams?name=second&src=new"),
        ("DELETE", "/api/streams?src=second"),
        ("DELETE", "/api/streams?src=new"),
    ] {
        assert_eq!(server.call(method, path).await.status, 200, "{method} {path}");
        let (changed, before) = feed.until("streams_changed").await;
        let name = if path.contains("second") { "second" } else { "new" };
        assert_eq!((changed["stream"].as_str(), before.len()), (Some(name), 0), "{method} {path}");
    }
}

#[tokio::test]
async fn what_happens_is_told_as_it_happens() {
    let server = Server::start("feed", STREAMS);
    let mut feed = Feed::open(&server, "?topics=streams,sessions", "").await;
    let (hello, _) = feed.until("hello").await;
    assert_eq!(hello["boot"].as_str().unwrap().len(), 16);
    assert_eq!(feed.last, hello["seq"].to_string());
    assert_eq!(server.call("GET", "/api/streams?src=demo&video=all").await.status, 200);
    let (opened, before) = feed.until("source_opened").await;
    assert_eq!(before.first().map(String::as_str), Some("source_opening"));
    assert_eq!(
        (opened["stream"].as_str(), opened["source"].as_str()),
        (Some("demo"), Some("demo:"))
    );
    assert!(opened["at"].as_f64().unwrap() > 1.7e12 && opened["took_ms"].is_number(), "{opened}");
    let (joined, _) = feed.until("viewer_joined").await;
    assert_eq!(joined["format"], "probe");
    let mark = feed.last.clone();
    let (gone, _) = feed.until("viewer_left").await;
    assert_eq!(gone["viewer"], joined["viewer"]);
    let (released, _) = feed.until("source_released").await;
    assert_eq!(released["viewer"], joined["viewer"]);
    assert!(released["release_ms"].is_number(), "{released}");
    assert_eq!(server.call("GET", "/api/streams?src=broken&video=all").await.status, 500);
    let (failed, _) = feed.until("source_failed").await;
    assert_eq!(failed["kind"], "unreachable");
    assert!(!failed.to_string().contains("secret"), "{failed}");

    // Who comes back gets what it missed.
    let mut again = Feed::open(&server, "", &format!("Last-Event-ID: {mark}\r\n")).await;
    let (same, _) = again.until("hello").await;
    assert_eq!(same["boot"], hello["boot"]);
    let (_, before) = again.until("source_released").await;
    assert!(before.iter().any(|name| name == "viewer_left"), "{before:?}");
    assert!(!before.iter().any(|name| name == "viewer_joined"), "{before:?}");
    // One of another start begins anew.
    let mut strange = Feed::open(&server, "?last=17", "").await;
    assert_eq!(strange.next().await.unwrap().0, "hello");
    assert_eq!(strange.next().await.unwrap().0, "reset");
    let bad = server.call("GET", "/api/rs/events?topics=cats").await;
    bad.is(400, "topics are streams, sessions and log\n");

    // The end of a reader is noticed at once: nothing is written to it meanwhile.
    assert_eq!(readers(&server).await, 3.0);
    drop((again, strange));
    let noticed = async {
        while readers(&server).await != 1.0 {
            tokio::task::yield_now().await;
        }
    };
    soon("readers are gone", noticed).await;
    // The program does not wait for readers.
    server.cancel.cancel();
    while feed.next().await.is_some() {}
    server.stop().await;
}

#[tokio::test]
async fn the_log_is_followed() {
    let server = Server::start("feed-log", "streams:\n  demo: 'demo:'\n");
    let mut feed = Feed::open(&server, "?topics=log", "").await;
    let (_, _) = feed.until("hello").await;
    // Other tests of this process write to the same log.
    let text = format!("a mark for {}", server.addr);
    tracing::error!(target: "app", "{text}");
    let find = async {
        loop {
            let (record, before) = feed.until("log").await;
            assert_eq!(before, Vec::<String>::new());
            if record["message"].as_str().is_some_and(|m| m.contains(&text)) {
                return record;
            }
        }
    };
    let record = soon("the record", find).await;
    assert_eq!(record["level"], "error");
    assert!(record["at"].as_f64().unwrap() > 1.7e12);
    assert!(feed.last.contains('.'), "{}", feed.last);
    server.stop().await;
}

#[tokio::test]
async fn readers_are_limited() {
    let server = Server::start("feed-limit", "streams:\n  demo: 'demo:'\n");
    let mut feeds = Vec::new();
    for _ in 0..super::super::MAX_READERS {
        feeds.push(Feed::open(&server, "", "").await);
    }
    let refused = server.call("GET", "/api/rs/events").await;
    refused.is(503, "too many readers of events\n");
    assert_eq!(refused.header("retry-after"), Some("10"));
    drop(feeds);
    let place = async {
        while readers(&server).await != 0.0 {
            tokio::task::yield_now().await;
        }
    };
    soon("places are free", place).await;
    server.stop().await;
}

#[tokio::test]
async fn figures_for_scrapers() {
    let server = Server::start("figures", "streams:\n  demo: 'demo:'\n");
    assert_eq!(server.call("GET", "/api/streams?src=demo&video=all").await.status, 200);
    let plain = server.call("GET", "/metrics").await;
    assert_eq!(plain.status, 200);
    assert_eq!(plain.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(
        plain.body.contains("rs2rtc_viewers_left_total{reason=\"left\",profile=\"\"} 1\n"),
        "{}",
        plain.body
    );
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let open = server.send("GET", "/api/rs/metrics", accept, "").await;
    assert!(open.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(open.body.ends_with("# EOF\n"));
    let value = |name: &str| -> f64 {
        let line = open.body.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    assert!(value("rs2rtc_open_fds") > 5.0);
    assert!(value("rs2rtc_tasks") > 1.0);
    assert_eq!(value("rs2rtc_consumers"), 0.0);
    assert_eq!(server.call("POST", "/metrics").await.status, 405);
    server.stop().await;
}
