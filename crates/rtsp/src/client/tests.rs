use bytes::BytesMut;
use rs2rtc_base::ErrorKind;

use super::*;
use crate::message::write_interleaved;

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

#[test]
fn plays_two_tracks_of_a_camera_with_digest() {
    let mut t =
        Test::describe("rtsp://admin:s3cret@192.168.1.64:554/Streaming/Channels/101#media=video");
    assert_eq!(
        t.sent(),
        "DESCRIBE rtsp://192.168.1.64:554/Streaming/Channels/101 RTSP/1.0\r\nCSeq: 1\r\n\
         User-Agent: test/1\r\nAccept: application/sdp\r\n\r\n"
    );
    let sent = t.answer(
        "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"IP Camera(C1234)\", \
         nonce=\"4f0b\", stale=\"FALSE\"\r\nWWW-Authenticate: Basic realm=\"IP Camera(C1234)\"\r\n\
         Date:  Tue, Oct 20 2026 10:00:00 GMT\r\n\r\n",
    );
    assert!(sent.contains("CSeq: 2\r\n"), "{sent}");
    assert!(sent.contains("Authorization: Digest username=\"admin\", realm=\"IP Camera(C1234)\""));
    t.answer(
        "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\n\
         Content-Base: rtsp://192.168.1.64:554/Streaming/Channels/101/\r\nContent-Length: 3\r\n\r\nv=0",
    );
    match t.event() {
        Event::Described { sdp, base } => {
            assert_eq!(sdp, "v=0");
            assert_eq!(base, "rtsp://192.168.1.64:554/Streaming/Channels/101/");
        }
        event => panic!("{event:?}"),
    }
    assert_eq!(t.deadline, None);
    t.session.play(
        t.now,
        &[
            SetupTrack::new("rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1"),
            SetupTrack::new("trackID=2"),
        ],
    );
    let sent = t.sent();
    assert!(
        sent.starts_with("SETUP rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1 RTSP/1.0")
    );
    assert!(sent.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"));
    assert!(!sent.contains("Session:"));
    let sent = t.answer(
        "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession:       1185648567;timeout=60\r\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=4f3b0d52;mode=\"play\"\r\n\r\n",
    );
    assert!(
        sent.starts_with("SETUP rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=2 RTSP/1.0")
    );
    assert!(sent.contains("Transport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n"));
    assert!(sent.contains("Session: 1185648567\r\n"));
    let sent = t.answer(
        "RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 1185648567;timeout=60\r\n\
         Transport: RTP/AVP/TCP;unicast;interleaved=8-9\r\n\r\n",
    );
    assert!(sent.starts_with("PLAY rtsp://192.168.1.64:554/Streaming/Channels/101/ RTSP/1.0"));
    // A packet may come before the answer.
    t.bytes(&write_interleaved(8, b"early").unwrap());
    assert!(
        matches!(t.event(), Event::Packet { track: 1, rtcp: false, payload } if payload == "early")
    );
    t.answer(
        "RTSP/1.0 200 OK\r\nCSeq: 5\r\nSession: 1185648567\r\n\
         RTP-Info: url=rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1;seq=65531;rtptime=99, \
         url=rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=2;seq=7;rtptime=8\r\n\r\n",
    );
    match t.event() {
        Event::Playing { tracks } => {
            assert_eq!((tracks[0].channel, tracks[1].channel), (Some(0), Some(8)));
            assert_eq!(tracks[0].ssrc, Some(0x4f3b_0d52));
            let info = tracks[0].rtp_info.as_ref().unwrap();
            assert_eq!((info.seq, info.rtptime), (Some(65531), Some(99)));
            assert_eq!(tracks[1].rtp_info.as_ref().unwrap().seq, Some(7));
        }
        event => panic!("{event:?}"),
    }
    t.bytes(&write_interleaved(9, b"rtcp").unwrap());
    assert!(matches!(t.event(), Event::Packet { track: 1, rtcp: true, .. }));
    t.bytes(&write_interleaved(5, b"nobody's").unwrap());
    t.sent();
    assert!(t.events.is_empty());
    assert_eq!(&t.session.write_interleaved(1, true, b"rr").unwrap()[..], b"$\x09\x00\x02rr");
    assert_eq!(t.session.interleaved_header(0, false, 65536), None);
    t.session.teardown(t.now);
    let sent = t.sent();
    assert!(sent.starts_with("TEARDOWN rtsp://192.168.1.64:554/Streaming/Channels/101/ RTSP/1.0"));
    assert!(sent.contains("Session: 1185648567\r\n") && sent.contains("Authorization: Digest "));
    t.bytes(&write_interleaved(8, b"late").unwrap());
    assert!(t.events.is_empty(), "packets are of no interest any more");
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 99\r\n\r\n");
    assert!(matches!(t.events.last(), Some(Event::TornDown)));
    assert_eq!(t.deadline, None);
    assert!(t.session.is_closed());
}

#[test]
fn a_session_that_is_being_set_up_is_torn_down_by_its_name() {
    let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a"), SetupTrack::new("b")]);
    t.sent();
    t.session.teardown(t.now);
    assert_eq!(t.sent(), "");
    let setup = "RTSP/1.0 200 OK\r\nSession: 77;timeout=30\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";
    let sent = t.answer(setup);
    assert!(sent.starts_with("TEARDOWN rtsp://h/a ") && sent.contains("Session: 77\r\n"), "{sent}");
    assert!(!t.session.is_closed());
    t.session.handle_eof();
    t.sent();
    assert!(matches!(t.events.last(), Some(Event::TornDown)), "{:?}", t.events);
    // Refused: there is nothing to end.
    let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a")]);
    t.session.teardown(t.now);
    t.session.teardown(t.now);
    t.sent();
    t.answer("RTSP/1.0 453 Not Enough Bandwidth\r\n\r\n");
    assert!(matches!(t.events.last(), Some(Event::TornDown)), "{:?}", t.events);
    // Not even asked for.
    let mut t = Test::describe("rtsp://h/a");
    t.sent();
    t.session.teardown(t.now);
    assert_eq!(t.sent(), "");
    assert!(matches!(t.events.last(), Some(Event::TornDown)) && t.session.is_closed());
}

#[test]
fn dahua_query_without_content_base() {
    let mut t = Test::describe("rtsp://u:s3cret@h/cam/realmonitor?channel=1&subtype=0");
    t.sent();
    let sent = t.answer(
        "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\
         WWW-Authenticate: Digest realm=\"Login to 4E05A1EPAZ5C7E2\", nonce=\"1a6a\"\r\n\r\n",
    );
    assert!(sent.contains("uri=\"rtsp://h/cam/realmonitor?channel=1&subtype=0\""));
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 3\r\n\r\nv=0");
    t.session.play(t.now, &[SetupTrack::new("trackID=0")]);
    assert!(
        t.sent()
            .starts_with("SETUP rtsp://h/cam/realmonitor?channel=1&subtype=0/trackID=0 RTSP/1.0")
    );
}

#[test]
fn keep_alive_with_what_the_camera_lists() {
    let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a")]);
    let setup = "RTSP/1.0 200 OK\r\nSession: x;timeout=30\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";
    t.answer(setup);
    t.answer("RTSP/1.0 200 OK\r\n\r\n");
    let start = t.now;
    let mut kept = Vec::new();
    // A packet every second.
    for second in 1..=60 {
        t.now = start + Duration::from_secs(second);
        t.bytes(&write_interleaved(0, b"p").unwrap());
        t.session.handle_timeout(t.now);
        let sent = t.sent();
        if !sent.is_empty() {
            kept.push((second, sent.split(' ').next().unwrap().to_owned()));
            t.answer("RTSP/1.0 200 OK\r\nCSeq: 4\r\nPublic: OPTIONS, PLAY, GET_PARAMETER\r\n\r\n");
        }
    }
    assert_eq!(kept, [(25, "OPTIONS".to_owned()), (50, "GET_PARAMETER".to_owned())]);
}

#[test]
fn keep_alive_with_a_new_nonce() {
    let mut t = Test::playing("rtsp://u:s3cret@h/a", &[SetupTrack::backchannel("a")]);
    t.answer("RTSP/1.0 200 OK\r\nSession: x\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n");
    t.answer("RTSP/1.0 200 OK\r\n\r\n");
    // Only sending: silence is allowed until the answer to the keep-alive is missed.
    assert_eq!(t.deadline, Some(t.now + Duration::from_secs(25)));
    let sent = t.wait();
    assert!(sent.starts_with("OPTIONS ") && sent.contains("CSeq: 4"), "{sent}");
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n";
    let sent = t.answer(&format!("RTSP/1.0 401 Unauthorized\r\nCSeq: 4\r\n{challenge}"));
    assert!(sent.starts_with("OPTIONS ") && sent.contains("nonce=\"n\""), "{sent}");
    assert_eq!(t.answer(&format!("RTSP/1.0 401 Unauthorized\r\nCSeq: 5\r\n{challenge}")), "");
    assert!(t.wait().starts_with("OPTIONS "));
    t.events.clear();
    t.wait();
    assert_eq!(t.failure().0, ErrorKind::Ended);
}

#[test]
fn authentication_is_tried_once() {
    let challenge = "WWW-Authenticate: Basic realm=\"r\"\r\n\r\n";
    let mut t = Test::describe("rtsp://u:s3cret@h/");
    t.sent();
    let sent = t.answer(&format!("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n{challenge}"));
    assert!(sent.contains("Authorization: Basic dTpzM2NyZXQ=\r\n"));
    t.answer(&format!("RTSP/1.0 401 Unauthorized\r\nCSeq: 2\r\n{challenge}"));
    assert_eq!(t.failure(), (ErrorKind::Auth, "RTSP wrong user/pass".into(), false));

    let mut t = Test::describe("rtsp://h/");
    t.answer(&format!("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n{challenge}"));
    assert_eq!(t.failure().1, "RTSP user/pass not provided");

    let mut t = Test::describe("rtsp://u:s3cret@h/");
    t.answer("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Bearer\r\n\r\n");
    assert_eq!(t.failure().1, "RTSP unsupported authentication");
}

/// Cameras with a nonce for every request.
#[test]
fn a_new_nonce_for_a_later_request() {
    let refused = |cseq: u32| {
        format!(
            "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n\
             WWW-Authenticate: Digest realm=\"r\", nonce=\"n{cseq}\"\r\n\r\n"
        )
    };
    let mut t = Test::describe("rtsp://u:s3cret@h/");
    t.sent();
    t.answer(&refused(1));
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
    t.event();
    t.session.play(t.now, &[SetupTrack::new("a")]);
    t.sent();
    let sent = t.answer(&refused(3));
    assert!(sent.starts_with("SETUP ") && sent.contains("nonce=\"n3\""), "{sent}");
    t.answer(&refused(4));
    assert_eq!(t.failure().1, "RTSP wrong user/pass");
}

#[test]
fn tp_link_wants_its_own_host() {
    let mut t = Test::describe("rtsp://10.0.0.9:554/stream1");
    t.sent();
    let refused = "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"TP-LINK Streaming Media\", nonce=\"a\"\r\n\r\n";
    assert!(t.answer(refused).starts_with("DESCRIBE rtsp://127.0.0.1:554/stream1 RTSP/1.0"));
    t.answer("RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert!(
        matches!(t.event(), Event::Described { base, .. } if base == "rtsp://127.0.0.1:554/stream1")
    );
    let mut t = Test::describe("rtsp://10.0.0.9:554/stream1");
    t.answer(refused);
    t.answer(refused);
    assert_eq!(t.failure().0, ErrorKind::Auth);
}

#[test]
fn redirects_keep_the_credentials() {
    for (location, target) in [
        ("rtsp://other:8554/b", "rtsp://u:s3cret@other:8554/b#timeout=3"),
        ("/c?d", "rtsp://u:s3cret@h:554/c?d#timeout=3"),
        ("rtsp://x:y@other/", "rtsp://x:y@other/#timeout=3"),
    ] {
        let mut t = Test::describe("rtsp://u:s3cret@h:554/a#timeout=3");
        t.answer(&format!("RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: {location}\r\n\r\n"));
        assert!(matches!(t.event(), Event::Redirect(url) if url.expose() == target));
        assert!(t.session.is_closed());
    }
}

#[test]
fn refusals_are_classified() {
    for (code, kind) in [
        (404, ErrorKind::NotFound),
        (453, ErrorKind::Busy),
        (503, ErrorKind::Busy),
        (403, ErrorKind::Auth),
        (400, ErrorKind::Protocol),
        (500, ErrorKind::Protocol),
    ] {
        let mut t = Test::describe("rtsp://u:s3cret@h/");
        t.answer(&format!("RTSP/1.0 {code} Reason\r\nCSeq: 1\r\n\r\n"));
        assert_eq!(
            t.failure(),
            (kind, format!("RTSP wrong response on DESCRIBE: {code} Reason"), false)
        );
    }
}

#[test]
fn without_backchannel_if_it_may_be_the_cause() {
    let backchannel = |c: &mut Config| c.backchannel = true;
    let mut t = Test::with("rtsp://h/", backchannel);
    t.session.describe(t.now);
    assert!(t.sent().contains("Require: www.onvif.org/ver20/backchannel\r\n"));
    t.answer("RTSP/1.0 551 Option not supported\r\nCSeq: 1\r\n\r\n");
    assert!(t.failure().2);
    // Silence counts, too.
    let mut t = Test::with("rtsp://h/", backchannel);
    t.session.describe(t.now);
    t.wait();
    assert_eq!(
        t.failure(),
        (ErrorKind::Unreachable, "RTSP no answer on DESCRIBE within 5 s".into(), true)
    );
    // And a closed connection.
    let mut t = Test::with("rtsp://h/", backchannel);
    t.session.describe(t.now);
    t.session.handle_eof();
    assert!(t.failure().2);
}

#[test]
fn wrong_transport() {
    for transport in
        ["", "Transport: RTP/AVP/TCP;unicast\r\n", "Transport: RTP/AVP;interleaved=x\r\n"]
    {
        let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a")]);
        t.events.clear();
        t.answer(&format!("RTSP/1.0 200 OK\r\n{transport}\r\n"));
        let (kind, text, _) = t.failure();
        assert_eq!(kind, ErrorKind::Protocol);
        assert!(text.starts_with("RTSP wrong transport"), "{text}");
    }
}

#[test]
fn same_channels_for_every_track() {
    let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a"), SetupTrack::new("b")]);
    let same = "RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n";
    t.answer(same);
    t.answer(same);
    t.events.clear();
    t.answer("RTSP/1.0 200 OK\r\n\r\n");
    let Event::Playing { tracks } = t.event() else { panic!() };
    assert_eq!((tracks[0].channel, tracks[1].channel), (Some(0), Some(2)));
}

#[test]
fn media_without_an_answer_on_play() {
    let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a")]);
    t.answer("RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n");
    t.events.clear();
    t.now += Duration::from_secs(4);
    t.bytes(&write_interleaved(0, b"p").unwrap());
    assert!(matches!(t.event(), Event::Packet { .. }));
    t.wait();
    assert!(matches!(t.event(), Event::Playing { .. }));
    // Then silence.
    t.wait();
    assert_eq!(t.failure(), (ErrorKind::Ended, "RTSP no data for 5 s".into(), false));
}

#[test]
fn questions_of_the_camera_are_answered() {
    let mut t = Test::playing("rtsp://h/a", &[SetupTrack::new("a")]);
    t.sent();
    assert_eq!(
        t.answer("OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n"),
        "RTSP/1.0 200 OK\r\nCSeq: 77\r\n\r\n"
    );
    assert!(t.answer("FOO * RTSP/1.0\r\nCSeq: 78\r\n\r\n").starts_with("RTSP/1.0 501 "));
    // A late answer to something else is not taken for that on SETUP.
    assert_eq!(t.answer("RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"), "");
    assert!(!t.session.is_closed());
    t.events.clear();
    t.answer("TEARDOWN rtsp://h/a RTSP/1.0\r\nCSeq: 79\r\n\r\n");
    assert_eq!(t.failure().0, ErrorKind::Ended);
}

#[test]
fn publishes() {
    let mut t = Test::announced("rtsp://h/live");
    t.session.record(t.now, &[SetupTrack::new("streamid=0")]);
    assert!(t.sent().contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n"));
    let sent = t.answer("RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 1\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n");
    assert!(sent.starts_with("RECORD rtsp://h/live RTSP/1.0"));
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n");
    assert!(matches!(t.event(), Event::Recording { .. }));
    assert_eq!(t.session.last_heard(), Some(t.now));
}

#[test]
fn a_server_that_refuses_options_may_still_take_a_publisher() {
    let mut t = Test::new("rtsp://h/live");
    t.session.announce(t.now, Bytes::from_static(b"v=0"));
    t.sent();
    let sent = t.answer("RTSP/1.0 501 Not Implemented\r\nCSeq: 1\r\n\r\n");
    assert!(sent.starts_with("ANNOUNCE rtsp://h/live RTSP/1.0"), "{sent}");
    t.answer("RTSP/1.0 403 No Publishers Here\r\nCSeq: 2\r\n\r\n");
    let text = "RTSP wrong response on ANNOUNCE: 403 No Publishers Here";
    assert_eq!(t.failure(), (ErrorKind::Auth, text.into(), false));
}

#[test]
fn a_publisher_that_is_challenged() {
    let refused = |cseq: u32| {
        format!(
            "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n\
             WWW-Authenticate: Digest realm=\"r\", nonce=\"n{cseq}\"\r\n\r\n"
        )
    };
    // Who answers OPTIONS to everybody asks at ANNOUNCE, whose body is sent again.
    let mut t = Test::new("rtsp://u:s3cret@h/live");
    t.session.announce(t.now, Bytes::from_static(b"v=0"));
    t.sent();
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
    let sent = t.answer(&refused(2));
    assert!(sent.contains("nonce=\"n2\"") && sent.ends_with("\r\n\r\nv=0"), "{sent}");
    t.answer(&refused(3));
    assert_eq!(t.failure(), (ErrorKind::Auth, "RTSP wrong user/pass".into(), false));
    // A nonce for every request.
    let mut t = Test::new("rtsp://u:s3cret@h/live");
    t.session.announce(t.now, Bytes::from_static(b"v=0"));
    t.sent();
    assert!(t.answer(&refused(1)).starts_with("OPTIONS "));
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
    let sent = t.answer(&refused(3));
    assert!(sent.starts_with("ANNOUNCE ") && sent.contains("nonce=\"n3\""), "{sent}");
    t.answer("RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n");
    assert!(matches!(t.event(), Event::Announced));
}

#[test]
fn a_published_session_is_kept_by_the_time_that_the_server_names() {
    for (field, seconds, method) in [
        ("1;timeout=60", 55, "GET_PARAMETER"),
        ("1;timeout=4", 2, "GET_PARAMETER"),
        ("1;timeout=1", 1, "GET_PARAMETER"),
        ("1;timeout=0", 25, "GET_PARAMETER"),
        ("1", 25, "GET_PARAMETER"),
    ] {
        let mut t = Test::announced("rtsp://h/live");
        t.session.record(t.now, &[SetupTrack::new("trackID=0")]);
        t.sent();
        t.answer(&format!("RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: {field}\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n"));
        t.answer("RTSP/1.0 200 OK\r\nCSeq: 4\r\n\r\n");
        for cseq in [5, 6] {
            assert_eq!(t.deadline, Some(t.now + Duration::from_secs(seconds)), "{field}");
            let sent = t.wait();
            assert!(sent.starts_with(&format!("{method} rtsp://h/live ")), "{field}: {sent}");
            assert!(sent.contains("Session: 1\r\n"), "{sent}");
            t.answer(&format!("RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n\r\n"));
        }
        // One that does not answer any more is gone.
        t.wait();
        t.events.clear();
        for _ in 0..8 {
            t.wait();
            if t.session.is_closed() {
                break;
            }
        }
        assert_eq!(t.failure().0, ErrorKind::Ended, "{field}");
    }
}

#[test]
fn rtspx_is_rtsps_on_the_wire() {
    let mut t = Test::describe("rtspx://h/a");
    assert!(t.sent().starts_with("DESCRIBE rtsps://h/a RTSP/1.0"));
}

#[test]
fn over_udp() {
    let track = SetupTrack { udp_port: Some(5000), ..SetupTrack::new("a") };
    let mut t = Test::playing("rtsp://h/a", &[track]);
    assert!(t.sent().contains("Transport: RTP/AVP;unicast;client_port=5000-5001\r\n"));
    t.answer("RTSP/1.0 200 OK\r\nTransport: RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001\r\n\r\n");
    t.events.clear();
    t.answer("RTSP/1.0 200 OK\r\n\r\n");
    let Event::Playing { tracks } = t.event() else { panic!() };
    assert_eq!((tracks[0].channel, tracks[0].server_port), (None, Some((6000, 6001))));
    assert_eq!(t.session.write_interleaved(0, false, b"x"), None);
}

#[test]
fn garbage_ends_it_and_nothing_follows() {
    let mut t = Test::describe("rtsp://h/a");
    t.bytes(&vec![0; 2 * 1024 * 1024]);
    assert_eq!(t.failure(), (ErrorKind::Protocol, "RTSP wrong input".into(), false));
    t.answer("RTSP/1.0 200 OK\r\n\r\n");
    t.session.handle_timeout(t.now + Duration::from_secs(100));
    t.session.handle_eof();
    t.session.teardown(t.now);
    t.session.play(t.now, &[SetupTrack::new("a")]);
    assert_eq!(t.sent(), "");
    assert!(t.events.is_empty());
}
