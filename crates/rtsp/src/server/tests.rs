use bytes::BytesMut;

use super::*;
use crate::message::write_interleaved;

const SDP: &str = "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\n\
    m=audio 0 RTP/AVP 97\r\na=control:trackID=1\r\n";

struct Test {
    session: Session,
    now: Instant,
    buffer: BytesMut,
    events: Vec<Event>,
    deadline: Option<Instant>,
}

impl Test {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl Fn(&mut Config)) -> Self {
        let mut config = Config::new("12345678", "abcdef");
        change(&mut config);
        // Only a starting point: all time is counted from here.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let session = Session::new(config, now);
        Self { session, now, buffer: BytesMut::new(), events: Vec::new(), deadline: None }
    }

    fn described() -> Self {
        let mut t = Self::new();
        t.say("DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\n\r\n");
        t.session.describe_ok(t.now, Bytes::from_static(SDP.as_bytes()));
        t.sent();
        t.events.clear();
        t
    }

    fn playing() -> Self {
        let mut t = Self::described();
        t.say("SETUP rtsp://h/cam/trackID=1 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n");
        t.say("PLAY rtsp://h/cam RTSP/1.0\r\nCSeq: 4\r\nSession: 12345678\r\n\r\n");
        t.events.clear();
        t
    }

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

    fn bytes(&mut self, bytes: &[u8]) -> String {
        self.buffer.extend_from_slice(bytes);
        self.session.handle_input(self.now, &mut self.buffer);
        self.sent()
    }

    fn say(&mut self, text: &str) -> String {
        self.bytes(text.as_bytes())
    }

    fn event(&mut self) -> Event {
        assert!(!self.events.is_empty(), "no event");
        self.events.remove(0)
    }

    fn closed(&mut self) -> CloseReason {
        self.sent();
        match self.event() {
            Event::Closed { reason } => {
                assert!(self.events.is_empty() && self.deadline.is_none());
                reason
            }
            event => panic!("{event:?}"),
        }
    }

    fn wait(&mut self) {
        self.sent();
        let deadline = self.deadline.expect("a deadline");
        self.session.handle_timeout(deadline - Duration::from_millis(1));
        assert!(!self.session.is_closed());
        self.now = deadline;
        self.session.handle_timeout(self.now);
        self.sent();
    }
}

/// As ffmpeg asks.
#[test]
fn plays_two_tracks() {
    let mut t = Test::new();
    assert_eq!(
        t.say("OPTIONS rtsp://127.0.0.1:8554/a%20b?video&x=1 RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: Lavf60.16.100\r\n\r\n"),
        "RTSP/1.0 200 OK\r\nPublic: OPTIONS, SETUP, TEARDOWN, DESCRIBE, PLAY, PAUSE, ANNOUNCE, RECORD, \
         GET_PARAMETER, SET_PARAMETER\r\nCSeq: 1\r\n\r\n"
    );
    let sent = t.say(
        "DESCRIBE rtsp://127.0.0.1:8554/a%20b?video&x=1 RTSP/1.0\r\nAccept: application/sdp\r\nCSeq: 2\r\n\r\n",
    );
    assert_eq!(sent, "");
    assert!(
        matches!(t.event(), Event::Describe { path, query } if path == "a b" && query == "video&x=1")
    );
    // The driver may take its time.
    assert_eq!(t.deadline, None);
    t.now += Duration::from_secs(30);
    t.session.describe_ok(t.now, Bytes::from_static(SDP.as_bytes()));
    let sent = t.sent();
    assert!(sent.starts_with(
        "RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\nCSeq: 2\r\nContent-Length: "
    ));
    assert!(sent.ends_with(SDP));
    assert_eq!(t.deadline, Some(t.now + Duration::from_secs(5)));
    for (track, url) in ["trackID=0", "trackID=1"].into_iter().enumerate() {
        let (cseq, channel) = (track + 3, track * 2);
        let sent = t.say(&format!(
            "SETUP rtsp://127.0.0.1:8554/a%20b?video&x=1/{url} RTSP/1.0\r\n\
             Transport: RTP/AVP/TCP;unicast;interleaved={channel}-{}\r\nCSeq: {cseq}\r\n\r\n",
            channel + 1
        ));
        assert_eq!(
            sent,
            format!(
                "RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;unicast;interleaved={channel}-{}\r\n\
                 Session: 12345678;timeout=60\r\nCSeq: {cseq}\r\n\r\n",
                channel + 1
            )
        );
        let expected = (track, u8::try_from(channel).unwrap());
        assert!(
            matches!(t.event(), Event::Setup { track, channel } if (track, channel) == expected)
        );
    }
    let sent = t.say("PLAY rtsp://127.0.0.1:8554/a%20b/ RTSP/1.0\r\nRange: npt=0.000-\r\nCSeq: 5\r\nSession: 12345678\r\n\r\n");
    assert_eq!(sent, "RTSP/1.0 200 OK\r\nSession: 12345678\r\nCSeq: 5\r\n\r\n");
    assert!(matches!(t.event(), Event::Play { tracks } if tracks == [0, 1]));
    assert_eq!(t.session.user_agent(), Some("Lavf60.16.100"));
    assert_eq!(t.session.url(), Some("rtsp://127.0.0.1:8554/a%20b?video&x=1"));
    assert_eq!(&t.session.write_interleaved(1, false, b"abc").unwrap()[..], b"$\x02\x00\x03abc");
    t.bytes(&write_interleaved(3, b"rr").unwrap());
    assert!(
        matches!(t.event(), Event::Packet { track: 1, rtcp: true, payload } if payload == "rr")
    );
}

#[test]
fn every_method_is_answered_while_playing() {
    let mut t = Test::playing();
    for method in ["GET_PARAMETER", "SET_PARAMETER", "OPTIONS", "PLAY"] {
        let sent = t.say(&format!("{method} rtsp://h/cam RTSP/1.0\r\nCSeq: 9\r\n\r\n"));
        assert!(sent.starts_with("RTSP/1.0 200 OK\r\n") && sent.contains("CSeq: 9\r\n"), "{sent}");
    }
    t.events.clear();
    t.say("PAUSE rtsp://h/cam RTSP/1.0\r\nCSeq: 10\r\n\r\n");
    assert!(matches!(t.event(), Event::Pause));
    assert!(t.say("FOO rtsp://h/cam RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 501 "));
    assert!(t.say("DESCRIBE rtsp://h/cam RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 455 "));
    let sent = t.say("TEARDOWN rtsp://h/cam RTSP/1.0\r\nCSeq: 11\r\n\r\n");
    assert_eq!(sent, "RTSP/1.0 200 OK\r\nSession: 12345678\r\nCSeq: 11\r\n\r\n");
    assert!(matches!(t.closed(), CloseReason::Teardown));
    assert_eq!(t.say("OPTIONS * RTSP/1.0\r\n\r\n"), "");
}

#[test]
fn channels_are_those_the_client_names() {
    let mut t = Test::described();
    let setup = |track: u8, transport: &str| {
        format!(
            "SETUP rtsp://h/cam/trackID={track} RTSP/1.0\r\nCSeq: 3\r\nTransport: {transport}\r\n\r\n"
        )
    };
    assert!(
        t.say(&setup(1, "RTP/AVP/TCP;unicast;interleaved=10-11")).contains("interleaved=10-11")
    );
    // Taken: its own ones.
    assert!(t.say(&setup(0, "RTP/AVP/TCP;unicast;interleaved=11-12")).contains("interleaved=0-1"));
    // Again, without a wish, in lower case, as the second offer.
    let sent = t.say(&setup(0, "RTP/AVP;unicast;client_port=4-5,rtp/avp/tcp;unicast"));
    assert!(sent.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"), "{sent}");
    assert_eq!((t.session.channel(1, false), t.session.channel(0, true)), (Some(10), Some(1)));
    t.events.clear();
    t.say("PLAY rtsp://h/cam RTSP/1.0\r\n\r\n");
    assert!(matches!(t.event(), Event::Play { tracks } if tracks == [0, 1]));
    t.bytes(&write_interleaved(10, b"talk").unwrap());
    assert!(matches!(t.event(), Event::Packet { track: 1, rtcp: false, .. }));
    t.bytes(&write_interleaved(20, b"nobody's").unwrap());
    assert!(t.events.is_empty());
}

#[test]
fn udp_is_refused_and_tcp_may_follow() {
    let mut t = Test::described();
    let sent = t.say("SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;unicast;client_port=40000-40001\r\n\r\n");
    assert_eq!(sent, "RTSP/1.0 461 Unsupported transport\r\nCSeq: 3\r\n\r\n");
    let sent = t.say("SETUP rtsp://h/cam/trackID=0 RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n");
    assert!(sent.starts_with("RTSP/1.0 200 OK\r\n"));
}

#[test]
fn odd_requests() {
    // No such track, no track at all.
    for url in ["rtsp://h/cam/trackID=7", "rtsp://h/cam"] {
        let mut t = Test::described();
        let sent = t.say(&format!("SETUP {url} RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"));
        assert_eq!(
            sent,
            "RTSP/1.0 400 Bad Request\r\nSession: 12345678;timeout=60\r\nCSeq: 3\r\n\r\n"
        );
        assert!(!t.session.is_closed());
        // Nothing is set up.
        assert!(t.say("PLAY rtsp://h/cam RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 455 "));
    }
    let mut t = Test::new();
    let sent = t.say("SETUP rtsp://h/cam/trackID=1 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast\r\n\r\n");
    assert!(sent.contains("RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n"));
    assert!(
        t.say("PLAY rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\n\r\n").starts_with("RTSP/1.0 200 OK\r\n")
    );
    assert!(matches!(t.closed(), CloseReason::Protocol(_)));
    for garbage in ["hello\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut t = Test::new();
        t.say(garbage);
        assert!(matches!(t.closed(), CloseReason::Protocol(_)));
    }
    let mut t = Test::new();
    assert!(t.say("OPTIONS * RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 200 OK\r\nPublic: "));
    assert!(t.say("PAUSE * RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 455 "));
    assert!(t.say("RECORD * RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 455 "));
    assert!(t.say("TEARDOWN * RTSP/1.0\r\n\r\n").starts_with("RTSP/1.0 200 "));
    assert!(matches!(t.closed(), CloseReason::Teardown));
}

#[test]
fn unknown_streams_end_the_connection() {
    let mut t = Test::new();
    t.say("DESCRIBE rtsp://h/nosuch RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    t.event();
    t.session.describe_fail(404, "Not Found");
    assert_eq!(t.sent(), "RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n");
    assert!(matches!(t.closed(), CloseReason::Refused(404)));
}

#[test]
fn requests_wait_for_the_driver() {
    let mut t = Test::new();
    let sent = t.say(
        "DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n\
         DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 3\r\n\r\nOPTIONS * RTSP/1.0\r\nCSeq: 4\r\n\r\n",
    );
    assert_eq!(sent, "");
    t.session.describe_ok(t.now, Bytes::new());
    let sent = t.sent();
    assert!(sent.contains("CSeq: 1") && sent.contains("CSeq: 2") && !sent.contains("CSeq: 4"));
    t.session.describe_ok(t.now, Bytes::new());
    assert!(t.sent().contains("CSeq: 4"));
    // A goodbye does not wait.
    let mut t = Test::new();
    t.say(
        "DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\nTEARDOWN * RTSP/1.0\r\nCSeq: 2\r\n\r\n",
    );
    t.event();
    assert!(matches!(t.closed(), CloseReason::Teardown));
    // A driver that is late does no harm.
    t.session.describe_ok(t.now, Bytes::new());
    assert_eq!(t.sent(), "");
    // Not without limit.
    let mut t = Test::new();
    t.say("DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n");
    t.event();
    t.say(&"OPTIONS * RTSP/1.0\r\n\r\n".repeat(17));
    assert!(matches!(t.closed(), CloseReason::Protocol(_)));
}

#[test]
fn silence() {
    let limit = |t: &mut Test| match t.closed() {
        CloseReason::Silent(limit) => limit.as_secs(),
        reason => panic!("{reason:?}"),
    };
    let mut t = Test::new();
    t.wait();
    assert_eq!(limit(&mut t), 5);
    // A request in small pieces does not buy time.
    let mut t = Test::new();
    t.sent();
    let deadline = t.deadline;
    t.now += Duration::from_secs(4);
    t.say("OPTIONS * RTSP");
    assert_eq!(t.deadline, deadline);
    let mut t = Test::playing();
    t.session.handle_eof();
    assert!(matches!(t.closed(), CloseReason::Disconnected));
}

/// Plays for so many seconds; reports every `report` seconds, if at all.
fn play(t: &mut Test, seconds: u64, report: Option<u64>, bytes: usize) {
    for second in 1..=seconds {
        t.now += Duration::from_secs(1);
        t.session.packets_sent(t.now, bytes);
        if report.is_some_and(|every| second % every == 0) {
            t.bytes(&write_interleaved(1, b"rr").unwrap());
        }
        t.session.handle_timeout(t.now);
        t.sent();
    }
    t.events.retain(|event| matches!(event, Event::Closed { .. }));
}

/// Seconds after which a player that is served but silent is ended.
fn silent_for(t: &mut Test, bytes: usize) -> u64 {
    let start = t.now;
    while !t.session.is_closed() && t.now < start + Duration::from_secs(100) {
        play(t, 1, None, bytes);
    }
    (t.now - start).as_secs()
}

#[test]
fn who_never_reports_is_not_judged_by_its_silence() {
    let mut t = Test::playing();
    play(&mut t, 3600, None, 1000);
    assert_eq!(t.deadline, None);
    assert!(!t.session.is_closed());
}

#[test]
fn who_reports_is_missed_after_a_multiple_of_its_custom() {
    for (report, limit) in [(1, 10), (5, 13), (10, 25), (40, 60)] {
        let mut t = Test::playing();
        play(&mut t, 4 * report, Some(report), 1000);
        let silent = silent_for(&mut t, 1000);
        assert!(matches!(t.closed(), CloseReason::Silent(_)));
        assert_eq!(silent, limit, "reports every {report} s");
    }
    // One word does not make a custom.
    let mut t = Test::playing();
    play(&mut t, 5, Some(5), 1000);
    assert_eq!(silent_for(&mut t, 1000), 60);
    // A request counts like a report, talk only shows that it lives.
    let mut t = Test::playing();
    for _ in 0..4 {
        play(&mut t, 8, None, 1000);
        t.say("GET_PARAMETER rtsp://h/cam RTSP/1.0\r\nCSeq: 9\r\n\r\n");
        play(&mut t, 1, None, 1000);
        t.bytes(&write_interleaved(0, b"talk").unwrap());
    }
    assert_eq!(silent_for(&mut t, 1000), 23, "2.5 times 9 s");
}

#[test]
fn who_reports_by_bytes_is_not_missed_while_few_are_sent() {
    let mut t = Test::playing();
    play(&mut t, 20, Some(1), 100_000);
    assert_eq!(silent_for(&mut t, 1000), 60);
}

#[test]
fn a_camera_that_gives_nothing_is_not_the_players_silence() {
    let mut t = Test::playing();
    play(&mut t, 20, Some(1), 1000);
    for _ in 0..300 {
        t.now += Duration::from_secs(1);
        t.session.handle_timeout(t.now);
        t.sent();
    }
    assert!(!t.session.is_closed() && t.deadline.is_none());
    assert_eq!(silent_for(&mut t, 1000), 11, "counted from the first packet");
}

#[test]
fn a_pause_lasts_as_long_as_the_client_keeps_it_alive() {
    let mut t = Test::playing();
    play(&mut t, 20, Some(1), 1000);
    let request = |method| format!("{method} rtsp://h/cam RTSP/1.0\r\nCSeq: 9\r\n\r\n");
    t.say(&request("PAUSE"));
    for _ in 0..10 {
        assert_eq!(t.deadline, Some(t.now + Duration::from_secs(60)));
        t.now += Duration::from_secs(59);
        t.session.handle_timeout(t.now);
        t.say(&request("OPTIONS"));
    }
    t.say(&request("PLAY"));
    assert_eq!(t.deadline, None, "nothing is sent yet");
    t.say(&request("PAUSE"));
    t.events.clear();
    t.wait();
    assert!(matches!(t.closed(), CloseReason::Silent(limit) if limit.as_secs() == 60));
}

const ANNOUNCED: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=No Name\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    a=tool:libavformat 60.16.100\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:streamid=0\r\n\
    m=audio 0 RTP/AVP 97\r\na=control:streamid=1\r\n";

fn announce(url: &str, sdp: &str) -> String {
    format!(
        "ANNOUNCE {url} RTSP/1.0\r\nContent-Type: application/sdp\r\nCSeq: 2\r\nUser-Agent: Lavf60.16.100\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// As ffmpeg publishes.
#[test]
fn records_two_tracks() {
    let mut t = Test::new();
    t.say(&announce("rtsp://127.0.0.1:8554/empty?timeout=3", ANNOUNCED));
    match t.event() {
        Event::Announce { path, query, sdp } => {
            assert_eq!((path.as_str(), query.as_str()), ("empty", "timeout=3"));
            assert_eq!(sdp, ANNOUNCED);
        }
        event => panic!("{event:?}"),
    }
    t.session.announce_ok(t.now);
    assert_eq!(t.sent(), "RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n");
    for (track, channel) in [(0, 0), (1, 2)] {
        let transport =
            format!("RTP/AVP/TCP;unicast;interleaved={channel}-{};mode=record", channel + 1);
        let sent = t.say(&format!(
            "SETUP rtsp://127.0.0.1:8554/empty/streamid={track} RTSP/1.0\r\nTransport: {transport}\r\nCSeq: 3\r\n\r\n"
        ));
        assert!(sent.contains(&format!("Transport: {transport}\r\n")), "{sent}");
        t.event();
    }
    let sent = t.say("RECORD rtsp://127.0.0.1:8554/empty RTSP/1.0\r\nRange: npt=0.000-\r\nCSeq: 5\r\nSession: 12345678\r\n\r\n");
    assert_eq!(sent, "RTSP/1.0 200 OK\r\nSession: 12345678\r\nCSeq: 5\r\n\r\n");
    assert!(matches!(t.event(), Event::Record { tracks } if tracks == [0, 1]));
    t.bytes(&write_interleaved(2, b"audio").unwrap());
    assert!(matches!(t.event(), Event::Packet { track: 1, rtcp: false, .. }));
    let deadline = Some(t.now + Duration::from_secs(3));
    assert_eq!(t.deadline, deadline);
    t.now += Duration::from_secs(2);
    t.say("OPTIONS * RTSP/1.0\r\nCSeq: 8\r\n\r\n");
    assert_eq!(t.deadline, deadline, "only packets count");
    t.say("PAUSE * RTSP/1.0\r\nCSeq: 8\r\n\r\n");
    assert_eq!(t.deadline, Some(t.now + Duration::from_secs(60)));
    t.say("RECORD * RTSP/1.0\r\nCSeq: 8\r\n\r\n");
    assert_eq!(t.deadline, Some(t.now + Duration::from_secs(3)));
    t.events.clear();
    t.wait();
    assert!(matches!(t.closed(), CloseReason::Silent(_)));
}

/// rtspclientsink: other controls, no channels, UDP first.
#[test]
fn records_from_gstreamer() {
    let mut t = Test::new();
    t.say("OPTIONS rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: GStreamer/1.22.0\r\n\r\n");
    t.say(&announce("rtsp://h/live", "v=0\r\nm=video 0 RTP/AVP 96\r\na=control:stream=0\r\n"));
    t.session.announce_ok(t.now);
    t.sent();
    t.events.clear();
    let setup = |transport: &str| {
        format!(
            "SETUP rtsp://h/live/stream=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: {transport}\r\n\r\n"
        )
    };
    assert!(
        t.say(&setup("RTP/AVP;unicast;client_port=5000-5001;mode=\"RECORD\""))
            .starts_with("RTSP/1.0 461 ")
    );
    let sent = t.say(&setup("RTP/AVP/TCP;unicast;mode=\"RECORD\""));
    assert!(
        sent.contains("Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n"),
        "{sent}"
    );
    // Without any control the next track is meant.
    let mut t = Test::new();
    t.say(&announce("rtsp://h/live", "v=0\r\nm=video 0 RTP/AVP 96\r\nm=audio 0 RTP/AVP 0\r\n"));
    t.session.announce_ok(t.now);
    for _ in 0..2 {
        t.say("SETUP rtsp://h/live RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n");
    }
    assert_eq!((t.session.channel(0, false), t.session.channel(1, false)), (Some(0), Some(2)));
}

#[test]
fn announce_needs_a_session_description() {
    let mut t = Test::new();
    t.say("ANNOUNCE rtsp://h/empty RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nv=0");
    assert!(matches!(t.closed(), CloseReason::Protocol(_)));
    let mut t = Test::new();
    t.say(&announce("rtsp://h/x", "v=0"));
    t.event();
    t.session.announce_fail(404, "Not Found");
    assert!(t.sent().starts_with("RTSP/1.0 404 Not Found\r\n"));
    assert!(matches!(t.closed(), CloseReason::Refused(404)));
}

#[test]
fn authentication() {
    let auth = |c: &mut Config| c.auth = Some(("ruser".into(), Secret::new("rpass")));
    let options = |value: &str| format!("OPTIONS rtsp://h/cam RTSP/1.0\r\nCSeq: 1\r\n{value}\r\n");
    let mut t = Test::with(auth);
    let refused = "RTSP/1.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"rs2rtc\", nonce=\"abcdef\"\r\n\
        WWW-Authenticate: Basic realm=\"rs2rtc\"\r\nCSeq: 1\r\n\r\n";
    assert_eq!(t.say(&options("")), refused);
    assert_eq!(t.say(&options("")), refused);
    let basic = "Authorization: Basic cnVzZXI6cnBhc3M=\r\n";
    assert!(t.say(&options(basic)).starts_with("RTSP/1.0 200 "));
    let mut client = rs2rtc_base::http::auth::Authenticator::new("ruser", Secret::new("rpass"));
    client.handle_challenges(["Digest realm=\"rs2rtc\", nonce=\"abcdef\""]).unwrap();
    let digest = client.authorization("OPTIONS", "rtsp://h/cam", "").unwrap();
    assert!(t.say(&options(&format!("Authorization: {digest}\r\n"))).starts_with("RTSP/1.0 200 "));
    // Who knows it and then does not is refused at once.
    assert_eq!(t.say(&options("Authorization: Basic cnVzZXI6bm9wZQ==\r\n")), refused);
    assert!(matches!(t.closed(), CloseReason::Auth));
    // Not for ever.
    let mut t = Test::with(auth);
    for _ in 0..11 {
        t.say(&options(""));
    }
    assert!(matches!(t.closed(), CloseReason::Auth));
    // Not on this machine.
    let mut t = Test::with(|c| {
        auth(c);
        c.peer_is_loopback = true;
    });
    assert!(t.say(&options("")).starts_with("RTSP/1.0 200 "));
}

#[test]
fn a_wrong_login_waits_for_its_answer() {
    let wrong = |method: &str| {
        format!(
            "{method} rtsp://h/cam RTSP/1.0\r\nCSeq: 7\r\nAuthorization: Basic cnVzZXI6bm9wZQ==\r\n\r\n"
        )
    };
    let right = "DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 8\r\nAuthorization: Basic cnVzZXI6cnBhc3M=\r\n\r\n";
    for method in ["OPTIONS", "DESCRIBE", "TEARDOWN"] {
        let mut t = Test::with(|c| c.auth = Some(("ruser".into(), Secret::new("rpass"))));
        assert_eq!(t.say(&wrong(method)), "");
        assert!(matches!(t.event(), Event::WrongLogin), "{method}");
        assert_eq!(t.deadline, None, "nothing is due from the client");
        // No second guess meanwhile, also not by saying goodbye.
        assert_eq!(t.say(&(wrong("TEARDOWN") + right)), "");
        assert!(t.events.is_empty());
        t.session.describe_ok(t.now, Bytes::from_static(SDP.as_bytes()));
        assert_eq!(t.sent(), "", "that is not what was asked");
        if method == "OPTIONS" {
            t.session.login_too_many(Duration::from_secs(4));
            let too_many =
                "RTSP/1.0 503 Too Many Wrong Logins\r\nRetry-After: 4\r\nCSeq: 7\r\n\r\n";
            assert_eq!(t.sent(), too_many);
            assert!(matches!(t.closed(), CloseReason::TooManyLogins));
        } else {
            t.session.login_fail();
            assert!(t.sent().starts_with("RTSP/1.0 401 Unauthorized\r\n"), "{method}");
            assert!(matches!(t.closed(), CloseReason::Auth));
        }
        t.session.login_fail();
        assert_eq!(t.sent(), "", "once");
    }
    // The client may leave.
    let mut t = Test::with(|c| c.auth = Some(("ruser".into(), Secret::new("rpass"))));
    t.say(&wrong("DESCRIBE"));
    t.event();
    t.session.handle_eof();
    assert!(matches!(t.closed(), CloseReason::Disconnected));
    t.session.login_fail();
    assert_eq!(t.sent(), "");
}
