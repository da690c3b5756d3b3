//! A track: one codec's frames from one producer to all its viewers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use rs2rtc_media::codec::ParameterSets;
use rs2rtc_media::{Codec, Frame, Kind, Payload};

use crate::cache::{Cache, Limits};
use crate::connection::next_id;
use crate::floor::Voice;
use crate::history::History;
use crate::options::Reach;

/// Least distance between two changes of parameter sets that are told.
const CHANGE_EVERY: Duration = Duration::from_secs(10);

/// Where frames of a track go. Called on the producer's task for every frame:
/// it must be cheap and must never block.
///
/// A source that comes back writes into the same track: pictures go on with a
/// keyframe, and no time goes back. There is no call for changed parameters, as
/// frames say all that a decoder needs: every keyframe of H.264 and H.265 has its
/// parameter sets in front (depacketisers and demuxers put them there), pictures of
/// other codecs describe themselves, and sound that is decoded in another way is
/// another track. So a change comes exactly where it counts, between two frames, and
/// a sink that keeps parameters compares them at keyframes. Only raw pictures, whose
/// size is in [`Track::codec`] alone, have to be looked up there.
pub trait Sink: Send + Sync {
    /// The next frame.
    fn push(&self, frame: &Arc<Frame>);

    /// No frame will follow: the track has ended for good.
    fn end(&self) {}
}

/// One viewer's share of a track, as the API shows it.
///
/// The track counts as watched while a sender that belongs to it lives.
#[derive(Debug)]
pub struct Sender {
    /// From the process-wide counter.
    pub id: u64,
    /// The codec as it comes.
    pub codec: Codec,
    leaves_as: OnceLock<Codec>,
    parent: AtomicU64,
    bytes: AtomicU64,
    packets: AtomicU64,
    drops: AtomicU64,
}

impl Sender {
    /// A sender of a track; hold it in [`Track::watch`].
    pub fn new(codec: Codec, parent: u64) -> Self {
        Self {
            id: next_id(),
            codec,
            leaves_as: OnceLock::new(),
            parent: AtomicU64::new(parent),
            bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            drops: AtomicU64::new(0),
        }
    }

    /// Tells that it leaves as another codec. The first call counts.
    pub fn leaves_as(&self, codec: Codec) {
        let _ = self.leaves_as.set(codec);
    }

    /// The codec as it leaves.
    pub fn left_codec(&self) -> &Codec {
        self.leaves_as.get().unwrap_or(&self.codec)
    }

    /// Id of the track it reads.
    pub fn parent(&self) -> u64 {
        self.parent.load(Ordering::Relaxed)
    }

    /// Counts packets sent and their payload bytes.
    pub fn sent(&self, packets: usize, bytes: usize) {
        self.packets.fetch_add(packets as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts packets that were not sent because the viewer was too slow.
    pub fn dropped(&self, packets: usize) {
        self.drops.fetch_add(packets as u64, Ordering::Relaxed);
    }

    /// (payload bytes, packets, drops) so far.
    pub fn counters(&self) -> (u64, u64, u64) {
        (
            self.bytes.load(Ordering::Relaxed),
            self.packets.load(Ordering::Relaxed),
            self.drops.load(Ordering::Relaxed),
        )
    }
}

/// Ends a sink's subscription when dropped.
pub struct Subscription {
    track: Arc<Track>,
    id: u64,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.track.lock().sinks.retain(|(id, _)| *id != self.id);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("track", &self.track.id).finish_non_exhaustive()
    }
}

struct Inner {
    codec: Codec,
    sinks: Vec<(u64, Arc<dyn Sink>)>,
    senders: Vec<Weak<Sender>>,
    cache: Option<Cache>,
    /// What has passed lately, if the stream wants that.
    history: History,
    last_dts: i64,
    /// The run of the source that may write.
    generation: u64,
    /// Nothing passes before the next keyframe.
    gated: bool,
    /// Of the last keyframe that had them.
    sets: Option<ParameterSets>,
    /// The codec is known to say the same.
    sets_are_told: bool,
    /// When a change of them was last told.
    changed: Option<Instant>,
    /// Tracks of replaced sources whose viewers get the same frames.
    followers: Vec<Arc<Track>>,
    ended: bool,
}

impl Inner {
    /// Keeps what the codec says of parameter sets true: those in band win. Says
    /// whether a keyframe brings other ones than the one before; who changes them
    /// all the time is not told of each time.
    fn see_parameters(&mut self, frame: &Frame) -> bool {
        let Payload::Nals(nals) = &frame.payload else { return false };
        let is_known =
            self.sets_are_told && self.sets.as_ref().is_some_and(|sets| sets.has_all_of(nals));
        if !frame.keyframe || is_known {
            return false;
        }
        let Some(sets) = ParameterSets::from_nals(&frame.codec, nals) else { return false };
        let has_changed = self.sets.as_ref().is_some_and(|before| *before != sets);
        // At first a codec that says nothing of them is left so: they come in band.
        let said = ParameterSets::from_codec(&self.codec).filter(ParameterSets::is_complete);
        if has_changed || said.is_some_and(|said| said != sets) {
            self.codec.fmtp = sets.to_fmtp();
        }
        self.sets = Some(sets);
        self.sets_are_told = true;
        let since = |at: Instant| frame.arrival.saturating_duration_since(at);
        if !has_changed || self.changed.is_some_and(|at| since(at) < CHANGE_EVERY) {
            return false;
        }
        self.changed = Some(frame.arrival);
        true
    }
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It is of a run that is over.
    Ignored,
    /// It was of the current one.
    Taken,
    /// As `Taken`, and it has other parameter sets than those before.
    Changed,
}

/// One codec's frames from a producer to its viewers.
pub struct Track {
    /// From the process-wide counter.
    pub id: u64,
    /// Video or audio.
    pub kind: Kind,
    reach: Reach,
    /// What is said passes by the floor of the stream, if it is a microphone.
    voice: Option<Voice>,
    inner: Mutex<Inner>,
    bytes: AtomicU64,
    packets: AtomicU64,
}

impl Track {
    /// A track without viewers. Video tracks keep their current group of
    /// pictures within `cache`, if given.
    pub fn new(kind: Kind, codec: Codec, cache: Option<Limits>) -> Self {
        Self::remembering(kind, codec, cache, Reach::default())
    }

    /// A track that keeps what has passed for as long as its stream wants that.
    pub(crate) fn remembering(
        kind: Kind,
        codec: Codec,
        cache: Option<Limits>,
        reach: Reach,
    ) -> Self {
        let cache = (kind == Kind::Video).then_some(cache).flatten().map(Cache::new);
        Self {
            id: next_id(),
            kind,
            reach,
            voice: None,
            inner: Mutex::new(Inner {
                codec,
                sinks: Vec::new(),
                senders: Vec::new(),
                cache,
                history: History::new(kind),
                last_dts: i64::MIN,
                generation: 0,
                gated: false,
                sets: None,
                sets_are_told: false,
                changed: None,
                followers: Vec::new(),
                ended: false,
            }),
            bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
        }
    }

    /// A viewer's microphone.
    pub(crate) fn microphone(codec: Codec, voice: Voice) -> Self {
        Self { voice: Some(voice), ..Self::new(Kind::Audio, codec, None) }
    }

    /// What is said into it, if it is a microphone.
    pub(crate) const fn voice(&self) -> Option<&Voice> {
        self.voice.as_ref()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The codec as the producer gives it; may change when a source restarts.
    pub fn codec(&self) -> Codec {
        self.lock().codec.clone()
    }

    pub(crate) fn set_codec(&self, codec: Codec) {
        let mut inner = self.lock();
        for follower in &inner.followers {
            follower.set_codec(codec.clone());
        }
        // Sound does not say in band that it is another one.
        if self.kind == Kind::Audio && inner.codec != codec {
            inner.history.forget();
        }
        inner.codec = codec;
        inner.sets_are_told = false;
    }

    /// Hands a frame to every sink and to the keyframe cache. What a microphone says
    /// while somebody else has the floor is dropped.
    pub fn push(&self, frame: &Arc<Frame>) {
        if self.voice.as_ref().is_some_and(|voice| !voice.may_pass(frame)) {
            for sender in self.lock().senders.iter().filter_map(Weak::upgrade) {
                sender.dropped(1);
            }
            return;
        }
        self.push_if(frame, None);
    }

    /// As [`Self::push`] for the writer of a run; a run that is not the current
    /// one is ignored.
    pub(crate) fn push_of(&self, frame: &Arc<Frame>, generation: u64) -> Pushed {
        self.push_if(frame, Some(generation))
    }

    fn push_if(&self, frame: &Arc<Frame>, generation: Option<u64>) -> Pushed {
        let mut inner = self.lock();
        if generation.is_some_and(|generation| generation != inner.generation) {
            return Pushed::Ignored;
        }
        if inner.gated && !frame.keyframe {
            return Pushed::Taken;
        }
        let changed = inner.see_parameters(frame);
        inner.gated = false;
        let (packets, bytes) = size_of(frame);
        self.packets.fetch_add(packets as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        inner.last_dts = inner.last_dts.max(frame.dts);
        if let Some(cache) = &mut inner.cache {
            cache.push(frame);
        }
        inner.history.push(frame, self.reach.get());
        for (_, sink) in &inner.sinks {
            sink.push(frame);
        }
        if !inner.followers.is_empty() {
            inner.followers.retain(|follower| follower.is_watched());
            for follower in &inner.followers {
                follower.follow(frame);
            }
        }
        if changed { Pushed::Changed } else { Pushed::Taken }
    }

    /// The parameter sets of the last keyframe that had them.
    pub fn parameter_sets(&self) -> Option<ParameterSets> {
        self.lock().sets.clone()
    }

    /// Takes a frame of the track it follows, unless time would run back.
    fn follow(&self, frame: &Arc<Frame>) {
        if frame.dts > self.last_dts() {
            self.push(frame);
        }
    }

    /// Gives another track the same frames from its next keyframe on, until
    /// nobody reads that one any more.
    pub(crate) fn lead(&self, follower: &Arc<Self>) {
        let mut inner = self.lock();
        follower.set_codec(inner.codec.clone());
        follower.restart(next_id());
        follower.rename(self.id);
        inner.followers.push(Arc::clone(follower));
    }

    /// Its readers read another track, as far as the API shows.
    fn rename(&self, parent: u64) {
        let inner = self.lock();
        for sender in inner.senders.iter().filter_map(Weak::upgrade) {
            sender.parent.store(parent, Ordering::Relaxed);
        }
        for follower in &inner.followers {
            follower.rename(parent);
        }
    }

    /// Whether a track is this one, or gets its frames.
    pub(crate) fn is_or_leads(&self, track: &Arc<Self>) -> bool {
        self.id == track.id || self.lock().followers.iter().any(|f| f.is_or_leads(track))
    }

    /// Whether somebody reads it.
    pub(crate) fn is_watched(&self) -> bool {
        let inner = self.lock();
        inner.senders.iter().any(|sender| sender.strong_count() > 0)
            || inner.followers.iter().any(|follower| follower.is_watched())
    }

    /// The highest decoding time so far, `i64::MIN` before the first frame.
    pub fn last_dts(&self) -> i64 {
        self.lock().last_dts
    }

    /// Adds a sink. Frames come from now on, until the subscription is dropped.
    pub fn subscribe(self: &Arc<Self>, sink: Arc<dyn Sink>) -> Subscription {
        self.subscribe_with_cache(sink).0
    }

    /// Adds a sink and returns the current group of pictures with it: the
    /// frames before the first one the sink will see, none missing, none twice.
    /// Empty for audio and while no keyframe has come.
    pub fn subscribe_with_cache(
        self: &Arc<Self>,
        sink: Arc<dyn Sink>,
    ) -> (Subscription, Vec<Arc<Frame>>) {
        let id = next_id();
        let mut inner = self.lock();
        let cached = inner.cache.as_ref().map(Cache::frames).unwrap_or_default();
        if inner.ended {
            sink.end();
        } else {
            inner.sinks.push((id, sink));
        }
        drop(inner);
        (Subscription { track: Arc::clone(self), id }, cached)
    }

    /// Adds a sink and returns what has passed lately with it, from a keyframe on:
    /// the frames before the first one the sink will see. Empty unless the stream
    /// keeps that ([`crate::Options::clip`]).
    pub fn subscribe_with_history(
        self: &Arc<Self>,
        sink: Arc<dyn Sink>,
    ) -> (Subscription, Vec<Arc<Frame>>) {
        let id = next_id();
        let mut inner = self.lock();
        let passed = inner.history.frames();
        if inner.ended {
            sink.end();
        } else {
            inner.sinks.push((id, sink));
        }
        drop(inner);
        (Subscription { track: Arc::clone(self), id }, passed)
    }

    /// Whether something is kept of what has passed.
    pub(crate) fn has_history(&self) -> bool {
        !self.lock().history.is_empty()
    }

    /// What has passed is not kept any longer.
    pub(crate) fn forget_history(&self) {
        let mut inner = self.lock();
        for follower in &inner.followers {
            follower.forget_history();
        }
        inner.history.forget();
    }

    /// The current group of pictures, keyframe first; empty if there is none.
    pub fn cached_gop(&self) -> Vec<Arc<Frame>> {
        self.lock().cache.as_ref().map(Cache::frames).unwrap_or_default()
    }

    /// The newest keyframe seen, however long ago.
    pub fn last_keyframe(&self) -> Option<Arc<Frame>> {
        self.lock().cache.as_ref().and_then(Cache::last_keyframe)
    }

    /// Counts a sender as a viewer of this track until its last reference is dropped.
    pub fn watch(&self, sender: &Arc<Sender>) {
        let mut inner = self.lock();
        inner.senders.retain(|s| s.strong_count() > 0);
        inner.senders.push(Arc::downgrade(sender));
    }

    /// Ids of the senders that read this track.
    pub fn children(&self) -> Vec<u64> {
        let inner = self.lock();
        let own = inner.senders.iter().filter_map(|s| s.upgrade().map(|s| s.id));
        own.chain(inner.followers.iter().flat_map(|follower| follower.children())).collect()
    }

    /// The source begins anew, or is let go: who wrote before writes no more,
    /// and what is cached does not belong to what follows. The last keyframe stays.
    /// Pictures go on with a keyframe.
    pub(crate) fn restart(&self, generation: u64) {
        let mut inner = self.lock();
        inner.generation = generation;
        inner.gated = self.kind == Kind::Video && inner.last_dts != i64::MIN;
        for follower in &inner.followers {
            follower.restart(generation);
        }
        if let Some(cache) = &mut inner.cache {
            cache.forget();
        }
    }

    /// Whether no frame will ever follow.
    pub fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Tells all sinks that nothing follows.
    pub fn end(&self) {
        let (sinks, followers) = {
            let mut inner = self.lock();
            inner.ended = true;
            (std::mem::take(&mut inner.sinks), std::mem::take(&mut inner.followers))
        };
        for (_, sink) in sinks {
            sink.end();
        }
        for follower in followers {
            follower.end();
        }
    }

    /// A new connection of the source begins: what came before was another one's.
    pub(crate) fn count_anew(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        self.packets.store(0, Ordering::Relaxed);
    }

    /// (payload bytes, packets) that came in since the source was opened.
    pub fn counters(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.packets.load(Ordering::Relaxed))
    }
}

/// (packets, payload bytes) of a frame: of the packets it came in, else of itself.
pub(crate) fn size_of(frame: &Frame) -> (usize, usize) {
    match (&frame.received, &frame.payload) {
        (Some(r), _) => (r.payloads.len(), r.payloads.iter().map(bytes::Bytes::len).sum()),
        (None, Payload::Opaque(parts)) => (parts.len(), frame.payload.len()),
        (None, _) => (1, frame.payload.len()),
    }
}

impl fmt::Debug for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
