//! JPEG pictures as cameras send them (ITU-T T.81), made readable for everybody:
//! AVI's Motion JPEG leaves the Huffman tables out.

use std::sync::LazyLock;

use bytes::Bytes;

/// Values of the tables for mean values, of luma and of chroma.
const DC: [u8; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
/// Values of the table for the rest of luma.
const AC_LUMA: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
    0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
    0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];
/// Values of the table for the rest of chroma.
const AC_CHROMA: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
    0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
    0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
    0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
    0xf9, 0xfa,
];

/// The Huffman tables of ITU-T T.81 K.3 as `DHT` contents: class and id, numbers
/// of codes by length, values.
pub(crate) const HUFFMAN: [(u8, [u8; 16], &[u8]); 4] = [
    (0x00, [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], &DC),
    (0x10, [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d], &AC_LUMA),
    (0x01, [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0], &DC),
    (0x11, [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77], &AC_CHROMA),
];

/// Start of image.
const SOI: [u8; 2] = [0xff, 0xd8];
/// The segment in which programs say who they are.
const APP0: u8 = 0xe0;

/// Appends the standard tables, one `DHT` segment each.
pub(crate) fn write_huffman_tables(out: &mut Vec<u8>) {
    for (id, counts, values) in HUFFMAN {
        let len = u16::try_from(19 + values.len()).unwrap_or_default();
        out.extend_from_slice(&[0xff, 0xc4]);
        out.extend_from_slice(&len.to_be_bytes());
        out.push(id);
        out.extend_from_slice(&counts);
        out.extend_from_slice(values);
    }
}

/// The picture as any program shows it: as it is, or with the standard Huffman
/// tables if it has none (`AVI1`). `None` for one of an unusual form, which is
/// better decoded and encoded anew.
pub fn presentable(picture: &Bytes) -> Option<Bytes> {
    let mut pieces = presentable_pieces(picture)?;
    if pieces.len() == 1 {
        return pieces.pop();
    }
    Some(pieces.concat().into())
}

/// The same in pieces that follow each other, one or three, none of them copied: for many viewers of one
/// picture.
pub fn presentable_pieces(picture: &Bytes) -> Option<Vec<Bytes>> {
    let as_it_is = || Some(vec![picture.clone()]);
    let head = picture.get(2..10).filter(|_| picture.starts_with(&SOI));
    let Some(&[m0, m1, _, _, a, b, c, d]) = head else { return as_it_is() };
    match (&[m0, m1], &[a, b, c, d]) {
        ([0xff, 0xdb], _) | (_, b"JFIF" | b"Exif") => as_it_is(),
        ([0xff, APP0], b"AVI1") => with_tables(picture),
        _ => None,
    }
}

/// The picture with the standard Huffman tables in front of its scan, unless it
/// has tables. `None` if its segments cannot be read.
fn with_tables(picture: &Bytes) -> Option<Vec<Bytes>> {
    static TABLES: LazyLock<Bytes> = LazyLock::new(|| {
        let mut tables = Vec::new();
        write_huffman_tables(&mut tables);
        tables.into()
    });
    let mut at = SOI.len();
    loop {
        let [0xff, kind, rest @ ..] = picture.get(at..)? else { return None };
        match kind {
            0xff => at += 1,
            0xc4 => return Some(vec![picture.clone()]),
            0xda => break,
            0xd0..=0xd9 | 0x01 => at += 2,
            _ => at += 2 + usize::from(u16::from_be_bytes(*rest.first_chunk()?)),
        }
    }
    Some(vec![picture.slice(..at), TABLES.clone(), picture.slice(at..)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `AVI1` segment, one table, frame, and a scan that has no more than its header.
    fn avi() -> Vec<u8> {
        let mut picture = vec![0xff, 0xd8, 0xff, 0xe0, 0, 8, b'A', b'V', b'I', b'1', 0, 0];
        picture.extend_from_slice(&[0xff, 0xdb, 0, 4, 0, 1]);
        picture.extend_from_slice(&[0xff, 0xff, 0xc0, 0, 5, 1, 2, 3]);
        picture.extend_from_slice(&[0xff, 0xda, 0, 4, 1, 2, 9, 9, 0xff, 0xd9]);
        picture
    }

    #[test]
    fn missing_tables_are_put_before_the_scan() {
        let picture = Bytes::from(avi());
        let whole = presentable(&picture).unwrap();
        assert_eq!(whole.len(), picture.len() + 432);
        let tables = whole.windows(2).filter(|w| w == &[0xff, 0xc4]).count();
        assert_eq!(tables, 4);
        assert!(whole.ends_with(&[0xff, 0xda, 0, 4, 1, 2, 9, 9, 0xff, 0xd9]));
        assert_eq!(presentable(&whole).unwrap(), whole, "once is enough");
        // Of many viewers each is sent the same bytes, not a copy.
        let [first, second] = [(); 2].map(|()| presentable_pieces(&picture).unwrap());
        assert_eq!(first.concat(), whole);
        let places = |pieces: &[Bytes]| pieces.iter().map(|p| p.as_ptr()).collect::<Vec<_>>();
        assert_eq!(places(&first), places(&second));
        assert_eq!(first[0].as_ptr(), picture.as_ptr());
    }

    #[test]
    fn usual_pictures_stay() {
        for start in [
            &b"\xff\xd8\xff\xdb\0\x43\0\0\0\0\0"[..],
            b"\xff\xd8\xff\xe0\0\x10JFIF\0",
            b"\xff\xd8\xff\xe1\0\x10Exif\0",
            b"short",
            b"\x89PNG\r\n\x1a\n0123",
        ] {
            let picture = Bytes::from_static(start);
            assert_eq!(presentable(&picture), Some(picture));
        }
        let odd = Bytes::from_static(b"\xff\xd8\xff\xfe\0\x10Lavc60");
        assert_eq!(presentable(&odd), None);
        let in_a_scan = Bytes::from_static(b"\xff\xd8\xff\xda\xe1\x30AVI1");
        assert_eq!(presentable(&in_a_scan), None);
    }

    #[test]
    fn cut_anywhere() {
        let picture = Bytes::from(avi());
        for end in 0..picture.len() {
            let cut = picture.slice(..end);
            let shown = presentable(&cut);
            assert!(shown.is_none() || !(10..=26).contains(&end), "{end}");
        }
    }
}
