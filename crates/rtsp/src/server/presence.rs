//! Whether a playing client is still there, judged by what it says of its own
//! accord: receiver reports and keep-alive requests (RFC 2326 12.37, RFC 3550 6.2).
//!
//! Some clients never say anything, others only while packets reach them, or
//! after so many bytes. So the time runs only while packets are sent, and it is
//! measured, like the bytes, by what this client has shown to be its custom.

use std::time::{Duration, Instant};

/// Signs of life from which on the client's custom is known.
const KNOWN: u32 = 3;
/// Packets that are further apart are no flow.
const FLOW_GAP: Duration = Duration::from_secs(2);

/// A client that plays.
#[derive(Debug)]
pub(super) struct Presence {
    /// Shortest and longest limit of silence.
    range: (Duration, Duration),
    signs: u32,
    last_sign: Instant,
    largest_gap: Duration,
    /// Bytes sent since the last sign, and most between two.
    bytes: (u64, u64),
    last_heard: Instant,
    flow: Option<Flow>,
}

/// Packets on their way without a pause.
#[derive(Clone, Copy, Debug)]
struct Flow {
    since: Instant,
    last: Instant,
}

impl Presence {
    pub(super) const fn new(range: (Duration, Duration), now: Instant) -> Self {
        Self {
            range,
            signs: 0,
            last_sign: now,
            largest_gap: Duration::ZERO,
            bytes: (0, 0),
            last_heard: now,
            flow: None,
        }
    }

    /// It plays (again): what was before is no silence of its.
    pub(super) const fn begin(&mut self, now: Instant) {
        self.last_sign = now;
        self.last_heard = now;
        self.bytes.0 = 0;
        self.flow = None;
    }

    /// Something came that shows that it lives.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// A receiver report or a request came.
    pub(super) fn sign(&mut self, now: Instant) {
        self.heard(now);
        self.signs = self.signs.saturating_add(1);
        self.largest_gap = self.largest_gap.max(now.saturating_duration_since(self.last_sign));
        self.bytes = (0, self.bytes.1.max(self.bytes.0));
        self.last_sign = now;
    }

    /// Packets were sent to it.
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        self.bytes.0 = self.bytes.0.saturating_add(bytes as u64);
        match &mut self.flow {
            Some(flow) if now.saturating_duration_since(flow.last) <= FLOW_GAP => flow.last = now,
            flow => *flow = Some(Flow { since: now, last: now }),
        }
    }

    /// When it has been silent for too long; `None` if it is not judged.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.judged().map(|(since, limit)| since + limit)
    }

    /// How long it may be silent, if it was for longer.
    pub(super) fn is_silent(&mut self, now: Instant) -> Option<Duration> {
        let (since, limit) = self.judged()?;
        if now < since + limit {
            return None;
        }
        if self.flow.is_some_and(|f| now.saturating_duration_since(f.last) > FLOW_GAP) {
            // Nothing was sent that it could have answered.
            self.flow = None;
            return None;
        }
        Some(limit)
    }

    fn judged(&self) -> Option<(Instant, Duration)> {
        let flow = self.flow.filter(|_| self.signs > 0)?;
        let (shortest, longest) = self.range;
        let (bytes, most_bytes) = self.bytes;
        // 2.5 times its custom, in time and in bytes.
        let enough_bytes = bytes.saturating_mul(2) >= most_bytes.saturating_mul(5);
        let limit = if self.signs < KNOWN || !enough_bytes {
            longest
        } else {
            (self.largest_gap * 5 / 2).clamp(shortest.min(longest), longest)
        };
        Some((flow.since.max(self.last_heard), limit))
    }
}
