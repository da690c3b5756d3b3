//! Wrong logins, counted by address: how long the answer to one is held back, so that a
//! program that tries passwords one after another comes to few of them.
//!
//! The first wrong logins of an address are answered at once, further ones after a wait that
//! doubles; a minute without one, and the address begins anew. Who knows the password is never
//! asked to wait: that is decided before, and a right login changes nothing here.
//!
//! Everything is bounded. Of more addresses than the table holds, those that are in it stay, and
//! all others are counted as one: who has many addresses gains nothing by them.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong logins that are answered at once: who mistypes a password notices nothing.
const FREE: u32 = 3;
/// The wait of the first one after them.
const FIRST: Duration = Duration::from_millis(250);
/// The longest wait; players give up after five seconds.
const LONGEST: Duration = Duration::from_secs(4);
/// After so long without a wrong login an address is forgotten; the log tells of one as often.
const QUIET: Duration = Duration::from_secs(60);
/// Addresses with a count of their own.
const ADDRESSES: usize = 1024;
/// Answers of one address that are held back at the same time.
const WAITING_OF_ONE: u32 = 8;
/// Answers that are held back at the same time.
const WAITING: u32 = 128;
/// Lines of the log within [`QUIET`], of all addresses together.
const LINES: u32 = 20;

/// Where logins come from that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Unix,
    Ip(IpAddr),
    Others,
}

impl Source {
    /// Programs that come over a unix socket.
    pub const UNIX: Self = Self(Kind::Unix);
    /// All addresses that have no place in the table.
    const OTHERS: Self = Self(Kind::Others);

    /// An address. Of IPv6 the first 64 bits count: the others are free to choose for who has one.
    pub fn ip(address: IpAddr) -> Self {
        Self(Kind::Ip(match address.to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
            v4 => v4,
        }))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Unix => f.write_str("unix socket"),
            Kind::Ip(ip @ IpAddr::V4(_)) => ip.fmt(f),
            Kind::Ip(ip @ IpAddr::V6(_)) => write!(f, "{ip}/64"),
            Kind::Others => f.write_str("many other addresses"),
        }
    }
}

/// What becomes of the answer to a wrong login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is given now.
    Now,
    /// It is given after this time. [`Throttle::waited`] is due then, or when the client leaves.
    After(Duration, Waiting),
    /// Too many are held back already: this one is told to come again after this time.
    TooMany(Duration),
}

/// An answer that is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting(Source);

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who has tried.
    pub source: Source,
    /// For whom the last one was forwarded by a proxy, as that says.
    pub forwarded: Option<IpAddr>,
    /// Wrong logins since the last line of this source.
    pub tries: u64,
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// This.
    Line(Line),
    /// Nothing before this time, or before the next wrong login.
    Timeout(Option<Instant>),
}

/// Counts wrong logins.
#[derive(Debug, Default)]
pub struct Throttle {
    counts: HashMap<Source, Count>,
    waiting: u32,
    /// Since when lines are counted, and how many there were.
    lines: Option<(Instant, u32)>,
}

#[derive(Debug)]
struct Count {
    wrong: u32,
    last: Instant,
    waiting: u32,
    untold: u64,
    told: Option<Instant>,
    forwarded: Option<IpAddr>,
}

impl Count {
    const fn new(now: Instant) -> Self {
        Self { wrong: 0, last: now, waiting: 0, untold: 0, told: None, forwarded: None }
    }

    fn is_quiet(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= QUIET
    }

    /// Nothing is lost without it.
    fn is_over(&self, now: Instant) -> bool {
        self.waiting == 0 && self.untold == 0 && self.is_quiet(now)
    }

    /// How long the answer to the wrong login is held back that was counted last.
    fn wait(&self) -> Duration {
        match self.wrong.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
                FIRST.saturating_mul(factor).min(LONGEST)
            }
        }
    }
}

impl Throttle {
    /// Counts a wrong login. `forwarded` is the client's address as a proxy tells it, for the log
    /// alone: who writes such a header himself must gain nothing.
    pub fn wrong(&mut self, now: Instant, source: Source, forwarded: Option<IpAddr>) -> Verdict {
        let source = self.counted_as(now, source);
        let is_full = self.waiting >= WAITING;
        let count = self.counts.entry(source).or_insert_with(|| Count::new(now));
        if count.is_quiet(now) {
            count.wrong = 0;
        }
        count.wrong = count.wrong.saturating_add(1);
        count.untold += 1;
        (count.last, count.forwarded) = (now, forwarded);
        let wait = count.wait();
        if wait.is_zero() {
            return Verdict::Now;
        }
        if is_full || count.waiting >= WAITING_OF_ONE {
            return Verdict::TooMany(LONGEST);
        }
        count.waiting += 1;
        self.waiting += 1;
        Verdict::After(wait, Waiting(source))
    }

    /// An answer is held back no more.
    pub fn waited(&mut self, waiting: Waiting) {
        if let Some(count) = self.counts.get_mut(&waiting.0) {
            count.waiting = count.waiting.saturating_sub(1);
            self.waiting = self.waiting.saturating_sub(1);
        }
    }

    /// How many answers are held back.
    pub const fn waiting(&self) -> u32 {
        self.waiting
    }

    /// What the log is to say. Call it until it says `Timeout`.
    pub fn poll_report(&mut self, now: Instant) -> Report {
        let (since, lines) = match self.lines {
            Some((since, lines)) if now.saturating_duration_since(since) < QUIET => (since, lines),
            _ => (now, 0),
        };
        let due = |count: &Count| count.told.map_or(count.last, |told| told + QUIET);
        let untold = self.counts.iter_mut().filter(|(_, count)| count.untold > 0);
        let Some((source, count)) = untold.min_by_key(|(_, count)| due(count)) else {
            return Report::Timeout(None);
        };
        let at = if lines >= LINES { due(count).max(since + QUIET) } else { due(count) };
        if at > now {
            return Report::Timeout(Some(at));
        }
        self.lines = Some((since, lines + 1));
        count.told = Some(now);
        let tries = std::mem::take(&mut count.untold);
        Report::Line(Line { source: *source, forwarded: count.forwarded, tries })
    }

    /// What a source is counted as: itself while there is room.
    fn counted_as(&mut self, now: Instant, source: Source) -> Source {
        if self.counts.contains_key(&source) {
            return source;
        }
        if self.own_counts() >= ADDRESSES {
            self.counts.retain(|_, count| !count.is_over(now));
        }
        if self.own_counts() < ADDRESSES { source } else { Source::OTHERS }
    }

    fn own_counts(&self) -> usize {
        self.counts.len() - usize::from(self.counts.contains_key(&Source::OTHERS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ip(text: &str) -> Source {
        Source::ip(text.parse().unwrap())
    }

    fn number(n: u32) -> Source {
        Source::ip(IpAddr::V4((0x0A00_0000 + n).into()))
    }

    /// Only a starting point: all time is counted from here.
    #[allow(clippy::disallowed_methods)]
    fn start() -> Instant {
        Instant::now()
    }

    /// Counts a wrong login whose answer is held back by nothing else, and waits for it.
    fn wait(throttle: &mut Throttle, now: Instant, source: Source) -> Duration {
        match throttle.wrong(now, source, None) {
            Verdict::Now => Duration::ZERO,
            Verdict::After(time, waiting) => {
                throttle.waited(waiting);
                time
            }
            Verdict::TooMany(_) => panic!("too many"),
        }
    }

    #[test]
    fn waits_double_up_to_a_limit_and_are_forgotten_after_a_quiet_minute() {
        let (mut throttle, start) = (Throttle::default(), start());
        let mut waits = |from: u64, count: u64| -> Vec<u128> {
            let each = (from..from + count).map(|s| start + Duration::from_secs(s));
            each.map(|now| wait(&mut throttle, now, ip("8.8.8.8")).as_millis()).collect()
        };
        assert_eq!(waits(0, 10), [0, 0, 0, 250, 500, 1000, 2000, 4000, 4000, 4000]);
        assert_eq!(waits(9 + 59, 1), [4000], "59 s after the last one");
        assert_eq!(waits(9 + 59 + 60, 5), [0, 0, 0, 250, 500]);
        let mut many = |now| (0..100_000).map(|_| wait(&mut throttle, now, ip("8.8.8.8"))).max();
        assert_eq!(many(start + QUIET * 9), Some(LONGEST));
        assert_eq!(wait(&mut throttle, start + QUIET * 9, ip("8.8.4.4")), Duration::ZERO);
    }

    #[test]
    fn addresses_of_one_client_are_counted_together() {
        assert_eq!(ip("2001:db8:1:2::1"), ip("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(ip("2001:db8:1:2::1"), ip("2001:db8:1:3::1"));
        assert_eq!(ip("::ffff:192.168.1.5"), ip("192.168.1.5"));
        assert_ne!(ip("192.168.1.4"), ip("192.168.1.5"));
        assert_eq!(ip("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(ip("::ffff:192.168.1.5").to_string(), "192.168.1.5");
        assert_eq!(Source::UNIX.to_string(), "unix socket");
    }

    #[test]
    fn few_answers_are_held_back_at_the_same_time() {
        let (mut throttle, now) = (Throttle::default(), start());
        let mut held = Vec::new();
        let mut refused = 0;
        let mut try_from = |throttle: &mut Throttle, source, held: &mut Vec<Waiting>| {
            for _ in 0..FREE + WAITING_OF_ONE + 5 {
                match throttle.wrong(now, source, None) {
                    Verdict::Now => {}
                    Verdict::After(_, waiting) => held.push(waiting),
                    Verdict::TooMany(after) => {
                        assert_eq!(after, LONGEST);
                        refused += 1;
                    }
                }
            }
        };
        try_from(&mut throttle, number(0), &mut held);
        assert_eq!(held.len(), WAITING_OF_ONE as usize, "of one address");
        for n in 1..100 {
            try_from(&mut throttle, number(n), &mut held);
        }
        assert_eq!(held.len(), WAITING as usize, "of all");
        assert_eq!(refused as usize, 100 * (WAITING_OF_ONE as usize + 5) - held.len());
        throttle.waited(held.pop().unwrap());
        assert!(matches!(throttle.wrong(now, number(99), None), Verdict::After(..)));
        assert!(matches!(throttle.wrong(now, number(99), None), Verdict::TooMany(_)));
        held.drain(..).for_each(|waiting| throttle.waited(waiting));
        assert_eq!(throttle.waiting(), 1);
    }

    /// Who has many addresses neither fills the memory nor has his first one forgotten.
    #[test]
    fn more_addresses_than_have_a_place_are_counted_as_one() {
        let (mut throttle, start) = (Throttle::default(), start());
        for _ in 0..8 {
            wait(&mut throttle, start, number(0));
        }
        for n in 1..20_000 {
            wait(&mut throttle, start + 30 * MS, number(n));
        }
        assert_eq!(throttle.counts.len(), ADDRESSES + 1);
        assert_eq!(wait(&mut throttle, start + 40 * MS, number(0)), LONGEST, "it is remembered");
        assert_eq!(wait(&mut throttle, start + 40 * MS, number(99_999)), LONGEST, "as the others");
        // Told and quiet, they make room again.
        let mut later = start + QUIET * 2;
        while throttle.counts.values().any(|count| count.untold > 0) {
            match throttle.poll_report(later) {
                Report::Line(_) => {}
                Report::Timeout(at) => later = at.unwrap(),
            }
        }
        assert_eq!(wait(&mut throttle, later + QUIET, number(99_999)), Duration::ZERO);
        assert_eq!(throttle.counts.len(), 1);
    }

    #[test]
    fn the_log_tells_once_a_minute_of_each_address() {
        let (mut throttle, start) = (Throttle::default(), start());
        let at = |seconds| start + Duration::from_secs(seconds);
        let (a, b) = (ip("8.8.8.8"), ip("2001:db8::1"));
        let line = |source, tries| Report::Line(Line { source, forwarded: None, tries });
        assert_eq!(throttle.poll_report(start), Report::Timeout(None));
        wait(&mut throttle, start, a);
        assert_eq!(throttle.poll_report(start), line(a, 1));
        assert_eq!(throttle.poll_report(start), Report::Timeout(None));
        for second in 1..20 {
            wait(&mut throttle, at(second), a);
        }
        assert_eq!(throttle.poll_report(at(20)), Report::Timeout(Some(at(60))));
        wait(&mut throttle, at(20), b);
        assert_eq!(throttle.poll_report(at(21)), line(b, 1));
        assert_eq!(throttle.poll_report(at(59)), Report::Timeout(Some(at(60))));
        assert_eq!(throttle.poll_report(at(60)), line(a, 19), "also when nobody tries any more");
        assert_eq!(throttle.poll_report(at(60)), Report::Timeout(None));
        let forwarded = Some("9.9.9.9".parse().unwrap());
        throttle.wrong(at(200), a, forwarded);
        let told = Report::Line(Line { source: a, forwarded, tries: 1 });
        assert_eq!(throttle.poll_report(at(200)), told);
    }

    #[test]
    fn the_log_stays_legible_whoever_tries() {
        let (mut throttle, start) = (Throttle::default(), start());
        for n in 0..500 {
            wait(&mut throttle, start, number(n));
        }
        let mut lines = |now| {
            let is_line = |report: &Report| matches!(report, Report::Line(_));
            let all = std::iter::from_fn(|| Some(throttle.poll_report(now)).filter(is_line));
            u32::try_from(all.count()).unwrap()
        };
        assert_eq!(lines(start), LINES);
        assert_eq!(lines(start + Duration::from_secs(59)), 0);
        assert_eq!(lines(start + QUIET), LINES);
    }
}
