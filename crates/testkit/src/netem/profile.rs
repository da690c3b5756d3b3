//! What a link does to datagrams, and how that is written on a command line.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What a link does to datagrams. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// Time that every datagram takes.
    pub delay: Duration,
    /// Each takes up to so much longer, evenly spread.
    pub jitter: Duration,
    /// Datagrams may overtake each other.
    pub reorder: bool,
    /// Probability that a datagram is lost, each by itself.
    pub loss: f64,
    /// Bad periods.
    pub burst: Option<Burst>,
    /// Times without any passage.
    pub stall: Option<Stall>,
    /// Limited rate.
    pub rate: Option<Rate>,
    /// Kinds of datagrams that never pass.
    pub drop: Vec<Class>,
    /// Nothing passes at all.
    pub blackhole: bool,
}

/// Bad periods in which everything is lost, exponentially long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burst {
    /// Share of time that is bad: the mean loss, above 0 and below 1.
    pub loss: f64,
    /// Mean length of a bad period.
    pub length: Duration,
}

impl Burst {
    /// Mean length of a good period.
    pub(crate) fn good(self) -> Duration {
        self.length.mul_f64((1.0 - self.loss) / self.loss)
    }
}

/// Nothing passes for `length`, once in every `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How long.
    pub length: Duration,
    /// From one to the next.
    pub period: Duration,
    /// The first one begins so long after the link did.
    pub first: Duration,
    /// What is sent meanwhile arrives afterwards, instead of never.
    pub keeps: bool,
}

impl Stall {
    /// How long a stall goes on at this time since the link began.
    pub(crate) fn left(self, since: Duration) -> Option<Duration> {
        let since = since.checked_sub(self.first)?.as_nanos();
        let into = since.checked_rem(self.period.as_nanos())?;
        let left = self.length.as_nanos().checked_sub(into)?;
        u64::try_from(left).ok().filter(|n| *n > 0).map(Duration::from_nanos)
    }
}

/// A bottleneck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes per second, above 0.
    pub rate: u64,
    /// Bytes that wait before it; more are dropped.
    pub queue: u64,
}

impl Rate {
    pub(crate) fn time_of(self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.rate as f64)
    }

    pub(crate) fn bytes_in(self, time: Duration) -> u64 {
        (time.as_secs_f64() * self.rate as f64) as u64
    }
}

/// Kinds of datagrams of a WebRTC session (RFC 7983, RFC 5761).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Checks and their answers.
    Stun,
    /// DTLS alerts up to version 1.2, such as the goodbye.
    Alert,
    /// Other DTLS records.
    Dtls,
    /// Pictures and sound.
    Media,
    /// Control packets of media.
    Control,
    /// Anything else.
    Other,
}

impl Class {
    const NAMES: [(&'static str, Self); 6] = [
        ("stun", Self::Stun),
        ("alerts", Self::Alert),
        ("dtls", Self::Dtls),
        ("media", Self::Media),
        ("control", Self::Control),
        ("other", Self::Other),
    ];

    /// The kind of a datagram, by its first bytes.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [21, ..] => Self::Alert,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Control,
            [128..=191, ..] => Self::Media,
            _ => Self::Other,
        }
    }
}

/// A word that does not describe a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError(String);

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ProfileError {}

impl FromStr for Profile {
    type Err = ProfileError;

    /// Reads words such as `loss 0.3 burst 200ms jitter 500ms stall 10s/600s`:
    ///
    /// | word | value |
    /// |---|---|
    /// | `delay`, `jitter` | a time |
    /// | `reorder`, `blackhole` | none |
    /// | `loss` | 0 to 1 |
    /// | `burst` | mean length of the bad periods that `loss` then comes in |
    /// | `stall`, `hold` | length/period, first after half a period; what is sent meanwhile is lost, or held |
    /// | `rate` | kbit/s, and the queue as a time: `2000/300ms` |
    /// | `drop` | `stun`, `alerts`, `dtls`, `media`, `control`, `other`, with commas |
    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let mut profile = Self::default();
        let mut words = text.split_ascii_whitespace();
        let mut burst = None;
        while let Some(word) = words.next() {
            let mut value =
                || words.next().ok_or_else(|| ProfileError(format!("{word}: a value is missing")));
            match word {
                "delay" => profile.delay = time(value()?)?,
                "jitter" => profile.jitter = time(value()?)?,
                "reorder" => profile.reorder = true,
                "blackhole" => profile.blackhole = true,
                "loss" => profile.loss = share(value()?)?,
                "burst" => burst = Some(time(value()?)?),
                "stall" | "hold" => {
                    let (length, period) = pair(value()?)?;
                    let (length, period) = (time(length)?, time(period)?);
                    if period <= length {
                        return Err(ProfileError(format!(
                            "{word}: length/period, such as 10s/600s"
                        )));
                    }
                    let first = period / 2;
                    profile.stall = Some(Stall { length, period, first, keeps: word == "hold" });
                }
                "rate" => {
                    let (rate, queue) = pair(value()?)?;
                    let rate: u64 =
                        rate.parse().ok().filter(|r| *r > 0).ok_or_else(|| bad(rate))?;
                    let mut rate = Rate { rate: rate.saturating_mul(125), queue: 0 };
                    rate.queue = rate.bytes_in(time(queue)?);
                    profile.rate = Some(rate);
                }
                "drop" => {
                    for name in value()?.split(',') {
                        let class = Class::NAMES.iter().find(|(known, _)| *known == name);
                        profile.drop.push(class.ok_or_else(|| bad(name))?.1);
                    }
                }
                _ => return Err(ProfileError(format!("{word}: unknown"))),
            }
        }
        if let Some(length) = burst {
            let loss = std::mem::take(&mut profile.loss);
            if loss <= 0.0 || loss >= 1.0 || length.is_zero() {
                return Err(ProfileError("burst: needs a length and a loss below 1".to_owned()));
            }
            profile.burst = Some(Burst { loss, length });
        }
        Ok(profile)
    }
}

/// A time: a number with `ms`, `s` or `m`.
///
/// # Errors
/// If it is none.
pub fn time(text: &str) -> Result<Duration, ProfileError> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(|| bad(text))?;
    let (number, unit) = text.split_at(at);
    let unit = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(bad(text)),
    };
    let seconds = number.parse::<f64>().map_err(|_| bad(text))? * unit;
    Duration::try_from_secs_f64(seconds).map_err(|_| bad(text))
}

fn share(text: &str) -> Result<f64, ProfileError> {
    text.parse().ok().filter(|s| (0.0..=1.0).contains(s)).ok_or_else(|| bad(text))
}

fn pair(text: &str) -> Result<(&str, &str), ProfileError> {
    text.split_once('/').ok_or_else(|| bad(text))
}

fn bad(text: &str) -> ProfileError {
    ProfileError(format!("{text}: not a value"))
}
