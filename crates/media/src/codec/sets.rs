//! Parameter sets of a video track, whichever codec has them.

use bytes::Bytes;

use super::{Codec, CodecId, h264, h265};

/// What a decoder must know before a keyframe (ITU-T H.264 7.4.1.2.1,
/// ITU-T H.265 7.4.2.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterSets {
    /// SPS and PPS.
    H264(h264::ParameterSets),
    /// VPS, SPS and PPS.
    H265(h265::ParameterSets),
}

impl ParameterSets {
    /// None yet; `None` for codecs that have no parameter sets.
    pub fn new(codec: &CodecId) -> Option<Self> {
        match codec {
            CodecId::H264 => Some(Self::H264(h264::ParameterSets::default())),
            CodecId::H265 => Some(Self::H265(h265::ParameterSets::default())),
            _ => None,
        }
    }

    /// The sets among the NAL units of an access unit; `None` if some are missing
    /// or the codec has none.
    pub fn from_nals(codec: &CodecId, nals: &[Bytes]) -> Option<Self> {
        let mut sets = Self::new(codec)?;
        for nal in nals {
            sets.put(nal);
        }
        sets.is_complete().then_some(sets)
    }

    /// The sets in a codec's `fmtp`, which may be none; `None` for codecs that have
    /// no parameter sets.
    pub fn from_codec(codec: &Codec) -> Option<Self> {
        match codec.id {
            CodecId::H264 => Some(Self::H264(h264::ParameterSets::from_fmtp(&codec.fmtp))),
            CodecId::H265 => Some(Self::H265(h265::ParameterSets::from_fmtp(&codec.fmtp))),
            _ => None,
        }
    }

    /// Adds a set, in place of the one with the same id. Returns whether anything
    /// changed; other NAL units are ignored.
    pub fn put(&mut self, nal: &Bytes) -> bool {
        match self {
            Self::H264(sets) => sets.put(nal),
            Self::H265(sets) => sets.put(nal),
        }
    }

    /// Whether a NAL unit is a parameter set.
    pub fn is_set(&self, nal: &[u8]) -> bool {
        match self {
            Self::H264(_) => matches!(h264::nal_type(nal), h264::SPS | h264::PPS),
            Self::H265(_) => matches!(h265::nal_type(nal), h265::VPS | h265::SPS | h265::PPS),
        }
    }

    /// Whether an access unit brings no set that is not here, to the byte.
    pub fn has_all_of(&self, nals: &[Bytes]) -> bool {
        nals.iter().filter(|nal| self.is_set(nal)).all(|nal| match self {
            Self::H264(sets) => sets.nals().any(|known| known == nal),
            Self::H265(sets) => sets.nals().any(|known| known == nal),
        })
    }

    /// True if there is one of each kind.
    pub const fn is_complete(&self) -> bool {
        match self {
            Self::H264(sets) => sets.is_complete(),
            Self::H265(sets) => sets.is_complete(),
        }
    }

    /// All sets in decoding order, appended.
    pub fn copy_to(&self, nals: &mut Vec<Bytes>) {
        match self {
            Self::H264(sets) => nals.extend(sets.nals().cloned()),
            Self::H265(sets) => nals.extend(sets.nals().cloned()),
        }
    }

    /// The SDP `fmtp` that carries them.
    pub fn to_fmtp(&self) -> String {
        match self {
            Self::H264(sets) => sets.to_fmtp(),
            Self::H265(sets) => sets.to_fmtp(),
        }
    }

    /// Whether the SPS says that pictures are shown in another order than they come (B-frames);
    /// false where it says nothing.
    pub fn reorders(&self) -> bool {
        match self {
            Self::H264(sets) => {
                sets.parse_sps().and_then(|sps| sps.reorder_depth()).unwrap_or(0) > 0
            }
            Self::H265(sets) => sets.parse_sps().is_some_and(|sps| sps.max_reorder > 0),
        }
    }

    /// Width and height in pixels as shown; `None` if the SPS cannot be read.
    pub fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::H264(sets) => sets.parse_sps().map(|sps| (sps.width, sps.height)),
            Self::H265(sets) => sets.parse_sps().map(|sps| (sps.width, sps.height)),
        }
    }
}
