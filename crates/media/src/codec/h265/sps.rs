//! The sequence parameter set of H.265 (ITU-T H.265 7.3.2.2, 7.3.3).

use crate::codec::bits::{BitReader, unescape};

/// What we use of a sequence parameter set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `general_profile_space`, tier, profile, compatibility and constraint
    /// flags and level: 12 bytes as `hvcC` wants them.
    pub profile_tier_level: [u8; 12],
    /// `sps_seq_parameter_set_id`, 0..=15.
    pub id: u8,
    /// `chroma_format_idc`, 0..=3.
    pub chroma_format: u8,
    /// Width in pixels inside the conformance window.
    pub width: u32,
    /// Height in pixels inside the conformance window.
    pub height: u32,
    /// Bits per luma sample, 8..=15.
    pub bit_depth_luma: u8,
    /// Bits per chroma sample, 8..=15.
    pub bit_depth_chroma: u8,
    /// Bits of the picture order count in slice headers, 4..=16.
    pub poc_lsb_bits: u8,
    /// `sps_max_num_reorder_pics` of the highest layer: how many pictures the
    /// output order may differ by.
    pub max_reorder: u8,
}

/// Bytes read of an SPS; everything we need is in front.
const MAX_READ: usize = 1024;

impl Sps {
    /// Parses a whole NAL unit (with its two header bytes). `None` if it ends
    /// too early or has impossible values.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let data = unescape(nal, MAX_READ);
        let mut r = BitReader::new(data.get(2..)?);
        r.skip(4)?;
        let sub_layers = r.bits(3)?;
        r.skip(1)?;
        let mut profile_tier_level = [0; 12];
        for byte in &mut profile_tier_level {
            *byte = r.bits(8)? as u8;
        }
        skip_sub_layers(&mut r, sub_layers)?;
        let id = u8::try_from(r.ue()?).ok().filter(|id| *id < 16)?;
        let chroma_format = u8::try_from(r.ue()?).ok().filter(|f| *f <= 3)?;
        if chroma_format == 3 {
            r.bit()?;
        }
        let (mut width, mut height) = (size(&mut r)?, size(&mut r)?);
        if r.bit()? {
            let (unit_x, unit_y) = match chroma_format {
                1 => (2, 2),
                2 => (2, 1),
                _ => (1, 1),
            };
            let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
            width = cropped(width, left, right, unit_x)?;
            height = cropped(height, top, bottom, unit_y)?;
        }
        let bit_depth_luma = 8 + u8::try_from(r.ue().filter(|d| *d <= 7)?).ok()?;
        let bit_depth_chroma = 8 + u8::try_from(r.ue().filter(|d| *d <= 7)?).ok()?;
        let poc_lsb_bits = 4 + u8::try_from(r.ue().filter(|b| *b <= 12)?).ok()?;
        let first = if r.bit()? { 0 } else { sub_layers };
        let mut max_reorder = 0;
        for _ in first..=sub_layers {
            r.ue()?;
            max_reorder = u8::try_from(r.ue()?).ok().filter(|n| *n <= 16)?;
            r.ue()?;
        }
        Some(Self {
            profile_tier_level,
            id,
            chroma_format,
            width,
            height,
            bit_depth_luma,
            bit_depth_chroma,
            poc_lsb_bits,
            max_reorder,
        })
    }

    /// `general_profile_idc`.
    pub const fn profile(&self) -> u8 {
        self.profile_tier_level[0] & 0x1f
    }

    /// True for the high tier.
    pub const fn high_tier(&self) -> bool {
        self.profile_tier_level[0] & 0x20 != 0
    }

    /// `general_level_idc`: thirty times the level.
    pub const fn level(&self) -> u8 {
        self.profile_tier_level[11]
    }
}

fn size(r: &mut BitReader<'_>) -> Option<u32> {
    r.ue().filter(|n| (1..=65_536).contains(n))
}

fn cropped(size: u32, before: u32, after: u32, unit: u32) -> Option<u32> {
    let cut = before.checked_add(after)?.checked_mul(unit)?;
    size.checked_sub(cut).filter(|s| *s > 0)
}

/// Skips the sub-layer part of `profile_tier_level` (7.3.3).
fn skip_sub_layers(r: &mut BitReader<'_>, sub_layers: u32) -> Option<()> {
    if sub_layers == 0 {
        return Some(());
    }
    let mut bits = 0;
    for index in 0..8 {
        let (profile, level) = (r.bit()?, r.bit()?);
        if index < sub_layers {
            bits += usize::from(profile) * 88 + usize::from(level) * 8;
        }
    }
    r.skip(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::lenient_base64;

    #[test]
    fn sizes_of_real_cameras() {
        for (text, width, height) in [
            ("QgEBAWAAAAMAAAMAAAMAAAMAmaAAoAgBaH+KrTuiS7/8AAQABbAgApMuADN/mAE=", 5120, 1440),
            (
                "QgEBIUAAAAMAkAAAAwAAAwCWoAUCAWlnpbkShc1AQIC4QAAAAwBAAAAFFEn/eEAOpgAV+V8IBBA=",
                640,
                360,
            ),
        ] {
            let sps = Sps::parse(&lenient_base64(text).unwrap()).unwrap();
            assert_eq!((sps.width, sps.height), (width, height));
            assert_eq!(sps.bit_depth_luma, 8);
            assert_eq!(sps.profile(), 1);
        }
    }

    #[test]
    fn truncation_never_panics() {
        let nal = lenient_base64(
            "QgEBIUAAAAMAkAAAAwAAAwCWoAUCAWlnpbkShc1AQIC4QAAAAwBAAAAFFEn/eEAOpgAV+V8IBBA=",
        );
        let nal = nal.unwrap();
        for n in 0..nal.len() {
            let _ = Sps::parse(&nal[..n]);
            for bit in 0..8 {
                let mut broken = nal.clone();
                broken[n] ^= 1 << bit;
                let _ = Sps::parse(&broken);
            }
        }
    }
}
