//! A client and a server machine that talk to each other in memory, whole and
//! byte by byte, and both under random input.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::{Secret, Url};
use rs2rtc_rtsp::{client, server};

const SDP: &[u8] = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\n\
    m=audio 0 RTP/AVP 97\r\na=control:trackID=1\r\n";

/// Both ends and what is on its way.
struct Pair {
    client: client::Session,
    server: server::Session,
    to_client: BytesMut,
    to_server: BytesMut,
    now: Instant,
    client_events: Vec<client::Event>,
    server_events: Vec<server::Event>,
    /// Bytes given to a machine at once.
    piece: usize,
}

impl Pair {
    fn new(url: &str, piece: usize) -> Self {
        Self::with_auth(url, piece, true)
    }

    fn with_auth(url: &str, piece: usize, auth: bool) -> Self {
        // Only a starting point: all time is counted from here.
        #[allow(clippy::disallowed_methods)]
        let now = Instant::now();
        let mut config = server::Config::new("12345678", "n0nce");
        config.auth = auth.then(|| ("us er".into(), Secret::new("p@ss")));
        let client = client::Config::new(Url::parse(url).unwrap(), "pair/1", [7; 8]);
        Self {
            client: client::Session::new(client),
            server: server::Session::new(config, now),
            to_client: BytesMut::new(),
            to_server: BytesMut::new(),
            now,
            client_events: Vec::new(),
            server_events: Vec::new(),
            piece,
        }
    }

    /// Until both have nothing to say.
    fn settle(&mut self) {
        loop {
            let mut idle = true;
            let mut sent = BytesMut::new();
            loop {
                match self.client.poll_output() {
                    client::Output::Transmit(bytes) => sent.extend_from_slice(&bytes),
                    client::Output::Event(event) => self.client_events.push(event),
                    client::Output::Timeout(_) => break,
                }
            }
            for piece in sent.chunks(self.piece) {
                idle = false;
                self.to_server.extend_from_slice(piece);
                self.server.handle_input(self.now, &mut self.to_server);
            }
            let mut sent = BytesMut::new();
            loop {
                match self.server.poll_output() {
                    server::Output::Transmit(bytes) => sent.extend_from_slice(&bytes),
                    server::Output::Event(event) => self.server_events.push(event),
                    server::Output::Timeout(_) => break,
                }
            }
            for piece in sent.chunks(self.piece) {
                idle = false;
                self.to_client.extend_from_slice(piece);
                self.client.handle_input(self.now, &mut self.to_client);
            }
            if idle {
                return;
            }
        }
    }

    fn server_event(&mut self) -> server::Event {
        self.settle();
        self.server_events.remove(0)
    }

    fn client_event(&mut self) -> client::Event {
        self.settle();
        self.client_events.remove(0)
    }
}

fn tracks() -> [client::SetupTrack; 2] {
    [client::SetupTrack::new("trackID=0"), client::SetupTrack::new("trackID=1")]
}

#[test]
fn plays() {
    for piece in [1, 7, usize::MAX] {
        let mut p = Pair::new("rtsp://us%20er:p@ss@h:8554/cam?video&audio", piece);
        p.client.describe(p.now);
        let server::Event::Describe { path, query } = p.server_event() else { panic!() };
        assert_eq!((path.as_str(), query.as_str()), ("cam", "video&audio"));
        p.server.describe_ok(p.now, Bytes::from_static(SDP));
        let client::Event::Described { sdp, .. } = p.client_event() else { panic!() };
        assert_eq!(sdp, SDP);
        p.client.play(p.now, &tracks());
        assert!(matches!(p.server_event(), server::Event::Setup { track: 0, channel: 0 }));
        assert!(matches!(p.server_event(), server::Event::Setup { track: 1, channel: 2 }));
        assert!(matches!(p.server_event(), server::Event::Play { tracks } if tracks == [0, 1]));
        assert!(matches!(p.client_event(), client::Event::Playing { tracks } if tracks.len() == 2));
        let packet = p.server.write_interleaved(1, false, &[1; 1400]).unwrap();
        for part in packet.chunks(p.piece.max(100)) {
            p.to_client.extend_from_slice(part);
            p.client.handle_input(p.now, &mut p.to_client);
        }
        let client::Event::Packet { track: 1, rtcp: false, payload } = p.client_event() else {
            panic!()
        };
        assert_eq!(payload, vec![1; 1400]);
        // Keep-alives keep both sides content for an hour.
        for _ in 0..3600 {
            p.now += Duration::from_secs(1);
            p.to_client.extend_from_slice(&p.server.write_interleaved(0, true, b"sr").unwrap());
            p.client.handle_input(p.now, &mut p.to_client);
            p.client.handle_timeout(p.now);
            p.server.handle_timeout(p.now);
            p.settle();
        }
        assert!(!p.client.is_closed() && !p.server.is_closed());
        p.client.teardown(p.now);
        assert!(matches!(
            p.server_event(),
            server::Event::Closed { reason: server::CloseReason::Teardown }
        ));
    }
}

#[test]
fn publishes() {
    for piece in [1, usize::MAX] {
        let mut p = Pair::new("rtsp://us%20er:p@ss@h:8554/live?timeout=20", piece);
        p.client.announce(p.now, Bytes::from_static(SDP));
        assert!(matches!(p.server_event(), server::Event::Announce { sdp, .. } if sdp == SDP));
        p.server.announce_ok(p.now);
        assert!(matches!(p.client_event(), client::Event::Announced));
        p.client.record(p.now, &tracks());
        p.settle();
        assert!(
            matches!(p.server_events.pop(), Some(server::Event::Record { tracks }) if tracks == [0, 1])
        );
        assert!(matches!(p.client_event(), client::Event::Recording { .. }));
        p.server_events.clear();
        let packet = p.client.write_interleaved(0, true, b"sender report").unwrap();
        p.to_server.extend_from_slice(&packet);
        p.server.handle_input(p.now, &mut p.to_server);
        assert!(matches!(p.server_event(), server::Event::Packet { track: 0, rtcp: true, .. }));
    }
}

#[test]
fn wrong_password_and_unknown_stream() {
    let mut p = Pair::new("rtsp://us%20er:nope@h:8554/cam", usize::MAX);
    p.client.describe(p.now);
    assert!(matches!(p.server_event(), server::Event::WrongLogin));
    p.server.login_fail();
    let client::Event::Failed { error, .. } = p.client_event() else { panic!() };
    assert_eq!(error.to_string(), "RTSP wrong user/pass");
    assert!(matches!(
        p.server_event(),
        server::Event::Closed { reason: server::CloseReason::Auth }
    ));
    let mut p = Pair::new("rtsp://us%20er:p@ss@h:8554/cam", usize::MAX);
    p.client.describe(p.now);
    p.server_event();
    p.server.describe_fail(404, "Not Found");
    let client::Event::Failed { error, .. } = p.client_event() else { panic!() };
    assert_eq!(error.to_string(), "RTSP wrong response on DESCRIBE: 404 Not Found");
}

/// Pieces of the protocol and random bytes, put together at random.
#[test]
fn random_input_never_panics() {
    const PIECES: &[&[u8]] = &[
        b"RTSP/1.0 200 OK\r\n",
        b"RTSP/1.0 401 x\r\nWWW-Authenticate: Digest realm=\"\", nonce=\"\xc3\xa9\r\n",
        b"RTSP/1.0 302 x\r\nLocation: rtsp://[::1\r\n",
        b"DESCRIBE rtsp://h/\xff%f RTSP/1.0\r\n",
        b"SETUP rtsp://h/trackID=99999999999999999999 RTSP/1.0\r\n",
        b"SETUP trackID=1 RTSP/1.0\r\n",
        b"PLAY * RTSP/1.0\r\n",
        b"ANNOUNCE / RTSP/1.0\r\nContent-Type: application/sdp\r\n",
        b"RECORD / RTSP/1.0\r\n",
        b"CSeq: 1\r\n",
        b"CSeq: 4294967295\r\n",
        b"Transport: RTP/AVP/TCP;interleaved=254-255\r\n",
        b"Transport: RTP/AVP/TCP;interleaved=255\r\n",
        b"Session: ;timeout=18446744073709551615\r\n",
        b"Content-Length: 3\r\n",
        b"\r\n",
        b"m=\na=control:trackID=1\n",
        b"$\x00\x00\x04",
        b"$\xff\x00\x00",
        b"\x00\x24",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |n: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(n).unwrap()).unwrap()
    };
    for round in 0..3000 {
        let mut p = Pair::with_auth("rtsp://us%20er:p@ss@h/cam", usize::MAX, round % 5 == 0);
        if round % 2 == 0 {
            p.client.describe(p.now);
        } else {
            p.client.announce(p.now, Bytes::from_static(SDP));
        }
        for _ in 0..40 {
            let piece = PIECES[next(PIECES.len())];
            let mut piece = piece.to_vec();
            if next(20) == 0 {
                let at = next(piece.len());
                piece[at] = u8::try_from(next(256)).unwrap();
            }
            p.to_client.extend_from_slice(&piece);
            p.to_server.extend_from_slice(&piece);
            p.client.handle_input(p.now, &mut p.to_client);
            p.server.handle_input(p.now, &mut p.to_server);
            p.client.play(p.now, &tracks());
            p.client.record(p.now, &tracks());
            p.server.describe_ok(p.now, Bytes::from_static(SDP));
            p.server.announce_ok(p.now);
            p.now += Duration::from_millis(u64::try_from(next(2000)).unwrap());
            p.client.handle_timeout(p.now);
            p.server.handle_timeout(p.now);
            while !matches!(p.client.poll_output(), client::Output::Timeout(_)) {}
            while !matches!(p.server.poll_output(), server::Output::Timeout(_)) {}
        }
    }
}
