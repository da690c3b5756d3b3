//! H.264: NAL unit types, parameter sets and their places in SDP and MP4
//! (ITU-T H.264 7.3 and 7.4, RFC 6184 section 8.1, ISO/IEC 14496-15 5.3.3.1).

use base64::Engine as _;
use bytes::Bytes;

use crate::codec::{fmtp_value, lenient_base64, nal};

mod slice;
mod sps;

pub use slice::{SliceHeader, SliceType, first_mb_is_zero, slice_type};
pub use sps::{PicOrder, Sps};

/// `nal_unit_type` (table 7-1): coded slice of a non-IDR picture.
pub const SLICE: u8 = 1;
/// Coded slice of an IDR picture.
pub const IDR: u8 = 5;
/// Supplemental enhancement information.
pub const SEI: u8 = 6;
/// Sequence parameter set.
pub const SPS: u8 = 7;
/// Picture parameter set.
pub const PPS: u8 = 8;
/// Access unit delimiter.
pub const AUD: u8 = 9;
/// End of sequence.
pub const END_OF_SEQUENCE: u8 = 10;
/// End of stream.
pub const END_OF_STREAM: u8 = 11;
/// Filler data.
pub const FILLER: u8 = 12;

/// `nal_unit_type` of a NAL unit; 0 (unspecified) for an empty one.
pub fn nal_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |b| b & 0x1f)
}

/// True for coded slices (types 1 to 5).
pub const fn is_vcl(nal_type: u8) -> bool {
    matches!(nal_type, 1..=5)
}

/// True for units that say nothing to a decoder behind RTP or in a container:
/// delimiters, ends and filler.
pub const fn is_dispensable(nal_type: u8) -> bool {
    matches!(nal_type, AUD | END_OF_SEQUENCE | END_OF_STREAM | FILLER)
}

/// True if the access unit contains an IDR picture.
pub fn is_keyframe(nals: &[Bytes]) -> bool {
    nals.iter().any(|n| nal_type(n) == IDR)
}

/// Splits an Annex B stream, without delimiters and filler.
pub fn split_annexb(data: &Bytes) -> Vec<Bytes> {
    let mut nals = nal::split_annexb(data);
    nals.retain(|n| !is_dispensable(nal_type(n)));
    nals
}

/// Name of a profile (annex A.2) by `profile_idc`; empty if unknown.
pub const fn profile_name(profile_idc: u8) -> &'static str {
    match profile_idc {
        0x42 => "Baseline",
        0x4d => "Main",
        0x58 => "Extended",
        0x64 => "High",
        0x6e => "High 10",
        0x7a => "High 4:2:2",
        0xf4 => "High 4:4:4",
        _ => "",
    }
}

/// The parameter sets a decoder needs before a keyframe, as whole NAL units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// Sequence parameter sets; usually one.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets; usually one.
    pub pps: Vec<Bytes>,
}

/// More parameter sets than this are not kept (each is at most [`MAX_SET`] bytes).
const MAX_SETS: usize = 16;
/// Longest parameter set kept, in bytes; real ones are below 300.
const MAX_SET: usize = 4096;

impl ParameterSets {
    /// Reads `sprop-parameter-sets` of an SDP `fmtp`. Parts that are no
    /// parameter sets are left out.
    pub fn from_fmtp(fmtp: &str) -> Self {
        let mut sets = Self::default();
        for part in fmtp_value(fmtp, "sprop-parameter-sets").unwrap_or_default().split(',') {
            if let Some(nal) = lenient_base64(part) {
                sets.put(&Bytes::from(nal));
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

    /// Reads an `AVCDecoderConfigurationRecord` (`avcC`); `None` if it is cut
    /// or has no SPS.
    pub fn parse_record(record: &Bytes) -> Option<Self> {
        let mut sets = Self::default();
        let mut at = 5;
        for mask in [0x1f, 0xff] {
            let count = record.get(at)? & mask;
            at += 1;
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
        let (list, offset) = match nal_type(nal) {
            SPS => (&mut self.sps, 4),
            PPS => (&mut self.pps, 1),
            _ => return false,
        };
        if nal.len() > MAX_SET || nal.len() <= offset {
            return false;
        }
        let id = set_id(nal, offset);
        if let Some(old) = list.iter_mut().find(|old| set_id(old, offset) == id) {
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

    /// True if there is an SPS and a PPS.
    pub const fn is_complete(&self) -> bool {
        !self.sps.is_empty() && !self.pps.is_empty()
    }

    /// All sets in decoding order.
    pub fn nals(&self) -> impl Iterator<Item = &Bytes> {
        self.sps.iter().chain(&self.pps)
    }

    /// The first SPS, parsed.
    pub fn parse_sps(&self) -> Option<Sps> {
        Sps::parse(self.sps.first()?)
    }

    /// `profile-level-id`: profile, constraints and level in hex; `None` without SPS.
    pub fn profile_level_id(&self) -> Option<String> {
        let [_, profile, constraints, level] = *self.sps.first()?.first_chunk()?;
        Some(format!("{profile:02x}{constraints:02x}{level:02x}"))
    }

    /// The SDP `fmtp` of these sets; empty without an SPS.
    pub fn to_fmtp(&self) -> String {
        let Some(id) = self.profile_level_id() else { return String::new() };
        let sets: Vec<_> =
            self.nals().map(|n| base64::engine::general_purpose::STANDARD.encode(n)).collect();
        let sets = sets.join(",");
        format!("packetization-mode=1;profile-level-id={id};sprop-parameter-sets={sets}")
    }

    /// The `AVCDecoderConfigurationRecord` with 4-byte lengths; `None` without an SPS.
    pub fn write_record(&self) -> Option<Vec<u8>> {
        let [_, profile, constraints, level] = *self.sps.first()?.first_chunk()?;
        let mut out = vec![1, profile, constraints, level, 0xff];
        for (list, bits) in [(&self.sps, 0xe0), (&self.pps, 0)] {
            out.push(bits | u8::try_from(list.len()).unwrap_or(0));
            for set in list {
                out.extend_from_slice(&u16::try_from(set.len()).unwrap_or(0).to_be_bytes());
                out.extend_from_slice(set);
            }
        }
        Some(out)
    }
}

/// The id of a parameter set: the first Exp-Golomb code after `offset` bytes.
fn set_id(nal: &[u8], offset: usize) -> Option<u32> {
    crate::codec::bits::BitReader::new(nal.get(offset..)?).ue()
}

/// The six hex digits of `avc1.XXXXXX` for media source extensions, reduced to
/// values that browsers know; `640029` if the `fmtp` tells nothing.
pub fn mse_profile_level(fmtp: &str) -> String {
    let from_sps = ParameterSets::from_fmtp(fmtp)
        .sps
        .first()
        .and_then(|sps| sps.get(1..4)?.first_chunk::<3>().copied());
    let from_id = || {
        let id = fmtp_value(fmtp, "profile-level-id")?;
        let value = u32::from_str_radix(id.get(..6)?, 16).ok()?;
        let [_, profile, constraints, level] = value.to_be_bytes();
        Some([profile, constraints, level])
    };
    let [profile, constraints, level] = from_sps.or_else(from_id).unwrap_or([0x64, 0, 41]);
    let profile = if matches!(profile, 0x42 | 0x4d) { profile } else { 0x64 };
    let constraints = if matches!(constraints, 0xe0 | 0x40) { constraints } else { 0 };
    let level = if matches!(level, 30 | 31 | 40) { level } else { 41 };
    format!("{profile:02X}{constraints:02X}{level:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    #[test]
    fn parameter_sets_to_fmtp() {
        let avcc = hex(
            "000000196764001fac2484014016ec0440000003004000000c23c60c920000000568ee32c8b0000000d365",
        );
        let nals = nal::split_avcc(&avcc, 4);
        let sets = ParameterSets::from_nals(&nals);
        let fmtp = "packetization-mode=1;profile-level-id=64001f;sprop-parameter-sets=Z2QAH6wkhAFAFuwEQAAAAwBAAAAMI8YMkg==,aO4yyLA=";
        assert_eq!(sets.to_fmtp(), fmtp);
        assert_eq!(ParameterSets::from_fmtp(fmtp), sets);
        assert!(is_keyframe(&nals));
    }

    #[test]
    fn unreadable_fmtp_gives_nothing() {
        for fmtp in [
            "",
            "sprop-parameter-sets=",
            "sprop-parameter-sets=%%%,!",
            "sprop-parameter-sets=AAAA,",
        ] {
            assert_eq!(ParameterSets::from_fmtp(fmtp), ParameterSets::default());
        }
    }

    #[test]
    fn record_round_trip() {
        let record = hex("01640033ffe1000c67640033ac1514a02800f19001000468ee3cb0");
        let sets = ParameterSets::parse_record(&record).unwrap();
        assert_eq!(sets.sps, [hex("67640033ac1514a02800f190")]);
        assert_eq!(sets.write_record().unwrap(), record);
        for n in 0..record.len() {
            assert!(ParameterSets::parse_record(&record.slice(..n)).is_none());
        }
    }

    #[test]
    fn sets_are_replaced_by_id_and_bounded() {
        let mut sets = ParameterSets::default();
        assert!(sets.put(&hex("68ee3c80")));
        assert!(!sets.put(&hex("68ee3c80")));
        assert!(sets.put(&hex("68ee3cb0")));
        assert_eq!(sets.pps.len(), 1);
        for id in 0..=255_u8 {
            sets.put(&Bytes::copy_from_slice(&[0x68, id, 0xff]));
        }
        assert!(sets.pps.len() <= MAX_SETS);
        assert!(!sets.put(&vec![0x67; MAX_SET + 1].into()));
    }

    #[test]
    fn mse_strings() {
        assert_eq!(mse_profile_level("profile-level-id=0033e7; packetization-mode=1; "), "640029");
        assert_eq!(mse_profile_level("packetization-mode=1;profile-level-id=276400"), "640029");
        assert_eq!(mse_profile_level(""), "640029");
        assert_eq!(mse_profile_level("profile-level-id=42e01f"), "42E01F");
    }

    #[test]
    fn delimiters_are_removed() {
        let nals = split_annexb(&hex("0000000109f00000000167420000000168ee000001658840"));
        let types: Vec<_> = nals.iter().map(|n| nal_type(n)).collect();
        assert_eq!(types, [SPS, PPS, IDR]);
    }
}
