//! Checked big-endian reader over bytes that came from somebody else.

/// There were fewer bytes (or bits) than asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unexpected end of data")]
pub struct UnexpectedEnd;

/// Reads integers in network order and slices from a byte slice. A failed read
/// takes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the beginning of `data`.
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// Fewer than `n` bytes are left.
    pub const fn take(&mut self, n: usize) -> Result<&'a [u8], UnexpectedEnd> {
        match self.rest.split_at_checked(n) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(UnexpectedEnd),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// Fewer than `N` bytes are left.
    pub const fn array<const N: usize>(&mut self) -> Result<[u8; N], UnexpectedEnd> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(UnexpectedEnd),
        }
    }

    /// Passes over `n` bytes.
    ///
    /// # Errors
    /// Fewer than `n` bytes are left.
    pub fn skip(&mut self, n: usize) -> Result<(), UnexpectedEnd> {
        self.take(n).map(drop)
    }

    /// One byte.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn u8(&mut self) -> Result<u8, UnexpectedEnd> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes.
    ///
    /// # Errors
    /// Fewer than two bytes are left.
    pub fn u16(&mut self) -> Result<u16, UnexpectedEnd> {
        self.array().map(u16::from_be_bytes)
    }

    /// Three bytes.
    ///
    /// # Errors
    /// Fewer than three bytes are left.
    pub fn u24(&mut self) -> Result<u32, UnexpectedEnd> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// Fewer than four bytes are left.
    pub fn u32(&mut self) -> Result<u32, UnexpectedEnd> {
        self.array().map(u32::from_be_bytes)
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// Fewer than eight bytes are left.
    pub fn u64(&mut self) -> Result<u64, UnexpectedEnd> {
        self.array().map(u64::from_be_bytes)
    }

    /// How many bytes are left.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// True when nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, without taking it.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_in_network_order() {
        let data: Vec<u8> = (1..=20).collect();
        let mut r = Reader::new(&data);
        assert_eq!(r.u8(), Ok(1));
        assert_eq!(r.u16(), Ok(0x0203));
        assert_eq!(r.u24(), Ok(0x04_0506));
        assert_eq!(r.u32(), Ok(0x0708_090a));
        assert_eq!(r.u64(), Ok(0x0b0c_0d0e_0f10_1112));
        assert_eq!(r.remaining(), 2);
        assert_eq!(r.u24(), Err(UnexpectedEnd));
        assert_eq!(r.take(2), Ok(&[19, 20][..]));
        assert!(r.is_empty());
        assert_eq!(r.skip(1), Err(UnexpectedEnd));
    }
}
