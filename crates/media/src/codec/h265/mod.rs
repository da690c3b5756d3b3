//! H.265: NAL unit types, parameter sets and their places in SDP and MP4
//! (ITU-T H.265 7.3 and 7.4, RFC 7798 section 7.1, ISO/IEC 14496-15 8.3.3.1).

use base64::Engine as _;
use bytes::Bytes;

use crate::codec::{fmtp_value, lenient_base64, nal};

mod sps;

pub use sps::Sps;

/// Video parameter set (table 7-1).
pub const VPS: u8 = 32;
/// Sequence parameter set.
pub const SPS: u8 = 33;
/// Picture parameter set.
pub const PPS: u8 = 34;
/// Access unit delimiter.
pub const AUD: u8 = 35;
/// End of sequence.
pub const END_OF_SEQUENCE: u8 = 36;
/// End of bitstream.
pub const END_OF_BITSTREAM: u8 = 37;
/// Filler data.
pub const FILLER: u8 = 38;
/// SEI before the picture.
pub const PREFIX_SEI: u8 = 39;
/// SEI after the picture.
pub const SUFFIX_SEI: u8 = 40;

/// `nal_unit_type` of a NAL unit, 0..=63; 63 (unspecified) for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(63, |b| b >> 1 & 0x3f)
}

/// True for coded slices (types 0 to 31).
pub const fn is_vcl(nal_type: u8) -> bool {
    nal_type < 32
}

/// True for pictures where decoding can begin: BLA, IDR, CRA and the reserved
/// IRAP types (16 to 23).
pub const fn is_irap(nal_type: u8) -> bool {
    matches!(nal_type, 16..=23)
}

/// True for units that say nothing to a decoder behind RTP or in a container:
/// delimiters, ends and filler.
pub const fn is_dispensable(nal_type: u8) -> bool {
    matches!(nal_type, AUD | END_OF_SEQUENCE | END_OF_BITSTREAM | FILLER)
}

/// True if the access unit contains an IRAP picture.
pub fn is_keyframe(nals: &[Bytes]) -> bool {
    nals.iter().any(|n| is_irap(nal_type(n)))
}

/// True if a slice NAL unit begins a picture
/// (`first_slice_segment_in_pic_flag`). False for a unit without content.
pub fn is_first_slice(nal: &[u8]) -> bool {
    nal.get(2).is_some_and(|b| b & 0x80 != 0)
}

/// Splits an Annex B stream, without delimiters and filler.
pub fn split_annexb(data: &Bytes) -> Vec<Bytes> {
    let mut nals = nal::split_annexb(data);
    nals.retain(|n| !is_dispensable(nal_type(n)));
    nals
}

/// Name of a profile (annex A.3) by `general_profile_idc`; empty if unknown.
pub const fn profile_name(profile_idc: u8) -> &'static str {
    match profile_idc {
        1 => "Main",
        2 => "Main 10",
        3 => "Main Still Picture",
        4 => "Rext",
        _ => "",
    }
}

/// The parameter sets a decoder needs before a keyframe, as whole NAL units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// Video parameter sets; usually one.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets; usually one.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets; usually one.
    pub pps: Vec<Bytes>,
}

/// More parameter sets of a kind than this are not kept.
const MAX_SETS: usize = 16;
/// Longest parameter set kept, in bytes.
const MAX_SET: usize = 4096;

impl ParameterSets {
    /// Reads `sprop-vps`, `sprop-sps` and `sprop-pps` of an SDP `fmtp`. Parts
    /// that are no parameter sets are left out.
    pub fn from_fmtp(fmtp: &str) -> Self {
        let mut sets = Self::default();
        for name in ["sprop-vps", "sprop-sps", "sprop-pps"] {
            for part in fmtp_value(fmtp, name).unwrap_or_default().split(',') {
                if let Some(nal) = lenient_base64(part) {
                    sets.put(&Bytes::from(nal));
                }
            }
        }
        sets
    }

    /// The sets found among NAL units; the last of an id wins.
    pub fn from_nals(nals: &[Bytes]) -> Self {
        let mut sets = Self::default();
        for nal in nals {
            sets.put(nal);
        }
        sets
    }

    /// Reads an `HEVCDecoderConfigurationRecord` (`hvcC`); `None` if it is cut
    /// or has no SPS.
    pub fn parse_record(record: &Bytes) -> Option<Self> {
        let mut sets = Self::default();
        let mut at = 23;
        for _ in 0..*record.get(22)? {
            let count = u16::from_be_bytes(*record.get(at + 1..)?.first_chunk()?);
            at += 3;
            for _ in 0..count {
                let len = u16::from_be_bytes(*record.get(at..)?.first_chunk()?);
                let end = at + 2 + usize::from(len);
                record.get(at + 2..end)?;
                sets.put(&record.slice(at + 2..end));
                at = end;
            }
        }
        (!sets.sps.is_empty()).then_some(sets)
    }

    /// Adds a parameter set, in place of the one with the same id. Returns
    /// whether anything changed; other NAL units are ignored.
    pub fn put(&mut self, nal: &Bytes) -> bool {
        let kind = nal_type(nal);
        let list = match kind {
            VPS => &mut self.vps,
            SPS => &mut self.sps,
            PPS => &mut self.pps,
            _ => return false,
        };
        if nal.len() > MAX_SET || nal.len() < 4 {
            return false;
        }
        let id = set_id(nal);
        if let Some(old) = list.iter_mut().find(|old| set_id(old) == id) {
            if old == nal {
                return false;
            }
            *old = Bytes::copy_from_slice(nal);
            return true;
        }
        if list.len() >= MAX_SETS {
            return false;
        }
        // Copied: a few bytes must not keep a receive buffer alive.
        list.push(Bytes::copy_from_slice(nal));
        true
    }

    /// True if there is a VPS, an SPS and a PPS.
    pub const fn is_complete(&self) -> bool {
        !self.vps.is_empty() && !self.sps.is_empty() && !self.pps.is_empty()
    }

    /// All sets in decoding order.
    pub fn nals(&self) -> impl Iterator<Item = &Bytes> {
        self.vps.iter().chain(&self.sps).chain(&self.pps)
    }

    /// The first SPS, parsed.
    pub fn parse_sps(&self) -> Option<Sps> {
        Sps::parse(self.sps.first()?)
    }

    /// The SDP `fmtp` of these sets; empty unless all three kinds are there.
    pub fn to_fmtp(&self) -> String {
        if !self.is_complete() {
            return String::new();
        }
        let list = |sets: &[Bytes]| {
            let engine = base64::engine::general_purpose::STANDARD;
            sets.iter().map(|n| engine.encode(n)).collect::<Vec<_>>().join(",")
        };
        format!(
            "profile-id=1;sprop-vps={};sprop-sps={};sprop-pps={}",
            list(&self.vps),
            list(&self.sps),
            list(&self.pps)
        )
    }

    /// The `HEVCDecoderConfigurationRecord` with 4-byte lengths; `None` without
    /// a readable SPS.
    pub fn write_record(&self) -> Option<Vec<u8>> {
        let sps = self.parse_sps()?;
        let mut out = vec![1];
        out.extend_from_slice(&sps.profile_tier_level);
        // min_spatial_segmentation 0, parallelismType 0, chroma, bit depths,
        // frame rate unknown, one temporal layer, 4-byte lengths.
        out.extend_from_slice(&[0xf0, 0, 0xfc, 0xfc | sps.chroma_format]);
        out.extend_from_slice(&[
            0xf8 | (sps.bit_depth_luma - 8),
            0xf8 | (sps.bit_depth_chroma - 8),
        ]);
        out.extend_from_slice(&[0, 0, 0x0f, 3]);
        for (kind, list) in [(VPS, &self.vps), (SPS, &self.sps), (PPS, &self.pps)] {
            out.push(0x80 | kind);
            out.extend_from_slice(&u16::try_from(list.len()).unwrap_or(0).to_be_bytes());
            for set in list {
                out.extend_from_slice(&u16::try_from(set.len()).unwrap_or(0).to_be_bytes());
                out.extend_from_slice(set);
            }
        }
        Some(out)
    }
}

/// The id of a parameter set. An SPS whose id cannot be read gives `None` and
/// counts as one id.
fn set_id(nal: &[u8]) -> Option<u32> {
    match nal_type(nal) {
        VPS => Some(u32::from(nal.get(2)? >> 4)),
        SPS => Sps::parse(nal).map(|sps| sps.id.into()),
        _ => crate::codec::bits::BitReader::new(nal.get(2..)?).ue(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    const FMTP: &str = "profile-id=1;sprop-vps=QAEMAf//AWAAAAMAAAMAAAMAAAMAmawJ;sprop-sps=QgEBAWAAAAMAAAMAAAMAAAMAmaAAoAgBaH+KrTuiS7/8AAQABbAgApMuADN/mAE=;sprop-pps=RAHgcvCyQA==";

    #[test]
    fn fmtp_round_trip() {
        let sets = ParameterSets::from_fmtp(FMTP);
        assert!(sets.is_complete());
        assert_eq!(sets.to_fmtp(), FMTP);
        assert_eq!(ParameterSets::from_fmtp("sprop-sps=?").to_fmtp(), "");
    }

    #[test]
    fn record_round_trip() {
        let sets = ParameterSets::from_fmtp(FMTP);
        let record = Bytes::from(sets.write_record().unwrap());
        assert_eq!(ParameterSets::parse_record(&record), Some(sets));
        for n in 0..record.len() {
            let _ = ParameterSets::parse_record(&record.slice(..n));
        }
    }

    #[test]
    fn delimiters_are_removed() {
        for text in [
            "000001460150 000001400102 0000000142010203 0000000144010203 00000001260102",
            "00000001460150 00000001400102 0000000142010203 0000000144010203 00000001260102",
        ] {
            let nals = split_annexb(&hex(text));
            assert_eq!(nals.iter().map(|n| n[0]).collect::<Vec<_>>(), [0x40, 0x42, 0x44, 0x26]);
            assert!(is_keyframe(&nals));
        }
    }

    #[test]
    fn first_slice_flag() {
        assert!(is_first_slice(&[0x26, 1, 0xaf]));
        assert!(!is_first_slice(&[0x26, 1, 0x2f]));
        assert!(!is_first_slice(&[0x26, 1]));
    }
}
