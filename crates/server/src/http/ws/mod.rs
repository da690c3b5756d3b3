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
use rs2rtc_endpoints::outputs::webrtc::{Goodbye, SignallingEnd};
use rs2rtc_streams::{CancellationToken, Stream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::call::{Call, Reply, error};
use super::players::{Lost, Socket};
use super::{Api, Class, access, streams_api, webrtc};

mod media;
mod message;
mod session;
mod talk;
mod why;

use media::Play;
use message::{Heard, failure};
use session::{Became, Offer, Told, View, follow};
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

    /// What to answer; `None` if the client speaks another protocol.
    fn on_text(&mut self, bytes: &[u8]) -> Option<Vec<Message>> {
        let answer = match message::read(bytes)? {
            Heard::Refused(kind, text) => failure(&self.api, &kind, text),
            Heard::Offer(kind, None) => failure(&self.api, &kind, "offer has no sdp"),
            Heard::Offer(kind, Some(_)) if self.running >= MAX_OFFERS => {
                failure(&self.api, &kind, "too many offers at once")
            }
            Heard::Offer(kind, Some(sdp)) => {
                self.start(kind, sdp);
                return Some(Vec::new());
            }
            Heard::Candidate(candidate) => {
                self.on_candidate(candidate);
                return Some(Vec::new());
            }
            Heard::Hello(player, pinned) => {
                self.why.pin(why::way(&pinned));
                return Some(vec![self.on_hello(&player), self.why.message(&self.api)]);
            }
            Heard::Hidden(hidden) => {
                self.on_hidden(hidden);
                return Some(Vec::new());
            }
            // Nobody answers for a module that is off.
            Heard::Media(kind, _) if !self.api.settings().has_module(kind.module()) => {
                return Some(Vec::new());
            }
            Heard::Hls(_) if !self.api.settings().has_module("hls") => return Some(Vec::new()),
            Heard::Hls(codecs) => {
                let Ok(place) = Arc::clone(&self.openings).try_acquire_owned() else {
                    return Some(vec![failure(&self.api, "hls", "too many requests at once")]);
                };
                self.has_hls = true;
                let (api, socket) = (Arc::clone(&self.api), Arc::clone(&self.player));
                let (call, give) = (Arc::clone(&self.call), self.give.clone());
                let tell = self.tell.clone();
                self.api.tasks.spawn("hls opening", async move {
                    media::open_hls(&api, &socket, &call, &codecs, (give, tell)).await;
                    drop(place);
                });
                return Some(Vec::new());
            }
            Heard::Media(kind, codecs) => {
                self.plays.retain(Play::is_running);
                if self.plays.len() < MAX_PLAYS {
                    self.play(kind, &codecs);
                    return Some(Vec::new());
                }
                failure(&self.api, kind.name(), "too many streams on one socket")
            }
            Heard::Ask(name) => self.on_ask(&name),
            Heard::Release => {
                self.talk.release();
                return Some(Vec::new());
            }
            Heard::Stop(kind) => {
                // By the type of the message, or of its answer.
                let is_meant =
                    |play: &mut Play| play.kind.answer() == kind || play.kind.name() == kind;
                for stopped in self.plays.extract_if(.., is_meant) {
                    self.why.stopped(stopped.kind.name());
                }
                if kind == "webrtc" {
                    // One that has not connected would be waited for.
                    for view in std::mem::take(&mut self.views) {
                        view.session.goodbye(Goodbye::Delete);
                    }
                    self.why.stopped("webrtc");
                }
                return Some(self.explained());
            }
            Heard::Unknown => return Some(Vec::new()),
        };
        Some(vec![answer])
    }

    /// Whether what became of a way is still of interest: it is of the last session, or of media
    /// that goes over this socket, and was not stopped meanwhile.
    fn is_current(&self, way: &str, viewer: Option<u64>) -> bool {
        match way {
            "webrtc" => self.views.last().map(|view| view.session.viewer()) == viewer,
            "hls" => true,
            _ => self.plays.iter().any(|play| play.kind.name() == way),
        }
    }

    /// What is known of all ways of playing, for who has said hello.
    fn explained(&self) -> Vec<Message> {
        if self.has_greeted { vec![self.why.message(&self.api)] } else { Vec::new() }
    }

    fn on_candidate(&mut self, candidate: String) {
        if candidate.len() > MAX_CANDIDATE {
            return;
        }
        if self.running > 0 && self.waiting.len() < MAX_WAITING {
            self.waiting.push(candidate);
        } else if let Some(view) = self.views.last() {
            view.session.add_remote_candidate(&candidate);
        }
    }

    /// The player's running sessions of earlier sockets belong to this one now.
    fn on_hello(&mut self, player: &str) -> Message {
        let stream = self.api.streams.get(self.call.query.get("src"));
        self.has_greeted = true;
        self.talk.listen(stream.clone());
        let name = stream.as_ref().map_or("", |s| s.name());
        let player = match player {
            // One that does not say who it is: nobody else's.
            "" => format!("socket-{}", self.player.id),
            player => player.to_owned(),
        };
        for session in self.player.introduce(&player, name) {
            self.views.push(View::new(&self.api, session.clone(), stream.as_deref()));
            let (api, player) = (Arc::clone(&self.api), Arc::clone(&self.player));
            let (tell, offered) = (self.tell.clone(), self.offered.clone());
            self.api.tasks.spawn("webrtc session", async move {
                tokio::select! {
                    () = follow(&api, &player, session, "webrtc/offer", &tell) => {}
                    () = offered.cancelled() => {}
                }
            });
        }
        message::session(&self.api, self.player.id, &self.player.secret())
    }

    fn on_ask(&mut self, name: &str) -> Message {
        let Some(stream) = self.api.streams.get(self.call.query.get("src")) else {
            return failure(&self.api, "talk/request", "stream not found");
        };
        if !self.call.talk {
            return failure(&self.api, "talk/request", access::NO_TALK);
        }
        // Who has no session has no microphone that could be heard.
        if !self.has_greeted && self.views.is_empty() && self.running == 0 {
            let text = "there is no session here: say hello or send an offer first";
            return failure(&self.api, "talk/request", text);
        }
        let answer = self.talk.request(&stream, name, &self.call.remote_addr());
        for view in &self.views {
            self.talk.speaks_for(view.session.viewer());
        }
        answer
    }

    fn on_hidden(&mut self, hidden: bool) {
        if hidden {
            self.hidden = Some(self.player.hide());
            self.hide();
        } else {
            self.hidden = None;
            self.player.show();
            // Those of an earlier socket too; who is not hidden takes no notice.
            for view in &mut self.views {
                view.is_hidden = false;
                view.session.resume();
            }
        }
        self.plays.iter().for_each(|play| play.hide(self.hidden));
    }

    /// When the next session is to let go of its camera because the page is hidden.
    fn next_hide(&self) -> Option<Instant> {
        let since = self.hidden?;
        let waiting = self.views.iter().filter(|v| v.is_to_hide()).map(|v| v.hidden_linger);
        waiting.min().map(|linger| since + linger)
    }

    fn hide(&mut self) {
        let Some(since) = self.hidden else { return };
        let now = Instant::now();
        for view in self.views.iter_mut().filter(|v| v.is_to_hide()) {
            if since + view.hidden_linger <= now {
                view.is_hidden = true;
                view.session.park();
            }
        }
    }

    fn play(&mut self, kind: message::Kind, codecs: &str) {
        let (api, socket) = (Arc::clone(&self.api), Arc::clone(&self.player));
        let call = Arc::clone(&self.call);
        let to = (self.give.clone(), self.tell.clone());
        let play = Play::start(api, socket, call, kind, codecs, to);
        play.hide(self.hidden);
        self.plays.push(play);
    }

    fn start(&mut self, kind: String, sdp: String) {
        self.running += 1;
        if !self.offered.is_cancelled() {
            self.offered.cancel();
            self.views.clear();
        }
        let offer = Offer {
            api: Arc::clone(&self.api),
            socket: Arc::clone(&self.player),
            kind,
            sdp,
            call: Arc::clone(&self.call),
            publishes: !self.call.query.get("dst").is_empty(),
            signalling: webrtc::signalling(&self.call, "webrtc", "ws"),
            tell: self.tell.clone(),
        };
        self.api.tasks.spawn("webrtc session", offer.run());
    }

    fn on_told(&mut self, told: Told) -> Option<Vec<Message>> {
        match told {
            Told::Answered(messages, view) => {
                self.running = self.running.saturating_sub(1);
                for candidate in self.waiting.drain(..) {
                    view.session.add_remote_candidate(&candidate);
                }
                self.views.retain(|v| v.session.close_reason().is_none());
                self.talk.speaks_for(view.session.viewer());
                self.views.push(view);
                self.hide();
                Some(messages)
            }
            Told::Failed(problem) => {
                self.running = self.running.saturating_sub(1);
                Some(vec![problem])
            }
            Told::News(viewer, message) => {
                let is_current = self.views.last().is_some_and(|v| v.session.viewer() == viewer);
                Some(if is_current { vec![message] } else { Vec::new() })
            }
            Told::Way(way, viewer, became) => {
                if !self.is_current(way, viewer) {
                    return Some(Vec::new());
                }
                match became {
                    Became::Plays(candidates) => self.why.set(way, candidates),
                    Became::Failed(text) => self.why.fail(way, &text),
                    Became::NoNetwork => self.why.no_network(),
                }
                Some(self.explained())
            }
            Told::Ended(message, is_over) => {
                self.views.retain(|v| v.session.close_reason().is_none());
                if is_over && self.views.is_empty() {
                    self.why.ended("webrtc");
                }
                let is_alone = self.views.is_empty() && self.running == 0 && !self.has_media();
                Some(match (is_over, is_alone) {
                    (false, _) => vec![message],
                    (true, true) => vec![message, Message::Close(None)],
                    // Another session has taken its place, or the page has chosen to play
                    // what goes over this socket.
                    (true, false) => Vec::new(),
                })
            }
        }
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
