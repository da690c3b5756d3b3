//! JPEG in RTP (RFC 2435): the payload header, the headers of the picture that
//! it stands for, and the way back.

use bytes::Bytes;

use crate::codec::jpeg::{HUFFMAN, write_huffman_tables};

/// Order in which tables are stored (ITU-T T.81 figure A.6).
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Luminance quantisation (ITU-T T.81 table K.1), row by row.
const LUMA: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];

/// Chrominance quantisation (table K.2), row by row.
const CHROMA: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// The header in front of each fragment (section 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FragmentHeader {
    /// Position of the fragment in the scan, in bytes.
    pub(super) offset: usize,
    /// 0: 4:2:2, 1: 4:2:0.
    pub(super) kind: u8,
    /// 1..=99: computed tables, 128..=255: tables in band.
    pub(super) q: u8,
    /// Width in units of 8 pixels, modulo 256.
    pub(super) width: u8,
    /// Height in units of 8 pixels, modulo 256.
    pub(super) height: u8,
    /// Restart interval in MCUs; 0 for none.
    pub(super) restart: u16,
    /// Quantisation tables of the first fragment; may be empty.
    pub(super) tables: Bytes,
    /// One bit per table: 16 bit values.
    pub(super) precision: u8,
}

impl FragmentHeader {
    /// Splits a payload into header and scan data.
    pub(super) fn parse(payload: &Bytes) -> Option<(Self, Bytes)> {
        let [_, o0, o1, o2, kind, q, width, height] = *payload.first_chunk::<8>()?;
        let offset = u32::from_be_bytes([0, o0, o1, o2]);
        let mut header = Self {
            offset: usize::try_from(offset).ok()?,
            kind: kind & 0x3f,
            q,
            width,
            height,
            restart: 0,
            tables: Bytes::new(),
            precision: 0,
        };
        let mut at = 8;
        if (64..128).contains(&kind) {
            header.restart = u16::from_be_bytes(*payload.get(at..)?.first_chunk()?);
            at += 4;
        } else if kind >= 128 {
            return None;
        }
        if q >= 128 && offset == 0 {
            let [_, precision, l0, l1] = *payload.get(at..)?.first_chunk::<4>()?;
            let len = usize::from(u16::from_be_bytes([l0, l1]));
            at += 4;
            payload.get(at..at + len)?;
            header.tables = payload.slice(at..at + len);
            header.precision = precision;
            at += len;
        }
        payload.get(at..)?;
        Some((header, payload.slice(at..)))
    }

    /// Appends the header; tables are written with the first fragment only.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let [_, o0, o1, o2] = u32::try_from(self.offset).unwrap_or(0).to_be_bytes();
        let kind = if self.restart > 0 { self.kind | 0x40 } else { self.kind };
        out.extend_from_slice(&[0, o0, o1, o2, kind, self.q, self.width, self.height]);
        if self.restart > 0 {
            out.extend_from_slice(&self.restart.to_be_bytes());
            // The fragment is not bound to restart intervals.
            out.extend_from_slice(&[0xff, 0xff]);
        }
        if self.q >= 128 && self.offset == 0 {
            out.extend_from_slice(&[0, self.precision]);
            out.extend_from_slice(&u16::try_from(self.tables.len()).unwrap_or(0).to_be_bytes());
            out.extend_from_slice(&self.tables);
        }
    }

    /// Size in pixels. Sizes above 2040 do not fit and wrap; the usual ones of
    /// large cameras are recognised.
    const fn size(&self) -> (u16, u16) {
        match (self.width as u16 * 8, self.height as u16 * 8) {
            (512, height @ (1920 | 1440)) => (2560, height),
            (1792, 112) => (3840, 2160),
            (256, 1296) => (2304, 1296),
            size => size,
        }
    }
}

/// The two tables for a Q of 1..=99 (section 4.2), in the order of `DQT`.
fn computed_tables(q: u8) -> Vec<u8> {
    let q = u32::from(q.clamp(1, 99));
    let factor = if q < 50 { 5000 / q } else { 200 - q * 2 };
    let scaled = |table: &[u8; 64]| {
        let value = |v: u8| ((u32::from(v) * factor + 50) / 100).clamp(1, 255) as u8;
        ZIGZAG.map(|at| table.get(at).copied().map_or(1, value))
    };
    [scaled(&LUMA), scaled(&CHROMA)].concat()
}

/// The headers of the picture, up to its scan data. `stored`: tables that came
/// with an earlier picture of the same Q. `None` if there are no tables, or the
/// type is not one of RFC 2435's.
pub(super) fn write_headers(header: &FragmentHeader, stored: Option<&[u8]>) -> Option<Vec<u8>> {
    let computed;
    let mut precision = header.precision;
    let tables = match header.q {
        128.. if header.tables.is_empty() => stored?,
        128.. => &header.tables,
        0 => return None,
        q => {
            precision = 0;
            computed = computed_tables(q);
            &computed
        }
    };
    let luma_sampling = match header.kind {
        0 => 0x21,
        1 => 0x22,
        _ => return None,
    };
    let mut out = vec![0xff, 0xd8];
    let mut rest = tables;
    let mut count = 0_u8;
    while !rest.is_empty() && count < 4 {
        let wide = precision >> count & 1;
        let (table, after) = rest.split_at_checked(64 * (usize::from(wide) + 1))?;
        let len = u16::try_from(table.len() + 3).ok()?;
        out.extend_from_slice(&[0xff, 0xdb]);
        out.extend_from_slice(&len.to_be_bytes());
        out.push(wide << 4 | count);
        out.extend_from_slice(table);
        rest = after;
        count += 1;
    }
    let chroma_table = u8::from(count > 1);
    let (width, height) = header.size();
    out.extend_from_slice(&[0xff, 0xc0, 0, 17, 8]);
    out.extend_from_slice(&height.to_be_bytes());
    out.extend_from_slice(&width.to_be_bytes());
    out.extend_from_slice(&[3, 1, luma_sampling, 0, 2, 0x11, chroma_table, 3, 0x11, chroma_table]);
    write_huffman_tables(&mut out);
    if header.restart > 0 {
        out.extend_from_slice(&[0xff, 0xdd, 0, 4]);
        out.extend_from_slice(&header.restart.to_be_bytes());
    }
    out.extend_from_slice(&[0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
    Some(out)
}

/// Takes a picture apart for sending. `None` if RFC 2435 cannot carry it: not
/// baseline, not 4:2:0 or 4:2:2, own Huffman tables, or larger than 2040 pixels.
pub(super) fn parse_picture(picture: &Bytes) -> Option<(FragmentHeader, Bytes)> {
    let mut at = 2;
    if picture.get(..2)? != [0xff, 0xd8] {
        return None;
    }
    let mut tables: [Option<&[u8]>; 4] = [None; 4];
    let mut frame = None;
    let mut restart = 0;
    loop {
        let &[marker, kind] = picture.get(at..)?.first_chunk()?;
        if marker != 0xff {
            return None;
        }
        if kind == 0xff {
            at += 1;
            continue;
        }
        let len = usize::from(u16::from_be_bytes(*picture.get(at + 2..)?.first_chunk()?));
        let segment = picture.get(at + 4..at + 2 + len)?;
        at += 2 + len;
        match kind {
            0xdb => {
                let mut rest = segment;
                while let Some((&id, after)) = rest.split_first() {
                    let (table, after) = after.split_at_checked(64)?;
                    // Values of 16 bits are not baseline.
                    *tables.get_mut(usize::from(id))? = Some(table);
                    rest = after;
                }
            }
            0xc0 => frame = Some(parse_frame(segment)?),
            0xc1..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcf => return None,
            0xc4 if !has_standard_tables(segment) => return None,
            0xdd => restart = u16::from_be_bytes(*segment.first_chunk()?),
            0xda => {
                if segment.get(..7)?
                    != [3, *segment.get(1)?, 0, *segment.get(3)?, 0x11, *segment.get(5)?, 0x11]
                {
                    return None;
                }
                break;
            }
            _ => {}
        }
    }
    let (kind, width, height, luma, chroma) = frame?;
    let mut both = (*tables.get(luma)?)?.to_vec();
    both.extend_from_slice((*tables.get(chroma)?)?);
    let mut end = picture.len();
    if picture.ends_with(&[0xff, 0xd9]) {
        end -= 2;
    }
    let scan = picture.slice(at..end.max(at));
    let header = FragmentHeader {
        offset: 0,
        kind,
        q: 255,
        width,
        height,
        restart,
        tables: both.into(),
        precision: 0,
    };
    Some((header, scan))
}

/// Type, width and height in units of 8 pixels (rounded up), table numbers.
fn parse_frame(segment: &[u8]) -> Option<(u8, u8, u8, usize, usize)> {
    let &[8, h0, h1, w0, w1, 3, _, luma_sampling, luma, _, 0x11, cb, _, 0x11, cr] =
        segment.first_chunk::<15>()?
    else {
        return None;
    };
    let kind = match luma_sampling {
        0x21 => 0,
        0x22 => 1,
        _ => return None,
    };
    let units = |a, b| u8::try_from(u16::from_be_bytes([a, b]).div_ceil(8)).ok().filter(|n| *n > 0);
    (cb == cr).then_some((kind, units(w0, w1)?, units(h0, h1)?, usize::from(luma), usize::from(cb)))
}

fn has_standard_tables(mut segment: &[u8]) -> bool {
    while !segment.is_empty() {
        let table = HUFFMAN.iter().find_map(|(id, counts, values)| {
            let rest = segment.strip_prefix(&[*id])?;
            rest.strip_prefix(counts.as_slice())?.strip_prefix(*values)
        });
        let Some(rest) = table else { return false };
        segment = rest;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> FragmentHeader {
        FragmentHeader {
            offset: 0,
            kind: 1,
            q: 255,
            width: 80,
            height: 45,
            restart: 4,
            tables: computed_tables(50).into(),
            precision: 0,
        }
    }

    #[test]
    fn computed_for_q_71() {
        let tables = computed_tables(71);
        assert_eq!((tables[0], tables[64]), (9, 10));
        // In storage order the third value is that of the second row.
        assert_eq!(computed_tables(50)[..4], [16, 11, 12, 14]);
    }

    #[test]
    fn fragment_header_round_trip() {
        let mut payload = Vec::new();
        header().write(&mut payload);
        payload.extend_from_slice(b"scan");
        let payload = Bytes::from(payload);
        assert_eq!(FragmentHeader::parse(&payload), Some((header(), Bytes::from_static(b"scan"))));
        for n in 0..payload.len() - 4 {
            assert_eq!(FragmentHeader::parse(&payload.slice(..n)), None);
        }
    }

    #[test]
    fn picture_round_trip_and_truncation() {
        let mut picture = write_headers(&header(), None).unwrap();
        picture.extend_from_slice(b"scan\xff\xd9");
        let picture = Bytes::from(picture);
        assert_eq!(parse_picture(&picture), Some((header(), Bytes::from_static(b"scan"))));
        for n in 0..picture.len() {
            let _ = parse_picture(&picture.slice(..n));
        }
    }

    #[test]
    fn sizes_that_wrapped() {
        let sized = |width, height| FragmentHeader { width, height, ..header() }.size();
        assert_eq!(sized(64, 240), (2560, 1920));
        assert_eq!(sized(224, 14), (3840, 2160));
        assert_eq!(sized(32, 162), (2304, 1296));
        assert_eq!(sized(160, 90), (1280, 720));
    }

    #[test]
    fn huffman_tables_are_consistent() {
        for (_, counts, values) in HUFFMAN {
            assert_eq!(counts.iter().map(|c| usize::from(*c)).sum::<usize>(), values.len());
        }
    }
}
