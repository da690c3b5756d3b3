//! Frames of one track to fragments, once for all readers.

use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::flac;
use super::format::{Config, Format};
use super::timeline::Timeline;
use crate::codec::{CodecId, g711, h264, h265};
use crate::frame::{Frame, Payload};

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
    /// What the `mdat` holds.
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

    /// Makes the fragment of a frame. `None` if the frame is of another kind than
    /// the track, or empty.
    pub fn fragment(&mut self, frame: &Frame) -> Option<Fragment> {
        let payload = self.payload(frame)?;
        let (dts, duration) = match &self.format.config {
            Config::H264(_) | Config::H265(_) => {
                if !self.timeline.has_begun()
                    && let Some(step) = self.frame_step()
                {
                    self.timeline.expect(step);
                }
                self.timeline.picture(frame.dts)
            }
            Config::Pcm { .. } => self.timeline.sound(frame.pts, payload.1),
            _ => {
                let lasts = self.format.lasts(&payload.0);
                self.timeline.sound(frame.pts, lasts)
            }
        };
        let composition = frame.pts.saturating_sub(frame.dts);
        Some(Fragment {
            track: self.index,
            keyframe: frame.keyframe,
            dts,
            composition: i32::try_from(composition).unwrap_or(0),
            duration,
            payload: payload.0,
            arrival: frame.arrival,
        })
    }

    /// Ticks between pictures by the parameter sets.
    fn frame_step(&self) -> Option<i64> {
        let Config::H264(sets) = &self.format.config else { return None };
        let fps = sets.parse_sps()?.fps.filter(|fps| *fps >= 1.0)?;
        Some((f64::from(self.format.timescale) / fps).round() as i64)
    }

    /// The payload, and the ticks of it that are known from making it.
    fn payload(&mut self, frame: &Frame) -> Option<(Bytes, Option<u32>)> {
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
            (Config::Pcm { codec, rate, channels }, Payload::Data(data)) => {
                let samples = linear(codec, data);
                let frame = flac::frame(self.samples, *rate, *channels, &samples)?;
                let count = (samples.len() / usize::from(*channels)).min(flac::MAX_BLOCK);
                self.samples += count as u64;
                Some((frame, u32::try_from(count).ok()))
            }
            (
                Config::Aac { .. } | Config::Mpa { .. } | Config::Opus { .. },
                Payload::Data(data),
            ) => (!data.is_empty()).then(|| (data.clone(), None)),
            _ => None,
        }
    }
}

/// NAL units behind their lengths. Those that the initialisation segment holds,
/// and those that say nothing, are left out: `avc1` and `hvc1` want it so
/// (ISO/IEC 14496-15 5.3.2 and 8.3.2).
fn length_prefixed(nals: &[Bytes], left_out: impl Fn(&Bytes) -> bool) -> Option<Bytes> {
    let size = nals.iter().map(|nal| nal.len() + 4).sum();
    let mut out = BytesMut::with_capacity(size);
    for nal in nals.iter().filter(|nal| !left_out(nal)) {
        out.extend_from_slice(&u32::try_from(nal.len()).ok()?.to_be_bytes());
        out.extend_from_slice(nal);
    }
    (!out.is_empty()).then(|| out.freeze())
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
