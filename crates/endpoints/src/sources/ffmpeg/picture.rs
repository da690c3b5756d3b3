//! One picture by FFmpeg: of codecs that are not decoded in this process
//! (`spec/api.md` 4.2). Frames go in through a pipe, pictures come out of one; the
//! last one counts.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::container::mjpeg::Splitter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::command::{Environment, Parts};
use super::hardware::{self, Engine};
use super::templates::Templates;
use super::{SOUND, probe, run};
use crate::Context;
use crate::io::process::{Command, Process, source};
use crate::outputs::picture::{Rotation, Transform, Wish};

/// Decoding of a whole group of large pictures takes a few seconds.
const LIMIT: Duration = Duration::from_secs(20);
/// Bytes of the pictures that come.
const MAX_BYTES: u64 = 64 << 20;
/// How many of the last pictures are made: some may be damaged.
const SPARE: usize = 2;
/// How long the last words of a program that gave nothing may take.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// The last picture of a stream of `count` frames in FFmpeg's `format` (`hevc`,
/// `h264`). Dropping the future kills the program.
///
/// # Errors
/// `Config` for a program that is not there or not allowed, `Unsupported` with its
/// words if it gives no picture, `Unreachable` if that takes more than 20 s.
pub(crate) async fn picture(
    context: &Arc<Context>,
    format: &str,
    input: &[u8],
    count: usize,
    wish: &Wish,
) -> Result<Bytes, Error> {
    let config = context.ffmpeg.get();
    let templates = Templates(&config.templates);
    let bin = templates.get("bin").unwrap_or_default();
    context.exec.get().allow(bin)?;
    let engine = match wish.engine.as_deref() {
        None => Engine::Software,
        Some("") => probe::best(bin, "mjpeg", &context.tasks).await,
        Some(name) => Engine::from_name(name).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("ffmpeg: unknown hardware engine {name}"))
        })?,
    };
    let text = command(templates, config.log_level(), format, count, wish, engine);
    let mut words = source::split(&text)?.into_iter();
    let program = words.next().unwrap_or_default();
    let command = Command { program, arguments: words.collect(), pipe: true, stdin: true };
    let made = tokio::time::timeout(LIMIT, convert(context, &command, input)).await;
    made.unwrap_or_else(|_| {
        let text = format!("ffmpeg: no picture within {} s", LIMIT.as_secs());
        Err(Error::new(ErrorKind::Unreachable, text))
    })
}

async fn convert(context: &Context, command: &Command, input: &[u8]) -> Result<Bytes, Error> {
    let started = Process::start(command, &context.tasks).await;
    let mut process = started.map_err(|error| run::not_started(&command.program, error))?;
    let (stdin, stdout) = (process.take_stdin(), process.take_stdout());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(Error::new(ErrorKind::Config, "ffmpeg: no pipes"));
    };
    let give = async move {
        // A program that takes no more has ended, or has what it needs.
        let _ = stdin.write_all(input).await;
    };
    let take = async {
        let mut output = Vec::new();
        let _ = stdout.take(MAX_BYTES).read_to_end(&mut output).await;
        output
    };
    let ((), output) = tokio::join!(give, take);
    if let Some(jpeg) = last_picture(&output) {
        return Ok(jpeg);
    }
    let said = async {
        process.exited().await;
        process.output().ended().await;
    };
    let _ = tokio::time::timeout(LAST_WORDS, said).await;
    let words = process.output().last_lines(5);
    Err(Error::new(ErrorKind::Unsupported, format!("ffmpeg: no picture: {}", words.trim())))
}

fn last_picture(output: &[u8]) -> Option<Bytes> {
    let mut splitter = Splitter::new();
    let mut buffer = BytesMut::from(output);
    let mut last = None;
    while let Ok(Some(picture)) = splitter.take(&mut buffer) {
        last = Some(picture);
    }
    last
}

/// The command line: the last pictures of a stream, in the wanted form.
fn command(
    templates: Templates<'_>,
    log_level: &str,
    format: &str,
    count: usize,
    wish: &Wish,
    engine: Engine,
) -> String {
    let mut filters = Vec::new();
    if count > SPARE + 1 {
        // Times begin anew, or the first picture would stand for those left out.
        let first = count - SPARE - 1;
        filters.push(format!("select='gte(n,{first})',setpts=N/FRAME_RATE/TB"));
    }
    filters.extend(form(&wish.transform));
    let mut codec = templates.get("mjpeg").unwrap_or_default().to_owned();
    if let Some(quality) = wish.quality {
        // FFmpeg counts from 2 (best) to 31.
        let scale = 2 + (100 - u32::from(quality.clamp(1, 100))) * 29 / 99;
        codec.push_str(&format!(" -q:v {scale}"));
    }
    let mut parts = Parts {
        input: format!("-f {format} -i -"),
        video: vec![codec],
        filters,
        ..Parts::default()
    };
    hardware::apply(&mut parts, engine, templates);
    let environment = Environment {
        templates,
        is_stream: &|_| false,
        rtsp_port: None,
        libavformat: None,
        log_level,
        sound: SOUND,
        engine,
        source: "",
    };
    let output = templates.get("output/mjpeg").unwrap_or_default();
    parts.join(&environment, output)
}

/// The filters for size and turn.
fn form(transform: &Transform) -> Vec<String> {
    let mut filters = Vec::new();
    let side = |side: Option<usize>| side.map_or_else(|| "-1".to_owned(), |n| n.to_string());
    if transform.width.is_some() || transform.height.is_some() {
        filters.push(format!("scale={}:{}", side(transform.width), side(transform.height)));
    }
    let turn = match transform.rotation {
        Rotation::None => return filters,
        Rotation::Right => "transpose=1",
        Rotation::Half => "transpose=1,transpose=1",
        Rotation::Left => "transpose=2",
    };
    filters.push(turn.to_owned());
    filters
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn text(count: usize, wish: &Wish, engine: Engine) -> String {
        let none = BTreeMap::new();
        command(Templates(&none), "error", "hevc", count, wish, engine)
    }

    #[test]
    fn commands() {
        let plain = Wish::default();
        assert_eq!(
            text(1, &plain, Engine::Software),
            "ffmpeg -hide_banner -v error -f hevc -i - -c:v mjpeg -an -f mjpeg -"
        );
        let transform = Transform { height: Some(480), ..Transform::default() };
        let wish = Wish { transform, ..Wish::default() };
        assert_eq!(
            text(1, &wish, Engine::Software),
            "ffmpeg -hide_banner -v error -f hevc -i - -c:v mjpeg -an -vf \"scale=-1:480\" -f mjpeg -"
        );
        assert_eq!(
            text(1, &plain, Engine::Vaapi),
            "ffmpeg -hide_banner -v error -hwaccel vaapi -hwaccel_output_format vaapi -hwaccel_flags allow_profile_mismatch -f hevc -i - -c:v mjpeg_vaapi -an -vf \"format=vaapi|nv12,hwupload\" -f mjpeg -"
        );
        let transform = Transform { width: Some(320), height: None, rotation: Rotation::Left };
        let wish = Wish { transform, quality: Some(100), engine: None };
        assert_eq!(
            text(50, &wish, Engine::Software),
            "ffmpeg -hide_banner -v error -f hevc -i - -c:v mjpeg -q:v 2 -an -vf \"select='gte(n,47)',setpts=N/FRAME_RATE/TB,scale=320:-1,transpose=2\" -f mjpeg -"
        );
    }

    #[test]
    fn the_last_whole_picture_counts() {
        let picture = |n: u8| [0xff, 0xd8, 0xff, 0xdb, 0, 3, n, 0xff, 0xda, 0, 2, n, 0xff, 0xd9];
        let mut output = [picture(1), picture(2)].concat();
        assert_eq!(last_picture(&output).unwrap(), &picture(2)[..]);
        output.extend_from_slice(&picture(3)[..9]);
        assert_eq!(last_picture(&output).unwrap(), &picture(2)[..]);
        assert_eq!(last_picture(b"nothing"), None);
    }
}
