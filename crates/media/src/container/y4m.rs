//! Uncompressed pictures (`-f yuv4mpegpipe`; the format of MJPEG tools): a line
//! that tells size and form, then pictures behind a `FRAME` line each. Planes of
//! 8 bit: grey, 4:2:0, 4:2:2 and 4:4:4. Rates are not looked at: a picture is
//! shown when it comes.

use bytes::{Buf as _, Bytes, BytesMut};

use super::Error;
use crate::codec::{Codec, CodecId, fmtp_value};

/// What a stream begins with.
pub const MAGIC: &[u8; 4] = b"YUV4";
/// Longest line.
const MAX_LINE: usize = 1024;
/// Widest and highest picture.
const MAX_SIDE: usize = 8192;
/// Largest picture: 8192x5461 in 4:2:0.
const MAX_PICTURE: usize = 64 << 20;

/// How the chroma planes are sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chroma {
    /// No chroma planes.
    Mono,
    /// Half the width and half the height.
    C420,
    /// Half the width.
    C422,
    /// As luma.
    C444,
}

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Pixels, 1 to 8192.
    pub width: usize,
    /// Pixels, 1 to 8192.
    pub height: usize,
    /// The planes.
    pub chroma: Chroma,
    /// The name of the form as written, e.g. `420jpeg`.
    name: String,
    /// The whole line, without its end.
    line: String,
}

impl Header {
    /// Takes the first line from the front of the buffer; nothing while it has not come.
    ///
    /// # Errors
    /// No size, or a form that is not supported.
    pub fn take(buffer: &mut BytesMut) -> Result<Option<Self>, Error> {
        let Some(line) = take_line(buffer)? else { return Ok(None) };
        Self::parse(&String::from_utf8_lossy(&line)).map(Some)
    }

    fn parse(line: &str) -> Result<Self, Error> {
        let mut words = line.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(Error::Broken("Y4M"));
        }
        let (mut width, mut height, mut name) = (None, None, "420jpeg");
        for word in words {
            let side = |text: &str| text.parse().ok().filter(|n| (1..=MAX_SIDE).contains(n));
            match word.split_at_checked(1) {
                Some(("W", text)) => width = side(text),
                Some(("H", text)) => height = side(text),
                Some(("C", text)) => name = text,
                _ => {}
            }
        }
        let (Some(width), Some(height)) = (width, height) else {
            return Err(Error::Broken("Y4M"));
        };
        let chroma = Chroma::of(name).ok_or(Error::UnsupportedPictures)?;
        let header = Self { width, height, chroma, name: name.to_owned(), line: line.to_owned() };
        if header.picture_bytes() > MAX_PICTURE { Err(Error::TooLarge("Y4M")) } else { Ok(header) }
    }

    /// What the codec of such a stream says of its pictures.
    pub fn of_codec(codec: &Codec) -> Option<Self> {
        let value = |name| fmtp_value(&codec.fmtp, name);
        let line = format!(
            "YUV4MPEG2 W{} H{} C{}",
            value("width")?,
            value("height")?,
            value("colorspace")?
        );
        Self::parse(&line).ok()
    }

    /// The codec: its `fmtp` has `width`, `height` and `colorspace`.
    pub fn codec(&self) -> Codec {
        let Self { width, height, name, .. } = self;
        let fmtp = format!("width={width};height={height};colorspace={name}");
        Codec::new(CodecId::RawVideo).clock(90_000).fmtp(fmtp)
    }

    /// The whole line, without its end.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// Bytes of a picture: luma, then the chroma planes, without padding.
    pub const fn picture_bytes(&self) -> usize {
        let luma = self.width * self.height;
        let (w, h) = (self.width.div_ceil(2), self.height.div_ceil(2));
        luma + match self.chroma {
            Chroma::Mono => 0,
            Chroma::C420 => 2 * w * h,
            Chroma::C422 => 2 * w * self.height,
            Chroma::C444 => 2 * luma,
        }
    }

    /// Takes the next picture from the front of the buffer.
    ///
    /// # Errors
    /// Something other than a `FRAME` line stands in front of it.
    pub fn take_picture(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        let Some(end) = line_end(buffer)? else { return Ok(None) };
        if !buffer.starts_with(b"FRAME") {
            return Err(Error::Broken("Y4M"));
        }
        let (head, size) = (end + 1, self.picture_bytes());
        if buffer.len() < head + size {
            return Ok(None);
        }
        buffer.advance(head);
        Ok(Some(buffer.split_to(size).freeze()))
    }
}

impl Chroma {
    /// By the name in the first line; forms of more than 8 bit have longer ones.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "mono" => Self::Mono,
            "420" | "420jpeg" | "420mpeg2" | "420paldv" => Self::C420,
            "422" => Self::C422,
            "444" => Self::C444,
            _ => return None,
        })
    }
}

fn take_line(buffer: &mut BytesMut) -> Result<Option<BytesMut>, Error> {
    let Some(end) = line_end(buffer)? else { return Ok(None) };
    let line = buffer.split_to(end);
    buffer.advance(1);
    Ok(Some(line))
}

fn line_end(buffer: &[u8]) -> Result<Option<usize>, Error> {
    let end = buffer.iter().take(MAX_LINE).position(|byte| *byte == b'\n');
    match end {
        None if buffer.len() >= MAX_LINE => Err(Error::Broken("Y4M")),
        end => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> Result<Header, Error> {
        Ok(Header::take(&mut BytesMut::from(format!("{line}\n").as_bytes()))?.unwrap())
    }

    #[test]
    fn sizes() {
        let (odd, halves) = (5 * 7, 3 * 4);
        for (form, expected) in [
            ("", odd + 2 * halves),
            ("Cmono", odd),
            ("C420jpeg", odd + 2 * halves),
            ("C420mpeg2", odd + 2 * halves),
            ("C422", odd + 2 * 3 * 7),
            ("C444", 3 * odd),
        ] {
            let header = header(&format!("YUV4MPEG2 W5 H7 F25:1 Ip A1:1 {form}")).unwrap();
            assert_eq!(header.picture_bytes(), expected, "{form}");
            let again = Header::of_codec(&header.codec()).unwrap();
            assert_eq!((again.width, again.height, again.chroma), (5, 7, header.chroma));
        }
    }

    #[test]
    fn refuses_what_it_cannot_carry() {
        for line in ["YUV4MPEG2 W2", "YUV4MPEG2 W2 H0", "YUV4MPEG2 W9000 H2", "YUV4MPEG W2 H2"] {
            assert_eq!(header(line), Err(Error::Broken("Y4M")), "{line}");
        }
        assert_eq!(header("YUV4MPEG2 W2 H2 C420p10"), Err(Error::UnsupportedPictures));
        assert_eq!(header("YUV4MPEG2 W8192 H8192"), Err(Error::TooLarge("Y4M")));
        let endless = Header::take(&mut BytesMut::from(&[b'Y'; MAX_LINE][..]));
        assert_eq!(endless, Err(Error::Broken("Y4M")));
        let mut wrong = BytesMut::from(&b"XRAME\n"[..]);
        assert_eq!(
            header("YUV4MPEG2 W2 H2").unwrap().take_picture(&mut wrong),
            Err(Error::Broken("Y4M"))
        );
    }
}
