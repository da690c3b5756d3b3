//! A program as a source: it pushes to our RTSP server ([`super::push`]) or
//! writes to its standard output ([`super::pipe`]).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted, Url};
use rs2rtc_streams::{Description, Producer};

use super::{Command, Process, Stop, pipe, push, words};
use crate::Context;

/// What stands for the address that the program has to push to.
const OUTPUT: &str = "{output}";
/// How long a program has to deliver if nothing else is said.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the last words of a program that ended may take.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// A program that is to be a source.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The whole command line; with `{output}` the program pushes over RTSP.
    pub command: String,
    /// How it is ended.
    pub stop: Stop,
    /// How long it has to deliver.
    pub start_timeout: Duration,
}

impl Plan {
    /// A plan for a command, ended according to what it reads.
    pub fn new(command: &str) -> Self {
        let stop = if wants_goodbye(command) { Stop::GOODBYE } else { Stop::KILL };
        Self { command: command.to_owned(), stop, start_timeout: START_TIMEOUT }
    }

    /// Whether the command can be split into words.
    ///
    /// # Errors
    /// `Config`, as [`split`].
    pub fn check(&self) -> Result<(), Error> {
        split(&self.command).map(|_| ())
    }

    /// Starts the program and waits until it delivers. Dropping the future
    /// kills it.
    ///
    /// # Errors
    /// `Config` for what the configuration must change (no such program, no RTSP
    /// server), `Ended` and `Unreachable` for a program that does not deliver.
    pub async fn open(self, context: Arc<Context>) -> Result<Box<dyn Producer>, Error> {
        if self.command.contains(OUTPUT) {
            push::open(&context, &self).await
        } else {
            pipe::open(&context, &self).await
        }
    }

    /// The words of the command with `output` filled in.
    pub(super) fn command(&self, output: Option<&str>) -> Result<Command, Error> {
        let filled = output.map(|output| self.command.replacen(OUTPUT, output, 1));
        let words = split(filled.as_deref().unwrap_or(&self.command))?;
        let pipe = output.is_none();
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        Ok(Command { program, arguments: words.collect(), pipe })
    }

    /// The part of a connection's description that a program source has.
    pub(super) fn describe(&self, description: &mut Description) {
        description.source.clone_from(&self.command);
        if let Some(url) = input_url(&self.command) {
            let near = if description.remote_addr.is_empty() {
                "127.0.0.1"
            } else {
                &description.remote_addr
            };
            description.remote_addr = format!("{near} forwarded {}", url.authority());
            description.url = url.expose();
        }
    }
}

/// The words of a command line.
///
/// # Errors
/// `Config` with the command and what is wrong with it.
pub fn split(command: &str) -> Result<Vec<String>, Error> {
    let wrong = |e| Error::caused(ErrorKind::Config, format!("exec: {}", Redacted(command)), e);
    words::split(command).map_err(wrong)
}

/// Starts a command, with an error that names the program.
pub(super) async fn start(context: &Context, command: &Command) -> Result<Process, Error> {
    let program = &command.program;
    Process::start(command, &context.tasks).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let text = format!("exec: program not found: {program}: install it or fix the path");
            Error::new(ErrorKind::Config, text)
        }
        io::ErrorKind::PermissionDenied => {
            let text = format!("exec: no permission to run {program}: check its mode (chmod +x)");
            Error::new(ErrorKind::Config, text)
        }
        io::ErrorKind::ResourceBusy | io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => {
            Error::caused(ErrorKind::Busy, format!("exec: {program}"), error)
        }
        _ => Error::caused(ErrorKind::Config, format!("exec: {program}"), error),
    })
}

/// The error for a program that did not deliver: what happened, then what it said.
pub(super) async fn failed(process: &Process, kind: ErrorKind, text: &str) -> Error {
    let _ = tokio::time::timeout(LAST_WORDS, process.output().ended()).await;
    let words = process.output().beginning();
    Error::new(kind, format!("{text}\n{}", words.trim_end()))
}

/// The error for a program that ended after it had delivered; `None` if that
/// was its regular end.
pub(super) async fn ended(process: &mut Process) -> Option<Error> {
    let status = process.exited().await;
    if status.success() {
        return None;
    }
    let _ = tokio::time::timeout(LAST_WORDS, process.output().ended()).await;
    let words = process.output().last_lines(5);
    let text = format!("exec: the program ended: {status}\n{words}");
    Some(Error::new(ErrorKind::Ended, text.trim_end()))
}

/// Schemes whose other side keeps a session that wants a goodbye. HTTP has none:
/// its end is the end of the connection, which the kernel closes.
const SESSIONS: [&str; 7] = ["rtsp", "rtsps", "rtmp", "rtmps", "rtmpt", "rtmpe", "srt"];

/// Whether the command reads from such a session that is not our own server's.
fn wants_goodbye(command: &str) -> bool {
    let urls = command.split([' ', '\t', '\n', '"', '\'', '=']);
    urls.filter_map(|word| word.split_once("://")).any(|(scheme, rest)| {
        let ours = rest.starts_with("127.0.0.1:") || rest.starts_with("localhost:");
        SESSIONS.contains(&scheme.to_ascii_lowercase().as_str()) && !ours
    })
}

/// The address after `-i`, if it is a URL with a host.
fn input_url(command: &str) -> Option<Url> {
    let words = words::split(command).ok()?;
    let at = words.iter().position(|word| word == "-i")?;
    let url = Url::parse(words.get(at + 1)?).ok()?;
    (!url.host.is_empty()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_sessions_get_a_goodbye() {
        let goodbye = |command| Plan::new(command).stop == Stop::GOODBYE;
        assert!(goodbye("ffmpeg -rtsp_transport tcp -i rtsp://cam/1 -f rtsp {output}"));
        assert!(goodbye("sh -c \"ffmpeg -i 'RTMP://cam/1'\""));
        assert!(goodbye("gst-launch-1.0 rtspsrc location=rtsp://cam/1"));
        assert!(!goodbye("ffmpeg -i rtsp://127.0.0.1:8554/cam?video -f rtsp {output}"));
        assert!(!goodbye("ffmpeg -i http://cam/video.mjpg -f mjpeg -"));
        assert!(!goodbye("ffmpeg -f v4l2 -i /dev/video0 -f rtsp {output}"));
    }

    #[test]
    fn the_input_is_shown_as_the_remote_side() {
        let plan = Plan::new("ffmpeg -i rtsp://u:p@cam:554/1 -f rtsp {output}");
        let remote_addr = "127.0.0.1:5000".to_owned();
        let mut description = Description { remote_addr, ..Description::default() };
        plan.describe(&mut description);
        assert_eq!(description.remote_addr, "127.0.0.1:5000 forwarded cam:554");
        assert_eq!(description.url, "rtsp://u:p@cam:554/1");
        assert_eq!(description.source, plan.command);
        let mut description = Description::default();
        Plan::new("ffmpeg -i /dev/video0").describe(&mut description);
        assert_eq!((description.remote_addr.as_str(), description.url.as_str()), ("", ""));
    }

    #[test]
    fn the_output_is_filled_in_before_splitting() {
        let plan = Plan::new("a -f {output}#x '{output}'");
        let command = plan.command(Some("rtsp://h/k")).unwrap();
        assert_eq!((command.program.as_str(), command.pipe), ("a", false));
        assert_eq!(command.arguments, ["-f", "rtsp://h/k#x", "{output}"]);
        assert!(Plan::new("a").command(None).unwrap().pipe);
        assert_eq!(Plan::new("a 'b").command(None).unwrap_err().kind(), ErrorKind::Config);
    }
}
