//! Refusals, redirects and wrong answers: what they are told as.

use super::*;

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
