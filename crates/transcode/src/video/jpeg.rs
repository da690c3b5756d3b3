//! JPEG (ITU-T T.81, JFIF). What is written is baseline: 4:2:0, the standard Huffman tables of
//! annex K, no restart intervals, so that RTP (RFC 2435 type 1) can carry it.

use bytes::Bytes;
use jpeg_encoder::{ImageBuffer, JpegColorType, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{AccessUnit, I420Frame};
use crate::{Error, Result};

const CODEC: &str = "JPEG";
/// Largest width or height that is decoded.
const MAX_SIZE: usize = 8192;
/// Largest picture that is decoded, in pixels: each takes three bytes.
const MAX_PIXELS: usize = 8192 * 4608;
/// Passes over a progressive image; cameras need ten, hostile files thousands.
const MAX_SCANS: usize = 64;

/// JPEG encoder. Television-range pictures are stretched to the full range, which
/// is what JFIF means.
#[derive(Debug, Clone)]
pub struct Encoder {
    quality: u8,
    /// Size of the last image, to allocate once.
    last_len: usize,
    luma: [u8; 256],
    chroma: [u8; 256],
}

impl Encoder {
    /// `quality` is 1..=100 on the scale of the Independent JPEG Group.
    ///
    /// # Errors
    ///
    /// The quality is out of range.
    pub fn new(quality: u8) -> Result<Self> {
        if !(1..=100).contains(&quality) {
            return Err(Error::Setting {
                codec: CODEC,
                name: "quality",
                value: quality.to_string(),
                allowed: "1 to 100",
            });
        }
        Ok(Self {
            quality,
            last_len: 64 * 1024,
            luma: std::array::from_fn(|i| stretch(i as i32 - 16, 219, 0)),
            chroma: std::array::from_fn(|i| stretch(i as i32 - 128, 224, 128)),
        })
    }

    /// Encodes one picture to one JFIF image.
    ///
    /// # Errors
    ///
    /// The picture is larger than 65535 pixels in one direction or inconsistent.
    pub fn encode_image(&mut self, picture: &I420Frame) -> Result<Bytes> {
        let size = (u16::try_from(picture.width), u16::try_from(picture.height));
        let (Ok(width), Ok(height), true) = (size.0, size.1, picture.is_consistent()) else {
            return Err(Error::Input {
                codec: CODEC,
                reason: format!(
                    "a picture of {}x{} cannot be encoded",
                    picture.width, picture.height
                ),
            });
        };
        let mut out = Vec::with_capacity(self.last_len + self.last_len / 4);
        let mut encoder = jpeg_encoder::Encoder::new(&mut out, self.quality);
        encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
        let rows = Rows {
            picture,
            width,
            height,
            tables: (!picture.full_range).then_some((&self.luma, &self.chroma)),
        };
        encoder
            .encode_image(rows)
            .map_err(|error| Error::Library { codec: CODEC, reason: error.to_string() })?;
        self.last_len = out.len();
        Ok(out.into())
    }
}

impl super::Encoder for Encoder {
    fn encode(&mut self, picture: &I420Frame, _force_keyframe: bool) -> Result<AccessUnit> {
        Ok(AccessUnit { units: vec![self.encode_image(picture)?], keyframe: true })
    }
}

/// Decodes an image of one or three components; a row or column beyond an even
/// size is left out.
///
/// # Errors
///
/// It is damaged, larger than 8192 pixels in one direction or 8192x4608 in all, or of
/// other colours than YCbCr and grey.
pub fn decode(image: &[u8]) -> Result<I420Frame> {
    let broken = |error: &dyn std::fmt::Display| Error::Input {
        codec: CODEC,
        reason: error.to_string().chars().take(200).collect(),
    };
    let options = DecoderOptions::default()
        .set_max_width(MAX_SIZE)
        .set_max_height(MAX_SIZE)
        .jpeg_set_max_scans(MAX_SCANS)
        .set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(image), options);
    decoder.decode_headers().map_err(|error| broken(&error))?;
    let (Some((width, height)), Some(colours)) = (decoder.dimensions(), decoder.input_colorspace())
    else {
        return Err(broken(&"no picture"));
    };
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(broken(&format!("a picture of {width}x{height} is too large")));
    }
    let colours = match colours {
        ColorSpace::YCbCr | ColorSpace::Luma => colours,
        other => return Err(broken(&format!("colours are {other:?}"))),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    let samples = decoder.decode().map_err(|error| broken(&error))?;
    let picture = match colours {
        ColorSpace::Luma => grey(&samples, width, height),
        _ => halved(&samples, width, height),
    };
    if !picture.is_consistent() || picture.y.is_empty() {
        return Err(broken(&format!("a picture of {width}x{height}")));
    }
    Ok(picture)
}

/// Luma alone, with chroma that is none.
fn grey(samples: &[u8], width: usize, height: usize) -> I420Frame {
    let (w, h) = (width & !1, height & !1);
    let rows = samples.chunks_exact(width.max(1)).take(h);
    let y = rows.flat_map(|row| row.iter().take(w)).copied().collect();
    let chroma = vec![128; w / 2 * (h / 2)];
    I420Frame { width: w, height: h, y, u: chroma.clone(), v: chroma, full_range: true }
}

/// Interleaved samples of full resolution; four of chroma become their mean.
fn halved(samples: &[u8], width: usize, height: usize) -> I420Frame {
    let (w, h) = (width & !1, height & !1);
    let mut y = Vec::with_capacity(w * h);
    let mut u = Vec::with_capacity(w / 2 * (h / 2));
    let mut v = Vec::with_capacity(w / 2 * (h / 2));
    for rows in samples.chunks_exact((width * 6).max(1)).take(h / 2) {
        let (upper, lower) = rows.split_at(width * 3);
        for row in [upper, lower] {
            y.extend(row.chunks_exact(3).take(w).filter_map(|pixel| pixel.first()));
        }
        for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
            let (&[_, u0, v0, _, u1, v1], &[_, u2, v2, _, u3, v3]) = (a, b) else { continue };
            u.push(mean([u0, u1, u2, u3]));
            v.push(mean([v0, v1, v2, v3]));
        }
    }
    I420Frame { width: w, height: h, y, u, v, full_range: true }
}

fn mean(samples: [u8; 4]) -> u8 {
    let sum: u32 = samples.iter().map(|s| u32::from(*s)).sum();
    u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX)
}

/// `value` of a range `from` wide, in a range 255 wide, shifted by `offset`.
fn stretch(value: i32, from: i32, offset: i32) -> u8 {
    let scaled = (value * 255 * 2 + from * value.signum()) / (from * 2);
    (scaled + offset).clamp(0, 255) as u8
}

/// Feeds the picture row by row; the library takes every second chroma sample and
/// row again, which gives back exactly ours.
struct Rows<'a> {
    picture: &'a I420Frame,
    width: u16,
    height: u16,
    tables: Option<(&'a [u8; 256], &'a [u8; 256])>,
}

impl ImageBuffer for Rows<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }

    fn width(&self) -> u16 {
        self.width
    }

    fn height(&self) -> u16 {
        self.height
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let picture = self.picture;
        let (row, half) = (usize::from(y), picture.width / 2);
        let luma = &picture.y[row * picture.width..][..picture.width];
        let cb = &picture.u[row / 2 * half..][..half];
        let cr = &picture.v[row / 2 * half..][..half];
        let [out_y, out_cb, out_cr, _] = buffers;
        match self.tables {
            Some((luma_table, chroma_table)) => {
                out_y.extend(luma.iter().map(|&s| luma_table[usize::from(s)]));
                out_cb.extend(cb.iter().flat_map(|&s| [chroma_table[usize::from(s)]; 2]));
                out_cr.extend(cr.iter().flat_map(|&s| [chroma_table[usize::from(s)]; 2]));
            }
            None => {
                out_y.extend_from_slice(luma);
                out_cb.extend(cb.iter().flat_map(|&s| [s; 2]));
                out_cr.extend(cr.iter().flat_map(|&s| [s; 2]));
            }
        }
    }
}
