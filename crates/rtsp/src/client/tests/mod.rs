//! The client machine against a scripted server, with time as an argument.

mod failures;
mod login;
mod play;
mod publish;

use bytes::BytesMut;
use rs2rtc_base::ErrorKind;

use super::*;
use crate::message::{Method, write_interleaved};

const SECRET: &str = "s3cret";

struct Test {
    session: Session,
    now: Instant,
    buffer: BytesMut,
    events: Vec<Event>,
    deadline: Option<Instant>,
}

impl Test {
    fn new(url: &str) -> Self {
        Self::with(url, |_| ())
    }

    fn with(url: &str, change: impl Fn(&mut Config)) -> Self {
        let mut config = Config::new(Url::parse(url).unwrap(), "test/1", [1; 8]);
        change(&mut config);
        // Only a starting point: all time is counted from here.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let session = Session::new(config);
        Self { session, now, buffer: BytesMut::new(), events: Vec::new(), deadline: None }
    }

    fn describe(url: &str) -> Self {
        let mut test = Self::new(url);
        test.session.describe(test.now);
        test
    }

    /// Up to the first SETUP.
    fn playing(url: &str, tracks: &[SetupTrack]) -> Self {
        let mut test = Self::describe(url);
        test.sent();
        test.answer("RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nv=0");
        test.session.play(test.now, tracks);
        test
    }

    /// A publisher up to the first SETUP.
    fn announced(url: &str) -> Self {
        let mut test = Self::new(url);
        test.session.announce(test.now, Bytes::from_static(b"v=0"));
        let sent = test.sent();
        assert!(sent.starts_with(&format!("OPTIONS {url} RTSP/1.0")), "{sent}");
        let sent = test.answer(
            "RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, ANNOUNCE, GET_PARAMETER\r\n\r\n",
        );
        assert!(sent.starts_with(&format!("ANNOUNCE {url} RTSP/1.0")), "{sent}");
        let end = "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0";
        assert!(sent.ends_with(end), "{sent}");
        test.answer("RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
        assert!(matches!(test.event(), Event::Announced));
        test
    }

    /// What is sent, as one text.
    fn sent(&mut self) -> String {
        let mut sent = String::new();
        loop {
            match self.session.poll_output() {
                Output::Transmit(bytes) => sent.push_str(&String::from_utf8_lossy(&bytes)),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return sent;
                }
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        self.session.handle_input(self.now, &mut self.buffer);
    }

    /// Bytes in, bytes out.
    fn answer(&mut self, text: &str) -> String {
        self.bytes(text.as_bytes());
        self.sent()
    }

    fn event(&mut self) -> Event {
        self.sent();
        assert!(!self.events.is_empty(), "no event");
        self.events.remove(0)
    }

    fn failure(&mut self) -> (ErrorKind, String, bool) {
        match self.event() {
            Event::Failed { error, without_backchannel } => {
                assert!(!error.to_string().contains(SECRET));
                (error.kind(), error.to_string(), without_backchannel)
            }
            event => panic!("{event:?}"),
        }
    }

    /// Jumps to the next deadline.
    fn wait(&mut self) -> String {
        self.sent();
        self.now = self.deadline.expect("a deadline");
        self.session.handle_timeout(self.now);
        self.sent()
    }
}
