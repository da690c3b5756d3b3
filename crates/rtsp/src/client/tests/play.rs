//! What is asked for to play, in which order, and what comes of it.

use super::*;

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
