//! What there is to choose from: encoders and capture devices, as the API lists
//! them (`spec/api.md` 8, `spec/protocols-standard.md` 7.5).

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::Error;

use super::templates::Templates;
use super::{probe, run::run, version};
use crate::Context;

/// A device answers within milliseconds, or is stuck.
const LIMIT: Duration = Duration::from_secs(5);
/// Devices that are asked.
const MAX_DEVICES: usize = 64;

/// Something that can be added as a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// For people.
    pub name: String,
    /// More for people; may be empty.
    pub info: String,
    /// The source text.
    pub url: String,
}

/// The hardware encoders that this machine may have; the name says whether each
/// works (`OK` or `ERROR`). Every one is tried, which takes seconds.
pub async fn hardware(context: &Arc<Context>) -> Vec<Found> {
    let Some(bin) = bin(context) else { return Vec::new() };
    let all = probe::all(&bin, &context.tasks).await;
    let found = all.into_iter().map(|(engine, codec, works)| Found {
        name: if works { "OK" } else { "ERROR" }.to_owned(),
        info: String::new(),
        url: format!("ffmpeg:...#video={codec}#hardware={}", engine.name()),
    });
    found.collect()
}

/// The program and its version, if it may be run and answers.
pub async fn program(context: &Arc<Context>) -> Option<(String, String)> {
    let bin = allowed(context).ok()?;
    match version::name(&bin, &context.tasks).await {
        Ok(version) => Some((bin, version)),
        Err(error) => {
            tracing::debug!(target: "ffmpeg", %error, "[ffmpeg] version");
            None
        }
    }
}

/// Cameras and microphones of this machine: what Video4Linux devices offer, and
/// ALSA's default device if it captures.
pub async fn devices(context: &Arc<Context>) -> Vec<Found> {
    let Some(bin) = bin(context) else { return Vec::new() };
    let tasks = &context.tasks;
    let mut found = Vec::new();
    for device in video_devices() {
        let list = ["-hide_banner", "-f", "v4l2", "-list_formats", "all", "-i", &device];
        match run(&bin, &list, LIMIT, tasks).await {
            Ok((_, words)) => found.extend(formats(&device, &words)),
            Err(error) => {
                tracing::debug!(target: "ffmpeg", device, %error, "[ffmpeg] devices");
            }
        }
    }
    let capture = ["-hide_banner", "-v", "error", "-f", "alsa", "-i", "default", "-t", "1"];
    let capture = [&capture[..], &["-f", "null", "-"]].concat();
    match run(&bin, &capture, LIMIT, tasks).await {
        Ok((status, _)) if status.success() => found.push(Found {
            name: "ALSA default".to_owned(),
            info: String::new(),
            url: "ffmpeg:device?audio=default&channels=1&sample_rate=16000&#audio=opus".to_owned(),
        }),
        Ok(_) => {}
        Err(error) => tracing::debug!(target: "ffmpeg", %error, "[ffmpeg] devices"),
    }
    found
}

/// The program.
///
/// # Errors
/// It may not be run.
fn allowed(context: &Context) -> Result<String, Error> {
    let config = context.ffmpeg.get();
    let bin = Templates(&config.templates).get("bin").unwrap_or_default();
    context.exec.get().allow(bin).map(|()| bin.to_owned())
}

/// The program, if it may be run.
fn bin(context: &Context) -> Option<String> {
    match allowed(context) {
        Ok(bin) => Some(bin),
        Err(error) => {
            tracing::warn!(target: "ffmpeg", %error, "[ffmpeg] devices and hardware are not looked for");
            None
        }
    }
}

/// `/dev/video0`, `/dev/video1`, … in the order of their numbers.
fn video_devices() -> Vec<String> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("video")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> =
        entries.filter_map(|entry| number(entry.file_name().to_str()?)).collect();
    numbers.sort_unstable();
    numbers.truncate(MAX_DEVICES);
    numbers.iter().map(|number| format!("/dev/video{number}")).collect()
}

/// Reads the lines of `-list_formats all`:
/// `[v4l2 @ 0x1] Compressed:       mjpeg :          Motion-JPEG : 1280x720 640x480`.
fn formats(device: &str, words: &str) -> Vec<Found> {
    let format = |line: &str| {
        let (_, line) = line.split_once("] ")?;
        let (kind, rest) = line.split_once(':')?;
        let compressed = match kind.trim() {
            "Compressed" => true,
            "Raw" => false,
            _ => return None,
        };
        let (input_format, rest) = rest.split_once(" : ")?;
        let (name, sizes) = rest.rsplit_once(" : ")?;
        let mut url = format!("ffmpeg:device?video={device}&input_format={}", input_format.trim());
        // A device without fixed sizes tells a range, which is nothing to ask for.
        let first = sizes.split_whitespace().next().filter(|size| is_size(size));
        if let Some(size) = first {
            url.push_str(&format!("&video_size={size}"));
        }
        if !compressed {
            url.push_str("#video=h264#hardware");
        }
        Some(Found { name: name.trim().to_owned(), info: sizes.trim().to_owned(), url })
    };
    words.lines().filter_map(format).collect()
}

/// `1280x720`.
fn is_size(text: &str) -> bool {
    text.split_once('x').is_some_and(|(width, height)| {
        [width, height].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_a_camera() {
        let words = "[video4linux2,v4l2 @ 0x1] Compressed:       mjpeg :          Motion-JPEG : 640x360 1280x720\n\
             [video4linux2,v4l2 @ 0x1] Raw       :     yuyv422 :           YUYV 4:2:2 : 640x360 1920x1080\n\
             [video4linux2,v4l2 @ 0x1] Raw       :     yuv420p :     Planar YUV 4:2:0 : {32-2592, 2}x{32-1944, 2}\n\
             [in#0 @ 0x2] Error opening input: Immediate exit requested\n\
             Error opening input file /dev/video0.";
        let found = |name: &str, info: &str, url: &str| Found {
            name: name.to_owned(),
            info: info.to_owned(),
            url: url.to_owned(),
        };
        assert_eq!(
            formats("/dev/video0", words),
            [
                found(
                    "Motion-JPEG",
                    "640x360 1280x720",
                    "ffmpeg:device?video=/dev/video0&input_format=mjpeg&video_size=640x360"
                ),
                found(
                    "YUYV 4:2:2",
                    "640x360 1920x1080",
                    "ffmpeg:device?video=/dev/video0&input_format=yuyv422&video_size=640x360#video=h264#hardware"
                ),
                found(
                    "Planar YUV 4:2:0",
                    "{32-2592, 2}x{32-1944, 2}",
                    "ffmpeg:device?video=/dev/video0&input_format=yuv420p#video=h264#hardware"
                ),
            ]
        );
        for found in formats("/dev/video0", words) {
            crate::sources::ffmpeg::check(&found.url).unwrap();
        }
        assert!(formats("/dev/video0", "Cannot open: No such device").is_empty());
    }
}
