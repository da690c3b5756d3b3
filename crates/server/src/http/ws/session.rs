//! One WebRTC session of a socket: answering its offer, and telling the player
//! what becomes of it. Runs in a task of its own, as long as the session.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Message;
use rs2rtc_endpoints::outputs::webrtc::{SessionHandle, Signalling};
use rs2rtc_streams::{CancellationToken, Opener as _, Stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::message::{failure, message, released, state};
use super::{find_stream, why};
use crate::http::call::Call;
use crate::http::players::Socket;
use crate::http::{Api, webrtc};

/// How long a page whose session has ended waits for the time that its camera took.
const RELEASE_LIMIT: Duration = Duration::from_secs(2);
/// The way of playing of a session.
const WEBRTC: &str = "webrtc";
/// How long a hidden page keeps its camera if its source says nothing.
const HIDDEN_LINGER: Duration = Duration::from_secs(5);

/// What a session tells its socket.
pub(super) enum Told {
    /// Its offer was answered.
    Answered(Vec<Message>, View),
    /// Its offer was refused.
    Failed(Message),
    /// Something for the player about the session of a viewer.
    News(u64, Message),
    /// It has ended: the last words, and whether the socket is of no more use.
    Ended(Message, bool),
    /// What has become of a way of playing; of WebRTC with the session's viewer, if it came to
    /// one.
    Way(&'static str, Option<u64>, Became),
}

/// What has become of a way of playing.
pub(super) enum Became {
    /// It plays, so.
    Plays(Vec<why::Candidate>),
    /// There will be nothing, and why.
    Failed(String),
    /// No path over the network was found.
    NoNetwork,
}

/// A session as its socket sees it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) session: SessionHandle,
    /// How long it keeps its camera while the page is hidden.
    pub(super) hidden_linger: Duration,
    /// It was told that the page is hidden.
    pub(super) is_hidden: bool,
    /// A camera that is sent goes on while its page is hidden.
    pub(super) publishes: bool,
}

impl View {
    pub(super) fn new(api: &Api, session: SessionHandle, stream: Option<&Stream>) -> Self {
        let hidden_linger = stream.map_or(HIDDEN_LINGER, |stream| hidden_linger(api, stream));
        Self { session, hidden_linger, is_hidden: false, publishes: false }
    }

    /// Whether it has yet to let go of its camera because its page is hidden.
    pub(super) const fn is_to_hide(&self) -> bool {
        !self.is_hidden && !self.publishes
    }
}

/// What others may wait for is let go at once, unless the stream says otherwise.
pub(crate) fn hidden_linger(api: &Api, stream: &Stream) -> Duration {
    stream
        .options()
        .hidden_linger
        .unwrap_or_else(|| if is_exclusive(api, stream) { Duration::ZERO } else { HIDDEN_LINGER })
}

/// Whether only one stream of a group, or user of a device, can be open.
pub(crate) fn is_exclusive(api: &Api, stream: &Stream) -> bool {
    let sources = stream.snapshot().producers.unwrap_or_default();
    stream.options().exclusive.is_some()
        || sources.iter().any(|p| api.opener.exclusive_group(&p.source).is_some())
}

/// The socket of a hidden page is gone: its sessions let go of the camera when
/// they would have, unless the player has come again and says more.
pub(super) async fn hide_later(
    cancel: CancellationToken,
    socket: Arc<Socket>,
    mut views: Vec<View>,
    since: Instant,
) {
    views.retain(View::is_to_hide);
    views.sort_by_key(|view| view.hidden_linger);
    for view in views {
        tokio::select! {
            () = sleep_until(since + view.hidden_linger) => {
                if socket.holds(&view.session) {
                    view.session.park();
                }
            }
            _ = view.session.closed() => {}
            () = cancel.cancelled() => return,
        }
    }
}

/// An offer on its way.
pub(super) struct Offer {
    pub(super) api: Arc<Api>,
    pub(super) socket: Arc<Socket>,
    /// Type of the request: the answer has its form.
    pub(super) kind: String,
    pub(super) sdp: String,
    pub(super) call: Arc<Call>,
    /// It brings a picture to the stream instead of showing one.
    pub(super) publishes: bool,
    pub(super) signalling: Signalling,
    pub(super) tell: mpsc::Sender<Told>,
}

impl Offer {
    /// Answers, unless the socket ends before.
    pub(super) async fn run(self) {
        let gone = self.socket.gone();
        let result = tokio::select! {
            biased;
            () = gone.cancelled() => return,
            result = self.answer() => result,
        };
        let (messages, view) = match result {
            Ok(answered) => answered,
            Err(text) => {
                let problem = failure(&self.api, &self.kind, &text);
                let _ = self.tell.send(Told::Way(WEBRTC, None, Became::Failed(text))).await;
                let _ = self.tell.send(Told::Failed(problem)).await;
                return;
            }
        };
        let session = view.session.clone();
        self.socket.answered(&session);
        let _ = self.tell.send(Told::Answered(messages, view)).await;
        if !self.publishes {
            tell_why(&self.api, &session, &self.tell).await;
        }
        follow(&self.api, &self.socket, session, &self.kind, &self.tell).await;
    }

    async fn answer(&self) -> Result<(Vec<Message>, View), String> {
        let stream = find_stream(&self.api, &self.call).await?;
        let gateway = webrtc::gateway(&self.api).await.ok_or("not started, see the log")?;
        let signalling = self.signalling.clone();
        let answer = match self.publishes {
            true => gateway.publish(&stream, &self.sdp, signalling, false).await,
            false => gateway.answer(&stream, &self.sdp, signalling, false).await,
        };
        let answer = answer.map_err(|e| e.to_string())?;
        let (kind, value) = match self.kind.as_str() {
            "webrtc" => ("webrtc", json!({ "type": "answer", "sdp": answer.sdp })),
            _ => ("webrtc/answer", Value::String(answer.sdp)),
        };
        let mut messages = vec![message(kind, &value)];
        let lines = answer.candidates.into_iter().map(Value::String);
        messages.extend(lines.map(|line| message("webrtc/candidate", &line)));
        let view = View::new(&self.api, answer.session, Some(&stream));
        Ok((messages, View { publishes: self.publishes, ..view }))
    }
}

/// Tells what a session is sent, and why.
async fn tell_why(api: &Api, session: &SessionHandle, tell: &mpsc::Sender<Told>) {
    let viewer = session.viewer();
    if let Some(stream) = api.streams.get(session.stream()) {
        let became = Became::Plays(why::of_viewer(&stream, viewer, WEBRTC));
        let _ = tell.send(Told::Way(WEBRTC, Some(viewer), became)).await;
    }
}

/// Tells the player of a session's changes and its end. Goes on after the
/// socket: it keeps the socket's secret.
pub(super) async fn follow(
    api: &Api,
    socket: &Socket,
    mut session: SessionHandle,
    kind: &str,
    tell: &mpsc::Sender<Told>,
) {
    let mut parked = None;
    let text = loop {
        if let Some(text) = session.close_reason() {
            break text;
        }
        let now = session.parked();
        if now != parked {
            parked = now;
            if socket.is_introduced() {
                let _ = tell.send(Told::News(session.viewer(), state(parked))).await;
                if parked.is_none() {
                    // It may see other tracks than before, or some for the first time.
                    tell_why(api, &session, tell).await;
                }
            }
        }
        tokio::select! {
            () = session.changed() => {}
            () = api.cancel.cancelled() => return,
        }
    };
    if tell.is_closed() {
        return;
    }
    let code = session.close_code().unwrap_or("left");
    let last = if !socket.is_introduced() {
        // It has closed its connection itself: what it plays instead goes on.
        if matches!(code, "close_notify" | "sctp_abort") {
            return;
        }
        // A page that waits for a picture learns why there will be none.
        Told::Ended(failure(api, kind, &text), false)
    } else if code == "connect_timeout" {
        let way = Told::Way(WEBRTC, Some(session.viewer()), Became::NoNetwork);
        let _ = tell.send(way).await;
        // It never played: another way of playing may.
        Told::Ended(failure(api, kind, &text), false)
    } else {
        let gone = tokio::select! {
            gone = api.ledger.gone(&api.streams, session.viewer(), RELEASE_LIMIT) => gone,
            () = api.cancel.cancelled() => Default::default(),
        };
        Told::Ended(released(api, code, &text, gone.detect_ms, gone.release_ms), true)
    };
    let _ = tell.send(last).await;
}
