//! A bare stream of H.264 or H.265 (`-f h264`, `-f hevc`): NAL units with start
//! codes between them (ITU-T H.264 and H.265 annex B).
//!
//! It has no times; pictures are shown when they come. An access unit is known
//! to be whole when the next one begins, so each picture waits for the first
//! bytes of the next.

use bytes::{Buf as _, Bytes, BytesMut};

use super::picture::Pictures;
use super::{Error, Found, Time, Unit};
use crate::codec::nal::{self, MAX_UNITS};
use crate::codec::{h264, h265};

/// Largest access unit.
const MAX_UNIT: usize = 16 << 20;

/// Reads a bare stream.
#[derive(Debug)]
pub struct Reader {
    pictures: Pictures,
    name: &'static str,
    /// Bytes of the buffer without a start code in them.
    searched: usize,
    /// The current access unit.
    nals: Vec<Bytes>,
    size: usize,
    /// Its last slice.
    slice: Option<Bytes>,
}

impl Reader {
    /// Tells the codec by the first NAL unit, behind its start code.
    ///
    /// # Errors
    /// Neither the beginning of H.264 nor that of H.265.
    pub fn recognise(first: &[u8; 2]) -> Result<Self, Error> {
        let [head, second] = *first;
        let (h264, h265) = (h264::nal_type(first), h265::nal_type(first));
        let (pictures, name) = match (head, h264, h265) {
            // Layer 0 only.
            (0..0x80, _, h265::VPS | h265::AUD) if head & 1 == 0 && second & 0xf8 == 0 => {
                (Pictures::h265(), "hevc")
            }
            (0..0x80, h264::SPS, _) => (Pictures::h264(), "h264"),
            (h264::SEI | h264::AUD, ..) => (Pictures::h264(), "h264"),
            _ => return Err(Error::UnknownBitstream(head)),
        };
        Ok(Self { pictures, name, searched: 0, nals: Vec::new(), size: 0, slice: None })
    }

    /// `h264` or `hevc`.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Takes all whole NAL units from the buffer, which begins with a start code.
    pub(super) fn read(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<(), Error> {
        loop {
            let from = self.searched.max(3);
            let Some(next) = nal::find_start_code(buffer, from) else {
                // A start code may be cut.
                self.searched = buffer.len().saturating_sub(2).max(3);
                break;
            };
            let whole = buffer.split_to(next).freeze();
            self.searched = 0;
            self.nal(&whole, found)?;
        }
        if buffer.len() > MAX_UNIT { Err(Error::TooLarge(self.name)) } else { Ok(()) }
    }

    /// The stream is over: what is left is whole.
    pub(super) fn end(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<(), Error> {
        let rest = buffer.split().freeze();
        self.nal(&rest, found)?;
        self.finish(found)
    }

    /// One NAL unit with its start code in front and zeros behind it.
    fn nal(&mut self, bytes: &Bytes, found: &mut Found) -> Result<(), Error> {
        let Some(nal) = nal::split_annexb(bytes).into_iter().next() else { return Ok(()) };
        if let Some(last) = &self.slice
            && self.pictures.begins_unit(&nal, last)
        {
            self.finish(found)?;
        }
        self.size += nal.len();
        if self.size > MAX_UNIT || self.nals.len() >= MAX_UNITS {
            return Err(Error::TooLarge(self.name));
        }
        if self.pictures.is_slice(&nal) {
            self.slice = Some(nal.clone());
        }
        self.nals.push(nal);
        Ok(())
    }

    fn finish(&mut self, found: &mut Found) -> Result<(), Error> {
        self.size = 0;
        self.slice = None;
        let unit = self.pictures.unit(std::mem::take(&mut self.nals))?;
        if found.tracks.is_empty() {
            found.tracks.extend(self.pictures.codec());
            found.complete = !found.tracks.is_empty();
        }
        if let Some((keyframe, payload)) = unit {
            found.units.push_back(Unit { track: 0, keyframe, time: Time::Arrival, payload });
        }
        Ok(())
    }
}

/// Skips to the first start code; true if there is one in front of the buffer.
pub(super) fn align(buffer: &mut BytesMut) -> bool {
    let code = nal::find_start_code(buffer, 0);
    if let Some(at) = code {
        buffer.advance(at);
    }
    code.is_some()
}
