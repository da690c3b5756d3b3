//! The rules of the floor under a clock that only the test moves.

use super::*;

const S: Duration = Duration::from_secs(1);

/// A floor, its time, and what others were told.
struct Hall {
    order: Order,
    now: Instant,
    told: Vec<String>,
}

impl Hall {
    fn new() -> Self {
        Self { order: Order::default(), now: Instant::now(), told: Vec::new() }
    }

    fn listen(&mut self) {
        while let Some(change) = self.order.poll_change() {
            self.told.push(match change {
                Change::Began(talking) => format!("+{}", talking.by),
                Change::Ended(talking, lost) => format!("-{} {}", talking.by, lost.code()),
            });
        }
    }

    /// Asker `number` asks; who has it otherwise.
    fn ask(&mut self, number: u64) -> Result<(), String> {
        let result = self.order.ask(number, &format!("asker{number}"), self.now);
        self.listen();
        result.map(drop).map_err(|talking| talking.by)
    }

    /// A packet of a viewer that asked with a number (0: never).
    fn packet(&mut self, viewer: u64, asked: u64, sound: bool) -> bool {
        let speaker = if asked == 0 { Speaker::Unasked(viewer) } else { Speaker::Asked(asked) };
        let by = || format!("viewer{viewer}");
        let passes = self.order.handle_packet(speaker, viewer, by, sound, self.now);
        self.listen();
        passes
    }

    /// Lets time pass, stopping at every deadline.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.order.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.order.handle_timeout(self.now);
            self.listen();
        }
        self.now = end;
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

#[test]
fn one_asks_and_the_other_waits() {
    let mut hall = Hall::new();
    assert_eq!(hall.ask(1), Ok(()));
    assert_eq!(hall.ask(2), Err("asker1".into()));
    assert_eq!(hall.ask(1), Ok(()), "again changes nothing");
    hall.order.bind(1, 11);
    assert!(hall.packet(11, 1, true));
    assert!(!hall.packet(12, 2, true), "who was refused is not heard");
    assert!(!hall.packet(13, 0, true), "nor is who never asks");
    hall.order.release(2);
    hall.order.release(1);
    hall.listen();
    assert_eq!(hall.told(), ["+asker1", "-asker1 released"]);
    assert!(!hall.packet(11, 1, true), "who gave it back asks again");
    assert!(hall.packet(13, 0, true));
    assert_eq!(hall.ask(2), Ok(()));
    assert_eq!(hall.told(), ["+viewer13", "-viewer13 taken", "+asker2"]);
}

#[test]
fn silence_and_the_limit_end_it() {
    let mut hall = Hall::new();
    assert_eq!(hall.ask(1), Ok(()));
    hall.wait(9 * S);
    assert_eq!(hall.ask(2), Err("asker1".into()));
    hall.wait(S);
    assert_eq!(hall.told(), ["+asker1", "-asker1 silence"], "nothing ever came");
    assert_eq!(hall.ask(1), Ok(()));
    for second in 0..119 {
        hall.wait(S);
        assert!(hall.packet(11, 1, true), "second {second}");
    }
    assert_eq!(hall.ask(2), Err("asker1".into()));
    hall.wait(S);
    assert_eq!(hall.told(), ["+asker1", "-asker1 limit"]);
    assert!(!hall.packet(11, 1, true));
    assert_eq!(hall.ask(2), Ok(()));
    // An open microphone in a silent room.
    for _ in 0..9 {
        hall.wait(S);
        assert!(hall.packet(12, 2, false));
    }
    hall.wait(S);
    assert_eq!(hall.told(), ["+asker2", "-asker2 silence"]);
    assert_eq!(hall.order.deadline(), None);
}

#[test]
fn a_session_that_ends_gives_it_back() {
    let mut hall = Hall::new();
    assert_eq!(hall.ask(1), Ok(()));
    hall.order.leave(11);
    assert_eq!(hall.ask(2), Err("asker1".into()), "nobody's session");
    hall.order.bind(1, 11);
    hall.order.leave(12);
    assert_eq!(hall.ask(2), Err("asker1".into()), "another one");
    hall.order.leave(11);
    assert_eq!(hall.ask(2), Ok(()));
    assert_eq!(hall.told(), ["+asker1", "-asker1 left", "+asker2"]);
}

#[test]
fn who_never_asks_is_heard_while_nobody_else_is() {
    let mut hall = Hall::new();
    // Alone nothing is held back, however long and whatever it is.
    for step in 0..2000u32 {
        hall.wait(S / 10);
        assert!(hall.packet(11, 0, step.is_multiple_of(7)), "step {step}");
    }
    assert_eq!(hall.told(), ["+viewer11"]);
    // Two at once: the first one, until it pauses.
    hall.order = Order::default();
    assert!(hall.packet(11, 0, true) && !hall.packet(12, 0, true));
    hall.wait(PAUSE - S / 10);
    assert!(!hall.packet(12, 0, true));
    hall.wait(S / 10);
    assert!(hall.packet(12, 0, true) && !hall.packet(11, 0, true));
    assert_eq!(hall.told(), ["+viewer11", "-viewer11 silence", "+viewer12"]);
    hall.order.leave(12);
    assert!(hall.packet(11, 0, true));
    assert_eq!(hall.told(), ["-viewer12 left", "+viewer11"]);
}

#[test]
fn an_open_microphone_is_in_nobodys_way() {
    let mut hall = Hall::new();
    assert!(hall.packet(11, 0, false), "it has nothing to say, but nobody else has");
    assert!(!hall.packet(12, 0, false), "one silence is enough");
    assert_eq!(hall.order.talking(), None);
    assert!(hall.packet(12, 0, true), "somebody speaks");
    assert!(!hall.packet(11, 0, false));
    assert_eq!(hall.told(), ["+viewer12"]);
    // One that talks all the time lets the other one have a turn.
    let mut turns = 0;
    for _ in 0..125 {
        hall.wait(S);
        assert!(hall.packet(12, 0, true) || turns > 0);
        turns += usize::from(hall.packet(11, 0, true));
    }
    assert!((1..=6).contains(&turns), "{turns}");
    assert_eq!(hall.told(), ["-viewer12 taken", "+viewer11"]);
    // One whose packets stop is forgotten.
    hall.order = Order::default();
    assert!(hall.packet(11, 0, false));
    hall.wait(PAUSE);
    assert!(hall.packet(12, 0, false));
}

#[test]
fn whatever_happens_there_is_one_speaker_and_an_end() {
    // A small generator of its own: the same lives every time.
    let mut seed = 0x9E37_79B9_u32;
    let mut next = |below: u32| {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        seed % below
    };
    let (mut hall, mut open) = (Hall::new(), 0);
    for _ in 0..20_000 {
        hall.wait(Duration::from_millis(u64::from(next(700))));
        let who = u64::from(next(3)) + 1;
        match next(8) {
            0 => drop(hall.ask(who)),
            1 => hall.order.release(who),
            2 => hall.order.leave(who + 10),
            3 => hall.order.bind(who, who + 10),
            _ => {
                let now: Vec<bool> =
                    (1..=3).map(|w| hall.packet(w + 10, w * u64::from(next(2)), true)).collect();
                assert!(now.iter().filter(|passes| **passes).count() <= 1, "{now:?}");
            }
        }
        hall.listen();
        open += hall.told().iter().map(|t| if t.starts_with('+') { 1 } else { -1 }).sum::<i32>();
        assert_eq!(open, i32::from(hall.order.talking().is_some()), "everybody knows");
        if let Some(talking) = hall.order.talking().filter(|talking| talking.asked) {
            assert!(talking.since + LONGEST > hall.now);
            assert!(hall.order.deadline().is_some_and(|at| at > hall.now));
        }
    }
    hall.wait(LONGEST);
    assert!(!hall.order.talking().is_some_and(|talking| talking.asked));
}
