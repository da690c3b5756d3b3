//! A scripted camera, and client and server talking to each other.

use super::*;
use crate::server;

fn config(url: &str) -> Config {
    Config {
        url: Url::parse(url).unwrap(),
        user_agent: "rs2rtc/test".into(),
        backchannel: false,
        timeout: Duration::from_secs(5),
        cnonce: "c0ffee".into(),
    }
}

fn drain(s: &mut Session, now: Instant) -> (String, Vec<Event>) {
    let (mut sent, mut events) = (String::new(), Vec::new());
    loop {
        match s.poll_output(now) {
            Output::Transmit(bytes) => sent.push_str(&String::from_utf8_lossy(&bytes)),
            Output::Event(event) => events.push(event),
            Output::Timeout(_) => return (sent, events),
        }
    }
}

fn feed(s: &mut Session, text: &str, now: Instant) -> (String, Vec<Event>) {
    s.handle_input(&mut BytesMut::from(text.as_bytes()), now);
    drain(s, now)
}

fn failure(events: &[Event]) -> &Error {
    match events {
        [Event::Failed { error, .. }] => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn digest_login_and_play() {
    let now = Instant::now();
    let mut s = Session::new(config("rtsp://admin:secret@10.0.0.5/live/ch0?x=1#timeout=9"), now);
    let (sent, _) = drain(&mut s, now);
    assert!(sent.starts_with("DESCRIBE rtsp://10.0.0.5/live/ch0?x=1 RTSP/1.0\r\nCSeq: 1\r\n"), "{sent}");
    assert!(!sent.contains("secret") && !sent.contains("Authorization"));
    let (sent, _) = feed(
        &mut s,
        "RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm=\"IP Camera\", nonce=\"abc\"\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n",
        now,
    );
    assert!(sent.contains("CSeq: 2") && sent.contains("Authorization: Digest username=\"admin\""));
    assert!(sent.contains("uri=\"rtsp://10.0.0.5/live/ch0?x=1\"") && !sent.contains("secret"));
    let (_, events) = feed(
        &mut s,
        "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Base: rtsp://10.0.0.5/live/ch0/\r\nContent-Length: 3\r\n\r\nv=0",
        now,
    );
    assert!(matches!(&events[..], [Event::Described { sdp }] if &sdp[..] == b"v=0"));
    s.play(&["trackID=1".into(), "rtsp://10.0.0.5/abs".into()], now);
    let (sent, _) = drain(&mut s, now);
    assert!(sent.starts_with("SETUP rtsp://10.0.0.5/live/ch0/trackID=1 RTSP/1.0"), "{sent}");
    assert!(sent.contains("interleaved=0-1"));
    let (sent, _) = feed(
        &mut s,
        "RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: 777;timeout=30\r\nTransport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n\r\n",
        now,
    );
    assert!(sent.starts_with("SETUP rtsp://10.0.0.5/abs") && sent.contains("Session: 777\r\n"));
    let (sent, events) = feed(&mut s, "RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: 777\r\n\r\n", now);
    assert!(sent.starts_with("PLAY ") && matches!(events[..], [Event::Playing]));
    // Data before the answer to PLAY counts.
    let (_, events) = feed(&mut s, "$\u{4}\u{0}\u{2}hiRTSP/1.0 200 OK\r\nCSeq: 5\r\n\r\n$\u{3}\u{0}\u{1}c", now);
    assert!(matches!(&events[0], Event::Packet { track: 0, rtcp: false, .. }));
    assert!(matches!(&events[1], Event::Packet { track: 1, rtcp: true, .. }));
    s.handle_timeout(now + Duration::from_millis(4900));
    assert!(drain(&mut s, now).0.is_empty());
    s.teardown();
    assert!(drain(&mut s, now).0.starts_with("TEARDOWN "));
}

#[test]
fn a_wrong_password_is_tried_once() {
    let now = Instant::now();
    let refused = |n: u32| format!("RTSP/1.0 401 Unauthorized\r\nCSeq: {n}\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\r\n\r\n");
    let mut s = Session::new(config("rtsp://a:b@h/"), now);
    drain(&mut s, now);
    feed(&mut s, &refused(1), now);
    let (_, events) = feed(&mut s, &refused(2), now);
    assert_eq!((failure(&events).kind(), failure(&events).to_string()), (ErrorKind::Auth, "rtsp: wrong user/pass".into()));
    let mut s = Session::new(config("rtsp://h/"), now);
    drain(&mut s, now);
    let (_, events) = feed(&mut s, &refused(1), now);
    assert!(failure(&events).to_string().starts_with("rtsp: user/pass not provided"));
}

#[test]
fn refusals_have_their_kind() {
    let now = Instant::now();
    for (status, kind) in [(404, ErrorKind::NotFound), (453, ErrorKind::Busy), (500, ErrorKind::Protocol)] {
        let mut s = Session::new(config("rtsp://h/"), now);
        drain(&mut s, now);
        let (_, events) = feed(&mut s, &format!("RTSP/1.0 {status} Nope\r\nCSeq: 1\r\n\r\n"), now);
        assert_eq!(failure(&events).kind(), kind);
    }
    let mut s = Session::new(config("rtsp://h/"), now);
    drain(&mut s, now);
    let (_, events) = feed(&mut s, "RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://other/x\r\n\r\n", now);
    assert!(matches!(&events[..], [Event::Redirect(to)] if to == "rtsp://other/x"));
}

#[test]
fn silence_has_its_deadlines() {
    let now = Instant::now();
    let mut s = Session::new(config("rtsp://h/"), now);
    drain(&mut s, now);
    s.handle_timeout(now + Duration::from_secs(5));
    let (_, events) = drain(&mut s, now);
    assert_eq!(failure(&events).kind(), ErrorKind::Unreachable);
    assert!(failure(&events).to_string().contains("DESCRIBE"));
}

#[test]
fn bases_of_odd_cameras() {
    let asked = "rtsp://cam/x";
    assert_eq!(repair_base("rtsp://rtsp://turret2-cam.lan:554/stream1/", asked), "rtsp://turret2-cam.lan:554/stream1/");
    assert_eq!(repair_base("192.168.253.220:1935/", asked), "rtsp://192.168.253.220:1935/");
    assert_eq!(repair_base("rtsp://::ffff:192.168.1.123/onvif/profile.1/", asked), "rtsp://::ffff:192.168.1.123:/onvif/profile.1/");
    assert_eq!(repair_base("", asked), asked);
    assert_eq!(track_url("rtsp://h/a/", "trackID=1"), "rtsp://h/a/trackID=1");
    assert_eq!(track_url("rtsp://h/a", "/t"), "rtsp://h/a/t");
    assert_eq!(track_url("rtsp://h/a", "*"), "rtsp://h/a");
}

/// Moves bytes between a client and a server until both are quiet.
fn exchange(c: &mut Session, s: &mut server::Session, now: Instant) -> (Vec<Event>, Vec<server::Event>) {
    let (mut to_s, mut to_c) = (BytesMut::new(), BytesMut::new());
    let (mut c_events, mut s_events) = (Vec::new(), Vec::new());
    loop {
        let mut quiet = true;
        loop {
            match c.poll_output(now) {
                Output::Transmit(bytes) => to_s.extend_from_slice(&bytes),
                Output::Event(event) => c_events.push(event),
                Output::Timeout(_) => break,
            }
            quiet = false;
        }
        s.handle_input(&mut to_s, now);
        loop {
            match s.poll_output() {
                server::Output::Transmit(bytes) => to_c.extend_from_slice(&bytes),
                server::Output::Event(event) => s_events.push(event),
                server::Output::Timeout(_) => break,
            }
            quiet = false;
        }
        c.handle_input(&mut to_c, now);
        if quiet {
            return (c_events, s_events);
        }
    }
}

#[test]
fn our_client_plays_from_our_server() {
    let now = Instant::now();
    let mut c = Session::new(config("rtsp://h:8554/cam?video"), now);
    let mut s = server::Session::new(server::Config::new("1".into(), "n".into(), "rs2rtc"), now);
    let (_, events) = exchange(&mut c, &mut s, now);
    assert!(matches!(&events[..], [server::Event::Describe { path, .. }] if path == "cam"));
    s.describe_ok("v=0\r\n", 2, now);
    let (events, _) = exchange(&mut c, &mut s, now);
    assert!(matches!(events[..], [Event::Described { .. }]));
    c.play(&["trackID=0".into(), "trackID=1".into()], now);
    let (events, s_events) = exchange(&mut c, &mut s, now);
    assert!(matches!(events[..], [Event::Playing]));
    assert_eq!(s_events, [server::Event::Play]);
    assert_eq!(s.channels(), [Some((0, 1)), Some((2, 3))]);
    // Keep-alive is answered and nobody minds.
    c.handle_input(&mut BytesMut::from(&b"$\x00\x00\x01x"[..]), now + Duration::from_secs(24));
    c.handle_timeout(now + Duration::from_secs(26));
    let (events, _) = exchange(&mut c, &mut s, now + Duration::from_secs(26));
    assert!(matches!(events[..], [Event::Packet { .. }]), "{events:?}");
    c.teardown();
    let (_, s_events) = exchange(&mut c, &mut s, now);
    assert_eq!(s_events, [server::Event::Closed { reason: "teardown".into() }]);
}

#[test]
fn our_client_publishes_to_our_server() {
    let now = Instant::now();
    let sdp = Bytes::from_static(b"v=0\r\n");
    let mut c = Session::announce(config("rtsp://h/push"), sdp, &["streamid=0".into()], now);
    let mut s = server::Session::new(server::Config::new("1".into(), "n".into(), "rs2rtc"), now);
    let (_, events) = exchange(&mut c, &mut s, now);
    assert!(matches!(&events[..], [server::Event::Announce { path, .. }] if path == "push"));
    s.announce_ok(1, now);
    let (events, s_events) = exchange(&mut c, &mut s, now);
    assert!(matches!(events[..], [Event::Recording]));
    assert_eq!(s_events, [server::Event::Record]);
    assert_eq!(c.data_head(0, true, 3), Some([b'$', 1, 0, 3]));
}

#[test]
fn truncated_answers_never_panic() {
    let now = Instant::now();
    let answer = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Base: rtsp://\r\nSession: ;timeout=\r\nContent-Length: 2\r\n\r\nv=";
    for cut in 0..answer.len() {
        let mut s = Session::new(config("rtsp://h/"), now);
        feed(&mut s, &answer[..cut], now);
        feed(&mut s, &answer[cut..], now);
    }
}
