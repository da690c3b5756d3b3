//! Sequence numbers: what is missing, late, repeated or begins anew.

use crate::rtp::{SeqNo, Ssrc};

/// A step of at least this much in either direction is a new beginning.
const RESTART: i16 = 3000;
/// After so many packets in a row that look repeated the numbers mean nothing
/// (a source that does not count).
const MEANINGLESS: u32 = 32;

/// Follows the sequence numbers of one track.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    last: Option<(Ssrc, SeqNo)>,
    repeated: u32,
}

impl Sequence {
    /// Takes the next number. `None`: the packet is late or repeated, to be
    /// ignored. `Some(None)`: it follows the one before. `Some(Some(n))`: n
    /// packets are missing, 0 where the source began anew.
    pub(super) fn arrived(&mut self, ssrc: Ssrc, seq: SeqNo) -> Option<Option<u32>> {
        if self.repeated >= MEANINGLESS {
            return Some(None);
        }
        let Some((last_ssrc, last)) = self.last.replace((ssrc, seq)) else { return Some(None) };
        let step = seq.distance(last);
        if last_ssrc != ssrc || step.unsigned_abs() >= RESTART.unsigned_abs() {
            return Some(if step == 1 { None } else { Some(0) });
        }
        if step <= 0 {
            self.last = Some((ssrc, last));
            self.repeated += 1;
            return None;
        }
        self.repeated = 0;
        Some((step > 1).then(|| u32::from(step.unsigned_abs()) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        let mut s = Sequence::default();
        let mut next = |seq| s.arrived(Ssrc(1), SeqNo(seq));
        assert_eq!(next(65_534), Some(None));
        assert_eq!(next(65_535), Some(None));
        assert_eq!(next(0), Some(None));
        assert_eq!(next(3), Some(Some(2)));
        assert_eq!(next(2), None);
        assert_eq!(next(3), None);
        assert_eq!(next(4), Some(None));
        assert_eq!(next(30_000), Some(Some(0)));
        assert_eq!(s.arrived(Ssrc(2), SeqNo(5)), Some(Some(0)));
    }

    #[test]
    fn a_source_that_does_not_count() {
        let mut s = Sequence::default();
        let taken = (0..100).filter(|_| s.arrived(Ssrc(0), SeqNo(7)).is_some()).count();
        assert_eq!(taken, 100 - 32);
    }
}
