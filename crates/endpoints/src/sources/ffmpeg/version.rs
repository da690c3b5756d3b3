//! Which FFmpeg is installed: asked once per program, as long as it answers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_streams::Tasks;

use super::run::run;

/// libavformat of FFmpeg 5.0.
const OLDEST: (u32, u32) = (59, 16);
/// It takes some ten milliseconds; a cold disk takes longer.
const LIMIT: Duration = Duration::from_secs(10);

/// What `-version` prints, by program.
static KNOWN: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);

/// The version of libavformat; `None` if the program does not tell. Failures
/// are not remembered: the program may be installed meanwhile.
pub(super) async fn libavformat(bin: &str, tasks: &Tasks) -> Result<Option<(u32, u32)>, Error> {
    let version = parse(&known(bin, tasks).await?);
    if let Some((major, minor)) = version.filter(|version| *version < OLDEST) {
        let text = format!(
            "ffmpeg: unsupported version: {major}. {minor}: libavformat 59. 16 (FFmpeg 5.0) is needed"
        );
        return Err(Error::new(ErrorKind::Config, text));
    }
    Ok(version)
}

/// What the program calls its version, such as `7.1.1`; empty if it does not tell.
pub(super) async fn name(bin: &str, tasks: &Tasks) -> Result<String, Error> {
    Ok(name_in(&known(bin, tasks).await?).to_owned())
}

async fn known(bin: &str, tasks: &Tasks) -> Result<String, Error> {
    let known = {
        let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().and_then(|known| known.get(bin).cloned())
    };
    if let Some(text) = known {
        return Ok(text);
    }
    let text = ask(bin, tasks).await?;
    // One that is too old may be replaced while we run.
    if parse(&text).is_some_and(|version| version < OLDEST) {
        return Ok(text);
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.get_or_insert_default().insert(bin.to_owned(), text.clone());
    Ok(text)
}

async fn ask(bin: &str, tasks: &Tasks) -> Result<String, Error> {
    let (status, text) = run(bin, &["-version"], LIMIT, tasks).await?;
    if status.success() {
        return Ok(text);
    }
    let text = format!("ffmpeg: {bin} -version: {status}\n{text}");
    Err(Error::new(ErrorKind::Config, text.trim_end()))
}

/// Reads `ffmpeg version 7.1.1-1 Copyright …`.
fn name_in(text: &str) -> &str {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("ffmpeg version "));
    line.and_then(|line| line.split_ascii_whitespace().next()).unwrap_or_default()
}

/// Reads `libavformat    59. 27.100 / 59. 27.100`.
fn parse(text: &str) -> Option<(u32, u32)> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("libavformat"))?;
    let mut numbers = line.split(['.', '/']).map(|number| number.trim().parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let text = "ffmpeg version 5.1\nlibavutil  57. 28.100 / 57. 28.100\nlibavformat    59. 27.100 / 59. 27.100\n";
        assert_eq!(parse(text), Some((59, 27)));
        assert_eq!(name_in(text), "5.1");
        assert_eq!(name_in("ffmpeg version 7.1.1-1+deb13u1 Copyright (c)"), "7.1.1-1+deb13u1");
        assert_eq!(name_in("something else"), "");
        assert_eq!(parse("libavformat    60. 16.100 / 60. 16.100"), Some((60, 16)));
        assert_eq!(parse("libavformat    58.  3.100"), Some((58, 3)));
        assert_eq!(parse("libavformat"), None);
        assert_eq!(parse(""), None);
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let error = libavformat("/nowhere/ffmpeg", &Tasks::new()).await.unwrap_err();
        let text =
            "ffmpeg: program \"/nowhere/ffmpeg\" not found: install ffmpeg or set ffmpeg.bin";
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Config, text));
    }

    #[tokio::test]
    async fn an_old_version_is_refused_and_asked_again() {
        let old = "/bin/sh -c 'echo \"libavformat 58. 76.100 / 58. 76.100\"'";
        for _ in 0..2 {
            let error = libavformat(old, &Tasks::new()).await.unwrap_err();
            assert!(
                error.to_string().starts_with("ffmpeg: unsupported version: 58. 76"),
                "{error}"
            );
        }
        let new = "/bin/sh -c 'echo \"libavformat 61. 1.100 / 61. 1.100\"'";
        assert_eq!(libavformat(new, &Tasks::new()).await.unwrap(), Some((61, 1)));
    }
}
