//! What is asked for to publish.

use super::*;

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
