//! MP4 and QuickTime files read from front to back (ISO/IEC 14496-12): fragmented
//! streams, whose `moof` boxes say what follows, and files whose index (`moov`)
//! stands before their media. H.264, H.265, AV1, JPEG, AAC, MPEG audio, Opus and
//! G.711.
//!
//! A second index, as between the parts of a playlist, takes the place of the
//! first. No encryption, no references into other files, no compact sample sizes
//! (`stz2`).

mod boxes;
mod fragment;
mod movie;
mod samples;

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};

use super::{Error, Found, Time, Unit};
use crate::codec::nal;
use crate::frame::Payload;
use crate::time::rescale;

use boxes::Head;
use movie::{Kind, Track};
use samples::Sample;

/// Largest index: some ten hours of video and sound.
const MAX_INDEX: usize = 64 << 20;
/// Largest head of a fragment.
const MAX_FRAGMENT: usize = 4 << 20;
/// Largest sample.
const MAX_SAMPLE: u32 = 16 << 20;
/// Samples without data that a file may name: a few bytes of a table make many.
const MAX_WITHOUT_DATA: u32 = 100_000;

/// Whether a stream can begin with a box of this name.
pub fn is_first_box(name: [u8; 4]) -> bool {
    matches!(&name, b"ftyp" | b"styp" | b"moov" | b"moof" | b"sidx" | b"wide" | b"emsg" | b"prft")
}

/// Reads boxes.
#[derive(Debug, Default)]
pub struct Reader {
    /// Where the front of the buffer is in the file.
    position: u64,
    /// Bytes to pass over.
    skip: u64,
    /// Where the media that is being read ends; `u64::MAX`: at the end of the file.
    media: Option<u64>,
    tracks: Vec<Track>,
    /// Samples so far that had no data.
    without_data: u32,
    /// Samples of the fragment, each with the place of its track.
    fragment: VecDeque<(usize, Sample)>,
}

impl Reader {
    /// Takes all that is whole from the buffer.
    pub(super) fn read(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<(), Error> {
        loop {
            if self.skip > 0 {
                let length = usize::try_from(self.skip).unwrap_or(usize::MAX).min(buffer.len());
                self.advance(buffer, length);
                self.skip -= length as u64;
                if self.skip > 0 {
                    return Ok(());
                }
            }
            let more = match self.media {
                Some(end) => self.sample(end, buffer, found)?,
                None => self.next_box(buffer, found)?,
            };
            if !more {
                return Ok(());
            }
        }
    }

    fn advance(&mut self, buffer: &mut BytesMut, length: usize) {
        buffer.advance(length);
        self.position = self.position.saturating_add(length as u64);
    }

    /// Reads a box that is no media, or begins to read media. Says whether there
    /// may be more.
    fn next_box(&mut self, buffer: &mut BytesMut, found: &mut Found) -> Result<bool, Error> {
        let head = Head::parse(buffer).map_err(|_| Error::Broken("MP4"))?;
        let Some(Head { name, head, size }) = head else { return Ok(false) };
        let limit = match &name {
            b"moov" => MAX_INDEX,
            b"moof" => MAX_FRAGMENT,
            b"mdat" => {
                if self.tracks.is_empty() {
                    return Err(Error::IndexAtEnd);
                }
                let end = size.map_or(u64::MAX, |size| self.position.saturating_add(size));
                self.media = Some(end);
                self.advance(buffer, head);
                return Ok(true);
            }
            _ => {
                // Another file begins, and counts from here.
                if name == *b"ftyp" {
                    self.position = 0;
                }
                self.skip = size.unwrap_or(u64::MAX);
                return Ok(true);
            }
        };
        let size = size.and_then(|size| usize::try_from(size).ok()).filter(|size| *size <= limit);
        let size = size.ok_or(Error::TooLarge("MP4"))?;
        if buffer.len() < size {
            return Ok(false);
        }
        let at = self.position;
        self.position = at.saturating_add(size as u64);
        let content = buffer.split_to(size).freeze().slice(head..);
        if name == *b"moov" {
            self.index(&content, found)?;
        } else {
            // Those of the fragment before it that no media was for.
            let left = u32::try_from(self.fragment.len()).unwrap_or(u32::MAX);
            self.waste(left)?;
            let samples = fragment::samples(&content, at, &mut self.tracks);
            self.fragment = samples.map_err(|_| Error::Broken("MP4"))?.into();
        }
        Ok(true)
    }

    fn index(&mut self, moov: &Bytes, found: &mut Found) -> Result<(), Error> {
        self.tracks.iter().for_each(|track| found.leave(track.index));
        self.tracks = movie::tracks(moov);
        self.fragment.clear();
        if self.tracks.is_empty() {
            return Err(Error::NoTracks("mp4"));
        }
        for track in &mut self.tracks {
            track.index = found.add(track.codec())?;
        }
        self.settle(found);
        Ok(())
    }

    fn settle(&self, found: &mut Found) {
        found.complete |= self.tracks.iter().all(|track| track.index.is_some());
    }

    /// Reads the next sample of the media that ends at `end`. Says whether there
    /// may be more.
    fn sample(
        &mut self,
        end: u64,
        buffer: &mut BytesMut,
        found: &mut Found,
    ) -> Result<bool, Error> {
        let next = self.peek().filter(|(_, sample)| {
            sample.offset.checked_add(u64::from(sample.size)).is_some_and(|last| last <= end)
        });
        let Some((place, sample)) = next else {
            self.skip = end.saturating_sub(self.position);
            self.media = None;
            return Ok(true);
        };
        let Some(gap) = sample.offset.checked_sub(self.position) else {
            // It lies behind us: a table that points back.
            self.waste(1)?;
            self.take(place);
            return Ok(true);
        };
        if gap > 0 {
            self.skip = gap;
            return Ok(true);
        }
        if sample.size > MAX_SAMPLE {
            return Err(Error::TooLarge("MP4"));
        }
        let size = usize::try_from(sample.size).unwrap_or(usize::MAX);
        if buffer.len() < size {
            return Ok(false);
        }
        if size == 0 {
            self.waste(1)?;
        }
        self.take(place);
        let data = buffer.split_to(size).freeze();
        self.position = self.position.saturating_add(size as u64);
        if let Some(track) = self.tracks.get_mut(place) {
            track.unit(&data, sample, found)?;
        }
        self.settle(found);
        Ok(true)
    }

    fn waste(&mut self, samples: u32) -> Result<(), Error> {
        self.without_data = self.without_data.saturating_add(samples);
        if self.without_data > MAX_WITHOUT_DATA { Err(Error::Broken("MP4")) } else { Ok(()) }
    }

    /// The next sample in the file, and the place of its track.
    fn peek(&self) -> Option<(usize, Sample)> {
        if let Some(first) = self.fragment.front() {
            return Some(*first);
        }
        let samples = self.tracks.iter().enumerate();
        let samples = samples.filter_map(|(place, track)| Some((place, track.table.peek()?)));
        samples.min_by_key(|(_, sample)| sample.offset)
    }

    fn take(&mut self, place: usize) {
        if self.fragment.pop_front().is_none()
            && let Some(track) = self.tracks.get_mut(place)
        {
            track.table.take();
        }
    }
}

impl Track {
    fn unit(&mut self, data: &Bytes, sample: Sample, found: &mut Found) -> Result<(), Error> {
        let ticks =
            |ticks: i64| rescale(ticks.saturating_add(self.shift), self.timescale, self.rate());
        let dts = ticks(sample.dts);
        let pts = ticks(sample.dts.saturating_add(i64::from(sample.later)));
        let time = Time::At { pts, dts };
        let unit = match &mut self.kind {
            Kind::Pictures(pictures, length) => pictures.unit(nal::split_avcc(data, *length))?,
            Kind::Av1(pictures) => {
                pictures.unit(data).map(|(keyframe, unit)| (keyframe, Payload::Data(unit)))
            }
            Kind::Whole(_) | Kind::Samples(_) => Some((true, Payload::Data(data.clone()))),
        };
        // Parameter sets may come with the first keyframe.
        if self.index.is_none() && matches!(self.kind, Kind::Pictures(..) | Kind::Av1(_)) {
            self.index = found.add(self.codec())?;
        }
        let Some((keyframe, payload)) = unit else { return Ok(()) };
        if let (Some(track), false) = (self.index, data.is_empty()) {
            found.units.push_back(Unit { track, keyframe, time, payload });
        }
        Ok(())
    }
}
