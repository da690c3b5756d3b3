//! The sound of the demo camera: a beep of 1 kHz and 100 ms at each full second of
//! the media time.
//!
//! Sample 0 belongs to the start of frame 0, so a beep begins exactly with each
//! frame whose number is a multiple of the frame rate, together with the white
//! flash of [`Pattern`](super::Pattern). In between there is a very soft hum at
//! 110 Hz, so that a player shows that sound is coming.

use std::f64::consts::TAU;

/// Length of the beep and of the flash on the picture, in milliseconds.
pub const BEEP_MS: u32 = 100;

const BEEP_HZ: u32 = 1000;
const BEEP_LEVEL: f64 = 0.5;
const HUM_HZ: u32 = 110;
const HUM_LEVEL: f64 = 0.006;
/// Rise and fall of the beep, as raised cosines: no click.
const EDGE_MS: u32 = 4;

/// Generator of the tone: one second is computed once and repeated.
#[derive(Debug, Clone)]
pub struct Tone {
    second: Vec<i16>,
}

impl Tone {
    /// `sample_rate` in samples per second, 8000..=192000; other values are clamped.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        let rate = sample_rate.clamp(8000, 192_000);
        let (beep, edge) = (rate * BEEP_MS / 1000, rate * EDGE_MS / 1000);
        // Both frequencies are whole numbers, so the second joins up with itself.
        let wave = |hertz: u32, index: u32| {
            let phase = (u64::from(index) * u64::from(hertz) % u64::from(rate)) as f64;
            (phase / f64::from(rate) * TAU).sin()
        };
        let second = (0..rate)
            .map(|index| {
                let inside = index.min(beep.saturating_sub(index)).min(edge);
                let envelope = 0.5 - 0.5 * (f64::from(inside) / f64::from(edge) * TAU / 2.0).cos();
                let value =
                    BEEP_LEVEL * envelope * wave(BEEP_HZ, index) + HUM_LEVEL * wave(HUM_HZ, index);
                (value * 32767.0).round() as i16
            })
            .collect();
        Self { second }
    }

    /// Samples per second.
    #[must_use]
    pub fn sample_rate(&self) -> u32 {
        self.second.len() as u32
    }

    /// Writes the samples from `sample_index` on (counted from the start of frame 0).
    pub fn fill(&self, sample_index: u64, out: &mut [i16]) {
        let start = (sample_index % self.second.len() as u64) as usize;
        let samples = self.second.iter().cycle().skip(start);
        for (slot, sample) in out.iter_mut().zip(samples) {
            *slot = *sample;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        (sum / samples.len() as f64).sqrt()
    }

    #[test]
    fn beeps_at_each_second_only() {
        for rate in [8000u32, 48_000] {
            let tone = Tone::new(rate);
            let mut samples = vec![0; rate as usize * 3];
            tone.fill(0, &mut samples);
            for (index, block) in samples.chunks(rate as usize / 100).enumerate() {
                let loud = energy(block) > 1000.0;
                assert_eq!(loud, index % 100 < 10, "10 ms number {index} at {rate} Hz");
            }
        }
    }

    #[test]
    fn any_cut_gives_the_same_sound() {
        let tone = Tone::new(48_000);
        let mut whole = vec![0; 100_000];
        tone.fill(47_000, &mut whole);
        let mut cut = vec![0; 100_000];
        let mut at = 0;
        for length in [1usize, 960, 959, 47_999, 48_001].into_iter().cycle() {
            let end = (at + length).min(cut.len());
            tone.fill(47_000 + at as u64, &mut cut[at..end]);
            at = end;
            if at == cut.len() {
                break;
            }
        }
        assert_eq!(whole, cut);
        tone.fill(u64::MAX - 3, &mut cut[..10]);
    }

    #[test]
    fn no_clicks() {
        let tone = Tone::new(48_000);
        let mut samples = vec![0i16; 96_000];
        tone.fill(0, &mut samples);
        // 1 kHz at half scale moves by 2145 per sample at most.
        let steepest = samples.windows(2).map(|w| w[0].abs_diff(w[1])).max();
        assert!(steepest.unwrap() < 2300);
        // The start itself is soft.
        assert!(samples[..24].iter().all(|s| s.abs() < 2000));
    }
}
