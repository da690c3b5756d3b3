//! What players and watchers have beside the media: the event feed, `hello` and
//! goodbyes, against the binary.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use super::harness::{LIMIT, Server, has_program, until};
use super::socket::Socket;

/// The feed's messages by name, as they come.
struct Feed(BufReader<TcpStream>);

impl Feed {
    fn open(server: &Server, topics: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", server.ports.api)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let request =
            format!("GET /api/rs/events?topics={topics} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Self(BufReader::new(stream))
    }

    /// The data of the next message with a name; `None` at the end of the feed.
    fn until(&mut self, wanted: &str) -> Option<String> {
        let (mut line, mut name) = (String::new(), String::new());
        loop {
            line.clear();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(event) = line.strip_prefix("event: ") {
                event.trim_end().clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ").filter(|_| name == wanted) {
                return Some(data.trim_end().to_owned());
            }
        }
    }
}

fn offer() -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    let sdp = format!(
        "v=0\\r\\no=- 1 2 IN IP4 127.0.0.1\\r\\ns=-\\r\\nt=0 0\\r\\na=group:BUNDLE 0\\r\\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\\r\\nc=IN IP4 0.0.0.0\\r\\na=rtcp-mux\\r\\na=ice-ufrag:abcd\\r\\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\\r\\na=fingerprint:sha-256 {fingerprint}\\r\\n\
         a=setup:actpass\\r\\na=mid:0\\r\\na=recvonly\\r\\na=rtpmap:96 H264/90000\\r\\n\
         a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\\r\\n"
    );
    format!("{{\"type\":\"webrtc/offer\",\"value\":\"{sdp}\"}}")
}

/// The value of a field of flat JSON, as text.
fn field<'j>(json: &'j str, name: &str) -> &'j str {
    let start = format!("\"{name}\":");
    let at = json.find(&start).unwrap_or_else(|| panic!("no {name} in {json}")) + start.len();
    let rest = &json[at..];
    rest[..rest.find([',', '}']).unwrap()].trim_matches('"')
}

fn milliseconds(json: &str, name: &str) -> f64 {
    field(json, name).parse().unwrap_or_else(|_| panic!("{name} in {json}"))
}

#[test]
fn a_goodbye_frees_the_camera_and_everybody_is_told() {
    if !has_program("ffmpeg", "-version") {
        return;
    }
    let server = Server::with_streams(
        "cam: exec:ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=15 -c:v libx264 -preset ultrafast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 15 -rtsp_transport tcp -f rtsp {output}",
    );
    let mut feed = Feed::open(&server, "streams,sessions");
    let hello = feed.until("hello").unwrap();
    let mut page = Socket::open(&server, "cam");
    page.say(r#"{"type":"hello","value":{"v":1,"cid":"000102030405060708090a0b0c0d0e0f"}}"#);
    let session = page.hear();
    assert_eq!(field(&session, "boot"), field(&hello, "boot"));
    page.say(&offer());
    while !page.hear().contains("webrtc/answer") {}
    feed.until("source_opened").unwrap();
    let joined = feed.until("viewer_joined").unwrap();
    let (status, _) = server.request("POST", &format!("{}/bye", field(&session, "bye")));
    assert_eq!(status, 204);
    let left = feed.until("viewer_left").unwrap();
    assert_eq!(field(&left, "reason"), "pagehide");
    let released = feed.until("source_released").unwrap();
    assert_eq!(field(&released, "viewer"), field(&joined, "viewer"));
    // A child that is asked and told.
    assert!(milliseconds(&released, "release_ms") < LIMIT.as_secs_f64() * 1000.0, "{released}");
    server.wait_log("released: the last viewer of cam left (pagehide)");
    let (_, figures) = server.request("GET", "metrics");
    let count = "rs2rtc_release_total_seconds_count{reason=\"pagehide\",profile=\"default\"} 1\n";
    assert!(figures.contains(count), "{figures}");
    let (_, sessions) = server.request("GET", "api/rs/sessions");
    assert!(sessions.starts_with("{\"sessions\":[],\"ended\":[{\"id\":"), "{sessions}");
}

#[test]
fn a_page_that_vanishes_while_the_camera_is_dialled_gives_it_up() {
    let camera = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = camera.local_addr().unwrap().port();
    let server = Server::with_streams(&format!("cam: rtsp://127.0.0.1:{port}/x#timeout=600"));
    for how in ["close", "half close"] {
        let mut page = Socket::open(&server, "cam");
        page.say(&offer());
        let (mut dialled, _) = camera.accept().unwrap();
        dialled.set_read_timeout(Some(LIMIT)).unwrap();
        match how {
            "close" => drop(page),
            _ => page.half_close(),
        }
        // To its end: the dial is given up long before its own limit.
        let asked = Instant::now();
        let _ = dialled.read_to_end(&mut Vec::new());
        assert!(asked.elapsed() < LIMIT, "{how}");
    }
}

#[test]
fn readers_of_the_feed_do_not_hold_the_program_up() {
    let mut server = Server::with_streams("demo: \"demo:\"");
    let mut feed = Feed::open(&server, "log");
    feed.until("hello").unwrap();
    let gone = Feed::open(&server, "log");
    drop(gone);
    until("the other reader is gone", || {
        server.request("GET", "metrics").1.contains("rs2rtc_event_readers 1\n")
    });
    server.signal("-TERM");
    while feed.until("log").is_some() {}
    assert!(server.wait().success());
}
