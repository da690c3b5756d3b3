//! A source's tracks as they are now.

use std::sync::Arc;

use rs2rtc_media::codec::aac::config_bytes;
use rs2rtc_media::{Codec, CodecId, Direction, Media};

use crate::connection::Connection;
use crate::track::{Sender, Track};

#[derive(Debug)]
pub(super) struct LiveTrack {
    /// `None` while the source does not offer it.
    pub(super) media: Option<usize>,
    pub(super) direction: Direction,
    pub(super) codec: Codec,
    pub(super) track: Arc<Track>,
    /// Somebody asked for it since the source was opened, or waits for it.
    pub(super) active: bool,
    /// It comes in whether somebody reads it or not.
    pub(super) taken_in: bool,
    /// Keeps a consumer's microphone counted as heard.
    pub(super) feed: Option<Arc<Sender>>,
}

impl LiveTrack {
    pub(super) fn received(media: Option<usize>, codec: Codec, track: &Arc<Track>) -> Self {
        Self {
            media,
            direction: Direction::RecvOnly,
            codec,
            track: Arc::clone(track),
            active: true,
            taken_in: false,
            feed: None,
        }
    }

    /// Whether it is what a media gives in a codec.
    pub(super) fn is_of(&self, media: usize, codec: &Codec) -> bool {
        self.media == Some(media) && self.direction == Direction::RecvOnly && self.codec == *codec
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) generation: u64,
    /// The highest run that opened it.
    pub(super) run: u64,
    /// What the last producer offered, until it is known to be wrong.
    pub(super) medias: Vec<Media>,
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) tracks: Vec<LiveTrack>,
}

/// Whether what a source gives now goes on what it gave before. Sound does not say in
/// band how it is to be decoded: with another configuration it is another track.
pub(super) fn goes_on(now: &Codec, before: &Codec) -> bool {
    let config = |codec: &Codec| config_bytes(&codec.fmtp).filter(|_| codec.id == CodecId::Aac);
    let is_other = config(now).zip(config(before)).is_some_and(|(now, before)| now != before);
    now.matches(before) && !is_other
}
