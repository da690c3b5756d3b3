//! Painting on planar pictures: flat rectangles, and smooth shapes by distance.

use crate::video::I420Frame;

/// A colour in ITU-R BT.601 television range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour {
    pub(super) y: u8,
    pub(super) u: u8,
    pub(super) v: u8,
}

/// A rectangle of pixels with even edges; the ends are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rect {
    pub(super) x0: usize,
    pub(super) y0: usize,
    pub(super) x1: usize,
    pub(super) y1: usize,
}

impl Colour {
    /// From red, green and blue of 0..=255.
    pub(super) const fn rgb(r: i32, g: i32, b: i32) -> Self {
        Self {
            y: ((66 * r + 129 * g + 25 * b + 128) / 256 + 16) as u8,
            u: ((-38 * r - 74 * g + 112 * b + 128 + 32_768) / 256) as u8,
            v: ((112 * r - 94 * g - 18 * b + 128 + 32_768) / 256) as u8,
        }
    }

    /// A shade of grey; 16 is black, 235 is white.
    pub(super) const fn grey(y: u8) -> Self {
        Self { y, u: 128, v: 128 }
    }
}

impl Rect {
    /// Grows the box to even edges and cuts it at the picture.
    pub(super) fn around(frame: &I420Frame, x0: f32, y0: f32, x1: f32, y1: f32) -> Self {
        let low = |value: f32| (value.floor().max(0.0) as usize) & !1;
        let high =
            |value: f32, end: usize| (value.ceil().max(0.0) as usize).next_multiple_of(2).min(end);
        let (x1, y1) = (high(x1, frame.width), high(y1, frame.height));
        Self { x0: low(x0).min(x1), y0: low(y0).min(y1), x1, y1 }
    }
}

/// Fills a rectangle.
pub(super) fn fill(frame: &mut I420Frame, rect: Rect, colour: Colour) {
    let width = frame.width;
    for y in rect.y0..rect.y1 {
        frame.y[y * width + rect.x0..y * width + rect.x1].fill(colour.y);
    }
    let half = width / 2;
    for y in rect.y0 / 2..rect.y1 / 2 {
        let range = y * half + rect.x0 / 2..y * half + rect.x1 / 2;
        frame.u[range.clone()].fill(colour.u);
        frame.v[range].fill(colour.v);
    }
}

/// Copies a rectangle from another picture of the same size.
pub(super) fn copy(from: &I420Frame, to: &mut I420Frame, rect: Rect) {
    let width = from.width;
    for y in rect.y0..rect.y1 {
        let range = y * width + rect.x0..y * width + rect.x1;
        to.y[range.clone()].copy_from_slice(&from.y[range]);
    }
    let half = width / 2;
    for y in rect.y0 / 2..rect.y1 / 2 {
        let range = y * half + rect.x0 / 2..y * half + rect.x1 / 2;
        to.u[range.clone()].copy_from_slice(&from.u[range.clone()]);
        to.v[range.clone()].copy_from_slice(&from.v[range]);
    }
}

/// Paints a shape inside a rectangle: `shade` gives for the middle of a pixel the
/// distance to the edge in pixels (negative inside) and the colour there.
pub(super) fn shape(frame: &mut I420Frame, rect: Rect, shade: impl Fn(f32, f32) -> (f32, Colour)) {
    let width = frame.width;
    for y in rect.y0..rect.y1 {
        let row = &mut frame.y[y * width + rect.x0..y * width + rect.x1];
        for (x, pixel) in (rect.x0..).zip(row) {
            let (distance, colour) = shade(x as f32 + 0.5, y as f32 + 0.5);
            *pixel = blend(*pixel, colour.y, 0.5 - distance);
        }
    }
    let half = width / 2;
    for y in rect.y0 / 2..rect.y1 / 2 {
        for x in rect.x0 / 2..rect.x1 / 2 {
            let (distance, colour) = shade(x as f32 * 2.0 + 1.0, y as f32 * 2.0 + 1.0);
            let cover = 0.5 - distance / 2.0;
            let index = y * half + x;
            frame.u[index] = blend(frame.u[index], colour.u, cover);
            frame.v[index] = blend(frame.v[index], colour.v, cover);
        }
    }
}

/// `over` on `under`; the cover is clamped to 0..=1.
pub(super) fn blend(under: u8, over: u8, cover: f32) -> u8 {
    if cover <= 0.0 {
        return under;
    }
    let (under, over) = (f32::from(under), f32::from(over));
    (under + (over - under) * cover.min(1.0) + 0.5) as u8
}

/// Distance from a point to a line segment.
pub(super) fn to_segment(point: (f32, f32), from: (f32, f32), to: (f32, f32)) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let (px, py) = (point.0 - from.0, point.1 - from.1);
    let square = dx * dx + dy * dy;
    let along = if square > 0.0 { ((px * dx + py * dy) / square).clamp(0.0, 1.0) } else { 0.0 };
    length(px - dx * along, py - dy * along)
}

/// Distance from a point to a rectangle with round corners, negative inside.
pub(super) fn to_round_rect(
    point: (f32, f32),
    centre: (f32, f32),
    half: (f32, f32),
    radius: f32,
) -> f32 {
    let qx = (point.0 - centre.0).abs() - half.0 + radius;
    let qy = (point.1 - centre.1).abs() - half.1 + radius;
    length(qx.max(0.0), qy.max(0.0)) + qx.max(qy).min(0.0) - radius
}

/// Length of a vector. (`f32::hypot` guards against overflow and costs ten times as much.)
pub(super) fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}
