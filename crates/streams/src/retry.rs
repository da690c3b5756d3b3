//! When a source that broke is tried again (`fast-release.md` 4.6).
//!
//! The first retry after a good run is immediate, later ones wait with full
//! jitter between zero and a doubling limit. Some errors are not retried until
//! a new viewer comes or the configuration changes. A source that ends within
//! a second three times in a row is left alone for half a minute.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use tokio::time::Instant;

/// A run at least this long with frames resets the wait.
const GOOD_RUN: Duration = Duration::from_secs(10);
/// A source that ends sooner crashes.
const SHORT: Duration = Duration::from_secs(1);
/// So many in a row open the circuit.
const CRASHES: u32 = 3;
/// For so long.
const OPEN: Duration = Duration::from_secs(30);
/// How long a device that is in use is asked for within one dial.
pub(crate) const BUSY_BUDGET: Duration = Duration::from_secs(2);

/// Something about this machine that may end what a source waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A network came up, or an address.
    Network,
    /// A device was plugged in.
    Device,
}

/// How often each has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    network: u64,
    device: u64,
}

impl Changes {
    pub(crate) const fn count(&mut self, change: Change) {
        match change {
            Change::Network => self.network += 1,
            Change::Device => self.device += 1,
        }
    }

    /// Whether something has happened since `before` that may help against an error.
    pub(crate) const fn helps(self, kind: ErrorKind, before: Self) -> bool {
        match kind {
            ErrorKind::Unreachable | ErrorKind::Ended => self.network != before.network,
            ErrorKind::Gone => self.device != before.device,
            _ => false,
        }
    }
}

/// The waiting times of one source.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// Notes that a run delivered frames and lasted so long.
    pub(crate) const fn ran(&mut self, lasted: Duration) {
        if lasted.as_nanos() >= GOOD_RUN.as_nanos() {
            self.failures = 0;
        }
    }

    /// How long to wait before the next try; `None` means until somebody asks.
    /// `device`: the source needs a device of its own.
    pub(crate) fn next(&mut self, kind: Option<ErrorKind>, device: bool) -> Option<Duration> {
        let (immediate, base, cap) = match kind {
            None | Some(ErrorKind::Ended | ErrorKind::Protocol) => (true, 250, 10_000),
            Some(ErrorKind::Unreachable) => (true, 250, 15_000),
            Some(ErrorKind::Gone) => (false, 1000, 5_000),
            Some(ErrorKind::Busy) if device => (false, 1000, 5_000),
            Some(ErrorKind::Busy) => (false, 1000, 30_000),
            Some(ErrorKind::Auth) => (false, 10_000, 300_000),
            Some(ErrorKind::Config | ErrorKind::NotFound | ErrorKind::Unsupported) => return None,
        };
        let n = self.failures;
        self.failures = self.failures.saturating_add(1);
        if immediate && n == 0 {
            return Some(Duration::ZERO);
        }
        let exponent = if immediate { n - 1 } else { n };
        let limit = u64::min(cap, u64::saturating_mul(base, 1 << exponent.min(16)));
        // Never a hot loop: at least a tenth of the limit.
        Some(Duration::from_millis((limit / 10).max(random() % (limit + 1))))
    }
}

/// Wait within a dial while a device is in use, which it has been for some time: a thirty-second
/// part of that, 3 to 160 ms. A device that closes late is then opened hardly later; the start of
/// a program that asks it adds 20 to 30 ms to each wait.
pub(crate) fn busy_wait(since: Duration) -> Duration {
    (since / 32).clamp(Duration::from_millis(3), Duration::from_millis(160))
}

/// Opens when a source crashes again and again.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    crashes: u32,
    open: Option<(Instant, Error)>,
}

impl Breaker {
    /// Notes how long a try lasted until it ended. Says how long the source is
    /// to be left alone, if it is.
    pub(crate) fn ended(&mut self, lasted: Duration, error: &Error) -> Option<Duration> {
        let crash =
            lasted < SHORT && matches!(error.kind(), ErrorKind::Ended | ErrorKind::Protocol);
        self.crashes = if crash { self.crashes.saturating_add(1) } else { 0 };
        if self.crashes < CRASHES {
            return None;
        }
        self.open = Some((Instant::now() + OPEN, error.clone()));
        Some(OPEN)
    }

    /// Why and for how long it must not be tried now.
    pub(crate) fn is_open(&self) -> Option<(Duration, Error)> {
        let (until, error) = self.open.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| (left, error.clone()))
    }
}

/// A random number for jitter; not for secrets.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_retry_is_immediate_then_it_backs_off() {
        let mut retry = Retry::default();
        assert_eq!(retry.next(Some(ErrorKind::Unreachable), false), Some(Duration::ZERO));
        for n in 0..20 {
            let wait = retry.next(Some(ErrorKind::Unreachable), false).unwrap();
            assert!(
                wait <= Duration::from_secs(15) && wait >= Duration::from_millis(25),
                "{n} {wait:?}"
            );
        }
        retry.ran(Duration::from_secs(11));
        assert_eq!(retry.next(None, false), Some(Duration::ZERO));
    }

    #[test]
    fn every_class_has_its_limits() {
        let mut none = Retry::default();
        for kind in [ErrorKind::Config, ErrorKind::NotFound, ErrorKind::Unsupported] {
            assert_eq!(none.next(Some(kind), false), None);
        }
        for (kind, device, base, cap) in [
            (ErrorKind::Auth, false, 10_000, 300_000),
            (ErrorKind::Busy, false, 1000, 30_000),
            (ErrorKind::Busy, true, 1000, 5_000),
            (ErrorKind::Gone, true, 1000, 5_000),
        ] {
            let mut retry = Retry::default();
            let mut longest = Duration::ZERO;
            for n in 0..200 {
                let wait = retry.next(Some(kind), device).unwrap();
                let limit = u64::min(cap, base << n.min(16));
                assert!(wait >= Duration::from_millis(limit / 10), "{kind} {n} {wait:?}");
                assert!(wait <= Duration::from_millis(limit), "{kind} {n} {wait:?}");
                longest = longest.max(wait);
            }
            assert!(longest > Duration::from_millis(cap * 8 / 10), "{kind}: the jitter is full");
        }
    }

    #[test]
    fn a_device_in_use_is_asked_faster_then_slower() {
        let wait = |since| busy_wait(Duration::from_millis(since)).as_millis();
        assert_eq!([0, 80, 160, 320, 1600, 6000].map(wait), [3, 3, 5, 10, 50, 160]);
    }
}
