//! AV1: open bitstream units (AV1 Bitstream & Decoding Process Specification 5.3),
//! what a temporal unit begins with (5.9.2), and the sequence header.
//!
//! A temporal unit is kept as MP4 wants it: units with their lengths, without
//! delimiters and padding. Left out: everything else in frames, and still pictures
//! (`reduced_still_picture_header`), whose frames have another header.

use bytes::{Bytes, BytesMut};

mod sequence;

pub use sequence::{SequenceHeader, mime_of_fmtp};

/// `OBU_SEQUENCE_HEADER`.
pub const SEQUENCE_HEADER: u8 = 1;
/// `OBU_TEMPORAL_DELIMITER`.
pub const TEMPORAL_DELIMITER: u8 = 2;
/// `OBU_FRAME_HEADER`.
pub const FRAME_HEADER: u8 = 3;
/// `OBU_FRAME`.
pub const FRAME: u8 = 6;
/// `OBU_TILE_LIST`.
pub const TILE_LIST: u8 = 8;
/// `OBU_PADDING`.
pub const PADDING: u8 = 15;

/// `obu_extension_flag` of the first byte.
pub(crate) const OBU_HAS_EXTENSION: u8 = 4;
/// `obu_has_size_field` of the first byte.
pub(crate) const OBU_HAS_SIZE: u8 = 2;

/// Units of one temporal unit; encoders make a dozen.
pub(crate) const MAX_UNITS: usize = 1024;

/// Type of a unit by its first byte, 0..=15.
pub const fn obu_type(head: u8) -> u8 {
    head >> 3 & 0x0f
}

/// Whether a unit of a type is left out: it says nothing outside of a bare stream.
pub(crate) const fn is_dispensable(obu_type: u8) -> bool {
    matches!(obu_type, TEMPORAL_DELIMITER | TILE_LIST | PADDING)
}

/// Reads a number of seven bits a byte, the lowest first (4.10.5); gives the
/// bytes it took too. `None` if it does not end, or is larger than 32 bits.
pub fn leb128(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, index + 1));
        }
    }
    None
}

/// Appends a number as [`leb128`] reads it.
pub fn put_leb128(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Splits a temporal unit into its units, each as it stands; the last one may have
/// no length. `None` if one is cut or there are too many.
pub fn units(data: &Bytes) -> Option<Vec<Bytes>> {
    let mut units = Vec::new();
    let mut rest = data.clone();
    while !rest.is_empty() {
        let (front, size) = measure(&rest)?;
        let size = size.unwrap_or_else(|| rest.len().saturating_sub(front));
        let end = front.checked_add(size).filter(|end| *end <= rest.len())?;
        if units.len() >= MAX_UNITS {
            return None;
        }
        units.push(rest.split_to(end));
    }
    Some(units)
}

/// Head (one byte, or two) and content of a whole unit, without its length.
pub(crate) fn split(unit: &Bytes) -> Option<(Bytes, Bytes)> {
    let (front, size) = measure(unit)?;
    let head = if unit.first()? & OBU_HAS_EXTENSION == 0 { 1 } else { 2 };
    let end = size.map_or(unit.len(), |size| front.saturating_add(size));
    (front <= end && end <= unit.len()).then(|| (unit.slice(..head), unit.slice(front..end)))
}

/// Bytes in front of the content of the first unit, and of the content if it says.
fn measure(data: &[u8]) -> Option<(usize, Option<usize>)> {
    let head = *data.first()?;
    let front = if head & OBU_HAS_EXTENSION == 0 { 1 } else { 2 };
    if head & OBU_HAS_SIZE == 0 {
        return (front <= data.len()).then_some((front, None));
    }
    let (size, bytes) = leb128(data.get(front..)?)?;
    Some((front + bytes, Some(usize::try_from(size).ok()?)))
}

/// A unit's head with its length, to stand in front of `size` bytes of content.
/// `None` if they are too many.
pub(crate) fn front(head: &[u8], size: usize) -> Option<Vec<u8>> {
    let (first, extension) = head.split_first()?;
    let mut front = vec![first | OBU_HAS_SIZE];
    front.extend_from_slice(extension);
    put_leb128(u32::try_from(size).ok()?, &mut front);
    Some(front)
}

/// What a temporal unit begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beginning {
    /// A sequence header stands in front of the first frame.
    pub(crate) has_header: bool,
    /// The first frame is a key frame that is shown.
    pub(crate) is_key: bool,
}

impl Beginning {
    /// Of units by the first byte of their head, and of their content.
    pub(crate) fn of(units: impl Iterator<Item = (u8, Option<u8>)>) -> Self {
        let mut beginning = Self::default();
        for (head, content) in units {
            match obu_type(head) {
                SEQUENCE_HEADER => beginning.has_header = true,
                FRAME | FRAME_HEADER => {
                    // show_existing_frame, frame_type (two bits, KEY_FRAME is 0), show_frame.
                    beginning.is_key = content.is_some_and(|byte| byte >> 4 == 1);
                    break;
                }
                _ => {}
            }
        }
        beginning
    }

    /// Decoding can begin here.
    pub(crate) const fn is_keyframe(self) -> bool {
        self.has_header && self.is_key
    }
}

/// The pictures of one track of a container.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    header: Option<SequenceHeader>,
    started: bool,
}

impl Pictures {
    /// With the sequence header of an `av1C` record, if it has one.
    pub(crate) fn of_record(record: &Bytes) -> Self {
        Self { header: SequenceHeader::of_record(record), started: false }
    }

    /// The sequence header, once it is known.
    pub(crate) const fn header(&self) -> Option<&SequenceHeader> {
        self.header.as_ref()
    }

    /// A temporal unit as it is kept, and whether it is a keyframe: those begin
    /// with a sequence header. Nothing for one that is broken or empty, and before
    /// the first keyframe.
    pub(crate) fn unit(&mut self, data: &Bytes) -> Option<(bool, Bytes)> {
        let units = units(data)?;
        let parts: Vec<(Bytes, Bytes)> = units.iter().filter_map(split).collect();
        let beginning = Beginning::of(
            parts.iter().filter_map(|(head, body)| Some((*head.first()?, body.first().copied()))),
        );
        if beginning.has_header {
            self.header = SequenceHeader::among(&units).or_else(|| self.header.take());
        }
        let is_keyframe = beginning.is_key && self.header.is_some();
        if !(self.started || is_keyframe) {
            return None;
        }
        self.started = true;
        let is_kept = |head: &Bytes| {
            head.first()
                .is_some_and(|head| !is_dispensable(obu_type(*head)) && head & OBU_HAS_SIZE != 0)
        };
        if (beginning.has_header || !is_keyframe) && parts.iter().all(|(head, _)| is_kept(head)) {
            return (!data.is_empty()).then(|| (is_keyframe, data.clone()));
        }
        let mut out = BytesMut::with_capacity(data.len() + 64);
        if let Some(header) = self.header.as_ref().filter(|_| is_keyframe && !beginning.has_header)
        {
            out.extend_from_slice(&header.unit);
        }
        for (head, body) in &parts {
            if is_dispensable(obu_type(*head.first()?)) {
                continue;
            }
            out.extend_from_slice(&front(head, body.len())?);
            out.extend_from_slice(body);
        }
        (!out.is_empty()).then(|| (is_keyframe, out.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    /// A sequence header of SVT-AV1.
    const HEADER: &str = "0a0a0000000337fbe7dfc802";

    #[test]
    fn numbers() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX] {
            let mut out = Vec::new();
            put_leb128(value, &mut out);
            assert_eq!(leb128(&out), Some((value, out.len())));
            assert_eq!(leb128(&out[..out.len() - 1]), None);
        }
        assert_eq!(leb128(&[0x80; 9]), None);
        assert_eq!(leb128(&[0xff, 0xff, 0xff, 0xff, 0x7f]), None, "more than 32 bits");
    }

    #[test]
    fn temporal_units_are_split_at_every_offset() {
        // A delimiter, a frame with an extension, one without a length.
        let data = hex("1200 360802aabb 30cc");
        let split: Vec<Bytes> = units(&data).unwrap();
        assert_eq!(split, [hex("1200"), hex("360802aabb"), hex("30cc")]);
        for end in 0..data.len() {
            let whole = [0, 2, 7, 8].contains(&end);
            assert_eq!(units(&data.slice(..end)).is_some(), whole, "{end}");
        }
        assert_eq!(units(&hex("0a8080808080808080")), None);
        assert_eq!(units(&vec![0x0a; 4096].into()), None, "too long");
        assert_eq!(units(&[0x0a, 0].repeat(MAX_UNITS + 1).into()), None, "too many");
    }

    #[test]
    fn keyframes_are_key_frames_that_are_shown() {
        for (first, is_key) in
            [(0x10, true), (0x1f, true), (0x00, false), (0x90, false), (0x30, false)]
        {
            let frame = [(0x0a, Some(0)), (0x32, Some(first)), (0x32, Some(0x10))];
            assert_eq!(Beginning::of(frame.into_iter()).is_keyframe(), is_key, "{first:02x}");
            let bare = Beginning::of(frame[1..].iter().copied());
            assert_eq!((bare.is_key, bare.is_keyframe()), (is_key, false));
        }
    }

    #[test]
    fn pictures_begin_with_a_keyframe_that_has_its_header() {
        let key = hex("1200 320210aa");
        let mut pictures = Pictures::default();
        assert_eq!(pictures.unit(&key), None, "without a header");
        let header = SequenceHeader::parse(&hex(HEADER)).unwrap();
        let mut pictures = Pictures::of_record(&header.record().into());
        assert_eq!(pictures.unit(&hex("320230aa")), None, "before a keyframe");
        let whole = hex(&format!("{HEADER} 320210aa"));
        assert_eq!(pictures.unit(&key), Some((true, whole.clone())));
        assert_eq!(pictures.unit(&whole), Some((true, whole)), "as it is");
        // The last one gets its length.
        assert_eq!(pictures.unit(&hex("1200 3030aa")), Some((false, hex("320230aa"))));
        assert_eq!(pictures.unit(&hex("1200")), None);
        assert_eq!(pictures.unit(&hex("3205")), None);
    }
}
