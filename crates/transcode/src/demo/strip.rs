//! The strip: frame counter and wall clock as black and white cells at the bottom
//! of the picture, to be read by a program from any decoded picture or screenshot,
//! at any scale at which a cell keeps about two pixels.
//!
//! # Layout
//!
//! All positions are fractions of the width W and the height H of the picture. The
//! strip is `0 <= x < W`, `55/60 H <= y < H` and black but for the white cells.
//! Two rows of 52 cells; a cell is W/54 wide and 2/60 H high (24 x 24 pixels at
//! 1280x720). The centre of cell `c` (0..=51) of row `r` (0 or 1) is at
//!
//! ```text
//! x = (c + 1.5) / 54 * W        y = (56 + 2 r) / 60 * H
//! ```
//!
//! Cells 0-3 and 48-51 of both rows are guards: white, black, white, black. The 44
//! cells between them carry bits, white is 1; the two rows one after the other are
//! 88 bits, most significant first:
//!
//! ```text
//! 32 bits  frame counter, modulo 2^32
//! 48 bits  wall clock, milliseconds since 1970-01-01 00:00 UTC, modulo 2^48
//!  8 bits  CRC-8 of the ten bytes before: polynomial 0x07, initial value 0xFF,
//!          not reflected, no final XOR
//! ```
//!
//! # Reading
//!
//! Average a cell over its middle half in both directions (at least one pixel).
//! `white` and `black` are the means of the eight white and the eight black guards,
//! the threshold is half way between. Refuse when `white - black < 48` (of 255),
//! when a guard is on the wrong side, when a cell is nearer to the threshold than
//! an eighth of the contrast, or when the CRC differs.
//!
//! The same in JavaScript, over the pixels of a canvas with the picture drawn on it:
//!
//! ```js
//! function readStrip({data, width: W, height: H}) {
//!   const mean = (r, c) => {
//!     const x0 = Math.floor((c + 1.25) / 54 * W), y0 = Math.floor((55.5 + 2 * r) / 60 * H);
//!     const x1 = Math.max(x0 + 1, Math.floor((c + 1.75) / 54 * W));
//!     const y1 = Math.max(y0 + 1, Math.floor((56.5 + 2 * r) / 60 * H));
//!     let sum = 0;
//!     for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += data[(y * W + x) * 4 + 1];
//!     return sum / ((x1 - x0) * (y1 - y0));
//!   };
//!   const cells = [0, 1].map(r => Array.from({length: 52}, (_, c) => mean(r, c)));
//!   const guards = [0, 1, 2, 3, 48, 49, 50, 51], average = a => a.reduce((s, v) => s + v) / a.length;
//!   const white = average(cells.flatMap(row => guards.filter(c => c % 2 == 0).map(c => row[c])));
//!   const black = average(cells.flatMap(row => guards.filter(c => c % 2 == 1).map(c => row[c])));
//!   const middle = (white + black) / 2, contrast = white - black;
//!   if (contrast < 48 || cells.flat().some(v => Math.abs(v - middle) < contrast / 8)) return null;
//!   if (cells.some(row => guards.some(c => (row[c] > middle) != (c % 2 == 0)))) return null;
//!   const bits = cells.flatMap(row => row.slice(4, 48)).map(v => +(v > middle)), bytes = [];
//!   for (let i = 0; i < 88; i += 8) bytes.push(parseInt(bits.slice(i, i + 8).join(''), 2));
//!   let crc = 0xFF;
//!   for (const b of bytes.slice(0, 10)) {
//!     crc ^= b;
//!     for (let i = 0; i < 8; i++) crc = (crc & 0x80 ? crc << 1 ^ 0x07 : crc << 1) & 0xFF;
//!   }
//!   if (crc != bytes[10]) return null;
//!   const number = list => list.reduce((n, b) => n * 256 + b, 0);
//!   return {frame: number(bytes.slice(0, 4)), unixMs: number(bytes.slice(4, 10))};
//! }
//! ```

/// Columns the width is divided into: 52 cells and a black margin at each side.
const COLUMNS: usize = 54;
/// Units the height is divided into.
const UNITS: usize = 60;
/// First unit of the strip; its first row of cells begins here too.
const TOP_UNIT: usize = 55;
/// Cells in a row, guards included.
const CELLS: usize = 52;
/// Guard cells at each end of a row.
const GUARD: usize = 4;
/// Cells in a row that carry bits.
const DATA: usize = CELLS - 2 * GUARD;
/// Rows of cells.
const ROWS: usize = 2;
/// Bits in the strip.
const BITS: usize = DATA * ROWS;
/// White and black must differ by so much of 255.
const MIN_CONTRAST: u32 = 48;

/// What the strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// Frame counter, modulo 2^32.
    pub frame: u32,
    /// Wall clock in milliseconds since the epoch, modulo 2^48.
    pub unix_ms: u64,
}

/// Where the cells are in a picture of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    width: usize,
    height: usize,
}

/// A rectangle of pixels; the ends are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Left edge.
    pub x0: usize,
    /// Upper edge.
    pub y0: usize,
    /// Right edge, exclusive.
    pub x1: usize,
    /// Lower edge, exclusive.
    pub y1: usize,
}

impl Layout {
    /// The layout for a picture of that size in pixels.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height }
    }

    /// First row of pixels of the strip.
    #[must_use]
    pub fn top(&self) -> usize {
        TOP_UNIT * self.height / UNITS
    }

    /// The whole cell, as it is drawn.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> Cell {
        let x = |column: usize| column * self.width / COLUMNS;
        let y = |row: usize| (TOP_UNIT + 2 * row) * self.height / UNITS;
        Cell { x0: x(column + 1), y0: y(row), x1: x(column + 2), y1: y(row + 1) }
    }

    /// The middle half of the cell in both directions, as it is read.
    #[must_use]
    pub fn core(&self, row: usize, column: usize) -> Cell {
        // In quarters of a cell; a cell is two units high.
        let x = |quarter: usize| (4 * column + 4 + quarter) * self.width / (4 * COLUMNS);
        let y = |half: usize| (2 * (TOP_UNIT + 2 * row) + half) * self.height / (2 * UNITS);
        let (x0, y0) = (x(1), y(1));
        Cell { x0, y0, x1: x(3).max(x0 + 1), y1: y(3).max(y0 + 1) }
    }

    /// Calls `paint` for every cell with `true` for white.
    pub fn draw(&self, reading: Reading, mut paint: impl FnMut(Cell, bool)) {
        let message = message(reading);
        for row in 0..ROWS {
            for column in 0..CELLS {
                let white = match bit_index(row, column) {
                    Some(bit) => message >> (BITS - 1 - bit) & 1 == 1,
                    None => guard_is_white(column),
                };
                paint(self.cell(row, column), white);
            }
        }
    }
}

/// Reads the strip from a picture of `width` x `height` pixels; `luma(x, y)` gives
/// the brightness of a pixel, of whatever range. `None`: there is no strip, or it is
/// damaged.
pub fn read(luma: impl Fn(usize, usize) -> u8, width: usize, height: usize) -> Option<Reading> {
    if width < COLUMNS || height < UNITS {
        return None;
    }
    let layout = Layout::new(width, height);
    let mut cells = [[0u32; CELLS]; ROWS];
    for (row, line) in cells.iter_mut().enumerate() {
        for (column, cell) in line.iter_mut().enumerate() {
            *cell = mean(&luma, layout.core(row, column));
        }
    }

    let (mut white, mut black) = (0, 0);
    for line in &cells {
        for (column, value) in line.iter().enumerate() {
            match (bit_index(0, column), guard_is_white(column)) {
                (None, true) => white += value,
                (None, false) => black += value,
                _ => {}
            }
        }
    }
    // Eight guards of each colour; brightness counts in 1/16.
    let (white, black) = (white / 8, black / 8);
    let contrast = white.checked_sub(black)?;
    if contrast < MIN_CONTRAST * 16 {
        return None;
    }
    let middle = (white + black) / 2;

    let mut message = 0u128;
    for (row, line) in cells.iter().enumerate() {
        for (column, value) in line.iter().enumerate() {
            if value.abs_diff(middle) < contrast / 8 {
                return None;
            }
            let is_white = *value > middle;
            match bit_index(row, column) {
                Some(_) => message = message << 1 | u128::from(is_white),
                None if is_white != guard_is_white(column) => return None,
                None => {}
            }
        }
    }
    let payload = message >> 8;
    if crc8(payload) != message as u8 {
        return None;
    }
    Some(Reading { frame: (payload >> 48) as u32, unix_ms: (payload & 0xFFFF_FFFF_FFFF) as u64 })
}

/// Position in the message of a cell that carries a bit.
fn bit_index(row: usize, column: usize) -> Option<usize> {
    (GUARD..CELLS - GUARD).contains(&column).then(|| row * DATA + column - GUARD)
}

fn guard_is_white(column: usize) -> bool {
    column.is_multiple_of(2)
}

fn message(reading: Reading) -> u128 {
    let payload = u128::from(reading.frame) << 48 | u128::from(reading.unix_ms & 0xFFFF_FFFF_FFFF);
    payload << 8 | u128::from(crc8(payload))
}

/// CRC-8 over the ten bytes of the payload, polynomial 0x07, initial value 0xFF.
fn crc8(payload: u128) -> u8 {
    let mut crc = 0xFFu8;
    for byte in payload.to_be_bytes().into_iter().skip(6) {
        crc ^= byte;
        for _ in 0..8 {
            crc = crc << 1 ^ if crc & 0x80 != 0 { 0x07 } else { 0 };
        }
    }
    crc
}

/// Mean brightness of a cell in 1/16.
fn mean(luma: &impl Fn(usize, usize) -> u8, cell: Cell) -> u32 {
    let mut sum = 0u32;
    for y in cell.y0..cell.y1 {
        for x in cell.x0..cell.x1 {
            sum += u32::from(luma(x, y));
        }
    }
    let count = (cell.x1 - cell.x0) * (cell.y1 - cell.y0);
    sum * 16 / count.max(1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(reading: Reading, width: usize, height: usize) -> Vec<u8> {
        let mut plane = vec![16; width * height];
        Layout::new(width, height).draw(reading, |cell, white| {
            for y in cell.y0..cell.y1 {
                plane[y * width + cell.x0..y * width + cell.x1].fill(if white { 235 } else { 16 });
            }
        });
        plane
    }

    const READING: Reading = Reading { frame: 0xDEAD_BEEF, unix_ms: 0x0199_A5C3_0FF0 };

    #[test]
    fn round_trip_at_every_kind_of_size() {
        for (width, height) in [(160, 120), (320, 240), (854, 480), (1280, 720), (3840, 2160)] {
            let plane = drawn(READING, width, height);
            let read = read(|x, y| plane[y * width + x], width, height);
            assert_eq!(read, Some(READING), "{width}x{height}");
        }
    }

    #[test]
    fn half_size_and_odd_scale() {
        let (width, height) = (1280, 720);
        let plane = drawn(READING, width, height);
        for (w, h) in [(640, 360), (427, 240), (501, 333), (213, 120)] {
            // Nearest neighbour is the harshest way to scale.
            let luma = |x: usize, y: usize| plane[y * height / h * width + x * width / w];
            assert_eq!(read(luma, w, h), Some(READING), "{w}x{h}");
        }
    }

    #[test]
    fn damage_is_noticed() {
        let (width, height) = (640, 360);
        let plane = drawn(READING, width, height);
        let layout = Layout::new(width, height);
        for row in 0..ROWS {
            for column in 0..CELLS {
                let cell = layout.cell(row, column);
                let luma = |x: usize, y: usize| {
                    let value = plane[y * width + x];
                    let hit = (cell.x0..cell.x1).contains(&x) && (cell.y0..cell.y1).contains(&y);
                    if hit { 251 - value } else { value }
                };
                assert_eq!(read(luma, width, height), None, "cell {column} of row {row}");
            }
        }
        assert_eq!(read(|_, _| 128, width, height), None);
        assert_eq!(read(|x, y| (x * 7 + y * 13) as u8, width, height), None);
        assert_eq!(read(|_, _| 0, 0, 0), None);
    }

    #[test]
    fn the_cells_are_as_documented() {
        // Computed apart from this code, from the layout above.
        let rows = [
            "1010110111101010110110111110111011110000000110011010",
            "1010100110100101110000110000111111110000110000011010",
        ];
        let mut drawn = String::new();
        Layout::new(1280, 720).draw(READING, |cell, white| {
            assert!(cell.x1 - cell.x0 >= 23 && cell.y1 - cell.y0 == 24);
            drawn.push(if white { '1' } else { '0' });
        });
        assert_eq!(drawn, rows.concat());
    }
}
