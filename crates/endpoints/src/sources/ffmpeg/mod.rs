//! `ffmpeg:`: anything FFmpeg reads, converted on the way if wanted
//! (`spec/protocols-standard.md` 7, `docs/sources/ffmpeg.md`).
//!
//! The source text becomes a command line ([`command`]), which then runs like
//! that of any other program.

mod auto;
mod command;
mod found;
mod hardware;
mod input;
mod key;
mod picture;
mod probe;
mod risk;
mod run;
mod templates;
mod version;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rs2rtc_base::{Error, ErrorKind, Fragment, nearest};
use rs2rtc_streams::{OpenRequest, Origin};

use crate::Context;
use crate::io::process::source::Plan;
use crate::table::{IsStream, Opening, Risk};
use command::Environment;
use hardware::Engine;
use templates::Templates;

pub use found::{Found, devices, hardware, program};
pub use key::PARAMETERS;
pub(crate) use picture::picture;

/// Settings of `ffmpeg:`: templates that override or add to the built-in ones.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Template name to text (`bin`, `global`, `h264`, …; `protocols-standard.md` 7.3).
    pub templates: BTreeMap<String, String>,
    /// The `-v` value (`log.ffmpeg`), `error` by default.
    pub log_level: Option<String>,
}

impl Config {
    /// FFmpeg's name of the level.
    fn log_level(&self) -> &str {
        match self.log_level.as_deref() {
            None | Some("") => "error",
            Some("warn") => "warning",
            Some("disabled") => "quiet",
            Some(level) => level,
        }
    }
}

/// What the source may do: only some kinds may be named over the network.
pub fn risk(source: &str, is_stream: IsStream<'_>) -> Risk {
    risk::risk(source, is_stream)
}

/// The error of a source that somebody may not name: the contract's text, and the part of
/// the source that it is about.
pub fn refused(source: &str) -> Error {
    let text = format!("streams: source from insecure producer: {}", risk::culprit(source));
    Error::new(ErrorKind::Config, text)
}

/// The capture device that a text without its scheme opens. The picture's, if
/// it has picture and sound.
pub fn device(text: &str) -> Option<String> {
    input::device_path(Fragment::split(text).0)
}

/// Checks an `ffmpeg:` source. Whether streams it names exist is not asked.
///
/// # Errors
/// `Config`, naming the parameter.
pub fn check(source: &str) -> Result<(), Error> {
    let config = Config::default();
    let environment = Environment {
        templates: Templates(&config.templates),
        is_stream: &|name| matches!(input::Input::parse(name), input::Input::Word),
        rtsp_port: Some(1),
        libavformat: None,
        log_level: "",
        sound: SOUND,
        engine: Engine::Software,
        source: text(source),
    };
    let command = command::build(&environment)?;
    Plan::new(&command).check()
}

/// What `#video=` and `#audio=` name that is neither a template, built in or one of these,
/// nor an option of FFmpeg: FFmpeg takes such a word for a file to write.
pub fn odd_codecs(source: &str, templates: &BTreeMap<String, String>) -> Vec<String> {
    let templates = Templates(templates);
    let (_, parameters) = Fragment::split(text(source));
    let named = parameters.iter().filter(|(key, _)| [key::VIDEO, key::AUDIO].contains(key));
    let odd = named.filter(|(key, name)| {
        let known = ["", "copy"].contains(name) || (*key == key::AUDIO && *name == "auto");
        let option = name.trim_start_matches(['"', '\'', ' ']).starts_with('-');
        !known && !option && templates.get(name).is_none()
    });
    odd.map(|(key, name)| {
        let words = ["h264", "h265", "mjpeg", "raw"].into_iter();
        let sounds = ["aac", "opus", "pcma", "pcmu", "mp3"].into_iter();
        let known: Vec<&str> = if key == key::VIDEO { words.collect() } else { sounds.collect() };
        if !crate::parameters::is_word(&name.replace('/', "-")) {
            return format!("the value of #{key} is neither a codec nor an option of FFmpeg");
        }
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("use copy, {} or a template of section ffmpeg", known.join(", ")),
        };
        format!("#{key}={name} is no codec that is known here, {hint}")
    })
    .collect()
}

/// What `#audio=auto` is where nothing else is asked for: every viewer
/// understands it.
const SOUND: &str = "opus";

/// Builds the command, starts it and waits until it delivers. With
/// `#audio=auto` it is started when somebody has chosen a codec.
pub fn open(context: Arc<Context>, request: OpenRequest) -> Opening {
    Box::pin(async move {
        let plan = tokio::select! {
            biased;
            () = request.cancel.cancelled() => {
                let text = "ffmpeg: nobody waits for it any more";
                return Err(Error::new(ErrorKind::Ended, text));
            }
            plan = async {
                // FFmpeg looks the name up itself: it is asked for as late as we can.
                context.reach(request.origin).check(&request.source).await?;
                plan(&context, &request.source, request.origin, None).await
            } => plan?,
        };
        if auto::is_asked(&request.source) {
            return Ok(auto::producer(context, &request.source, request.origin));
        }
        plan.open(context, &request.cancel).await
    })
}

/// The command of a source; `sound` is what `#audio=auto` stands for.
///
/// Whether its input is a stream is asked once, and what that makes of the source
/// is judged again: a stream that has gone since leaves the name of a file.
async fn plan(
    context: &Arc<Context>,
    source: &str,
    origin: Origin,
    sound: Option<&str>,
) -> Result<Plan, Error> {
    let named = context.has_stream(Fragment::split(text(source)).0);
    let is_stream = |_: &str| named;
    if !risk(source, &is_stream).is_allowed(origin) {
        return Err(refused(source));
    }
    let config = context.ffmpeg.get();
    let templates = Templates(&config.templates);
    let bin = templates.get("bin").unwrap_or_default();
    context.exec.get().allow(bin)?;
    let libavformat = version::libavformat(bin, &context.tasks).await?;
    let engine = match command::probed_codec(text(source), templates) {
        Some(codec) => probe::best(bin, codec, &context.tasks).await,
        None => Engine::Software,
    };
    let command = command::build(&Environment {
        templates,
        is_stream: &is_stream,
        rtsp_port: context.rtsp_port(),
        libavformat,
        log_level: config.log_level(),
        sound: sound.unwrap_or(SOUND),
        engine,
        source: text(source),
    })?;
    tracing::debug!(target: "ffmpeg", command = %rs2rtc_base::Redacted(&command), "[ffmpeg] run");
    Ok(Plan::new(&command))
}

fn text(source: &str) -> &str {
    source.strip_prefix("ffmpeg:").unwrap_or(source)
}
