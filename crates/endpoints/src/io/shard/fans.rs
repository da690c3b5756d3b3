//! Frames of tracks to the sessions that show them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rs2rtc_media::{Frame, Kind};
use rs2rtc_streams::{AttachedTrack, Sink, Subscription};
use rs2rtc_webrtc::liveness::Reason;

use tracing::error;

use super::entry::Entry;
use super::worker::Worker;
use super::{Media, SessionKey, ShardInbox};

/// How long a session outlives its track.
const ENDING: Duration = Duration::from_millis(100);

/// The sessions that show a track, and the subscription they share.
pub(super) struct Fan {
    pub(super) sessions: Vec<(SessionKey, usize)>,
    sink: Arc<TrackSink>,
    _subscription: Subscription,
}

/// Passes frames of a track into the shard.
pub(super) struct TrackSink {
    id: u64,
    video: bool,
    inbox: ShardInbox,
    /// Frames were dropped: only a keyframe can follow.
    lost: AtomicBool,
    /// The track has ended for good.
    ended: AtomicBool,
}

impl Sink for TrackSink {
    fn push(&self, frame: &Arc<Frame>) {
        if self.video && !frame.keyframe && self.lost.load(Ordering::Relaxed) {
            return;
        }
        let taken = self.inbox.media(Media::Frame(self.id, Arc::clone(frame)));
        self.lost.store(!taken, Ordering::Relaxed);
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.inbox.raise();
    }
}

impl Worker {
    /// The camera of a session was taken again.
    pub(super) fn show(&mut self, key: SessionKey, tracks: Vec<AttachedTrack>, now: Instant) {
        let Some(mut entry) = self.sessions.remove(&key) else { return };
        // Unless it has them: then it never let go.
        let shows = entry.tracks.is_empty() && entry.show(tracks) && entry.connected;
        let joined = catch_unwind(AssertUnwindSafe(|| {
            if shows {
                self.join_all(key, &mut entry, now);
            }
        }));
        self.sessions.insert(key, entry);
        if joined.is_err() {
            error!("a WebRTC session failed and was ended");
            let text = "internal error";
            self.drive(key, now, |entry| entry.session.close(Reason::DtlsFatal, text, now));
            return;
        }
        self.drive(key, now, |entry| entry.session.mark("camera_back", "", now));
    }

    pub(super) fn frame(&mut self, track: u64, frame: &Arc<Frame>, now: Instant) {
        // Taken out while the sessions are driven: some may leave or join it.
        let Some(mut fan) = self.fans.remove(&track) else { return };
        for (key, index) in &fan.sessions {
            self.drive(*key, now, |entry| entry.session.write_frame(*index, frame, now));
        }
        if let Some(joined) = self.fans.remove(&track) {
            fan.sessions.extend(joined.sessions);
        }
        let alive = &self.sessions;
        fan.sessions.retain(|(key, _)| alive.get(key).is_some_and(|e| !e.tracks.is_empty()));
        if !fan.sessions.is_empty() {
            self.fans.insert(track, fan);
        }
    }

    /// Notes the sessions of tracks that have ended: their players ask again and
    /// get what the source gives now. A stream that was deleted tells them
    /// better, in the next moment.
    pub(super) fn end_tracks(&mut self, now: Instant) {
        let ended = |fan: &&Fan| fan.sink.ended.load(Ordering::SeqCst);
        let sessions = self.fans.values().filter(ended).flat_map(|fan| &fan.sessions);
        let later = sessions.map(|(key, _)| (now + ENDING, *key));
        self.ending.extend(later);
    }

    /// Ends the sessions whose tracks have ended.
    pub(super) fn run_ending(&mut self, now: Instant) {
        while self.ending.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, key)) = self.ending.pop_front() else { return };
            let text = "the source does not give this track any more";
            self.drive(key, now, |entry| entry.session.close(Reason::SourceFailed, text, now));
        }
    }

    pub(super) fn join_all(&mut self, key: SessionKey, entry: &mut Entry, now: Instant) {
        for (index, track) in entry.shows() {
            self.join(key, index, &track);
            entry.burst(index, false, now);
        }
    }

    /// Adds a session to those that show a track; the first one subscribes.
    pub(super) fn join(&mut self, key: SessionKey, index: usize, attached: &AttachedTrack) {
        let track = &attached.track;
        let fan = self.fans.entry(track.id).or_insert_with(|| {
            let sink = TrackSink {
                id: track.id,
                video: track.kind == Kind::Video,
                inbox: self.setup.inbox.clone(),
                lost: AtomicBool::new(false),
                ended: AtomicBool::new(false),
            };
            let sink = Arc::new(sink);
            let subscription = track.subscribe(Arc::clone(&sink) as Arc<dyn Sink>);
            Fan { sessions: Vec::new(), sink, _subscription: subscription }
        });
        fan.sessions.push((key, index));
    }

    /// The session shows nothing any more.
    pub(super) fn leave(&mut self, key: SessionKey, entry: &Entry) {
        for (_, attached) in entry.shows() {
            let id = attached.track.id;
            if let Some(fan) = self.fans.get_mut(&id) {
                fan.sessions.retain(|(k, _)| *k != key);
                if fan.sessions.is_empty() {
                    self.fans.remove(&id);
                }
            }
        }
    }
}
