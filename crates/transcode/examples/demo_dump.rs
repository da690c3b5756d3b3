//! Writes one picture of the demo camera to a JPEG file:
//! `demo_dump <file> [frame] [width] [height] [fps] [unix milliseconds]`.

use std::error::Error;

use rs2rtc_transcode::demo::Pattern;
use rs2rtc_transcode::video::jpeg;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: demo_dump <file> [frame] [width] [height] [fps] [unix ms]")?;
    let mut number = |default: u64| match arguments.next() {
        Some(text) => text.parse(),
        None => Ok(default),
    };
    let frame = number(0)?;
    let (width, height, fps) = (number(1280)?, number(720)?, number(30)?);
    let unix_ms = number(1_800_000_000_000 + frame * 1000 / fps)?;
    let mut pattern = Pattern::new(width as usize, height as usize, fps as u32);
    let image = jpeg::Encoder::new(92)?.encode_image(pattern.render(frame, unix_ms))?;
    std::fs::write(path, image)?;
    Ok(())
}
