//! Pictures as parts of a message without end (`-f mpjpeg`,
//! `multipart/x-mixed-replace`; RFC 2046 5.1). Cameras keep to it loosely, so
//! what a boundary is called is not asked: a part begins behind a line that
//! begins with `--`, or, where a camera leaves the dashes out, with the first
//! line of its head. A part without a length is read to the end of its picture.

use bytes::{Buf as _, Bytes, BytesMut};
use rs2rtc_base::http::{Head, find_head_end};

use super::{Error, mjpeg};

/// Largest head of a part.
const MAX_HEAD: usize = 8 * 1024;
/// No part of a camera is larger.
const MAX_PART: usize = 32 << 20;

#[derive(Debug)]
enum State {
    /// Between parts; bytes that are known to hold no end of a head.
    Head(usize),
    /// In a picture of so many bytes.
    Picture(usize),
    /// In a part that is no picture; bytes that are left.
    Skip(usize),
    /// In a picture of unknown length.
    Search(mjpeg::Splitter),
}

/// Reads parts.
#[derive(Debug)]
pub struct Reader(State);

impl Default for Reader {
    fn default() -> Self {
        Self(State::Head(0))
    }
}

impl Reader {
    /// Takes the next picture from the front of the buffer.
    ///
    /// # Errors
    /// A head or a part that is too large, or a picture that is none.
    pub fn take(&mut self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Error> {
        loop {
            let next = match &mut self.0 {
                State::Head(searched) => {
                    while buffer.starts_with(b"\r\n") || buffer.starts_with(b"\n") {
                        let line = if buffer.starts_with(b"\r") { 2 } else { 1 };
                        buffer.advance(line);
                        *searched = 0;
                    }
                    // No parts at all: one picture after another.
                    if buffer.starts_with(&[0xff, 0xd8, 0xff]) {
                        self.0 = State::Search(mjpeg::Splitter::new());
                        continue;
                    }
                    let Some(end) = find_head_end(buffer, *searched) else {
                        *searched = buffer.len();
                        let long = buffer.len() > MAX_HEAD;
                        return if long { Err(Error::TooLarge("MPJPEG")) } else { Ok(None) };
                    };
                    let head = buffer.split_to(end);
                    Self::part(&Head::parse_complete(&head).map_err(|_| Error::Broken("MPJPEG"))?)?
                }
                State::Picture(length) => {
                    let length = *length;
                    if buffer.len() < length {
                        return Ok(None);
                    }
                    let picture = buffer.split_to(length).freeze();
                    self.0 = State::Head(0);
                    // A message that something is wrong may come as a part too.
                    if picture.starts_with(&[0xff, 0xd8]) {
                        return Ok(Some(picture));
                    }
                    continue;
                }
                State::Skip(left) => {
                    let length = (*left).min(buffer.len());
                    buffer.advance(length);
                    *left -= length;
                    if *left > 0 {
                        return Ok(None);
                    }
                    State::Head(0)
                }
                State::Search(splitter) => {
                    let picture = splitter.take(buffer)?;
                    if picture.is_some() {
                        self.0 = State::Head(0);
                    }
                    return Ok(picture);
                }
            };
            self.0 = next;
        }
    }

    /// What follows a head.
    fn part(head: &Head) -> Result<State, Error> {
        // Without a boundary the first line is a field.
        let get = |name: &str| {
            let first = head.start.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name));
            head.headers.get(name).or_else(|| first.map(|(_, value)| value)).map(str::trim)
        };
        let length = get("content-length").and_then(|text| text.parse::<usize>().ok());
        let other = get("content-type").is_some_and(|kind| {
            let kind = kind.to_ascii_lowercase();
            kind.starts_with("text/") || kind.starts_with("audio/")
        });
        match length {
            Some(length) if length > MAX_PART => Err(Error::TooLarge("MPJPEG")),
            Some(length) if other => Ok(State::Skip(length)),
            Some(length) if length > 0 => Ok(State::Picture(length)),
            // The next head is looked for behind it.
            None if other => Ok(State::Head(0)),
            // Some that know no length write 0.
            _ => Ok(State::Search(mjpeg::Splitter::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::mjpeg::tests::PICTURE;

    fn pictures(stream: &[u8], size: usize) -> Result<Vec<Bytes>, Error> {
        let (mut reader, mut buffer) = (Reader::default(), BytesMut::new());
        let mut found = Vec::new();
        for piece in stream.chunks(size) {
            buffer.extend_from_slice(piece);
            while let Some(picture) = reader.take(&mut buffer)? {
                found.push(picture);
            }
        }
        Ok(found)
    }

    fn check(name: &str, stream: &[u8], count: usize) {
        for size in [1, 2, 5, 1000] {
            let found = pictures(stream, size).unwrap();
            assert_eq!(found, vec![Bytes::from_static(PICTURE); count], "{name}, pieces of {size}");
        }
        for at in 0..stream.len() {
            let _ = pictures(&stream[..at], 7);
            let _ = pictures(&stream[at..], 7);
        }
    }

    #[test]
    fn what_cameras_send() {
        let length = format!("Content-Length: {}", PICTURE.len());
        let part = |head: &str| [head.as_bytes(), PICTURE].concat();
        let whole = part(&format!("--x\r\nContent-Type: image/jpeg\r\n{length}\r\n\r\n"));
        check("as the text says", &[&whole, &b"\r\n"[..], &whole, b"\r\n--x--\r\n"].concat(), 2);
        check("nothing between parts", &[whole.clone(), whole.clone()].concat(), 2);
        let foscam =
            part(&format!("\r\n--x\r\n--y\r\nContent-type:image/jpeg\r\n{length}\r\n\r\n"));
        check("two boundaries", &[foscam.clone(), foscam].concat(), 2);
        let feeds = part(&format!("--x\ncontent-length:{}\n\n", PICTURE.len()));
        check("line feeds only", &[&feeds, &b"\n"[..], &feeds].concat(), 2);
        let bare = part("--x\r\nContent-Type: image/jpeg\r\n\r\n");
        check("no length", &[&bare, &b"\r\n"[..], &bare].concat(), 2);
        let zero = part("--x\r\nContent-Length: 0\r\n\r\n");
        check("length 0", &[zero.clone(), zero].concat(), 2);
        let dashes = part(&format!("{length}\r\nContent-Type: image/jpeg\r\n\r\n"));
        check("no boundary", &[&dashes, &b"\r\n"[..], &dashes].concat(), 2);
        check("no parts", &[PICTURE, PICTURE].concat(), 2);
        let note = b"--x\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbusy\r\n";
        check("a text between", &[&note[..], &whole].concat(), 1);
        let short = b"--x\r\nContent-Length: 2\r\n\r\nno\r\n";
        check("no picture", &[&short[..], &whole].concat(), 1);
    }

    #[test]
    fn hostile_lengths() {
        let stream = b"--x\r\nContent-Length: 99999999999\r\n\r\n";
        assert_eq!(pictures(stream, 100), Err(Error::TooLarge("MPJPEG")));
        assert_eq!(pictures(&[b'-'; MAX_HEAD + 1], 1000), Err(Error::TooLarge("MPJPEG")));
    }
}
