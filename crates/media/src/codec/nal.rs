//! Framing of NAL units: Annex B start codes (ITU-T H.264 and H.265 annex B) and
//! length prefixes (ISO/IEC 14496-15).

use bytes::{BufMut, Bytes};

/// Most NAL units that an access unit may have; pictures of 8K have some hundred slices. A
/// few bytes of a hostile stream make one, and each costs ten times as many.
pub const MAX_UNITS: usize = 4096;

/// Splits an Annex B byte stream into its NAL units, slices of `data`; ends when there is
/// one more than [`MAX_UNITS`].
///
/// Start codes of three and four bytes separate; zero bytes before a start code
/// belong to it (trailing_zero_8bits). Bytes before the first start code and
/// empty units are left out.
pub fn split_annexb(data: &Bytes) -> Vec<Bytes> {
    let mut nals = Vec::new();
    let mut start = None;
    let mut from = 0;
    loop {
        let code = find_start_code(data, from);
        if let Some(begin) = start {
            let mut end = code.unwrap_or(data.len());
            while end > begin && data.get(end - 1) == Some(&0) {
                end -= 1;
            }
            if end > begin {
                nals.push(data.slice(begin..end));
            }
        }
        let Some(code) = code.filter(|_| nals.len() <= MAX_UNITS) else { return nals };
        from = code + 3;
        start = Some(from);
    }
}

/// Position of the next `00 00 01` at or after `from`.
pub fn find_start_code(data: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        // The third byte decides how far the pattern can be shifted.
        match *data.get(at..)?.first_chunk::<3>()? {
            [0, 0, 1] => return Some(at),
            [_, _, 0] => at += 1,
            _ => at += 3,
        }
    }
}

/// True if the bytes begin with a start code.
pub fn starts_with_code(data: &[u8]) -> bool {
    matches!(data, [0, 0, 1, ..] | [0, 0, 0, 1, ..])
}

/// Splits length-prefixed NAL units (`size` = 1..=4 bytes of length), slices of
/// `data`; ends when there is one more than [`MAX_UNITS`]. A unit that is longer than the
/// data is cut; empty ones are left out.
pub fn split_avcc(data: &Bytes, size: usize) -> Vec<Bytes> {
    let mut nals = Vec::new();
    let mut at = 0_usize;
    while let Some(prefix) = data.get(at..at.saturating_add(size.clamp(1, 4)))
        && nals.len() <= MAX_UNITS
    {
        let len = prefix.iter().fold(0_usize, |len, &b| len << 8 | usize::from(b));
        at += prefix.len();
        let end = at.saturating_add(len).min(data.len());
        if end > at {
            nals.push(data.slice(at..end));
        }
        at = end;
    }
    nals
}

/// NAL units with 4-byte lengths, as MP4 and FLV want them.
pub fn write_avcc(nals: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nals.iter().map(|n| n.len() + 4).sum());
    for nal in nals {
        out.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(nal);
    }
    out
}

/// NAL units with 4-byte start codes.
pub fn write_annexb(nals: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nals.iter().map(|n| n.len() + 4).sum());
    for nal in nals {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::tests::hex;

    fn first_bytes(text: &str) -> Vec<u8> {
        split_annexb(&hex(text)).iter().map(|n| n[0]).collect()
    }

    #[test]
    fn separators_of_three_and_four_bytes() {
        let text = "00000001 6742 00000001 68ee 000001 658840 41 00000001";
        assert_eq!(first_bytes(text), [0x67, 0x68, 0x65]);
        assert_eq!(split_annexb(&hex(text))[2], hex("65884041")[..]);
    }

    #[test]
    fn many_zeros_belong_to_the_start_code() {
        assert_eq!(
            first_bytes("00000001 67e401 00000001 68EE3C80 000000000000 00000001 6588 80"),
            [0x67, 0x68, 0x65]
        );
        let one = split_annexb(&hex("0000000000000000000000000000 01 419A004C"));
        assert_eq!(one, [hex("419A004C")]);
        assert!(split_annexb(&hex("112233")).is_empty());
        assert!(split_annexb(&hex("00000001")).is_empty());
    }

    #[test]
    fn there_are_not_more_than_an_access_unit_may_have() {
        let many = Bytes::from(b"\0\0\x01\x65".repeat(MAX_UNITS + 100));
        assert_eq!(split_annexb(&many).len(), MAX_UNITS + 1);
        let many = Bytes::from(b"\0\x01\x65".repeat(MAX_UNITS + 100));
        assert_eq!(split_avcc(&many, 2).len(), MAX_UNITS + 1);
        let most = Bytes::from(b"\0\0\x01\x65".repeat(MAX_UNITS));
        assert_eq!(split_annexb(&most).len(), MAX_UNITS);
    }

    #[test]
    fn framings_round_trip() {
        let nals = vec![hex("6742001f"), hex("68"), hex("65888040")];
        assert_eq!(split_annexb(&write_annexb(&nals).into()), nals);
        assert_eq!(split_avcc(&write_avcc(&nals).into(), 4), nals);
    }

    #[test]
    fn a_truncated_unit_is_cut() {
        let data = Bytes::from(write_avcc(&[hex("6742001f"), hex("6588")]));
        for n in 0..data.len() {
            let nals = split_avcc(&data.slice(..n), 4);
            assert!(nals.iter().all(|nal| !nal.is_empty()));
        }
        assert_eq!(split_avcc(&data.slice(..data.len() - 1), 4)[1], [0x65][..]);
    }
}
