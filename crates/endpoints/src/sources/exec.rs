//! `exec:`: the output of a program (`spec/protocols-standard.md` 5,
//! `docs/sources/exec.md`). Only the configuration can name one.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Fragment};
use rs2rtc_media::Codec;
use rs2rtc_streams::OpenRequest;
use rustix::process::Signal;

use crate::Context;
use crate::io::process::Stop;
use crate::io::process::source::{self, Plan};
use crate::parameters::Parameter;
use crate::table::Opening;

/// Settings of `exec:`.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Programs that may be run, compared exactly with the first word; `None` means any.
    pub allow_paths: Option<Vec<String>>,
}

/// Checks an `exec:` source.
///
/// # Errors
/// `Config`: no command, a quote that is not closed, a wrong parameter.
pub fn check(source: &str) -> Result<(), Error> {
    parse(source).map(|_| ())
}

/// Starts the program and waits until it delivers.
pub fn open(context: Arc<Context>, request: OpenRequest) -> Opening {
    Box::pin(async move {
        let Source { plan, talk } = parse(&request.source)?;
        context.exec.get().allow(&plan.command)?;
        match talk {
            Some(codec) => plan.talk(context, codec),
            None => plan.open(context, &request.cancel).await,
        }
    })
}

/// The capture device that the command opens, if it names one.
pub fn device(source: &str) -> Option<String> {
    let words = source.split([' ', '\t', '\n', '"', '\'', '=', '#']);
    words.filter(|word| word.starts_with("/dev/video")).map(str::to_owned).next()
}

impl Config {
    /// Whether a command may be run.
    ///
    /// # Errors
    /// `Config` naming the program.
    pub fn allow(&self, command: &str) -> Result<(), Error> {
        let words = source::split(command)?;
        let program = words.first().map_or("", String::as_str);
        match &self.allow_paths {
            Some(allowed) if !allowed.iter().any(|path| path == program) => {
                let text = format!("exec: bin not in allow_paths: {program}");
                Err(Error::new(ErrorKind::Config, text))
            }
            _ => Ok(()),
        }
    }
}

const KILLSIGNAL: &str = "killsignal";
const KILLTIMEOUT: &str = "killtimeout";
const STARTTIMEOUT: &str = "starttimeout";
const BACKCHANNEL: &str = "backchannel";
const AUDIO: &str = "audio";

/// What may stand behind `#`.
pub const PARAMETERS: &[Parameter] = &[
    Parameter::new(KILLSIGNAL),
    Parameter::new(KILLTIMEOUT),
    Parameter::new(STARTTIMEOUT),
    Parameter::of(BACKCHANNEL, &["0", "1"]),
    Parameter::new(AUDIO),
];

/// What a program plays if nothing else is said.
const TALK: &str = "s16le/16000";

/// An `exec:` source.
#[derive(Debug)]
struct Source {
    plan: Plan,
    /// It plays what somebody says, in this codec.
    talk: Option<Codec>,
}

fn parse(source: &str) -> Result<Source, Error> {
    let text = source.strip_prefix("exec:").unwrap_or(source);
    let (command, parameters) = Fragment::split(text);
    if command.trim().is_empty() {
        let text = "exec: there is no command: write exec:PROGRAM ARGUMENTS";
        return Err(Error::new(ErrorKind::Config, text));
    }
    source::split(command)?;
    let mut plan = Plan::new(command);
    let signal = number(&parameters, KILLSIGNAL)?;
    let timeout = number(&parameters, KILLTIMEOUT)?;
    if signal.is_some() || timeout.is_some() {
        let wrong = || wrong(KILLSIGNAL, "the number of a signal, e.g. 15");
        let signal = match signal {
            Some(number) => {
                i32::try_from(number).ok().and_then(Signal::from_named_raw).ok_or_else(wrong)?
            }
            None => Signal::KILL,
        };
        plan.stop = Stop::custom(signal, Duration::from_secs(timeout.unwrap_or(0)));
    }
    if let Some(seconds) = number(&parameters, STARTTIMEOUT)? {
        plan.start_timeout = Duration::from_secs(seconds.max(1));
    }
    let talk = match parameters.get(BACKCHANNEL) {
        None | Some("0") => None,
        Some(_) => {
            let text = parameters.get(AUDIO).filter(|text| !text.is_empty()).unwrap_or(TALK);
            let unknown = || wrong(AUDIO, "a codec such as alaw/8000 or s16le/16000");
            Some(Codec::from_text(text).ok_or_else(unknown)?)
        }
    };
    Ok(Source { plan, talk })
}

fn number(parameters: &Fragment, key: &str) -> Result<Option<u64>, Error> {
    let Some(value) = parameters.get(key) else { return Ok(None) };
    let number = value.parse().ok().filter(|n| *n <= 24 * 3600);
    number.map(Some).ok_or_else(|| wrong(key, "a number"))
}

fn wrong(key: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::Config, format!("exec: {key} must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        let plan = |source| parse(source).unwrap().plan;
        let default = plan("exec:ffmpeg -i rtsp://cam/ {output}");
        assert_eq!((default.stop, default.start_timeout), (Stop::GOODBYE, source::START_TIMEOUT));
        let set = plan("exec:a {output}#killsignal=15#killtimeout=5#starttimeout=15");
        assert_eq!(set.command, "a {output}");
        assert_eq!(set.stop, Stop::custom(Signal::TERM, Duration::from_secs(5)));
        assert_eq!(set.start_timeout, Duration::from_secs(15));
        let set = plan("exec:ffmpeg -i rtsp://cam/ -#killtimeout=1");
        assert_eq!(set.stop.signal, Signal::KILL);
        for bad in ["exec:", "exec:a 'b", "exec:a#killsignal=999", "exec:a#killtimeout=x"] {
            assert_eq!(check(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }

    #[test]
    fn backchannel() {
        let talk = |source| parse(source).unwrap().talk.map(|codec| codec.to_string());
        assert_eq!(talk("exec:aplay"), None);
        assert_eq!(talk("exec:aplay#audio=alaw/8000"), None);
        assert_eq!(talk("exec:aplay#backchannel=1").as_deref(), Some("PCML/16000"));
        let alaw =
            talk("exec:ffmpeg -f alaw -ar 8000 -i - -f null -#backchannel=1#audio=alaw/8000");
        assert_eq!(alaw.as_deref(), Some("PCMA/8000"));
        let error = check("exec:a#backchannel=1#audio=h264").unwrap_err();
        assert_eq!(
            error.to_string(),
            "exec: audio must be a codec such as alaw/8000 or s16le/16000"
        );
    }

    #[test]
    fn devices() {
        let found = |source| device(source);
        let video1 = Some("/dev/video1".to_owned());
        assert_eq!(found("exec:ffmpeg -f v4l2 -i /dev/video1 -f rtsp {output}"), video1);
        assert_eq!(found("exec:gst-launch-1.0 v4l2src device=/dev/video1 ! x"), video1);
        assert_eq!(found("exec:ffmpeg -i rtsp://cam/dev/video1 {output}"), None);
    }

    #[test]
    fn allow_paths_compares_the_first_word() {
        let config = Config { allow_paths: Some(vec!["ffmpeg".into(), "/opt/my cam".into()]) };
        assert!(config.allow("ffmpeg -i x").is_ok());
        assert!(config.allow("'/opt/my cam' x").is_ok());
        let error = config.allow("/usr/bin/ffmpeg").unwrap_err();
        assert_eq!(error.to_string(), "exec: bin not in allow_paths: /usr/bin/ffmpeg");
        assert!(Config::default().allow("anything").is_ok());
    }
}
