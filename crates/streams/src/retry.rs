//! When a source that broke is tried again (`fast-release.md` 4.6).
//!
//! The first retry after a good run is immediate, later ones wait with full
//! jitter between zero and a doubling limit. Some errors are not retried until
//! a new viewer comes or the configuration changes.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use rs2rtc_base::ErrorKind;

/// A run at least this long with frames resets the wait.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// The waiting times of one source.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// Notes that a run lasted so long.
    pub(crate) const fn ran(&mut self, lasted: Duration) {
        if lasted.as_nanos() >= GOOD_RUN.as_nanos() {
            self.failures = 0;
        }
    }

    /// How long to wait before the next try; `None` means until somebody asks.
    pub(crate) fn next(&mut self, kind: Option<ErrorKind>) -> Option<Duration> {
        let (immediate, base, cap) = match kind {
            None | Some(ErrorKind::Ended | ErrorKind::Protocol) => (true, 250, 10_000),
            Some(ErrorKind::Unreachable) => (true, 250, 15_000),
            Some(ErrorKind::Busy) => (false, 1000, 30_000),
            Some(ErrorKind::Auth) => (false, 10_000, 300_000),
            Some(_) => return None,
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
        assert_eq!(retry.next(Some(ErrorKind::Unreachable)), Some(Duration::ZERO));
        for n in 0..20 {
            let wait = retry.next(Some(ErrorKind::Unreachable)).unwrap();
            assert!(
                wait <= Duration::from_secs(15) && wait >= Duration::from_millis(25),
                "{n} {wait:?}"
            );
        }
        retry.ran(Duration::from_secs(11));
        assert_eq!(retry.next(None), Some(Duration::ZERO));
    }

    #[test]
    fn some_errors_wait_for_somebody_to_ask() {
        let mut retry = Retry::default();
        assert_eq!(retry.next(Some(ErrorKind::Config)), None);
        assert_eq!(retry.next(Some(ErrorKind::NotFound)), None);
        assert!(retry.next(Some(ErrorKind::Auth)).unwrap() >= Duration::from_secs(1));
    }
}
