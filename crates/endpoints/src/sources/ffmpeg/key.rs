//! Names of the parameters of `ffmpeg:`; what they mean is in `docs/sources/ffmpeg.md`.

use crate::parameters::Parameter;

pub(super) const VIDEO: &str = "video";
pub(super) const AUDIO: &str = "audio";
pub(super) const WIDTH: &str = "width";
pub(super) const HEIGHT: &str = "height";
pub(super) const ROTATE: &str = "rotate";
pub(super) const DRAWTEXT: &str = "drawtext";
pub(super) const BITRATE: &str = "bitrate";
pub(super) const HARDWARE: &str = "hardware";
pub(super) const INPUT: &str = "input";
pub(super) const TIMEOUT: &str = "timeout";
pub(super) const ASYNC: &str = "async";
pub(super) const QUERY: &str = "query";
pub(super) const RAW: &str = "raw";

/// All of them.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::new(VIDEO),
    Parameter::new(AUDIO),
    Parameter::new(WIDTH),
    Parameter::new(HEIGHT),
    Parameter::new(ROTATE),
    Parameter::new(DRAWTEXT),
    Parameter::new(BITRATE),
    Parameter::new(HARDWARE),
    Parameter::new(INPUT),
    Parameter::new(TIMEOUT),
    Parameter::new(ASYNC),
    Parameter::new(QUERY),
    Parameter::new(RAW),
];
