//! Scripted players and publishers.

use super::*;

fn session(now: Instant) -> Session {
    Session::new(Config::new("12345678".into(), "n0nce".into(), "rs2rtc"), now)
}

/// Feeds text; returns what was sent (as text) and the events.
fn feed(s: &mut Session, text: &str, now: Instant) -> (String, Vec<Event>) {
    s.handle_input(&mut BytesMut::from(text.as_bytes()), now);
    drain(s)
}

fn drain(s: &mut Session) -> (String, Vec<Event>) {
    let (mut sent, mut events) = (String::new(), Vec::new());
    loop {
        match s.poll_output() {
            Output::Transmit(bytes) => sent.push_str(&String::from_utf8_lossy(&bytes)),
            Output::Event(event) => events.push(event),
            Output::Timeout(_) => return (sent, events),
        }
    }
}

#[test]
fn a_player_from_options_to_teardown() {
    let now = Instant::now();
    let mut s = session(now);
    let (sent, _) = feed(&mut s, "OPTIONS rtsp://h:8554/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n", now);
    assert!(sent.starts_with("RTSP/1.0 200 OK\r\nCSeq: 1\r\n") && sent.contains("Public: OPTIONS"));
    let (_, events) = feed(
        &mut s,
        "DESCRIBE rtsp://u:p@h:8554/my%20cam?video RTSP/1.0\r\nCSeq: 2\r\nUser-Agent: x\r\n\r\n",
        now,
    );
    assert_eq!(
        events,
        [Event::Describe {
            path: "my cam".into(),
            query: "video".into(),
            user_agent: "x".into(),
            url: "rtsp://h:8554/my%20cam?video".into()
        }]
    );
    s.describe_ok("v=0\r\n", 2, now);
    let (sent, _) = drain(&mut s);
    assert!(sent.contains("Content-Base: rtsp://h:8554/my%20cam/\r\n") && sent.ends_with("\r\n\r\nv=0\r\n"));
    let (sent, _) = feed(
        &mut s,
        "SETUP rtsp://h:8554/my%20cam/trackID=1 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
        now,
    );
    assert!(sent.contains("interleaved=0-1") && sent.contains("Session: 12345678;timeout=60"), "{sent}");
    assert_eq!(s.channels(), [None, Some((0, 1))]);
    let (_, events) = feed(&mut s, "PLAY rtsp://h:8554/my%20cam RTSP/1.0\r\nCSeq: 4\r\nSession: 12345678\r\n\r\n", now);
    assert_eq!(events, [Event::Play]);
    let (sent, _) = feed(&mut s, "GET_PARAMETER rtsp://h/cam RTSP/1.0\r\nCSeq: 5\r\n\r\n", now);
    assert!(sent.starts_with("RTSP/1.0 200"));
    let (_, events) = feed(&mut s, "$\u{1}\u{0}\u{2}ab", now);
    assert!(matches!(&events[0], Event::Packet { track: 1, rtcp: true, .. }));
    let (sent, events) = feed(&mut s, "TEARDOWN rtsp://h/cam RTSP/1.0\r\nCSeq: 6\r\n\r\n", now);
    assert!(sent.contains("CSeq: 6"));
    assert_eq!(events, [Event::Closed { reason: "teardown".into() }]);
}

#[test]
fn a_publisher_as_ffmpeg_does_it() {
    let now = Instant::now();
    let mut s = session(now);
    feed(&mut s, "OPTIONS rtsp://127.0.0.1:8554/x RTSP/1.0\r\nCSeq: 1\r\n\r\n", now);
    let (_, events) = feed(
        &mut s,
        "ANNOUNCE rtsp://127.0.0.1:8554/x RTSP/1.0\r\nContent-Type: application/sdp\r\nCSeq: 2\r\nContent-Length: 3\r\n\r\nv=0",
        now,
    );
    assert!(matches!(&events[0], Event::Announce { path, sdp, .. } if path == "x" && &sdp[..] == b"v=0"));
    s.announce_ok(1, now);
    drain(&mut s);
    let (sent, _) = feed(
        &mut s,
        "SETUP rtsp://127.0.0.1:8554/x/streamid=0 RTSP/1.0\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\nCSeq: 3\r\n\r\n",
        now,
    );
    assert!(sent.contains("mode=record"));
    let (_, events) = feed(&mut s, "RECORD rtsp://127.0.0.1:8554/x RTSP/1.0\r\nCSeq: 4\r\n\r\n", now);
    assert_eq!(events, [Event::Record]);
    let (_, events) = feed(&mut s, "$\u{0}\u{0}\u{1}z", now);
    assert!(matches!(&events[0], Event::Packet { track: 0, rtcp: false, .. }));
    s.handle_timeout(now + Duration::from_secs(14));
    assert!(drain(&mut s).1.is_empty());
    s.handle_timeout(now + Duration::from_secs(16));
    assert!(matches!(&drain(&mut s).1[..], [Event::Closed { .. }]));
}

#[test]
fn udp_is_refused_so_that_clients_try_tcp() {
    let now = Instant::now();
    let mut s = session(now);
    feed(&mut s, "DESCRIBE rtsp://h/c RTSP/1.0\r\nCSeq: 1\r\n\r\n", now);
    s.describe_ok("v=0", 1, now);
    drain(&mut s);
    let (sent, _) = feed(&mut s, "SETUP rtsp://h/c/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;client_port=5-6\r\n\r\n", now);
    assert!(sent.starts_with("RTSP/1.0 461 Unsupported transport"));
    let (sent, _) = feed(&mut s, "SETUP rtsp://h/c/trackID=7 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP\r\n\r\n", now);
    assert!(sent.starts_with("RTSP/1.0 400"));
    let (sent, _) = feed(&mut s, "PLAY rtsp://h/c RTSP/1.0\r\nCSeq: 4\r\n\r\n", now);
    assert!(sent.starts_with("RTSP/1.0 455"));
}

#[test]
fn login_is_asked_and_checked() {
    let now = Instant::now();
    let mut config = Config::new("1".into(), "n0nce".into(), "rs2rtc");
    let credentials = Credentials { username: "a".into(), password: Secret::new("b") };
    config.credentials = Some(credentials);
    let mut s = Session::new(config.clone(), now);
    let (sent, events) = feed(&mut s, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", now);
    assert!(sent.contains("401 Unauthorized") && sent.contains("Basic realm=\"go2rtc\"") && events.is_empty());
    let (sent, _) = feed(&mut s, "OPTIONS * RTSP/1.0\r\nCSeq: 2\r\nAuthorization: Basic YTpi\r\n\r\n", now);
    assert!(sent.contains("200 OK"));
    let mut s = Session::new(config, now);
    let (_, events) = feed(&mut s, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic YTpj\r\n\r\n", now);
    assert_eq!(events, [Event::Closed { reason: "failed authentication".into() }]);
}

#[test]
fn requests_wait_while_the_camera_is_dialled() {
    let now = Instant::now();
    let mut s = session(now);
    feed(&mut s, "DESCRIBE rtsp://h/c RTSP/1.0\r\nCSeq: 1\r\n\r\n", now);
    let (sent, _) = feed(&mut s, "OPTIONS rtsp://h/c RTSP/1.0\r\nCSeq: 2\r\n\r\n", now);
    assert!(sent.is_empty());
    // A slow dial is not the client's silence.
    s.handle_timeout(now + Duration::from_secs(30));
    s.describe_ok("v=0", 1, now + Duration::from_secs(30));
    let (sent, events) = drain(&mut s);
    assert!(sent.find("CSeq: 1").unwrap() < sent.find("CSeq: 2").unwrap() && events.is_empty());
    let mut s = session(now);
    feed(&mut s, "DESCRIBE rtsp://h/c RTSP/1.0\r\nCSeq: 1\r\n\r\n", now);
    s.refuse(404, "Not Found", "stream not found: c");
    let (sent, events) = drain(&mut s);
    assert!(sent.starts_with("RTSP/1.0 404 Not Found") && matches!(events[0], Event::Closed { .. }));
}

#[test]
fn silence_ends_a_session() {
    let now = Instant::now();
    let mut s = session(now);
    s.handle_timeout(now + Duration::from_secs(4));
    assert!(drain(&mut s).1.is_empty());
    s.handle_timeout(now + Duration::from_secs(5));
    assert!(matches!(&drain(&mut s).1[..], [Event::Closed { .. }]));
}
