//! Flash Video (Adobe's Video File Format Specification 10.1 annex E): H.264, H.265
//! (Enhanced RTMP 1), AAC and G.711, one track of each kind.
//!
//! `onMetaData` and the parameters that the source tells stand in front; those of
//! pictures are written again whenever a keyframe brings others.

use super::timeline::Timeline;
use super::{Chunks, Error};
use crate::codec::aac::{AudioSpecificConfig, config_bytes};
use crate::codec::{Codec, CodecId, h264, h265};
use crate::frame::{Frame, Payload};
use crate::track::Kind;

const AUDIO: u8 = 8;
const VIDEO: u8 = 9;
const SCRIPT: u8 = 18;
/// Header of a tag, which counts in the size that follows it.
const TAG: usize = 11;
/// Longest content of a tag: its size has 24 bits.
const MAX_TAG: usize = (1 << 24) - 1;
/// Milliseconds of the first frame: sound may be so much earlier.
const START: i64 = 500;

/// A track as it is tagged.
#[derive(Debug)]
enum Track {
    /// With the parameters that were written last.
    H264(Option<Vec<u8>>),
    H265(Option<Vec<u8>>),
    /// With the configuration of the decoder.
    Aac(Vec<u8>),
    /// With the byte that tells the codec.
    Samples(u8),
}

/// Writes tags.
#[derive(Debug)]
pub struct Muxer {
    tracks: Vec<Track>,
    metadata: Vec<u8>,
    /// Which kinds of tags there are.
    flags: u8,
    timeline: Timeline,
}

impl Muxer {
    /// For tracks of these codecs, at most one of a kind.
    ///
    /// # Errors
    /// A codec that it cannot carry, two tracks of a kind, or none.
    pub fn new(codecs: &[Codec]) -> Result<Self, Error> {
        let of = |kind| codecs.iter().filter(move |codec| codec.id.kind() == kind);
        let kinds = [of(Kind::Video).count(), of(Kind::Audio).count()];
        if codecs.is_empty() || kinds.iter().any(|count| *count > 1) {
            return Err(Error::Missing("flv", "one track of pictures, of sound, or of both"));
        }
        let tracks: Result<Vec<Track>, Error> = codecs.iter().map(Track::of).collect();
        Ok(Self {
            tracks: tracks?,
            metadata: metadata(codecs),
            flags: if kinds[0] > 0 { 1 } else { 0 } | if kinds[1] > 0 { 4 } else { 0 },
            timeline: Timeline::new(1000, START, codecs),
        })
    }
}

impl super::Muxer for Muxer {
    fn begin(&mut self, out: &mut Chunks) {
        out.copy(&[b'F', b'L', b'V', 1, self.flags, 0, 0, 0, 9, 0, 0, 0, 0]);
        write_tag(SCRIPT, 0, &self.metadata, &[], out);
        for track in &self.tracks {
            if let Some(content) = track.configuration() {
                write_tag(track.tag(), 0, &content, &[], out);
            }
        }
    }

    fn frame(&mut self, track: usize, frame: &Frame, out: &mut Chunks) {
        let Some((pts, dts)) = self.timeline.place(track, frame) else { return };
        let Some(track) = self.tracks.get_mut(track) else { return };
        if frame.keyframe
            && let Payload::Nals(nals) = &frame.payload
            && track.renew(nals)
            && let Some(content) = track.configuration()
        {
            write_tag(track.tag(), dts, &content, &[], out);
        }
        let head = track.head(frame.keyframe, pts - dts);
        match &frame.payload {
            Payload::Nals(nals) => {
                let nals: Vec<_> = nals.iter().filter(|nal| !track.is_known(nal)).collect();
                if !nals.is_empty() && track.has_parameters() {
                    write_tag(track.tag(), dts, &head, &nals, out);
                }
            }
            Payload::Data(data) if track.tag() == AUDIO => {
                let size = head.len() + data.len();
                if size <= MAX_TAG {
                    tag_header(AUDIO, dts, size, out);
                    out.copy(&head);
                    out.share(data);
                    tag_end(size, out);
                }
            }
            Payload::Data(_) | Payload::Opaque(_) => {}
        }
    }
}

impl Track {
    fn of(codec: &Codec) -> Result<Self, Error> {
        Ok(match codec.id {
            CodecId::H264 => Self::H264(h264::ParameterSets::from_fmtp(&codec.fmtp).write_record()),
            CodecId::H265 => Self::H265(h265::ParameterSets::from_fmtp(&codec.fmtp).write_record()),
            CodecId::Aac => {
                let plain =
                    || AudioSpecificConfig::lc(codec.timestamp_rate(), codec.channels.max(1));
                Self::Aac(config_bytes(&codec.fmtp).unwrap_or_else(|| plain().write()))
            }
            // 16 bit samples, which these are once they are decoded, and one channel.
            CodecId::Pcma if codec.timestamp_rate() == 8000 => Self::Samples(0x72),
            CodecId::Pcmu if codec.timestamp_rate() == 8000 => Self::Samples(0x82),
            ref other => return Err(Error::Unsupported("flv", other.clone())),
        })
    }

    const fn tag(&self) -> u8 {
        match self {
            Self::H264(_) | Self::H265(_) => VIDEO,
            Self::Aac(_) | Self::Samples(_) => AUDIO,
        }
    }

    /// Content of the tag that tells the parameters, if they are known.
    fn configuration(&self) -> Option<Vec<u8>> {
        let (head, record): (&[u8], _) = match self {
            Self::H264(record) => (&[0x17, 0, 0, 0, 0], record.as_ref()?),
            Self::H265(record) => (&[0x90, b'h', b'v', b'c', b'1'], record.as_ref()?),
            Self::Aac(config) => (&[0xaf, 0], config),
            Self::Samples(_) => return None,
        };
        Some([head, record].concat())
    }

    const fn has_parameters(&self) -> bool {
        matches!(self, Self::H264(Some(_)) | Self::H265(Some(_)))
    }

    /// Takes the parameters of a keyframe. Says whether they are others.
    fn renew(&mut self, nals: &[bytes::Bytes]) -> bool {
        let (known, new) = match self {
            Self::H264(known) => (known, h264::ParameterSets::from_nals(nals).write_record()),
            Self::H265(known) => (known, h265::ParameterSets::from_nals(nals).write_record()),
            Self::Aac(_) | Self::Samples(_) => return false,
        };
        let is_new = new.is_some() && new != *known;
        if is_new {
            *known = new;
        }
        is_new
    }

    /// What stands in front of a frame that is shown `later` milliseconds after it
    /// is decoded.
    fn head(&self, keyframe: bool, later: i64) -> Vec<u8> {
        let kind: u8 = if keyframe { 1 } else { 2 };
        let [.., c0, c1, c2] = i32::try_from(later).unwrap_or(0).clamp(0, 0x7f_ffff).to_be_bytes();
        match self {
            Self::H264(_) => vec![kind << 4 | 7, 1, c0, c1, c2],
            Self::H265(_) if later == 0 => vec![0x80 | kind << 4 | 3, b'h', b'v', b'c', b'1'],
            Self::H265(_) => vec![0x80 | kind << 4 | 1, b'h', b'v', b'c', b'1', c0, c1, c2],
            Self::Aac(_) => vec![0xaf, 1],
            Self::Samples(head) => vec![*head],
        }
    }

    /// Delimiters, and parameter sets, which have a tag of their own.
    fn is_known(&self, nal: &[u8]) -> bool {
        match self {
            Self::H264(_) => matches!(h264::nal_type(nal), h264::SPS | h264::PPS | h264::AUD),
            Self::H265(_) => matches!(h265::nal_type(nal), h265::VPS..=h265::AUD),
            Self::Aac(_) | Self::Samples(_) => false,
        }
    }
}

/// A tag of some bytes and NAL units with their lengths.
fn write_tag(kind: u8, time: i64, head: &[u8], nals: &[&bytes::Bytes], out: &mut Chunks) {
    let size = head.len() + nals.iter().map(|nal| 4 + nal.len()).sum::<usize>();
    if size > MAX_TAG {
        return;
    }
    tag_header(kind, time, size, out);
    out.copy(head);
    for nal in nals {
        out.copy(&u32::try_from(nal.len()).unwrap_or(0).to_be_bytes());
        out.share(nal);
    }
    tag_end(size, out);
}

fn tag_header(kind: u8, time: i64, size: usize, out: &mut Chunks) {
    let [_, s0, s1, s2] = u32::try_from(size).unwrap_or(0).to_be_bytes();
    // Times wrap after 49 days.
    let [t3, t0, t1, t2] = (time.cast_unsigned() as u32).to_be_bytes();
    out.copy(&[kind, s0, s1, s2, t0, t1, t2, t3, 0, 0, 0]);
}

fn tag_end(size: usize, out: &mut Chunks) {
    out.copy(&u32::try_from(TAG + size).unwrap_or(0).to_be_bytes());
}

/// `onMetaData` (annex E.5): which tracks there are, as far as it is known.
fn metadata(codecs: &[Codec]) -> Vec<u8> {
    let mut entries: Vec<(&str, f64)> = Vec::new();
    let mut stereo = None;
    for codec in codecs {
        match codec.id {
            CodecId::H264 => {
                entries.push(("videocodecid", 7.0));
                let sps = h264::ParameterSets::from_fmtp(&codec.fmtp).parse_sps();
                size_entries(sps.map(|sps| (sps.width, sps.height)), &mut entries);
            }
            CodecId::H265 => {
                entries.push(("videocodecid", f64::from(u32::from_be_bytes(*b"hvc1"))));
                let sps = h265::ParameterSets::from_fmtp(&codec.fmtp).parse_sps();
                size_entries(sps.map(|sps| (sps.width, sps.height)), &mut entries);
            }
            _ => {
                let id = match codec.id {
                    CodecId::Pcma => 7.0,
                    CodecId::Pcmu => 8.0,
                    _ => 10.0,
                };
                entries.push(("audiocodecid", id));
                entries.push(("audiosamplerate", f64::from(codec.timestamp_rate())));
                entries.push(("audiosamplesize", 16.0));
                stereo = Some(codec.channels > 1);
            }
        }
    }
    let count = entries.len() + usize::from(stereo.is_some());
    let mut out = vec![2, 0, 10];
    out.extend(b"onMetaData");
    out.push(8);
    out.extend(u32::try_from(count).unwrap_or(0).to_be_bytes());
    for (name, value) in entries {
        name_entry(name, &mut out);
        out.push(0);
        out.extend(value.to_be_bytes());
    }
    if let Some(stereo) = stereo {
        name_entry("stereo", &mut out);
        out.extend([1, u8::from(stereo)]);
    }
    out.extend([0, 0, 9]);
    out
}

fn size_entries(size: Option<(u32, u32)>, entries: &mut Vec<(&str, f64)>) {
    if let Some((width, height)) = size {
        entries.push(("width", f64::from(width)));
        entries.push(("height", f64::from(height)));
    }
}

fn name_entry(name: &str, out: &mut Vec<u8>) {
    out.extend(u16::try_from(name.len()).unwrap_or(0).to_be_bytes());
    out.extend(name.as_bytes());
}
