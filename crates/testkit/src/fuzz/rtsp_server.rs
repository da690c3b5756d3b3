//! Bytes and time into the RTSP server: it never panics, closes at most once,
//! and says nothing after that.
//!
//! The first byte chooses how the driver behaves, the second how the rest is cut.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::Secret;
use rs2rtc_rtsp::server::{Config, Event, Output, Session};

const SDP: &[u8] = b"v=0\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\nm=audio 0 RTP/AVP 0\r\na=control:trackID=1\r\n";

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let [flow, cut, data @ ..] = data else { return };
    let mut config = Config::new("12345678", "nonce");
    config.auth = (flow & 1 != 0).then(|| ("u".to_owned(), Secret::new("p")));
    let mut now = Instant::now();
    let mut session = Session::new(config, now);
    let mut buffer = BytesMut::new();
    let mut closed = 0;
    for part in data.chunks(usize::from(*cut) + 1) {
        buffer.extend_from_slice(part);
        session.handle_input(now, &mut buffer);
        now += Duration::from_millis(u64::from(*cut) * 10);
        session.handle_timeout(now);
        loop {
            match session.poll_output() {
                Output::Transmit(_) => assert_eq!(closed, 0),
                Output::Event(Event::Describe { .. }) => match flow & 6 {
                    0 | 2 => session.describe_ok(now, Bytes::from_static(SDP)),
                    4 => session.describe_fail(404, "Not\r\nFound"),
                    _ => {}
                },
                Output::Event(Event::Announce { .. }) => match flow & 24 {
                    0 | 8 => session.announce_ok(now),
                    16 => session.announce_fail(453, ""),
                    _ => {}
                },
                Output::Event(Event::WrongLogin) => match flow & 96 {
                    0 | 32 => session.login_fail(),
                    64 => session.login_too_many(Duration::from_secs(1)),
                    _ => {}
                },
                Output::Event(Event::Setup { track, .. }) => {
                    assert!(session.channel(track, false).is_some());
                }
                Output::Event(Event::Play { tracks } | Event::Record { tracks }) => {
                    assert!(!tracks.is_empty());
                }
                Output::Event(Event::Closed { .. }) => closed += 1,
                Output::Event(_) => assert_eq!(closed, 0),
                Output::Timeout(_) => break,
            }
        }
        session.write_interleaved(1, true, part);
    }
    assert!(closed <= 1);
    session.handle_eof();
}
