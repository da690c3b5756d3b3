//! `/api/webrtc`: offers and answers over HTTP, WHEP and WHIP included
//! (`spec/api.md` 6).

use std::sync::Arc;

use axum::http::{HeaderValue, Method, StatusCode, header};
use base64::Engine as _;
use rs2rtc_endpoints::outputs::webrtc::{Answer, Gateway, Goodbye, Signalling};
use rs2rtc_streams::Stream;
use serde_json::{Value, json};

use super::call::{Call, Reply, empty, error, json as reply_json, no_stream, status, typed};
use super::{Api, Class, Peer, access, form, streams_api};

/// Candidates that one request may bring.
const MAX_CANDIDATES: usize = 64;

pub(crate) fn class(_: &Api, call: &Call) -> Class {
    match *call.method() {
        Method::DELETE => Class::Own,
        Method::PATCH if call.query.has("id") => Class::Own,
        _ if !call.query.get("dst").is_empty() => Class::Stream,
        _ => Class::View,
    }
}

pub(crate) async fn handle(api: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::POST if !call.query.get("src").is_empty() => view(api, call).await,
        Method::POST if !call.query.get("dst").is_empty() => publish(api, call).await,
        Method::POST => error(StatusCode::BAD_REQUEST, ""),
        Method::DELETE => end(&api, &call, Goodbye::Delete).await,
        Method::PATCH if call.query.has("id") => trickle(&api, call).await,
        Method::OPTIONS => status(StatusCode::NO_CONTENT),
        _ => error(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
}

/// The goodbye of a page that is going away (`sendBeacon` can only POST).
pub(crate) async fn bye(api: Arc<Api>, call: Call) -> Reply {
    match *call.method() {
        Method::POST => end(&api, &call, Goodbye::Pagehide).await,
        Method::DELETE => end(&api, &call, Goodbye::Delete).await,
        _ => error(StatusCode::METHOD_NOT_ALLOWED, ""),
    }
}

async fn end(api: &Api, call: &Call, goodbye: Goodbye) -> Reply {
    let id = call.query.get("id");
    if id.is_empty() {
        return error(StatusCode::BAD_REQUEST, "");
    }
    match gateway(api).await.and_then(|gateway| gateway.session(id)) {
        Some(session) => {
            session.goodbye(goodbye);
            empty()
        }
        None => error(StatusCode::NOT_FOUND, ""),
    }
}

/// Candidates of a WHEP client that come after its offer (RFC 9725 4.3.1). ICE
/// restarts are not available.
async fn trickle(api: &Api, mut call: Call) -> Reply {
    let content_type = call.header("content-type").to_ascii_lowercase();
    if !content_type.starts_with("application/trickle-ice-sdpfrag") {
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "use application/trickle-ice-sdpfrag");
    }
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let id = call.query.get("id");
    let Some(session) = gateway(api).await.and_then(|gateway| gateway.session(id)) else {
        return error(StatusCode::NOT_FOUND, "");
    };
    let text = String::from_utf8_lossy(&body);
    for candidate in candidates(&text).filter(|line| line.len() <= 1024).take(64) {
        session.add_remote_candidate(candidate);
    }
    status(StatusCode::NO_CONTENT)
}

/// The candidates of a fragment of SDP; an empty one ends the list.
fn candidates(fragment: &str) -> impl Iterator<Item = &str> {
    let attributes = fragment.lines().filter_map(|line| line.trim_end().strip_prefix("a="));
    let candidates = attributes.filter_map(|attribute| match attribute {
        "end-of-candidates" => Some(""),
        candidate => candidate.starts_with("candidate:").then_some(candidate),
    });
    candidates.take(MAX_CANDIDATES)
}

/// The gateway once it has started; `None` if it could not.
pub(crate) async fn gateway(api: &Api) -> Option<&Gateway> {
    api.webrtc.wait().await.as_ref()
}

/// What the gateway is told about a caller.
pub(crate) fn signalling(call: &Call, format_name: &str, protocol: &str) -> Signalling {
    let loopback = match call.peer {
        Peer::Unix => true,
        Peer::Ip(address) => address.ip().to_canonical().is_loopback(),
    };
    Signalling {
        format_name: format_name.to_owned(),
        protocol: protocol.to_owned(),
        remote_addr: call.remote_addr(),
        user_agent: call.header("user-agent").to_owned(),
        loopback,
        may_talk: call.talk,
    }
}

/// The forms an offer comes in; the answer goes out in the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    UrlEncoded,
    Whep,
    Raw,
}

impl Form {
    fn of(content_type: &str) -> Self {
        let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match name.as_str() {
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::UrlEncoded,
            "application/sdp" => Self::Whep,
            _ => Self::Raw,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Json => "webrtc/json",
            Self::Whep => "webrtc/whep",
            Self::UrlEncoded | Self::Raw => "webrtc/post",
        }
    }

    fn offer(self, body: &str) -> Result<String, String> {
        match self {
            Self::Whep | Self::Raw => Ok(body.to_owned()),
            Self::Json => {
                let value: Value = serde_json::from_str(body).map_err(|e| e.to_string())?;
                Ok(value.get("sdp").and_then(Value::as_str).unwrap_or_default().to_owned())
            }
            Self::UrlEncoded => {
                let data = form(body).remove("data").unwrap_or_default();
                // `+` in unescaped base64 arrives as a space.
                let data = data.replace(' ', "+");
                let bytes = base64::engine::general_purpose::STANDARD.decode(data);
                let text = bytes.map_err(|e| format!("illegal base64 data: {e}"))?;
                String::from_utf8(text).map_err(|e| e.to_string())
            }
        }
    }

    fn answer(self, sdp: String, content_type: &str, id: &str) -> Reply {
        match self {
            Self::Json => reply_json(&json!({ "type": "answer", "sdp": sdp })),
            Self::UrlEncoded => {
                let text = base64::engine::general_purpose::STANDARD.encode(sdp);
                typed("application/x-www-form-urlencoded", text)
            }
            Self::Whep => {
                let mut reply = typed("application/sdp", sdp);
                *reply.status_mut() = StatusCode::CREATED;
                if let Ok(location) = HeaderValue::from_str(&format!("webrtc?id={id}")) {
                    reply.headers_mut().insert(header::LOCATION, location);
                }
                reply
            }
            Self::Raw => {
                let mut reply = typed("", sdp);
                if let Ok(value) = HeaderValue::from_str(content_type) {
                    reply.headers_mut().insert(header::CONTENT_TYPE, value);
                }
                reply
            }
        }
    }
}

async fn view(api: Arc<Api>, mut call: Call) -> Reply {
    if let Err(reply) = may_view(&api, &call) {
        return *reply;
    }
    let Some(stream) = api.streams.get(call.query.get("src")) else { return no_stream() };
    let content_type = call.header("content-type").to_owned();
    let form = Form::of(&content_type);
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let offer = match form.offer(&String::from_utf8_lossy(&body)) {
        Ok(offer) => offer,
        Err(text) => return error(StatusCode::BAD_REQUEST, &text),
    };
    match exchange(&api, &call, &stream, &offer, form.name()).await {
        Ok(answer) => form.answer(answer.sdp, &content_type, &answer.session.id),
        Err(reply) => *reply,
    }
}

/// A WHIP client: its offer comes as it is, whatever its type says.
async fn publish(api: Arc<Api>, mut call: Call) -> Reply {
    let Some(stream) = api.streams.get(call.query.get("dst")) else { return no_stream() };
    let body = match call.body().await {
        Ok(body) => body,
        Err(reply) => return *reply,
    };
    let Some(gateway) = gateway(&api).await else { return not_started() };
    let signalling = signalling(&call, "webrtc", "http");
    let offer = String::from_utf8_lossy(&body);
    match gateway.publish(&stream, &offer, signalling, true).await {
        Ok(answer) => Form::Whep.answer(answer.sdp, "", &answer.session.id),
        Err(problem) => streams_api::failed(&api, StatusCode::INTERNAL_SERVER_ERROR, &problem),
    }
}

pub(crate) fn not_started() -> Reply {
    error(StatusCode::SERVICE_UNAVAILABLE, "webrtc: not started, see the log")
}

/// Any page can send an offer, and it starts a camera.
///
/// # Errors
/// The answer to a page that may not.
pub(crate) fn may_view(api: &Api, call: &Call) -> Result<(), Box<Reply>> {
    let (origin, host) = (call.header("origin"), call.header("host"));
    if access::allows_page(&api.settings().policy, origin, host) {
        return Ok(());
    }
    let text = "Forbidden: set api.origin to let this page in";
    Err(Box::new(error(StatusCode::FORBIDDEN, text)))
}

/// Answers the offer of a viewer of a stream.
///
/// # Errors
/// The answer to give instead.
pub(crate) async fn exchange(
    api: &Api,
    call: &Call,
    stream: &Arc<Stream>,
    offer: &str,
    format_name: &str,
) -> Result<Answer, Box<Reply>> {
    let Some(gateway) = gateway(api).await else { return Err(Box::new(not_started())) };
    let signalling = signalling(call, format_name, "http");
    // Ends the dial with its client.
    let _streaming = call.line.stream();
    let answer = gateway.answer(stream, offer, signalling, true).await;
    answer.map_err(|problem| {
        Box::new(streams_api::failed(api, StatusCode::INTERNAL_SERVER_ERROR, &problem))
    })
}

/// SDP in a form field `data`, as base64.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn offer_of_form(body: &str) -> Result<String, String> {
    Form::UrlEncoded.offer(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_a_fragment() {
        let fragment = "a=ice-ufrag:x\r\na=ice-pwd:y\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n\
            a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host\r\na=end-of-candidates\r\n";
        let all: Vec<&str> = candidates(fragment).collect();
        assert_eq!(all, ["candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host", ""]);
        let many = "a=candidate:1\n".repeat(1000);
        assert_eq!(candidates(&many).count(), MAX_CANDIDATES);
    }

    #[test]
    fn forms_of_offers() {
        assert_eq!(Form::of("Application/JSON; charset=utf-8"), Form::Json);
        assert_eq!(Form::of(""), Form::Raw);
        assert_eq!(Form::Json.offer(r#"{"type":"offer","sdp":"v=0"}"#).unwrap(), "v=0");
        assert_eq!(Form::Json.offer("{}").unwrap(), "");
        assert!(Form::Json.offer("{").is_err());
        assert_eq!(Form::UrlEncoded.offer("data=dj0w").unwrap(), "v=0");
        assert!(Form::UrlEncoded.offer("data=%%%").is_err());
    }
}
