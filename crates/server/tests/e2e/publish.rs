//! Publishing over WebRTC (WHIP) with a native client.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rs2rtc_testkit::publisher::Publisher;
use rs2rtc_testkit::viewer::{Leave, Viewer};
use serde_json::Value;

use crate::harness::{LIMIT, Server};

/// Distance of pictures and of questions to the API.
const PICTURE: Duration = Duration::from_millis(33);

/// A publisher, perhaps a viewer, and what the API says of their stream.
struct Scene<'a> {
    server: &'a Server,
    publisher: Option<Publisher>,
    viewer: Option<Viewer>,
    /// Requests that were answered with a keyframe.
    answered: u32,
    sent: u32,
    next: Instant,
}

impl Scene<'_> {
    fn publish(&mut self) {
        let to = SocketAddr::from(([127, 0, 0, 1], self.server.ports.api));
        self.publisher = Some(Publisher::start(to, "empty").unwrap());
        (self.answered, self.sent) = (0, 0);
    }

    /// Goes on until something is true of the stream, the publisher and the viewer.
    fn until(&mut self, what: &str, is_true: impl Fn(&Value, &Self) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        loop {
            assert!(Instant::now() < end, "not in time: {what}");
            if let Some(publisher) = &mut self.publisher {
                publisher.turn().unwrap();
            }
            if let Some(viewer) = &mut self.viewer {
                viewer.turn().unwrap();
            }
            if Instant::now() < self.next {
                continue;
            }
            self.next = Instant::now() + PICTURE;
            if let Some(publisher) = self.publisher.as_mut().filter(|p| p.is_connected()) {
                // As browsers do: a keyframe at the beginning and when asked.
                let keyframe = self.sent == 0 || publisher.asked > self.answered;
                self.answered = publisher.asked;
                publisher.send(keyframe).unwrap();
                self.sent += 1;
            }
            let (status, text) = self.server.request("GET", "api/streams?src=empty");
            assert_eq!(status, 200);
            let stream: Value = serde_json::from_str(&text).unwrap();
            if is_true(&stream, self) {
                return stream;
            }
        }
    }

    fn frames(&self) -> u64 {
        self.viewer.as_ref().map_or(0, |viewer| viewer.received.frames)
    }
}

fn none(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

#[test]
fn a_publisher_is_a_source_and_viewers_stay_when_it_comes_again() {
    let server = Server::with_streams("empty:");
    let mut scene = Scene {
        server: &server,
        publisher: None,
        viewer: None,
        answered: 0,
        sent: 0,
        next: Instant::now(),
    };
    scene.publish();
    let stream = scene.until("pictures", |stream, _| {
        stream["producers"][0]["receivers"][0]["packets"].as_u64() > Some(10)
    });
    let producer = &stream["producers"][0];
    assert_eq!(producer["format_name"], "webrtc");
    assert_eq!(producer["protocol"], "http+udp");
    assert_eq!(producer["medias"][0], "video, recvonly, H264");
    assert_eq!(producer["receivers"][0]["codec"]["profile"], "Baseline", "{stream}");
    assert!(producer["bytes_recv"].as_u64() > Some(100), "{stream}");

    // A keyframe is asked for every two seconds, so that viewers can begin.
    scene.until("a request", |_, scene| scene.answered >= 1);
    let to = SocketAddr::from(([127, 0, 0, 1], server.ports.api));
    scene.viewer = Some(Viewer::start(to, "empty").unwrap());
    scene.until("a viewer sees it", |_, scene| scene.frames() > 10);

    // It leaves by DELETE: gone at once, and the viewer stays.
    scene.publisher.take().unwrap().leave(Leave::Delete).unwrap();
    let stream = scene.until("it is gone", |stream, _| none(&stream["producers"]));
    assert_eq!(stream["consumers"].as_array().unwrap().len(), 1, "{stream}");
    let before = scene.frames();
    scene.publish();
    scene.until("the same viewer sees the next one", |_, scene| scene.frames() > before + 10);

    // With a goodbye of its own.
    scene.publisher.take().unwrap().leave(Leave::Close).unwrap();
    scene.until("it is gone", |stream, _| none(&stream["producers"]));
    server.wait_log("publisher gone");

    // One that is killed is taken off when it is missed.
    scene.publish();
    scene.until("it is back", |stream, _| !none(&stream["producers"][0]["receivers"]));
    scene.publisher.take().unwrap().leave(Leave::Kill).unwrap();
    scene.until("it is missed", |stream, _| none(&stream["producers"]));
}

#[test]
fn a_publisher_of_a_deleted_stream_is_told() {
    let server = Server::with_streams("empty:");
    let to = SocketAddr::from(([127, 0, 0, 1], server.ports.api));
    let mut publisher = Publisher::start(to, "empty").unwrap();
    let end = Instant::now() + LIMIT;
    while !publisher.is_connected() {
        assert!(Instant::now() < end);
        publisher.turn().unwrap();
    }
    assert_eq!(server.request("DELETE", "api/streams?src=empty").0, 200);
    while !publisher.is_closed() {
        assert!(Instant::now() < end, "no goodbye");
        publisher.turn().unwrap();
    }
}
