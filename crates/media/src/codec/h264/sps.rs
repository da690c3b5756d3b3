//! The sequence parameter set of H.264 (ITU-T H.264 7.3.2.1.1, annex E.1).

use crate::codec::bits::{BitReader, unescape};

/// How picture order is coded (8.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicOrder {
    /// Type 0: each slice carries this many low bits (4..=16).
    Lsb(u8),
    /// Type 1: from a cycle and per-slice deltas.
    Cycle,
    /// Type 2: output order is decoding order.
    DecodingOrder,
}

/// What we use of a sequence parameter set.
#[derive(Clone, Debug, PartialEq)]
pub struct Sps {
    /// `profile_idc`.
    pub profile: u8,
    /// Constraint flags byte.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// `seq_parameter_set_id`, 0..=31.
    pub id: u8,
    /// `chroma_format_idc`, 0..=3.
    pub chroma_format: u8,
    /// Bits per luma sample, 8..=14.
    pub bit_depth_luma: u8,
    /// Bits per chroma sample, 8..=14.
    pub bit_depth_chroma: u8,
    /// Width in pixels after cropping.
    pub width: u32,
    /// Height in pixels after cropping.
    pub height: u32,
    /// Bits of `frame_num` in slice headers, 4..=16.
    pub frame_num_bits: u8,
    /// How picture order is coded.
    pub pic_order: PicOrder,
    /// False if pictures may be fields.
    pub frame_mbs_only: bool,
    /// True if slices name their colour plane.
    pub separate_colour_planes: bool,
    /// Frames per second by the timing information, if present and sane.
    pub fps: Option<f64>,
    /// Luma uses 0..=255 instead of 16..=235 (`video_full_range_flag`).
    pub full_range: bool,
    /// `max_num_reorder_frames`, if present.
    pub max_reorder: Option<u8>,
}

/// Bytes read of an SPS; larger ones have nothing we need behind it.
const MAX_READ: usize = 1024;

impl Sps {
    /// Parses a whole NAL unit (with its header byte). `None` if it ends too
    /// early or has impossible values; a cut or broken VUI is ignored.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let data = unescape(nal, MAX_READ);
        let mut r = BitReader::new(data.get(1..)?);
        let profile = r.bits(8)? as u8;
        let constraints = r.bits(8)? as u8;
        let level = r.bits(8)? as u8;
        let id = u8::try_from(r.ue()?).ok().filter(|id| *id < 32)?;
        let mut chroma_format = 1;
        let (mut bit_depth_luma, mut bit_depth_chroma) = (8, 8);
        let mut separate_colour_planes = false;
        if matches!(
            profile,
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
        ) {
            chroma_format = r.ue().filter(|f| *f <= 3)?;
            if chroma_format == 3 {
                separate_colour_planes = r.bit()?;
            }
            bit_depth_luma = 8 + r.ue().filter(|d| *d <= 6)? as u8;
            bit_depth_chroma = 8 + r.ue().filter(|d| *d <= 6)? as u8;
            r.bit()?;
            if r.bit()? {
                let lists = if chroma_format == 3 { 12 } else { 8 };
                for index in 0..lists {
                    if r.bit()? {
                        skip_scaling_list(&mut r, if index < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        let frame_num_bits = 4 + r.ue().filter(|b| *b <= 12)? as u8;
        let pic_order = match r.ue()? {
            0 => PicOrder::Lsb(4 + r.ue().filter(|b| *b <= 12)? as u8),
            1 => {
                r.bit()?;
                r.se()?;
                r.se()?;
                for _ in 0..r.ue().filter(|n| *n <= 255)? {
                    r.se()?;
                }
                PicOrder::Cycle
            }
            2 => PicOrder::DecodingOrder,
            _ => return None,
        };
        r.ue()?;
        r.bit()?;
        let width_mbs = r.ue()?.checked_add(1).filter(|n| *n <= 4096)?;
        let height_units = r.ue()?.checked_add(1).filter(|n| *n <= 4096)?;
        let frame_mbs_only = r.bit()?;
        if !frame_mbs_only {
            r.bit()?;
        }
        r.bit()?;
        let fields = if frame_mbs_only { 1 } else { 2 };
        let (mut width, mut height) = (width_mbs * 16, height_units * 16 * fields);
        if r.bit()? {
            let (unit_x, unit_y) = match chroma_format {
                1 if !separate_colour_planes => (2, 2),
                2 => (2, 1),
                _ => (1, 1),
            };
            let (left, right, top, bottom) = (r.ue()?, r.ue()?, r.ue()?, r.ue()?);
            width = cropped(width, left, right, unit_x)?;
            height = cropped(height, top, bottom, unit_y * fields)?;
        }
        let mut sps = Self {
            profile,
            constraints,
            level,
            id,
            chroma_format: chroma_format as u8,
            bit_depth_luma,
            bit_depth_chroma,
            width,
            height,
            frame_num_bits,
            pic_order,
            frame_mbs_only,
            separate_colour_planes,
            fps: None,
            full_range: false,
            max_reorder: None,
        };
        if r.bit() == Some(true) {
            let _ = sps.parse_vui(&mut r);
        }
        Some(sps)
    }

    fn parse_vui(&mut self, r: &mut BitReader<'_>) -> Option<()> {
        if r.bit()? && r.bits(8)? == 255 {
            r.skip(32)?;
        }
        if r.bit()? {
            r.skip(1)?;
        }
        if r.bit()? {
            r.skip(3)?;
            self.full_range = r.bit()?;
            if r.bit()? {
                r.skip(24)?;
            }
        }
        if r.bit()? {
            r.ue()?;
            r.ue()?;
        }
        if r.bit()? {
            let (units, scale) = (r.bits(32)?, r.bits(32)?);
            r.bit()?;
            let fps = f64::from(scale) / (2.0 * f64::from(units));
            if (0.1..=1000.0).contains(&fps) {
                self.fps = Some(fps);
            }
        }
        let nal_hrd = r.bit()?;
        if nal_hrd {
            skip_hrd(r)?;
        }
        let vcl_hrd = r.bit()?;
        if vcl_hrd {
            skip_hrd(r)?;
        }
        if nal_hrd || vcl_hrd {
            r.bit()?;
        }
        r.bit()?;
        if r.bit()? {
            r.bit()?;
            for _ in 0..4 {
                r.ue()?;
            }
            self.max_reorder = u8::try_from(r.ue()?).ok().filter(|n| *n <= 16);
        }
        Some(())
    }

    /// How many pictures the output order may differ by: 0 where the profile,
    /// the picture order type or the VUI exclude B-frames, `None` if nothing tells.
    pub fn reorder_depth(&self) -> Option<u8> {
        if self.profile == 66 || self.pic_order == PicOrder::DecodingOrder {
            return Some(0);
        }
        self.max_reorder
    }
}

fn cropped(size: u32, before: u32, after: u32, unit: u32) -> Option<u32> {
    let cut = before.checked_add(after)?.checked_mul(unit)?;
    size.checked_sub(cut).filter(|s| *s > 0)
}

fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = (last.wrapping_add(r.se()?)).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_hrd(r: &mut BitReader<'_>) -> Option<()> {
    let count = r.ue().filter(|n| *n <= 31)?;
    r.skip(8)?;
    for _ in 0..=count {
        r.ue()?;
        r.ue()?;
        r.bit()?;
    }
    r.skip(20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::lenient_base64;
    use crate::codec::tests::hex;

    #[test]
    fn sizes_of_real_cameras() {
        for (text, width, height) in [
            ("Z0IAMukAUAHjQgAAB9IAAOqcCAA=", 2560, 1920),
            ("R00AKZmgHgCJ+WEAAAMD6AAATiCE", 1920, 1080),
            ("Z01AMqaAKAC1kAA=", 2560, 1440),
            ("Z2QAM6wVFKAoAPGQ", 2560, 1920),
            ("Z2QAKKwa0AoAt03AQEBQAAADABAAAAMB6PFCKg==", 1280, 720),
            ("Z2QAFqwa0BQF/yzcBAQFAAADAAEAAAMAHo8UIqA=", 640, 360),
            ("Z2QAHq2EAQwgCGEAQwgCGEAQwgCEO1BQF/yzcBAQFAAAD6AAAXcCEA==", 640, 360),
        ] {
            let sps = Sps::parse(&lenient_base64(text).unwrap()).unwrap();
            assert_eq!((sps.width, sps.height), (width, height), "{text}");
        }
        let sps = Sps::parse(&hex("6764001fad84010c20086100430802184010c200843b50740932")).unwrap();
        assert_eq!((sps.width, sps.height), (928, 576));
    }

    #[test]
    fn timing_and_reordering() {
        let nal = lenient_base64("Z2QAFqwa0BQF/yzcBAQFAAADAAEAAAMAHo8UIqA=").unwrap();
        let sps = Sps::parse(&nal).unwrap();
        assert_eq!(sps.fps, Some(15.0));
        assert_eq!((sps.profile, sps.level), (100, 22));
        let nal = lenient_base64("Z0LADdkBQfsBEAAAAwAQAAADAyDxQqSA").unwrap();
        assert_eq!(Sps::parse(&nal).unwrap().reorder_depth(), Some(0));
    }

    #[test]
    fn truncation_never_panics() {
        let nal =
            lenient_base64("Z2QAHq2EAQwgCGEAQwgCGEAQwgCEO1BQF/yzcBAQFAAAD6AAAXcCEA==").unwrap();
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
