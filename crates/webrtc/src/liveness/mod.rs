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

mod hints;
mod network;
mod reason;
mod timeline;
mod timers;

#[cfg(test)]
mod tests;

pub use reason::{Hint, Proof, Reason};
pub use timeline::Mark;
pub use timers::{Field, Profile, SetError, Timers};

use hints::{Mutes, Window};
use network::{Gaps, Probes};
use timeline::Timeline;

/// Media goes on for so long after the suspicion: it draws ICMP.
const MEDIA_GRACE: Duration = Duration::from_millis(200);
/// A probe sent earlier after a hint proves nothing: a browser's WebSocket dies
/// before its media socket.
const PARDON_AFTER: Duration = Duration::from_millis(100);
/// The silence limit is at its ceiling for so long after the connection.
const SETTLING: Duration = Duration::from_secs(1);
/// Distance of the first probes, until the network is known well enough to
/// judge a hint by few of them.
const LEARNING: Duration = Duration::from_millis(100);
/// The process was not scheduled if a wake-up is later than this.
const LATE: Duration = Duration::from_millis(100);
/// Without SRTCP for so long, although probes are answered and media flows.
const STALLED: Duration = Duration::from_secs(10);
/// The end of a WebSocket says something about what else happens within this.
/// Later it is old news: many players close theirs as soon as they play.
const WEBSOCKET_NEWS: Duration = Duration::from_secs(5);
/// A wish for the camera is forgotten unless it is repeated.
const WANTED: Duration = Duration::from_millis(500);
/// Probes whose answer is awaited.
const MAX_OUTSTANDING: usize = 64;
/// A probe without an answer counts as lost after this, or the round trip time.
const PROBE_LOST: Duration = Duration::from_secs(1);

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

/// What is counted, for metrics; see [`Machine::take_counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Probes sent.
    pub probes: u64,
    /// Probes answered.
    pub answers: u64,
    /// Cameras let go because of silence or a hint.
    pub parks: u64,
    /// Of them, viewers that came back.
    pub resumes: u64,
    /// Wake-ups that came more than 100 ms late.
    pub late: u64,
    /// Hints by [`Hint::index`] that were confirmed.
    pub confirmed: [u64; Hint::ALL.len()],
    /// Hints by [`Hint::index`] that were not.
    pub pardoned: [u64; Hint::ALL.len()],
}

/// The state, for people.
#[derive(Clone, Debug)]
pub struct Report {
    /// `connecting`, `alive`, `suspect`, `parked` or `gone`.
    pub state: &'static str,
    /// Name of the profile.
    pub profile: &'static str,
    /// Since anything authenticated was heard.
    pub silent: Duration,
    /// The silence that lets go of the camera, as it is now.
    pub limit: Duration,
    /// Share of probes that were not answered.
    pub loss: f64,
    /// Smoothed round trip time.
    pub rtt: Option<Duration>,
    /// Cameras that would be let go wrongly in an hour on this network.
    pub expected_wrong_parks: f64,
    /// Why it ended or was parked.
    pub reason: Option<Reason>,
    /// What happened.
    pub timeline: Vec<Mark>,
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

    /// ICE and DTLS are up.
    pub fn connected(&mut self, now: Instant) {
        if self.state != State::Connecting {
            return;
        }
        self.connected = Some(now);
        self.heard = self.heard.max(now);
        self.timeline.mark("connected", "", now);
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

    /// This process was not scheduled for so long: silence is not the viewer's.
    pub fn late(&mut self, by: Duration, now: Instant) {
        if self.state == State::Gone {
            return;
        }
        self.promised = None;
        self.counts.late += 1;
        self.excused += by;
        if let Some(window) = &mut self.window {
            window.until += by;
        }
        self.timeline.mark("server_late", format!("{} ms", by.as_millis()), now);
    }

    /// A probe went out; gives its number. Call it for every [`Output::Probe`].
    pub fn probe_sent(&mut self, now: Instant) -> u32 {
        let serial = self.next_serial;
        self.next_serial = self.next_serial.wrapping_add(1);
        if self.outstanding.len() >= MAX_OUTSTANDING {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((serial, now));
        self.last_probe = Some(now);
        self.asked.get_or_insert(now);
        self.counts.probes += 1;
        if self.state == State::Suspect {
            self.unanswered += 1;
        }
        serial
    }

    /// The verified answer to a probe came.
    pub fn probe_answered(&mut self, serial: u32, now: Instant) {
        let Some(position) = self.outstanding.iter().position(|(s, _)| *s == serial) else {
            return;
        };
        let Some((_, sent)) = self.outstanding.remove(position) else { return };
        if self.state == State::Gone {
            return;
        }
        self.counts.answers += 1;
        self.fresh = now;
        self.probes.answered(now.saturating_duration_since(sent));
        self.alive_sign(now);
        self.unanswered = 0;
        if let Some(window) = self.window
            && sent >= window.opened + PARDON_AFTER
        {
            self.pardon(window, now);
        }
        match self.state {
            State::Suspect => {
                self.answers += 1;
                self.acquit(now);
            }
            State::Parked { cause, .. } => self.come_back(cause, now),
            _ => {}
        }
    }

    /// A sign that the viewer may be gone.
    pub fn hint(&mut self, hint: Hint, now: Instant) {
        if hint.is_websocket() {
            self.websocket_lost = Some(now);
        }
        match self.state {
            State::Gone => return,
            State::Connecting => {
                if hint.is_websocket() && !self.reached {
                    self.timeline.mark("hint", hint.name(), now);
                    self.release(Reason::SignallingLost, now);
                }
                return;
            }
            _ => {}
        }
        if self.mutes.is_muted(hint, now) {
            return;
        }
        if self.window.is_none_or(|window| window.hint != hint) {
            self.timeline.mark("hint", hint.name(), now);
        }
        if hint == Hint::Icmp {
            self.rejections += 1;
            if self.rejections >= 2 {
                self.unreachable(now);
                return;
            }
        }
        if matches!(self.state, State::Parked { .. }) {
            return;
        }
        if self.agrees(hint) {
            // Two ways of knowing, and no packet since.
            self.counts.confirmed[hint.index()] += 1;
            self.window = None;
            self.park_for(Reason::IcmpVerified, now);
            return;
        }
        if !hint.is_strong() {
            self.mutes.heeded(hint, now);
            self.outputs.push_back(Output::Probe);
            return;
        }
        if self.state == State::Alive {
            self.suspect(now);
        }
        if self.window.is_none() {
            let until = now + self.hint_window(now);
            self.window = Some(Window { hint, opened: now, until });
            self.outputs.push_back(Output::Probe);
        }
    }

    /// A verified ICMP message and the end of the WebSocket in one window.
    fn agrees(&self, hint: Hint) -> bool {
        let Some(window) = self.window else { return false };
        let pair = (hint == Hint::Icmp && window.hint.is_websocket())
            || (hint.is_websocket() && window.hint == Hint::Icmp);
        pair && self.rejections > 0
    }

    /// The viewer is gone for certain: the session ends.
    pub fn proof(&mut self, proof: Proof, now: Instant) {
        self.gone(proof, now);
    }

    /// The player's page is hidden: let go of the camera, keep the session.
    pub fn park(&mut self, now: Instant) {
        match self.state {
            State::Alive | State::Suspect => {
                self.window = None;
                self.state = State::Parked { since: now, cause: Cause::Asked };
                self.release(Reason::Hidden, now);
            }
            State::Parked { since, .. } => {
                self.state = State::Parked { since, cause: Cause::Asked };
            }
            State::Connecting => {
                self.hidden = true;
                self.release(Reason::Hidden, now);
            }
            State::Gone => {}
        }
    }

    /// The player's page is visible again.
    pub fn resume(&mut self, now: Instant) {
        if std::mem::take(&mut self.hidden) && self.state == State::Connecting {
            self.hold(now);
        }
        if let State::Parked { cause: Cause::Asked, .. } = self.state {
            self.alive_sign(now);
            self.resume_now(now);
        }
    }

    /// Somebody waits for a camera that this viewer holds.
    pub fn contended(&mut self, now: Instant) {
        self.wanted = Some(now);
        self.yield_to_others(now);
    }

    /// Half of all viewers fell silent at once: our own way out is doubted, and
    /// silence is judged with the longest limit until then.
    pub fn doubt_uplink(&mut self, until: Instant, now: Instant) {
        if self.doubted.is_none_or(|known| known < now) {
            self.timeline.mark("uplink_doubted", "", now);
        }
        self.doubted = Some(until);
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

    /// Whether the camera is held.
    pub const fn is_holding(&self) -> bool {
        self.held
    }

    /// Whether anything authenticated was heard.
    pub const fn is_reached(&self) -> bool {
        self.reached
    }

    /// Whether the viewer's port is closed, as far as is known.
    pub const fn is_refused(&self) -> bool {
        self.unreachable.is_some()
    }

    /// When something authenticated was heard; the beginning before that.
    pub const fn last_heard(&self) -> Instant {
        self.heard
    }

    /// When the suspicion began, if silence is the cause and it still stands.
    pub fn silent_since(&self) -> Option<Instant> {
        (self.state == State::Suspect && self.window.is_none()).then_some(self.suspected)
    }

    /// Whether it sends and hears; false while it connects and after its end.
    pub const fn is_established(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect | State::Parked { .. })
    }

    /// Counts since the last call.
    pub fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// The times it runs with.
    pub const fn timers(&self) -> &Timers {
        &self.timers
    }

    /// Adds a mark of the session to the timeline.
    pub fn mark(&mut self, name: &'static str, detail: impl Into<String>, now: Instant) {
        self.timeline.mark(name, detail, now);
    }

    /// The state, for people.
    pub fn report(&mut self, now: Instant) -> Report {
        let limit = self.limit(now);
        let over = now.saturating_duration_since(self.connected.unwrap_or(now));
        Report {
            state: match self.state {
                State::Connecting => "connecting",
                State::Alive => "alive",
                State::Suspect => "suspect",
                State::Parked { .. } => "parked",
                State::Gone => "gone",
            },
            profile: self.timers.profile.name(),
            silent: now.saturating_duration_since(self.heard),
            limit,
            loss: self.probes.loss(),
            rtt: self.probes.srtt(),
            expected_wrong_parks: self.gaps.expected_per_hour(limit, over),
            reason: self.reason,
            timeline: self.timeline.marks(),
        }
    }

    /// A packet came: the silence is over.
    fn alive_sign(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.heard).saturating_sub(self.excused);
        // A viewer that is sent nothing has little to say: what lies between its
        // words then is the distance of our own probes.
        let quiet = matches!(self.state, State::Parked { cause, .. } if cause != Cause::Silence);
        if self.connected.is_some() && !quiet {
            self.gaps.add(gap, now);
            let asked = self.asked.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
            self.unheard.add(gap.min(asked), now);
        }
        self.asked = None;
        self.excused = Duration::ZERO;
        self.heard = self.heard.max(now);
        self.rejections = 0;
        self.unreachable = None;
    }

    /// The silence that lets go of the camera.
    fn limit(&mut self, now: Instant) -> Duration {
        let Timers { silence_min, silence_max, suspect, .. } = self.timers;
        let settling = self.connected.is_none_or(|at| now < at + SETTLING);
        if settling || self.doubted.is_some_and(|until| now < until) {
            return silence_max;
        }
        let longest = self.gaps.longest(now);
        let adapted = if longest > suspect / 2 { 3 * longest } else { Duration::ZERO };
        let path = self.suspect_limit() + 2 * self.timers.probe_suspect + self.probes.timeout();
        adapted.max(path).clamp(silence_min, silence_max)
    }

    /// The silence that makes suspicious: on a long way it takes a round trip more.
    fn suspect_limit(&self) -> Duration {
        let path = self.timers.probe_idle + self.probes.timeout() + self.timers.probe_suspect;
        self.timers.suspect.max(path).min(self.timers.silence_max)
    }

    fn silence_deadline(&self, limit: Duration) -> Instant {
        self.heard + limit + self.excused
    }

    fn media_until(&self) -> Instant {
        match self.window {
            Some(window) => window.until.max(self.suspected + MEDIA_GRACE),
            None => self.suspected + MEDIA_GRACE,
        }
    }

    /// How long a viewer may be silent after a hint: enough probes for the loss
    /// that was measured, longer than the gaps that this network has anyway, and
    /// a round trip more.
    fn hint_window(&mut self, now: Instant) -> Duration {
        let Timers { hint_window, hint_spacing, hint_probes, silence_min, .. } = self.timers;
        let longest = self.unheard.longest(now);
        // Without its packets a gap is only the distance of our own probes.
        let flows = self.media_heard.is_some_and(|at| now < at + SETTLING);
        let counts = flows && longest > hint_window / 2;
        let usual = if counts { longest * 3 / 2 } else { Duration::ZERO };
        let hint_window = hint_window.max(usual.min(silence_min));
        let probes = self.probes.needed().max(hint_probes);
        let path = self.probes.timeout() + hint_spacing;
        hint_window.max(hint_spacing * probes).max(PARDON_AFTER + path) + path
    }

    fn probe_due(&self) -> Option<Instant> {
        let Timers { probe_idle, probe_active, probe_suspect, probe_parked, hint_spacing, .. } =
            self.timers;
        let spacing = match self.state {
            State::Connecting | State::Gone => return None,
            // It would come from another address; and its host has only so many
            // ICMP messages for us, which others may need.
            State::Parked { .. } if self.unreachable.is_some() => return None,
            State::Alive => {
                let last = self.last_probe.unwrap_or(self.created);
                if !self.probes.is_known() {
                    return Some(last + LEARNING.min(probe_idle));
                }
                let silent = self.heard.max(last) + probe_idle;
                return Some(silent.min(last + probe_active));
            }
            State::Suspect if self.window.is_some() => hint_spacing,
            State::Suspect => probe_suspect,
            State::Parked { .. } => probe_parked,
        };
        Some(self.last_probe.unwrap_or(self.created) + spacing)
    }

    /// Probes that others can cause are limited.
    fn may_probe(&self, now: Instant) -> bool {
        self.last_probe.is_none_or(|last| now >= last + self.timers.probe_suspect)
    }

    fn forget_probes(&mut self, now: Instant) {
        let patience = self.probes.timeout().max(PROBE_LOST);
        // While nothing at all comes back the network is not measured.
        let measures = self.state == State::Alive;
        while let Some((_, sent)) = self.outstanding.front() {
            if now.saturating_duration_since(*sent) < patience {
                break;
            }
            self.outstanding.pop_front();
            if measures {
                self.probes.lost();
            }
        }
    }

    fn watch_media(&mut self, now: Instant) {
        let last = self.media_heard.or(self.connected).unwrap_or(now);
        if !self.stalled && self.media_heard.is_some() && now >= last + STALLED {
            self.stalled = true;
            self.timeline.mark("viewer_stalled", "answers, but its page does not play", now);
            self.yield_to_others(now);
        }
    }

    fn suspect(&mut self, now: Instant) {
        self.state = State::Suspect;
        self.suspected = now;
        (self.answers, self.packets, self.unanswered) = (0, 0, 0);
        self.timeline.mark("suspect", "", now);
    }

    /// Enough was heard to trust the viewer again?
    fn acquit(&mut self, now: Instant) {
        let enough =
            self.answers >= 2 || (self.answers >= 1 && self.packets >= 1) || self.packets >= 4;
        if self.window.is_some() || !enough {
            return;
        }
        self.state = State::Alive;
        self.timeline.mark("alive", "", now);
        if std::mem::take(&mut self.missed_media) {
            self.outputs.push_back(Output::Keyframe);
        }
    }

    fn pardon(&mut self, window: Window, now: Instant) {
        self.window = None;
        self.websocket_lost = self.websocket_lost.filter(|_| !window.hint.is_websocket());
        self.counts.pardoned[window.hint.index()] += 1;
        self.mutes.pardon(window.hint, window.opened, now);
        self.timeline.mark("pardoned", window.hint.name(), now);
    }

    fn suspect_deadline(&mut self, now: Instant) -> Instant {
        let limit = self.limit(now);
        let park = self.silence_deadline(limit);
        match self.window {
            Some(window) if window.until > now => park.min(window.until),
            Some(_) => {
                let needed = self.hint_window(now);
                park.min(self.silence_deadline(needed))
            }
            None => park,
        }
    }

    fn judge_suspect(&mut self, now: Instant) {
        if let Some(window) = self.window
            && now >= window.until
        {
            let needed = self.hint_window(now);
            let flight = PARDON_AFTER + self.probes.timeout();
            if self.heard >= window.opened + flight.max(needed / 2) {
                // Its own packets go on, even if it does not answer.
                self.pardon(window, now);
                self.acquit(now);
            } else if now >= self.silence_deadline(needed) {
                self.counts.confirmed[window.hint.index()] += 1;
                self.window = None;
                let both = self.lost_websocket_lately(now) && self.rejections > 0;
                let reason = window.hint.reason();
                if both {
                    self.gone(reason, now);
                } else {
                    self.park_for(reason, now);
                }
                return;
            }
        }
        let limit = self.limit(now);
        if now >= self.silence_deadline(limit) {
            self.window = None;
            self.park_for(Reason::Silence, now);
            return;
        }
        self.yield_to_others(now);
    }

    /// Lets go of the camera because of a suspicion.
    fn park_for(&mut self, reason: Reason, now: Instant) {
        let contended = reason == Reason::Contended;
        let cause = if contended { Cause::Contended } else { Cause::Silence };
        self.counts.parks += u64::from(!contended);
        self.state = State::Parked { since: now, cause };
        self.release(reason, now);
    }

    /// The viewer's port is closed.
    fn unreachable(&mut self, now: Instant) {
        self.counts.confirmed[Hint::Icmp.index()] += 1;
        self.window = None;
        self.unreachable = Some(now + self.timers.unreachable);
        if self.lost_websocket_lately(now) {
            self.gone(Reason::IcmpVerified, now);
        } else if !matches!(self.state, State::Parked { .. }) {
            self.park_for(Reason::IcmpVerified, now);
        }
    }

    fn lost_websocket_lately(&self, now: Instant) -> bool {
        self.websocket_lost.is_some_and(|at| now.saturating_duration_since(at) < WEBSOCKET_NEWS)
    }

    fn parked_deadline(&mut self, since: Instant, now: Instant) -> Instant {
        let silence = self.limit(now) + self.timers.parked;
        let silent = self.silence_deadline(silence).max(since + self.timers.parked);
        self.unreachable.map_or(silent, |at| at.min(silent))
    }

    fn judge_parked(&mut self, since: Instant, now: Instant) {
        if now >= self.parked_deadline(since, now) {
            let reason = match self.reason {
                _ if self.unreachable.is_some_and(|at| at <= now) => Reason::IcmpVerified,
                None | Some(Reason::Hidden | Reason::Contended) => Reason::Silence,
                Some(reason) => reason,
            };
            self.gone(reason, now);
        }
    }

    /// A parked viewer was heard.
    fn come_back(&mut self, cause: Cause, now: Instant) {
        match cause {
            Cause::Silence => self.resume_now(now),
            // A page that hangs gave way to somebody who watches. Its browser
            // answers for it, which is no reason to stand in line again.
            Cause::Contended if !self.stalled => self.resume_now(now),
            Cause::Contended | Cause::Asked => {}
        }
    }

    fn resume_now(&mut self, now: Instant) {
        if matches!(self.state, State::Parked { cause: Cause::Silence, .. }) {
            self.counts.resumes += 1;
        }
        self.state = State::Alive;
        self.window = None;
        self.missed_media = false;
        self.timeline.mark("resumed", "", now);
        self.hold(now);
    }

    /// Somebody waits: a viewer that may be gone does not keep the camera.
    fn yield_to_others(&mut self, now: Instant) {
        let waits = self.wanted.is_some_and(|at| now.saturating_duration_since(at) < WANTED);
        if !waits || !self.held {
            return;
        }
        let doubtful = match self.state {
            State::Suspect => {
                self.unanswered >= 2 && now >= self.silence_deadline(self.timers.hint_window)
            }
            State::Alive => self.stalled,
            _ => false,
        };
        if doubtful {
            self.window = None;
            self.park_for(Reason::Contended, now);
        }
    }

    fn connect_deadline(&self) -> Instant {
        let limit = if self.reached { self.timers.connect } else { self.timers.first_check };
        self.created + limit
    }

    fn judge_connecting(&mut self, now: Instant) {
        if now >= self.connect_deadline() {
            self.gone(Reason::ConnectTimeout, now);
        }
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
