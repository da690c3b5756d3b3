//! The test picture: colour bars and a grey ramp, a ball that touches the ground
//! and a hand that points up at each full second, the wall clock and the frame
//! counter in letters and as the [`strip`](super::strip), and a square that is
//! white while the beep sounds. A disc of running rings (a zone plate) gives the
//! encoder as much to do as a camera does.
//!
//! The square is white for the first [`BEEP_MS`] of each second of
//! the frame counter, else dark. With `S = min(H, W * 9/16)` its side is `S/10` and
//! its centre is at `(W - S/12, S/12)`.
//!
//! Everything that never moves is painted once; a picture costs only what changed.

use super::clock::utc_text;
use super::font::Line;
use super::paint::{self, Colour, Rect, length, to_round_rect, to_segment};
use super::strip::{Layout, Reading};
use super::tone::BEEP_MS;
use crate::video::I420Frame;

const BARS: [Colour; 8] = [
    Colour::rgb(204, 204, 204),
    Colour::rgb(200, 188, 36),
    Colour::rgb(40, 186, 190),
    Colour::rgb(52, 172, 72),
    Colour::rgb(184, 64, 178),
    Colour::rgb(196, 52, 52),
    Colour::rgb(48, 76, 190),
    Colour::rgb(44, 46, 54),
];
const PANEL: Colour = Colour::grey(30);
const DARK: Colour = Colour::grey(24);
const WHITE: Colour = Colour::grey(235);
const SOFT: Colour = Colour::grey(150);
const BALL: Colour = Colour::rgb(250, 146, 34);
const HAND: Colour = Colour::rgb(250, 146, 34);

/// Seconds for the ball to cross the picture and come back.
const BALL_CROSSING: u64 = 8;

/// Painter of the test picture.
#[derive(Debug, Clone)]
pub struct Pattern {
    fps: u64,
    /// What never moves.
    base: I420Frame,
    frame: I420Frame,
    layout: Layout,
    geometry: Geometry,
    clock: Line,
    counter: Line,
    rings: Rings,
    /// Painted over in the last picture; to be restored from the base.
    ball: Rect,
    hand: Rect,
    flash: Rect,
    flashing: Option<bool>,
}

/// A disc of rings that run outwards, one ring a second past each point.
#[derive(Debug, Clone)]
struct Rings {
    rect: Rect,
    /// For each pixel of the box: cover 0..=255 and phase in 1/256 turns.
    pixels: Vec<(u8, u8)>,
}

/// Positions in pixels.
#[derive(Debug, Clone, Copy)]
struct Geometry {
    width: f32,
    /// Lower edge of the bars; the ball bounces here.
    ground: f32,
    /// The ball stays below the name and the square.
    ceiling: f32,
    ball_radius: f32,
    dial: (f32, f32),
    dial_radius: f32,
}

impl Pattern {
    /// A painter for pictures of that size in pixels at that frame rate. The size is
    /// made even and at least 160x120, the frame rate at least 1.
    #[must_use]
    pub fn new(width: usize, height: usize, fps: u32) -> Self {
        let mut base = I420Frame::black(width.max(160), height.max(120));
        let fps = fps.max(1);
        let layout = Layout::new(base.width, base.height);
        let (w, h) = (base.width as f32, base.height as f32);

        let ground = (h * 0.60 / 2.0).round() * 2.0;
        let panel_top = (h * 0.655 / 2.0).round() * 2.0;
        let panel_height = layout.top() as f32 - panel_top;
        let dial_radius = (panel_height * 0.42).min(w * 0.09);
        let geometry = Geometry {
            width: w,
            ground,
            ceiling: h * 0.21,
            ball_radius: (h / 13.0).min(w / 13.0),
            dial: (w - dial_radius - panel_height * 0.10, panel_top + panel_height / 2.0),
            dial_radius,
        };
        paint_bars(&mut base, ground, panel_top);
        let below = Rect::around(&base, 0.0, panel_top, w, h);
        paint::fill(&mut base, below, PANEL);
        let strip = Rect::around(&base, 0.0, layout.top() as f32, w, h);
        paint::fill(&mut base, strip, Colour::grey(16));
        paint_title(&mut base, (w / 2.0, ground * 0.22));
        paint_dial(&mut base, &geometry);

        // Clock and counter, left of the dial.
        let left = w * 0.03;
        let room = geometry.dial.0 - dial_radius - 2.0 * left;
        let unit = (room / Line::units(27)).min(panel_height / (3.0 * Line::height_units() - 4.0));
        let line_height = Line::height_units() * unit;
        let gap = (panel_height - 2.0 * line_height) / 3.0;
        let upper = panel_top + gap;
        let lower = upper + line_height + gap;
        let line = |x: f32, y: f32, unit: f32, ink: Colour| {
            Line::new(x as usize, y as usize, unit, ink.y, PANEL.y)
        };
        let facts = format!("{}x{} {fps} fps", base.width, base.height);
        let small = unit * 0.7;
        let facts_x = left + room - Line::units(facts.len()) * small;
        let facts_y = lower + (unit - small) * (Line::height_units() - 1.0);
        line(facts_x, facts_y, small, SOFT).draw(&mut base, &facts);
        let mut label = line(left, lower, unit, SOFT);
        label.draw(&mut base, "frame");
        let counter_x = left + (6.0 * unit).round() * 6.0;

        let scale = h.min(w * 9.0 / 16.0);
        let side = scale / 20.0;
        let centre = (w - scale / 12.0, scale / 12.0);
        let flash =
            Rect::around(&base, centre.0 - side, centre.1 - side, centre.0 + side, centre.1 + side);
        Self {
            fps: fps.into(),
            frame: base.clone(),
            layout,
            geometry,
            clock: line(left, upper, unit, WHITE),
            counter: line(counter_x, lower, unit, WHITE),
            rings: Rings::new(&base, (w * 15.0 / 16.0, ground * 0.62), w / 16.0 * 0.86),
            base,
            ball: Rect::default(),
            hand: Rect::default(),
            flash,
            flashing: None,
        }
    }

    /// Paints picture number `frame_index` as of `wall_clock_ms` (milliseconds since
    /// the epoch, UTC). Any order of numbers is allowed.
    pub fn render(&mut self, frame_index: u64, wall_clock_ms: u64) -> &I420Frame {
        paint::copy(&self.base, &mut self.frame, self.ball);
        paint::copy(&self.base, &mut self.frame, self.hand);
        self.rings.paint(&self.base, &mut self.frame, frame_index, self.fps);
        self.ball = self.paint_ball(frame_index);
        self.hand = self.paint_hand(frame_index);
        self.paint_flash(frame_index);
        self.clock.draw(&mut self.frame, &utc_text(wall_clock_ms));
        let counter = format!("{:08}", frame_index % 100_000_000);
        self.counter.draw(&mut self.frame, &counter);

        let frame = &mut self.frame;
        let reading = Reading { frame: frame_index as u32, unix_ms: wall_clock_ms };
        self.layout.draw(reading, |cell, white| {
            let level = if white { 235 } else { 16 };
            for y in cell.y0..cell.y1 {
                frame.y[y * frame.width + cell.x0..y * frame.width + cell.x1].fill(level);
            }
        });
        &self.frame
    }

    /// True for the pictures of the first [`BEEP_MS`] of each second.
    #[must_use]
    pub fn flashes(&self, frame_index: u64) -> bool {
        frame_index % self.fps * 1000 < u64::from(BEEP_MS) * self.fps
    }

    fn paint_ball(&mut self, frame_index: u64) -> Rect {
        let Geometry { width, ground, ball_radius: r, ceiling, .. } = self.geometry;
        let period = self.fps * BALL_CROSSING;
        let way = (frame_index % period) as f32 / period as f32 * 2.0;
        let across = if way > 1.0 { 2.0 - way } else { way };
        let x = r + across * (width - 2.0 * r);
        // One parabola each second, on the ground at the beep.
        let second = (frame_index % self.fps) as f32 / self.fps as f32;
        let rise = (ground - 2.0 * r - ceiling).max(0.0);
        let y = ground - r - rise * 4.0 * second * (1.0 - second);

        let rect = Rect::around(&self.frame, x - r, y - r, x + r, y + r);
        let light = (x - r * 0.35, y - r * 0.4);
        paint::shape(&mut self.frame, rect, |px, py| {
            let from_centre = length(px - x, py - y);
            let glow = 1.0 - (length(px - light.0, py - light.1) / (1.6 * r)).min(1.0);
            let luma = 76.0 + 124.0 * glow;
            let rim = ((from_centre - r * 0.93) / (r * 0.07)).clamp(0.0, 1.0);
            let colour = Colour { y: (luma * (1.0 - 0.6 * rim)) as u8, ..BALL };
            (from_centre - r, colour)
        });
        rect
    }

    fn paint_hand(&mut self, frame_index: u64) -> Rect {
        let Geometry { dial, dial_radius, .. } = self.geometry;
        let turn = (frame_index % self.fps) as f32 / self.fps as f32 * std::f32::consts::TAU;
        let reach = dial_radius * 0.78;
        let tip = (dial.0 + turn.sin() * reach, dial.1 - turn.cos() * reach);
        let thick = dial_radius * 0.06;
        let rect = Rect::around(
            &self.frame,
            dial.0.min(tip.0) - 2.5 * thick,
            dial.1.min(tip.1) - 2.5 * thick,
            dial.0.max(tip.0) + 2.5 * thick,
            dial.1.max(tip.1) + 2.5 * thick,
        );
        paint::shape(&mut self.frame, rect, |x, y| {
            let hand = to_segment((x, y), dial, tip) - thick;
            let hub = length(x - dial.0, y - dial.1) - 2.0 * thick;
            (hand.min(hub), HAND)
        });
        rect
    }

    fn paint_flash(&mut self, frame_index: u64) {
        let on = self.flashes(frame_index);
        if self.flashing != Some(on) {
            paint::fill(&mut self.frame, self.flash, if on { WHITE } else { DARK });
        }
        self.flashing = Some(on);
    }
}

impl Rings {
    fn new(base: &I420Frame, centre: (f32, f32), radius: f32) -> Self {
        let rect = Rect::around(
            base,
            centre.0 - radius,
            centre.1 - radius,
            centre.0 + radius,
            centre.1 + radius,
        );
        let mut pixels = Vec::with_capacity((rect.x1 - rect.x0) * (rect.y1 - rect.y0));
        for y in rect.y0..rect.y1 {
            for x in rect.x0..rect.x1 {
                let from_centre = length(x as f32 + 0.5 - centre.0, y as f32 + 0.5 - centre.1);
                let cover = (0.5 + radius - from_centre).clamp(0.0, 1.0) * 255.0;
                // A ring is a tenth of the radius wide in the middle of the disc.
                let turns = from_centre * from_centre * 6.0 / (radius * radius);
                pixels.push((cover as u8, (turns.fract() * 256.0) as u8));
            }
        }
        Self { rect, pixels }
    }

    fn paint(&self, base: &I420Frame, frame: &mut I420Frame, frame_index: u64, fps: u64) {
        let offset = (frame_index % fps * 256 / fps) as u8;
        let levels: [u8; 256] = std::array::from_fn(|phase| {
            let turn = f32::from((phase as u8).wrapping_sub(offset)) / 256.0;
            (110.0 + 84.0 * (turn * std::f32::consts::TAU).cos()) as u8
        });
        let rect = self.rect;
        let rows = self.pixels.chunks_exact((rect.x1 - rect.x0).max(1));
        for (y, row) in (rect.y0..).zip(rows) {
            let range = y * frame.width + rect.x0..y * frame.width + rect.x1;
            let under = &base.y[range.clone()];
            for ((pixel, under), (cover, phase)) in frame.y[range].iter_mut().zip(under).zip(row) {
                let level = levels[usize::from(*phase)];
                *pixel = match *cover {
                    255 => level,
                    cover => paint::blend(*under, level, f32::from(cover) / 255.0),
                };
            }
        }
    }
}

fn paint_bars(base: &mut I420Frame, ground: f32, panel_top: f32) {
    let width = base.width as f32;
    for (index, colour) in BARS.into_iter().enumerate() {
        let edge = |index: usize| (index as f32 * width / 16.0).round() * 2.0;
        let rect = Rect::around(base, edge(index), 0.0, edge(index + 1), ground);
        paint::fill(base, rect, colour);
    }
    // The ramp has steps, so that crushed black or white is seen.
    let steps = 22;
    for step in 0..steps {
        let edge = |step: usize| (step as f32 * width / (2 * steps) as f32).round() * 2.0;
        let rect = Rect::around(base, edge(step), ground, edge(step + 1), panel_top);
        let luma = 16 + step * 219 / (steps - 1);
        paint::fill(base, rect, Colour::grey(luma as u8));
    }
}

fn paint_title(base: &mut I420Frame, centre: (f32, f32)) {
    let title = "rs2rtc demo";
    let unit = (base.height as f32 / 100.0).min(base.width as f32 * 0.6 / Line::units(title.len()));
    let text = (Line::units(title.len()) * unit, Line::height_units() * unit);
    let half = (text.0 / 2.0 + 4.0 * unit, text.1 / 2.0 + 2.0 * unit);
    let rect = Rect::around(
        base,
        centre.0 - half.0,
        centre.1 - half.1,
        centre.0 + half.0,
        centre.1 + half.1,
    );
    paint::shape(base, rect, |x, y| (to_round_rect((x, y), centre, half, 3.0 * unit), DARK));
    let (x, y) = (centre.0 - text.0 / 2.0, centre.1 - text.1 / 2.0);
    Line::new(x as usize, y as usize, unit, WHITE.y, DARK.y).draw(base, title);
}

fn paint_dial(base: &mut I420Frame, geometry: &Geometry) {
    let (centre, radius) = (geometry.dial, geometry.dial_radius);
    let rect = Rect::around(
        base,
        centre.0 - radius - 2.0,
        centre.1 - radius - 2.0,
        centre.0 + radius + 2.0,
        centre.1 + radius + 2.0,
    );
    let thick = radius * 0.035;
    paint::shape(base, rect, |x, y| {
        let ring = (length(x - centre.0, y - centre.1) - radius + thick).abs() - thick;
        let mut nearest = ring;
        for tick in 0..12 {
            let angle = tick as f32 / 12.0 * std::f32::consts::TAU;
            let (sin, cos) = (angle.sin(), angle.cos());
            let inner = if tick % 3 == 0 { 0.80 } else { 0.87 };
            let end = |part: f32| {
                let reach = radius * part;
                (centre.0 + sin * reach, centre.1 - cos * reach)
            };
            let line = to_segment((x, y), end(inner), end(0.93)) - thick;
            nearest = nearest.min(line);
        }
        (nearest, SOFT)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::strip;

    const NOW: u64 = 1_794_949_477_123;

    fn read(frame: &I420Frame) -> Option<Reading> {
        let luma = |x: usize, y: usize| frame.y[y * frame.width + x];
        strip::read(luma, frame.width, frame.height)
    }

    #[test]
    fn every_size_has_a_readable_strip() {
        let sizes = [
            (160, 120),
            (162, 122),
            (160, 2160),
            (3840, 120),
            (320, 240),
            (640, 360),
            (1280, 720),
            (3840, 2160),
        ];
        for (width, height) in sizes {
            let mut pattern = Pattern::new(width, height, 25);
            for frame in [0, 1, 24, 25, 199, 4_294_967_295] {
                let picture = pattern.render(frame, NOW + frame);
                assert!(picture.is_consistent());
                let reading = read(picture).unwrap();
                assert_eq!(u64::from(reading.frame), frame);
                assert_eq!(reading.unix_ms, NOW + frame);
            }
        }
    }

    #[test]
    fn the_same_arguments_give_the_same_picture() {
        let mut straight = Pattern::new(640, 360, 30);
        for frame in 0..400 {
            straight.render(frame, NOW + frame * 33);
        }
        let fresh = |frame: u64| {
            let mut pattern = Pattern::new(640, 360, 30);
            pattern.render(frame, NOW).clone()
        };
        for frame in [0, 7, 31, 90, 123, 239, 240] {
            assert!(*straight.render(frame, NOW) == fresh(frame), "frame {frame}");
        }
    }

    #[test]
    fn the_square_is_white_while_the_beep_sounds() {
        for fps in [1u32, 5, 10, 25, 30, 60] {
            let mut pattern = Pattern::new(320, 240, fps);
            for frame in 0..u64::from(fps) * 9 {
                let picture = pattern.render(frame, NOW);
                let luma = picture.y[180 / 12 * 320 + 320 - 180 / 12];
                let on = frame % u64::from(fps) * 1000 < 100 * u64::from(fps);
                assert_eq!(luma, if on { 235 } else { 24 }, "frame {frame} at {fps}");
            }
        }
    }
}
