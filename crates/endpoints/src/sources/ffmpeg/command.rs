//! Builds FFmpeg command lines (`spec/protocols-standard.md` 7). Pure text.

use rs2rtc_base::{Error, ErrorKind, Fragment};

use super::hardware::{self, Engine};
use super::input;
use super::key;
use super::templates::Templates;

/// What the builder must know of the world.
pub(super) struct Environment<'a> {
    pub(super) templates: Templates<'a>,
    /// Whether a stream of that name exists.
    pub(super) is_stream: &'a dyn Fn(&str) -> bool,
    /// Where our RTSP server listens.
    pub(super) rtsp_port: Option<u16>,
    /// Version of libavformat; `None` if unknown.
    pub(super) libavformat: Option<(u32, u32)>,
    /// The value of `-v`; empty leaves the option out.
    pub(super) log_level: &'a str,
    /// What `#audio=auto` stands for.
    pub(super) sound: &'a str,
    /// What `#hardware` without a name stands for.
    pub(super) engine: Engine,
    /// The text after `ffmpeg:`, parameters included.
    pub(super) source: &'a str,
}

/// A command in the parts that hardware engines change.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) input: String,
    pub(super) raw: Vec<String>,
    pub(super) video: Vec<String>,
    pub(super) bitrate: String,
    pub(super) audio: Vec<String>,
    pub(super) filters: Vec<String>,
}

/// The whole command line, with `{output}` unless it writes to a pipe.
///
/// # Errors
/// `Config` and `NotFound` with the parameter or stream that is wrong.
pub(super) fn build(environment: &Environment<'_>) -> Result<String, Error> {
    let templates = environment.templates;
    let (input, parameters) = Fragment::split(environment.source);
    if input.is_empty() {
        return Err(wrong("there is no input"));
    }
    let texts = |key: &str| -> Vec<String> {
        let values = parameters.get_all(key).filter(|v| !v.is_empty());
        values.map(|v| templates.get_or(v).to_owned()).collect()
    };
    let mut parts = Parts {
        input: input::arguments(input, &parameters, environment)?,
        raw: texts(key::RAW),
        video: codecs(&parameters, key::VIDEO, environment),
        bitrate: String::new(),
        audio: codecs(&parameters, key::AUDIO, environment),
        filters: filters(&parameters),
    };
    if let Some(rate) = parameters.get(key::BITRATE)
        && !parts.video.is_empty()
    {
        parts.bitrate = format!("-b:v {rate} -maxrate {rate} -bufsize {rate}");
    }
    if let Some(name) = parameters.get(key::HARDWARE) {
        let unknown = || wrong(&format!("unknown hardware engine {name}"));
        let engine = match name {
            "" => environment.engine,
            name => Engine::from_name(name).ok_or_else(unknown)?,
        };
        hardware::apply(&mut parts, engine, templates);
    }
    let output = output(&parameters, &parts, environment);
    Ok(parts.join(environment, output))
}

/// The codec whose engine has to be found before the command can be built, if
/// `#hardware` names none. H.265 takes the engine of another codec or none.
pub(super) fn probed_codec(source: &str, templates: Templates<'_>) -> Option<&'static str> {
    let (_, parameters) = Fragment::split(source);
    if parameters.get(key::HARDWARE) != Some("") {
        return None;
    }
    let codecs = parameters.get_all(key::VIDEO).map(|name| templates.get_or(name));
    let mut names = codecs.filter_map(hardware::replaceable);
    names.find(|name| matches!(*name, "h264" | "mjpeg"))
}

fn wrong(text: &str) -> Error {
    Error::new(ErrorKind::Config, format!("ffmpeg: {text}"))
}

/// The texts of the codecs; a bare `#video` means nothing more than that there
/// shall be video.
fn codecs(parameters: &Fragment, key: &str, environment: &Environment<'_>) -> Vec<String> {
    let kind = key.get(..1).unwrap_or_default();
    let codec = |name: &str| match name {
        "" | "copy" => format!("-c:{kind} copy"),
        "auto" if kind == "a" => environment.templates.get_or(environment.sound).to_owned(),
        name => environment.templates.get_or(name).to_owned(),
    };
    parameters.get_all(key).map(codec).collect()
}

/// Size, turning and text, in this order. The contract passes over an angle that is
/// none of a picture's; here that is told too.
fn filters(parameters: &Fragment) -> Vec<String> {
    let mut filters = Vec::new();
    let (width, height) = (parameters.get(key::WIDTH), parameters.get(key::HEIGHT));
    if width.is_some() || height.is_some() {
        filters.push(format!("scale={}:{}", width.unwrap_or("-1"), height.unwrap_or("-1")));
    }
    match parameters.get(key::ROTATE) {
        None | Some("" | "0") => {}
        Some("90") => filters.push("transpose=1".to_owned()),
        Some("180") => filters.push("transpose=1,transpose=1".to_owned()),
        Some("-90" | "270") => filters.push("transpose=2".to_owned()),
        Some(angle) => tracing::warn!(
            target: "ffmpeg",
            angle,
            "[ffmpeg] pictures are not turned: rotate takes 0, 90, 180 or 270"
        ),
    }
    if let Some(options) = parameters.get(key::DRAWTEXT) {
        let clock = if options.contains("text=") { "" } else { CLOCK };
        filters.push(format!("drawtext={options}{clock}"));
    }
    filters
}

/// The text that is drawn if none is given: date and time.
const CLOCK: &str = r":text='%{localtime\:%Y-%m-%d %X}'";

/// How it gives its output: over RTSP, or, for what needs no timestamps of its
/// own, through a pipe.
fn output<'a>(parameters: &Fragment, parts: &Parts, environment: &Environment<'a>) -> &'a str {
    let sound = match one(parameters, key::AUDIO) {
        Count::One("auto") => Count::One(environment.sound),
        other => other,
    };
    let name = match (one(parameters, key::VIDEO), sound) {
        (Count::None, Count::None) if parts.input.contains(" mjpeg ") => "output/mjpeg",
        (Count::One("mjpeg"), Count::None) => "output/mjpeg",
        (Count::One(video), Count::None) if video.starts_with("raw") => "output/raw",
        (Count::None, Count::One(audio)) if audio.starts_with("aac") => "output/aac",
        (Count::None, Count::One(audio))
            if ["pcma", "pcmu", "pcml"].iter().any(|pcm| audio.starts_with(pcm)) =>
        {
            "output/wav"
        }
        _ => "output",
    };
    environment.templates.get(name).unwrap_or_default()
}

enum Count<'a> {
    None,
    One(&'a str),
    Many,
}

fn one<'a>(parameters: &'a Fragment, key: &str) -> Count<'a> {
    let mut values = parameters.get_all(key);
    match (values.next(), values.next()) {
        (None, _) => Count::None,
        (Some(value), None) => Count::One(value),
        _ => Count::Many,
    }
}

impl Parts {
    /// The command line.
    pub(super) fn join(&self, environment: &Environment<'_>, output: &str) -> String {
        let templates = environment.templates;
        let mut words = Vec::new();
        let mut add = |text: &str| {
            if !text.is_empty() {
                words.push(text.to_owned());
            }
        };
        add(templates.get("bin").unwrap_or_default());
        add(templates.get("global").unwrap_or_default());
        if !environment.log_level.is_empty() {
            add(&format!("-v {}", environment.log_level));
        }
        add(&self.input);
        self.raw.iter().for_each(|raw| add(raw));
        mapped(&self.video, 'v').iter().for_each(|codec| add(codec));
        add(&self.bitrate);
        mapped(&self.audio, 'a').iter().for_each(|codec| add(codec));
        match (self.video.is_empty(), self.audio.is_empty()) {
            (true, true) => add("-c copy"),
            (true, false) => add("-vn"),
            (false, true) => add("-an"),
            (false, false) => {}
        }
        if !self.filters.is_empty() {
            add(&format!("-vf \"{}\"", self.filters.join(",")));
        }
        add(output);
        words.join(" ")
    }
}

/// Several codecs of a kind become several tracks of the same input.
fn mapped(codecs: &[String], kind: char) -> Vec<String> {
    if codecs.len() < 2 {
        return codecs.to_vec();
    }
    let numbered = codecs.iter().enumerate().map(|(index, codec)| {
        let codec = codec.replace(&format!(":{kind} "), &format!(":{kind}:{index} "));
        format!("-map 0:{kind}:0? {codec}")
    });
    numbered.collect()
}
