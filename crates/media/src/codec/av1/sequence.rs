//! The sequence header (AV1 Bitstream & Decoding Process Specification 5.5), the
//! configuration record of MP4 and the name for browsers (AV1 Codec ISO Media File
//! Format Binding 2.3 and 5).

use bytes::Bytes;

use super::{OBU_HAS_EXTENSION, OBU_HAS_SIZE, SEQUENCE_HEADER, leb128, obu_type, units};
use crate::codec::bits::BitReader;
use crate::codec::fmtp_value;

/// Longest sequence header that is kept, in bytes.
const MAX_HEADER: usize = 1024;
/// Marker and version of a record.
const RECORD: u8 = 0x81;
/// Bytes of a record in front of its units.
const RECORD_HEAD: usize = 4;

/// Primaries, transfer and matrix (ITU-T H.273).
type Description = (u8, u8, u8);
const BT709: Description = (1, 1, 1);
const UNSPECIFIED: Description = (2, 2, 2);
const SRGB: Description = (1, 13, 0);

/// What we use of a sequence header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceHeader {
    /// The whole unit, with its length.
    pub unit: Bytes,
    /// `seq_profile`, 0..=7.
    pub profile: u8,
    /// `seq_level_idx[0]`, 0..=31.
    pub level: u8,
    /// `seq_tier[0]`: the high tier.
    pub is_high: bool,
    /// Bits per sample: 8, 10 or 12.
    pub bit_depth: u8,
    /// Without colour.
    pub is_monochrome: bool,
    /// Whether colour is halved in width and in height.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position`, 0..=3.
    pub chroma_position: u8,
    /// Primaries, transfer and matrix (ITU-T H.273); 2 means unspecified.
    pub description: (u8, u8, u8),
    /// Samples use their whole range.
    pub is_full_range: bool,
    /// Largest width in pixels.
    pub width: u32,
    /// Largest height in pixels.
    pub height: u32,
}

impl SequenceHeader {
    /// Parses a whole unit with its length in front. `None` if it is something
    /// else, ends too early, or has impossible values.
    pub fn parse(unit: &Bytes) -> Option<Self> {
        let head = *unit.first()?;
        let has_size = head & OBU_HAS_SIZE != 0;
        if obu_type(head) != SEQUENCE_HEADER || !has_size || unit.len() > MAX_HEADER {
            return None;
        }
        let at = if head & OBU_HAS_EXTENSION == 0 { 1 } else { 2 };
        let (size, length) = leb128(unit.get(at..)?)?;
        let body = unit.get(at + length..)?.get(..usize::try_from(size).ok()?)?;
        parse(unit.clone(), &mut BitReader::new(body))
    }

    /// The one in the content of `av1C`. `None` if it is of another version or has
    /// none, which it may.
    pub fn of_record(record: &Bytes) -> Option<Self> {
        if record.first() != Some(&RECORD) || record.len() < RECORD_HEAD {
            return None;
        }
        Self::among(&units(&record.slice(RECORD_HEAD..))?)
    }

    /// The one among whole units.
    pub(crate) fn among(units: &[Bytes]) -> Option<Self> {
        units.iter().find_map(Self::parse)
    }

    /// The content of `av1C`.
    pub fn record(&self) -> Vec<u8> {
        let flag = |set: bool, place: u8| u8::from(set) << place;
        let mut out = vec![
            RECORD,
            self.profile << 5 | self.level,
            flag(self.is_high, 7)
                | flag(self.bit_depth > 8, 6)
                | flag(self.bit_depth > 10, 5)
                | flag(self.is_monochrome, 4)
                | flag(self.subsampling.0, 3)
                | flag(self.subsampling.1, 2)
                | self.chroma_position,
            0,
        ];
        out.extend_from_slice(&self.unit);
        out
    }

    /// The name in the `codecs` of a MIME type. Colours stand in it if they are not
    /// what is taken for granted: 4:2:0 of BT.709 in the narrow range.
    pub fn mime(&self) -> String {
        let name = mime(self.profile, self.level, self.is_high, self.bit_depth);
        let description = match self.description {
            UNSPECIFIED => BT709,
            known => known,
        };
        let (x, y) = self.subsampling;
        let chroma = (self.is_monochrome, x, y, self.chroma_position);
        if (chroma, description, self.is_full_range) == ((false, true, true, 0), BT709, false) {
            return name;
        }
        let [monochrome, x, y, range] =
            [self.is_monochrome, x, y, self.is_full_range].map(u8::from);
        let (primaries, transfer, matrix) = description;
        let position = self.chroma_position;
        format!(
            "{name}.{monochrome}.{x}{y}{position}.{primaries:02}.{transfer:02}.{matrix:02}.{range}"
        )
    }

    /// What SDP says of it (AV1 RTP 7.2).
    pub fn fmtp(&self) -> String {
        let tier = u8::from(self.is_high);
        format!("profile={};level-idx={};tier={tier}", self.profile, self.level)
    }
}

/// The name by what SDP says (AV1 RTP 7.2), with the defaults that it has.
pub fn mime_of_fmtp(fmtp: &str) -> String {
    let number = |name, usual| {
        fmtp_value(fmtp, name).and_then(|value| value.parse::<u8>().ok()).unwrap_or(usual)
    };
    mime(number("profile", 0).min(7), number("level-idx", 5).min(31), number("tier", 0) == 1, 8)
}

fn mime(profile: u8, level: u8, is_high: bool, bit_depth: u8) -> String {
    let tier = if is_high { 'H' } else { 'M' };
    format!("av01.{profile}.{level:02}{tier}.{bit_depth:02}")
}

/// Section 5.5.1.
fn parse(unit: Bytes, r: &mut BitReader<'_>) -> Option<SequenceHeader> {
    let profile = u8::try_from(r.bits(3)?).ok()?;
    r.skip(1)?; // still_picture
    let is_reduced = r.bit()?;
    let (level, is_high) = match is_reduced {
        true => (u8::try_from(r.bits(5)?).ok()?, false),
        false => operating_points(r)?,
    };
    let (width_bits, height_bits) = (r.bits(4)? + 1, r.bits(4)? + 1);
    let (width, height) = (r.bits(width_bits)? + 1, r.bits(height_bits)? + 1);
    if !is_reduced && r.bit()? {
        r.skip(7)?; // lengths of frame ids
    }
    r.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !is_reduced {
        tools(r)?;
    }
    r.skip(3)?; // enable_superres, enable_cdef, enable_restoration
    let color = color(r, profile)?;
    Some(SequenceHeader {
        unit,
        profile,
        level,
        is_high,
        bit_depth: color.bit_depth,
        is_monochrome: color.is_monochrome,
        subsampling: color.subsampling,
        chroma_position: color.position,
        description: color.description,
        is_full_range: color.is_full_range,
        width,
        height,
    })
}

/// Timing and operating points; level and tier of the first one.
fn operating_points(r: &mut BitReader<'_>) -> Option<(u8, bool)> {
    let mut delay_bits = None;
    if r.bit()? {
        r.skip(64)?; // num_units_in_display_tick, time_scale
        if r.bit()? {
            r.ue()?; // num_ticks_per_picture_minus_1
        }
        if r.bit()? {
            delay_bits = Some(usize::try_from(r.bits(5)?).ok()? + 1);
            r.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = r.bit()?;
    let more = r.bits(5)?;
    let mut first = None;
    for _ in 0..=more {
        r.skip(12)?; // operating_point_idc
        let level = u8::try_from(r.bits(5)?).ok()?;
        let is_high = level > 7 && r.bit()?;
        if let Some(bits) = delay_bits
            && r.bit()?
        {
            r.skip(2 * bits + 1)?;
        }
        if has_display_delay && r.bit()? {
            r.skip(4)?;
        }
        first.get_or_insert((level, is_high));
    }
    first
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn tools(r: &mut BitReader<'_>) -> Option<()> {
    r.skip(4)?;
    let has_order_hint = r.bit()?;
    if has_order_hint {
        r.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
    }
    // Either is chosen by each frame, or stands here.
    let may_be_screen = r.bit()? || r.bit()?;
    if may_be_screen && !r.bit()? {
        r.skip(1)?; // seq_force_integer_mv
    }
    if has_order_hint {
        r.skip(3)?;
    }
    Some(())
}

#[derive(Clone, Copy)]
struct Color {
    bit_depth: u8,
    is_monochrome: bool,
    subsampling: (bool, bool),
    position: u8,
    description: Description,
    is_full_range: bool,
}

/// Section 5.5.2.
fn color(r: &mut BitReader<'_>, profile: u8) -> Option<Color> {
    let byte = |r: &mut BitReader<'_>| u8::try_from(r.bits(8)?).ok();
    let is_high = r.bit()?;
    let bit_depth = match (is_high, profile) {
        (true, 2) if r.bit()? => 12,
        (true, _) => 10,
        (false, _) => 8,
    };
    let is_monochrome = profile != 1 && r.bit()?;
    let description = if r.bit()? { (byte(r)?, byte(r)?, byte(r)?) } else { UNSPECIFIED };
    if !is_monochrome && description == SRGB {
        let (subsampling, position, is_full_range) = ((false, false), 0, true);
        return Some(Color {
            bit_depth,
            is_monochrome,
            subsampling,
            position,
            description,
            is_full_range,
        });
    }
    let is_full_range = r.bit()?;
    let subsampling = match (profile, bit_depth) {
        (0, _) => (true, true),
        _ if is_monochrome => (true, true),
        (1, _) => (false, false),
        (_, 12) => {
            let x = r.bit()?;
            (x, x && r.bit()?)
        }
        _ => (true, false),
    };
    let position = match subsampling {
        (true, true) if !is_monochrome => u8::try_from(r.bits(2)?).ok()?,
        _ => 0,
    };
    Some(Color { bit_depth, is_monochrome, subsampling, position, description, is_full_range })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    const SMALL: &str = "0a0a0000000337fbe7dfc802";
    const DEEP: &str = "0a0b0000002d4cffb3cdaf9404";

    #[test]
    fn sequence_headers() {
        // SVT-AV1, 128x96, and libaom, 1280x720.
        let small = SequenceHeader::parse(&hex(SMALL)).unwrap();
        assert_eq!((small.width, small.height, small.bit_depth), (128, 96, 8));
        assert_eq!((small.mime().as_str(), small.subsampling), ("av01.0.00M.08", (true, true)));
        assert_eq!(small.fmtp(), "profile=0;level-idx=0;tier=0");
        let record = Bytes::from(small.record());
        assert_eq!(record[..4], [0x81, 0, 0x0c, 0]);
        assert_eq!(record[4..], hex(SMALL)[..]);
        assert_eq!(SequenceHeader::of_record(&record), Some(small));
        let deep = SequenceHeader::parse(&hex(DEEP)).unwrap();
        assert_eq!((deep.width, deep.height, deep.bit_depth), (1280, 720, 10));
        assert_eq!(deep.record()[2] & 0x40, 0x40);
    }

    #[test]
    fn colours_stand_in_the_name_if_they_are_unusual() {
        let usual = SequenceHeader::parse(&hex(SMALL)).unwrap();
        let full = |change: fn(&mut SequenceHeader)| {
            let mut header = usual.clone();
            change(&mut header);
            header.mime()
        };
        assert_eq!(full(|h| h.description = BT709), "av01.0.00M.08");
        assert_eq!(full(|h| h.is_full_range = true), "av01.0.00M.08.0.110.01.01.01.1");
        assert_eq!(full(|h| h.description = (9, 16, 9)), "av01.0.00M.08.0.110.09.16.09.0");
        assert_eq!(full(|h| h.chroma_position = 2), "av01.0.00M.08.0.112.01.01.01.0");
        assert_eq!(full(|h| h.subsampling = (false, false)), "av01.0.00M.08.0.000.01.01.01.0");
        assert_eq!(full(|h| h.is_monochrome = true), "av01.0.00M.08.1.110.01.01.01.0");
    }

    #[test]
    fn cut_off_at_every_byte_it_is_none() {
        for text in [SMALL, DEEP] {
            let whole = hex(text);
            let record = Bytes::from(SequenceHeader::parse(&whole).unwrap().record());
            for end in 0..record.len() {
                assert_eq!(SequenceHeader::of_record(&record.slice(..end)), None);
            }
            for end in 0..whole.len() {
                assert_eq!(SequenceHeader::parse(&whole.slice(..end)), None);
                let mut short = vec![0x0a, u8::try_from(end).unwrap()];
                short.extend_from_slice(&whole[2..(2 + end).min(whole.len())]);
                // Never a panic; what is left may be enough.
                let _ = SequenceHeader::parse(&short.into());
            }
        }
    }

    #[test]
    fn names_before_a_picture_has_come() {
        assert_eq!(mime_of_fmtp(""), "av01.0.05M.08");
        assert_eq!(mime_of_fmtp("profile=1;level-idx=12;tier=1"), "av01.1.12H.08");
    }
}
