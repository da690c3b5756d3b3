//! `/api/ffmpeg`: files, addresses and words played to a camera's loudspeaker.
//! `/api/ffmpeg/devices` and `/api/ffmpeg/hardware`: what can be added as a source;
//! both run FFmpeg, one call at a time (`spec/api.md` 8).

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use rs2rtc_base::url::percent_encode;
use rs2rtc_endpoints::sources::ffmpeg::{self, Found};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::call::{self, Call, Query, Reply};
use super::{Api, streams_api};

/// Encoders and devices take one asker at a time.
static TURN: Semaphore = Semaphore::const_new(1);

/// Plays a `file`, something `live` or a spoken `text` on the stream `dst`. Only
/// administrators may name a file of this machine.
pub(crate) async fn play(api: Arc<Api>, call: Call) -> Reply {
    if *call.method() != Method::POST {
        return call::error(StatusCode::METHOD_NOT_ALLOWED, "");
    }
    let Some(stream) = api.streams.get(call.query.get("dst")) else {
        return call::error(StatusCode::NOT_FOUND, "");
    };
    let Some(source) = source(&call.query) else {
        return call::error(StatusCode::BAD_REQUEST, "");
    };
    if let Err(refused) = streams_api::may_play(&api, &call, &source).await {
        return *refused;
    }
    match stream.play(&source, streams_api::player(&call)).await {
        Ok(()) => call::empty(),
        Err(problem) => streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

/// The source that a query asks to play. Addresses and files have no spaces; a
/// text has no signs that scripts would expand.
fn source(query: &Query) -> Option<String> {
    let one_word = |text: &str| !text.contains(char::is_whitespace);
    let name = |key: &str| Some(query.get(key)).filter(|text| !text.is_empty());
    if let Some(file) = name("file") {
        return one_word(file).then(|| format!("ffmpeg:{file}#audio=auto#input=file"));
    }
    if let Some(live) = name("live") {
        return one_word(live).then(|| format!("ffmpeg:{live}#audio=auto"));
    }
    let text = name("text").filter(|text| !text.contains(['\'', '"', '&', '%', '$']))?;
    let voice = name("voice").map(|voice| format!("&voice={}", percent_encode(voice)));
    let voice = voice.unwrap_or_default();
    Some(format!("ffmpeg:tts?text={}{voice}#audio=auto", percent_encode(text)))
}

/// Capture devices of this machine.
pub(crate) async fn devices(api: Arc<Api>, call: Call) -> Reply {
    let Ok(_turn) = TURN.acquire().await else { return sources(Vec::new(), &call) };
    sources(ffmpeg::devices(&api.context).await, &call)
}

/// Hardware encoders of this machine, and whether they work.
pub(crate) async fn hardware(api: Arc<Api>, call: Call) -> Reply {
    let Ok(_turn) = TURN.acquire().await else { return sources(Vec::new(), &call) };
    sources(ffmpeg::hardware(&api.context).await, &call)
}

/// The list that pages offer to add; fields that say nothing are left out. Nothing found is no
/// error for who says `empty=1`: browsers write every 404 on their console.
fn sources(found: Vec<Found>, call: &Call) -> Reply {
    if found.is_empty() && call.query.get("empty") != "1" {
        return call::error(StatusCode::NOT_FOUND, "no sources");
    }
    let source = |found: Found| {
        let fields = [("name", found.name), ("info", found.info), ("url", found.url)];
        let fields = fields.into_iter().filter(|(_, value)| !value.is_empty());
        Value::Object(
            fields.map(|(key, value)| (key.to_owned(), value.into())).collect::<Map<_, _>>(),
        )
    };
    let list: Vec<Value> = found.into_iter().map(source).collect();
    call::json(&json!({ "sources": list }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_played() {
        for (query, played) in [
            ("file=/media/bell.mp3", "ffmpeg:/media/bell.mp3#audio=auto#input=file"),
            ("file=http%3A%2F%2Fh%2Fa&live=x", "ffmpeg:http://h/a#audio=auto#input=file"),
            ("live=rtsp://cam/1&text=x", "ffmpeg:rtsp://cam/1#audio=auto"),
            ("text=Hi%20%23you&voice=slt", "ffmpeg:tts?text=Hi%20%23you&voice=slt#audio=auto"),
            ("text=a%2Bb&voice=a%26b", "ffmpeg:tts?text=a%2Bb&voice=a%26b#audio=auto"),
        ] {
            assert_eq!(source(&Query::parse(query)).as_deref(), Some(played), "{query}");
        }
        for query in ["", "file=", "file=a%20b&text=x", "live=a%09b", "text=it%27s", "text=50%25"] {
            assert_eq!(source(&Query::parse(query)), None, "{query}");
        }
    }
}
