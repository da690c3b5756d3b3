//! Stream keys: what stands behind the last slash of an RTMP address
//! (`rtmp://server/app/KEY`) is the password of who publishes there (YouTube, Twitch,
//! Facebook, every media server). Cameras are played from addresses of the same form
//! (`rtmp://camera/bcs/channel0_main.bcs?…`), which people have to recognise in a log.
//!
//! The rule: an address that is published to never shows its key, nor what follows it
//! (some keys have a query). Of any other address the last part is shown if it looks
//! like a play path, that is if it is made of a few words and small numbers; else it is
//! a key. A path of one part is the name of an application and holds no key.

use std::borrow::Cow;

use super::MASK;

/// Schemes of RTMP: plain, over TLS, over TLS with any certificate, over HTTP, encrypted.
const SCHEMES: [&str; 8] =
    ["rtmp", "rtmps", "rtmpx", "rtmpt", "rtmpe", "rtmpts", "rtmpte", "rtmfp"];

/// What stands directly before an address that is published to: in calls of the API and
/// in commands of FFmpeg and GStreamer.
const BEFORE_TARGETS: [&str; 4] = ["dst=", "-f flv ", "rtmpsink location=", "rtmp2sink location="];

/// The text without the stream keys of its RTMP addresses. `is_target`: it is an address
/// that is published to.
pub(super) fn without(text: &str, is_target: bool) -> Cow<'_, str> {
    let mut masked = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices("://") {
        let before = text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric());
        let scheme = text[before.len()..at].to_ascii_lowercase();
        if !SCHEMES.contains(&scheme.as_str()) || at < done {
            continue;
        }
        let before = before.trim_end_matches(['"', '\'']);
        let is_target = is_target || BEFORE_TARGETS.iter().any(|target| before.ends_with(target));
        let begin = at + 3;
        if let Some((from, to)) = key(&text[begin..], is_target) {
            masked.push_str(&text[done..begin + from]);
            masked.push_str(MASK);
            done = begin + to;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// Where the key begins and ends in an address without its scheme.
fn key(address: &str, is_target: bool) -> Option<(usize, usize)> {
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>|#\\".contains(c);
    let end = address.char_indices().find(|&(at, c)| at > MAX_ADDRESS || ends(c));
    let whole = &address[..end.map_or(address.len(), |(at, _)| at)];
    let path = &whole[..whole.find('?').unwrap_or(whole.len())];
    let path = path.trim_end_matches('/');
    let from = path.rfind('/')? + 1;
    // The host and the application come before it.
    let has_app = path[..from - 1].split('/').filter(|part| !part.is_empty()).count() >= 2;
    let segment = &path[from..];
    if !has_app || segment.is_empty() || !is_target && is_play_path(segment) {
        return None;
    }
    Some((from, if is_target { whole.len() } else { path.len() }))
}

/// Longest address that is looked into, in bytes.
const MAX_ADDRESS: usize = 1024;
/// Longest play path, in bytes.
const MAX_PATH: usize = 32;
/// Longest word and longest number in one, in bytes.
const MAX_WORD: usize = 12;
const MAX_NUMBER: usize = 4;

/// Whether a name is made of a few words, each with a small number before or behind it.
fn is_play_path(name: &str) -> bool {
    let parts: Vec<&str> = name.split(['-', '_', '.', ':', '+']).collect();
    let groups = parts.iter().filter(|part| part.len() >= 4 && part.len() == parts[0].len());
    name.len() <= MAX_PATH
        && parts.len() <= 5
        // `abcd-efgh-ijkl-mnop` is how keys are printed.
        && groups.count() < 4
        && parts.iter().all(|part| is_word(part))
}

fn is_word(part: &str) -> bool {
    let is_number =
        |text: &str| text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= MAX_NUMBER;
    let word = part.trim_matches(|c: char| c.is_ascii_digit());
    let (first, last) = part.split_once(word).unwrap_or((part, ""));
    let small = |at: u8| u8::is_ascii_lowercase(&at);
    let bytes = word.as_bytes();
    // Letters of random case: more humps than a name has.
    let humps = bytes.windows(2).filter(|pair| small(pair[0]) && !small(pair[1])).count();
    word.len() <= MAX_WORD
        && bytes.iter().all(u8::is_ascii_alphabetic)
        && humps <= 2
        && is_number(first)
        && is_number(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_known_services_are_hidden_everywhere() {
        for (url, masked) in [
            (
                "rtmp://a.rtmp.youtube.com/live2/q1w2-e3r4-t5y6-u7i8-o9p0",
                "rtmp://a.rtmp.youtube.com/live2/***",
            ),
            (
                "rtmp://a.rtmp.youtube.com/live2/abcd-efgh-ijkl-mnop-qrst",
                "rtmp://a.rtmp.youtube.com/live2/***",
            ),
            (
                "rtmp://live.twitch.tv/app/live_123456789_AbCdEf0123456789",
                "rtmp://live.twitch.tv/app/***",
            ),
            (
                "rtmps://live-api-s.facebook.com:443/rtmp/FB-1234567890123456-0-AbxYzAbxYz",
                "rtmps://live-api-s.facebook.com:443/rtmp/***",
            ),
            ("RTMP://h/app/550e8400-e29b-41d4-a716-446655440000", "RTMP://h/app/***"),
            ("rtmpt://h:80/a/b/kJdNwQpZrT", "rtmpt://h:80/a/b/***"),
            ("rtmpe://[::1]/app/hdkwqpfnvbxcyz?x=1", "rtmpe://[::1]/app/***?x=1"),
            ("rtmpx://h/app/***", "rtmpx://h/app/***"),
            ("a rtmp://h/app/a1b2c3d4, b", "a rtmp://h/app/*** b"),
            (
                "x \"rtmp://h/app/a1b2c3d4\" rtmp://g/app/z9y8x7w6#video=copy",
                "x \"rtmp://h/app/***\" rtmp://g/app/***#video=copy",
            ),
        ] {
            assert_eq!(without(url, false), masked);
            assert_eq!(without(masked, false), masked);
        }
    }

    #[test]
    fn cameras_are_recognised() {
        for url in [
            "rtmp://192.168.1.5/bcs/channel0_main.bcs?channel=0&stream=0&user=admin&password=x",
            "ffmpeg:rtmp://192.168.1.5:1935/live/stream1#video=copy",
            "rtmp://h/live/front_door-2",
            "rtmp://h/live/livestream",
            "rtmp://h/vod/mp4:sample_1080p.mp4",
            "rtmp://h/LiveApp/frontDoorCam",
            "rtmp://h/live",
            "rtmp://h/live/",
            "rtmp://h",
            "http://h/app/a1b2c3d4e5f6",
            "rtmp:// / ://",
        ] {
            assert_eq!(without(url, false), url);
        }
    }

    #[test]
    fn targets_never_show_their_key() {
        for (url, masked) in [
            ("rtmp://h/live/stream1", "rtmp://h/live/***"),
            ("rtmps://h/rtmp/12345?s_bl=1&a=AbxYz#timeout=5", "rtmps://h/rtmp/***#timeout=5"),
            ("rtmp://h/live", "rtmp://h/live"),
            ("rtmp://h/a/key/", "rtmp://h/a/***"),
            ("rtsp://h/a/b", "rtsp://h/a/b"),
        ] {
            assert_eq!(without(url, true), masked);
            assert_eq!(without(masked, true), masked);
        }
        for (text, masked) in [
            (
                "POST /api/streams?src=cam&dst=rtmp://h/live/word",
                "POST /api/streams?src=cam&dst=rtmp://h/live/***",
            ),
            (
                "exec:ffmpeg -i x -f flv 'rtmp://h/live/word'",
                "exec:ffmpeg -i x -f flv 'rtmp://h/live/***'",
            ),
            (
                "gst x ! rtmpsink location=rtmp://h/live/word",
                "gst x ! rtmpsink location=rtmp://h/live/***",
            ),
        ] {
            assert_eq!(without(text, false), masked);
        }
    }

    #[test]
    fn any_part_of_a_text_can_be_asked_for() {
        let text = "\u{e4}rtmp://\u{e4}/\u{e4}pp/k\u{e4}y?\u{e4}#rtmps:///a//b/ rtmp://";
        for (at, _) in text.char_indices() {
            let _ = (without(&text[at..], true), without(&text[..at], false));
        }
    }
}
