//! Segments of fragmented MP4 (RFC 8216 3.3): a fragment for each frame, on one
//! line of time that begins anew with each initialisation segment.

use std::sync::Arc;

use bytes::Bytes;

use super::{Begin, Lead, Packager};
use crate::codec::Codec;
use crate::container::fmp4::{
    Cursor, Format, Pace, Picture, Track, Unsupported, init, place_before,
};
use crate::container::mux::Chunks;
use crate::frame::Frame;
use crate::track::Kind;

/// Packages fragments.
#[derive(Debug)]
pub struct Mp4 {
    tracks: Vec<Track>,
    cursor: Cursor,
    /// Index of the leading track.
    lead: usize,
}

/// Where a part begins.
#[derive(Debug)]
struct Mp4Begin {
    /// Of the leading track.
    format: Option<Format>,
    /// In its ticks.
    at: i64,
}

impl Mp4 {
    /// For tracks of these codecs.
    ///
    /// # Errors
    /// A codec that MP4 cannot carry.
    pub fn new(codecs: &[Codec]) -> Result<Self, Unsupported> {
        let formats: Result<Vec<Format>, _> = codecs.iter().map(Format::new).collect();
        Ok(Self::of(formats?))
    }

    fn of(formats: Vec<Format>) -> Self {
        let master = formats.iter().position(|format| format.kind() == Kind::Video).unwrap_or(0);
        let timescales: Vec<u32> = formats.iter().map(|format| format.timescale).collect();
        let cursor = Cursor::new(Pace::Recording, &timescales, master);
        let tracks =
            formats.into_iter().enumerate().map(|(index, format)| Track::new(index, format));
        Self { tracks: tracks.collect(), cursor, lead: master }
    }

    fn formats(&self) -> Vec<Format> {
        self.tracks.iter().map(|track| track.format().clone()).collect()
    }
}

impl Packager for Mp4 {
    fn learn(&mut self, track: usize, frame: &Frame) -> bool {
        self.tracks.get_mut(track).is_some_and(|track| track.learn(frame))
    }

    fn is_ready(&self) -> bool {
        self.tracks.iter().all(|track| track.format().is_complete())
    }

    fn init(&self) -> Option<Bytes> {
        Some(init::write(&self.formats(), Picture::default(), &[]).into())
    }

    fn restart(&mut self) {
        *self = Self::of(self.formats());
    }

    fn skip(&mut self, track: usize, frame: &Frame) {
        if let Some(late) = self.tracks.get_mut(track) {
            late.skip();
            self.cursor.skip(track, frame.dts);
        }
    }

    fn begin_part(&mut self, _: &mut Chunks) -> Arc<dyn Begin> {
        let format = self.tracks.get(self.lead).map(|track| track.format().clone());
        Arc::new(Mp4Begin { format, at: self.cursor.end() })
    }

    fn takes(&self, track: usize, frame: &Frame) -> bool {
        self.tracks.get(track).is_some_and(|track| track.takes(frame))
    }

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        let fragment = self.tracks.get_mut(track).and_then(|track| track.fragment(frame));
        if let Some(fragment) = fragment
            && let Some(head) = self.cursor.place(&fragment)
        {
            out.copy(&head);
            out.share(&fragment.payload);
        }
    }
}

impl Begin for Mp4Begin {
    // The other tracks are known from the initialisation segment.
    fn before(&self, lead: &Lead) -> Chunks {
        let mut out = Chunks::new();
        let Some(format) = &self.format else { return out };
        let mut track = Track::new(lead.track, format.clone());
        let fragments = lead.frames.iter().filter_map(|frame| track.fragment_in_pieces(frame));
        let (group, payloads): (Vec<_>, Vec<_>) =
            fragments.map(|(fragment, pieces)| (Arc::new(fragment), pieces)).unzip();
        let heads = place_before(&group, format.timescale, self.at);
        for (head, pieces) in heads.iter().zip(&payloads) {
            out.copy(head);
            pieces.iter().for_each(|piece| out.share(piece));
        }
        out
    }
}
