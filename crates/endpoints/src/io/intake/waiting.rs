//! Units whose time has not come, in the order of their times.
//!
//! A stream may have any times in any order, and tens of thousands of units may wait: each
//! is put in and taken out in a time that grows with the logarithm of their number.

use std::collections::BTreeMap;
use std::time::Instant;

use rs2rtc_media::container::Unit;

/// What a unit costs besides its payload, in bytes.
const UNIT: usize = 256;

/// The units that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By when they are due; of the same moment in the order in which they came.
    units: BTreeMap<(Instant, u64), Unit>,
    /// Number of the next one.
    next: u64,
    bytes: usize,
}

impl Waiting {
    /// Adds a unit that is due at a moment.
    pub(super) fn push(&mut self, due: Instant, unit: Unit) {
        self.bytes += unit.payload.len() + UNIT;
        self.units.insert((due, self.next), unit);
        self.next += 1;
    }

    /// Takes the first one, if it is due by `now`.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Unit> {
        let first = self.units.first_entry().filter(|first| first.key().0 <= now)?;
        let unit = first.remove();
        self.bytes -= unit.payload.len() + UNIT;
        Some(unit)
    }

    /// When the first one is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.units.first_key_value().map(|((due, _), _)| *due)
    }

    /// Bytes that wait, each unit with what it costs besides.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use rs2rtc_media::Payload;
    use rs2rtc_media::container::Time;

    use super::*;

    fn unit(number: u64) -> Unit {
        let payload = Payload::Data(Bytes::copy_from_slice(&number.to_be_bytes()));
        Unit { track: 0, keyframe: true, time: Time::Arrival, payload }
    }

    fn number(unit: &Unit) -> u64 {
        let Payload::Data(data) = &unit.payload else { panic!("{unit:?}") };
        u64::from_be_bytes(data.as_ref().try_into().unwrap())
    }

    #[test]
    fn units_are_taken_when_they_are_due() {
        let (start, mut waiting) = (Instant::now(), Waiting::default());
        let at = |ms: u64| start + Duration::from_millis(ms);
        for (n, ms) in [20, 10, 20, 10, 30].into_iter().enumerate() {
            waiting.push(at(ms), unit(n as u64));
        }
        assert_eq!((waiting.due(), waiting.bytes()), (Some(at(10)), 5 * (UNIT + 8)));
        assert_eq!(waiting.pop(at(9)), None);
        let mut taken = Vec::new();
        while let Some(unit) = waiting.pop(at(20)) {
            taken.push(number(&unit));
        }
        assert_eq!(taken, [1, 3, 0, 2], "of one moment as they came");
        assert_eq!(waiting.pop(at(30)).map(|unit| number(&unit)), Some(4));
        assert!(waiting.is_empty() && waiting.bytes() == 0 && waiting.due().is_none());
    }

    /// More than fit, each in the middle of those before: the worst for a queue, which would
    /// move them all again and again, for minutes.
    #[test]
    fn any_times_are_put_in_order_quickly() {
        const COUNT: u64 = 200_000;
        let (start, mut waiting) = (Instant::now(), Waiting::default());
        let due = |n: u64| {
            start + Duration::from_micros(if n.is_multiple_of(2) { n } else { 2 * COUNT - n })
        };
        for n in 0..COUNT {
            waiting.push(due(n), unit(n));
        }
        let mut last = start;
        let mut count = 0;
        while let Some(next) = waiting.due() {
            assert!(next >= last);
            last = next;
            assert!(waiting.pop(next).is_some());
            count += 1;
        }
        assert_eq!(count, COUNT);
    }
}
