//! Checked bit reader, most significant bit first, with the Exp-Golomb codes
//! of H.264 (ITU-T H.264 9.1) and H.265. Emulation prevention bytes are the
//! caller's concern.

use crate::reader::UnexpectedEnd;

/// Reads bits from a byte slice.
#[derive(Clone, Copy, Debug)]
pub struct BitReader<'a> {
    data: &'a [u8],
    /// Position in bits.
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Reads from the beginning of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// One bit.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn bit(&mut self) -> Result<bool, UnexpectedEnd> {
        let byte = self.data.get(self.position / 8).ok_or(UnexpectedEnd)?;
        let bit = (byte >> (7 - self.position % 8)) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// The next `n` bits as a number; `n` above 32 keeps the last 32 of them.
    ///
    /// # Errors
    /// Fewer than `n` bits are left.
    pub fn bits(&mut self, n: u32) -> Result<u32, UnexpectedEnd> {
        let mut value = 0_u32;
        for _ in 0..n {
            value = (value << 1) | u32::from(self.bit()?);
        }
        Ok(value)
    }

    /// Passes over `n` bits.
    ///
    /// # Errors
    /// Fewer than `n` bits are left.
    pub const fn skip(&mut self, n: usize) -> Result<(), UnexpectedEnd> {
        if n > self.remaining() {
            return Err(UnexpectedEnd);
        }
        self.position += n;
        Ok(())
    }

    /// Unsigned Exp-Golomb code, `ue(v)`; at most 31 leading zeros, more is
    /// taken as broken data.
    ///
    /// # Errors
    /// The data ends inside the code, or the code is too long.
    pub fn ue(&mut self) -> Result<u32, UnexpectedEnd> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return Err(UnexpectedEnd);
            }
        }
        let suffix = self.bits(zeros)?;
        Ok(((1_u32 << zeros) - 1) + suffix)
    }

    /// Signed Exp-Golomb code, `se(v)`.
    ///
    /// # Errors
    /// As [`Self::ue`].
    pub fn se(&mut self) -> Result<i32, UnexpectedEnd> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        let value = if code % 2 == 0 { -magnitude } else { magnitude };
        i32::try_from(value).map_err(|_| UnexpectedEnd)
    }

    /// How many bits are left.
    pub const fn remaining(&self) -> usize {
        (self.data.len() * 8).saturating_sub(self.position)
    }

    /// How many bits were read.
    pub const fn position(&self) -> usize {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes() {
        // 1 | 010 | 011 | 00100 | 00101 | 1...
        let data = [0b1010_0110, 0b0100_0010, 0b1100_0000];
        let mut r = BitReader::new(&data);
        for value in 0..5 {
            assert_eq!(r.ue(), Ok(value));
        }
        let mut r = BitReader::new(&data);
        for value in [0, 1, -1, 2, -2] {
            assert_eq!(r.se(), Ok(value));
        }
    }

    #[test]
    fn bounded() {
        let mut r = BitReader::new(&[0; 16]);
        assert_eq!(r.ue(), Err(UnexpectedEnd));
        let mut largest = vec![0, 0, 0, 1];
        largest.extend([0xff; 4]);
        assert_eq!(BitReader::new(&largest).ue(), Ok(u32::MAX - 1));
        assert!(BitReader::new(&largest).se().is_ok());
        let mut r = BitReader::new(&[0xa5]);
        assert_eq!(r.bits(4), Ok(10));
        assert_eq!(r.skip(5), Err(UnexpectedEnd));
        assert_eq!((r.position(), r.remaining()), (4, 4));
        assert_eq!(r.bits(5), Err(UnexpectedEnd));
    }
}
