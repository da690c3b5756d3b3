//! A program as a source: it pushes to our RTSP server ([`super::push`]) or
//! writes to its standard output ([`super::piped`]). One that plays sound reads it
//! from its standard input ([`super::talk`]).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted, Url};
use rs2rtc_media::Codec;
use rs2rtc_streams::{CancellationToken, Description, Producer};

use super::{Command, Process, Stop, piped, push, talk, words};
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

    /// Starts the program and waits until it delivers. Once `cancel` fires the
    /// program is ended as after a run, and gone when the future returns.
    /// Dropping the future kills it.
    ///
    /// # Errors
    /// `Config` for what the configuration must change (no such program, no RTSP
    /// server), `Ended` and `Unreachable` for a program that does not deliver.
    pub async fn open(
        self,
        context: Arc<Context>,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn Producer>, Error> {
        if self.command.contains(OUTPUT) {
            push::open(&context, &self, cancel).await
        } else {
            piped::open(&context, &self, cancel).await
        }
    }

    /// Offers the program's standard input to those who talk, in this codec. It
    /// is not started before somebody does.
    ///
    /// # Errors
    /// `Config`, as [`split`].
    pub fn talk(self, context: Arc<Context>, codec: Codec) -> Result<Box<dyn Producer>, Error> {
        self.check()?;
        Ok(talk::open(context, self, codec))
    }

    /// The words of the command of a program that reads sound.
    pub(super) fn talk_command(&self) -> Result<Command, Error> {
        Ok(Command { pipe: false, stdin: true, ..self.command(None)? })
    }

    /// The words of the command with `output` filled in.
    pub(super) fn command(&self, output: Option<&str>) -> Result<Command, Error> {
        let filled = output.map(|output| self.command.replacen(OUTPUT, output, 1));
        let words = split(filled.as_deref().unwrap_or(&self.command))?;
        let pipe = output.is_none();
        let mut words = words.into_iter();
        let program = words.next().unwrap_or_default();
        Ok(Command { program, arguments: words.collect(), pipe, stdin: false })
    }

    /// The part of a connection's description that a program source has;
    /// `output`: where it was told to push to.
    pub(super) fn describe(&self, description: &mut Description, output: Option<&str>) {
        let command = output.map(|output| self.command.replacen(OUTPUT, output, 1));
        description.source = format!("exec:{}", command.as_ref().unwrap_or(&self.command));
        if let Some(url) = input_url(&self.command) {
            description.remote_addr = match description.remote_addr.as_str() {
                "" => url.authority(),
                near => format!("{near} forwarded {}", url.authority()),
            };
            description.url = url.expose();
        } else if output.is_some() {
            // Its own address is that of our port and a key that nobody else may know: the source names it.
            description.url.clear();
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

/// The error of a start that nobody waits for any more.
pub(super) fn unwanted() -> Error {
    Error::new(ErrorKind::Ended, "exec: nobody waits for it any more")
}

/// The error for a program that did not deliver: what happened, then what it
/// said. For a program that ended its last words decide the kind.
pub(super) async fn failed(process: &mut Process, kind: ErrorKind, text: &str) -> Error {
    if kind != ErrorKind::Unreachable {
        let last = async {
            process.exited().await;
            process.output().ended().await;
        };
        let _ = tokio::time::timeout(LAST_WORDS, last).await;
    }
    let kind = match kind {
        ErrorKind::Ended => classify(&process.output().last_lines(TELLING)).unwrap_or(kind),
        kind => kind,
    };
    let mut words = process.output().beginning();
    if words.ends_with("...") {
        // The reason of a program that says much stands at the end.
        words = format!("{words}\n{}", process.output().last_lines(3));
    }
    if words.trim().is_empty()
        && let Some(status) = process.status()
    {
        words = format!("the program ended: {status}");
    }
    Error::new(kind, format!("{text}\n{}", words.trim_end()).trim_end())
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
    let kind = classify(&process.output().last_lines(TELLING)).unwrap_or(ErrorKind::Ended);
    Some(Error::new(kind, text.trim_end()))
}

/// Lines at the end of a program's output that may tell why it ended.
const TELLING: usize = 10;

/// What programs say (the C library's and FFmpeg's texts, in lower case), and
/// what it means for the next try.
const TEXTS: [(&str, ErrorKind); 20] = [
    ("device or resource busy", ErrorKind::Busy),
    ("resource busy", ErrorKind::Busy),
    ("ebusy", ErrorKind::Busy),
    ("453 not enough bandwidth", ErrorKind::Busy),
    ("503 service unavailable", ErrorKind::Busy),
    ("no such device", ErrorKind::Gone),
    ("enodev", ErrorKind::Gone),
    ("401 unauthorized", ErrorKind::Auth),
    ("403 forbidden", ErrorKind::Auth),
    ("404 not found", ErrorKind::NotFound),
    ("connection refused", ErrorKind::Unreachable),
    ("no route to host", ErrorKind::Unreachable),
    ("network is unreachable", ErrorKind::Unreachable),
    ("timed out", ErrorKind::Unreachable),
    ("connection timeout", ErrorKind::Unreachable),
    ("name or service not known", ErrorKind::Unreachable),
    ("temporary failure in name resolution", ErrorKind::Unreachable),
    ("failed to resolve hostname", ErrorKind::Unreachable),
    ("server returned 403", ErrorKind::Auth),
    ("server returned 404", ErrorKind::NotFound),
];

/// Why a program ended, by its last words: the last line that tells counts.
pub(super) fn classify(words: &str) -> Option<ErrorKind> {
    words.lines().rev().find_map(|line| {
        let line = line.to_ascii_lowercase();
        // An unplugged device has no node.
        let unplugged = line.contains("/dev/") && line.contains("no such file or directory");
        if unplugged {
            return Some(ErrorKind::Gone);
        }
        TEXTS.iter().find(|(text, _)| line.contains(text)).map(|(_, kind)| *kind)
    })
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
    fn last_words_tell_what_to_do() {
        for (words, kind) in [
            (
                "[video4linux2,v4l2 @ 0x1] ioctl(VIDIOC_STREAMON): Device or resource busy\nError opening input file /dev/video0.",
                Some(ErrorKind::Busy),
            ),
            ("cannot open audio device hw:1 (Device or resource busy)", Some(ErrorKind::Busy)),
            (
                "Cannot open video device /dev/video0: No such file or directory",
                Some(ErrorKind::Gone),
            ),
            ("ioctl(VIDIOC_DQBUF): No such device", Some(ErrorKind::Gone)),
            ("[rtsp @ 0x1] method DESCRIBE failed: 401 Unauthorized", Some(ErrorKind::Auth)),
            ("[http @ 0x1] HTTP error 403 Forbidden", Some(ErrorKind::Auth)),
            ("[rtsp @ 0x1] method DESCRIBE failed: 404 Not Found", Some(ErrorKind::NotFound)),
            (
                "[tcp @ 0x1] Connection to tcp://h:1 failed: Connection refused",
                Some(ErrorKind::Unreachable),
            ),
            ("rtsp://h/: No route to host", Some(ErrorKind::Unreachable)),
            ("rtsp://h/: Connection timed out", Some(ErrorKind::Unreachable)),
            ("clip.mp4: No such file or directory", None),
            ("Connection refused\n401 Unauthorized\nConversion failed!", Some(ErrorKind::Auth)),
            ("", None),
        ] {
            assert_eq!(classify(words), kind, "{words}");
        }
    }

    #[test]
    fn the_input_is_shown_as_the_remote_side() {
        let plan = Plan::new("ffmpeg -i rtsp://u:p@cam:554/1 -f rtsp {output}");
        let remote_addr = "127.0.0.1:5000".to_owned();
        let mut description = Description { remote_addr, ..Description::default() };
        plan.describe(&mut description, Some("rtsp://127.0.0.1:8554/x"));
        assert_eq!(description.remote_addr, "127.0.0.1:5000 forwarded cam:554");
        assert_eq!(description.url, "rtsp://u:p@cam:554/1");
        assert_eq!(
            description.source,
            "exec:ffmpeg -i rtsp://u:p@cam:554/1 -f rtsp rtsp://127.0.0.1:8554/x"
        );
        let mut description = Description::default();
        Plan::new("ffmpeg -i http://cam/1 -f mjpeg -").describe(&mut description, None);
        assert_eq!(description.remote_addr, "cam");
        let mut description = Description::default();
        Plan::new("ffmpeg -i /dev/video0").describe(&mut description, None);
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
