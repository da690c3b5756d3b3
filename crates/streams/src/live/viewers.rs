//! The viewers' side: tracks that are made on first use, microphones, and what the
//! API shows of them.

use std::sync::Arc;

use rs2rtc_media::{Codec, Direction, Frame};

use super::Live;
use super::state::{LiveTrack, State};
use crate::track::{Sender, Track};

impl Live {
    /// The track of a media's codec, made on first use.
    pub(crate) fn track(&self, media: usize, codec: usize) -> Option<Arc<Track>> {
        self.track_in(&mut self.lock(), media, codec)
    }

    pub(super) fn track_in(
        &self,
        state: &mut State,
        media: usize,
        codec: usize,
    ) -> Option<Arc<Track>> {
        let offered = state.medias.get(media)?;
        let kind = offered.kind;
        let codec = offered.codecs.get(codec)?.clone();
        if let Some(live) = state.tracks.iter_mut().find(|t| t.is_of(media, &codec)) {
            let track = Arc::clone(&live.track);
            if !std::mem::replace(&mut live.active, true) {
                self.publish(state);
            }
            return Some(track);
        }
        let track =
            Arc::new(Track::remembering(kind, codec.clone(), self.cache, self.reach.clone()));
        track.restart(state.generation);
        state.tracks.push(LiveTrack::received(Some(media), codec, &track));
        self.publish(state);
        Some(track)
    }

    /// Takes the first codec of a media in whether somebody wants it or not.
    /// `known` is what it turned out to be: the same codec, with other parameters.
    pub(crate) fn take_in(&self, generation: u64, media: usize, known: &Codec) -> Option<()> {
        let mut state = self.lock();
        if state.generation != generation {
            return None;
        }
        let offered = state.medias.get_mut(media)?.codecs.first_mut()?;
        if offered != known {
            let before = std::mem::replace(offered, known.clone());
            for live in state.tracks.iter_mut().filter(|t| t.is_of(media, &before)) {
                live.codec = known.clone();
                live.track.set_codec(known.clone());
            }
        }
        let track = self.track_in(&mut state, media, 0)?;
        for live in state.tracks.iter_mut().filter(|t| Arc::ptr_eq(&t.track, &track)) {
            live.taken_in = true;
        }
        Some(())
    }

    /// Gives the producer a consumer's track to send (a microphone).
    pub(crate) fn feed(&self, media: usize, codec: usize, track: &Arc<Track>) -> Option<()> {
        let mut state = self.lock();
        let codec = state.medias.get(media)?.codecs.get(codec)?.clone();
        // Listed with what the talker says, which may leave the codec open.
        let sender = Arc::new(Sender::new(track.codec(), track.id));
        track.watch(&sender);
        state.tracks.push(LiveTrack {
            media: Some(media),
            direction: Direction::SendOnly,
            codec,
            track: Arc::clone(track),
            active: true,
            taken_in: false,
            feed: Some(sender),
        });
        self.publish(&state);
        Some(())
    }

    /// Gives the producer a consumer's track again, if it still takes the codec.
    pub(crate) fn feed_again(&self, codec: &Codec, track: &Arc<Track>) -> Option<()> {
        let medias = self.medias();
        let (media, codec) = medias.iter().enumerate().find_map(|(index, media)| {
            let takes = media.direction == Direction::SendOnly;
            let codec = media.codecs.iter().position(|c| takes && c.matches(codec))?;
            Some((index, codec))
        })?;
        self.feed(media, codec, track)
    }

    /// Takes a microphone away again.
    pub(crate) fn unfeed(&self, track: &Arc<Track>) {
        let mut state = self.lock();
        state
            .tracks
            .retain(|t| t.direction == Direction::RecvOnly || !Arc::ptr_eq(&t.track, track));
        self.publish(&state);
    }

    /// True if some viewer reads one of its tracks.
    pub(crate) fn is_watched(&self) -> bool {
        self.lock().tracks.iter().any(|t| t.feed.is_some() || t.track.is_watched())
    }

    /// Tracks it delivers, for the API, and whether they come in for somebody else than
    /// their viewers.
    pub(crate) fn receivers(&self) -> Vec<(Arc<Track>, bool)> {
        let state = self.lock();
        let received =
            state.tracks.iter().filter(|t| t.direction == Direction::RecvOnly && t.active);
        let kept = |t: &LiveTrack| t.taken_in || t.track.has_history();
        received.map(|t| (Arc::clone(&t.track), kept(t))).collect()
    }

    /// The newest keyframe of its picture, however long ago, and its codec.
    pub(crate) fn last_keyframe(&self) -> Option<(Codec, Arc<Frame>)> {
        let state = self.lock();
        let keyframes = state.tracks.iter().filter_map(|live| {
            let keyframe = live.track.last_keyframe()?;
            Some((live.track.codec(), keyframe))
        });
        keyframes.max_by_key(|(_, keyframe)| keyframe.arrival)
    }

    /// Senders into its backchannels, for the API.
    pub(crate) fn senders(&self) -> Vec<Arc<Sender>> {
        self.lock().tracks.iter().filter_map(|t| t.feed.clone()).collect()
    }
}
