//! Where the samples of a file that is not fragmented are, and when they are
//! shown (`stbl`, ISO/IEC 14496-12 8.6 and 8.7). The tables are read as one
//! goes; nothing of them is copied.

use bytes::Bytes;

use super::movie::shared;

/// A place in the file and its times, in ticks of the track's timescale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u32,
    pub(super) dts: i64,
    /// How much later it is shown.
    pub(super) later: i32,
}

/// The tables of a track, and how far they were read.
#[derive(Debug, Default)]
pub(super) struct Table {
    sizes: Sizes,
    chunks: Offsets,
    /// Samples in chunks: first chunk, samples, description.
    in_chunk: Entries<12>,
    next_in_chunk: Option<[u32; 3]>,
    durations: Runs,
    later: Runs,
    /// Samples that are taken at once, if they lie side by side.
    group: u32,
    /// Of the current chunk: samples in each such chunk, and left in this one.
    per_chunk: u32,
    left: u32,
    chunk: u32,
    offset: u64,
    dts: i64,
    next: Option<Sample>,
}

impl Table {
    pub(super) fn new(moov: &Bytes, stbl: &[u8], group: u32) -> Self {
        // Version and flags are not looked at.
        let body = |name| shared(moov, stbl, name).filter(|b| b.len() >= 8);
        let entries = |name| body(name).map(|b| b.slice(8..)).unwrap_or_default();
        let chunks = match body(b"co64") {
            Some(wide) => Offsets { data: wide.slice(8..), wide: true },
            None => Offsets { data: entries(b"stco"), wide: false },
        };
        let mut table = Self {
            sizes: body(b"stsz").and_then(Sizes::new).unwrap_or_default(),
            chunks,
            in_chunk: Entries(entries(b"stsc")),
            durations: Runs::new(entries(b"stts")),
            later: Runs::new(entries(b"ctts")),
            group,
            ..Self::default()
        };
        table.next_in_chunk = table.in_chunk.next();
        table.next = table.advance();
        table
    }

    /// The next sample, without taking it.
    pub(super) const fn peek(&self) -> Option<Sample> {
        self.next
    }

    /// Takes the next sample.
    pub(super) fn take(&mut self) -> Option<Sample> {
        let next = self.advance();
        std::mem::replace(&mut self.next, next)
    }

    fn advance(&mut self) -> Option<Sample> {
        while self.left == 0 {
            self.offset = self.chunks.get(self.chunk)?;
            self.chunk += 1;
            if let Some([first, samples, _]) = self.next_in_chunk
                && first <= self.chunk
            {
                self.per_chunk = samples;
                self.next_in_chunk = self.in_chunk.next();
            }
            self.left = self.per_chunk;
        }
        let count = self.group.min(self.left);
        let (offset, dts) = (self.offset, self.dts);
        let later = self.later.next().unwrap_or(0);
        let mut size = 0_u32;
        for _ in 0..count {
            size = size.checked_add(self.sizes.next()?)?;
            let duration = self.durations.next().unwrap_or(0);
            self.dts = self.dts.saturating_add(i64::from(duration));
        }
        self.left -= count;
        self.offset = offset.checked_add(u64::from(size))?;
        // Negative offsets are written as such, whatever the version.
        let later = i32::from_be_bytes(later.to_be_bytes());
        Some(Sample { offset, size, dts, later })
    }
}

/// Numbers of `N / 4` words.
#[derive(Debug, Default)]
struct Entries<const N: usize>(Bytes);

impl Entries<12> {
    fn next(&mut self) -> Option<[u32; 3]> {
        let [a, b, c] = [word(&self.0, 0)?, word(&self.0, 4)?, word(&self.0, 8)?];
        bytes::Buf::advance(&mut self.0, 12);
        Some([a, b, c])
    }
}

/// Values that hold for a number of samples (8.6.1.2, 8.6.1.3).
#[derive(Debug, Default)]
struct Runs {
    data: Bytes,
    left: u32,
    value: u32,
}

impl Runs {
    const fn new(data: Bytes) -> Self {
        Self { data, left: 0, value: 0 }
    }

    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            let (count, value) = (word(&self.data, 0)?, word(&self.data, 4)?);
            bytes::Buf::advance(&mut self.data, 8);
            (self.left, self.value) = (count, value);
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// Sizes of samples (8.7.3.2).
#[derive(Debug, Default)]
enum Sizes {
    #[default]
    None,
    /// All the same; how many are left.
    Same(u32, u32),
    Each(Bytes),
}

impl Sizes {
    fn new(body: Bytes) -> Option<Self> {
        let (size, count) = (word(&body, 4)?, word(&body, 8)?);
        Some(if size > 0 { Self::Same(size, count) } else { Self::Each(body.slice(12..)) })
    }

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Same(size, left) => {
                *left = left.checked_sub(1)?;
                Some(*size)
            }
            Self::Each(data) => {
                let size = word(data, 0)?;
                bytes::Buf::advance(data, 4);
                Some(size)
            }
        }
    }
}

/// Where chunks begin (8.7.5).
#[derive(Debug, Default)]
struct Offsets {
    data: Bytes,
    wide: bool,
}

impl Offsets {
    fn get(&self, index: u32) -> Option<u64> {
        let index = usize::try_from(index).ok()?;
        match self.wide {
            false => word(&self.data, index.checked_mul(4)?).map(u64::from),
            true => {
                let at = index.checked_mul(8)?;
                let (high, low) = (word(&self.data, at)?, word(&self.data, at + 4)?);
                Some(u64::from(high) << 32 | u64::from(low))
            }
        }
    }
}

fn word(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}
