//! Short runs of FFmpeg that answer a question.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_streams::Tasks;

use crate::io::process::{Command, Process, source};

/// Lines of an answer that are kept.
const LINES: usize = 200;

/// Runs the program (the template `bin`) with these arguments to its end. Gives
/// its status and what it said, on both outputs together. One that does not end
/// within `limit` is killed.
///
/// # Errors
/// `Config` for a program that cannot be started, `Unreachable` for one that
/// does not end.
pub(super) async fn run(
    bin: &str,
    arguments: &[&str],
    limit: Duration,
    tasks: &Tasks,
) -> Result<(ExitStatus, String), Error> {
    let mut words = source::split(bin)?.into_iter();
    let program = words.next().unwrap_or_default();
    let arguments = words.chain(arguments.iter().map(|&a| a.to_owned())).collect();
    let command = Command { program: program.clone(), arguments, pipe: false, stdin: false };
    let mut process = Process::start(&command, tasks)
        .await
        .map_err(|error| not_started(&command.program, error))?;
    let answer = async {
        let status = process.exited().await;
        process.output().ended().await;
        (status, process.output().last_lines(LINES))
    };
    tokio::time::timeout(limit, answer).await.map_err(|_| {
        let text = format!("ffmpeg: {program}: no answer within {} s", limit.as_secs());
        Error::new(ErrorKind::Unreachable, text)
    })
}

/// The error of a program that could not be started.
pub(super) fn not_started(program: &str, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let text = format!(
                "ffmpeg: program \"{program}\" not found: install ffmpeg or set ffmpeg.bin"
            );
            Error::new(ErrorKind::Config, text)
        }
        _ => Error::caused(ErrorKind::Config, format!("ffmpeg: program \"{program}\""), error),
    }
}
