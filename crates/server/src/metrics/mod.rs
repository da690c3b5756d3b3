//! What is counted and measured, and its text form for Prometheus
//! (`docs/api-rs.md` has the table).
//!
//! Events of the streams are counted as they happen; what other parts count
//! themselves is read when somebody asks.

use std::collections::HashSet;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabel as _, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use rs2rtc_streams::events::Event;

/// First word of every name.
const PREFIX: &str = "rs2rtc";

/// Upper ends of the buckets in seconds; the stated bounds of a release are among them.
const BUCKETS: [f64; 20] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 1.2, 2.0, 3.2, 5.0,
    10.0, 15.0, 20.0, 30.0,
];

/// Reason codes; anything else counts as `other`, so that no text of a stranger
/// becomes a label.
const REASONS: &[&str] = &[
    "close_notify",
    "sctp_abort",
    "http_delete",
    "pagehide",
    "superseded",
    "icmp_verified",
    "ws_fin+silence",
    "tcp_rst",
    "silence",
    "dtls_fatal",
    "connect_timeout",
    "signalling_lost",
    "hidden",
    "contended",
    "source_failed",
    "admin",
    "shutdown",
    "teardown",
    "tcp_fin",
    "rtcp_silence",
    "write_stall",
    "ping_timeout",
    "left",
    "replaced",
    "kicked",
    "deleted",
    "poll_timeout",
    "refused",
    "withdrawn",
    "delivered",
    "failed",
];

/// Labels of a family: names with values.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Labels<const N: usize>([(&'static str, &'static str); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_slice().encode(encoder)
    }
}

/// Labels of what belongs to one session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Whose {
    stream: String,
    viewer: u64,
}

impl EncodeLabelSet for Whose {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        ("stream", self.stream.as_str()).encode(encoder.encode_label())?;
        ("viewer", self.viewer).encode(encoder.encode_label())
    }
}

type Histograms = Family<Labels<2>, Histogram>;

/// Counts and measurements since the start.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    detect: Histograms,
    release: Histograms,
    total: Histograms,
    left: Family<Labels<2>, Counter>,
    parks: Family<Labels<2>, Counter>,
    resumes: Counter,
    failures: Family<Labels<1>, Counter>,
    stalls: Counter,
    talks: Family<Labels<1>, Counter>,
    missed: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let histograms = || Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> _);
        let mut this = Self {
            registry: Registry::with_prefix(PREFIX),
            detect: histograms(),
            release: histograms(),
            total: histograms(),
            left: Family::default(),
            parks: Family::default(),
            resumes: Counter::default(),
            failures: Family::default(),
            stalls: Counter::default(),
            talks: Family::default(),
            missed: Counter::default(),
        };
        let registry = &mut this.registry;
        let seconds = || Unit::Seconds;
        registry.register_with_unit(
            "release_detect",
            "From the last sign of life of the last viewer to the decision that it is gone",
            seconds(),
            this.detect.clone(),
        );
        registry.register_with_unit(
            "release_release",
            "From that decision to the camera being free: socket closed, child reaped",
            seconds(),
            this.release.clone(),
        );
        registry.register_with_unit(
            "release_total",
            "From the last sign of life of the last viewer to the camera being free",
            seconds(),
            this.total.clone(),
        );
        registry.register("viewers_left", "Viewers that have left", this.left.clone());
        registry.register(
            "parks",
            "Cameras that viewers let go while their sessions stayed",
            this.parks.clone(),
        );
        registry.register("resumes", "Parked viewers that came back", this.resumes.clone());
        registry.register(
            "source_failures",
            "Dials that failed and sources that ended while somebody watched",
            this.failures.clone(),
        );
        registry.register(
            "source_stalls",
            "Sources that were opened again because no frame came",
            this.stalls.clone(),
        );
        registry.register(
            "talks",
            "Times that somebody has spoken into a loudspeaker",
            this.talks.clone(),
        );
        registry.register(
            "events_missed",
            "Times that events came faster than they were counted",
            this.missed.clone(),
        );
        this
    }
}

impl Metrics {
    /// Counts an event of the streams.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::SourceReleased { reason, profile, detect, release, .. } => {
                let labels = Labels([("reason", code(reason)), ("profile", profile)]);
                if let Some(detect) = detect {
                    self.detect.get_or_create(&labels).observe(detect.as_secs_f64());
                }
                self.release.get_or_create(&labels).observe(release.as_secs_f64());
                let total = detect.unwrap_or(Duration::ZERO) + *release;
                self.total.get_or_create(&labels).observe(total.as_secs_f64());
            }
            Event::ViewerLeft { reason, profile, .. } => {
                let labels = Labels([("reason", code(reason)), ("profile", profile)]);
                self.left.get_or_create(&labels).inc();
            }
            Event::ViewerParked { reason, profile, .. } => {
                let labels = Labels([("reason", code(reason)), ("profile", profile)]);
                self.parks.get_or_create(&labels).inc();
            }
            Event::ViewerResumed { .. } => {
                self.resumes.inc();
            }
            Event::SourceFailed { kind, .. } => {
                self.failures.get_or_create(&Labels([("kind", kind_name(*kind))])).inc();
            }
            Event::TalkEnded { reason, .. } => {
                self.talks.get_or_create(&Labels([("reason", reason)])).inc();
            }
            Event::SourceStalled { .. } => {
                self.stalls.inc();
            }
            _ => {}
        }
    }

    /// Some events were gone before they could be counted.
    pub(crate) fn missed(&self) {
        self.missed.inc();
    }

    /// The text form, with what other parts count now.
    pub fn text(&self, reading: &Reading, form: Form) -> String {
        let mut text = String::new();
        let mut registry = Registry::with_prefix(PREFIX);
        reading.register(&mut registry);
        // Writing to a text does not fail.
        let _ = encode_registry(&mut text, &self.registry);
        let _ = encode_registry(&mut text, &registry);
        match form {
            Form::OpenMetrics => {
                let _ = encode_eof(&mut text);
                text
            }
            Form::Plain => plain(&text),
        }
    }
}

/// The two text forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `application/openmetrics-text`, version 1.0.0.
    OpenMetrics,
    /// `text/plain`, version 0.0.4.
    Plain,
}

impl Form {
    /// The form that a client takes, by its `Accept`.
    pub fn of(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Plain
        }
    }

    /// Its content type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What other parts of the program count, at one moment.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Sessions by state.
    pub sessions: Vec<(&'static str, u64)>,
    /// The network of each session that is connected.
    pub links: Vec<Link>,
    /// Hints by source: confirmed, pardoned.
    pub hints: Vec<(&'static str, u64, u64)>,
    /// Parked viewers that were there all the time.
    pub wrong_parks: u64,
    /// Probes sent.
    pub probes_sent: u64,
    /// Probes answered.
    pub probes_answered: u64,
    /// ICMP messages that quoted no datagram of ours.
    pub quotes_rejected: u64,
    /// Wake-ups of media threads that came late.
    pub late_ticks: u64,
    /// Dials repeated because a device was in use.
    pub busy_retries: u64,
    /// Children that had to be killed.
    pub kills: u64,
    /// Holds of viewers on sources.
    pub leases_held: u64,
    /// Sources that wait for an exclusive group.
    pub leases_waiting: u64,
    /// Runs of sources that should have ended.
    pub overdue_runs: u64,
    /// Tasks.
    pub tasks: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Viewers.
    pub consumers: u64,
    /// Sources that are open.
    pub producers: u64,
    /// Players' sockets.
    pub sockets: u64,
    /// Readers of the event feed.
    pub event_readers: u64,
    /// Fragments of MP4: made, taken by viewers, and viewers that had to skip.
    pub mp4: rs2rtc_endpoints::outputs::mp4::Figures,
}

/// What one session has learned of its network.
#[derive(Clone, Debug)]
pub struct Link {
    /// Name of the stream.
    pub stream: String,
    /// Id of the viewer.
    pub viewer: u64,
    /// The silence that lets go of the camera, in seconds.
    pub limit: f64,
    /// Share of probes without an answer.
    pub loss: f64,
    /// Smoothed round trip time in seconds, once it is known.
    pub rtt: Option<f64>,
}

impl Link {
    fn register(links: &[Self], registry: &mut Registry) {
        type Measured = Family<Whose, Gauge<f64, AtomicU64>>;
        type Value = fn(&Link) -> Option<f64>;
        let gauges: [(&str, &str, Option<Unit>, Value); 3] = [
            (
                "session_silence_limit",
                "The silence that lets go of the camera, as it is now",
                Some(Unit::Seconds),
                |link| Some(link.limit),
            ),
            ("session_probe_loss", "Share of probes without an answer", None, |link| {
                Some(link.loss)
            }),
            ("session_rtt", "Smoothed round trip time of probes", Some(Unit::Seconds), |link| {
                link.rtt
            }),
        ];
        for (name, help, unit, value) in gauges {
            let family = Measured::default();
            for link in links {
                if let Some(value) = value(link) {
                    let whose = Whose { stream: link.stream.clone(), viewer: link.viewer };
                    family.get_or_create(&whose).set(value);
                }
            }
            match unit {
                Some(unit) => registry.register_with_unit(name, help, unit, family),
                None => registry.register(name, help, family),
            }
        }
    }
}

impl Reading {
    fn register(&self, registry: &mut Registry) {
        let sessions = Family::<Labels<1>, Gauge>::default();
        for (state, count) in &self.sessions {
            sessions.get_or_create(&Labels([("state", state)])).set(signed(*count));
        }
        registry.register("sessions", "WebRTC sessions by state", sessions);
        Link::register(&self.links, registry);
        let hints = Family::<Labels<2>, Counter>::default();
        for (source, confirmed, pardoned) in &self.hints {
            for (outcome, count) in [("confirmed", confirmed), ("pardoned", pardoned)] {
                let labels = Labels([("source", source), ("outcome", outcome)]);
                hints.get_or_create(&labels).inc_by(*count);
            }
        }
        registry.register(
            "hints",
            "Signs that a viewer may be gone: confirmed by silence, or pardoned by an answer",
            hints,
        );
        let leases = Family::<Labels<1>, Gauge>::default();
        for (state, count) in [("held", self.leases_held), ("waiting", self.leases_waiting)] {
            leases.get_or_create(&Labels([("state", state)])).set(signed(count));
        }
        registry.register(
            "leases",
            "Holds of viewers on sources, and sources that wait for an exclusive group",
            leases,
        );
        let counters: [(&str, &str, u64); 10] = [
            ("mp4_fragments_built", "Frames that were made fragments of MP4", self.mp4.built),
            ("mp4_fragments_sent", "Fragments of MP4 that viewers took", self.mp4.sent),
            (
                "mp4_skips",
                "Viewers of MP4 that were too slow and went on with a newer keyframe",
                self.mp4.skips,
            ),
            ("wrong_parks", "Cameras let go for a silent viewer that came back", self.wrong_parks),
            ("probes_sent", "Consent probes sent", self.probes_sent),
            ("probes_answered", "Consent probes answered", self.probes_answered),
            (
                "icmp_quotes_rejected",
                "ICMP messages for a viewer that quoted no datagram of ours",
                self.quotes_rejected,
            ),
            ("busy_retries", "Dials repeated because a device was in use", self.busy_retries),
            ("kills", "Child processes that were ended with SIGKILL", self.kills),
            (
                "late_ticks",
                "Wake-ups of media threads that came more than 100 ms late",
                self.late_ticks,
            ),
        ];
        for (name, help, value) in counters {
            let counter = Counter::<u64>::default();
            counter.inc_by(value);
            registry.register(name, help, counter);
        }
        let gauges: [(&str, &str, u64); 7] = [
            ("tasks", "Running tasks", self.tasks),
            ("open_fds", "Open file descriptors of the process", self.open_fds),
            ("consumers", "Viewers that are attached", self.consumers),
            ("producers", "Sources that are open", self.producers),
            ("sockets", "WebSockets of players", self.sockets),
            ("event_readers", "Readers of the event feed", self.event_readers),
            (
                "overdue_runs",
                "Sources that nobody wants any more and that have not ended within two seconds",
                self.overdue_runs,
            ),
        ];
        for (name, help, value) in gauges {
            let gauge: Gauge = Gauge::default();
            gauge.set(signed(value));
            registry.register(name, help, gauge);
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn code(reason: &str) -> &'static str {
    REASONS.iter().find(|r| **r == reason).copied().unwrap_or("other")
}

/// A class of errors as clients see it.
pub(crate) const fn kind_name(kind: rs2rtc_base::ErrorKind) -> &'static str {
    use rs2rtc_base::ErrorKind;
    match kind {
        ErrorKind::Config => "config",
        ErrorKind::Auth => "auth",
        ErrorKind::Busy => "busy",
        ErrorKind::Gone => "gone",
        ErrorKind::Unreachable => "unreachable",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Ended => "ended",
    }
}

/// OpenMetrics as version 0.0.4: counters are named with `_total`, there are no units.
fn plain(text: &str) -> String {
    let typed = |line: &'_ str| -> Option<String> {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        (kind == "counter").then(|| name.to_owned())
    };
    let counters: HashSet<String> = text.lines().filter_map(typed).collect();
    let mut plain = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.starts_with("# UNIT ")) {
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|start| {
            let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{start}{name}_total {rest}"))
        });
        plain.push_str(described.as_deref().unwrap_or(line));
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests;
