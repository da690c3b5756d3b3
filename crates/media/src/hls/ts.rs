//! Segments of an MPEG transport stream (RFC 8216 3.2): each part begins with the
//! tables, so that reading can begin with any of them.

use std::sync::Arc;

use bytes::Bytes;

use super::{Begin, Lead, Packager};
use crate::codec::{Codec, ParameterSets};
use crate::container::mux::{Chunks, Error, Muxer as _, mpegts};
use crate::frame::{Frame, Payload};
use crate::time::rescale;

/// Most that pictures in front of a part take: this part of a second.
const BURST_PART: u32 = 10;

/// Packages a transport stream.
#[derive(Debug)]
pub struct Ts {
    muxer: mpegts::Muxer,
    /// Clock rates, by track.
    rates: Arc<[u32]>,
    /// By track, once they are known.
    sets: Vec<Option<ParameterSets>>,
}

/// Where a part begins.
#[derive(Debug)]
struct TsBegin {
    /// As it was before it.
    muxer: mpegts::Muxer,
    rates: Arc<[u32]>,
}

impl Ts {
    /// For tracks of these codecs.
    ///
    /// # Errors
    /// A codec that the transport stream cannot carry.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        let muxer = mpegts::Muxer::new(codecs)?;
        let rates = codecs.iter().map(Codec::timestamp_rate).collect();
        Ok(Self { muxer, rates, sets: vec![None; codecs.len()] })
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

    /// Its frames have their own times.
    fn skip(&mut self, _: usize, _: &Frame) {}

    fn begin_part(&mut self, out: &mut Chunks) -> Arc<dyn Begin> {
        let begin = TsBegin { muxer: self.muxer.clone(), rates: Arc::clone(&self.rates) };
        self.muxer.tables(out);
        Arc::new(begin)
    }

    fn takes(&self, track: usize, frame: &Frame) -> bool {
        self.muxer.takes(track, frame)
    }

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        self.muxer.frame(track, frame, out);
    }
}

impl Begin for TsBegin {
    fn before(&self, lead: &Lead) -> Chunks {
        let mut out = Chunks::new();
        let rate = |track: usize| self.rates.get(track).copied().unwrap_or(90_000);
        let end = lead.start.dts;
        let pictures = match lead.frames.split_last() {
            // Of a part with one picture players take its distance to the one before
            // for its duration: that one stays where it is.
            Some((last, before)) if lead.is_single && last.dts < end => {
                let mut pictures = pressed(before, last.dts, rate(lead.track));
                pictures.push(Arc::clone(last));
                pictures
            }
            _ => pressed(&lead.frames, end, rate(lead.track)),
        };
        let mut all: Vec<(usize, Arc<Frame>)> = lead.others.clone();
        all.extend(pictures.into_iter().map(|frame| (lead.track, frame)));
        all.sort_by_key(|(track, frame)| rescale(frame.dts, rate(*track), 1_000_000));
        out.share(&self.muxer.before(&all, (lead.track, end)));
        out
    }
}

/// Frames a millisecond each at most, that are decoded until `end`. They are shown in
/// the order they were; what is shown after `end` keeps its time.
fn pressed(frames: &[Arc<Frame>], end: i64, rate: u32) -> Vec<Arc<Frame>> {
    let count = frames.len() as i64;
    let step =
        (i64::from(rate / BURST_PART) / count.max(1)).clamp(1, i64::from(rate / 1000).max(1));
    let mut order: Vec<i64> = frames.iter().map(|f| f.pts).filter(|pts| *pts < end).collect();
    order.sort_unstable();
    let shown = |pts: i64| {
        let left = order.len() - order.partition_point(|other| *other < pts);
        if pts < end { end.saturating_sub(left as i64 * step) } else { pts }
    };
    let decoded = |index: usize| end.saturating_sub((count - index as i64) * step);
    // None is shown before it is decoded.
    let early = |(index, frame): (usize, &Arc<Frame>)| decoded(index) - shown(frame.pts);
    let early = frames.iter().enumerate().map(early).max().unwrap_or(0).max(0);
    let at = |(index, frame): (usize, &Arc<Frame>)| {
        Arc::new(frame.at(shown(frame.pts), decoded(index).saturating_sub(early)))
    };
    frames.iter().enumerate().map(at).collect()
}
