//! Linear PCM and G.711 as FLAC frames (RFC 9639), so that a browser plays them.
//!
//! Each packet becomes one frame of a stream with variable block size. Channels
//! are coded by themselves: constant (silence), with one of the fixed
//! predictors and Rice codes in one partition, or verbatim, whichever is
//! shortest. There is no search for linear predictors: the delay and the cost
//! matter more than the size.

use bytes::Bytes;

use crate::codec::bits::BitWriter;

/// Largest number of samples of a frame (RFC 9639 9.1.1).
pub const MAX_BLOCK: usize = 65_535;
/// Samples carry 16 bits.
const BITS: u32 = 16;
/// Largest Rice parameter of the short form (9.2.7).
const MAX_RICE: u32 = 14;

/// The STREAMINFO block with its header, as `dfLa` wants it (section 8.2).
pub fn stream_info(rate: u32, channels: u8) -> Vec<u8> {
    let mut w = BitWriter::default();
    // The last block, type 0, 34 bytes.
    w.bits(0x80, 8);
    w.bits(34, 24);
    w.bits(16, 16);
    w.bits(65_535, 16);
    // Sizes of frames are not known.
    w.bits(0, 24);
    w.bits(0, 24);
    w.bits(rate.min(0xf_ffff), 20);
    w.bits(u32::from(channels.clamp(1, 8)) - 1, 3);
    w.bits(BITS - 1, 5);
    // Neither are the number of samples and their MD5.
    w.bits(0, 4);
    w.bits(0, 32);
    for _ in 0..4 {
        w.bits(0, 32);
    }
    w.into_bytes()
}

/// One frame of samples, interleaved. `first` is the number of its first sample
/// of each channel. `None` without a whole sample; what exceeds
/// [`MAX_BLOCK`] samples a channel is left out.
pub fn frame(first: u64, rate: u32, channels: u8, samples: &[i16]) -> Option<Bytes> {
    let channels = usize::from(channels.clamp(1, 8));
    let block = (samples.len() / channels).min(MAX_BLOCK);
    if block == 0 {
        return None;
    }
    let mut w = BitWriter::default();
    header(&mut w, first, block, rate, channels);
    for channel in 0..channels {
        let one: Vec<i32> = samples
            .iter()
            .skip(channel)
            .step_by(channels)
            .take(block)
            .map(|s| (*s).into())
            .collect();
        subframe(&mut w, &one);
    }
    let mut out = w.into_bytes();
    let crc = crc16(&out);
    out.extend_from_slice(&crc.to_be_bytes());
    Some(out.into())
}

/// Section 9.1.
fn header(w: &mut BitWriter, first: u64, block: usize, rate: u32, channels: usize) {
    let start = w.len();
    // Sync code, variable block size.
    w.bits(0xfff9, 16);
    // The block size follows in 16 bits.
    w.bits(7, 4);
    let (code, tail) = rate_code(rate);
    w.bits(code, 4);
    w.bits(u32::try_from(channels - 1).unwrap_or(0), 4);
    // 16 bits per sample.
    w.bits(4, 3);
    w.bits(0, 1);
    coded_number(w, first & 0xf_ffff_ffff);
    w.bits(u32::try_from(block - 1).unwrap_or(0), 16);
    if let Some((value, bits)) = tail {
        w.bits(value, bits);
    }
    let crc = crc8(w.since(start));
    w.bits(crc.into(), 8);
}

/// The code of a sampling rate, and what follows the header for rare ones (9.1.2).
fn rate_code(rate: u32) -> (u32, Option<(u32, u32)>) {
    let code = match rate {
        88_200 => 1,
        176_400 => 2,
        192_000 => 3,
        8000 => 4,
        16_000 => 5,
        22_050 => 6,
        24_000 => 7,
        32_000 => 8,
        44_100 => 9,
        48_000 => 10,
        96_000 => 11,
        _ if rate <= 0xffff => return (13, Some((rate, 16))),
        _ if rate.is_multiple_of(10) && rate / 10 <= 0xffff => return (14, Some((rate / 10, 16))),
        // As STREAMINFO says.
        _ => 0,
    };
    (code, None)
}

/// A number in the manner of UTF-8, up to 36 bits (9.1.5).
fn coded_number(w: &mut BitWriter, value: u64) {
    if value < 0x80 {
        w.bits(low(value), 8);
        return;
    }
    // Bytes after the first, of six bits each.
    let more: u32 = match value {
        0..=0x7ff => 1,
        0x800..=0xffff => 2,
        0x1_0000..=0x1f_ffff => 3,
        0x20_0000..=0x3ff_ffff => 4,
        0x400_0000..=0x7fff_ffff => 5,
        _ => 6,
    };
    let mark = 0xff_u64 << (7 - more) & 0xff;
    w.bits(low(mark | value >> (6 * more)), 8);
    for n in (0..more).rev() {
        w.bits(low(0x80 | value >> (6 * n) & 0x3f), 8);
    }
}

const fn low(value: u64) -> u32 {
    (value & 0xff) as u32
}

/// Section 9.2.
fn subframe(w: &mut BitWriter, samples: &[i32]) {
    let Some((&first, rest)) = samples.split_first() else { return };
    if rest.iter().all(|s| *s == first) {
        w.bits(0, 8);
        sample(w, first);
        return;
    }
    let verbatim = samples.len() * 16;
    match Prediction::best(samples).filter(|p| p.bits < verbatim as u64) {
        Some(prediction) => prediction.write(w, samples),
        None => {
            w.bits(1 << 1, 8);
            samples.iter().for_each(|s| sample(w, *s));
        }
    }
}

fn sample(w: &mut BitWriter, value: i32) {
    w.bits(value as u32 & 0xffff, BITS);
}

/// A fixed predictor (9.2.5) with the Rice parameter of its residual.
struct Prediction {
    order: usize,
    parameter: u32,
    residual: Vec<u32>,
    /// What the subframe takes.
    bits: u64,
}

impl Prediction {
    /// The shortest of orders 0 to 4.
    fn best(samples: &[i32]) -> Option<Self> {
        let mut differences = samples.to_vec();
        let mut best: Option<Self> = None;
        for order in 0..=4 {
            if order > 0 {
                // Each order is the difference of the one before.
                for n in (order..differences.len()).rev() {
                    let before = differences.get(n - 1).copied().unwrap_or(0);
                    if let Some(value) = differences.get_mut(n) {
                        *value -= before;
                    }
                }
            }
            let Some(rest) = differences.get(order..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            let residual: Vec<u32> = rest.iter().map(|r| (r << 1 ^ r >> 31) as u32).collect();
            let sum: u64 = residual.iter().map(|r| u64::from(*r)).sum();
            let mean = sum / residual.len() as u64;
            let parameter = mean.checked_ilog2().unwrap_or(0).min(MAX_RICE);
            let codes: u64 =
                residual.iter().map(|r| u64::from(r >> parameter) + 1 + u64::from(parameter)).sum();
            let bits = codes + 8 + 10 + 16 * order as u64;
            if best.as_ref().is_none_or(|best| bits < best.bits) {
                best = Some(Self { order, parameter, residual, bits });
            }
        }
        best
    }

    fn write(&self, w: &mut BitWriter, samples: &[i32]) {
        w.bits(u32::try_from(8 + self.order).unwrap_or(8) << 1, 8);
        samples.iter().take(self.order).for_each(|s| sample(w, *s));
        // Rice codes with parameters of 4 bits, one partition.
        w.bits(0, 2);
        w.bits(0, 4);
        w.bits(self.parameter, 4);
        for residual in &self.residual {
            let mut zeros = residual >> self.parameter;
            while zeros > 0 {
                let some = zeros.min(32);
                w.bits(0, some);
                zeros -= some;
            }
            w.bits(1, 1);
            w.bits(residual & ((1 << self.parameter) - 1), self.parameter);
        }
    }
}

/// Polynomial x^8 + x^2 + x + 1.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc: u8, _| if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 7 })
    })
}

/// Polynomial x^16 + x^15 + x^2 + 1.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x8005 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::BitReader;

    /// A reader of what is written here, from the RFC.
    fn read(frame: &[u8]) -> (u64, Vec<Vec<i32>>) {
        let mut r = BitReader::new(frame);
        assert_eq!(r.bits(16), Some(0xfff9));
        assert_eq!(r.bits(4), Some(7));
        let rate = r.bits(4).unwrap();
        let channels = r.bits(4).unwrap() + 1;
        assert_eq!(r.bits(4), Some(8));
        let mut first = u64::from(r.bits(8).unwrap());
        if first >= 0x80 {
            let ones = (first as u8).leading_ones();
            first &= 0x7f >> ones;
            for _ in 1..ones {
                assert_eq!(r.bits(2), Some(2));
                first = first << 6 | u64::from(r.bits(6).unwrap());
            }
        }
        let block = r.bits(16).unwrap() as usize + 1;
        if matches!(rate, 13 | 14) {
            r.bits(16).unwrap();
        }
        r.bits(8).unwrap();
        let signed = |v: u32| i32::from(v as u16 as i16);
        let mut all = Vec::new();
        for _ in 0..channels {
            let kind = r.bits(8).unwrap() >> 1;
            let mut out: Vec<i32> = Vec::new();
            match kind {
                0 => out = vec![signed(r.bits(16).unwrap()); block],
                1 => out.extend((0..block).map(|_| signed(r.bits(16).unwrap()))),
                8..=12 => {
                    let order = kind as usize - 8;
                    out.extend((0..order).map(|_| signed(r.bits(16).unwrap())));
                    assert_eq!(r.bits(6), Some(0));
                    let parameter = r.bits(4).unwrap();
                    for n in order..block {
                        let mut zeros = 0;
                        while !r.bit().unwrap() {
                            zeros += 1;
                        }
                        let code = zeros << parameter | r.bits(parameter).unwrap();
                        let residual = (code >> 1) as i32 ^ -((code & 1) as i32);
                        let p = |k: usize| out[n - k];
                        let predicted = match order {
                            0 => 0,
                            1 => p(1),
                            2 => 2 * p(1) - p(2),
                            3 => 3 * p(1) - 3 * p(2) + p(3),
                            _ => 4 * p(1) - 6 * p(2) + 4 * p(3) - p(4),
                        };
                        out.push(predicted + residual);
                    }
                }
                other => panic!("subframe of type {other}"),
            }
            all.push(out);
        }
        (first, all)
    }

    fn round_trip(samples: &[i16], channels: u8) -> usize {
        for first in [0, 127, 128, 0x7ff, 0x800, 0x1_0000, 0x20_0000, 0x400_0000, 0x8000_0000] {
            let bytes = frame(first, 8000, channels, samples).unwrap();
            let (number, all) = read(&bytes);
            assert_eq!(number, first);
            for (index, one) in all.iter().enumerate() {
                let expected: Vec<i32> = samples
                    .iter()
                    .skip(index)
                    .step_by(channels.into())
                    .map(|s| i32::from(*s))
                    .collect();
                assert_eq!(one, &expected);
            }
        }
        frame(0, 8000, channels, samples).unwrap().len()
    }

    #[test]
    fn what_is_written_is_read() {
        let tone: Vec<i16> =
            (0..160).map(|n| ((f64::from(n) * 0.2).sin() * 9000.0) as i16).collect();
        assert!(round_trip(&tone, 1) < 240, "a tone is predicted");
        assert!(round_trip(&tone, 2) < 340);
        assert!(round_trip(&[0; 320], 1) < 20, "silence is constant");
        let extremes: Vec<i16> =
            (0..64).map(|n| if n % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
        assert!(round_trip(&extremes, 1) <= 128 + 16, "noise is verbatim");
        let noise: Vec<i16> =
            (0..1000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 16) as i16).collect();
        round_trip(&noise, 2);
        round_trip(&[7], 1);
        round_trip(&[1, 2, 3], 1);
        assert!(frame(0, 8000, 2, &[1]).is_none());
    }

    #[test]
    fn check_sums() {
        assert_eq!(crc8(b"123456789"), 0xf4);
        assert_eq!(crc16(b"123456789"), 0xfee8);
        let info = stream_info(8000, 1);
        assert_eq!((info.len(), info[0], info[3]), (38, 0x80, 34));
    }
}
