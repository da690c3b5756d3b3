//! Challenges, and requests that are sent again for them.

use super::*;

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

/// The answer of who wants a new nonce for this request.
fn refused(cseq: u32) -> String {
    format!(
        "RTSP/1.0 401 Unauthorized\r\nCSeq: {cseq}\r\n\
         WWW-Authenticate: Digest realm=\"r\", nonce=\"n{cseq}\"\r\n\r\n"
    )
}

/// Cameras with a nonce for every request.
#[test]
fn a_new_nonce_for_a_later_request() {
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
fn a_publisher_that_is_challenged() {
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
fn how_long_each_request_took_is_told_with_its_login() {
    let tracks = [SetupTrack::new("t0"), SetupTrack::new("t1")];
    let mut test = Test::describe(&format!("rtsp://user:{SECRET}@cam/x"));
    let after = |test: &mut Test, ms, text: &str| {
        test.now += Duration::from_millis(ms);
        test.answer(text);
    };
    test.sent();
    let challenge = "WWW-Authenticate: Basic realm=\"x\"";
    after(&mut test, 5, &format!("RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n{challenge}\r\n\r\n"));
    after(&mut test, 7, "RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 3\r\n\r\nv=0");
    test.session.play(test.now, &tracks);
    for (number, channels) in [(3, "0-1"), (4, "2-3")] {
        let way = format!("Transport: RTP/AVP/TCP;unicast;interleaved={channels}");
        after(
            &mut test,
            10,
            &format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\nSession: 1\r\n{way}\r\n\r\n"),
        );
    }
    after(&mut test, 3, "RTSP/1.0 200 OK\r\nCSeq: 5\r\nSession: 1\r\n\r\n");
    let took = |ms| Duration::from_millis(ms);
    let expected =
        [(Method::Describe, took(12)), (Method::Setup, took(20)), (Method::Play, took(3))];
    assert_eq!(test.session.answers(), expected);
}
