//! The rules of the floor, without a clock: who may speak into the loudspeaker of a
//! camera, and until when.
//!
//! There is one speaker at a time. Who *asks* is given the floor if nobody who asked
//! has it, and keeps it until he gives it back, is silent for [`SILENCE`], has had it
//! for [`LONGEST`] or goes; after that he is not heard before he asks again. Who never
//! asks is heard whenever nobody who asked has the floor: he takes it by speaking and
//! has lost it after a [`PAUSE`]. Between two of those the first one is heard, and
//! after [`LONGEST`] the other one gets a turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Longest time that somebody who asked may speak.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
/// Silence after which somebody who asked has lost the floor.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// Silence after which somebody who never asked has lost it.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Who asked, by the number of his asking.
    Asked(u64),
    /// A viewer that speaks without asking, by its id.
    Unasked(u64),
}

impl Speaker {
    const fn number(self) -> u64 {
        match self {
            Self::Asked(number) | Self::Unasked(number) => number,
        }
    }
}

/// Who has the floor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talking {
    /// The number of his asking, or the id of the viewer that did not ask.
    pub number: u64,
    /// His name for others.
    pub by: String,
    /// He asked: others wait. Else they may take it from him.
    pub asked: bool,
    /// Since when.
    pub since: Instant,
}

/// Why somebody has lost the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// He gave it back.
    Released,
    /// His connection has ended.
    Left,
    /// Nothing was heard of him.
    Silence,
    /// He has had it for [`LONGEST`].
    Limit,
    /// He had not asked, and somebody else did or had a turn.
    Taken,
}

impl Lost {
    /// The reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Left => "left",
            Self::Silence => "silence",
            Self::Limit => "limit",
            Self::Taken => "taken",
        }
    }
}

/// What others are to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Began(Talking),
    Ended(Talking, Lost),
}

struct Holder {
    speaker: Speaker,
    talking: Talking,
    /// The viewer that brings his sound, once that is known.
    viewer: Option<u64>,
    /// When his last packet came, and the last one with something to hear.
    packet: Instant,
    sound: Option<Instant>,
    /// Others know.
    told: bool,
}

impl Holder {
    fn is_asked(&self) -> bool {
        self.talking.asked
    }

    fn quiet_since(&self) -> Instant {
        self.sound.unwrap_or(self.talking.since)
    }

    /// Whether somebody else who did not ask may have it now.
    fn gives_way(&self, sound: bool, now: Instant) -> bool {
        let is_quiet = self.sound.is_none_or(|at| at + PAUSE <= now);
        let is_over = is_quiet || self.talking.since + LONGEST <= now;
        self.packet + PAUSE <= now || sound && is_over
    }

    /// When it is over by itself, and why. Whoever has said nothing yet and did not
    /// ask is in nobody's way.
    fn end(&self) -> Option<(Instant, Lost)> {
        let quiet = self.quiet_since();
        match (self.is_asked(), self.told) {
            (true, _) => {
                let limit = (self.talking.since + LONGEST, Lost::Limit);
                let silence = (quiet + SILENCE, Lost::Silence);
                Some(if limit.0 <= silence.0 { limit } else { silence })
            }
            (false, true) => Some((quiet + PAUSE, Lost::Silence)),
            (false, false) => None,
        }
    }
}

/// The floor of one stream.
#[derive(Default)]
pub(super) struct Order {
    holder: Option<Holder>,
    changes: VecDeque<Change>,
}

impl Order {
    /// Somebody asks; again while he has it changes nothing. Gives since when he has it.
    ///
    /// # Errors
    /// Who has it.
    pub(super) fn ask(&mut self, number: u64, by: &str, now: Instant) -> Result<Instant, Talking> {
        self.handle_timeout(now);
        match &self.holder {
            Some(holder) if holder.speaker == Speaker::Asked(number) => {
                return Ok(holder.talking.since);
            }
            Some(holder) if holder.is_asked() => return Err(holder.talking.clone()),
            _ => self.end(Lost::Taken),
        }
        self.begin(Speaker::Asked(number), by.to_owned(), None, now);
        self.tell();
        Ok(now)
    }

    /// Whoever asked gives it back.
    pub(super) fn release(&mut self, number: u64) {
        if self.has(Speaker::Asked(number)) {
            self.end(Lost::Released);
        }
    }

    /// The sound of whoever asked comes from this viewer.
    pub(super) fn bind(&mut self, number: u64, viewer: u64) {
        if let Some(holder) = self.holder.as_mut().filter(|h| h.speaker == Speaker::Asked(number)) {
            holder.viewer = Some(viewer);
        }
    }

    /// A viewer's microphone is gone.
    pub(super) fn leave(&mut self, viewer: u64) {
        if self.holder.as_ref().is_some_and(|holder| holder.viewer == Some(viewer)) {
            self.end(Lost::Left);
        }
    }

    /// A packet of a viewer: whether it may pass. `sound`: there is something to hear
    /// in it. `by` names one that did not ask.
    pub(super) fn handle_packet(
        &mut self,
        speaker: Speaker,
        viewer: u64,
        by: impl FnOnce() -> String,
        sound: bool,
        now: Instant,
    ) -> bool {
        self.handle_timeout(now);
        if !self.has(speaker) {
            let may_take = match (&self.holder, speaker) {
                // Who has asked once has to ask again.
                (_, Speaker::Asked(_)) => false,
                (None, Speaker::Unasked(_)) => true,
                (Some(holder), Speaker::Unasked(_)) => {
                    !holder.is_asked() && holder.gives_way(sound, now)
                }
            };
            if !may_take {
                return false;
            }
            self.end(Lost::Taken);
            self.begin(speaker, by(), Some(viewer), now);
        }
        if let Some(holder) = &mut self.holder {
            holder.packet = now;
            holder.viewer = Some(viewer);
            if sound {
                holder.sound = Some(now);
                self.tell();
            }
        }
        true
    }

    /// Takes the floor from whoever has lost it by now.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let end = self.holder.as_ref().and_then(Holder::end);
        if let Some((_, lost)) = end.filter(|(at, _)| *at <= now) {
            self.end(lost);
        }
    }

    /// When [`Self::handle_timeout`] is to be called. Sound puts it off.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.holder.as_ref().and_then(Holder::end).map(|(at, _)| at)
    }

    /// Who speaks, as far as others know.
    pub(super) fn talking(&self) -> Option<&Talking> {
        self.holder.as_ref().filter(|holder| holder.told).map(|holder| &holder.talking)
    }

    /// The next thing to tell.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    fn has(&self, speaker: Speaker) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.speaker == speaker)
    }

    fn begin(&mut self, speaker: Speaker, by: String, viewer: Option<u64>, now: Instant) {
        let asked = matches!(speaker, Speaker::Asked(_));
        let talking = Talking { number: speaker.number(), by, asked, since: now };
        self.holder =
            Some(Holder { speaker, talking, viewer, packet: now, sound: None, told: false });
    }

    fn tell(&mut self) {
        if let Some(holder) = self.holder.as_mut().filter(|holder| !holder.told) {
            holder.told = true;
            self.changes.push_back(Change::Began(holder.talking.clone()));
        }
    }

    fn end(&mut self, lost: Lost) {
        if let Some(holder) = self.holder.take().filter(|holder| holder.told) {
            self.changes.push_back(Change::Ended(holder.talking, lost));
        }
    }
}

#[cfg(test)]
mod tests;
