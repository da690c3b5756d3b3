//! `/api/ws`: signalling over a WebSocket (`spec/api.md` 7).
//!
//! Text frames are `{"type":…,"value":…}`. Offers are answered in tasks of their
//! own, a few at a time; candidates that come earlier than the answer wait for
//! it. `mse` and `mp4` ask for media over the socket itself: each is a task that
//! hands its messages to the socket one by one, and ends with it. `hls` opens a
//! session that lives by its own requests. For WebRTC the
//! socket is a second path to the player: its end is a sign, no proof, that the
//! player is gone; while a source is dialled it ends the dial.
//!
//! Beyond the contract (`docs/api-rs.md`): a player that says `hello` gets an
//! address for its goodbye, may `park` and `resume`, and learns the `state` of
//! its session and why it was `released`; and it asks for the floor (`talk`).

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderValue, StatusCode};
use axum::response::IntoResponse as _;
use bytes::Bytes;
use rs2rtc_endpoints::outputs::webrtc::SignallingEnd;
use rs2rtc_streams::{CancellationToken, Stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::call::{Call, Reply, error};
use super::players::{Lost, Socket};
use super::{Api, Class, access, streams_api};

mod incoming;
mod media;
mod message;
mod session;
mod talk;
mod told;
mod why;

use media::Play;
use session::{Told, View};
pub(super) use session::{hidden_linger, is_exclusive};
use talk::Talk;
use why::Why;

/// Longest frame from a client.
const MAX_FRAME: usize = 256 * 1024;
/// Bytes that are read at once. As many are set to zero whenever a socket is looked at,
/// which is after each fragment that it is sent.
const READ: usize = 4 * 1024;
/// Offers that are answered at the same time on one socket.
const MAX_OFFERS: usize = 8;
/// Media streams that one socket may have.
const MAX_PLAYS: usize = 8;
/// HLS sessions that are opened at the same time for one socket.
const MAX_OPENINGS: usize = 4;
/// Media that is ready to be sent. Few: what waits here is late.
const MEDIA_QUEUE: usize = 2;
/// Longest candidate line that is passed on.
const MAX_CANDIDATE: usize = 1024;
/// Candidates that are kept for an answer that has not come.
const MAX_WAITING: usize = 64;
/// Messages to the client that are not sent yet.
const QUEUE: usize = 64;
/// A client that does not take a message for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// The end of a socket whose client sends something else than messages (RFC 6455 7.4.1).
const STRANGE: CloseFrame = CloseFrame {
    code: close_code::INVALID,
    reason: Utf8Bytes::from_static("messages are JSON objects"),
};
/// How often the client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Pings without a sign of life after which it is gone.
const MISSED: u32 = 2;

pub(crate) fn class(api: &Api, call: &Call) -> Class {
    if call.query.get("dst").is_empty() { class_of_source(api, call) } else { Class::Stream }
}

/// A source in place of a name is added.
pub(crate) fn class_of_source(api: &Api, call: &Call) -> Class {
    let src = call.query.get("src");
    let adds = !src.is_empty() && api.streams.get(src).is_none() && src.contains(':');
    if adds { Class::Stream } else { Class::View }
}

pub(crate) async fn handle(api: Arc<Api>, mut call: Call) -> Reply {
    let (origin, host) = (call.header("origin"), call.header("host"));
    if call.header("upgrade").eq_ignore_ascii_case("websocket")
        && !access::allows_page(&api.settings().policy, origin, host)
    {
        return refused(StatusCode::FORBIDDEN, "Forbidden");
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut call.parts, &()).await else {
        return refused(StatusCode::BAD_REQUEST, "Bad Request");
    };
    let player = match api.players.open() {
        Ok(player) => player,
        Err(problem) => return error(StatusCode::INTERNAL_SERVER_ERROR, &problem.to_string()),
    };
    let tasks = api.tasks.clone();
    // HTTP has ended on the connection then, but not the connection.
    let place = call.place.take();
    let upgrade = upgrade.max_frame_size(MAX_FRAME).max_message_size(MAX_FRAME);
    let upgrade = upgrade.read_buffer_size(READ);
    let (give, take) = tokio::sync::oneshot::channel();
    // The socket is served by a task of ours, so that shutdown waits for it.
    tasks.spawn("websocket", async move {
        if let Ok(socket) = take.await {
            Client::new(api, call, player).run(socket).await;
        }
        drop(place);
    });
    upgrade
        .on_upgrade(move |socket| async move {
            let _ = give.send(socket);
        })
        .into_response()
}

/// No socket is opened; which version would be is said, as RFC 6455 4.4 wants it.
fn refused(status: StatusCode, text: &str) -> Reply {
    let mut reply = error(status, text);
    let version = HeaderValue::from_static("13");
    reply.headers_mut().insert("sec-websocket-version", version);
    reply
}

struct Client {
    api: Arc<Api>,
    call: Arc<Call>,
    player: Arc<Socket>,
    views: Vec<View>,
    waiting: Vec<String>,
    /// Media that goes over this socket.
    plays: Vec<Play>,
    /// Places for HLS sessions that are being opened.
    openings: Arc<Semaphore>,
    /// An HLS session was asked for.
    has_hls: bool,
    /// Offers that are being answered.
    running: usize,
    /// Since when the page is hidden.
    hidden: Option<Instant>,
    talk: Talk,
    why: Why,
    /// The player has said who it is.
    has_greeted: bool,
    /// Fires with the first offer: a session of an earlier socket says no more here.
    offered: CancellationToken,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    give: mpsc::Sender<Message>,
    given: mpsc::Receiver<Message>,
}

/// How a socket ends.
enum End {
    /// By the client.
    Client(Lost),
    /// By the client, which does not keep to the protocol: what it is told.
    Violated(CloseFrame),
    /// By the server.
    Server,
}

impl Client {
    fn new(api: Arc<Api>, call: Call, player: Socket) -> Self {
        let (tell, told) = mpsc::channel(QUEUE);
        let (give, given) = mpsc::channel(MEDIA_QUEUE);
        Self {
            api,
            call: Arc::new(call),
            player: Arc::new(player),
            views: Vec::new(),
            waiting: Vec::new(),
            plays: Vec::new(),
            openings: Arc::new(Semaphore::new(MAX_OPENINGS)),
            has_hls: false,
            running: 0,
            hidden: None,
            talk: Talk::default(),
            why: Why::default(),
            has_greeted: false,
            offered: CancellationToken::new(),
            tell,
            told,
            give,
            given,
        }
    }

    async fn run(mut self, mut socket: WebSocket) {
        let end = self.serve(&mut socket).await;
        // Others may speak at once.
        self.talk.leave();
        let (how, close) = match end {
            End::Client(how) => (how, None),
            End::Violated(close) => (Lost::Told(SignallingEnd::Fin), Some(close)),
            End::Server => (Lost::Told(SignallingEnd::Fin), None),
        };
        self.player.ended(how);
        if let Some(since) = self.hidden {
            // A page that does not come again lets go all the same.
            let views = std::mem::take(&mut self.views);
            let (cancel, player) = (self.api.cancel.clone(), Arc::clone(&self.player));
            let hide = session::hide_later(cancel, player, views, since);
            self.api.tasks.spawn("hidden page", hide);
        }
        let goodbye = async {
            let _ = socket.send(Message::Close(close)).await;
            // The library answers the client's own end, and takes the answer to ours, when it is
            // read once more: only then a browser calls the end a clean one (RFC 6455 7.1.4).
            let _ = socket.recv().await;
        };
        let _ = timeout(Duration::from_millis(200), goodbye).await;
    }

    async fn serve(&mut self, socket: &mut WebSocket) -> End {
        let cancel = self.api.cancel.clone();
        let gone = self.player.gone();
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.reset();
        let mut missed = 0;
        let mut heard = Instant::now();
        loop {
            let hide = self.next_hide();
            let messages = tokio::select! {
                frame = socket.recv() => {
                    (missed, heard) = (0, Instant::now());
                    match frame {
                        Some(Ok(Message::Close(_))) | None => return End::Client(Lost::Told(SignallingEnd::Fin)),
                        Some(Ok(Message::Text(text))) => self.on_text(text.as_bytes()),
                        Some(Ok(Message::Binary(bytes))) => self.on_text(&bytes),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Some(Vec::new()),
                        Some(Err(error)) => match violation(&error) {
                            Some(close) => return End::Violated(close),
                            None => return End::Client(Lost::Told(how(&error))),
                        },
                    }
                }
                Some(told) = self.told.recv() => self.on_told(told),
                Some(message) = self.given.recv() => Some(vec![message]),
                news = self.talk.news() => Some(news),
                _ = ping.tick() => {
                    if missed >= MISSED {
                        return End::Client(Lost::Silent(heard));
                    }
                    missed += 1;
                    Some(vec![Message::Ping(Bytes::new())])
                }
                () = tokio::time::sleep_until(hide.unwrap_or_else(Instant::now)), if hide.is_some() => {
                    self.hide();
                    Some(Vec::new())
                }
                () = gone.cancelled() => return End::Server,
                () = cancel.cancelled() => return End::Server,
            };
            let messages = messages.unwrap_or_else(|| vec![Message::Close(Some(STRANGE))]);
            for message in messages {
                let is_last = matches!(message, Message::Close(_));
                let begun = Instant::now();
                let sent = tokio::select! {
                    sent = timeout(WRITE_LIMIT, socket.send(message)) => sent,
                    () = gone.cancelled() => return End::Server,
                    () = cancel.cancelled() => return End::Server,
                };
                match sent {
                    Ok(Ok(())) if is_last => return End::Server,
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return End::Client(Lost::Told(how(&error))),
                    Err(_) => return End::Client(Lost::Stalled(begun)),
                }
            }
        }
    }

    /// Whether something is played that needs the socket: media that goes over it, or HLS, which
    /// ends soon after it.
    fn has_media(&self) -> bool {
        self.has_hls || self.plays.iter().any(Play::is_running)
    }
}

/// What a client is told that does not keep to the protocol (RFC 6455 7.4.1); `None`: its
/// connection has ended.
fn violation(error: &axum::Error) -> Option<CloseFrame> {
    use tungstenite::Error as Problem;
    use tungstenite::error::ProtocolError::ResetWithoutClosingHandshake;
    let (code, reason) = match error.source()?.downcast_ref()? {
        Problem::Capacity(_) => (close_code::SIZE, "a message is at most 256 KiB"),
        Problem::Utf8(_) => (close_code::INVALID, "a text is UTF-8"),
        Problem::Protocol(ResetWithoutClosingHandshake) => return None,
        Problem::Protocol(_) => (close_code::PROTOCOL, "frames are as RFC 6455 has them"),
        _ => return None,
    };
    Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
}

/// A reset, or an orderly end without a close frame.
fn how(error: &axum::Error) -> SignallingEnd {
    let mut source = error.source();
    while let Some(inner) = source {
        if inner
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() != io::ErrorKind::UnexpectedEof)
        {
            return SignallingEnd::Reset;
        }
        source = inner.source();
    }
    SignallingEnd::Fin
}

/// The stream that a call names; a source is made a temporary stream.
///
/// # Errors
/// What to tell the caller.
pub(crate) async fn find_stream(api: &Api, call: &Call) -> Result<Arc<Stream>, String> {
    let src = call.query.get("src");
    let dst = call.query.get("dst");
    if !dst.is_empty() {
        return api.streams.get(dst).ok_or_else(|| "stream not found".to_owned());
    }
    if let Some(stream) = api.streams.get(src) {
        return Ok(stream);
    }
    // The name of a stream that is gone meanwhile is not a source that may be added.
    if !src.contains(':') || call.class < Class::Stream {
        return Err("stream not found".to_owned());
    }
    streams_api::may_name(api, call, &[src.to_owned()]).await?;
    let name = match call.query.get("name") {
        "" => src,
        name => {
            streams_api::check_name(api, name)?;
            name
        }
    };
    // A link, or an address in a picture's `src`, is all that others need for this.
    if !(call.admin && call.program)
        && let Some(there) = api.streams.get(name)
    {
        return match there.sources().iter().any(|source| source == src) {
            true => Ok(there),
            false => Err(format!(
                "streams: {name} is there with another source, change it by PATCH api/streams"
            )),
        };
    }
    api.streams.patch(name, src, call.origin()).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_told_from_an_end() {
        #[derive(Debug, thiserror::Error)]
        #[error("wrapped")]
        struct Wrapped(#[from] io::Error);
        let end = |kind: io::ErrorKind| how(&axum::Error::new(Wrapped(kind.into())));
        assert_eq!(end(io::ErrorKind::ConnectionReset), SignallingEnd::Reset);
        assert_eq!(end(io::ErrorKind::TimedOut), SignallingEnd::Reset);
        assert_eq!(end(io::ErrorKind::UnexpectedEof), SignallingEnd::Fin);
        let other = axum::Error::new(std::fmt::Error);
        assert_eq!(how(&other), SignallingEnd::Fin);
    }
}
