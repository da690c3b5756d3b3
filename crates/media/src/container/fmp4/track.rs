//! Frames of one track to fragments, once for all readers.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::flac;
use super::format::{Config, Format};
use super::timeline::Timeline;
use crate::codec::{CodecId, g711, h264, h265};
use crate::frame::{Frame, Payload};
use crate::rtp::depay::av1 as rtp_av1;

/// One frame, ready to be sent: everything but the bytes in front of it, which
/// hold the times of a reader (see [`super::Cursor`]).
#[derive(Clone, Debug)]
pub struct Fragment {
    /// Index of its track.
    pub track: usize,
    /// Decoding can begin here.
    pub keyframe: bool,
    /// Decoding time on the timeline of the stream, in ticks of the track. It is
    /// where the fragment before it on the track ends.
    pub dts: i64,
    /// Presentation time less decoding time, in ticks.
    pub composition: i32,
    /// In ticks, at least 1.
    pub duration: u32,
    /// Bytes that the `mdat` holds.
    pub size: usize,
    /// They themselves; empty if they stay in their pieces.
    pub payload: Bytes,
    /// When the last byte of the frame came in.
    pub arrival: Instant,
}

impl Fragment {
    /// Where the next fragment of its track begins.
    pub fn end(&self) -> i64 {
        self.dts.saturating_add(self.duration.into())
    }

    /// Presentation time on the timeline of the stream.
    pub fn pts(&self) -> i64 {
        self.dts.saturating_add(self.composition.into())
    }
}

/// A track on its way into fragments.
#[derive(Debug)]
pub struct Track {
    index: usize,
    format: Format,
    timeline: Timeline,
    /// Samples of sound that FLAC frames have numbered.
    samples: u64,
}

impl Track {
    /// A track by its index in the initialisation segment.
    pub fn new(index: usize, format: Format) -> Self {
        let timeline = Timeline::new(format.timescale);
        Self { index, format, timeline, samples: 0 }
    }

    /// What it is now.
    pub const fn format(&self) -> &Format {
        &self.format
    }

    /// Takes what a frame says about the format. True if that changes the
    /// initialisation segment.
    pub fn learn(&mut self, frame: &Frame) -> bool {
        self.format.learn(frame)
    }

    /// The usual distance of its frames in ticks, if somebody knows.
    pub fn expect(&mut self, step: i64) {
        self.timeline.expect(step);
    }

    /// The next frame begins where it came, whatever ended before.
    pub const fn skip(&mut self) {
        self.timeline.skip();
    }

    /// Whether there is a fragment of a frame: it is of the track's kind, a picture has a
    /// slice, and sound a sample.
    pub fn takes(&self, frame: &Frame) -> bool {
        match (&self.format.config, &frame.payload) {
            (Config::H264(_), Payload::Nals(nals)) => {
                frame.codec == CodecId::H264
                    && nals.iter().any(|nal| h264::is_vcl(h264::nal_type(nal)))
            }
            (Config::H265(_), Payload::Nals(nals)) => {
                let is_slice = |nal: &Bytes| !nal.is_empty() && h265::is_vcl(h265::nal_type(nal));
                frame.codec == CodecId::H265 && nals.iter().any(is_slice)
            }
            (Config::Av1(_), Payload::Opaque(payloads)) => {
                frame.codec == CodecId::Av1
                    && rtp_av1::units(payloads).is_some_and(|units| !units.is_empty())
            }
            (Config::Pcm { codec, channels, .. }, Payload::Data(data)) => {
                let bytes = if matches!(codec, CodecId::Pcma | CodecId::Pcmu) { 1 } else { 2 };
                data.len() >= bytes * usize::from(*channels)
            }
            (
                Config::Av1(_) | Config::Aac { .. } | Config::Mpa { .. } | Config::Opus { .. },
                Payload::Data(data),
            ) => !data.is_empty(),
            _ => false,
        }
    }

    /// Makes the fragment of a frame. `None` if the frame is of another kind than
    /// the track, or empty.
    pub fn fragment(&mut self, frame: &Frame) -> Option<Fragment> {
        let (mut fragment, pieces) = self.fragment_in_pieces(frame)?;
        fragment.payload = joined(pieces);
        Some(fragment)
    }

    /// The same with the payload in the pieces that the frame has, none of them
    /// copied: for a single reader. [`Fragment::payload`] stays empty.
    pub fn fragment_in_pieces(&mut self, frame: &Frame) -> Option<(Fragment, Vec<Bytes>)> {
        let (pieces, lasts) = self.payload(frame)?;
        let (dts, duration) = match &self.format.config {
            Config::H264(_) | Config::H265(_) | Config::Av1(_) => {
                if !self.timeline.has_begun()
                    && let Some(step) = self.frame_step()
                {
                    self.timeline.expect(step);
                }
                self.timeline.picture(frame.dts)
            }
            Config::Pcm { .. } => self.timeline.sound(frame.pts, lasts),
            _ => {
                let lasts = self.format.lasts(pieces.first()?);
                self.timeline.sound(frame.pts, lasts)
            }
        };
        let composition = frame.pts.saturating_sub(frame.dts);
        let fragment = Fragment {
            track: self.index,
            keyframe: frame.keyframe,
            dts,
            composition: i32::try_from(composition).unwrap_or(0),
            duration,
            size: pieces.iter().map(Bytes::len).sum(),
            payload: Bytes::new(),
            arrival: frame.arrival,
        };
        Some((fragment, pieces))
    }

    /// Ticks between pictures by the parameter sets.
    fn frame_step(&self) -> Option<i64> {
        let Config::H264(sets) = &self.format.config else { return None };
        let fps = sets.parse_sps()?.fps.filter(|fps| *fps >= 1.0)?;
        Some((f64::from(self.format.timescale) / fps).round() as i64)
    }

    /// The payload in pieces, and the ticks of it that are known from making it.
    fn payload(&mut self, frame: &Frame) -> Option<(Vec<Bytes>, Option<u32>)> {
        match (&self.format.config, &frame.payload) {
            (Config::H264(sets), Payload::Nals(nals)) if frame.codec == CodecId::H264 => {
                let known = |nal: &Bytes| match h264::nal_type(nal) {
                    h264::SPS => sets.sps.contains(nal),
                    h264::PPS => sets.pps.contains(nal),
                    kind => h264::is_dispensable(kind),
                };
                Some((length_prefixed(nals, known)?, None))
            }
            (Config::H265(sets), Payload::Nals(nals)) if frame.codec == CodecId::H265 => {
                let known = |nal: &Bytes| match h265::nal_type(nal) {
                    h265::VPS => sets.vps.contains(nal),
                    h265::SPS => sets.sps.contains(nal),
                    h265::PPS => sets.pps.contains(nal),
                    kind => h265::is_dispensable(kind),
                };
                Some((length_prefixed(nals, known)?, None))
            }
            (Config::Av1(_), Payload::Opaque(payloads)) if frame.codec == CodecId::Av1 => {
                let units = rtp_av1::units(payloads).filter(|units| !units.is_empty())?;
                Some((units.concat(), None))
            }
            (Config::Pcm { codec, rate, channels }, Payload::Data(data)) => {
                let samples = linear(codec, data);
                let frame = flac::frame(self.samples, *rate, *channels, &samples)?;
                let count = (samples.len() / usize::from(*channels)).min(flac::MAX_BLOCK);
                self.samples += count as u64;
                Some((vec![frame], u32::try_from(count).ok()))
            }
            (
                Config::Av1(_) | Config::Aac { .. } | Config::Mpa { .. } | Config::Opus { .. },
                Payload::Data(data),
            ) => (!data.is_empty()).then(|| (vec![data.clone()], None)),
            _ => None,
        }
    }
}

/// NAL units behind their lengths. Those that the initialisation segment holds,
/// and those that say nothing, are left out: `avc1` and `hvc1` want it so
/// (ISO/IEC 14496-15 5.3.2 and 8.3.2).
fn length_prefixed(nals: &[Bytes], left_out: impl Fn(&Bytes) -> bool) -> Option<Vec<Bytes>> {
    let kept: Vec<&Bytes> = nals.iter().filter(|nal| !left_out(nal)).collect();
    let mut lengths = BytesMut::with_capacity(4 * kept.len());
    for nal in &kept {
        lengths.extend_from_slice(&u32::try_from(nal.len()).ok()?.to_be_bytes());
    }
    let mut lengths = lengths.freeze();
    let pieces = kept.into_iter().flat_map(|nal| [lengths.split_to(4), nal.clone()]);
    let pieces: Vec<Bytes> = pieces.collect();
    (!pieces.is_empty()).then_some(pieces)
}

/// Pieces in one buffer; a single one is not copied.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut out = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| out.extend_from_slice(piece));
    out.freeze()
}

fn linear(codec: &CodecId, data: &[u8]) -> Vec<i16> {
    let pairs = |read: fn([u8; 2]) -> i16| -> Vec<i16> {
        data.as_chunks::<2>().0.iter().map(|pair| read(*pair)).collect()
    };
    match codec {
        CodecId::Pcma => data.iter().map(|b| g711::decode_a_law(*b)).collect(),
        CodecId::Pcmu => data.iter().map(|b| g711::decode_mu_law(*b)).collect(),
        CodecId::Pcml => pairs(i16::from_le_bytes),
        _ => pairs(i16::from_be_bytes),
    }
}
