//! The beginning of a slice header of H.264 (ITU-T H.264 7.3.3).

use super::sps::{PicOrder, Sps};
use super::{IDR, nal_type};
use crate::codec::bits::{BitReader, unescape};

/// Bytes read of a slice; the fields below fit in it.
const MAX_READ: usize = 40;

/// Kind of a slice (table 7-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceType {
    /// Predicted from earlier pictures.
    P,
    /// Predicted from both sides.
    B,
    /// Stands alone.
    I,
    /// Switching slices.
    Switching,
}

/// The beginning of a slice header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceHeader {
    /// Address of the first macroblock; 0 begins a picture.
    pub first_mb: u32,
    /// Kind of the slice.
    pub slice_type: SliceType,
    /// Picture parameter set in use.
    pub pps_id: u32,
    /// `frame_num`.
    pub frame_num: u32,
    /// True if this is a field, and whether it is the bottom one.
    pub field: Option<bool>,
    /// Low bits of the picture order count, if coded that way.
    pub poc_lsb: Option<u32>,
}

impl SliceHeader {
    /// Parses a slice NAL unit that refers to `sps`. `None` if it ends too
    /// early or has impossible values.
    pub fn parse(nal: &[u8], sps: &Sps) -> Option<Self> {
        let data = unescape(nal, MAX_READ);
        let mut r = BitReader::new(data.get(1..)?);
        let (first_mb, slice_type) = (r.ue()?, slice_type_of(r.ue()?)?);
        let pps_id = r.ue().filter(|id| *id < 256)?;
        if sps.separate_colour_planes {
            r.skip(2)?;
        }
        let frame_num = r.bits(sps.frame_num_bits.into())?;
        let field = if !sps.frame_mbs_only && r.bit()? { Some(r.bit()?) } else { None };
        if nal_type(nal) == IDR {
            r.ue()?;
        }
        let poc_lsb = match sps.pic_order {
            PicOrder::Lsb(bits) => Some(r.bits(bits.into())?),
            _ => None,
        };
        Some(Self { first_mb, slice_type, pps_id, frame_num, field, poc_lsb })
    }
}

/// True if a slice NAL unit begins a picture: `first_mb_in_slice` is 0. False
/// for a unit without content.
pub fn first_mb_is_zero(nal: &[u8]) -> bool {
    nal.get(1).is_some_and(|b| b & 0x80 != 0)
}

/// `first_mb_in_slice` and the kind of a slice NAL unit.
pub fn slice_type(nal: &[u8]) -> Option<(u32, SliceType)> {
    let data = unescape(nal.get(1..)?, 16);
    let mut r = BitReader::new(&data);
    Some((r.ue()?, slice_type_of(r.ue()?)?))
}

const fn slice_type_of(code: u32) -> Option<SliceType> {
    Some(match code {
        0 | 5 => SliceType::P,
        1 | 6 => SliceType::B,
        2 | 7 => SliceType::I,
        3 | 4 | 8 | 9 => SliceType::Switching,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::BitWriter;
    use crate::codec::lenient_base64;

    fn ue(w: &mut BitWriter, value: u32) {
        let bits = 32 - (value + 1).leading_zeros();
        w.bits(0, bits - 1);
        w.bits(value + 1, bits);
    }

    #[test]
    fn fields_in_order() {
        let sps =
            Sps::parse(&lenient_base64("Z2QAH6wkhAFAFuwEQAAAAwBAAAAMI8YMkg==").unwrap()).unwrap();
        let PicOrder::Lsb(lsb_bits) = sps.pic_order else { panic!("{sps:?}") };
        let mut w = BitWriter::default();
        w.bits(0x65, 8);
        ue(&mut w, 40);
        ue(&mut w, 7);
        ue(&mut w, 0);
        w.bits(1, sps.frame_num_bits.into());
        ue(&mut w, 1);
        w.bits(6, lsb_bits.into());
        let nal = w.into_bytes();
        let header = SliceHeader::parse(&nal, &sps).unwrap();
        assert_eq!(header.first_mb, 40);
        assert_eq!(header.slice_type, SliceType::I);
        assert_eq!((header.frame_num, header.poc_lsb), (1, Some(6)));
        assert!(!first_mb_is_zero(&nal));
        assert_eq!(slice_type(&nal), Some((40, SliceType::I)));
        for n in 0..nal.len() {
            assert!(SliceHeader::parse(&nal[..n], &sps).is_none());
        }
    }

    #[test]
    fn a_picture_begins_with_macroblock_zero() {
        assert!(first_mb_is_zero(&[0x65, 0x88]));
        assert!(!first_mb_is_zero(&[0x65, 0x22]));
        assert!(!first_mb_is_zero(&[0x65]));
    }
}
