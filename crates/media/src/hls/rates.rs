//! How many bits a second the segments of a stream take (RFC 8216 4.1 and 4.3.4.2).

use std::collections::VecDeque;

use crate::codec::{Codec, CodecId};
use crate::container::fmp4::Format;

/// Times here are microseconds.
const SECOND: i64 = 1_000_000;
/// Sets of segments that are looked at: those kept here are no more, however short they are.
const MOST: usize = 64;
/// The usual size of pictures whose size is not told yet, and their rate.
const SIZE: (u32, u32) = (1920, 1080);
const PICTURES: u64 = 25;
/// Bits of 100 pixels of H.264 as cameras encode it: 6 Mbit/s at 1920x1080.
const BITS_OF_100_PIXELS: u64 = 12;
/// How much the fullest second has of the mean one.
const PEAK: u64 = 2;

/// Bits a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// The peak segment bit rate: of the fullest neighbours that last between half and
    /// one and a half target durations together (`BANDWIDTH`).
    pub peak: u64,
    /// Of all segments (`AVERAGE-BANDWIDTH`). Not more than the peak.
    pub mean: u64,
}

impl Rates {
    /// What segments of these codecs will take, before there are any: that of a
    /// representative stream (RFC 8216 4.3.4.2).
    pub fn expected(codecs: &[Codec]) -> Self {
        let mean = codecs.iter().map(expected).sum::<u64>().max(1);
        Self { peak: PEAK * mean, mean }
    }

    /// These, if so many bytes that last so many microseconds may be asked for at once.
    #[must_use]
    pub fn with(self, bytes: usize, duration: i64) -> Self {
        let rate = rate(8 * bytes as u64, duration);
        Self { peak: self.peak.max(rate), ..self }
    }
}

/// Bits a second of a track, from what its description says.
fn expected(codec: &Codec) -> u64 {
    let size = || {
        let size = Format::new(codec).ok().map(|format| format.size());
        let (width, height) = size.filter(|size| size.0 > 0 && size.1 > 0).unwrap_or(SIZE);
        u64::from(width) * u64::from(height)
    };
    let channels = u64::from(codec.channels.max(1));
    match codec.id {
        CodecId::H264 => size() * PICTURES * BITS_OF_100_PIXELS / 100,
        CodecId::H265 | CodecId::Av1 => size() * PICTURES * BITS_OF_100_PIXELS / 200,
        CodecId::Pcma | CodecId::Pcmu | CodecId::L16 | CodecId::Pcml => {
            // As FLAC, of which the frames here hold samples as they are.
            16 * u64::from(codec.timestamp_rate()) * channels
        }
        _ => 96_000 * channels,
    }
}

/// Measures segments as they are closed.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The newest: bits and duration.
    newest: VecDeque<(u64, i64)>,
    peak: u64,
    /// Of all.
    bits: u64,
    duration: i64,
}

impl Meter {
    /// Takes a segment of so many bytes and microseconds, and the target duration in
    /// seconds.
    pub(super) fn push(&mut self, bytes: usize, duration: i64, target: i64) {
        let bits = 8 * bytes as u64;
        self.bits += bits;
        self.duration = self.duration.saturating_add(duration);
        self.newest.push_back((bits, duration));
        if self.newest.len() > MOST {
            self.newest.pop_front();
        }
        let (mut bits, mut length) = (0, 0);
        for (more, lasts) in self.newest.iter().rev() {
            bits += more;
            length += lasts;
            if 2 * length > 3 * target * SECOND {
                break;
            }
            if 2 * length >= target * SECOND {
                self.peak = self.peak.max(rate(bits, length));
            }
        }
    }

    /// What was measured; `None` before there is a segment.
    pub(super) fn rates(&self) -> Option<Rates> {
        if self.duration == 0 {
            return None;
        }
        let mean = rate(self.bits, self.duration);
        // Of segments that are too short for a set the mean is all there is.
        Some(Rates { peak: self.peak.max(mean), mean })
    }
}

/// Bits a second, rounded up.
fn rate(bits: u64, duration: i64) -> u64 {
    let duration = u128::from(duration.max(1).unsigned_abs());
    let rate = (u128::from(bits) * SECOND.unsigned_abs() as u128).div_ceil(duration);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(segments: &[(usize, i64)], target: i64) -> Option<(u64, u64)> {
        let mut meter = Meter::default();
        for (bytes, milliseconds) in segments {
            meter.push(*bytes, milliseconds * 1000, target);
        }
        meter.rates().map(|rates| (rates.peak, rates.mean))
    }

    #[test]
    fn the_fullest_neighbours_are_the_peak() {
        assert_eq!(of(&[], 1), None);
        assert_eq!(of(&[(1000, 1000)], 1), Some((8000, 8000)));
        assert_eq!(of(&[(1000, 1000), (3000, 1000), (2000, 1000)], 1), Some((24_000, 16_000)));
        // Of three bytes a microsecond and a third: never less than it is.
        assert_eq!(of(&[(1, 3000)], 3), Some((3, 3)));
        // Short ones count together with their neighbours.
        assert_eq!(of(&[(1000, 1000), (1000, 40), (1000, 460)], 1), Some((32_000, 16_000)));
        assert_eq!(of(&[(5000, 400)], 1), Some((100_000, 100_000)), "there is no set yet");
        let long = of(&[(5000, 400), (1000, 1000)], 1);
        assert_eq!(long, Some((34_286, 34_286)), "a set of 1.4 s");
        // As long as the target duration has it.
        assert_eq!(of(&[(5000, 1000), (1000, 1000)], 3), Some((24_000, 24_000)));
        // Whatever comes, and however much.
        let mut meter = Meter::default();
        for _ in 0..10_000 {
            meter.push(8 << 20, 1000, 1);
        }
        assert!(meter.newest.len() <= MOST && meter.rates().unwrap().peak > 60_000_000_000);
    }

    #[test]
    fn what_comes_in_front_counts_and_guesses_are_of_the_size() {
        let rates = Rates { peak: 100, mean: 50 };
        assert_eq!(rates.with(1000, SECOND), Rates { peak: 8000, mean: 50 });
        assert_eq!(rates.with(1, SECOND), rates);
        let video = Codec::new(CodecId::H264).clock(90_000);
        let small = "sprop-parameter-sets=Z0LADdkBQfsBEAAAAwAQAAADAyDxQqSA,aMuMsg==";
        let of = |codecs: &[Codec]| Rates::expected(codecs).mean;
        assert_eq!(of(std::slice::from_ref(&video)), 1920 * 1080 * 3);
        assert_eq!(of(&[video.clone().fmtp(small)]), 320 * 240 * 3);
        assert!(of(&[Codec::new(CodecId::H265).clock(90_000)]) < of(std::slice::from_ref(&video)));
        let sound = Codec::new(CodecId::Pcma).clock(8000);
        assert_eq!(of(&[video, sound]), 1920 * 1080 * 3 + 128_000);
        assert!(Rates::expected(&[]).peak > 0);
    }
}
