//! The initialisation segment: `ftyp` and `moov` without samples.

use super::boxes::Writer;
use super::flac;
use super::format::{Config, Format};
use crate::track::Kind;

/// Ticks a second of the movie header.
const MOVIE_TIMESCALE: u32 = 1000;
/// "und", the language of the tracks.
const UNDETERMINED: u16 = 0x55c4;
/// 1.0 in 16.16.
const ONE: u32 = 0x1_0000;
/// 72 dpi in 16.16.
const DPI: u32 = 0x48_0000;

/// How pictures are to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Clockwise, in degrees: 90, 180 or 270; anything else is 0.
    pub rotate: u16,
    /// Width and height of a pixel, as a ratio.
    pub pixel: Option<(u32, u32)>,
}

/// Writes the segment. `skip` is what the timeline of each track holds before
/// its presentation begins, in ticks of the track: with reordered pictures the
/// first decoding time is earlier than the first picture. It becomes an edit list
/// (ISO/IEC 14496-12 section 8.6.6); empty or zero writes none.
pub fn write(formats: &[Format], picture: Picture, skip: &[u64]) -> Vec<u8> {
    let mut w = Writer::with_capacity(1200);
    w.boxed(b"ftyp", |w| {
        w.bytes(b"iso5");
        w.u32(512);
        w.bytes(b"iso5iso6mp41");
    });
    w.boxed(b"moov", |w| {
        movie_header(w);
        let mut picture = Some(picture);
        for (index, format) in formats.iter().enumerate() {
            // Only the first picture is turned.
            let picture = match format.kind() {
                Kind::Video => picture.take().unwrap_or_default(),
                _ => Picture::default(),
            };
            let skip = skip.get(index).copied().unwrap_or(0);
            w.boxed(b"trak", |w| track(w, index, format, picture, skip));
        }
        w.boxed(b"mvex", |w| {
            for index in 0..formats.len() {
                w.full(b"trex", 0, 0, |w| {
                    w.u32(id(index));
                    // The first sample description; the fragments say the rest.
                    w.u32(1);
                    w.zeros(12);
                });
            }
        });
    });
    w.into_bytes()
}

fn id(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// Section 8.2.2.
fn movie_header(w: &mut Writer) {
    w.full(b"mvhd", 0, 0, |w| {
        w.zeros(8);
        w.u32(MOVIE_TIMESCALE);
        w.u32(0);
        w.u32(ONE);
        w.u16(0x100);
        w.zeros(10);
        matrix(w, 0);
        w.zeros(24);
        // The number of the next track is not known.
        w.u32(u32::MAX);
    });
}

/// Section 6.2.2; a, b, c and d turn, w is 1.0 in 2.30.
fn matrix(w: &mut Writer, rotate: u16) {
    const MINUS: u32 = 0u32.wrapping_sub(ONE);
    let (a, b, c, d) = match rotate {
        90 => (0, ONE, MINUS, 0),
        180 => (MINUS, 0, 0, MINUS),
        270 => (0, MINUS, ONE, 0),
        _ => (ONE, 0, 0, ONE),
    };
    for value in [a, b, 0, c, d, 0, 0, 0, 0x4000_0000] {
        w.u32(value);
    }
}

fn track(w: &mut Writer, index: usize, format: &Format, picture: Picture, skip: u64) {
    let is_video = format.kind() == Kind::Video;
    let (width, height) = format.size();
    // Enabled and in the movie (8.3.2).
    w.full(b"tkhd", 0, 3, |w| {
        w.zeros(8);
        w.u32(id(index));
        w.zeros(8);
        w.zeros(8);
        w.u16(0);
        w.u16(0);
        w.u16(if is_video { 0 } else { 0x100 });
        w.u16(0);
        matrix(w, if is_video { picture.rotate } else { 0 });
        w.u32(width << 16);
        w.u32(height << 16);
    });
    if skip > 0 {
        w.boxed(b"edts", |w| {
            w.full(b"elst", 1, 0, |w| {
                w.u32(1);
                // Its length is that of all fragments.
                w.u64(0);
                w.u64(skip);
                w.u32(ONE);
            });
        });
    }
    w.boxed(b"mdia", |w| {
        w.full(b"mdhd", 0, 0, |w| {
            w.zeros(8);
            w.u32(format.timescale);
            w.u32(0);
            w.u16(UNDETERMINED);
            w.u16(0);
        });
        w.full(b"hdlr", 0, 0, |w| {
            w.u32(0);
            w.bytes(if is_video { b"vide" } else { b"soun" });
            w.zeros(12);
            w.bytes(if is_video { b"VideoHandler\0" } else { b"SoundHandler\0" });
        });
        w.boxed(b"minf", |w| {
            if is_video {
                w.full(b"vmhd", 0, 1, |w| w.zeros(8));
            } else {
                w.full(b"smhd", 0, 0, |w| w.zeros(4));
            }
            w.boxed(b"dinf", |w| {
                w.full(b"dref", 0, 0, |w| {
                    w.u32(1);
                    // In this file.
                    w.full(b"url ", 0, 1, |_| {});
                });
            });
            w.boxed(b"stbl", |w| {
                w.full(b"stsd", 0, 0, |w| {
                    w.u32(1);
                    sample_entry(w, format, picture);
                });
                for (name, zeros) in [(b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4)] {
                    w.full(name, 0, 0, |w| w.zeros(zeros));
                }
            });
        });
    });
}

fn sample_entry(w: &mut Writer, format: &Format, picture: Picture) {
    match &format.config {
        Config::H264(sets) => visual(w, b"avc1", format, picture, |w| {
            let record = sets.write_record().unwrap_or_default();
            w.boxed(b"avcC", |w| {
                w.bytes(&record);
                avc_extension(w, sets);
            });
        }),
        Config::H265(sets) => visual(w, b"hvc1", format, picture, |w| {
            w.boxed(b"hvcC", |w| w.bytes(&sets.write_record().unwrap_or_default()));
        }),
        Config::Av1(header) => visual(w, b"av01", format, picture, |w| {
            let record = header.as_ref().map(|header| header.record());
            w.boxed(b"av1C", |w| w.bytes(&record.unwrap_or_default()));
        }),
        Config::Aac { bytes, rate, channels, .. } => {
            audio(w, b"mp4a", *channels, *rate, |w| elementary_stream(w, 0x40, Some(bytes)));
        }
        Config::Mpa { rate, channels, .. } => {
            audio(w, b"mp4a", *channels, *rate, |w| elementary_stream(w, 0x6b, None));
        }
        Config::Opus { channels } => audio(w, b"Opus", *channels, 48_000, |w| {
            w.boxed(b"dOps", |w| {
                w.u8(0);
                w.u8(*channels);
                // We begin in the middle: nothing is to be skipped.
                w.u16(0);
                w.u32(48_000);
                w.u16(0);
                w.u8(0);
            });
        }),
        Config::Pcm { rate, channels, .. } => audio(w, b"fLaC", *channels, *rate, |w| {
            w.full(b"dfLa", 0, 0, |w| w.bytes(&flac::stream_info(*rate, *channels)));
        }),
    }
}

/// Chroma format and bit depths, which the record has for the high profiles
/// (ISO/IEC 14496-15 5.3.3.1.2).
fn avc_extension(w: &mut Writer, sets: &crate::codec::h264::ParameterSets) {
    let Some(sps) = sets.parse_sps() else { return };
    if matches!(sps.profile, 100 | 110 | 122 | 144 | 244) {
        w.u8(0xfc | sps.chroma_format);
        w.u8(0xf8 | (sps.bit_depth_luma - 8));
        w.u8(0xf8 | (sps.bit_depth_chroma - 8));
        // No extensions of the SPS.
        w.u8(0);
    }
}

/// Section 12.1.3.
fn visual(
    w: &mut Writer,
    name: &[u8; 4],
    format: &Format,
    picture: Picture,
    config: impl FnOnce(&mut Writer),
) {
    let (width, height) = format.size();
    w.boxed(name, |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(16);
        w.u16(u16::try_from(width).unwrap_or(u16::MAX));
        w.u16(u16::try_from(height).unwrap_or(u16::MAX));
        w.u32(DPI);
        w.u32(DPI);
        w.u32(0);
        w.u16(1);
        w.zeros(32);
        w.u16(24);
        w.u16(0xffff);
        config(w);
        // Section 12.1.4; without it the stream itself says it.
        if let Some((horizontal, vertical)) = picture.pixel {
            w.boxed(b"pasp", |w| {
                w.u32(horizontal);
                w.u32(vertical);
            });
        }
    });
}

/// Section 12.2.3.
fn audio(
    w: &mut Writer,
    name: &[u8; 4],
    channels: u8,
    rate: u32,
    config: impl FnOnce(&mut Writer),
) {
    w.boxed(name, |w| {
        w.zeros(6);
        w.u16(1);
        w.zeros(8);
        w.u16(channels.max(1).into());
        w.u16(16);
        w.u32(0);
        // Rates that do not fit stand in the configuration only.
        w.u32(u16::try_from(rate).map_or(0, |rate| u32::from(rate) << 16));
        config(w);
    });
}

/// `esds` (ISO/IEC 14496-1 7.2.6): an elementary stream of an object type.
fn elementary_stream(w: &mut Writer, object_type: u8, config: Option<&[u8]>) {
    let config = config.map(|c| c.get(..64).unwrap_or(c));
    let specific = config.map_or(0, |c| 2 + c.len());
    let byte = |len: usize| u8::try_from(len).unwrap_or(0x7f);
    w.full(b"esds", 0, 0, |w| {
        w.u8(3);
        w.u8(byte(3 + 2 + 13 + specific + 3));
        w.u16(0);
        w.u8(0);
        w.u8(4);
        w.u8(byte(13 + specific));
        w.u8(object_type);
        // Audio.
        w.u8(5 << 2 | 1);
        w.zeros(11);
        if let Some(config) = config {
            w.u8(5);
            w.u8(byte(config.len()));
            w.bytes(config);
        }
        // As MP4 files have it.
        w.bytes(&[6, 1, 2]);
    });
}
