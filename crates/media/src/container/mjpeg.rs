//! Pictures one after another (`-f mjpeg`), also with multipart headers between
//! them (`-f mpjpeg`): ITU-T T.81 annex B. Whatever stands between the end of a
//! picture and the next start is skipped.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Error;
use crate::codec::{Codec, CodecId};

/// No picture of a camera is larger.
const MAX_PICTURE: usize = 32 << 20;

/// The codec of such a stream.
pub const fn codec() -> Codec {
    Codec::new(CodecId::Jpeg).clock(90_000)
}

/// Finds the end of pictures; remembers how far it has looked.
#[derive(Debug, Default)]
pub struct Splitter {
    /// Bytes of the current picture that were looked at; 0 while its start is sought.
    at: usize,
    in_scan: bool,
}

impl Splitter {
    /// Begins before a picture.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a whole picture from the front of the buffer.
    ///
    /// # Errors
    /// A picture above 32 MiB, or one with something other than a segment
    /// between its segments.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        if self.at == 0 {
            let start = buffer.windows(3).position(|w| w == [0xff, 0xd8, 0xff]);
            buffer.advance(start.unwrap_or_else(|| buffer.len().saturating_sub(2)));
            if start.is_none() {
                return Ok(None);
            }
            self.at = 2;
        }
        while let Some(end) = self.step(buffer)? {
            if end {
                let picture = buffer.split_to(self.at).freeze();
                *self = Self::new();
                return Ok(Some(picture));
            }
        }
        if buffer.len() > MAX_PICTURE { Err(Error::TooLarge("MJPEG")) } else { Ok(None) }
    }

    /// Passes one segment or the scan; true after the end of the picture.
    /// `None` if more bytes are needed.
    fn step(&mut self, buffer: &[u8]) -> Result<Option<bool>, Error> {
        let rest = buffer.get(self.at..).unwrap_or_default();
        if self.in_scan {
            // A marker in entropy-coded data is any but stuffing and restarts.
            let marker = rest
                .windows(2)
                .position(|w| matches!(w, [0xff, m] if !matches!(m, 0x00 | 0xd0..=0xd7 | 0xff)));
            self.in_scan = marker.is_none();
            self.at += marker.unwrap_or_else(|| rest.len().saturating_sub(1));
            return Ok(marker.map(|_| false));
        }
        let length = match rest {
            [0xff, 0xff, ..] => 1, // fill byte
            [0xff, 0xd9, ..] => {
                self.at += 2;
                return Ok(Some(true));
            }
            [0xff, 0xd0..=0xd8 | 0x01, ..] => 2,
            [0xff, marker, high, low, ..] => {
                self.in_scan = *marker == 0xda;
                2 + usize::from(u16::from_be_bytes([*high, *low])).max(2)
            }
            [] | [0xff] | [0xff, _] | [0xff, _, _] => return Ok(None),
            _ => return Err(Error::Broken("MJPEG")),
        };
        self.at += length;
        Ok(Some(false))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Quantisation table with a marker-like byte pair inside, scan with
    /// stuffing and a restart.
    pub(crate) const PICTURE: &[u8] = &[
        0xff, 0xd8, 0xff, 0xdb, 0x00, 0x06, 0xff, 0xd9, 0x01, 0x02, 0xff, 0xff, 0xda, 0x00, 0x03,
        0x01, 0x55, 0xff, 0x00, 0xff, 0xd3, 0x66, 0xff, 0xd9,
    ];

    #[test]
    fn ends_inside_segments_do_not_count() {
        let mut buffer = BytesMut::from(PICTURE);
        assert_eq!(Splitter::new().take(&mut buffer).unwrap().unwrap(), PICTURE);
        assert!(buffer.is_empty());
        let mut buffer = BytesMut::from(&b"\xff\xd8\xff\xdb\x00\x02\x00\x00\x00\x00"[..]);
        assert_eq!(Splitter::new().take(&mut buffer), Err(Error::Broken("MJPEG")));
    }
}
