//! Another size: each sample of the result is the weighted mean of those under a
//! triangle as wide as the step between two of them (at least two samples), first
//! along the rows, then along the columns. Smaller pictures do not flicker, larger
//! ones are not made of blocks.

use super::I420Frame;

/// Weights are fractions of this.
const ONE: i32 = 1 << 14;

/// The picture in another size; both numbers even and not zero.
pub(super) fn picture(from: &I420Frame, width: usize, height: usize) -> I420Frame {
    let luma = (&Taps::new(from.width, width), &Taps::new(from.height, height));
    let chroma = (&Taps::new(from.width / 2, width / 2), &Taps::new(from.height / 2, height / 2));
    I420Frame {
        width,
        height,
        y: plane(&from.y, luma.0, luma.1),
        u: plane(&from.u, chroma.0, chroma.1),
        v: plane(&from.v, chroma.0, chroma.1),
        full_range: from.full_range,
    }
}

/// What each sample of a row or column of the result is made of.
struct Taps {
    /// Samples of the source.
    from: usize,
    /// First sample and the weights from there on; their sum is [`ONE`].
    taps: Vec<(usize, Vec<i32>)>,
}

impl Taps {
    fn new(from: usize, to: usize) -> Self {
        let step = from as f64 / to.max(1) as f64;
        let reach = step.max(1.0);
        let last = from.saturating_sub(1);
        let taps = (0..to).map(|index| {
            let centre = (index as f64 + 0.5) * step - 0.5;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let end = ((centre + reach).floor().max(0.0) as usize).min(last);
            let first = first.min(end);
            let weight = |at: usize| (1.0 - (at as f64 - centre).abs() / reach).max(0.0);
            let weights: Vec<f64> = (first..=end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            let mut taps: Vec<i32> = match sum > 0.0 {
                true => weights.iter().map(|w| (w / sum * f64::from(ONE)).round() as i32).collect(),
                false => vec![0; weights.len()],
            };
            // What rounding took or gave goes to the middle one.
            let middle = taps.len() / 2;
            let error = ONE - taps.iter().sum::<i32>();
            if let Some(tap) = taps.get_mut(middle) {
                *tap += error;
            }
            (first, taps)
        });
        Self { from, taps: taps.collect() }
    }
}

fn plane(from: &[u8], across: &Taps, down: &Taps) -> Vec<u8> {
    let width = across.taps.len();
    // Rows in the new width, as many as there were.
    let mut rows = Vec::with_capacity(width * down.from);
    for row in from.chunks_exact(across.from.max(1)).take(down.from) {
        for (first, weights) in &across.taps {
            let samples = row.get(*first..).unwrap_or_default();
            let sum: i32 = samples.iter().zip(weights).map(|(s, w)| i32::from(*s) * w).sum();
            rows.push(rounded(sum));
        }
    }
    let mut out = Vec::with_capacity(width * down.taps.len());
    let mut sums = vec![0_i32; width];
    for (first, weights) in &down.taps {
        sums.fill(0);
        for (row, weight) in rows.chunks_exact(width.max(1)).skip(*first).zip(weights) {
            for (sum, sample) in sums.iter_mut().zip(row) {
                *sum += i32::from(*sample) * weight;
            }
        }
        out.extend(sums.iter().map(|sum| rounded(*sum)));
    }
    out
}

fn rounded(sum: i32) -> u8 {
    ((sum + ONE / 2) / ONE).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(from: &[u8], w: usize, h: usize, width: usize, height: usize) -> Vec<u8> {
        plane(from, &Taps::new(w, width), &Taps::new(h, height))
    }

    #[test]
    fn one_colour_stays_what_it_is() {
        for (width, height) in [(1, 1), (2, 9), (7, 3), (64, 48), (31, 200)] {
            let out = scaled(&[77; 30 * 20], 30, 20, width, height);
            assert_eq!(out.len(), width * height);
            assert!(out.iter().all(|s| *s == 77), "{width}x{height}");
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let from: Vec<u8> = (0..=255).collect();
        assert_eq!(scaled(&from, 16, 16, 16, 16), from);
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let from: Vec<u8> = (0..64).map(|x| x * 4).collect();
        let half = scaled(&from, 64, 1, 32, 1);
        let fine =
            half.windows(2).all(|w| (7..=9).contains(&(w[1] - w[0])) || w[1] > 240 || w[0] < 8);
        assert!(fine, "{half:?}");
        let twice = scaled(&from, 64, 1, 128, 1);
        assert!(twice.windows(2).all(|w| w[0] <= w[1]), "{twice:?}");
    }

    #[test]
    fn stripes_become_grey_not_stripes() {
        let from: Vec<u8> = (0..128).map(|x| if x % 2 == 0 { 0 } else { 255 }).collect();
        let small = scaled(&from, 128, 1, 32, 1);
        assert!(small.iter().skip(1).take(30).all(|s| (120..=136).contains(s)), "{small:?}");
    }
}
