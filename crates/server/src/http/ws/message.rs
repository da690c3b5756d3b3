//! The messages of the socket: `{"type":…,"value":…}` in text frames.

use axum::extract::ws::Message;
use serde_json::{Map, Value, json};

use crate::http::Api;

/// Longest name of a player that is taken.
const MAX_PLAYER: usize = 64;

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// `webrtc/offer`, or `webrtc` with an object: its type and the SDP.
    Offer(String, Option<String>),
    /// `webrtc/candidate`; an empty text ends the list.
    Candidate(String),
    /// `hello`: the player's id of itself, and the way of playing that a person has chosen;
    /// empty: none.
    Hello(String, String),
    /// The page is hidden (true) or visible again.
    Hidden(bool),
    /// `mse`, `mp4` or `mjpeg`: which of them, and the codecs that the browser plays.
    Media(Kind, String),
    /// `hls`: the codecs that the browser plays.
    Hls(String),
    /// `talk/request`: the player asks for the floor, and its name for others.
    Ask(String),
    /// `talk/release`: it gives the floor back.
    Release,
    /// `stop`: what was asked for by a message of this type is not needed any more.
    Stop(String),
    /// An offer of a type that cannot be answered, and why.
    Refused(String, &'static str),
    /// A type of newer players.
    Unknown,
}

/// Media that goes over the socket itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Fragmented MP4 for media source extensions.
    Mse,
    /// Each keyframe as a whole MP4.
    Mp4,
    /// Each picture as a JPEG image.
    Mjpeg,
}

impl Kind {
    /// Type of the request.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Mse => "mse",
            Self::Mp4 => "mp4",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// The module that must be on.
    pub(super) const fn module(self) -> &'static str {
        match self {
            Self::Mse | Self::Mp4 => "mp4",
            Self::Mjpeg => "mjpeg",
        }
    }

    /// Type of the answer.
    pub(super) const fn answer(self) -> &'static str {
        match self {
            Self::Mse | Self::Mp4 => "mse",
            Self::Mjpeg => "mjpeg",
        }
    }
}

/// Reads a frame. `None` if it is none of ours.
pub(super) fn read(bytes: &[u8]) -> Option<Heard> {
    let Ok(Value::Object(message)) = serde_json::from_slice(bytes) else { return None };
    let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
    let value = message.get("value").unwrap_or(&Value::Null);
    Some(match kind {
        "webrtc/offer" | "webrtc" => {
            if let Err(text) = check_ice_servers(value) {
                return Some(Heard::Refused(kind.to_owned(), text));
            }
            let sdp = match value {
                Value::Object(inner) => inner.get("sdp").and_then(Value::as_str),
                other => other.as_str(),
            };
            Heard::Offer(kind.to_owned(), sdp.map(str::to_owned))
        }
        "webrtc/candidate" => Heard::Candidate(value.as_str().unwrap_or_default().to_owned()),
        "hello" => {
            let pinned = value.get("pinned").and_then(Value::as_str).unwrap_or_default();
            Heard::Hello(player(value), pinned.to_owned())
        }
        "park" => Heard::Hidden(true),
        "resume" => Heard::Hidden(false),
        "mse" => Heard::Media(Kind::Mse, value.as_str().unwrap_or_default().to_owned()),
        "mp4" => Heard::Media(Kind::Mp4, value.as_str().unwrap_or_default().to_owned()),
        "mjpeg" => Heard::Media(Kind::Mjpeg, String::new()),
        "stop" => Heard::Stop(value.as_str().unwrap_or_default().to_owned()),
        "talk/request" => {
            let name = value.get("name").and_then(Value::as_str).unwrap_or_default();
            Heard::Ask(name.to_owned())
        }
        "talk/release" => Heard::Release,
        "hls" => Heard::Hls(value.as_str().unwrap_or_default().to_owned()),
        _ => Heard::Unknown,
    })
}

/// The servers that a client names in the object form; they are checked as
/// go2rtc does, so that a mistake shows here too.
fn check_ice_servers(value: &Value) -> Result<(), &'static str> {
    const INVALID: &str = "invalid ICEServer";
    let servers = match value.get("ice_servers") {
        None | Some(Value::Null) => return Ok(()),
        Some(servers) => servers.as_array().ok_or(INVALID)?,
    };
    for server in servers {
        let is_set =
            |key: &str| server.get(key).and_then(Value::as_str).is_some_and(|v| !v.is_empty());
        for url in server.get("urls").and_then(Value::as_array).ok_or(INVALID)? {
            match url.as_str().and_then(|url| url.split_once(':')) {
                Some(("stun" | "stuns", _)) => {}
                Some(("turn" | "turns", _)) if is_set("username") && is_set("credential") => {}
                Some(("turn" | "turns", _)) => {
                    return Err("InvalidAccessError: turn server credentials required");
                }
                _ => return Err(INVALID),
            }
        }
    }
    Ok(())
}

/// The player's id; empty if it gives none that can be used.
fn player(value: &Value) -> String {
    let id = value.get("cid").and_then(Value::as_str).unwrap_or_default();
    let good = (16..=MAX_PLAYER).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if good { id.to_owned() } else { String::new() }
}

/// A message; without a value if that is null.
pub(super) fn message(kind: &str, value: &Value) -> Message {
    let mut text = match value {
        Value::Null => json!({ "type": kind }).to_string(),
        value => json!({ "type": kind, "value": value }).to_string(),
    };
    text.push('\n');
    Message::Text(text.into())
}

/// `{"type":"error","value":"<request type>: <masked text>"}`; players read the prefix.
pub(super) fn failure(api: &Api, kind: &str, text: &str) -> Message {
    let text = api.secrets.mask(text);
    tracing::debug!(target: "ws", kind, error = %text, "refused");
    message("error", &Value::String(format!("{kind}: {text}")))
}

/// The answer to `hello`.
pub(super) fn session(api: &Api, id: u64, secret: &str) -> Message {
    let value = json!({
        "id": id.to_string(),
        "bye": format!("api/rs/bye/{secret}"),
        "boot": api.boot.to_string(),
        "caps": ["park", "bye", "released", "stop", "talk", "why"],
    });
    message("session", &value)
}

/// `state`: whether the camera is let go while the session stays.
pub(super) fn state(parked: Option<&str>) -> Message {
    let value = match parked {
        Some(reason) => json!({ "state": "parked", "reason": reason }),
        None => json!({ "state": "alive" }),
    };
    message("state", &value)
}

/// `released`: the session has ended, and how long that took.
pub(super) fn released(
    api: &Api,
    code: &str,
    text: &str,
    detect: Option<f64>,
    release: Option<f64>,
) -> Message {
    let mut value = Map::new();
    value.insert("reason".into(), code.into());
    if text != code && !text.is_empty() {
        value.insert("text".into(), api.secrets.mask(text).into());
    }
    value.insert("detectMs".into(), detect.into());
    value.insert("releaseMs".into(), release.into());
    message("released", &Value::Object(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_players() {
        let text = |s: &str| read(s.as_bytes());
        assert_eq!(
            text(r#"{"type":"webrtc","value":{"type":"offer","sdp":"v=0"}}"#),
            Some(Heard::Offer("webrtc".into(), Some("v=0".into())))
        );
        assert_eq!(
            text(r#"{"type":"webrtc/offer","value":5}"#),
            Some(Heard::Offer("webrtc/offer".into(), None))
        );
        assert_eq!(text(r#"{"type":"webrtc/candidate"}"#), Some(Heard::Candidate(String::new())));
        let cid = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(
            text(&format!(r#"{{"type":"hello","value":{{"v":1,"cid":"{cid}"}}}}"#)),
            Some(Heard::Hello(cid.into(), String::new()))
        );
        let pinned = format!(r#"{{"type":"hello","value":{{"cid":"{cid}","pinned":"mse"}}}}"#);
        assert_eq!(text(&pinned), Some(Heard::Hello(cid.into(), "mse".into())));
        for odd in [
            r#""x""#,
            "null",
            r#"{"cid":7}"#,
            r#"{"cid":"short"}"#,
            r#"{"cid":"<script>alert(1)"}"#,
        ] {
            let hello = text(&format!(r#"{{"type":"hello","value":{odd}}}"#));
            assert_eq!(hello, Some(Heard::Hello(String::new(), String::new())), "{odd}");
        }
        assert_eq!(text(r#"{"type":"park"}"#), Some(Heard::Hidden(true)));
        assert_eq!(text(r#"{"type":"resume","value":1}"#), Some(Heard::Hidden(false)));
        let mse = |list: &str| Some(Heard::Media(Kind::Mse, list.into()));
        assert_eq!(text(r#"{"type":"mse","value":"avc1"}"#), mse("avc1"));
        assert_eq!(text(r#"{"type":"mse","value":{"a":1}}"#), mse(""));
        let mp4 = Heard::Media(Kind::Mp4, String::new());
        assert_eq!(text(r#"{"type":"mp4"}"#), Some(mp4));
        let mjpeg = Heard::Media(Kind::Mjpeg, String::new());
        assert_eq!(text(r#"{"type":"mjpeg"}"#), Some(mjpeg));
        assert_eq!(text(r#"{"type":"stop","value":"mse"}"#), Some(Heard::Stop("mse".into())));
        assert_eq!(text(r#"{"type":"hls","value":"x"}"#), Some(Heard::Hls("x".into())));
        let ask = |name: &str| Some(Heard::Ask(name.into()));
        assert_eq!(text(r#"{"type":"talk/request","value":{"name":"hall"}}"#), ask("hall"));
        for odd in ["null", "7", r#""x""#, r#"{"name":7}"#] {
            assert_eq!(text(&format!(r#"{{"type":"talk/request","value":{odd}}}"#)), ask(""));
        }
        assert_eq!(text(r#"{"type":"talk/release"}"#), Some(Heard::Release));
        let servers = |servers: &str| {
            text(&format!(r#"{{"type":"webrtc","value":{{"sdp":"v=0","ice_servers":{servers}}}}}"#))
        };
        let refused = |text| Some(Heard::Refused("webrtc".into(), text));
        let fine = Some(Heard::Offer("webrtc".into(), Some("v=0".into())));
        assert_eq!(servers(r#"[{"urls":["stun:h:1"]}]"#), fine);
        assert_eq!(servers("null"), fine);
        let turn = r#"[{"urls":["turn:h:1"],"username":"u","credential":"c"}]"#;
        assert_eq!(servers(turn), fine);
        assert_eq!(servers(r#"[{"urls":"stun:h:1"}]"#), refused("invalid ICEServer"));
        assert_eq!(servers(r#"[{"urls":["http:h"]}]"#), refused("invalid ICEServer"));
        let text_of_turn = "InvalidAccessError: turn server credentials required";
        assert_eq!(servers(r#"[{"urls":["turn:h:1"]}]"#), refused(text_of_turn));
        assert_eq!(text("{}"), Some(Heard::Unknown));
        assert_eq!(text("[]"), None);
        assert_eq!(text("no json"), None);
    }
}
