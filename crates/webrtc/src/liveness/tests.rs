//! Scripted lives.

use super::*;

mod random;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A machine with a viewer that can be told to answer or not.
struct World {
    now: Instant,
    start: Instant,
    machine: Machine,
    /// Its packets and answers arrive.
    there: bool,
    /// Distance of its own packets; zero: none.
    media_every: Duration,
    next_media: Instant,
    /// The camera gives pictures, which are sent to it.
    sent_media: bool,
    round_trip: Duration,
    answers: VecDeque<(Instant, u32)>,
    outputs: Vec<(Duration, Output)>,
    probes: u64,
    held: bool,
    closed: bool,
}

impl World {
    fn new(timers: Timers) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            machine: Machine::new(timers, true, now),
            there: true,
            media_every: ms(60),
            next_media: now,
            sent_media: true,
            round_trip: ms(2),
            answers: VecDeque::new(),
            outputs: Vec::new(),
            probes: 0,
            held: true,
            closed: false,
        }
    }

    fn connected(profile: Profile) -> Self {
        let mut world = Self::new(profile.into());
        world.machine.heard(Heard::Check, world.now);
        world.machine.connected("udp", world.now);
        world.run(ms(5000));
        assert_eq!(world.outputs, [], "a quiet life has no events");
        world
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            assert!(!self.closed, "{output:?} after the end");
            match output {
                Output::Probe => {
                    self.probes += 1;
                    let serial = self.machine.probe_sent(self.now);
                    if self.there {
                        self.answers.push_back((self.now + self.round_trip, serial));
                    }
                    continue;
                }
                Output::Hold => assert!(!std::mem::replace(&mut self.held, true), "held twice"),
                Output::Release(_) => {
                    assert!(std::mem::take(&mut self.held), "released twice");
                }
                Output::Close(_) => {
                    assert!(!self.held, "the camera is let go before the end");
                    self.closed = true;
                }
                Output::Keyframe => {}
            }
            self.outputs.push((self.now - self.start, output));
        }
    }

    /// Lets time pass; everything happens on time.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut ticked = false;
        loop {
            self.drain();
            let due = self.machine.deadline(self.now);
            let again = due.is_some_and(|due| due <= self.now);
            assert!(
                !(ticked && again),
                "asks to be called again at once: {due:?} {:?}",
                self.machine
            );
            ticked = false;
            let media = (self.there && !self.media_every.is_zero()).then_some(self.next_media);
            let answer = self.answers.front().map(|(at, _)| *at);
            let Some(next) = [due, media, answer].into_iter().flatten().min() else { break };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if answer == Some(next) {
                let (_, serial) = self.answers.pop_front().unwrap();
                self.machine.probe_answered(serial, self.now);
            } else if media == Some(next) {
                self.next_media = self.now + self.media_every;
                self.machine.heard(Heard::Media, self.now);
            } else {
                self.machine.handle_timeout(self.now);
                ticked = true;
            }
            if self.sent_media && self.machine.sends_media(self.now) {
                self.machine.media_sent(self.now);
            }
        }
        self.now = end;
        self.next_media = self.next_media.max(end);
    }

    fn vanish(&mut self) {
        self.there = false;
        self.answers.clear();
    }

    /// The last release or end, since a time.
    fn since(&self, from: Instant) -> Vec<(u64, Output)> {
        let from = from - self.start;
        let later = self.outputs.iter().filter(|(at, _)| *at >= from);
        later.map(|(at, o)| ((*at - from).as_millis() as u64, *o)).collect()
    }
}

#[test]
fn silence_parks_within_the_profiles_bound_and_ends_later() {
    for (profile, limit, end) in [
        (Profile::Fast, 1000, 16_000),
        (Profile::Default, 3000, 33_000),
        (Profile::Tolerant, 15_000, 75_000),
    ] {
        let mut world = World::connected(profile);
        world.vanish();
        let gone = world.now;
        world.run(ms(100_000));
        let seen = world.since(gone);
        let [(parked, Output::Release(Reason::Silence)), (closed, Output::Close(Reason::Silence))] =
            seen[..]
        else {
            panic!("{profile:?} {seen:?}");
        };
        assert!(parked <= limit && parked + 70 >= limit, "{profile:?} {parked}");
        assert!(closed <= end && closed + 100 >= end, "{profile:?} {closed}");
    }
}

#[test]
fn a_websocket_that_ends_with_its_viewer_takes_a_moment() {
    for (profile, bound) in [(Profile::Fast, 250), (Profile::Default, 400)] {
        let mut world = World::connected(profile);
        world.machine.hint(Hint::WsFin, world.now);
        let hint = world.now;
        world.run(ms(40));
        world.vanish();
        world.run(ms(1000));
        let seen = world.since(hint);
        let [(at, Output::Release(Reason::WsFinSilence))] = seen[..] else { panic!("{seen:?}") };
        assert!(at <= bound, "{profile:?} {at}");
    }
}

/// A viewer leaves with its WebSocket, some time after a gap of 400 ms; when it is let go.
fn left_after_a_gap(mut world: World) -> u64 {
    world.run(ms(400));
    (world.there, world.sent_media, world.media_every) = (true, true, ms(60));
    world.next_media = world.now;
    world.run(ms(2000));
    world.machine.hint(Hint::WsFin, world.now);
    let hint = world.now;
    world.vanish();
    world.run(ms(2000));
    let seen = world.since(hint);
    let [(at, Output::Release(Reason::WsFinSilence))] = seen[..] else { panic!("{seen:?}") };
    at
}

#[test]
fn a_camera_that_pauses_is_no_gap_of_the_network() {
    let mut pause = World::connected(Profile::Default);
    (pause.sent_media, pause.media_every) = (false, ms(0));
    let at = left_after_a_gap(pause);
    assert!(at <= 400, "{at}");
}

#[test]
fn a_network_with_gaps_is_given_more_time() {
    let mut gap = World::connected(Profile::Default);
    gap.there = false;
    let at = left_after_a_gap(gap);
    assert!((500..=800).contains(&at), "{at}");
}

#[test]
fn two_verified_icmp_messages_are_enough() {
    let mut world = World::connected(Profile::Default);
    world.vanish();
    world.run(ms(50));
    world.machine.hint(Hint::Icmp, world.now);
    world.run(ms(20));
    let second = world.now;
    world.machine.hint(Hint::Icmp, second);
    world.run(ms(10_000));
    let seen = world.since(second);
    assert_eq!(
        seen,
        [(0, Output::Release(Reason::IcmpVerified)), (3000, Output::Close(Reason::IcmpVerified))]
    );
}

#[test]
fn one_icmp_message_and_the_end_of_the_websocket_are_enough() {
    for hints in [[Hint::WsFin, Hint::Icmp], [Hint::Icmp, Hint::WsReset]] {
        let mut world = World::connected(Profile::Default);
        world.machine.hint(hints[0], world.now);
        world.run(ms(if hints[0] == Hint::WsFin { 30 } else { 0 }));
        world.vanish();
        world.run(ms(20));
        let second = world.now;
        world.machine.hint(hints[1], second);
        world.run(ms(500));
        assert_eq!(world.since(second), [(0, Output::Release(Reason::IcmpVerified))]);
    }
}

#[test]
fn an_icmp_message_between_packets_is_no_second_one() {
    let mut world = World::connected(Profile::Fast);
    for _ in 0..20 {
        world.machine.hint(Hint::Icmp, world.now);
        world.run(ms(700));
    }
    assert_eq!(world.outputs, []);
}

#[test]
fn forgers_cause_a_burst_per_mute_and_never_a_release() {
    for profile in Profile::ALL {
        let mut world = World::connected(profile);
        let before = world.probes;
        for i in 0..60_000 {
            let hint =
                [Hint::IcmpUnverified, Hint::Unreachable, Hint::WsFin, Hint::TcpReset][i % 4];
            world.machine.hint(hint, world.now);
            world.run(if i % 10 == 0 { ms(1) } else { ms(0) });
        }
        world.run(ms(5000));
        assert_eq!(world.outputs, [], "{profile:?}");
        let probes = world.probes - before;
        let timeline = world.machine.report(world.now).timeline;
        assert!(probes < 200, "{profile:?} {probes} {timeline:?}");
    }
}

#[test]
fn who_comes_back_takes_the_camera_again() {
    let mut world = World::connected(Profile::Default);
    world.vanish();
    world.run(ms(20_000));
    world.there = true;
    let back = world.now;
    world.run(ms(5000));
    let seen = world.since(back);
    assert!(matches!(seen[..], [(0..=1100, Output::Hold)]), "{seen:?}");
    let counts = world.machine.take_counts();
    assert_eq!((counts.parks, counts.resumes), (1, 1));
    // A network that was silent for long is judged with more patience.
    assert_eq!(world.machine.report(world.now).limit, ms(12_000));
}

#[test]
fn a_hidden_page_lets_go_and_comes_back() {
    let mut world = World::connected(Profile::Default);
    let hidden = world.now;
    world.machine.park(world.now);
    world.run(ms(60_000));
    assert_eq!(world.since(hidden), [(0, Output::Release(Reason::Hidden))]);
    let visible = world.now;
    world.machine.resume(world.now);
    world.run(ms(1000));
    assert_eq!(world.since(visible), [(0, Output::Hold)]);
    world.machine.park(world.now);
    world.vanish();
    let left = world.now;
    world.run(ms(60_000));
    assert!(matches!(world.since(left)[..], [_, (33_000..=33_100, Output::Close(_))]));
}

#[test]
fn a_page_that_is_hidden_before_it_connects_does_not_keep_the_camera() {
    let mut world = World::new(Timers::default());
    world.machine.park(world.now);
    world.run(ms(10));
    world.machine.heard(Heard::Check, world.now);
    world.machine.connected("udp", world.now);
    world.run(ms(20_000));
    assert_eq!(world.since(world.start), [(0, Output::Release(Reason::Hidden))]);
    let visible = world.now;
    world.machine.resume(visible);
    world.run(ms(100));
    assert_eq!(world.since(visible), [(0, Output::Hold)]);
}

#[test]
fn recorded_checks_keep_nobody_alive() {
    let mut world = World::connected(Profile::Default);
    world.vanish();
    let gone = world.now;
    for _ in 0..600 {
        world.machine.heard(Heard::Check, world.now);
        world.run(ms(100));
    }
    let seen = world.since(gone);
    let [(parked, Output::Release(Reason::Silence)), (closed, Output::Close(_))] = seen[..] else {
        panic!("{seen:?}");
    };
    assert!(parked <= 12_000 + 3100 && closed <= parked + 33_100, "{seen:?}");
}

#[test]
fn a_wish_for_the_camera_is_forgotten() {
    let mut world = World::connected(Profile::Tolerant);
    world.machine.contended(world.now);
    world.run(ms(2000));
    world.vanish();
    world.run(ms(5000));
    assert_eq!(world.outputs, []);
}

#[test]
fn a_suspect_makes_way_for_others() {
    let mut world = World::connected(Profile::Tolerant);
    world.vanish();
    world.run(ms(3000));
    world.machine.contended(world.now);
    world.run(ms(10));
    assert!(matches!(world.outputs[..], [(_, Output::Release(Reason::Contended))]));
    let mut world = World::connected(Profile::Tolerant);
    world.machine.contended(world.now);
    world.run(ms(60_000));
    assert_eq!(world.outputs, [], "a viewer that is there does not");
}

#[test]
fn a_page_that_hangs_makes_way_for_others_only() {
    let mut world = World::connected(Profile::Default);
    world.media_every = ms(0);
    world.run(ms(30_000));
    assert_eq!(world.outputs, []);
    assert!(world.machine.report(world.now).timeline.iter().any(|m| m.name == "viewer_stalled"));
    world.machine.contended(world.now);
    world.run(ms(10));
    assert!(matches!(world.outputs[..], [(_, Output::Release(Reason::Contended))]));
    // Its browser goes on answering; that is no reason to ask for the camera again.
    world.run(ms(20_000));
    assert_eq!(world.outputs.len(), 1, "{:?}", world.outputs);
    let back = world.now;
    world.media_every = ms(60);
    world.run(ms(1000));
    assert!(matches!(world.since(back)[..], [(0..=100, Output::Hold)]), "{:?}", world.outputs);
}

#[test]
fn who_gave_way_and_answers_stands_in_line_again() {
    let mut world = World::connected(Profile::Tolerant);
    world.vanish();
    world.run(ms(3000));
    world.machine.contended(world.now);
    world.run(ms(10));
    world.there = true;
    let back = world.now;
    world.run(ms(2000));
    assert!(matches!(world.since(back)[..], [(0..=1100, Output::Hold)]), "{:?}", world.outputs);
}

#[test]
fn a_websocket_that_ended_long_ago_is_no_second_sign() {
    // Many players close theirs as soon as they play. Later a NAT forgets them.
    for wait in [ms(1000), ms(60_000)] {
        let mut world = World::connected(Profile::Default);
        world.machine.hint(Hint::WsFin, world.now);
        world.run(wait);
        world.vanish();
        world.run(ms(50));
        world.machine.hint(Hint::Icmp, world.now);
        world.run(ms(20));
        let second = world.now;
        world.machine.hint(Hint::Icmp, second);
        world.run(ms(2000));
        assert_eq!(world.since(second), [(0, Output::Release(Reason::IcmpVerified))]);
    }
}

#[test]
fn the_distance_of_our_own_probes_is_no_gap_of_the_network() {
    for profile in Profile::ALL {
        let mut world = World::connected(profile);
        let limit = world.machine.report(world.now).limit;
        for _ in 0..5 {
            world.machine.park(world.now);
            world.media_every = ms(0);
            world.run(ms(30_000));
            world.media_every = ms(60);
            world.machine.resume(world.now);
            world.run(ms(10_000));
        }
        let report = world.machine.report(world.now);
        assert_eq!(report.limit, limit, "{profile:?}");
        assert!(report.expected_wrong_parks < 0.01, "{profile:?} {}", report.expected_wrong_parks);
    }
}

#[test]
fn a_hidden_viewer_whose_port_is_closed_ends_for_that() {
    let mut world = World::connected(Profile::Default);
    world.machine.park(world.now);
    world.run(ms(2000));
    world.vanish();
    for _ in 0..2 {
        world.run(ms(1100));
        world.machine.hint(Hint::Icmp, world.now);
    }
    world.run(ms(3100));
    assert!(
        matches!(world.outputs.last(), Some((_, Output::Close(Reason::IcmpVerified)))),
        "{:?}",
        world.outputs
    );
}

#[test]
fn a_viewer_that_never_comes_holds_the_camera_for_five_seconds() {
    let mut world = World::new(Timers::default());
    world.there = false;
    world.run(ms(20_000));
    assert_eq!(
        world.since(world.start),
        [
            (5000, Output::Release(Reason::ConnectTimeout)),
            (5000, Output::Close(Reason::ConnectTimeout))
        ]
    );
    let mut world = World::new(Timers::default());
    world.there = false;
    world.run(ms(10));
    world.machine.hint(Hint::WsFin, world.now);
    world.run(ms(90));
    assert_eq!(world.since(world.start), [(10, Output::Release(Reason::SignallingLost))]);
    world.machine.heard(Heard::Check, world.now);
    world.run(ms(1));
    assert!(world.held, "a late check takes it again");
}

#[test]
fn a_server_that_was_stopped_blames_itself() {
    let mut world = World::connected(Profile::Fast);
    // Nothing was called for three seconds; what arrived meanwhile is read later.
    world.drain();
    let _ = world.machine.deadline(world.now);
    world.now += ms(3000);
    world.next_media = world.now + ms(20);
    world.machine.handle_timeout(world.now);
    world.run(ms(5000));
    assert_eq!(world.outputs, []);
    assert_eq!(world.machine.take_counts().late, 1);
}

#[test]
fn when_all_fall_silent_the_uplink_is_doubted() {
    let mut world = World::connected(Profile::Fast);
    world.vanish();
    let gone = world.now;
    world.run(ms(500));
    world.machine.doubt_uplink(world.now + ms(20_000), world.now);
    world.run(ms(10_000));
    let seen = world.since(gone);
    assert!(matches!(seen[..], [(4900..=5000, Output::Release(Reason::Silence))]), "{seen:?}");
}
