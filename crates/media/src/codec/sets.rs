//! Parameter sets of a video track, whichever codec has them.

use bytes::Bytes;

use super::{CodecId, h264, h265};

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
    /// The sets among the NAL units of an access unit; `None` if some are missing
    /// or the codec has none.
    pub fn from_nals(codec: &CodecId, nals: &[Bytes]) -> Option<Self> {
        match codec {
            CodecId::H264 => {
                let sets = h264::ParameterSets::from_nals(nals);
                sets.is_complete().then_some(Self::H264(sets))
            }
            CodecId::H265 => {
                let sets = h265::ParameterSets::from_nals(nals);
                sets.is_complete().then_some(Self::H265(sets))
            }
            _ => None,
        }
    }

    /// The SDP `fmtp` that carries them.
    pub fn to_fmtp(&self) -> String {
        match self {
            Self::H264(sets) => sets.to_fmtp(),
            Self::H265(sets) => sets.to_fmtp(),
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
