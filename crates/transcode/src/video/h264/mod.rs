//! H.264 (ITU-T H.264) through OpenH264: constrained baseline, one slice per
//! picture, no reordering, an IDR picture exactly at each start of a group.

use bytes::{Bytes, BytesMut};
use openh264::OpenH264API;
use openh264::encoder::{
    BitRate, Complexity, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Profile, QpRange,
    RateControlMode, SpsPpsStrategy, UsageType, VuiConfig,
};
use openh264::formats::YUVSource;

use super::{AccessUnit, I420Frame};
use crate::{Error, Result};

mod decoder;

pub use decoder::Decoder;

const CODEC: &str = "H264";
/// How often a picture that the rate control wants to leave out is tried again.
const SKIP_TRIES: u32 = 40;
/// By how much the rate control's time is moved for that; it takes a step of more than
/// a second for an error.
const SKIP_STEP_US: u64 = 900_000;

/// Settings of an [`Encoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Width in pixels, even, 16..=3840.
    pub width: usize,
    /// Height in pixels, even, 16..=2160.
    pub height: usize,
    /// Pictures per second, 1..=120. Rate control counts pictures, not time.
    pub fps: u32,
    /// Pictures from one IDR to the next, 1..=3600.
    pub gop: u32,
    /// Target in bits per second, 10_000..=100_000_000.
    pub bitrate: u32,
}

impl Config {
    fn check(&self) -> Result<()> {
        let refuse = |name, value: usize, allowed| {
            Err(Error::Setting { codec: CODEC, name, value: value.to_string(), allowed })
        };
        if !(16..=3840).contains(&self.width) || !self.width.is_multiple_of(2) {
            return refuse("width", self.width, "an even number from 16 to 3840");
        }
        if !(16..=2160).contains(&self.height) || !self.height.is_multiple_of(2) {
            return refuse("height", self.height, "an even number from 16 to 2160");
        }
        if !(1..=120).contains(&self.fps) {
            return refuse("fps", self.fps as usize, "1 to 120");
        }
        if !(1..=3600).contains(&self.gop) {
            return refuse("gop", self.gop as usize, "1 to 3600 frames");
        }
        if !(10_000..=100_000_000).contains(&self.bitrate) {
            let allowed = "10000 to 100000000 bit/s";
            return refuse("bitrate", self.bitrate as usize, allowed);
        }
        Ok(())
    }
}

/// One picture in, one access unit out, on the calling thread.
pub struct Encoder {
    inner: openh264::encoder::Encoder,
    config: Config,
    /// Pictures since the last IDR.
    since_idr: u32,
    /// No picture was encoded yet.
    fresh: bool,
    /// Time of the last picture for the rate control, in microseconds.
    time_us: u64,
}

impl Encoder {
    /// Sets up the library; memory for the pictures is taken with the first one.
    ///
    /// # Errors
    ///
    /// A setting is out of range, or the library could not be set up.
    pub fn new(config: Config) -> Result<Self> {
        config.check()?;
        // Background detection would save 4 % of the time and leaves specks behind
        // moving things until the next keyframe. Frame skipping is on because the
        // library warns on stderr without it; `encode` sees to it that none is lost.
        let settings = EncoderConfig::new()
            .profile(Profile::Baseline)
            .bitrate(BitRate::from_bps(config.bitrate))
            .max_frame_rate(FrameRate::from_hz(config.fps as f32))
            .rate_control_mode(RateControlMode::Timestamp)
            .usage_type(UsageType::CameraVideoRealTime)
            .complexity(Complexity::Low)
            .skip_frames(true)
            .scene_change_detect(false)
            .adaptive_quantization(false)
            .background_detection(false)
            .intra_frame_period(IntraFramePeriod::auto())
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            .qp(QpRange::new(12, 46))
            .num_threads(1)
            .vui(VuiConfig::bt601());
        let inner =
            openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), settings)
                .map_err(library)?;
        Ok(Self { inner, config, since_idr: 0, fresh: true, time_us: 0 })
    }

    /// The settings it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl super::Encoder for Encoder {
    fn encode(&mut self, picture: &I420Frame, force_keyframe: bool) -> Result<AccessUnit> {
        if (picture.width, picture.height) != (self.config.width, self.config.height)
            || !picture.is_consistent()
        {
            return Err(Error::Input {
                codec: CODEC,
                reason: format!(
                    "the picture is {}x{}, the encoder was set up for {}x{}",
                    picture.width, picture.height, self.config.width, self.config.height
                ),
            });
        }
        if !self.fresh && (force_keyframe || self.since_idr >= self.config.gop) {
            self.inner.force_intra_frame();
        }
        // Time as the rate control sees it: one frame interval per picture. When it
        // wants to leave this picture out, more time drains its buffer; it never
        // leaves out an IDR picture.
        self.time_us += 1_000_000 / u64::from(self.config.fps);
        let mut tries = 0;
        let stream = loop {
            let timestamp = openh264::Timestamp::from_millis(self.time_us / 1000);
            let stream = self.inner.encode_at(&Planes(picture), timestamp).map_err(library)?;
            if stream.frame_type() != FrameType::Skip || tries > SKIP_TRIES {
                break stream;
            }
            if tries == SKIP_TRIES {
                self.inner.force_intra_frame();
            }
            tries += 1;
            self.time_us += SKIP_STEP_US;
        };
        let keyframe = stream.frame_type() == FrameType::IDR;

        // One buffer for the access unit; the units are slices of it.
        let mut buffer = BytesMut::new();
        let mut ends = Vec::new();
        for layer in (0..stream.num_layers()).filter_map(|index| stream.layer(index)) {
            for unit in (0..layer.nal_count()).filter_map(|index| layer.nal_unit(index)) {
                buffer.extend_from_slice(without_start_code(unit));
                ends.push(buffer.len());
            }
        }
        let mut rest = buffer.freeze();
        let mut taken = 0;
        let mut units: Vec<Bytes> = Vec::with_capacity(ends.len());
        for end in ends {
            let unit = rest.split_to(end - taken);
            taken = end;
            if !unit.is_empty() {
                units.push(unit);
            }
        }
        if units.is_empty() {
            return Err(Error::Library {
                codec: CODEC,
                reason: "the encoder gave nothing for a picture".into(),
            });
        }
        self.since_idr = if keyframe { 1 } else { self.since_idr + 1 };
        self.fresh = false;
        Ok(AccessUnit { units, keyframe })
    }
}

/// Lends the planes of a picture to the library.
struct Planes<'a>(&'a I420Frame);

impl YUVSource for Planes<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width, self.0.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.0.width, self.0.width / 2, self.0.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.0.y
    }

    fn u(&self) -> &[u8] {
        &self.0.u
    }

    fn v(&self) -> &[u8] {
        &self.0.v
    }
}

fn without_start_code(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0, 0, 0, 1]).or_else(|| unit.strip_prefix(&[0, 0, 1])).unwrap_or(unit)
}

fn library(error: openh264::Error) -> Error {
    Error::Library { codec: CODEC, reason: error.to_string() }
}
