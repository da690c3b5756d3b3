//! Movie fragments: `moof` and the head of its `mdat` (ISO/IEC 14496-12
//! sections 8.8.4 to 8.8.8 and 8.8.12).
//!
//! The payload is not copied here: it follows the returned bytes.

use super::boxes::Writer;

/// `tfhd`: offsets count from the first byte of the `moof`.
const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
const DEFAULT_DURATION: u32 = 0x08;
const DEFAULT_SIZE: u32 = 0x10;
const DEFAULT_FLAGS: u32 = 0x20;
const DATA_OFFSET: u32 = 0x01;
const SAMPLE_DURATION: u32 = 0x100;
const SAMPLE_SIZE: u32 = 0x200;
const SAMPLE_FLAGS: u32 = 0x400;
const SAMPLE_COMPOSITION: u32 = 0x800;

/// `sample_depends_on` 2: needs no other sample.
const SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` 1 and `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0101_0000;

/// One sample of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// In ticks of the track's timescale, at least 1.
    pub duration: u32,
    /// Bytes in the `mdat`.
    pub size: u32,
    /// Decoding can begin here.
    pub keyframe: bool,
    /// Presentation time less decoding time, in ticks. Negative is allowed.
    pub composition: i32,
}

impl Sample {
    const fn flags(&self) -> u32 {
        if self.keyframe { SYNC } else { NON_SYNC }
    }
}

/// Samples of one track that follow each other in decoding order.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Index of the track in the init segment, from 0.
    pub track: usize,
    /// Decoding time of the first sample, in ticks of the track's timescale.
    pub dts: u64,
    /// The samples.
    pub samples: &'a [Sample],
}

/// The bytes before the payload: `moof` with the runs in order, and the head of
/// the `mdat` with their payloads in the same order. `sequence` counts from 1.
pub fn head(sequence: u32, runs: &[Run<'_>]) -> Vec<u8> {
    let samples: usize = runs.iter().map(|run| run.samples.len()).sum();
    let mut moof = Writer::with_capacity(40 + 76 * runs.len() + 16 * samples);
    // The size of `moof` does not depend on the offsets in it.
    write_moof(&mut moof, sequence, runs, 0);
    let size = u32::try_from(moof.into_bytes().len()).unwrap_or(u32::MAX);
    let mut out = Writer::with_capacity(usize::try_from(size).unwrap_or(0) + 8);
    write_moof(&mut out, sequence, runs, size.saturating_add(8));
    let payload: u32 = runs
        .iter()
        .flat_map(|run| run.samples)
        .fold(0, |sum, sample| sample.size.saturating_add(sum));
    out.u32(payload.saturating_add(8));
    out.bytes(b"mdat");
    out.into_bytes()
}

fn write_moof(w: &mut Writer, sequence: u32, runs: &[Run<'_>], mut offset: u32) {
    w.boxed(b"moof", |w| {
        w.full(b"mfhd", 0, 0, |w| w.u32(sequence));
        for run in runs {
            w.boxed(b"traf", |w| write_run(w, run, offset));
            let size = run.samples.iter().fold(0_u32, |sum, s| sum.saturating_add(s.size));
            offset = offset.saturating_add(size);
        }
    });
}

fn write_run(w: &mut Writer, run: &Run<'_>, offset: u32) {
    let single = match run.samples {
        [sample] => Some(*sample),
        _ => None,
    };
    let defaults = match single {
        Some(_) => DEFAULT_DURATION | DEFAULT_SIZE | DEFAULT_FLAGS,
        None => 0,
    };
    w.full(b"tfhd", 0, DEFAULT_BASE_IS_MOOF | defaults, |w| {
        w.u32(u32::try_from(run.track + 1).unwrap_or(u32::MAX));
        if let Some(sample) = single {
            w.u32(sample.duration);
            w.u32(sample.size);
            w.u32(sample.flags());
        }
    });
    w.full(b"tfdt", 1, 0, |w| w.u64(run.dts));
    let reorders = run.samples.iter().any(|sample| sample.composition != 0);
    let mut fields = DATA_OFFSET;
    if single.is_none() {
        fields |= SAMPLE_DURATION | SAMPLE_SIZE | SAMPLE_FLAGS;
    }
    if reorders {
        fields |= SAMPLE_COMPOSITION;
    }
    // Version 1: composition offsets have a sign.
    w.full(b"trun", 1, fields, |w| {
        w.u32(u32::try_from(run.samples.len()).unwrap_or(u32::MAX));
        w.u32(offset);
        for sample in run.samples {
            if single.is_none() {
                w.u32(sample.duration);
                w.u32(sample.size);
                w.u32(sample.flags());
            }
            if reorders {
                w.i32(sample.composition);
            }
        }
    });
}
