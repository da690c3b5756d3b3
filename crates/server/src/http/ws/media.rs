//! Media over the socket itself: fragmented MP4 for media source extensions, and
//! keyframes as whole MP4s (`spec/api.md` 7).
//!
//! A viewer is a task. It hands one message after the other to the socket and
//! waits until it is taken; what the socket does not take in time is lost in the
//! viewer's own queue, never here. While the page is hidden the viewer lets go of
//! the camera; when it is shown again it goes on at the live edge.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Message;
use rs2rtc_endpoints::outputs::mp4::{Begin, End, Picture, Piece, Viewer, Wish, of_list};
use rs2rtc_streams::{CancellationToken, Departure, Description};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::find_stream;
use super::message::{Kind, failure, message, state};
use super::session::hidden_linger;
use crate::http::players::Socket;
use crate::http::{Api, Call};

/// One media stream of a socket. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Play {
    pub(super) kind: Kind,
    hidden: watch::Sender<Option<Instant>>,
    stopped: CancellationToken,
}

impl Play {
    /// Starts the task of a stream.
    pub(super) fn start(
        api: Arc<Api>,
        socket: Arc<Socket>,
        call: Arc<Call>,
        kind: Kind,
        codecs: &str,
        give: mpsc::Sender<Message>,
    ) -> Self {
        let (hidden, is_hidden) = watch::channel(None);
        let stopped = CancellationToken::new();
        let (gone, wish) = (socket.gone(), wish(&call, kind, codecs));
        let linger = Duration::ZERO;
        let task =
            Task { gone, socket, kind, wish, give, is_hidden, linger, stopped: stopped.clone() };
        let tasks = api.tasks.clone();
        tasks.spawn("media viewer", async move { task.run(&api, &call).await });
        Self { kind, hidden, stopped }
    }

    pub(super) fn is_running(&self) -> bool {
        !self.hidden.is_closed()
    }

    /// Tells since when the page is hidden; nothing if it is seen.
    pub(super) fn hide(&self, since: Option<Instant>) {
        self.hidden.send_if_modified(|was| std::mem::replace(was, since) != since);
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

/// What a message asks for.
fn wish(call: &Call, kind: Kind, codecs: &str) -> Wish {
    let (format_name, begin) = match kind {
        Kind::Mse => ("mse/fmp4", Begin::Live),
        Kind::Mp4 => ("mp4", Begin::Pictures),
    };
    Wish {
        medias: of_list(codecs, kind == Kind::Mse),
        description: Description {
            format_name: format_name.to_owned(),
            protocol: "ws".to_owned(),
            remote_addr: call.remote_addr(),
            user_agent: call.header("user-agent").to_owned(),
            ..Description::default()
        },
        begin,
        picture: Picture::default(),
    }
}

struct Task {
    socket: Arc<Socket>,
    kind: Kind,
    wish: Wish,
    give: mpsc::Sender<Message>,
    /// Since when the page is hidden.
    is_hidden: watch::Receiver<Option<Instant>>,
    /// How long the camera is kept while the page is hidden.
    linger: Duration,
    /// The socket has ended, or a goodbye came.
    gone: CancellationToken,
    /// It is not needed any more.
    stopped: CancellationToken,
}

/// What happens next to a viewer.
enum Turn {
    /// It leaves for this reason.
    Left(&'static str),
    /// The page is hidden.
    Hidden,
    /// Nothing follows.
    Ended(End),
}

impl Task {
    async fn run(mut self, api: &Api, call: &Call) {
        let attached = async {
            let stream = find_stream(api, call).await?;
            let viewer = api.context.mp4.attach(&stream, self.wish.clone()).await;
            Ok((viewer.map_err(|problem| problem.to_string())?, hidden_linger(api, &stream)))
        };
        let attached = tokio::select! {
            biased;
            _ = left(&self.socket, &self.gone, &self.stopped) => return,
            attached = attached => attached,
        };
        let mut viewer = match attached {
            Ok((viewer, linger)) => {
                self.linger = linger;
                viewer
            }
            Err::<_, String>(text) => {
                return self.say(failure(api, self.kind.name(), &text)).await;
            }
        };
        // The type of the answer is `mse` for both.
        self.say(message("mse", &Value::String(viewer.content_type()))).await;
        let end = loop {
            match self.play(&mut viewer).await {
                Turn::Left(code) => return viewer.leave(Departure::now(code)),
                Turn::Ended(end) => break end,
                Turn::Hidden => {}
            }
            viewer.park(Departure::now("hidden"));
            if self.socket.is_introduced() {
                self.say(state(Some("hidden"))).await;
            }
            let resumed = async {
                // Fails with the socket, which is told by its token.
                let _ = self.is_hidden.wait_for(Option::is_none).await;
                viewer.resume().await
            };
            let left = left(&self.socket, &self.gone, &self.stopped);
            let resumed = tokio::select! {
                biased;
                code = left => Err(code),
                resumed = resumed => Ok(resumed),
            };
            match resumed {
                Err(code) => return viewer.leave(Departure::now(code)),
                Ok(Err(problem)) => {
                    viewer.leave(Departure::now("source_failed"));
                    return self.say(failure(api, self.kind.name(), &problem.to_string())).await;
                }
                Ok(Ok(())) if self.socket.is_introduced() => self.say(state(None)).await,
                Ok(Ok(())) => {}
            }
        };
        match end {
            // With the reason of the kick.
            End::Kicked(_) => drop(viewer),
            End::Slow => viewer.leave(Departure::now("write_stall")),
            End::Source | End::Changed => viewer.leave(Departure::now("source_failed")),
        }
        self.say(failure(api, self.kind.name(), &end.to_string())).await;
    }

    /// Hands on what comes.
    async fn play(&mut self, viewer: &mut Viewer) -> Turn {
        let (kind, give) = (self.kind, &self.give);
        let sent = async {
            loop {
                let bytes = match kind {
                    Kind::Mse => viewer.next().await.map(Piece::into_bytes),
                    Kind::Mp4 => viewer.next_still().await.map(|still| still.bytes),
                };
                match bytes {
                    // Fails with the socket, which is told by its token.
                    Ok(bytes) => drop(give.send(Message::Binary(bytes)).await),
                    Err(end) => return end,
                }
            }
        };
        tokio::select! {
            biased;
            code = left(&self.socket, &self.gone, &self.stopped) => Turn::Left(code),
            () = to_hide(&mut self.is_hidden, self.linger) => Turn::Hidden,
            end = sent => Turn::Ended(end),
        }
    }

    async fn say(&self, message: Message) {
        tokio::select! {
            biased;
            _ = left(&self.socket, &self.gone, &self.stopped) => {}
            _ = self.give.send(message) => {}
        }
    }
}

/// Resolves when the page has been hidden for so long; never once the socket is gone.
async fn to_hide(is_hidden: &mut watch::Receiver<Option<Instant>>, linger: Duration) {
    loop {
        let since = *is_hidden.borrow_and_update();
        let changed = match since {
            Some(since) => tokio::select! {
                () = sleep_until(since + linger) => return,
                changed = is_hidden.changed() => changed,
            },
            None => is_hidden.changed().await,
        };
        if changed.is_err() {
            return pending().await;
        }
    }
}

/// Resolves when the viewer is gone, with the reason code.
async fn left(
    socket: &Socket,
    gone: &CancellationToken,
    stopped: &CancellationToken,
) -> &'static str {
    tokio::select! {
        // The end of a socket stops what goes over it, but that is not why.
        biased;
        () = gone.cancelled() => socket.end_code().unwrap_or("left"),
        () = stopped.cancelled() => "left",
    }
}
