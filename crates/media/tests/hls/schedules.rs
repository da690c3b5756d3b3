//! Frames that come at any time: playlists keep to the rules all the same, whoever
//! reads them from wherever.

use std::collections::BTreeMap;

use super::joins::fragment_times;
use super::*;

/// Numbers that follow from a seed (Marsaglia, "Xorshift RNGs", 2003).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| _ = chance.below(2));
        chance
    }

    /// One of `0..bound`.
    pub(super) fn below(&mut self, bound: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.unsigned_abs()).cast_signed()
    }

    /// True in one of so many cases.
    pub(super) fn one_in(&mut self, cases: i64) -> bool {
        self.below(cases) == 0
    }

    fn of<const N: usize>(&mut self, all: [i64; N]) -> i64 {
        all[usize::try_from(self.below(N as i64)).unwrap()]
    }
}

/// A camera whose rate, keyframes and clock change as they like; all in milliseconds.
pub(super) struct Camera {
    chance: Chance,
    interval: i64,
    group: i64,
    at: i64,
}

impl Camera {
    pub(super) fn new(seed: u64) -> Self {
        let mut camera = Self { chance: Chance::new(seed), interval: 0, group: 0, at: 0 };
        camera.change();
        camera
    }

    fn change(&mut self) {
        self.interval =
            self.chance.of([1, 16, 33, 40, 40, 40, 66, 100, 200, 390, 410, 700, 1200, 1600, 3000]);
        self.group = self.chance.of([1, 2, 5, 13, 25, 50, 250, 1000]);
    }

    pub(super) fn next(&mut self) -> Arc<Frame> {
        let chance = &mut self.chance;
        self.at += match chance.below(400) {
            0 => chance.below(1000),
            1 => 900 + chance.below(800),
            2 => chance.of([1000, 1001, 1499, 1500, 2500, 30_000, 86_400_000]),
            3 => -chance.of([1, 40, 900, 1001, 100_000]),
            4..20 => 0,
            _ => self.interval + chance.below(self.interval / 4 + 1) - self.interval / 8,
        };
        if chance.one_in(300) {
            self.change();
        }
        let is_key = self.chance.one_in(self.group);
        picture(self.at, is_key)
    }
}

/// A viewer that began with a segment.
struct Viewer {
    from: u64,
    last: Option<Read>,
}

impl Viewer {
    fn look(&mut self, cutter: &Segmenter, form: Form, when: &str) {
        let Some(text) = playlist_from(cutter, form, self.from) else { return };
        let now = std::panic::catch_unwind(|| read(&text));
        let now = now.unwrap_or_else(|_| panic!("{when}:\n{text}"));
        if let Some(last) = self.last.take() {
            let is_right = std::panic::catch_unwind(|| follows(&last, &now));
            assert!(is_right.is_ok(), "{when}: after\n{last:#?}\n{text}");
        }
        self.last = Some(now);
    }
}

#[test]
fn playlists_keep_to_the_rules_whatever_comes() {
    let codecs = [video()];
    let (mut slow, mut marked, mut full) = (0, 0, 0);
    for seed in 0..60 {
        let form = if seed % 2 == 0 { Form::Ts } else { Form::Mp4 };
        let mut camera = Camera::new(seed);
        let mut cutter = if seed % 4 < 2 {
            segmenter(&codecs, form)
        } else {
            let packager: Box<dyn Packager> = match form {
                Form::Ts => Box::new(Ts::new(&codecs).unwrap()),
                Form::Mp4 => Box::new(Mp4::new(&codecs).unwrap()),
            };
            Segmenter::new(packager, &codecs)
        };
        let mut viewers = vec![Viewer { from: 0, last: None }];
        for n in 0..1500 {
            cutter.push(0, &camera.next());
            if let Some(from) = cutter.entry().filter(|_| n % 200 == 150) {
                viewers.push(Viewer { from, last: None });
            }
            let when = format!("seed {seed}, frame {n}");
            // One that always looks, others now and then.
            let looking = viewers
                .iter_mut()
                .enumerate()
                .filter(|(index, _)| *index == 0 || n % (7 * *index as i64) == 0);
            looking.for_each(|(_, viewer)| viewer.look(&cutter, form, &when));
        }
        slow += usize::from(cutter.target() > 1);
        marked += cutter.closed().filter(|segment| segment.discontinuity).count();
        // As long as the target allows.
        let longest = cutter.target() * 1_000_000 + 499_000;
        full += cutter.closed().filter(|segment| segment.duration == longest).count();
    }
    assert!(slow > 5 && marked > 50 && full > 5, "{slow} {marked} {full}");
}

/// A frame that comes late, but not so late that anything is missing: what is open of its
/// segment is one of its own, and nothing is marked.
#[test]
fn a_late_frame_makes_no_segment_longer() {
    for form in [Form::Ts, Form::Mp4] {
        // The parts of a segment begin at 0, 0.2, 0.4 .. of it.
        for late in 23..50 {
            let frames = (0..200)
                .map(|n| picture(n * 40 + if n > 50 + late { 930 } else { 0 }, n % 250 == 0));
            let (cutter, last) = run_uneven(frames, form);
            assert_eq!((last.target, cutter.closed().filter(|s| s.discontinuity).count()), (1, 0));
            let whole: i64 = cutter.closed().map(|segment| segment.duration).sum();
            let open = cutter.open().unwrap().number;
            assert!((7_800_000..8_930_000).contains(&whole), "{late}: {whole} {open}");
            let shown = cutter.closed().map(|segment| segment.counts[0].0).sum::<usize>();
            let parts = cutter.closed().flat_map(|s| &s.parts).map(|p| p.counts[0].0).sum();
            assert_eq!(shown, parts);
        }
    }
}

/// What was waited for is between two segments, and in none: the time of a late frame is
/// its own.
#[test]
fn what_begins_late_has_its_own_time() {
    let codecs = [video()];
    let mut cutter = Segmenter::new(Box::new(Mp4::new(&codecs).unwrap()), &codecs);
    let mut times = vec![];
    let mut known = BTreeMap::new();
    for n in 0..300 {
        // 2.5 pictures a second, and one that is 1.2 s late now and then.
        let at = n * 400 + n / 17 * 1200;
        cutter.push(0, &picture(at, n % 5 == 0));
        times.push(at * 90);
        known.extend(cutter.closed().map(|segment| (segment.number, Arc::clone(segment))));
    }
    let first = |segment: &Segment| fragment_times(&segment.parts[0].bytes)[0] as i64;
    let all: Vec<&Segment> = known.values().map(AsRef::as_ref).collect();
    let marked = all.iter().filter(|segment| segment.discontinuity).count();
    assert!(marked >= 2, "{marked} of {}", all.len());
    // The first ones are placed before the distance of pictures is known.
    let after = all.iter().skip(20).filter(|segment| segment.discontinuity);
    for begin in after.map(|segment| first(segment)) {
        let off = times.iter().map(|at| (at - begin).abs()).min().unwrap();
        assert!(off < 9000, "what is marked begins when its picture came: {begin} {off}");
    }
}

fn run_uneven(frames: impl Iterator<Item = Arc<Frame>>, form: Form) -> (Segmenter, Read) {
    let mut cutter = segmenter(&[video()], form);
    let mut viewer = Viewer { from: 0, last: None };
    for frame in frames {
        cutter.push(0, &frame);
        viewer.look(&cutter, form, "late");
    }
    (cutter, viewer.last.unwrap())
}

/// A camera that becomes slower than a segment may be: each picture is a beginning of its
/// own, and none is left out.
#[test]
fn a_camera_that_slows_down_keeps_its_target() {
    let times = (0..50).map(|n| n * 40).chain((1..20).map(|n| 1960 + n * 2000));
    let frames = times.enumerate().map(|(n, at)| picture(at, n % 55 == 0));
    let (cutter, last) = run_uneven(frames, Form::Mp4);
    assert_eq!(last.target, 1);
    let slow: Vec<&Arc<Segment>> = cutter.closed().filter(|s| s.discontinuity).collect();
    // What came in the first hole needed something that may be lost: up to the keyframe.
    assert_eq!(slow.len(), 13, "{slow:?}");
    assert!(has_keyframe(slow[0]) && slow[1..].iter().all(|s| !has_keyframe(s)));
    assert!(slow.iter().all(|s| s.counts[0].0 == 1 && s.parts[0].independent));
    // One that was slow from the beginning says so.
    let (cutter, last) = run_uneven((0..20).map(|n| picture(n * 2000, n % 5 == 0)), Form::Ts);
    assert_eq!((last.target, cutter.closed().len()), (3, 19));
    assert!(cutter.closed().all(|segment| segment.duration == 2_000_000));
    // Nothing is known of one picture, and the next comes hours later.
    let (cutter, _) = run_uneven(
        [picture(0, true)]
            .into_iter()
            .chain((0..100).map(|n| picture(9_000_000 + n * 40, n % 25 == 0))),
        Form::Mp4,
    );
    assert!(cutter.closed().all(|s| !s.discontinuity) && cutter.part_target().is_some());
}
