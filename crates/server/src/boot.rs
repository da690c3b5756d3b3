//! What names one run of the program, so that clients see a restart.

use std::fmt;

use rs2rtc_base::{Error, ErrorKind};

/// One run of the program.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Boot {
    id: u64,
}

/// Event numbers of one run.
const RUN: u64 = 1 << 32;
/// Numbers stay below 2^53: JavaScript counts no further exactly.
const RUNS: u64 = 1 << 20;

impl Boot {
    /// A run that was never there before.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { id: u64::from_be_bytes(random()?) })
    }

    /// The number of an event for clients. Those of two runs do not overlap,
    /// but by a chance of one in a million.
    pub const fn number(self, seq: u64) -> u64 {
        // Zero stays free: no number begins there.
        (1 + self.id % RUNS) * RUN + seq
    }

    /// Back from [`Self::number`]; `None` for one of another run.
    pub fn seq(self, number: u64) -> Option<u64> {
        number.checked_sub(self.number(0)).filter(|seq| *seq < RUN)
    }
}

impl fmt::Display for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.id)
    }
}

impl fmt::Debug for Boot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Boot({self})")
    }
}

/// Bytes that nobody can guess.
///
/// # Errors
/// If the system gives none.
pub fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(Error::new(ErrorKind::Protocol, "the system gives no randomness")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_belong_to_one_run() {
        for id in [0, 1, u64::MAX, 0x0123_4567_89ab_cdef] {
            let boot = Boot { id };
            assert_eq!(boot.seq(boot.number(17)), Some(17));
            assert!(boot.number(RUN) <= 1 << 53);
            assert_eq!(boot.seq(17), None);
            assert_eq!(Boot { id: id.wrapping_add(1) }.seq(boot.number(17)), None);
        }
        assert_eq!(Boot { id: 255 }.to_string(), "00000000000000ff");
    }
}
