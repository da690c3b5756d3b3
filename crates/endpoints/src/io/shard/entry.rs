//! One session in its shard.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rs2rtc_media::{Direction, Kind};
use rs2rtc_streams::{AttachedTrack, Connection};
use rs2rtc_webrtc::{Pair, Protocol, Session};
use tokio::sync::watch;
use tracing::{debug, info};

use super::NewSession;
use super::talk::Talk;

/// A viewer that asks for keyframes gets the cached one again at most this often.
const REBURST: Duration = Duration::from_millis(500);

/// A session with what it shows and holds.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) session: Session,
    /// Emptied when the session ends: the camera is let go then.
    pub(super) tracks: Vec<Shown>,
    /// Addresses whose datagrams are this session's.
    pub(super) peers: Vec<(Protocol, SocketAddr)>,
    /// When the session wants to be called.
    pub(super) deadline: Instant,
    /// The time for which it stands in the queue of deadlines.
    pub(super) queued: Option<Instant>,
    pub(super) stream: String,
    pub(super) epoch: Instant,
    connection: Arc<Connection>,
    signalling: String,
    closed: watch::Sender<Option<String>>,
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
        let shown = |attached: AttachedTrack| {
            let talk = (attached.direction == Direction::RecvOnly)
                .then(|| Talk::new(Arc::clone(&attached.track), attached.wanted.clone()));
            Shown { attached, last_burst: None, talk }
        };
        Self {
            session: new.session,
            tracks: new.tracks.into_iter().map(shown).collect(),
            peers: Vec::new(),
            deadline: now,
            queued: None,
            stream: new.stream,
            epoch: new.epoch,
            connection: new.connection,
            signalling: new.signalling,
            closed: new.closed,
        }
    }

    /// Ids of the tracks that it shows, with their numbers.
    pub(super) fn shows(&self) -> Vec<(usize, AttachedTrack)> {
        let sent = |(_, t): &(usize, &Shown)| t.attached.direction == Direction::SendOnly;
        let shown = self.tracks.iter().enumerate().filter(sent);
        shown.map(|(index, t)| (index, t.attached.clone())).collect()
    }

    /// Sends the cached group of pictures, so that the viewer sees something
    /// before the next keyframe.
    pub(super) fn burst(&mut self, index: usize, now: Instant) {
        let Some(shown) = self.tracks.get_mut(index) else { return };
        let recent = shown.last_burst.is_some_and(|t| now.saturating_duration_since(t) < REBURST);
        if recent || shown.attached.track.kind != Kind::Video {
            return;
        }
        let frames = shown.attached.track.cached_gop();
        if !frames.is_empty() {
            shown.last_burst = Some(now);
            self.session.write_burst(index, &frames, now);
        }
    }

    pub(super) fn heard(&mut self, packet: &rs2rtc_webrtc::Received, now: Instant) {
        let epoch = self.epoch;
        if let Some(shown) = self.tracks.get_mut(packet.track)
            && let Some(talk) = &mut shown.talk
        {
            shown.attached.sender.sent(1, packet.payload.len());
            talk.packet(packet, epoch, now);
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

    pub(super) fn sent(&self, bytes: usize) {
        if bytes > 0 {
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

    /// Lets go of the stream and tells the reason.
    pub(super) fn end(&mut self, reason: &str) {
        if self.closed.borrow().is_none() {
            info!(stream = self.stream, reason, "viewer gone");
            self.closed.send_replace(Some(reason.to_owned()));
        }
        self.tracks.clear();
    }
}
