//! A session on networks that lose, delay and stall, in virtual time.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod peer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::{Net, Setup, ms};
use rs2rtc_media::{CodecId, Frame, Payload};
use rs2rtc_webrtc::liveness::{Profile, Reason, Timers};
use rs2rtc_webrtc::{Event, Protocol};

const OUTSIDE: &str = "203.0.113.9:40001";

/// A viewer that gets 15 pictures a second.
struct Viewer {
    net: Net,
    frames: i64,
    next: Instant,
    keyframe: bool,
    /// Events that were looked at.
    seen: usize,
    holds: usize,
    releases: Vec<(Reason, Duration)>,
}

impl Viewer {
    fn new(profile: Profile) -> Self {
        let mut setup = Setup { timers: Timers::from(profile), reports: false, ..Setup::default() };
        setup.selected.truncate(1);
        let mut net = Net::build(setup);
        net.connect();
        net.events.clear();
        let next = net.now;
        let mut viewer =
            Self { net, frames: 0, next, keyframe: true, seen: 0, holds: 0, releases: Vec::new() };
        viewer.watch(ms(5000));
        viewer
    }

    /// Lets time pass, with pictures as the session asks for them.
    fn watch(&mut self, time: Duration) {
        let end = self.net.now + time;
        while self.net.now < end {
            self.net.run(self.next.min(end) - self.net.now);
            self.obey();
            if self.net.now < self.next {
                return;
            }
            self.next += ms(66);
            self.frames += 1;
            if !self.net.frozen && self.holds == self.releases.len() {
                let key = std::mem::take(&mut self.keyframe);
                let frame = picture(key, self.frames * 6000, self.net.now);
                self.net.write(0, &frame);
            }
        }
    }

    fn obey(&mut self) {
        for event in &self.net.events[self.seen..] {
            match event {
                Event::KeyframeRequest(_) | Event::Resync(_) => self.keyframe = true,
                // The camera starts with a keyframe.
                Event::Hold => {
                    self.holds += 1;
                    self.keyframe = true;
                }
                Event::Release { reason, heard } => {
                    self.releases.push((*reason, self.net.now - *heard));
                }
                _ => {}
            }
        }
        self.seen = self.net.events.len();
    }

    /// Watches in steps of a millisecond until the camera is let go; gives the
    /// silence before it.
    fn until_released(&mut self, longest: Duration) -> (Reason, Duration) {
        let end = self.net.now + longest;
        let before = self.releases.len();
        while self.releases.len() == before {
            assert!(self.net.now < end, "not let go within {longest:?}");
            self.watch(ms(1));
        }
        self.releases[before]
    }

    /// Packets of pictures that arrive in that time.
    fn sees(&mut self, time: Duration) -> usize {
        self.net.take_packets();
        self.watch(time);
        self.net.take_packets()
    }

    fn limit(&mut self) -> Duration {
        self.net.session.report(self.net.now).limit
    }

    fn state(&mut self) -> &'static str {
        self.net.session.report(self.net.now).state
    }

    /// Alive, with its camera, and with pictures.
    fn is_well(&mut self) -> bool {
        let (seen, state) = (self.sees(ms(2000)), self.state());
        seen > 10 && state == "alive" && self.holds == self.releases.len()
    }
}

fn picture(key: bool, pts: i64, now: Instant) -> Arc<Frame> {
    let slice = if key { &[0x65, 0x88, 1, 2][..] } else { &[0x41, 0x88, 1, 2] };
    let nals = vec![Bytes::from_static(slice)];
    Arc::new(Frame::new(CodecId::H264, key, pts, now, Payload::Nals(nals)))
}

#[test]
fn losses_in_bursts_never_end_a_session() {
    for profile in Profile::ALL {
        let mut viewer = Viewer::new(profile);
        viewer.net.network("delay 10ms loss 0.3 burst 200ms");
        viewer.watch(ms(300_000));
        viewer.net.network("delay 10ms");
        viewer.watch(ms(3000));
        assert!(viewer.is_well(), "{profile:?} {:?}", viewer.net.closed());
        assert_eq!(viewer.net.closed(), None);
        assert!(viewer.releases.len() <= 1, "{profile:?} {:?}", viewer.releases);
    }
}

#[test]
fn a_lost_goodbye_is_noticed_by_silence() {
    for (profile, bound) in
        [(Profile::Fast, 1000), (Profile::Default, 3000), (Profile::Tolerant, 15_000)]
    {
        let mut viewer = Viewer::new(profile);
        viewer.net.network("delay 10ms drop alerts");
        viewer.watch(ms(60_000));
        viewer.net.client.close().unwrap();
        let (reason, silence) = viewer.until_released(ms(20_000));
        assert_eq!(reason, Reason::Silence);
        assert!(silence >= ms(bound) && silence <= ms(bound + 5), "{profile:?} {silence:?}");
        assert_eq!(viewer.net.closed(), None);
        // The session stays for those that come back, then ends.
        let parked = Timers::from(profile).parked;
        viewer.watch(parked - ms(1000));
        assert_eq!(viewer.net.closed(), None);
        viewer.watch(ms(2000));
        assert_eq!(viewer.net.closed().unwrap().reason, Reason::Silence);
        assert!(viewer.net.session.is_finished());
    }
}

#[test]
fn a_goodbye_that_arrives_is_noticed_at_once() {
    let mut viewer = Viewer::new(Profile::Default);
    viewer.net.network("delay 30ms");
    viewer.watch(ms(1000));
    viewer.net.client.close().unwrap();
    let (reason, _) = viewer.until_released(ms(31));
    assert_eq!(reason, Reason::CloseNotify);
    assert!(viewer.net.closed().is_some());
}

#[test]
fn a_viewer_that_vanishes_in_jitter_is_let_go_at_the_limit_of_that_moment() {
    for profile in Profile::ALL {
        let mut viewer = Viewer::new(profile);
        viewer.net.network("delay 10ms jitter 500ms loss 0.1");
        viewer.watch(ms(120_000));
        viewer.net.deaf = true;
        // What is on its way still arrives.
        viewer.watch(ms(510));
        let limit = viewer.limit();
        let (reason, silence) = viewer.until_released(ms(21_000));
        assert_eq!(reason, Reason::Silence);
        assert!(silence >= limit.min(Timers::from(profile).silence_min), "{profile:?} {silence:?}");
        assert!(silence <= limit + ms(200), "{profile:?} {silence:?} {limit:?}");
    }
}

#[test]
fn a_stall_parks_and_its_end_brings_the_picture_back() {
    for (profile, parks) in [(Profile::Fast, 1), (Profile::Default, 1), (Profile::Tolerant, 0)] {
        let mut viewer = Viewer::new(profile);
        viewer.net.network("blackhole");
        viewer.watch(ms(10_000));
        viewer.net.network("delay 10ms");
        let back = viewer.net.now;
        while viewer.state() != "alive" {
            viewer.watch(ms(10));
        }
        // A probe goes out once a second.
        assert!(viewer.net.now - back <= ms(1100), "{profile:?} {:?}", viewer.net.now - back);
        assert_eq!((viewer.releases.len(), viewer.holds), (parks, parks), "{profile:?}");
        viewer.watch(ms(200));
        assert!(viewer.is_well(), "{profile:?}");
    }
}

#[test]
fn a_stall_that_is_held_back_is_over_with_its_first_packet() {
    let mut viewer = Viewer::new(Profile::Default);
    viewer.net.network("delay 10ms hold 5s/20s");
    viewer.watch(ms(60_000));
    assert_eq!(viewer.net.closed(), None);
    assert_eq!(viewer.releases.len(), viewer.holds);
    viewer.watch(ms(8000));
    assert!(viewer.is_well());
}

#[test]
fn a_short_stall_costs_nothing() {
    for (profile, stall) in
        [(Profile::Fast, 800), (Profile::Default, 2500), (Profile::Tolerant, 10_000)]
    {
        let mut viewer = Viewer::new(profile);
        viewer.net.network("blackhole");
        viewer.watch(ms(stall));
        viewer.net.network("delay 1ms");
        viewer.watch(ms(2000));
        assert!(
            viewer.releases.is_empty() && viewer.is_well(),
            "{profile:?} {:?}",
            viewer.releases
        );
    }
}

#[test]
fn a_session_survives_what_its_profile_promises_and_no_more() {
    for profile in Profile::ALL {
        let timers = Timers::from(profile);
        let longest = timers.silence_min + timers.parked;
        for (stall, survives) in [(longest - ms(1500), true), (longest + ms(500), false)] {
            let mut viewer = Viewer::new(profile);
            viewer.net.network("blackhole");
            viewer.watch(stall);
            viewer.net.network("delay 1ms");
            viewer.watch(ms(5000));
            assert_eq!(viewer.net.closed().is_none(), survives, "{profile:?} {stall:?}");
            if survives {
                assert!(viewer.is_well(), "{profile:?} {stall:?} {}", viewer.state());
            }
        }
    }
}

#[test]
fn a_forgotten_nat_binding_keeps_the_session() {
    for profile in Profile::ALL {
        let outside: SocketAddr = OUTSIDE.parse().unwrap();
        let mut viewer = Viewer::new(profile);
        viewer.net.rebound = Some(outside);
        viewer.watch(ms(8000));
        let found = |e: &Event| matches!(e, Event::Peer(Protocol::Udp, a) if *a == outside);
        assert!(viewer.net.events.iter().any(found), "{profile:?}");
        assert_eq!(viewer.net.session.pair().unwrap().remote, outside);
        assert_eq!(viewer.net.closed(), None);
        assert!(viewer.is_well(), "{profile:?} {}", viewer.state());
        // Until the client's next check, 3 s at most, nothing of it is known.
        let parks = usize::from(profile == Profile::Fast);
        assert_eq!(viewer.releases.len(), parks, "{profile:?} {:?}", viewer.releases);
    }
}

#[test]
fn a_viewer_that_hears_nothing_is_there_as_long_as_it_is_heard() {
    let mut viewer = Viewer::new(Profile::Fast);
    viewer.net.down.set("blackhole".parse().unwrap(), viewer.net.now);
    viewer.watch(ms(10_000));
    assert_eq!((viewer.net.closed(), viewer.releases.len()), (None, 0));
}

#[test]
fn a_full_queue_on_the_way_parks_nobody() {
    // Half the rate that the pictures need, and two seconds of queue before it.
    for profile in Profile::ALL {
        let mut viewer = Viewer::new(profile);
        viewer.net.network("delay 20ms rate 4/2s");
        viewer.watch(ms(120_000));
        assert_eq!(viewer.net.closed(), None);
        assert!(viewer.releases.is_empty(), "{profile:?} {:?}", viewer.releases);
        // It was full.
        assert!(viewer.net.down.stats().overflow > 100, "{:?}", viewer.net.down.stats());
    }
}

#[test]
fn a_server_that_was_stopped_blames_nobody() {
    for profile in Profile::ALL {
        for clock_first in [true, false] {
            let mut viewer = Viewer::new(profile);
            viewer.net.frozen = true;
            viewer.watch(ms(3000));
            viewer.net.frozen = false;
            if clock_first {
                viewer.net.session.handle_timeout(viewer.net.now);
            }
            viewer.watch(ms(2000));
            assert!(viewer.releases.is_empty(), "{profile:?} {clock_first} {:?}", viewer.releases);
            assert!(viewer.is_well());
        }
    }
}

#[test]
fn forged_rejections_release_nothing_even_on_a_bad_network() {
    for network in ["", "loss 0.03 burst 100ms", "loss 0.3 burst 200ms"] {
        for profile in Profile::ALL {
            let mut viewer = Viewer::new(profile);
            viewer.net.network(network);
            let quote = [0x80, 96, 1, 2, 0, 0, 0, 0, 9, 9, 9, 9];
            for _ in 0..6000 {
                viewer.watch(ms(50));
                let now = viewer.net.now;
                assert!(!viewer.net.session.handle_rejection(true, &quote, now));
            }
            assert_eq!(viewer.net.closed(), None);
            let expected = usize::from(network.contains("0.3"));
            assert!(
                viewer.releases.len() <= expected,
                "{network} {profile:?} {:?}",
                viewer.releases
            );
        }
    }
}
