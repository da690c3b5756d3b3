//! Writes what the demo camera shows to a file, to look at it:
//! `demo_dump <file> [address] [frame] [unix milliseconds]`.
//!
//! A name ending in `.h264` gets ten seconds from that frame on as an Annex B
//! stream, any other name that one picture as JPEG.

use std::error::Error;

use rs2rtc_transcode::demo::{Params, Pattern};
use rs2rtc_transcode::video::jpeg;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: demo_dump <file> [address] [frame] [unix milliseconds]";
    let path = arguments.next().ok_or(usage)?;
    let params = Params::parse(&arguments.next().unwrap_or_else(|| "demo:".into()))?;
    let mut number = |default: u64| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let frame = number(0)?;
    let unix_ms = number(1_800_000_000_000)?;
    let mut pattern = Pattern::new(params.width, params.height, params.fps);
    let bytes = if path.ends_with(".h264") {
        stream(&mut pattern, &params, frame, unix_ms)?
    } else {
        let picture = pattern.render(frame, unix_ms);
        jpeg::Encoder::new(92)?.encode_image(picture)?.to_vec()
    };
    std::fs::write(path, bytes)?;
    Ok(())
}

#[cfg(feature = "h264")]
fn stream(
    pattern: &mut Pattern,
    params: &Params,
    first: u64,
    unix_ms: u64,
) -> Result<Vec<u8>, Box<dyn Error>> {
    use rs2rtc_transcode::video::{Encoder as _, h264};

    let mut encoder = h264::Encoder::new(h264::Config {
        width: params.width,
        height: params.height,
        fps: params.fps,
        gop: params.gop,
        bitrate: params.h264_bitrate(),
    })?;
    let mut out = Vec::new();
    for index in 0..u64::from(params.fps) * 10 {
        let picture = pattern.render(first + index, unix_ms + index * 1000 / u64::from(params.fps));
        for unit in encoder.encode(picture, false)?.units {
            out.extend_from_slice(&[0, 0, 0, 1]);
            out.extend_from_slice(&unit);
        }
    }
    Ok(out)
}

#[cfg(not(feature = "h264"))]
fn stream(_: &mut Pattern, _: &Params, _: u64, _: u64) -> Result<Vec<u8>, Box<dyn Error>> {
    Err("built without the feature h264".into())
}
