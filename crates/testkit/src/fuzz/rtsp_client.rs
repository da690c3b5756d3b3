//! Bytes and time into the RTSP client: it never panics, ends at most once,
//! says nothing after its end, and never sends more than a multiple of what it got.
//!
//! The first byte chooses the flow, the second how the rest is cut.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rs2rtc_base::Url;
use rs2rtc_rtsp::client::{Config, Event, Output, Session, SetupTrack};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let [flow, cut, data @ ..] = data else { return };
    let url = if flow & 1 == 0 { "rtsp://u:p@h/a?b" } else { "rtspx://h" };
    let Ok(url) = Url::parse(url) else { return };
    let mut config = Config::new(url, "fuzz", [0; 8]);
    config.backchannel = flow & 2 != 0;
    let mut session = Session::new(config);
    let mut now = Instant::now();
    if flow & 4 == 0 {
        session.describe(now);
    } else {
        session.announce(now, Bytes::from_static(b"v=0\r\n"));
    }
    let udp =
        SetupTrack { udp_port: (flow & 8 != 0).then_some(5000), ..SetupTrack::new("trackID=0") };
    let tracks = [udp, SetupTrack::backchannel("rtsp://x/y"), SetupTrack::new("*")];
    let mut buffer = BytesMut::new();
    let (mut sent, mut ends) = (0, 0);
    for part in data.chunks(usize::from(*cut) + 1) {
        buffer.extend_from_slice(part);
        session.handle_input(now, &mut buffer);
        now += Duration::from_millis(u64::from(*cut) * 10);
        session.handle_timeout(now);
        loop {
            match session.poll_output() {
                Output::Transmit(bytes) => {
                    assert_eq!(ends, 0);
                    sent += bytes.len();
                }
                Output::Event(Event::Described { .. }) => session.play(now, &tracks),
                Output::Event(Event::Announced) => session.record(now, &tracks),
                Output::Event(Event::Failed { .. } | Event::Redirect(_)) => ends += 1,
                Output::Event(_) => assert_eq!(ends, 0),
                Output::Timeout(at) => {
                    assert!(at.is_some() || ends > 0, "nothing would ever happen");
                    break;
                }
            }
        }
        session.write_interleaved(0, true, part);
    }
    assert!(ends <= 1);
    // Each answer or time-out makes one request at most; nonces come back in them.
    assert!(sent <= 64 * 1024 + 600 * (data.len() + 2), "{sent} of {}", data.len());
    session.handle_eof();
    session.teardown(now);
}
