//! Segments of an MPEG transport stream (RFC 8216 3.2): each part begins with the
//! tables, so that reading can begin with any of them.

use std::sync::Arc;

use bytes::Bytes;

use super::Packager;
use crate::codec::{Codec, ParameterSets};
use crate::container::mux::{Chunks, Error, Muxer as _, mpegts, squeeze};
use crate::frame::{Frame, Payload};

/// Packages a transport stream.
#[derive(Debug)]
pub struct Ts {
    muxer: mpegts::Muxer,
    /// As it was before the segment that is being written.
    start: mpegts::Muxer,
    rates: Vec<u32>,
    /// By track, once they are known.
    sets: Vec<Option<ParameterSets>>,
}

impl Ts {
    /// For tracks of these codecs.
    ///
    /// # Errors
    /// A codec that the transport stream cannot carry.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        let muxer = mpegts::Muxer::new(codecs)?;
        let rates = codecs.iter().map(Codec::timestamp_rate).collect();
        Ok(Self { start: muxer.clone(), muxer, rates, sets: vec![None; codecs.len()] })
    }
}

impl Packager for Ts {
    fn learn(&mut self, track: usize, frame: &Frame) -> bool {
        let Payload::Nals(nals) = &frame.payload else { return false };
        let Some(known) = self.sets.get_mut(track).filter(|_| frame.keyframe) else { return false };
        if known.as_ref().is_some_and(|known| known.has_all_of(nals)) {
            return false;
        }
        let Some(found) = ParameterSets::from_nals(&frame.codec, nals) else { return false };
        let is_other = known.as_ref().is_some_and(|known| *known != found);
        *known = Some(found);
        is_other
    }

    fn is_ready(&self) -> bool {
        true
    }

    fn init(&self) -> Option<Bytes> {
        None
    }

    fn restart(&mut self) {}

    fn begin_segment(&mut self) {
        self.start = self.muxer.clone();
    }

    fn begin_part(&mut self, out: &mut Chunks) {
        self.muxer.tables(out);
    }

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        self.muxer.frame(track, frame, out);
    }

    fn before(&self, track: usize, frames: &[Arc<Frame>], end: i64) -> Option<(Bytes, i64)> {
        // Pictures in another order than they are shown in keep their times.
        if frames.iter().any(|frame| frame.pts != frame.dts) {
            return None;
        }
        let millisecond = i64::from((self.rates.get(track)? / 1000).max(1));
        let newest = end.saturating_sub(millisecond);
        let frames = squeeze(frames.to_vec(), newest, *self.rates.get(track)?);
        let first = frames.first()?.dts;
        Some((self.start.before(track, &frames), end.saturating_sub(first)))
    }
}
