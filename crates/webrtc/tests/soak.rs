//! Sessions on bad networks for hours of virtual time: none may end, and the
//! camera may be let go wrongly only as often as fast-release 4.4 says.
//!
//! Two virtual hours per profile run with the other tests. They are the first
//! ones of the day that `just soak` runs of each; it also runs the other networks
//! of that table. The viewer is another str0m, which reports on the pictures
//! about ten times a second as browsers do.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

mod peer;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peer::{Net, Setup, ms};
use rs2rtc_media::{CodecId, Frame, Payload};
use rs2rtc_testkit::netem::{self, Stall};
use rs2rtc_webrtc::Event;
use rs2rtc_webrtc::liveness::{Profile, Timers};

/// 30 % loss in bad periods of 200 ms, each way by itself; up to 500 ms of
/// jitter; every ten minutes nothing passes for ten seconds.
const HARD: &str = "delay 5ms jitter 500ms loss 0.3 burst 200ms stall 10s/600s";

const HOUR: Duration = Duration::from_secs(3600);
/// 15 pictures a second, in time and in ticks of 90 kHz; a keyframe every 4 s.
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 15);
const FRAME_TICKS: i64 = 6000;
const GROUP: u64 = 60;
/// Six stalls an hour, each of which may park once.
const PER_STALL: f64 = 6.0;
/// The camera needs so long to start again.
const CAMERA: Duration = Duration::from_millis(1500);

#[test]
fn two_hours_of_a_hard_network_fast() {
    run(Profile::Fast, HARD, 2 * HOUR, 4).check(PER_STALL, 0.1);
}

#[test]
fn two_hours_of_a_hard_network_default() {
    run(Profile::Default, HARD, 2 * HOUR, 5).check(PER_STALL, 0.0);
}

#[test]
fn two_hours_of_a_hard_network_tolerant() {
    run(Profile::Tolerant, HARD, 2 * HOUR, 6).check(0.2, 0.0);
}

#[test]
#[ignore = "a minute: just soak"]
fn a_day_of_a_hard_network_fast() {
    run(Profile::Fast, HARD, 24 * HOUR, 4).check(PER_STALL, 0.1);
}

#[test]
#[ignore = "a minute: just soak"]
fn a_day_of_a_hard_network_default() {
    run(Profile::Default, HARD, 24 * HOUR, 5).check(PER_STALL, 0.0);
}

#[test]
#[ignore = "a minute: just soak"]
fn a_day_of_a_hard_network_tolerant() {
    run(Profile::Tolerant, HARD, 24 * HOUR, 6).check(0.2, 0.0);
}

/// Wrong parks an hour of the table in fast-release 4.4.
#[test]
#[ignore = "minutes: just soak"]
fn other_networks() {
    let table = [
        ("loss 0.01", [0.0, 0.0, 0.0]),
        ("loss 0.03 burst 100ms", [0.1, 0.0, 0.0]),
        ("loss 0.3 jitter 100ms", [0.0, 0.0, 0.0]),
        ("loss 0.3 burst 200ms", [0.1, 0.0, 0.0]),
        ("loss 0.3 burst 500ms", [0.5, 0.1, 0.0]),
        ("loss 0.3 burst 1s", [7.1, 0.4, 0.0]),
        ("loss 0.05 jitter 500ms", [0.0, 0.0, 0.0]),
        ("stall 10s/600s", [5.9, 5.7, 0.2]),
    ];
    let mut faults = Vec::new();
    for (seed, (network, limits)) in (100..).zip(table) {
        let network = format!("delay 5ms {network}");
        for (profile, limit) in Profile::ALL.into_iter().zip(limits) {
            let outcome = run(profile, &network, 10 * HOUR, seed);
            // The table is an estimate itself; counts of rare events spread by their root.
            let spread = |rate: f64| rate + 2.0 * (rate / outcome.hours()).sqrt();
            faults.extend(outcome.fault(spread(limit), spread(limit)));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// What happened.
#[derive(Debug)]
struct Outcome {
    profile: Profile,
    network: String,
    time: Duration,
    wall: Duration,
    /// Why sessions ended.
    ends: Vec<String>,
    /// Stalls that have begun.
    stalls: usize,
    /// Which stall it was each time that the camera was let go during one.
    parks_in_stalls: Vec<u128>,
    /// When it was let go else, and the silence before that.
    other_parks: Vec<(Duration, Duration)>,
    /// Sum of the times between letting go and taking again.
    parked: Duration,
    probes: u64,
    answers: u64,
    /// Mean of the silence that parks.
    limit: Duration,
    /// The viewer's own ICE gave up so often.
    client_lost: usize,
    up: netem::Stats,
    down: netem::Stats,
}

impl Outcome {
    fn hours(&self) -> f64 {
        self.time.as_secs_f64() / 3600.0
    }

    fn check(&self, stalls: f64, others: f64) {
        assert_eq!(self.fault(stalls, others), None);
    }

    /// What is wrong if so many parks an hour are expected of stalls and else.
    fn fault(&self, stalls: f64, others: f64) -> Option<String> {
        println!("{self}");
        if !self.ends.is_empty() {
            return Some(format!("{self}\n{}", self.ends.join("\n")));
        }
        // A network is the same each time, so one park too many is a change of ours.
        let exceeds = |parks: usize, rate: f64| parks > (rate * self.hours()).floor() as usize;
        let mut once = self.parks_in_stalls.clone();
        once.dedup();
        let bad = once.len() < self.parks_in_stalls.len()
            || exceeds(once.len(), stalls)
            || exceeds(self.other_parks.len(), others);
        bad.then(|| format!("{self}\n{:?} {:?}", self.parks_in_stalls, self.other_parks))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.time.as_secs_f64();
        let per_hour = |n: usize| n as f64 / self.hours();
        let lost = |s: netem::Stats| 100.0 - 100.0 * s.delivered as f64 / s.pushed as f64;
        write!(
            f,
            "{}: {:.1} h of [{}] in {:.1} s ({:.0} times as fast); ended {}; parked per hour \
             {:.2} ({} of {} stalls) and {:.2} otherwise ({}), {:.1} s each; limit {:.2} s; probes {:.2}/s, \
             answered {:.0} %; down {:.1}/s, lost {:.0} %, up {:.1}/s, lost {:.0} %; viewer's \
             ICE lost {}",
            self.profile.name(),
            self.hours(),
            self.network,
            self.wall.as_secs_f64(),
            seconds / self.wall.as_secs_f64(),
            self.ends.len(),
            per_hour(self.parks_in_stalls.len()),
            self.parks_in_stalls.len(),
            self.stalls,
            per_hour(self.other_parks.len()),
            self.other_parks.len(),
            self.parked.as_secs_f64()
                / (self.parks_in_stalls.len() + self.other_parks.len()).max(1) as f64,
            self.limit.as_secs_f64(),
            self.probes as f64 / seconds,
            100.0 * self.answers as f64 / self.probes.max(1) as f64,
            self.down.pushed as f64 / seconds,
            lost(self.down),
            self.up.pushed as f64 / seconds,
            lost(self.up),
            self.client_lost,
        )
    }
}

/// A viewer of pictures connects, then the network becomes the given one. A
/// session that ends is counted and stays ended.
fn run(profile: Profile, network: &str, time: Duration, seed: u64) -> Outcome {
    let wall = Instant::now();
    let stall = network.parse::<netem::Profile>().unwrap().stall;
    let mut soak = Soak::new(profile, network, seed);
    let mut outcome = Outcome {
        profile,
        network: network.to_owned(),
        time,
        wall: Duration::ZERO,
        ends: Vec::new(),
        stalls: 0,
        parks_in_stalls: Vec::new(),
        other_parks: Vec::new(),
        parked: Duration::ZERO,
        probes: 0,
        answers: 0,
        limit: Duration::ZERO,
        client_lost: 0,
        up: netem::Stats::default(),
        down: netem::Stats::default(),
    };
    let (mut limits, mut samples, mut parked) = (Duration::ZERO, 0, None);
    while soak.elapsed() < time && outcome.ends.is_empty() {
        soak.frame();
        let (now, elapsed) = (soak.net.now, soak.elapsed());
        for event in std::mem::take(&mut soak.net.events) {
            match event {
                Event::Release { heard, .. } => {
                    soak.camera = None;
                    parked = Some(now);
                    match stall.and_then(|stall| number(stall, elapsed)) {
                        Some(number) => outcome.parks_in_stalls.push(number),
                        None => outcome.other_parks.push((elapsed, now - heard)),
                    }
                }
                Event::Hold => {
                    soak.camera = Some(now + CAMERA);
                    outcome.parked += parked.take().map_or(Duration::ZERO, |since| now - since);
                }
                Event::KeyframeRequest(_) | Event::Resync(_) => soak.want_keyframe = true,
                Event::Closed(reason) => {
                    let report = soak.net.session.report(now);
                    let timeline = &report.timeline[report.timeline.len().saturating_sub(12)..];
                    outcome.ends.push(format!("{reason} at {elapsed:?}: {timeline:#?}"));
                }
                _ => {}
            }
        }
        if soak.frames.is_multiple_of(1000) {
            limits += soak.net.session.report(now).limit;
            samples += 1;
        }
        soak.net.take_packets();
    }
    let counts = soak.net.session.take_counts();
    (outcome.probes, outcome.answers) = (counts.probes, counts.answers);
    (outcome.up, outcome.down) = (soak.net.up.stats(), soak.net.down.stats());
    outcome.client_lost = soak.net.client_lost;
    outcome.limit = limits / samples.max(1);
    outcome.time = soak.elapsed();
    outcome.stalls = stall
        .and_then(|s| outcome.time.checked_sub(s.first).map(|t| (s, t)))
        .map_or(0, |(s, t)| {
            usize::try_from(t.as_nanos() / s.period.as_nanos()).unwrap_or(usize::MAX) + 1
        });
    outcome.wall = wall.elapsed();
    outcome
}

/// Which stall this is a time of. Shortly after it nothing may have arrived yet.
fn number(stall: Stall, elapsed: Duration) -> Option<u128> {
    let since = elapsed.checked_sub(stall.first)?.as_nanos();
    let (number, since) = (since / stall.period.as_nanos(), since % stall.period.as_nanos());
    (since < (stall.length + ms(2000)).as_nanos()).then_some(number)
}

struct Soak {
    net: Net,
    begin: Instant,
    frames: u64,
    /// When the camera gives pictures; `None`: let go.
    camera: Option<Instant>,
    want_keyframe: bool,
}

impl Soak {
    fn new(profile: Profile, network: &str, seed: u64) -> Self {
        let mut setup =
            Setup { timers: Timers::from(profile), reports: false, seed, ..Setup::default() };
        setup.selected.truncate(1);
        let mut net = Net::build(setup);
        net.connect();
        net.events.clear();
        net.network(network);
        let begin = net.now;
        Self { net, begin, frames: 0, camera: Some(begin), want_keyframe: true }
    }

    fn elapsed(&self) -> Duration {
        self.net.now - self.begin
    }

    /// Lets time pass up to the next picture and sends it.
    fn frame(&mut self) {
        self.net.run(FRAME);
        self.frames += 1;
        if self.camera.is_some_and(|at| at <= self.net.now) {
            let key = std::mem::take(&mut self.want_keyframe) || self.frames.is_multiple_of(GROUP);
            let frame = picture(key, self.frames as i64 * FRAME_TICKS, self.net.now);
            self.net.write(0, &frame);
        }
    }
}

fn picture(key: bool, pts: i64, now: Instant) -> Arc<Frame> {
    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0x8c, 0x68, 0x05, 0x00, 0x5b, 0xa1];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    const KEY: &[u8] = &[0x65, 0x88, 1, 2, 3, 4, 5, 6, 7, 8];
    const DELTA: &[u8] = &[0x41, 0x88, 1, 2, 3, 4, 5, 6, 7, 8];
    let nals: &[&'static [u8]] = if key { &[SPS, PPS, KEY] } else { &[DELTA] };
    let nals = nals.iter().map(|nal| Bytes::from_static(nal)).collect();
    Arc::new(Frame::new(CodecId::H264, key, pts, now, Payload::Nals(nals)))
}
