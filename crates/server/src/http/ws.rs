//! `/api/ws`: signalling over a WebSocket (`spec/api.md` 7).
//!
//! Text frames are `{"type":…,"value":…}`. Offers are answered in tasks of their
//! own, a few at a time; candidates that come earlier than the answer wait for
//! it. A viewer's session does not end with the socket: the player closes it
//! once the picture is there.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use rs2rtc_endpoints::outputs::webrtc::{SessionHandle, Signalling, SignallingEnd};
use rs2rtc_streams::{CancellationToken, Stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::call::{Call, Reply, error};
use super::{Api, Class, access, webrtc};

/// Longest frame from a client.
const MAX_FRAME: usize = 256 * 1024;
/// Offers that are answered at the same time on one socket.
const MAX_OFFERS: usize = 8;
/// Candidates that are kept for an answer that has not come.
const MAX_WAITING: usize = 64;
/// Messages to the client that are not sent yet.
const QUEUE: usize = 64;
/// A client that does not take a message for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How often the client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long it may keep silent.
const SILENCE: Duration = Duration::from_secs(25);

pub(crate) fn class(api: &Api, call: &Call) -> Class {
    let src = call.query.get("src");
    let adds = !src.is_empty() && api.streams.get(src).is_none() && src.contains(':');
    if adds || !call.query.get("dst").is_empty() { Class::Stream } else { Class::View }
}

pub(crate) async fn handle(api: Arc<Api>, mut call: Call) -> Reply {
    let (origin, host) = (call.header("origin"), call.header("host"));
    if call.header("upgrade").eq_ignore_ascii_case("websocket")
        && !access::allows_socket(origin, &api.config.origin, host)
    {
        return error(StatusCode::FORBIDDEN, "Forbidden");
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut call.parts, &()).await else {
        let mut reply = error(StatusCode::BAD_REQUEST, "Bad Request");
        let version = HeaderValue::from_static("13");
        reply.headers_mut().insert("sec-websocket-version", version);
        return reply;
    };
    let tasks = api.tasks.clone();
    let upgrade = upgrade.max_frame_size(MAX_FRAME).max_message_size(MAX_FRAME);
    let (give, take) = tokio::sync::oneshot::channel();
    // The socket is served by a task of ours, so that shutdown waits for it.
    tasks.spawn("websocket", async move {
        if let Ok(socket) = take.await {
            Client::new(api, call).run(socket).await;
        }
    });
    upgrade
        .on_upgrade(move |socket| async move {
            let _ = give.send(socket);
        })
        .into_response()
}

/// What a task of the client hands back.
enum Done {
    Answered(Vec<Message>, Box<SessionHandle>),
    Failed(Message),
    /// A session that was answered has ended: what the page is to be told.
    Ended(Message),
}

struct Client {
    api: Arc<Api>,
    call: Call,
    sessions: Vec<SessionHandle>,
    waiting: Vec<String>,
    running: usize,
    done: mpsc::Sender<Done>,
    finished: mpsc::Receiver<Done>,
}

impl Client {
    fn new(api: Arc<Api>, call: Call) -> Self {
        let (done, finished) = mpsc::channel(QUEUE);
        Self { api, call, sessions: Vec::new(), waiting: Vec::new(), running: 0, done, finished }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let gone = CancellationToken::new();
        let _guard = gone.clone().drop_guard();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let mut heard = tokio::time::Instant::now();
        loop {
            let cancel = self.api.cancel.clone();
            let open = tokio::select! {
                frame = socket.recv() => {
                    heard = tokio::time::Instant::now();
                    match frame {
                        Some(Ok(frame)) => unless(&cancel, self.on_frame(&mut socket, frame, &gone)).await,
                        _ => false,
                    }
                }
                Some(done) = self.finished.recv() => unless(&cancel, self.on_done(&mut socket, done)).await,
                _ = ping.tick() => {
                    heard.elapsed() < SILENCE
                        && unless(&cancel, send(&mut socket, Message::Ping(Bytes::new()))).await
                }
                () = cancel.cancelled() => false,
            };
            if !open {
                break;
            }
        }
        for session in &self.sessions {
            session.signalling_lost(SignallingEnd::Fin);
        }
        let _ = timeout(Duration::from_millis(200), socket.send(Message::Close(None))).await;
    }

    /// False if the socket is to be closed.
    async fn on_frame(
        &mut self,
        socket: &mut WebSocket,
        frame: Message,
        gone: &CancellationToken,
    ) -> bool {
        let bytes = match &frame {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes.as_ref(),
            Message::Close(_) => return false,
            Message::Ping(_) | Message::Pong(_) => return true,
        };
        let Ok(Value::Object(message)) = serde_json::from_slice(bytes) else { return false };
        let kind = message.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let value = message.get("value").cloned().unwrap_or(Value::Null);
        match kind.as_str() {
            "webrtc/offer" | "webrtc" => {
                let sdp = match &value {
                    Value::Object(inner) => inner.get("sdp").and_then(Value::as_str),
                    other => other.as_str(),
                };
                let Some(sdp) = sdp.map(str::to_owned) else {
                    return send(socket, self.problem(&kind, "offer has no sdp")).await;
                };
                if self.running >= MAX_OFFERS {
                    return send(socket, self.problem(&kind, "too many offers at once")).await;
                }
                self.start(kind, sdp, gone.clone());
                true
            }
            "webrtc/candidate" => {
                self.on_candidate(value.as_str().unwrap_or_default());
                true
            }
            "mse" | "mp4" | "hls" | "mjpeg" => {
                let text = "not available in this version, use webrtc";
                send(socket, self.problem(&kind, text)).await
            }
            // Types of newer players.
            _ => true,
        }
    }

    fn on_candidate(&mut self, candidate: &str) {
        if self.running > 0 && self.waiting.len() < MAX_WAITING {
            self.waiting.push(candidate.to_owned());
        } else if let Some(session) = self.sessions.last() {
            session.add_remote_candidate(candidate);
        }
    }

    fn start(&mut self, kind: String, sdp: String, gone: CancellationToken) {
        self.running += 1;
        let api = Arc::clone(&self.api);
        let done = self.done.clone();
        let stream = find_stream(&self.api, &self.call);
        let signalling = webrtc::signalling(&self.call, "webrtc", "ws");
        let work = async move {
            let result = tokio::select! {
                result = answer(&api, stream, &sdp, signalling) => result,
                () = gone.cancelled() => return,
            };
            let result = match result {
                Ok((sdp, candidates, session)) => {
                    let value = match kind.as_str() {
                        "webrtc" => json!({ "type": "answer", "sdp": sdp }),
                        _ => Value::String(sdp),
                    };
                    let kind = if kind == "webrtc" { "webrtc" } else { "webrtc/answer" };
                    let mut messages = vec![message(kind, &value)];
                    let lines = candidates.into_iter().map(Value::String);
                    messages.extend(lines.map(|line| message("webrtc/candidate", &line)));
                    Done::Answered(messages, Box::new(session))
                }
                Err(text) => Done::Failed(failure(&api, &kind, &text)),
            };
            let session = match &result {
                Done::Answered(_, session) => Some(session.clone()),
                _ => None,
            };
            if done.send(result).await.is_err() {
                if let Some(session) = session {
                    session.signalling_lost(SignallingEnd::Fin);
                }
                return;
            }
            // A page that waits for a picture learns why there will be none.
            if let Some(session) = session {
                let reason = tokio::select! {
                    reason = session.closed() => reason,
                    () = gone.cancelled() => return,
                };
                if reason != "close_notify" {
                    let _ = done.send(Done::Ended(failure(&api, &kind, &reason))).await;
                }
            }
        };
        self.api.tasks.spawn("webrtc offer", work);
    }

    async fn on_done(&mut self, socket: &mut WebSocket, done: Done) -> bool {
        if !matches!(done, Done::Ended(_)) {
            self.running = self.running.saturating_sub(1);
        }
        match done {
            Done::Failed(problem) | Done::Ended(problem) => send(socket, problem).await,
            Done::Answered(messages, session) => {
                for candidate in self.waiting.drain(..) {
                    session.add_remote_candidate(&candidate);
                }
                self.sessions.retain(|s| s.close_reason().is_none());
                self.sessions.push(*session);
                for message in messages {
                    if !send(socket, message).await {
                        return false;
                    }
                }
                true
            }
        }
    }

    fn problem(&self, kind: &str, text: &str) -> Message {
        failure(&self.api, kind, text)
    }
}

/// The stream of the socket's address; a source is made a temporary stream.
fn find_stream(api: &Api, call: &Call) -> Result<Arc<Stream>, String> {
    let src = call.query.get("src");
    if !call.query.get("dst").is_empty() {
        return Err("publishing is not available in this version".to_owned());
    }
    if let Some(stream) = api.streams.get(src) {
        return Ok(stream);
    }
    if !src.contains(':') {
        return Err("stream not found".to_owned());
    }
    let open = api.policy.compat || !api.policy.username.is_empty();
    access::check_source(src, call.peer, open)?;
    let name = match call.query.get("name") {
        "" => src,
        name => name,
    };
    api.streams.patch(name, src, rs2rtc_streams::Origin::Api).map_err(|e| e.to_string())
}

type Answered = (String, Vec<String>, SessionHandle);

async fn answer(
    api: &Api,
    stream: Result<Arc<Stream>, String>,
    sdp: &str,
    signalling: Signalling,
) -> Result<Answered, String> {
    let stream = stream?;
    let gateway = webrtc::gateway(api).await.ok_or("not started, see the log")?;
    let answer =
        gateway.answer(&stream, sdp, signalling, false).await.map_err(|e| e.to_string())?;
    Ok((answer.sdp, answer.candidates, answer.session))
}

fn message(kind: &str, value: &Value) -> Message {
    let mut text = json!({ "type": kind, "value": value }).to_string();
    text.push('\n');
    Message::Text(text.into())
}

/// `{"type":"error","value":"<request type>: <masked text>"}`; players read the prefix.
fn failure(api: &Api, kind: &str, text: &str) -> Message {
    let text = api.secrets.mask(text);
    tracing::debug!(target: "ws", kind, error = %text, "refused");
    message("error", &Value::String(format!("{kind}: {text}")))
}

/// False if the client did not take it in time.
async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(WRITE_LIMIT, socket.send(message)).await, Ok(Ok(())))
}

/// The work's result, or false once the program stops: a stuck client delays nothing.
async fn unless(cancel: &CancellationToken, work: impl Future<Output = bool>) -> bool {
    tokio::select! {
        () = cancel.cancelled() => false,
        open = work => open,
    }
}
