//! Tracks that change their source while viewers read them ([`crate::moving`]).

use std::sync::Arc;

use rs2rtc_media::{Codec, Direction};

use super::Live;
use super::state::{LiveTrack, State, goes_on};
use crate::connection::next_id;
use crate::track::Track;

impl Live {
    /// The tracks that somebody reads, taken away: another source is to give
    /// them. What the producer still writes to them is ignored.
    pub(crate) fn uproot(&self) -> Vec<Arc<Track>> {
        let mut state = self.lock();
        let received = |t: &mut LiveTrack| t.direction == Direction::RecvOnly;
        let taken: Vec<LiveTrack> = state.tracks.extract_if(.., received).collect();
        self.publish(&state);
        drop(state);
        let tracks = taken.into_iter().map(|live| live.track);
        let watched = tracks.filter(|track| track.is_watched());
        watched.inspect(|track| track.restart(next_id())).collect()
    }

    /// Gives a track of another source from now on, if a media has its codec.
    pub(crate) fn adopt(&self, track: &Arc<Track>) -> bool {
        let mut state = self.lock();
        let adopted = state.adopt(track);
        if adopted {
            self.publish(&state);
        }
        adopted
    }

    /// As [`Self::adopt`]; a source that is not open takes every track: the next
    /// producer gives it, or the track ends.
    pub(crate) fn expect(&self, track: &Arc<Track>) -> bool {
        let mut state = self.lock();
        if state.connection.is_some() {
            drop(state);
            return self.adopt(track);
        }
        let codec = track.codec();
        state.tracks.push(LiveTrack { active: false, ..LiveTrack::received(None, codec, track) });
        true
    }

    /// Whether it gives this track, itself or by one of its own.
    pub(crate) fn gives(&self, track: &Arc<Track>) -> bool {
        self.lock().tracks.iter().any(|t| t.track.is_or_leads(track))
    }
}

impl State {
    fn adopt(&mut self, track: &Arc<Track>) -> bool {
        let old = track.codec();
        let found = self.medias.iter().enumerate().find_map(|(index, media)| {
            let gives = media.direction == Direction::RecvOnly;
            // What one source says of its channels another one may leave open.
            let fits = |codec: &&Codec| goes_on(codec, &old) || goes_on(&old, codec);
            let codec = media.codecs.iter().filter(|_| gives).find(fits)?;
            Some((index, codec.clone()))
        });
        let Some((media, codec)) = found else { return false };
        if let Some(live) = self.tracks.iter_mut().find(|t| t.is_of(media, &codec)) {
            live.active = true;
            live.track.lead(track);
        } else {
            track.set_codec(codec.clone());
            track.restart(self.generation);
            self.tracks.push(LiveTrack::received(Some(media), codec, track));
        }
        true
    }
}
