//! What the rest of the program learns of sessions: when to hold the camera,
//! their state, and counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rs2rtc_webrtc::liveness::{Counts, Hint, Mark, Reason};

/// Whether a session wants its camera.
#[derive(Clone, Debug)]
pub enum Hold {
    /// It does.
    Held,
    /// It let go of it and may want it again.
    Parked(Departed),
    /// It has ended.
    Closed(Departed),
}

/// How a session let go of its camera.
#[derive(Clone, Debug)]
pub struct Departed {
    /// Why.
    pub reason: Reason,
    /// The same in words, with more about it.
    pub text: String,
    /// When it was decided.
    pub decided: Instant,
    /// When something authentic of the viewer was heard last.
    pub heard: Instant,
    /// At the end: the session as it was.
    pub report: Option<Box<SessionReport>>,
}

/// The state of a session, for people.
#[derive(Clone, Debug)]
pub struct SessionReport {
    /// Id of the consumer's connection, as the API shows it.
    pub viewer: u64,
    /// It brings the stream instead of watching it.
    pub publishes: bool,
    /// Name of the stream.
    pub stream: String,
    /// `host:port` of the other side, as the API shows it.
    pub remote: String,
    /// What it calls itself; may be empty.
    pub user_agent: String,
    /// `connecting`, `alive`, `suspect`, `parked` or `gone`.
    pub state: &'static str,
    /// Name of the liveness profile.
    pub profile: &'static str,
    /// Since the answer.
    pub age: Duration,
    /// Since anything authentic was heard.
    pub silent: Duration,
    /// Since media or a report was sent; `None` before that.
    pub sent: Option<Duration>,
    /// The silence that lets go of the camera, as it is now.
    pub limit: Duration,
    /// Share of probes without an answer, 0 to 1.
    pub loss: f64,
    /// Smoothed round trip time.
    pub rtt: Option<Duration>,
    /// Cameras that would be let go wrongly in an hour on this network.
    pub expected_wrong_parks: f64,
    /// Why it was parked or ended.
    pub reason: Option<Reason>,
    /// When its end was decided.
    pub left: Option<SystemTime>,
    /// From the last sign of life to the decision, at the end.
    pub detect: Option<Duration>,
    /// What happened.
    pub timeline: Vec<Mark>,
}

/// Counts over all sessions since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Probes sent.
    pub probes: AtomicU64,
    /// Probes answered.
    pub answers: AtomicU64,
    /// Cameras let go because of silence or a hint.
    pub parks: AtomicU64,
    /// Of them, those that were wrong: the viewer came back.
    pub resumes: AtomicU64,
    /// Wake-ups of the media threads that came more than 100 ms late.
    pub late: AtomicU64,
    /// ICMP messages for a viewer whose quote was not of a datagram of ours.
    pub rejected_quotes: AtomicU64,
    /// Hints that were confirmed, by their position in [`Hint::ALL`].
    pub confirmed: [AtomicU64; Hint::ALL.len()],
    /// Hints that were not.
    pub pardoned: [AtomicU64; Hint::ALL.len()],
}

impl Counters {
    pub(super) fn add(&self, counts: &Counts) {
        let add = |counter: &AtomicU64, count: u64| {
            if count > 0 {
                counter.fetch_add(count, Ordering::Relaxed);
            }
        };
        add(&self.probes, counts.probes);
        add(&self.answers, counts.answers);
        add(&self.parks, counts.parks);
        add(&self.resumes, counts.resumes);
        add(&self.late, counts.late);
        self.confirmed.iter().zip(counts.confirmed).for_each(|(c, n)| add(c, n));
        self.pardoned.iter().zip(counts.pardoned).for_each(|(c, n)| add(c, n));
    }

    pub(super) fn add_all(&self, other: &Self) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = Counts {
            probes: read(&other.probes),
            answers: read(&other.answers),
            parks: read(&other.parks),
            resumes: read(&other.resumes),
            late: read(&other.late),
            confirmed: std::array::from_fn(|i| read(&other.confirmed[i])),
            pardoned: std::array::from_fn(|i| read(&other.pardoned[i])),
        };
        self.add(&counts);
        self.rejected_quotes.fetch_add(read(&other.rejected_quotes), Ordering::Relaxed);
    }
}
