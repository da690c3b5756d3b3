//! The window of strong hints and the muting of sources that cry wolf.

use std::time::{Duration, Instant};

use super::Hint;

/// A source is not muted earlier after its hint: a browser's WebSocket ends up
/// to 370 ms before its goodbye.
const MUTE_AFTER: Duration = Duration::from_millis(500);
/// First mute; doubles.
const MUTE: Duration = Duration::from_secs(2);
/// Longest mute.
const MUTE_MAX: Duration = Duration::from_secs(60);

/// A window in which a viewer has to answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The strong hint that opened it.
    pub(super) hint: Hint,
    pub(super) opened: Instant,
    /// When it is judged first.
    pub(super) until: Instant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Mute {
    from: Option<Instant>,
    until: Option<Instant>,
    next: Duration,
}

/// Which sources are muted.
#[derive(Clone, Debug, Default)]
pub(super) struct Mutes([Mute; Hint::ALL.len()]);

impl Mutes {
    pub(super) fn is_muted(&self, hint: Hint, now: Instant) -> bool {
        let mute = &self.0[hint.index()];
        mute.from.is_some_and(|from| from <= now) && mute.until.is_some_and(|until| now < until)
    }

    /// A weak hint was heeded; the next ones have to wait.
    pub(super) fn heeded(&mut self, hint: Hint, now: Instant) {
        let mute = &mut self.0[hint.index()];
        (mute.from, mute.until) = (Some(now), Some(now + MUTE));
    }

    /// The viewer answered although this source said that it is gone.
    pub(super) fn pardon(&mut self, hint: Hint, hinted: Instant, now: Instant) {
        let mute = &mut self.0[hint.index()];
        if mute.until.is_some_and(|until| now < until) {
            // It begins soon, or has begun while the window was open.
            return;
        }
        let from = now.max(hinted + MUTE_AFTER);
        let length = if mute.next.is_zero() { MUTE } else { mute.next };
        *mute =
            Mute { from: Some(from), until: Some(from + length), next: (length * 2).min(MUTE_MAX) };
    }
}
