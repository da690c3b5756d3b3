//! Fragments (`moof`, ISO/IEC 14496-12 8.8.4 to 8.8.8, 8.8.12).

use rs2rtc_base::{Reader, UnexpectedEnd};

use super::boxes::{Boxes, full, long};
use super::movie::Track;
use super::samples::Sample;

/// Samples in one fragment.
const MAX_SAMPLES: usize = 100_000;

/// The samples of a fragment that begins at `at` in the file, each with the place
/// of its track, in the order in which they are stored.
///
/// # Errors
/// A box is cut, or there are too many samples.
pub(super) fn samples(
    moof: &[u8],
    at: u64,
    tracks: &mut [Track],
) -> Result<Vec<(usize, Sample)>, UnexpectedEnd> {
    let mut found = Vec::new();
    let mut end = at;
    for (_, traf) in Boxes(moof).filter(|(name, _)| name == b"traf") {
        end = track_fragment(traf, at, end, tracks, &mut found)?;
    }
    found.sort_by_key(|(_, sample)| sample.offset);
    Ok(found)
}

/// Where a run's samples are, and what they have in common.
struct Run {
    /// Place of the track.
    place: usize,
    duration: u32,
    size: u32,
    /// Where data counts from.
    base: u64,
    dts: i64,
}

/// Adds the samples of a track; says where its data ends.
fn track_fragment(
    traf: &[u8],
    at: u64,
    end: u64,
    tracks: &mut [Track],
    found: &mut Vec<(usize, Sample)>,
) -> Result<u64, UnexpectedEnd> {
    let (_, flags, mut reader) = full(Boxes(traf).find(b"tfhd").ok_or(UnexpectedEnd)?)?;
    let id = reader.u32()?;
    // What nobody takes may end anywhere: who comes after it has a base of its own.
    let Some(place) = tracks.iter().position(|track| track.id == id) else { return Ok(end) };
    let Some(track) = tracks.get_mut(place) else { return Ok(end) };
    let base = match flags {
        flags if flags & 1 != 0 => reader.u64()?,
        flags if flags & 0x02_0000 != 0 => at,
        _ => end,
    };
    let mut optional =
        |flag: u32| if flags & flag != 0 { reader.u32().map(Some) } else { Ok(None) };
    optional(2)?; // description
    let duration = optional(8)?.unwrap_or(track.defaults.duration);
    let size = optional(0x10)?.unwrap_or(track.defaults.size);
    let dts = match Boxes(traf).find(b"tfdt") {
        Some(tfdt) => {
            let (version, _, mut reader) = full(tfdt)?;
            i64::try_from(long(&mut reader, version)?).unwrap_or(i64::MAX)
        }
        None => track.next,
    };
    let mut run = Run { place, duration, size, base, dts };
    let mut offset = base;
    for (_, trun) in Boxes(traf).filter(|(name, _)| name == b"trun") {
        offset = run.read(trun, offset, found)?;
    }
    track.next = run.dts;
    Ok(offset)
}

impl Run {
    /// Adds the samples of a run; says where their data ends.
    fn read(
        &mut self,
        trun: &[u8],
        offset: u64,
        found: &mut Vec<(usize, Sample)>,
    ) -> Result<u64, UnexpectedEnd> {
        let (_, flags, mut reader) = full(trun)?;
        let count = usize::try_from(reader.u32()?).unwrap_or(usize::MAX);
        if found.len().saturating_add(count) > MAX_SAMPLES {
            return Err(UnexpectedEnd);
        }
        let mut offset = offset;
        if flags & 1 != 0 {
            let relative = i64::from(i32::from_be_bytes(reader.array()?));
            offset = self.base.checked_add_signed(relative).ok_or(UnexpectedEnd)?;
        }
        if flags & 4 != 0 {
            reader.u32()?; // flags of the first sample
        }
        for _ in 0..count {
            let duration = word(&mut reader, flags & 0x100, self.duration)?;
            let size = word(&mut reader, flags & 0x200, self.size)?;
            word(&mut reader, flags & 0x400, 0)?;
            let later = word(&mut reader, flags & 0x800, 0)?;
            let later = i32::from_be_bytes(later.to_be_bytes());
            found.push((self.place, Sample { offset, size, dts: self.dts, later }));
            self.dts = self.dts.saturating_add(i64::from(duration));
            offset = offset.checked_add(u64::from(size)).ok_or(UnexpectedEnd)?;
        }
        Ok(offset)
    }
}

/// A value that is there if its flag is, else the default.
fn word(reader: &mut Reader<'_>, flag: u32, default: u32) -> Result<u32, UnexpectedEnd> {
    if flag != 0 { reader.u32() } else { Ok(default) }
}
