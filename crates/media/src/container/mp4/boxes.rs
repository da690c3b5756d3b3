//! Boxes of ISO base media files (ISO/IEC 14496-12 4.2): a length, a name of four
//! characters, and content, which may be more boxes.

use rs2rtc_base::{Reader, UnexpectedEnd};

/// A box's name.
pub(super) type Name = [u8; 4];

/// The head of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: Name,
    /// Bytes of the head itself: 8 or 16.
    pub(super) head: usize,
    /// Bytes of the whole box; `None`: up to the end of the file.
    pub(super) size: Option<u64>,
}

impl Head {
    /// Reads the head of a box; `None` while it has not come.
    ///
    /// # Errors
    /// The box is smaller than its head.
    pub(super) fn parse(data: &[u8]) -> Result<Option<Self>, UnexpectedEnd> {
        let Some([s0, s1, s2, s3, name @ ..]) = data.first_chunk::<8>() else { return Ok(None) };
        let name = *name;
        let (head, size) = match u32::from_be_bytes([*s0, *s1, *s2, *s3]) {
            0 => (8, None),
            1 => match data.get(8..).and_then(|rest| rest.first_chunk::<8>()) {
                Some(size) => (16, Some(u64::from_be_bytes(*size))),
                None => return Ok(None),
            },
            size => (8, Some(u64::from(size))),
        };
        if size.is_some_and(|size| size < head as u64) {
            return Err(UnexpectedEnd);
        }
        Ok(Some(Self { name, head, size }))
    }
}

/// The boxes in a content, in order; ends before one that is cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boxes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = (Name, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = Head::parse(self.0).ok()??;
        let size = match head.size {
            Some(size) => usize::try_from(size).ok()?,
            None => self.0.len(),
        };
        let (whole, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some((head.name, whole.get(head.head..)?))
    }
}

impl<'a> Boxes<'a> {
    /// The content of the first box of a name.
    pub(super) fn find(mut self, name: &Name) -> Option<&'a [u8]> {
        self.find_map(|(found, content)| (found == *name).then_some(content))
    }

    /// The content of a box inside boxes.
    pub(super) fn path(self, names: &[&Name]) -> Option<&'a [u8]> {
        names.iter().try_fold(self.0, |content, name| Boxes(content).find(name))
    }
}

/// Version and flags of a full box (4.2), and its content.
pub(super) fn full(content: &[u8]) -> Result<(u8, u32, Reader<'_>), UnexpectedEnd> {
    let mut reader = Reader::new(content);
    let version = reader.u8()?;
    let flags = reader.u24()?;
    Ok((version, flags, reader))
}

/// A number that has 64 bits from version 1 on.
pub(super) fn long(reader: &mut Reader<'_>, version: u8) -> Result<u64, UnexpectedEnd> {
    if version == 0 { reader.u32().map(u64::from) } else { reader.u64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = |data: &[u8]| Head::parse(data);
        assert_eq!(head(b"\0\0\0\x08fre"), Ok(None));
        let free = Head { name: *b"free", head: 8, size: Some(8) };
        assert_eq!(head(b"\0\0\0\x08free"), Ok(Some(free)));
        assert_eq!(head(b"\0\0\0\x01mdat\0\0\0\0\0"), Ok(None));
        let long = Head { name: *b"mdat", head: 16, size: Some(1 << 32) };
        assert_eq!(head(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0"), Ok(Some(long)));
        let open = Head { name: *b"mdat", head: 8, size: None };
        assert_eq!(head(b"\0\0\0\0mdat"), Ok(Some(open)));
        assert_eq!(head(b"\0\0\0\x07free"), Err(UnexpectedEnd));
        assert_eq!(head(b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f"), Err(UnexpectedEnd));
    }

    #[test]
    fn boxes_end_before_one_that_is_cut() {
        let data = b"\0\0\0\x09aaaax\0\0\0\x08bbbb\0\0\0\x09ccccx";
        let names =
            |data| Boxes(data).map(|(name, content)| (name, content.len())).collect::<Vec<_>>();
        assert_eq!(names(data), [(*b"aaaa", 1), (*b"bbbb", 0), (*b"cccc", 1)]);
        assert_eq!(names(&data[..25]), [(*b"aaaa", 1), (*b"bbbb", 0)]);
        let nested = [&b"\0\0\0\x11moov"[..], &data[..9]].concat();
        assert_eq!(Boxes(&nested).path(&[b"moov", b"aaaa"]), Some(&b"x"[..]));
        assert_eq!(Boxes(&nested).path(&[b"moov", b"bbbb"]), None);
    }
}
