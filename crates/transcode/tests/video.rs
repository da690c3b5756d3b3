//! The demo picture through the encoders and back: what a viewer decodes still
//! carries a readable strip, and the streams keep their promises.

#![allow(clippy::unwrap_used)]

use rs2rtc_transcode::demo::Pattern;
use rs2rtc_transcode::demo::strip::{self, Reading};
use rs2rtc_transcode::video::{Encoder, I420Frame, jpeg};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const NOW: u64 = 1_794_949_477_123;

fn expected(frame: u64, fps: u32) -> Reading {
    Reading { frame: frame as u32, unix_ms: NOW + frame * 1000 / u64::from(fps) }
}

fn read(plane: &[u8], width: usize, height: usize) -> Option<Reading> {
    strip::read(|x, y| plane[y * width + x], width, height)
}

/// Half the size, each pixel the mean of four.
fn halved(plane: &[u8], width: usize, height: usize) -> Vec<u8> {
    let at = |x: usize, y: usize| u32::from(plane[y * width + x]);
    (0..width / 2 * (height / 2))
        .map(|index| {
            let (x, y) = (index % (width / 2) * 2, index / (width / 2) * 2);
            ((at(x, y) + at(x + 1, y) + at(x, y + 1) + at(x + 1, y + 1)) / 4) as u8
        })
        .collect()
}

fn decode_jpeg(image: &[u8]) -> (Vec<u8>, usize, usize) {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(image), options);
    let plane = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    (plane, width, height)
}

#[test]
fn jpeg_keeps_the_strip() {
    for (width, height) in [(1280, 720), (640, 360), (320, 240), (160, 120)] {
        let mut pattern = Pattern::new(width, height, 30);
        for quality in [30, 80, 95] {
            let mut encoder = jpeg::Encoder::new(quality).unwrap();
            for frame in [0, 3, 31, 1234] {
                let want = expected(frame, 30);
                let unit = encoder.encode(pattern.render(frame, want.unix_ms), false).unwrap();
                assert!(unit.keyframe && unit.units.len() == 1);
                let (plane, w, h) = decode_jpeg(&unit.units[0]);
                assert_eq!((w, h), (width, height));
                assert_eq!(read(&plane, w, h), Some(want), "{width}x{height} q{quality}");
                if width >= 320 {
                    let half = halved(&plane, w, h);
                    assert_eq!(read(&half, w / 2, h / 2), Some(want), "half {width}x{height}");
                }
            }
        }
    }
}

#[test]
fn jpeg_is_baseline_420_and_full_range() {
    let mut pattern = Pattern::new(320, 240, 30);
    let picture = pattern.render(0, NOW).clone();
    let mut encoder = jpeg::Encoder::new(90).unwrap();
    let image = encoder.encode_image(&picture).unwrap();
    assert!(image.starts_with(&[0xFF, 0xD8]) && image.ends_with(&[0xFF, 0xD9]));
    // SOF0: three components, 2x2 1x1 1x1 (ITU-T T.81 B.2.2).
    let sof = image.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    assert_eq!(image[sof + 9], 3);
    let factors = [image[sof + 11], image[sof + 14], image[sof + 17]];
    assert_eq!(factors, [0x22, 0x11, 0x11]);
    let (plane, ..) = decode_jpeg(&image);
    assert!(*plane.iter().max().unwrap() >= 253, "white is 255");
    assert!(*plane.iter().min().unwrap() <= 2, "black is 0");
    assert_eq!(encoder.encode_image(&picture).unwrap(), image);
}

#[test]
fn jpeg_refuses_what_it_cannot_do() {
    assert!(jpeg::Encoder::new(0).is_err());
    assert!(jpeg::Encoder::new(101).is_err());
    let mut broken = I420Frame::black(64, 64);
    broken.u.pop();
    let mut encoder = jpeg::Encoder::new(50).unwrap();
    assert!(encoder.encode_image(&broken).is_err());
    assert!(encoder.encode_image(&I420Frame::black(64, 65_536)).is_err());
}

#[test]
fn jpeg_comes_back_as_it_went() {
    let mut pattern = Pattern::new(322, 182, 30);
    let picture = pattern.render(7, NOW).clone();
    let image = jpeg::Encoder::new(95).unwrap().encode_image(&picture).unwrap();
    let back = jpeg::decode(&image).unwrap();
    assert_eq!((back.width, back.height, back.full_range), (322, 182, true));
    let again = jpeg::Encoder::new(95).unwrap().encode_image(&back).unwrap();
    let twice = jpeg::decode(&again).unwrap();
    for (a, b) in [(&back.y, &twice.y), (&back.u, &twice.u), (&back.v, &twice.v)] {
        let error: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        assert!(error < a.len() as u64 * 3, "{error} of {}", a.len());
    }
    let want = Reading { frame: 7, unix_ms: NOW };
    assert_eq!(read(&twice.y, 322, 182), Some(want));
}

#[test]
fn a_damaged_image_is_an_error_or_a_picture_never_a_crash() {
    let mut pattern = Pattern::new(160, 120, 30);
    let image = jpeg::Encoder::new(60).unwrap().encode_image(pattern.render(3, NOW)).unwrap();
    for end in 0..image.len() {
        if let Ok(picture) = jpeg::decode(&image[..end]) {
            assert!(picture.is_consistent());
        }
    }
    let mut broken = image.to_vec();
    for at in (0..broken.len()).step_by(11) {
        broken[at] ^= 0x55;
        let _ = jpeg::decode(&broken);
        broken[at] ^= 0x55;
    }
    assert!(jpeg::decode(b"no image").unwrap_err().to_string().starts_with("JPEG: "));
    // One that only says that it is large takes no memory for that.
    let sizes = broken.windows(2).position(|w| w == [0xff, 0xc0]).unwrap() + 5;
    for (side, reason) in [(8190_u16, "8190x8190 is too large"), (65_535, "")] {
        broken[sizes..sizes + 2].copy_from_slice(&side.to_be_bytes());
        broken[sizes + 2..sizes + 4].copy_from_slice(&side.to_be_bytes());
        let error = jpeg::decode(&broken).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[cfg(feature = "h264")]
mod h264 {
    use super::*;
    use bytes::Bytes;
    use rs2rtc_transcode::demo::Params;
    use rs2rtc_transcode::video::h264::{Config, Decoder, Encoder as H264};
    use rs2rtc_transcode::video::{AccessUnit, Decoder as _};

    fn config(width: usize, height: usize, bitrate: u32) -> Config {
        Config { width, height, fps: 30, gop: 60, bitrate }
    }

    fn kinds(unit: &AccessUnit) -> Vec<u8> {
        unit.units.iter().map(|nal| nal[0] & 0x1F).collect()
    }

    /// Noise that no encoder can predict.
    fn noise(seed: &mut u32, picture: &mut I420Frame) {
        for sample in &mut picture.y {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (*seed >> 24) as u8;
        }
    }

    #[test]
    fn the_strip_is_readable_in_every_picture() {
        let sizes = [
            (1280, 720, 2_000_000),
            (640, 360, 2_000_000),
            (320, 240, 2_000_000),
            (320, 240, 300_000),
            (160, 120, 200_000),
        ];
        for (width, height, bitrate) in sizes {
            let mut pattern = Pattern::new(width, height, 30);
            let mut encoder = H264::new(config(width, height, bitrate)).unwrap();
            let mut decoder = Decoder::new(false).unwrap();
            for frame in 0..130 {
                let want = expected(frame, 30);
                let picture = pattern.render(frame, want.unix_ms);
                let unit = encoder.encode(picture, false).unwrap();
                assert_eq!(unit.keyframe, frame % 60 == 0, "frame {frame}");
                let decoded = decoder.decode(&unit.units).unwrap().expect("one in, one out");
                assert_eq!((decoded.width, decoded.height), (width, height));
                let found = read(&decoded.y, width, height);
                assert_eq!(found, Some(want), "{width}x{height} at {bitrate}");
                if width >= 640 && frame % 10 == 7 {
                    let half = halved(&decoded.y, width, height);
                    assert_eq!(read(&half, width / 2, height / 2), Some(want));
                }
            }
        }
    }

    #[test]
    fn moving_things_leave_no_traces() {
        let mut pattern = Pattern::new(640, 360, 30);
        let mut encoder = H264::new(config(640, 360, 1_500_000)).unwrap();
        let mut decoder = Decoder::new(false).unwrap();
        let mut last = I420Frame::black(640, 360);
        for frame in 0..60 {
            let picture = pattern.render(frame, NOW);
            let unit = encoder.encode(picture, false).unwrap();
            let decoded = decoder.decode(&unit.units).unwrap().unwrap();
            // Where the ball moves, but it is not there now and was not just before.
            let traces = (80..208)
                .flat_map(|y| y * 640..y * 640 + 540)
                .filter(|&at| picture.y[at] == last.y[at])
                .filter(|&at| picture.y[at].abs_diff(decoded.y[at]) > 24)
                .count();
            assert_eq!(traces, 0, "frame {frame}");
            last = picture.clone();
        }
    }

    #[test]
    fn units_are_constrained_baseline_without_start_codes() {
        let mut pattern = Pattern::new(1280, 720, 30);
        let mut encoder = H264::new(config(1280, 720, 2_000_000)).unwrap();
        for frame in 0..65 {
            let unit = encoder.encode(pattern.render(frame, NOW), false).unwrap();
            for nal in &unit.units {
                assert!(!nal.windows(3).any(|w| w == [0, 0, 1]));
            }
            if unit.keyframe {
                assert_eq!(kinds(&unit), [7, 8, 5]);
                let sps = &unit.units[0];
                assert_eq!(sps[1], 66, "profile baseline");
                assert_eq!(sps[2] & 0xC0, 0xC0, "constraint_set0 and 1");
                assert_eq!(sps[3], 31, "level 3.1");
            } else {
                assert_eq!(kinds(&unit), [1], "one slice, nothing else");
            }
        }
    }

    #[test]
    fn a_forced_keyframe_starts_a_new_group() {
        let mut pattern = Pattern::new(320, 240, 30);
        let gop = Config { gop: 10, ..config(320, 240, 300_000) };
        let mut encoder = H264::new(gop).unwrap();
        let mut keyframes = Vec::new();
        for frame in 0..40 {
            let picture = pattern.render(frame, NOW);
            let forced = frame == 0 || frame == 13 || frame == 14;
            let unit = encoder.encode(picture, forced).unwrap();
            if unit.keyframe {
                assert_eq!(kinds(&unit), [7, 8, 5]);
                keyframes.push(frame);
            }
        }
        assert_eq!(keyframes, [0, 10, 13, 14, 24, 34]);
    }

    #[test]
    fn the_bit_rate_is_what_was_asked_for() {
        for (address, bitrate) in [
            ("demo:", 2_000_000u32),
            ("demo:?width=640&height=360", 1_000_000),
            ("demo:?width=640&height=360", 400_000),
        ] {
            let params = Params::parse(address).unwrap();
            let mut pattern = Pattern::new(params.width, params.height, params.fps);
            let mut encoder = H264::new(config(params.width, params.height, bitrate)).unwrap();
            let mut bytes = 0;
            let frames = 300;
            for frame in 0..frames {
                let picture = pattern.render(frame, expected(frame, 30).unix_ms);
                bytes += encoder.encode(picture, false).unwrap().len();
            }
            let measured = bytes as f64 * 8.0 * 30.0 / frames as f64;
            let ratio = measured / f64::from(bitrate);
            assert!((0.65..1.35).contains(&ratio), "{address}: {ratio} of {bitrate}");
        }
    }

    #[test]
    fn no_picture_is_left_out_when_the_bits_do_not_suffice() {
        let mut picture = I420Frame::black(320, 240);
        let mut encoder = H264::new(config(320, 240, 10_000)).unwrap();
        let mut decoder = Decoder::new(false).unwrap();
        let mut seed = 1;
        for frame in 0..130 {
            noise(&mut seed, &mut picture);
            let unit = encoder.encode(&picture, false).unwrap();
            assert_eq!(unit.keyframe, frame % 60 == 0);
            assert!(decoder.decode(&unit.units).unwrap().is_some());
        }
    }

    #[test]
    fn the_same_pictures_give_the_same_stream() {
        let stream = || {
            let mut pattern = Pattern::new(320, 240, 30);
            let mut encoder = H264::new(config(320, 240, 300_000)).unwrap();
            (0..70)
                .map(|frame| encoder.encode(pattern.render(frame, NOW), false).unwrap())
                .collect::<Vec<_>>()
        };
        assert!(stream() == stream());
    }

    #[test]
    fn what_is_passed_over_still_counts() {
        let mut pattern = Pattern::new(320, 240, 30);
        let mut encoder = H264::new(config(320, 240, 300_000)).unwrap();
        let units: Vec<AccessUnit> = (0..20)
            .map(|frame| encoder.encode(pattern.render(frame, NOW), false).unwrap())
            .collect();
        let (last, before) = units.split_last().unwrap();
        let (mut all, mut only) = (Decoder::new(false).unwrap(), Decoder::new(true).unwrap());
        for unit in before {
            all.decode(&unit.units).unwrap();
            only.pass(&unit.units).unwrap();
        }
        let (a, b) = (all.decode(&last.units).unwrap(), only.decode(&last.units).unwrap());
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!(a.y, b.y);
        assert!(b.full_range && !a.full_range);
        assert!(only.flush().unwrap().is_none(), "nothing was held back");
    }

    #[test]
    fn a_hostile_stream_is_an_error_or_a_picture_never_a_crash() {
        let mut pattern = Pattern::new(176, 144, 30);
        let mut encoder = H264::new(config(176, 144, 200_000)).unwrap();
        let units: Vec<AccessUnit> = (0..8)
            .map(|frame| encoder.encode(pattern.render(frame, NOW), false).unwrap())
            .collect();
        let mut seed = 7_u64;
        let mut random = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize % below.max(1)
        };
        for _ in 0..300 {
            let mut decoder = Decoder::new(false).unwrap();
            for unit in &units {
                let damaged: Vec<Bytes> = unit
                    .units
                    .iter()
                    .map(|nal| {
                        let mut nal = nal.to_vec();
                        for _ in 0..random(4) {
                            let at = random(nal.len());
                            nal[at] ^= 1 << random(8);
                        }
                        nal.truncate(nal.len() - random(8).min(nal.len()) * random(2));
                        nal.into()
                    })
                    .collect();
                if let Ok(Some(picture)) = decoder.decode(&damaged) {
                    assert!(picture.is_consistent());
                }
            }
            let _ = decoder.flush();
        }
    }

    #[test]
    fn settings_are_checked() {
        let refused = |config| H264::new(config).err().unwrap().to_string();
        assert_eq!(
            refused(config(641, 360, 1_000_000)),
            "H264: width is 641, allowed is an even number from 16 to 3840"
        );
        assert!(refused(config(640, 2162, 1_000_000)).contains("height"));
        assert!(refused(config(640, 360, 10)).contains("bitrate"));
        let mut encoder = H264::new(config(640, 360, 1_000_000)).unwrap();
        let error = encoder.encode(&I420Frame::black(320, 240), false);
        assert!(error.unwrap_err().to_string().contains("640x360"));
    }

    #[test]
    fn a_damaged_stream_is_an_error_or_a_picture_never_a_crash() {
        let mut pattern = Pattern::new(160, 120, 30);
        let mut encoder = H264::new(config(160, 120, 200_000)).unwrap();
        let unit = encoder.encode(pattern.render(0, NOW), false).unwrap();
        let slice = unit.units[2].clone();
        for end in (0..slice.len()).step_by(37) {
            let mut units = unit.units.clone();
            units[2] = slice.slice(..end);
            let _ = Decoder::new(false).unwrap().decode(&units);
        }
        assert!(!matches!(Decoder::new(false).unwrap().decode(&[]), Ok(Some(_))));
    }
}
