//! Planar 4:2:0 pictures (ITU-R BT.601 or BT.709 sample layout, 8 bit).

/// One picture: a luma plane and two chroma planes of half the size, rows without
/// padding. Width and height are even.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I420Frame {
    /// Width in pixels, even.
    pub width: usize,
    /// Height in pixels, even.
    pub height: usize,
    /// Luma, `width * height` samples.
    pub y: Vec<u8>,
    /// Cb, `width / 2 * height / 2` samples.
    pub u: Vec<u8>,
    /// Cr, `width / 2 * height / 2` samples.
    pub v: Vec<u8>,
    /// Luma uses 0..=255 (JPEG) instead of 16..=235 (television).
    pub full_range: bool,
}

impl I420Frame {
    /// A black television-range picture. Odd sizes are rounded up to even.
    #[must_use]
    pub fn black(width: usize, height: usize) -> Self {
        let (width, height) = (width.next_multiple_of(2), height.next_multiple_of(2));
        let chroma = width / 2 * (height / 2);
        Self {
            width,
            height,
            y: vec![16; width * height],
            u: vec![128; chroma],
            v: vec![128; chroma],
            full_range: false,
        }
    }

    /// True when the size is even and every plane has exactly its number of samples.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let chroma = (self.width / 2).checked_mul(self.height / 2);
        self.width.is_multiple_of(2)
            && self.height.is_multiple_of(2)
            && self.width.checked_mul(self.height) == Some(self.y.len())
            && chroma == Some(self.u.len())
            && chroma == Some(self.v.len())
    }
}
