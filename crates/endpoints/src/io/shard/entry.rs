//! One session in its shard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rs2rtc_media::{Direction, Kind};
use rs2rtc_streams::{AttachedTrack, Connection};
use rs2rtc_webrtc::liveness::Reason;
use rs2rtc_webrtc::{CloseReason, Pair, Protocol, Session};
use tokio::sync::watch;
use tracing::{debug, info};

use super::talk::Talk;
use super::uplink::Standing;
use super::{Departed, Hold, Intake, NewSession, SessionReport};
use crate::io::udp::Connected;

/// A viewer that asks for keyframes gets the cached one again at most this often.
const REBURST: Duration = Duration::from_millis(500);

/// A session with what it shows and holds.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Session,
    /// Empty while the camera is let go.
    pub(super) tracks: Vec<Shown>,
    /// The viewer can be sent media.
    pub(super) connected: bool,
    /// Receives from the viewer's address, with the ICMP errors of what is sent there.
    pub(super) socket: Option<Connected>,
    /// The camera is not let go.
    pub(super) holds: bool,
    /// What the judgement of our own way out knows of it.
    pub(super) standing: Standing,
    /// Addresses whose datagrams are this session's.
    pub(super) peers: Vec<(Protocol, SocketAddr)>,
    /// When the session wants to be called.
    pub(super) deadline: Instant,
    /// The time for which it stands in the queue of deadlines.
    pub(super) queued: Option<Instant>,
    pub(super) stream: String,
    pub(super) epoch: Instant,
    /// `None` for a viewer, and while a publisher is not heard.
    pub(super) intake: Option<Intake>,
    is_publisher: bool,
    connection: Arc<Connection>,
    signalling: String,
    hold: watch::Sender<Hold>,
    created: Instant,
}

/// A track of a session.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) attached: AttachedTrack,
    last_burst: Option<Instant>,
    talk: Option<Talk>,
}

impl Entry {
    pub(super) fn new(new: NewSession, now: Instant) -> Self {
        Self {
            session: new.session,
            tracks: new.tracks.into_iter().map(Shown::new).collect(),
            connected: false,
            socket: None,
            holds: true,
            standing: Standing::default(),
            peers: Vec::new(),
            deadline: now,
            queued: None,
            stream: new.stream,
            epoch: new.epoch,
            is_publisher: new.intake.is_some(),
            intake: new.intake,
            connection: new.connection,
            signalling: new.signalling,
            hold: new.hold,
            created: now,
        }
    }

    /// The camera was taken again. False if it was let go meanwhile.
    pub(super) fn show(&mut self, tracks: Vec<AttachedTrack>) -> bool {
        let wanted = matches!(*self.hold.borrow(), Hold::Held);
        if wanted {
            self.tracks = tracks.into_iter().map(Shown::new).collect();
        }
        wanted
    }

    /// Ids of the tracks that it shows, with their numbers.
    pub(super) fn shows(&self) -> Vec<(usize, AttachedTrack)> {
        let sent = |(_, t): &(usize, &Shown)| t.attached.direction == Direction::SendOnly;
        let shown = self.tracks.iter().enumerate().filter(sent);
        shown.map(|(index, t)| (index, t.attached.clone())).collect()
    }

    /// Sends the cached group of pictures, so that the viewer sees something
    /// before the next keyframe; `asked`: on its wish, not too often.
    pub(super) fn burst(&mut self, index: usize, asked: bool, now: Instant) {
        let Some(shown) = self.tracks.get_mut(index) else { return };
        let recent = shown.last_burst.is_some_and(|t| now.saturating_duration_since(t) < REBURST);
        if recent && asked || shown.attached.track.kind != Kind::Video {
            return;
        }
        let frames = shown.attached.track.cached_gop();
        if !frames.is_empty() {
            shown.last_burst = Some(now);
            self.session.write_burst(index, &frames, now);
        }
    }

    /// Whether this is the socket of the pair in use.
    pub(super) fn is_at(&self, socket: &Connected) -> bool {
        self.session.pair().is_some_and(|pair| pair.remote == socket.remote())
    }

    /// Takes a packet of the other side's own sound or picture.
    pub(super) fn heard(&mut self, packet: rs2rtc_webrtc::Received, now: Instant) {
        let track = packet.track;
        if let Some(intake) = &mut self.intake {
            if intake.packet(packet, now) {
                self.session.request_keyframe(track, now);
            }
            return;
        }
        let epoch = self.epoch;
        if let Some(shown) = self.tracks.get_mut(packet.track)
            && let Some(talk) = &mut shown.talk
        {
            shown.attached.sender.sent(1, packet.payload.len());
            talk.packet(&packet, epoch, now);
        }
    }

    /// Moves what was sent into the counters that the API shows.
    pub(super) fn count(&mut self) {
        for (index, shown) in self.tracks.iter().enumerate() {
            let (packets, bytes) = self.session.take_sent(index);
            if packets > 0 {
                let packets = usize::try_from(packets).unwrap_or(usize::MAX);
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                shown.attached.sender.sent(packets, bytes);
            }
        }
    }

    /// Counts what was sent to a viewer; a publisher gets no media.
    pub(super) fn sent(&self, bytes: usize) {
        if bytes > 0 && !self.is_publisher {
            self.connection.sent(bytes);
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        self.connection.received(bytes);
    }

    pub(super) fn pair_changed(&self, pair: &Pair) {
        debug!(stream = self.stream, protocol = %pair.protocol, remote = %pair.remote, "pair");
        let protocol = format!("{}+{}", self.signalling, pair.protocol);
        let remote = format!("{} {}", pair.remote, pair.kind.name());
        self.connection.describe(|d| {
            d.protocol = protocol;
            d.remote_addr = remote;
        });
    }

    /// Lets go of the camera; the session stays.
    pub(super) fn park(&mut self, reason: Reason, heard: Instant, now: Instant) {
        self.tracks.clear();
        self.intake = None;
        self.holds = false;
        let text = reason.code().to_owned();
        let departed = Departed { reason, text, decided: now, heard, report: None };
        self.hold.send_replace(Hold::Parked(departed));
    }

    /// Asks for the camera again.
    pub(super) fn want(&mut self) {
        self.holds = true;
        if !matches!(*self.hold.borrow(), Hold::Closed(_)) {
            self.hold.send_replace(Hold::Held);
        }
    }

    /// Lets go of the stream and tells the reason.
    pub(super) fn end(&mut self, reason: &CloseReason, now: Instant) {
        self.tracks.clear();
        self.intake = None;
        if matches!(*self.hold.borrow(), Hold::Closed(_)) {
            return;
        }
        let text = reason.to_string();
        if self.is_publisher {
            info!(stream = self.stream, reason = text, "publisher gone");
        } else if self.stream.is_empty() {
            debug!(reason = text, "gone, watched nothing");
        } else {
            info!(stream = self.stream, reason = text, "viewer gone");
        }
        let mut report = self.report(now);
        let heard = self.session.heard(reason.reason);
        report.left = Some(SystemTime::now());
        report.detect = Some(now.saturating_duration_since(heard));
        let reason = reason.reason;
        let report = Some(Box::new(report));
        let departed = Departed { reason, text, decided: now, heard, report };
        self.hold.send_replace(Hold::Closed(departed));
    }

    /// The state, for people.
    pub(super) fn report(&mut self, now: Instant) -> SessionReport {
        let report = self.session.report(now);
        let description = self.connection.description();
        SessionReport {
            viewer: self.connection.id,
            publishes: self.is_publisher,
            stream: self.stream.clone(),
            remote: description.remote_addr,
            user_agent: description.user_agent,
            state: report.state,
            profile: report.profile,
            age: now.saturating_duration_since(self.created),
            silent: report.silent,
            sent: self.session.last_sent().map(|at| now.saturating_duration_since(at)),
            limit: report.limit,
            loss: report.loss,
            rtt: report.rtt,
            expected_wrong_parks: report.expected_wrong_parks,
            reason: report.reason,
            left: None,
            detect: None,
            timeline: report.timeline,
        }
    }
}

impl Shown {
    fn new(attached: AttachedTrack) -> Self {
        let talk = (attached.direction == Direction::RecvOnly)
            .then(|| Talk::new(Arc::clone(&attached.track), attached.wanted.clone()));
        Self { attached, last_burst: None, talk }
    }
}
