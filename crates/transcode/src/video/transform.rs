//! Another size, turned: what is done to a picture before it is encoded.

use std::borrow::Cow;

use super::{I420Frame, scale};

/// A turn, clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// As it is.
    #[default]
    None,
    /// By 90 degrees: the left edge becomes the upper one.
    Right,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    Left,
}

impl Rotation {
    /// By its angle in degrees: 0, 90, 180, 270 or -90.
    #[must_use]
    pub const fn from_degrees(degrees: i32) -> Option<Self> {
        match degrees {
            0 => Some(Self::None),
            90 => Some(Self::Right),
            180 => Some(Self::Half),
            270 | -90 => Some(Self::Left),
            _ => None,
        }
    }
}

/// First another size, then a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Transform {
    /// Width in pixels before the turn; `None`: as the height wants it, or as it is.
    pub width: Option<usize>,
    /// Height in pixels before the turn; `None`: as the width wants it, or as it is.
    pub height: Option<usize>,
    /// The turn.
    pub rotation: Rotation,
}

impl Transform {
    /// Largest width or height.
    pub const MAX: usize = 4096;

    /// Whether pictures stay as they are.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The size of a picture before it is turned: even, 2..=[`Self::MAX`]. One
    /// number alone keeps the shape.
    #[must_use]
    pub fn size(&self, width: usize, height: usize) -> (usize, usize) {
        let even = |n: usize| (n.saturating_add(1) & !1).clamp(2, Self::MAX);
        let by = |n: usize, to: usize, from: usize| {
            (n.saturating_mul(to).saturating_add(from / 2)).checked_div(from).unwrap_or(n)
        };
        match (self.width, self.height) {
            (None, None) => (width, height),
            (Some(w), Some(h)) => (even(w), even(h)),
            (Some(w), None) => (even(w), even(by(height, even(w), width))),
            (None, Some(h)) => (even(by(width, even(h), height)), even(h)),
        }
    }

    /// Does it. A picture whose planes have not the size it says stays as it is.
    #[must_use]
    pub fn apply<'a>(&self, picture: &'a I420Frame) -> Cow<'a, I420Frame> {
        let mut made = Cow::Borrowed(picture);
        if !picture.is_consistent() || picture.y.is_empty() {
            return made;
        }
        let (width, height) = self.size(picture.width, picture.height);
        if (width, height) != (picture.width, picture.height) {
            made = Cow::Owned(scale::picture(picture, width, height));
        }
        if self.rotation != Rotation::None {
            made = Cow::Owned(turned(&made, self.rotation));
        }
        made
    }
}

fn turned(picture: &I420Frame, rotation: Rotation) -> I420Frame {
    let (w, h) = (picture.width, picture.height);
    let half = (w / 2, h / 2);
    let (width, height) = if rotation == Rotation::Half { (w, h) } else { (h, w) };
    I420Frame {
        width,
        height,
        y: turned_plane(&picture.y, w, h, rotation),
        u: turned_plane(&picture.u, half.0, half.1, rotation),
        v: turned_plane(&picture.v, half.0, half.1, rotation),
        full_range: picture.full_range,
    }
}

/// Turns a plane of `w * h` samples.
fn turned_plane(plane: &[u8], w: usize, h: usize, rotation: Rotation) -> Vec<u8> {
    let column = |x: usize| plane.iter().skip(x).step_by(w.max(1));
    let mut out = Vec::with_capacity(plane.len());
    match rotation {
        Rotation::None => out.extend_from_slice(plane),
        Rotation::Half => out.extend(plane.iter().rev()),
        Rotation::Right => (0..w).for_each(|x| out.extend(column(x).take(h).rev())),
        Rotation::Left => (0..w).rev().for_each(|x| out.extend(column(x).take(h))),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> I420Frame {
        let mut picture = I420Frame::black(4, 2);
        picture.y = (1..=8).collect();
        picture.u = vec![1, 2];
        picture.v = vec![3, 4];
        picture
    }

    fn turn(degrees: i32) -> I420Frame {
        let rotation = Rotation::from_degrees(degrees).unwrap();
        Transform { rotation, ..Transform::default() }.apply(&picture()).into_owned()
    }

    #[test]
    fn turns_are_clockwise() {
        assert_eq!(turn(0), picture());
        let right = turn(90);
        assert_eq!((right.width, right.height), (2, 4));
        assert_eq!(right.y, [5, 1, 6, 2, 7, 3, 8, 4]);
        assert_eq!(right.u, [1, 2]);
        assert!(right.is_consistent());
        assert_eq!(turn(180).y, [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(turn(180).v, [4, 3]);
        assert_eq!(turn(270).y, [4, 8, 3, 7, 2, 6, 1, 5]);
        assert_eq!(turn(-90), turn(270));
        assert_eq!(Rotation::from_degrees(45), None);
    }

    #[test]
    fn one_number_keeps_the_shape() {
        let size =
            |width, height| Transform { width, height, ..Transform::default() }.size(1280, 720);
        assert_eq!(size(None, None), (1280, 720));
        assert_eq!(size(Some(320), None), (320, 180));
        assert_eq!(size(None, Some(360)), (640, 360));
        assert_eq!(size(Some(100), Some(100)), (100, 100));
        assert_eq!(size(Some(99), Some(1)), (100, 2));
        assert_eq!(size(Some(usize::MAX), None), (4096, 2304));
        assert_eq!(size(Some(0), Some(0)), (2, 2));
    }

    #[test]
    fn size_and_turn_together() {
        let transform = Transform { width: Some(32), height: None, rotation: Rotation::Right };
        let small = transform.apply(&I420Frame::black(64, 32)).into_owned();
        assert_eq!((small.width, small.height), (16, 32));
        assert!(small.is_consistent());
        let mut broken = picture();
        broken.u.pop();
        assert_eq!(*transform.apply(&broken), broken);
    }
}
