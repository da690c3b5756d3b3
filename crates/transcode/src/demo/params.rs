//! The parameters of a `demo:` address:
//! `demo:?width=&height=&fps=&gop=&video=h264|mjpeg&audio=opus|pcmu|none`.

/// What the demo camera produces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Params {
    /// Width in pixels, even, 160..=3840; default 1280.
    pub width: usize,
    /// Height in pixels, even, 120..=2160; default 720.
    pub height: usize,
    /// Pictures per second, 1..=60; default 30.
    pub fps: u32,
    /// Pictures from one keyframe to the next, 1..=600; default two seconds (`2 * fps`,
    /// 60 at 30 pictures per second). MJPEG has keyframes only.
    pub gop: u32,
    /// Video codec; default H.264.
    pub video: Video,
    /// Audio codec; default Opus.
    pub audio: Audio,
}

/// Video codec of the demo camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Video {
    /// `h264`
    H264,
    /// `mjpeg`
    Mjpeg,
}

/// Audio codec of the demo camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Audio {
    /// `opus`: 48 kHz mono.
    Opus,
    /// `pcmu`: G.711 µ-law, 8 kHz mono.
    Pcmu,
    /// `none`: no sound track.
    None,
}

/// Why a `demo:` address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// Something between `demo:` and the parameters, or another scheme.
    #[error("demo: \"{0}\" is not understood, expected demo: or demo:?name=value&name=value")]
    Form(String),
    /// A parameter that does not exist.
    #[error("demo: unknown parameter \"{key}\", did you mean \"{nearest}\"?")]
    UnknownKey {
        /// As written.
        key: String,
        /// The valid name that looks most like it.
        nearest: &'static str,
    },
    /// A parameter given twice.
    #[error("demo: parameter \"{0}\" is given twice")]
    Twice(&'static str),
    /// A value that does not fit.
    #[error("demo: {key}={value} is not possible, allowed is {allowed}")]
    BadValue {
        /// Name of the parameter.
        key: &'static str,
        /// As written.
        value: String,
        /// The allowed values in words.
        allowed: &'static str,
    },
}

const KEYS: [&str; 6] = ["width", "height", "fps", "gop", "video", "audio"];
const WIDTH: &str = "an even number from 160 to 3840";
const HEIGHT: &str = "an even number from 120 to 2160";

impl Default for Params {
    fn default() -> Self {
        Self { width: 1280, height: 720, fps: 30, gop: 60, video: Video::H264, audio: Audio::Opus }
    }
}

impl Params {
    /// Reads a whole address (`demo:`, `demo:?width=640`).
    ///
    /// # Errors
    ///
    /// Names the parameter, its value and what is allowed, or the nearest valid name.
    pub fn parse(address: &str) -> Result<Self, ParamError> {
        let form = || ParamError::Form(address.chars().take(200).collect());
        let rest = address.strip_prefix("demo:").ok_or_else(form)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let query = match rest.strip_prefix('?') {
            Some(query) => query,
            None if rest.is_empty() => "",
            None => return Err(form()),
        };

        let mut params = Self::default();
        let mut gop = None;
        let mut seen = [false; KEYS.len()];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(index) = KEYS.iter().position(|known| *known == key) else {
                return Err(ParamError::UnknownKey {
                    key: key.chars().take(100).collect(),
                    nearest: nearest(key),
                });
            };
            let name = KEYS[index];
            if std::mem::replace(&mut seen[index], true) {
                return Err(ParamError::Twice(name));
            }
            match name {
                "width" => params.width = even(name, value, 160, 3840, WIDTH)?,
                "height" => params.height = even(name, value, 120, 2160, HEIGHT)?,
                "fps" => params.fps = number(name, value, 1, 60, "a number from 1 to 60")?,
                "gop" => {
                    let allowed = "a number of frames from 1 to 600";
                    gop = Some(number(name, value, 1, 600, allowed)?);
                }
                "video" => {
                    params.video = match value {
                        "h264" => Video::H264,
                        "mjpeg" => Video::Mjpeg,
                        _ => return Err(bad(name, value, "h264 or mjpeg")),
                    }
                }
                _ => {
                    params.audio = match value {
                        "opus" => Audio::Opus,
                        "pcmu" => Audio::Pcmu,
                        "none" => Audio::None,
                        _ => return Err(bad(name, value, "opus, pcmu or none")),
                    }
                }
            }
        }
        params.gop = gop.unwrap_or(params.fps * 2);
        Ok(params)
    }

    /// A bit rate for H.264 that keeps the picture clean: 2 Mbit/s at 1280x720 and
    /// 30 pictures per second, otherwise by the square root of the pixel rate.
    #[must_use]
    pub fn h264_bitrate(&self) -> u32 {
        let rate = (self.width * self.height) as f64 * f64::from(self.fps);
        let scale = (rate / (1280.0 * 720.0 * 30.0)).sqrt();
        ((2_000_000.0 * scale) as u32).clamp(200_000, 8_000_000)
    }
}

impl Video {
    /// The value of `video=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Mjpeg => "mjpeg",
        }
    }
}

impl Audio {
    /// The value of `audio=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "pcmu",
            Self::None => "none",
        }
    }
}

fn bad(key: &'static str, value: &str, allowed: &'static str) -> ParamError {
    ParamError::BadValue { key, value: value.chars().take(100).collect(), allowed }
}

fn number(
    key: &'static str,
    value: &str,
    low: u32,
    high: u32,
    allowed: &'static str,
) -> Result<u32, ParamError> {
    match value.parse() {
        Ok(number) if (low..=high).contains(&number) => Ok(number),
        _ => Err(bad(key, value, allowed)),
    }
}

fn even(
    key: &'static str,
    value: &str,
    low: u32,
    high: u32,
    allowed: &'static str,
) -> Result<usize, ParamError> {
    match number(key, value, low, high, allowed)? {
        number if number.is_multiple_of(2) => Ok(number as usize),
        _ => Err(bad(key, value, allowed)),
    }
}

/// The valid key with the smallest edit distance (Levenshtein).
fn nearest(key: &str) -> &'static str {
    let lower: Vec<char> = key.chars().take(32).flat_map(char::to_lowercase).collect();
    let distance = |known: &&'static str| {
        let mut row: Vec<usize> = (0..=lower.len()).collect();
        for (i, letter) in known.chars().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], i + 1);
            for (j, other) in lower.iter().enumerate() {
                let replaced = diagonal + usize::from(letter != *other);
                diagonal = row[j + 1];
                row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
            }
        }
        row[lower.len()]
    };
    KEYS.into_iter().min_by_key(distance).unwrap_or(KEYS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults() {
        for address in ["demo:", "demo:?", "demo://"] {
            assert_eq!(Params::parse(address), Ok(Params::default()));
        }
    }

    #[test]
    fn every_parameter() {
        let address = "demo:?width=640&height=360&fps=15&gop=15&video=mjpeg&audio=pcmu";
        let params = Params::parse(address).unwrap();
        assert_eq!(
            params,
            Params {
                width: 640,
                height: 360,
                fps: 15,
                gop: 15,
                video: Video::Mjpeg,
                audio: Audio::Pcmu,
            }
        );
        assert_eq!(Params::parse("demo:?fps=10").unwrap().gop, 20);
        assert_eq!(Params::parse("demo:?audio=none").unwrap().audio, Audio::None);
    }

    #[test]
    fn errors_say_what_to_do() {
        let text = |address: &str| Params::parse(address).unwrap_err().to_string();
        assert_eq!(
            text("demo:?widht=640"),
            "demo: unknown parameter \"widht\", did you mean \"width\"?"
        );
        assert_eq!(text("demo:?FPS=3"), "demo: unknown parameter \"FPS\", did you mean \"fps\"?");
        assert_eq!(
            text("demo:?framerate=3&width=2"),
            "demo: unknown parameter \"framerate\", did you mean \"width\"?"
                .replace("width", nearest("framerate"))
        );
        assert_eq!(
            text("demo:?width=641"),
            "demo: width=641 is not possible, allowed is an even number from 160 to 3840"
        );
        assert_eq!(
            text("demo:?video=h265"),
            "demo: video=h265 is not possible, allowed is h264 or mjpeg"
        );
        assert_eq!(
            text("demo:?fps"),
            "demo: fps= is not possible, allowed is a number from 1 to 60"
        );
        assert!(text("demo:?gop=0").contains("frames from 1 to 600"));
        assert!(text("demo:?fps=1&fps=2").contains("twice"));
        assert!(text("demo:front").contains("demo:front"));
        assert!(text("").contains("expected demo:"));
    }

    #[test]
    fn bit_rate_follows_the_size() {
        assert_eq!(Params::default().h264_bitrate(), 2_000_000);
        let small = Params::parse("demo:?width=320&height=240&fps=15").unwrap();
        assert!((200_000..600_000).contains(&small.h264_bitrate()));
    }
}
