//! Is the viewer still there? (fast-release 4.1 to 4.5)
//!
//! A pure machine, one per session: authenticated packets, answered probes,
//! hints, proofs and time go in; probes, the hold on the camera and the end come
//! out of [`Machine::poll`]. Two ends are kept apart: *the camera is let go*
//! (parked) and *the session is dead* (gone). A wrong guess then costs a restart
//! of the camera, not a disconnect.
//!
//! | state | media | camera | left by |
//! |---|---|---|---|
//! | connecting | - | held from the offer, or from the first check | connected; deadlines |
//! | alive | on | held | proof; strong hint or silence: suspect |
//! | suspect | on for 200 ms | held | answers: alive; silence: parked; proof |
//! | parked | off | let go | any authenticated packet: alive; silence: gone |
//! | gone | - | let go | - |
//!
//! Proofs end a session at once. A strong hint opens a short window in which a
//! probe must be answered. Plain silence only parks. Forged hints cost a burst
//! of probes at most: their source is muted when the viewer answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

mod guards;
mod hints;
mod network;
mod probes;
mod reason;
mod report;
mod silence;
mod states;
mod timeline;
mod timers;

#[cfg(test)]
mod tests;

pub use reason::{Hint, Proof, Reason};
pub use report::{Counts, Report};
pub use timeline::Mark;
pub use timers::{Field, Profile, SetError, Timers};

use guards::LATE;
use hints::{Mutes, Window};
use network::{Gaps, Probes};
use timeline::Timeline;

/// What was heard; all of it is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A connectivity check of the viewer (STUN with our password).
    Check,
    /// SRTP or SRTCP.
    Media,
    /// A data channel's packet (SCTP in DTLS): it comes from the viewer's
    /// browser, whether its page still plays or not.
    Data,
}

/// What to do. Comes from [`Machine::poll`] until it gives `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a probe and report it with [`Machine::probe_sent`].
    Probe,
    /// Take the camera again.
    Hold,
    /// Let go of the camera.
    Release(Reason),
    /// The viewer missed pictures: begin with a keyframe.
    Keyframe,
    /// The end. Nothing comes after it.
    Close(Reason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Alive,
    Suspect,
    /// The camera is let go.
    Parked {
        since: Instant,
        cause: Cause,
    },
    Gone,
}

/// Why a session is parked, which says how it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// It was not heard: any packet brings it back.
    Silence,
    /// Its page is hidden: only the player's word does.
    Asked,
    /// Somebody else waited for the camera.
    Contended,
}

/// The machine of one session.
#[derive(Clone, Debug)]
pub struct Machine {
    timers: Timers,
    state: State,
    created: Instant,
    connected: Option<Instant>,
    reached: bool,
    held: bool,
    /// When something authenticated was heard, or the session began.
    heard: Instant,
    media_heard: Option<Instant>,
    /// Lateness of this process, to be added to the deadlines of silence.
    excused: Duration,
    /// Until then the way out of this server is doubted.
    doubted: Option<Instant>,
    /// Silences, whatever their cause: the limit for silence follows them.
    gaps: Gaps,
    /// Of them, how long something of ours went unanswered: a hint is judged by
    /// these. A viewer that is sent nothing, as its camera pauses, has nothing to say.
    unheard: Gaps,
    /// The first packet since the last sign of life that calls for an answer.
    asked: Option<Instant>,
    probes: Probes,
    outstanding: VecDeque<(u32, Instant)>,
    next_serial: u32,
    last_probe: Option<Instant>,
    /// Since the suspicion began: when, answered probes, other packets, probes sent.
    suspected: Instant,
    answers: u32,
    packets: u32,
    unanswered: u32,
    missed_media: bool,
    window: Option<Window>,
    mutes: Mutes,
    /// Verified ICMP messages since the last packet.
    rejections: u32,
    /// When its WebSocket ended, if that was not pardoned.
    websocket_lost: Option<Instant>,
    /// The end of a parked session whose port is closed.
    unreachable: Option<Instant>,
    /// When somebody was last said to wait for the camera.
    wanted: Option<Instant>,
    /// The page was hidden before it was connected.
    hidden: bool,
    /// When something came that cannot be a recording of an earlier packet.
    fresh: Instant,
    stalled: bool,
    /// When the next wake-up was promised.
    promised: Option<Instant>,
    outputs: VecDeque<Output>,
    reason: Option<Reason>,
    counts: Counts,
    timeline: Timeline,
}

impl Machine {
    /// A session that was answered now. `held`: its camera is held already.
    pub fn new(timers: Timers, held: bool, now: Instant) -> Self {
        Self {
            timers,
            state: State::Connecting,
            created: now,
            connected: None,
            reached: false,
            held,
            heard: now,
            media_heard: None,
            excused: Duration::ZERO,
            doubted: None,
            gaps: Gaps::default(),
            unheard: Gaps::default(),
            asked: None,
            probes: Probes::default(),
            outstanding: VecDeque::new(),
            next_serial: 0,
            last_probe: None,
            suspected: now,
            answers: 0,
            packets: 0,
            unanswered: 0,
            missed_media: false,
            window: None,
            mutes: Mutes::default(),
            rejections: 0,
            websocket_lost: None,
            unreachable: None,
            wanted: None,
            hidden: false,
            fresh: now,
            stalled: false,
            promised: None,
            outputs: VecDeque::new(),
            reason: None,
            counts: Counts::default(),
            timeline: Timeline::new(now),
        }
    }

    /// ICE and DTLS are up, over `udp` or `tcp` (empty if that is not known).
    pub fn connected(&mut self, over: &'static str, now: Instant) {
        if self.state != State::Connecting {
            return;
        }
        self.connected = Some(now);
        self.heard = self.heard.max(now);
        self.timeline.mark("connected", over, now);
        if std::mem::take(&mut self.hidden) {
            self.state = State::Parked { since: now, cause: Cause::Asked };
            self.release(Reason::Hidden, now);
        } else {
            self.state = State::Alive;
            self.hold(now);
        }
    }

    /// Something authenticated came from the viewer.
    pub fn heard(&mut self, what: Heard, now: Instant) {
        if self.state == State::Gone {
            return;
        }
        if !self.reached {
            self.reached = true;
            self.timeline.mark("reached", "", now);
        }
        if what == Heard::Check && self.connected.is_some() {
            // Anybody who recorded a check can send it again: it asks for an
            // answer that only the viewer has.
            if self.state != State::Alive {
                if !self.outputs.contains(&Output::Probe) && self.may_probe(now) {
                    self.outputs.push_back(Output::Probe);
                }
                return;
            }
            if now > self.fresh + self.timers.silence_max {
                return;
            }
        } else {
            self.fresh = now;
        }
        self.alive_sign(now);
        if what == Heard::Media {
            self.media_heard = Some(now);
            if std::mem::take(&mut self.stalled) {
                self.timeline.mark("viewer_goes_on", "", now);
            }
        }
        match self.state {
            State::Connecting if !self.hidden => self.hold(now),
            State::Suspect => {
                self.packets += 1;
                self.acquit(now);
            }
            State::Parked { cause, .. } => self.come_back(cause, now),
            _ => {}
        }
    }

    /// The viewer is gone for certain: the session ends.
    pub fn proof(&mut self, proof: Proof, now: Instant) {
        self.gone(proof, now);
    }

    /// Tells the time. Call it at [`Self::deadline`].
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some(promised) = self.promised.take()
            && let Some(late) = now.checked_duration_since(promised).filter(|late| *late > LATE)
        {
            self.late(late, now);
        }
        self.forget_probes(now);
        match self.state {
            State::Connecting => self.judge_connecting(now),
            State::Alive => {
                self.watch_media(now);
                if now >= self.silence_deadline(self.suspect_limit()) {
                    self.suspect(now);
                    self.judge_suspect(now);
                }
            }
            State::Suspect => self.judge_suspect(now),
            State::Parked { since, .. } => self.judge_parked(since, now),
            State::Gone => {}
        }
        if self.probe_due().is_some_and(|due| due <= now) && !self.outputs.contains(&Output::Probe)
        {
            self.outputs.push_back(Output::Probe);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called.
    pub fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let own = match self.state {
            State::Connecting => Some(self.connect_deadline()),
            State::Alive => Some(self.silence_deadline(self.suspect_limit())),
            State::Suspect => Some(self.suspect_deadline(now)),
            State::Parked { since, .. } => Some(self.parked_deadline(since, now)),
            State::Gone => None,
        };
        let next = match (own, self.probe_due()) {
            (Some(own), Some(probe)) => Some(own.min(probe)),
            (own, probe) => own.or(probe),
        };
        self.promised = next.map(|next| next.max(now));
        next
    }

    /// Whether media is to be sent.
    pub fn sends_media(&self, now: Instant) -> bool {
        match self.state {
            State::Alive => true,
            State::Suspect => now < self.media_until(),
            _ => false,
        }
    }

    /// Tells that media went out, which the viewer's feedback answers.
    pub const fn media_sent(&mut self, now: Instant) {
        if self.asked.is_none() {
            self.asked = Some(now);
        }
    }

    /// Tells that media was held back.
    pub const fn media_missed(&mut self) {
        self.missed_media = true;
    }

    fn hold(&mut self, now: Instant) {
        if !self.held && self.state != State::Gone {
            self.held = true;
            self.reason = None;
            self.timeline.mark("camera_taken", "", now);
            self.outputs.push_back(Output::Hold);
        }
    }

    fn release(&mut self, reason: Reason, now: Instant) {
        self.reason = Some(reason);
        if std::mem::take(&mut self.held) {
            self.timeline.mark("camera_released", reason.code(), now);
            self.outputs.push_back(Output::Release(reason));
        }
    }

    fn gone(&mut self, reason: Reason, now: Instant) {
        if self.state == State::Gone {
            return;
        }
        self.outputs.retain(|o| matches!(o, Output::Hold | Output::Release(_)));
        self.release(reason, now);
        self.reason = Some(reason);
        self.state = State::Gone;
        self.timeline.mark("gone", reason.code(), now);
        self.outputs.push_back(Output::Close(reason));
    }
}
