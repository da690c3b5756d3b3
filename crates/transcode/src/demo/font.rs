//! The lettering of the demo picture: glyphs are strokes on a grid of 4 x 6 units,
//! drawn with round ends, so they are smooth at every size.

use super::paint::{blend, to_segment};
use crate::video::I420Frame;

/// Units from one glyph to the next.
const ADVANCE: f32 = 6.0;
/// Units above and below the glyph that belong to its tile.
const MARGIN: f32 = 1.0;
/// Units from the upper to the lower end of a capital.
const HEIGHT: f32 = 6.0;

type Stroke = &'static [(i8, i8)];

/// The strokes of a character in half units, x to the right, y down; unknown ones
/// are blank.
fn strokes(character: char) -> &'static [Stroke] {
    match character {
        '0' => &[&[(2, 0), (6, 0), (8, 2), (8, 10), (6, 12), (2, 12), (0, 10), (0, 2), (2, 0)]],
        '1' => &[&[(1, 2), (4, 0), (4, 12)], &[(1, 12), (7, 12)]],
        '2' => &[&[(0, 2), (2, 0), (6, 0), (8, 2), (8, 4), (0, 12), (8, 12)]],
        '3' => &[
            &[(0, 1), (2, 0), (6, 0), (8, 2), (8, 4), (6, 6), (3, 6)],
            &[(6, 6), (8, 8), (8, 10), (6, 12), (2, 12), (0, 11)],
        ],
        '4' => &[&[(6, 12), (6, 0), (0, 8), (8, 8)]],
        '5' => &[&[(8, 0), (1, 0), (0, 5), (6, 5), (8, 7), (8, 10), (6, 12), (2, 12), (0, 11)]],
        '6' => &[&[
            (7, 0),
            (3, 0),
            (0, 4),
            (0, 10),
            (2, 12),
            (6, 12),
            (8, 10),
            (8, 7),
            (6, 5),
            (2, 5),
            (0, 7),
        ]],
        '7' => &[&[(0, 0), (8, 0), (3, 12)]],
        '8' => &[
            &[(2, 0), (6, 0), (8, 2), (8, 4), (6, 6), (2, 6), (0, 4), (0, 2), (2, 0)],
            &[(6, 6), (8, 8), (8, 10), (6, 12), (2, 12), (0, 10), (0, 8), (2, 6)],
        ],
        '9' => &[&[
            (1, 12),
            (5, 12),
            (8, 8),
            (8, 2),
            (6, 0),
            (2, 0),
            (0, 2),
            (0, 5),
            (2, 7),
            (6, 7),
            (8, 5),
        ]],
        ':' => &[&[(4, 4), (4, 4)], &[(4, 10), (4, 10)]],
        '.' => &[&[(4, 12), (4, 12)]],
        '-' => &[&[(1, 6), (7, 6)]],
        'C' => &[&[(8, 1), (6, 0), (2, 0), (0, 2), (0, 10), (2, 12), (6, 12), (8, 11)]],
        'T' => &[&[(0, 0), (8, 0)], &[(4, 0), (4, 12)]],
        'U' => &[&[(0, 0), (0, 10), (2, 12), (6, 12), (8, 10), (8, 0)]],
        'a' => &[&[(1, 4), (6, 4), (8, 6), (8, 12), (2, 12), (0, 11), (0, 9), (2, 8), (8, 8)]],
        'c' => &[&[(8, 5), (6, 4), (2, 4), (0, 6), (0, 10), (2, 12), (6, 12), (8, 11)]],
        'd' => &[
            &[(8, 0), (8, 12)],
            &[(8, 6), (6, 4), (2, 4), (0, 6), (0, 10), (2, 12), (6, 12), (8, 10)],
        ],
        'e' => &[&[(0, 8), (8, 8), (8, 6), (6, 4), (2, 4), (0, 6), (0, 10), (2, 12), (7, 12)]],
        'f' => &[&[(7, 0), (5, 0), (3, 2), (3, 12)], &[(0, 5), (6, 5)]],
        'm' => &[
            &[(0, 12), (0, 4)],
            &[(0, 5), (1, 4), (3, 4), (4, 5), (4, 12)],
            &[(4, 5), (5, 4), (7, 4), (8, 5), (8, 12)],
        ],
        'o' => &[&[(2, 4), (6, 4), (8, 6), (8, 10), (6, 12), (2, 12), (0, 10), (0, 6), (2, 4)]],
        'p' => &[
            &[(0, 4), (0, 14)],
            &[(0, 6), (2, 4), (6, 4), (8, 6), (8, 10), (6, 12), (2, 12), (0, 10)],
        ],
        'r' => &[&[(1, 4), (1, 12)], &[(1, 7), (4, 4), (7, 4)]],
        's' => &[&[
            (8, 5),
            (6, 4),
            (2, 4),
            (0, 5),
            (0, 7),
            (2, 8),
            (6, 8),
            (8, 9),
            (8, 11),
            (6, 12),
            (2, 12),
            (0, 11),
        ]],
        't' => &[&[(3, 1), (3, 10), (5, 12), (7, 12)], &[(0, 4), (7, 4)]],
        'x' => &[&[(1, 4), (7, 12)], &[(7, 4), (1, 12)]],
        _ => &[],
    }
}

/// One line of text that changes from picture to picture: only the characters that
/// differ from the last picture are painted. Luma only; the ground must be flat.
#[derive(Debug, Clone)]
pub(super) struct Line {
    x: usize,
    y: usize,
    advance: usize,
    tile_height: usize,
    unit: f32,
    ink: u8,
    ground: u8,
    /// Tiles of the characters seen so far.
    tiles: Vec<(char, Vec<u8>)>,
    shown: Vec<char>,
}

impl Line {
    /// `(x, y)` is the upper left corner in pixels, `unit` the grid unit.
    pub(super) fn new(x: usize, y: usize, unit: f32, ink: u8, ground: u8) -> Self {
        Self {
            x,
            y,
            advance: (ADVANCE * unit).round().max(2.0) as usize,
            tile_height: ((HEIGHT + 2.0 * MARGIN) * unit).ceil() as usize,
            unit,
            ink,
            ground,
            tiles: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// Width in units of that many characters, without the gap after the last.
    pub(super) fn units(characters: usize) -> f32 {
        (characters as f32 * ADVANCE).max(1.0) - 1.0
    }

    /// Height in units with margins.
    pub(super) fn height_units() -> f32 {
        HEIGHT + 2.0 * MARGIN
    }

    /// Puts the text on the picture; characters beyond the right edge are left out.
    pub(super) fn draw(&mut self, frame: &mut I420Frame, text: &str) {
        for (index, character) in text.chars().enumerate() {
            if self.shown.get(index) == Some(&character) {
                continue;
            }
            self.blit(frame, index, character);
            if index < self.shown.len() {
                self.shown[index] = character;
            } else {
                self.shown.push(character);
            }
        }
    }

    fn blit(&mut self, frame: &mut I420Frame, index: usize, character: char) {
        let x = self.x + index * self.advance;
        if x + self.advance > frame.width || self.y + self.tile_height > frame.height {
            return;
        }
        let known = self.tiles.iter().position(|(known, _)| *known == character);
        let position = known.unwrap_or_else(|| {
            self.tiles.push((character, self.tile(character)));
            self.tiles.len() - 1
        });
        let tile = &self.tiles[position].1;
        for (row, pixels) in tile.chunks_exact(self.advance).enumerate() {
            let at = (self.y + row) * frame.width + x;
            frame.y[at..at + self.advance].copy_from_slice(pixels);
        }
    }

    fn tile(&self, character: char) -> Vec<u8> {
        let mut tile = Vec::with_capacity(self.advance * self.tile_height);
        for row in 0..self.tile_height {
            for column in 0..self.advance {
                let x = (column as f32 + 0.5) / self.unit - 0.5;
                let y = (row as f32 + 0.5) / self.unit - MARGIN;
                let distance = distance(character, x, y) * self.unit;
                tile.push(blend(self.ground, self.ink, 0.5 - distance));
            }
        }
        tile
    }
}

/// Distance in units from a point in a glyph's grid to the edge of its strokes,
/// negative inside.
fn distance(character: char, x: f32, y: f32) -> f32 {
    let point = (x * 2.0, y * 2.0);
    let mut nearest = f32::MAX;
    for stroke in strokes(character) {
        for pair in stroke.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|(x, y)| (f32::from(x), f32::from(y)));
            nearest = nearest.min(to_segment(point, from, to));
        }
    }
    nearest / 2.0 - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_in_use_has_a_glyph() {
        for character in "0123456789:.-UTCrs2rtc demo frame fps x".chars() {
            assert!(character == ' ' || !strokes(character).is_empty());
        }
    }

    #[test]
    fn glyphs_stay_inside_their_grid() {
        for character in ' '..='~' {
            for (x, y) in strokes(character).iter().copied().flatten() {
                assert!((0..=8).contains(x) && (0..=14).contains(y), "{character}");
            }
        }
    }
}
