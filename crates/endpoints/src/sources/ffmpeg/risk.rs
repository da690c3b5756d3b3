//! Which `ffmpeg:` sources may be named over the network: those that only talk
//! to the network, play our own streams or make a test picture, with parameters
//! whose every value is known to be harmless. The parameters end up in a command
//! line and in filter graphs, which can open files; so nothing is let through
//! because it is not on a list, only because it is on one.

use rs2rtc_base::url::query_pairs;
use rs2rtc_base::{Fragment, Redacted};

use super::hardware::Engine;
use super::input::Input;
use super::key::{self, PARAMETERS};
use super::templates::built_in;
use crate::parameters::unknown;
use crate::table::{IsStream, Risk};

/// Inputs that FFmpeg dials and does not listen on.
const SCHEMES: [&str; 6] = ["http", "https", "rtsp", "rtsps", "rtmp", "rtmps"];
/// Sources of test pictures that take no files.
const PICTURES: [&str; 9] = [
    "testsrc",
    "testsrc2",
    "smptebars",
    "smptehdbars",
    "pal75bars",
    "pal100bars",
    "rgbtestsrc",
    "yuvtestsrc",
    "color",
];
/// Options of `drawtext` that name no file.
const DRAWING: [&str; 13] = [
    "text",
    "fontsize",
    "fontcolor",
    "x",
    "y",
    "box",
    "boxcolor",
    "boxborderw",
    "borderw",
    "bordercolor",
    "shadowx",
    "shadowy",
    "shadowcolor",
];

/// What a text to be spoken has besides letters and digits.
const SPOKEN: &str = " .,!?-:;/()+*=@#_";

/// What an `ffmpeg:` source can do to this machine. The name of a stream that
/// exists is that stream, whatever else it looks like (but an address).
pub(super) fn risk(source: &str, is_stream: IsStream<'_>) -> Risk {
    let text = source.strip_prefix("ffmpeg:").unwrap_or(source);
    let (input, parameters) = Fragment::split(text);
    let harmless =
        is_clean(input) && parameters.iter().all(|(name, value)| is_harmless(name, value));
    let is_address = matches!(Input::parse(input), Input::Url { .. });
    if harmless && !is_address && is_stream(input) {
        return Risk::None;
    }
    // Whatever the template: a word that is no stream would be read as a file then.
    let as_file = parameters.has(key::INPUT);
    match harmless {
        true if as_file && matches!(Input::parse(input), Input::Word) => Risk::File,
        true if is_harmless_input(input) => Risk::None,
        true if is_file(input) => Risk::File,
        _ => Risk::Local,
    }
}

/// Which part of a source that may not be named by everybody is to blame, in words
/// without secrets.
pub(super) fn culprit(source: &str) -> String {
    let text = source.strip_prefix("ffmpeg:").unwrap_or(source);
    let (_, parameters) = Fragment::split(text);
    let shown = Redacted(source).to_string();
    let Some((name, value)) = parameters.iter().find(|(name, value)| !is_harmless(name, value))
    else {
        return "this input may stand in the configuration file only".to_owned();
    };
    if !PARAMETERS.iter().any(|parameter| parameter.name == name) {
        return unknown(PARAMETERS, name, &shown);
    }
    let whole = format!("#{name}={value}");
    let shows = value.len() <= 64 && is_clean(value) && shown.contains(&whole);
    let what = if shows { whole } else { format!("this #{name}") };
    format!("{what} may stand in the configuration file only")
}

/// Whether a parameter can do nothing to this machine.
fn is_harmless(name: &str, value: &str) -> bool {
    // Only options from a list may have a space, everything else is one word.
    let is_clean = name == key::RAW || is_clean(name) && is_clean(value);
    is_clean && is_harmless_parameter(name, value)
}

/// A path, and nothing that FFmpeg or we take for something else: a protocol
/// has a colon.
fn is_file(input: &str) -> bool {
    matches!(Input::parse(input), Input::Other)
        && !input.is_empty()
        && !input.starts_with('-')
        && !input.contains(':')
}

/// Nothing that would end a word or a quoted text of a command line, or that a
/// template would fill in.
fn is_clean(text: &str) -> bool {
    !text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'\\{}|`".contains(c))
}

fn is_harmless_input(input: &str) -> bool {
    match Input::parse(input) {
        Input::Url { scheme } => SCHEMES.contains(&scheme),
        Input::Word => true,
        Input::Virtual(query) => query_pairs(query).all(|(key, value)| match key.as_str() {
            "video" => value.is_empty() || PICTURES.contains(&value.as_str()),
            _ => is_plain(&value),
        }),
        Input::Speech(query) => query_pairs(query).all(|(key, value)| match key.as_str() {
            // What is special in a filter graph is escaped there.
            "text" => value.chars().all(|c| c.is_alphanumeric() || SPOKEN.contains(c)),
            _ => is_plain(&value),
        }),
        Input::Device(_) | Input::Other => false,
    }
}

fn is_harmless_parameter(name: &str, value: &str) -> bool {
    match name {
        key::VIDEO | key::AUDIO => matches!(value, "" | "copy" | "auto") || is_codec(value),
        key::INPUT => matches!(value, "file" | "http" | "rtsp" | "rtsp/udp"),
        key::HARDWARE => value.is_empty() || Engine::from_name(value).is_some(),
        key::RAW => is_harmless_option(value),
        key::WIDTH | key::HEIGHT | key::TIMEOUT => is_number(value) || value == "-1",
        key::ROTATE => matches!(value, "90" | "180" | "270" | "-90"),
        key::BITRATE => is_number(value.trim_end_matches(['k', 'K', 'M'])),
        key::ASYNC => is_plain(value),
        key::QUERY => value.chars().all(|c| c.is_ascii_alphanumeric() || "_-.,=&%/".contains(c)),
        key::DRAWTEXT => value.split(':').all(is_harmless_drawing),
        _ => false,
    }
}

/// `-vf` with filters that only turn and mirror pictures: what Home Assistant
/// adds for a camera that hangs upside down.
fn is_harmless_option(value: &str) -> bool {
    value.strip_prefix("-vf ").is_some_and(|filters| {
        filters.split(',').all(|filter| match filter.split_once('=') {
            None => matches!(filter, "hflip" | "vflip" | "transpose"),
            Some(("transpose", direction)) => {
                matches!(direction, "0" | "1" | "2" | "3" | "clock" | "cclock")
            }
            Some(_) => false,
        })
    })
}

/// A built-in template that is a codec.
fn is_codec(name: &str) -> bool {
    built_in(name).is_some_and(|text| text.starts_with("-c:"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c)) && !text.starts_with('-')
}

/// `key=value` of `drawtext`, without anything that ends the filter.
fn is_harmless_drawing(option: &str) -> bool {
    let Some((key, value)) = option.split_once('=') else { return option.is_empty() };
    DRAWING.contains(&key)
        && value.chars().all(|c| c.is_alphanumeric() || "_.@+-*/()=!?".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk(source: &str) -> Risk {
        super::risk(source, &|_| false)
    }

    #[test]
    fn the_name_of_a_stream_is_that_stream() {
        let named = |source| super::risk(source, &|_| true);
        for source in [
            "ffmpeg:cam.front#audio=opus",
            "ffmpeg:clip.mp4#video=copy",
            "ffmpeg:clip#input=file",
            "ffmpeg:device?video=0",
        ] {
            assert_eq!(named(source), Risk::None, "{source}");
            assert_ne!(risk(source), Risk::None, "{source}");
        }
        for source in [
            "ffmpeg:file:///etc/passwd",
            "ffmpeg:cam.front#raw=-y",
            "ffmpeg:cam.front -y",
            "ffmpeg:concat:/a|/b",
        ] {
            assert_eq!(named(source), Risk::Local, "{source}");
        }
    }

    #[test]
    fn what_the_network_may_name() {
        for source in [
            "ffmpeg:http://cam/video.mjpg#video=h264",
            "ffmpeg:https://cam/a?b=c&d=e#video=copy#audio=aac",
            "ffmpeg:rtsp://u:p@cam:554/1#video=h265#width=1280#height=720#rotate=90",
            "ffmpeg:rtmp://cam/live#audio=opus#audio=pcmu/8000#bitrate=2M#timeout=10#async",
            "ffmpeg:camera-1_x#audio=opus#query=mp4",
            "ffmpeg:rtsp://cam/1#input=rtsp/udp#hardware=vaapi#video=h264",
            "ffmpeg:virtual?video#video=h264",
            "ffmpeg:virtual?video=testsrc2&size=4K#video=h264",
            "ffmpeg:tts?text=hello+world&voice=slt#audio=opus",
            "ffmpeg:tts?text=At%2010%3A30%2C%20in%20the%20garden%20%28left%29#audio=auto",
            "ffmpeg:cam#video=h264#drawtext=fontsize=12:text=cam:x=w-tw",
            "ffmpeg:cam#video#audio",
            "ffmpeg:cam#audio=auto",
            "ffmpeg:cam#video=h264#hardware",
            "ffmpeg:camera.door#audio=opus#query=log_level=debug",
            "ffmpeg:rtsp://cam/1#video=h264#audio=copy#raw=-vf hflip",
            "ffmpeg:rtsp://cam/1#video=h264#audio=copy#raw=-vf transpose=2,vflip",
        ] {
            assert_eq!(risk(source), Risk::None, "{source}");
        }
    }

    #[test]
    fn what_is_to_blame() {
        for (source, wanted) in [
            ("ffmpeg:demo#video=zz", "#video=zz may stand in the configuration file only"),
            (
                "ffmpeg:demo#video=h264#rotate=45",
                "#rotate=45 may stand in the configuration file only",
            ),
            ("ffmpeg:demo#raw=-y", "#raw=-y may stand in the configuration file only"),
            (
                "ffmpeg:demo#raw=-headers 'Cookie: geheim'",
                "this #raw may stand in the configuration file only",
            ),
            ("ffmpeg:demo#vdeo=h264", "unknown parameter \"vdeo\", did you mean \"video\"?"),
            ("ffmpeg:rtsp://u:pa#geheim@h/x", "what stands behind # is no parameter"),
            ("ffmpeg:/etc/passwd", "this input may stand in the configuration file only"),
        ] {
            assert_eq!(culprit(source), wanted, "{source}");
        }
    }

    #[test]
    fn what_an_administrator_may_name_too() {
        for source in [
            "ffmpeg:/media/bell.mp3#audio=auto#input=file",
            "ffmpeg:./clip",
            "ffmpeg:clip#input=file",
            "ffmpeg:clip#input=http",
            "ffmpeg:clip#input=rtsp",
            "ffmpeg:clip#input=rtsp/udp#video=copy",
            "ffmpeg:clip.mp4#video=copy#audio=pcma",
        ] {
            assert_eq!(risk(source), Risk::File, "{source}");
        }
    }

    #[test]
    fn what_only_the_configuration_may_name() {
        for source in [
            "ffmpeg:",
            "ffmpeg:-",
            "ffmpeg:-i",
            "ffmpeg:/etc/passwd#raw=-y",
            "ffmpeg:clip.mp4 -y",
            "ffmpeg:clip.mp4#input=-i {input} -y",
            "ffmpeg:fd:0",
            "ffmpeg:data:text/plain,x",
            "ffmpeg:file:///etc/passwd",
            "ffmpeg:FILE:///etc/passwd",
            "ffmpeg:file:/etc/passwd",
            "ffmpeg:concat:/a|/b",
            "ffmpeg:pipe:0",
            "ffmpeg:subfile,,start,0,end,9,,:/etc/passwd",
            "ffmpeg:tcp://0.0.0.0:1?listen",
            "ffmpeg:device?video=0",
            "ffmpeg:device?audio=default",
            "ffmpeg:http://cam/ -f x",
            "ffmpeg:http://cam/\t-y",
            "ffmpeg:http://cam/\"",
            "ffmpeg:rtsp://cam#raw=-ss",
            "ffmpeg:rtsp://cam#raw",
            "ffmpeg:rtsp://cam#raw=-vf",
            "ffmpeg:rtsp://cam#raw=-vf hflip -y /etc/passwd",
            "ffmpeg:rtsp://cam#raw=-vf hflip,movie=/etc/passwd",
            "ffmpeg:rtsp://cam#raw=-vf transpose=1;movie",
            "ffmpeg:rtsp://cam#raw=-vf  hflip",
            "ffmpeg:rtsp://cam#raw=-vf hflip\n",
            "ffmpeg:rtsp://cam#raw=-vf hflip#raw=-y",
            "ffmpeg:rtsp://cam#raw=bin",
            "ffmpeg:rtsp://cam#input=-i",
            "ffmpeg:rtsp://cam#input=-f x -i {input}",
            "ffmpeg:rtsp://cam#video=-c:v",
            "ffmpeg:rtsp://cam#video=bin",
            "ffmpeg:rtsp://cam#video=h264#video=-y",
            "ffmpeg:rtsp://cam#width=1\"",
            "ffmpeg:rtsp://cam#width=1,movie=/etc/passwd",
            "ffmpeg:rtsp://cam#bitrate=1M,2",
            "ffmpeg:rtsp://cam#rotate=45",
            "ffmpeg:rtsp://cam#timeout=1;2",
            "ffmpeg:rtsp://cam#hardware=quantum",
            "ffmpeg:rtsp://cam#unknown=1",
            "ffmpeg:rtsp://cam#video=h264#drawtext=textfile=/etc/passwd",
            "ffmpeg:rtsp://cam#video=h264#drawtext=fontfile=/etc/passwd",
            "ffmpeg:rtsp://cam#video=h264#drawtext=text=a,movie=x",
            "ffmpeg:rtsp://cam#video=h264#drawtext=text=a;b",
            "ffmpeg:rtsp://cam#video=h264#drawtext=text='a'",
            "ffmpeg:cam#query=a b",
            "ffmpeg:cam#query=a\"b",
            "ffmpeg:virtual?video=movie=/etc/passwd",
            "ffmpeg:virtual?video=testsrc&size=1x1,movie",
            "ffmpeg:virtual?format=a%2Cmovie%3D%2Fetc%2Fpasswd",
            "ffmpeg:tts?text=a%27%3Atextfile%3D%2Fetc%2Fpasswd",
            "ffmpeg:tts?text=a&voice=b:textfile=c",
            "ffmpeg:{input}",
            "ffmpeg:rtsp://cam/{output}",
        ] {
            assert_eq!(risk(source), Risk::Local, "{source}");
        }
    }
}
