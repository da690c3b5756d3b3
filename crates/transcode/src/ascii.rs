//! Pictures as text for terminals (`spec/api.md` 4.4): a glyph per pixel, chosen by
//! its brightness, coloured by escape sequences (ECMA-48 8.3.117, SGR) if wanted.

use std::io::Write as _;

use crate::video::I420Frame;

/// Clears the screen; once, before the first picture.
pub const CLEAR: &[u8] = b"\x1b[2J";
/// Glyphs from dark to bright, if none are given.
const RAMP: &str = " .::--~~==++**##%%$@";
/// Glyphs of `text=block`.
const BLOCKS: &str = " ░░▒▒▓▓█";
/// Longest ramp, and longest colour text, that is taken.
const MAX_TEXT: usize = 256;

/// Which colours are used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Colour {
    /// The terminal's own.
    #[default]
    None,
    /// The nearest of the eight basic ones.
    Eight,
    /// The nearest of the 6x6x6 cube.
    Cube,
    /// Exactly.
    True,
    /// The same everywhere: the parameters of the escape sequence.
    Fixed(String),
}

impl Colour {
    fn parse(text: &str) -> Self {
        match text {
            "" => Self::None,
            "8" => Self::Eight,
            "256" => Self::Cube,
            "rgb" => Self::True,
            // Whatever else it may be, it stays inside its sequence.
            other if other.len() <= MAX_TEXT && is_sgr(other) => Self::Fixed(other.to_owned()),
            _ => Self::None,
        }
    }

    /// Appends the sequence for a pixel; `base` is 30 for glyphs, 40 for what is
    /// behind them.
    fn write(&self, base: u8, (r, g, b): (u8, u8, u8), out: &mut Vec<u8>) {
        let _ = match self {
            Self::None | Self::Fixed(_) => Ok(()),
            Self::Eight => {
                let bits = r >> 7 | (g >> 7) << 1 | (b >> 7) << 2;
                write!(out, "\x1b[{}m", base + bits)
            }
            Self::Cube => {
                let level = |n: u8| u16::from(n) * 5 / 255;
                let index = 16 + level(r) * 36 + level(g) * 6 + level(b);
                write!(out, "\x1b[{};5;{index}m", base + 8)
            }
            Self::True => write!(out, "\x1b[{};2;{r};{g};{b}m", base + 8),
        };
    }
}

fn is_sgr(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b';')
}

/// How pictures become text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Style {
    colour: Colour,
    back: Colour,
    glyphs: Vec<char>,
}

impl Style {
    /// From the query of the contract: `color` and `back` are empty, `8`, `256`,
    /// `rgb` or numbers of an escape sequence; `text` is empty, `block`, a glyph or
    /// glyphs from dark to bright.
    #[must_use]
    pub fn parse(color: &str, back: &str, text: &str) -> Self {
        let ramp = match text {
            "" => RAMP,
            "block" => BLOCKS,
            own => own,
        };
        let glyphs: Vec<char> =
            ramp.chars().filter(|glyph| !glyph.is_control()).take(MAX_TEXT).collect();
        let glyphs = if glyphs.is_empty() { RAMP.chars().collect() } else { glyphs };
        Self { colour: Colour::parse(color), back: Colour::parse(back), glyphs }
    }

    /// A picture as text, from the upper left corner of the screen on.
    #[must_use]
    pub fn paint(&self, picture: &I420Frame) -> Vec<u8> {
        let (width, height) = (picture.width, picture.height);
        let mut out = Vec::with_capacity((width + 1) * height + 16);
        out.extend_from_slice(b"\x1b[H");
        for fixed in [&self.colour, &self.back] {
            if let Colour::Fixed(numbers) = fixed {
                let _ = write!(out, "\x1b[{numbers}m");
            }
        }
        if !picture.is_consistent() {
            return out;
        }
        let is_coloured = [&self.colour, &self.back]
            .iter()
            .any(|c| !matches!(c, Colour::None | Colour::Fixed(_)));
        let (mut last, mut now) = (Vec::new(), Vec::new());
        let half = width / 2;
        let rows = picture.y.chunks_exact(width.max(1)).zip(0..height);
        for (row, y) in rows {
            for (x, luma) in row.iter().enumerate() {
                let luma = if picture.full_range { *luma } else { stretched(*luma) };
                if is_coloured {
                    let at = y / 2 * half + x / 2;
                    let chroma = (picture.u.get(at), picture.v.get(at));
                    let pixel = rgb(luma, *chroma.0.unwrap_or(&128), *chroma.1.unwrap_or(&128));
                    now.clear();
                    self.colour.write(30, pixel, &mut now);
                    self.back.write(40, pixel, &mut now);
                    if now != last {
                        out.extend_from_slice(&now);
                        std::mem::swap(&mut now, &mut last);
                    }
                }
                let index = usize::from(luma) * (self.glyphs.len() - 1) / 255;
                let glyph = self.glyphs.get(index).copied().unwrap_or(' ');
                out.extend_from_slice(glyph.encode_utf8(&mut [0; 4]).as_bytes());
            }
            out.push(b'\n');
        }
        out.extend_from_slice(b"\x1b[0m");
        out
    }
}

/// Luma of television range in full range.
fn stretched(luma: u8) -> u8 {
    u8::try_from(u32::from(luma.clamp(16, 235) - 16) * 255 / 219).unwrap_or(u8::MAX)
}

/// JFIF: ITU-R BT.601 in full range.
fn rgb(y: u8, u: u8, v: u8) -> (u8, u8, u8) {
    let (y, u, v) = (i32::from(y) << 16, i32::from(u) - 128, i32::from(v) - 128);
    let byte = |n: i32| (n.saturating_add(1 << 15) >> 16).clamp(0, 255) as u8;
    (byte(y + 91_881 * v), byte(y - 22_554 * u - 46_802 * v), byte(y + 116_130 * u))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> I420Frame {
        let mut picture = I420Frame::black(2, 2);
        picture.y = vec![0, 255, 128, 13];
        picture.full_range = true;
        picture
    }

    fn text(style: &Style) -> String {
        String::from_utf8(style.paint(&picture())).unwrap()
    }

    #[test]
    fn glyphs_by_brightness() {
        assert_eq!(text(&Style::parse("", "", "")), "\x1b[H @\n= \n\x1b[0m");
        assert_eq!(text(&Style::parse("", "", "block")), "\x1b[H █\n▒ \n\x1b[0m");
        assert_eq!(text(&Style::parse("", "", "x")), "\x1b[Hxx\nxx\n\x1b[0m");
        assert_eq!(text(&Style::parse("", "", "ab")), "\x1b[Hab\naa\n\x1b[0m");
        assert_eq!(text(&Style::parse("", "", "\x1b\n")), text(&Style::parse("", "", "")));
    }

    #[test]
    fn colours_are_said_once() {
        let rgb = text(&Style::parse("rgb", "", "x"));
        assert_eq!(
            rgb,
            "\x1b[H\x1b[38;2;0;0;0mx\x1b[38;2;255;255;255mx\n\x1b[38;2;128;128;128mx\x1b[38;2;13;13;13mx\n\x1b[0m"
        );
        let eight = text(&Style::parse("8", "", "x"));
        assert_eq!(eight, "\x1b[H\x1b[30mx\x1b[37mx\nx\x1b[30mx\n\x1b[0m");
        let back = text(&Style::parse("", "256", "x"));
        assert!(back.starts_with("\x1b[H\x1b[48;5;16mx\x1b[48;5;231mx\n"), "{back:?}");
        assert!(text(&Style::parse("92", "", "x")).starts_with("\x1b[H\x1b[92mx"));
        assert!(!text(&Style::parse("\x1b]0;x\x07", "", "x")).contains(']'));
    }

    #[test]
    fn a_picture_of_television_range_is_stretched() {
        let mut dark = I420Frame::black(2, 2);
        dark.y = vec![16, 235, 16, 235];
        let painted = String::from_utf8(Style::parse("", "", "ab").paint(&dark)).unwrap();
        assert_eq!(painted, "\x1b[Hab\nab\n\x1b[0m");
    }
}
