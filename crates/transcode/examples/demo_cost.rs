//! Measures what the demo camera costs:
//! `demo_cost [width] [height] [fps] [bits per second] [seconds]`.
//!
//! Each line: minimum, median, 95th percentile, maximum and mean in microseconds of
//! one step, and the share of one core that the step takes at that rate.

#![allow(clippy::disallowed_methods)] // measures by the clock, unlike the library

use std::error::Error;
use std::io::{Write, stdout};
use std::time::Instant;

use rs2rtc_transcode::audio::{self, Encoder as _, opus};
use rs2rtc_transcode::demo::{Pattern, Tone};
use rs2rtc_transcode::video::{Encoder as _, h264, jpeg};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let (width, height) = (number(1280)? as usize, number(720)? as usize);
    let (fps, bitrate, seconds) = (number(30)?, number(2_000_000)?, number(20)?);
    let frames = u64::from(fps * seconds);

    let mut pattern = Pattern::new(width, height, fps);
    let mut jpeg = jpeg::Encoder::new(80)?;
    let (mut render, mut jpegs) = (Vec::new(), Vec::new());
    let mut jpeg_bytes = 0;
    let mut h264 = {
        let gop = fps * 2;
        h264::Encoder::new(h264::Config { width, height, fps, gop, bitrate })?
    };
    let (mut keys, mut deltas, mut key_bytes, mut delta_bytes) = (Vec::new(), Vec::new(), 0, 0);
    for index in 0..frames {
        let start = Instant::now();
        let picture = pattern.render(index, 1_800_000_000_000 + index * 1000 / u64::from(fps));
        render.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let unit = h264.encode(picture, false)?;
        let (list, bytes) = if unit.keyframe {
            (&mut keys, &mut key_bytes)
        } else {
            (&mut deltas, &mut delta_bytes)
        };
        list.push(start.elapsed().as_secs_f64());
        *bytes += unit.len();
        if index % 4 == 0 {
            let start = Instant::now();
            jpeg_bytes += jpeg.encode(picture, false)?.len();
            jpegs.push(start.elapsed().as_secs_f64());
        }
    }
    let per_second = f64::from(fps);
    report("render", &mut render, per_second)?;
    let rate = (key_bytes + delta_bytes) as f64 * 8.0 / f64::from(seconds);
    let sizes = (key_bytes / keys.len(), delta_bytes / deltas.len().max(1));
    let mut all: Vec<f64> = keys.iter().chain(&deltas).copied().collect();
    report("H264 all", &mut all, per_second)?;
    report("H264 keyframes", &mut keys, 0.5)?;
    report("H264 others", &mut deltas, per_second - 0.5)?;
    writeln!(
        stdout(),
        "H264: {rate:.0} bit/s of {bitrate}, keyframe {} bytes, other {} bytes",
        sizes.0,
        sizes.1
    )?;
    let mean = jpeg_bytes / jpegs.len();
    report("JPEG", &mut jpegs, per_second)?;
    writeln!(stdout(), "JPEG: {mean} bytes")?;

    let tone = Tone::new(opus::SAMPLE_RATE);
    let mut encoder = opus::Encoder::new(opus::Config::default())?;
    let mut pcm = vec![0; encoder.frame_samples()];
    let mut packets = Vec::new();
    for index in 0..u64::from(seconds) * 50 {
        tone.fill(index * pcm.len() as u64, &mut pcm);
        let start = Instant::now();
        audio::Encoder::encode(&mut encoder, &pcm)?;
        packets.push(start.elapsed().as_secs_f64());
    }
    report("Opus", &mut packets, 50.0)
}

fn report(name: &str, seconds: &mut [f64], per_second: f64) -> Result<(), Box<dyn Error>> {
    seconds.sort_by(f64::total_cmp);
    let at = |part: f64| seconds[((seconds.len() - 1) as f64 * part) as usize] * 1e6;
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    writeln!(
        stdout(),
        "{name:15} min {:7.0} median {:7.0} p95 {:7.0} max {:7.0} mean {:7.0} us, {:5.1} % of a core",
        at(0.0),
        at(0.5),
        at(0.95),
        at(1.0),
        mean * 1e6,
        mean * per_second * 100.0
    )?;
    Ok(())
}
