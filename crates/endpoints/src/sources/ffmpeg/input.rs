//! The input of an FFmpeg command (`spec/protocols-standard.md` 7.1 and 7.5).

use rs2rtc_base::url::{percent_encode, query_pairs};
use rs2rtc_base::{Error, ErrorKind, Fragment};

use super::command::Environment;
use super::key;
use super::templates::Templates;

/// What the text in front of the parameters means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input<'a> {
    /// `scheme://…`.
    Url { scheme: &'a str },
    /// `device?…`, the query.
    Device(&'a str),
    /// `virtual?…`, the query.
    Virtual(&'a str),
    /// `tts?…`, the query.
    Speech(&'a str),
    /// A word that can only be the name of a stream: no dot, slash or the like,
    /// or an entity of Home Assistant (`camera.front_door`).
    Word,
    /// A file, or a stream with an unusual name.
    Other,
}

impl<'a> Input<'a> {
    /// Tells by the text alone.
    pub(super) fn parse(text: &'a str) -> Self {
        if let Some((scheme, _)) = text.split_once("://") {
            return Self::Url { scheme };
        }
        match text.split_once('?').unwrap_or((text, "")) {
            ("device", query) if text.len() > "device".len() => Self::Device(query),
            ("virtual", query) => Self::Virtual(query),
            ("tts", query) if text.len() > "tts".len() => Self::Speech(query),
            _ if is_word(text) || text.strip_prefix("camera.").is_some_and(is_entity) => Self::Word,
            _ => Self::Other,
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
        && !text.starts_with('-')
}

/// The second part of an entity's name, and not the ending of a file's.
fn is_entity(text: &str) -> bool {
    const FILES: [&str; 24] = [
        "264", "265", "aac", "avi", "flac", "flv", "gif", "h264", "h265", "hevc", "jpeg", "jpg",
        "m3u8", "m4a", "mjpeg", "mkv", "mov", "mp3", "mp4", "ogg", "png", "ts", "wav", "webm",
    ];
    is_word(text) && !FILES.contains(&text.to_ascii_lowercase().as_str())
}

/// The options that open the input, up to `-i …`.
pub(super) fn arguments(
    text: &str,
    parameters: &Fragment,
    environment: &Environment<'_>,
) -> Result<String, Error> {
    let templates = environment.templates;
    let template = |default| match parameters.get(key::INPUT) {
        Some(chosen) => templates.get_or(chosen),
        None => templates.get(default).unwrap_or_default(),
    };
    let fill = |template: &str, input: &str| {
        place(template, input).replacen("{timeout}", &timeout(parameters, templates), 1)
    };
    let is_stream = (environment.is_stream)(text);
    let mut arguments = match Input::parse(text) {
        Input::Url { scheme: "http" | "https" | "rtmp" } => fill(template("http"), text),
        Input::Url { scheme: "rtsp" | "rtsps" } => {
            format!(
                "-allowed_media_types {} {}",
                media_types(parameters),
                fill(template("rtsp"), text)
            )
        }
        Input::Url { .. } => match parameters.get(key::INPUT) {
            Some(chosen) => fill(templates.get_or(chosen), text),
            None => place("-i {input}", text),
        },
        Input::Device(query) if !is_stream => device(query),
        Input::Virtual(query) if !is_stream => test_picture(query),
        Input::Speech(query) if !is_stream => speech(query),
        _ if is_stream => {
            let url = stream_url(text, parameters, environment)?;
            fill(template("rtsp"), &url)
        }
        Input::Word if !parameters.has(key::INPUT) => {
            let text =
                format!("ffmpeg: no stream {text}; a file is written with its path, e.g. ./{text}");
            return Err(Error::new(ErrorKind::NotFound, text));
        }
        _ => fill(template("file"), text),
    };
    if parameters.has(key::ASYNC) {
        arguments.insert_str(0, "-use_wallclock_as_timestamps 1 -async 1 ");
    }
    if arguments.starts_with("-re ") && environment.libavformat.is_some_and(|v| v >= (60, 16)) {
        arguments.insert_str(0, "-readrate_initial_burst 0.001 ");
    }
    Ok(arguments)
}

/// Puts the input into a template, in quotes where it needs some.
fn place(template: &str, input: &str) -> String {
    let Some(at) = template.find("{input}") else { return template.to_owned() };
    let (before, after) = template.split_at(at);
    let after = after.strip_prefix("{input}").unwrap_or_default();
    let quoted = before.ends_with(['"', '\'']);
    let special = input.contains(char::is_whitespace) || input.starts_with(['"', '\'']);
    let quote = match (special && !quoted, input.contains('"')) {
        (false, _) => "",
        (true, false) => "\"",
        (true, true) => "'",
    };
    format!("{before}{quote}{input}{quote}{after}")
}

/// Seconds, with the zeros that make microseconds of them.
fn timeout(parameters: &Fragment, templates: Templates<'_>) -> String {
    let seconds = parameters.get(key::TIMEOUT).or_else(|| templates.get("timeout"));
    format!("{}000000", seconds.unwrap_or("5"))
}

fn media_types(parameters: &Fragment) -> &'static str {
    match (parameters.has(key::VIDEO), parameters.has(key::AUDIO)) {
        (true, false) => "video",
        (false, true) => "audio",
        _ => "video+audio",
    }
}

/// Where our own RTSP server plays a stream. `source` keeps a stream that uses
/// itself as input from waiting for itself.
fn stream_url(
    name: &str,
    parameters: &Fragment,
    environment: &Environment<'_>,
) -> Result<String, Error> {
    let disabled = || Error::new(ErrorKind::Config, "ffmpeg: rtsp module disabled");
    let port = environment.rtsp_port.ok_or_else(disabled)?;
    let medias = match (parameters.has(key::VIDEO), parameters.has(key::AUDIO)) {
        (true, false) => "video",
        (false, true) => "audio",
        _ => "video&audio",
    };
    let source = percent_encode(environment.source);
    let mut url = format!("rtsp://127.0.0.1:{port}/{name}?{medias}&source=ffmpeg:{source}");
    for query in parameters.get_all(key::QUERY) {
        url.push('&');
        url.push_str(query);
    }
    Ok(url)
}

/// The device that an input captures.
pub(super) fn device_path(text: &str) -> Option<String> {
    let query = match Input::parse(text) {
        Input::Device(query) => query,
        Input::Other if text.starts_with("/dev/") => return Some(text.to_owned()),
        _ => return None,
    };
    let pairs: Vec<_> = query_pairs(query).collect();
    match value(&pairs, "video") {
        Some(video) => Some(video_path(video)),
        None => value(&pairs, "audio").map(|audio| format!("alsa {audio}")),
    }
}

/// A number is that of a Video4Linux device.
fn video_path(video: &str) -> String {
    if !video.is_empty() && video.bytes().all(|b| b.is_ascii_digit()) {
        format!("/dev/video{video}")
    } else {
        video.to_owned()
    }
}

/// A Video4Linux and/or ALSA device.
fn device(query: &str) -> String {
    let pairs: Vec<_> = query_pairs(query).collect();
    let mut inputs = Vec::new();
    if let Some(video) = value(&pairs, "video") {
        let path = video_path(video);
        let mut options = "-f v4l2".to_owned();
        let known = ["video_size", "pixel_format", "input_format", "framerate", "use_libv4l2"];
        for (key, value) in &pairs {
            let key = if key == "resolution" { "video_size" } else { key };
            if known.contains(&key) {
                options.push_str(&format!(" -{key} {value}"));
            }
        }
        inputs.push(place(&format!("{options} -i {{input}}"), &path));
    }
    if let Some(audio) = value(&pairs, "audio") {
        let mut options = "-f alsa".to_owned();
        for (key, value) in &pairs {
            if ["channels", "sample_rate"].contains(&key.as_str()) {
                options.push_str(&format!(" -{key} {value}"));
            }
        }
        inputs.push(place(&format!("{options} -i {{input}}"), audio));
    }
    inputs.join(" ")
}

fn value<'p>(pairs: &'p [(String, String)], key: &str) -> Option<&'p str> {
    pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
}

/// A picture made by FFmpeg itself.
fn test_picture(query: &str) -> String {
    let pairs: Vec<_> = query_pairs(query).collect();
    let filter = value(&pairs, "video").filter(|v| !v.is_empty());
    let size = value(&pairs, "size").map(named_size);
    let mut options = Vec::new();
    if filter.is_none() {
        options.push("decimals=2".to_owned());
    }
    if let Some(size) = size.or_else(|| filter.is_none().then_some("1920x1080")) {
        options.push(format!("size={size}"));
    }
    for (key, value) in &pairs {
        if ["rate", "color", "duration", "sar", "decimals"].contains(&key.as_str()) {
            options.retain(|o| !o.starts_with(&format!("{key}=")));
            options.push(format!("{key}={value}"));
        }
    }
    let mut graph = filter.unwrap_or("testsrc").to_owned();
    if !options.is_empty() {
        graph = format!("{graph}={}", options.join(":"));
    }
    if let Some(format) = value(&pairs, "format") {
        graph = format!("{graph},format={format}");
    }
    place("-re -f lavfi -i {input}", &graph)
}

fn named_size(size: &str) -> &str {
    match size {
        "720" => "1280x720",
        "1080" => "1920x1080",
        "2K" => "2048x1080",
        "4K" => "3840x2160",
        "8K" => "7680x4320",
        other => other,
    }
}

/// A text spoken by FFmpeg.
fn speech(query: &str) -> String {
    let pairs: Vec<_> = query_pairs(query).collect();
    let text = value(&pairs, "text").unwrap_or_default();
    let mut graph = format!("flite=text='{}'", in_quotes(text));
    if let Some(voice) = value(&pairs, "voice").filter(|v| !v.is_empty()) {
        graph.push_str(&format!(":voice={voice}"));
    }
    format!("-re -f lavfi -i \"{graph}\"")
}

/// A text for between single quotes in a filter graph. It is read twice there:
/// as a graph, where only a quote is special, and as options, where `:`, `\`
/// and `'` are. Double quotes would end the word of our command line.
fn in_quotes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' => out.push_str(r"'\\\''"),
            ':' | '\\' => out.extend(['\\', c]),
            '"' | '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
