//! Media over the socket itself: fragmented MP4 for media source extensions,
//! keyframes as whole MP4s, and pictures as JPEG (`spec/api.md` 7).
//!
//! A viewer is a task. It hands one message after the other to the socket and
//! waits until it is taken; what the socket does not take in time is lost in the
//! viewer's own queue, never here. While the page is hidden the viewer lets go of
//! the camera; when it is shown again it goes on at the live edge.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Message;
use bytes::Bytes;
use rs2rtc_base::Error;
use rs2rtc_endpoints::outputs::hls::Signalling;
use rs2rtc_endpoints::outputs::mp4::{self, Begin, Piece, of_list};
use rs2rtc_endpoints::outputs::picture;
use rs2rtc_media::hls::Form;
use rs2rtc_streams::{CancellationToken, Departure, Description, Stream};
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::message::{Kind, failure, message, state};
use super::session::{Became, Told, hidden_linger};
use super::{find_stream, why};
use crate::http::players::Socket;
use crate::http::{Api, Call, hls};

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
        (give, tell): (mpsc::Sender<Message>, mpsc::Sender<Told>),
    ) -> Self {
        let (hidden, is_hidden) = watch::channel(None);
        let stopped = CancellationToken::new();
        let (gone, wish) = (socket.gone(), Wish::new(&call, kind, codecs));
        let linger = Duration::ZERO;
        let task = Task {
            gone,
            socket,
            kind,
            wish,
            give,
            tell,
            is_hidden,
            linger,
            stopped: stopped.clone(),
        };
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

/// Opens an HLS session and tells its address. It ends by its own clock, which is shorter
/// once the socket is gone; while the source is dialled it ends with the socket.
pub(super) async fn open_hls(
    api: &Api,
    socket: &Arc<Socket>,
    call: &Call,
    codecs: &str,
    (give, tell): (mpsc::Sender<Message>, mpsc::Sender<Told>),
) {
    let gone = socket.gone();
    let opened = async {
        let stream = find_stream(api, call).await?;
        let medias = of_list(codecs, true);
        let keeps: Arc<Socket> = Arc::clone(socket);
        let signalling = Signalling { gone: gone.clone(), bye: socket.bye(), keeps: Some(keeps) };
        let session = hls::open(api, call, &stream, "ws", Form::Mp4, medias, signalling).await;
        match session {
            Ok(session) => {
                let became = Became::Plays(why::of_viewer(&stream, session.viewer(), "hls"));
                let _ = tell.send(Told::Way("hls", None, became)).await;
                Ok(session.master().await)
            }
            Err(problem) => Err(problem.to_string()),
        }
    };
    let opened = tokio::select! {
        biased;
        () = gone.cancelled() => return,
        opened = opened => opened,
    };
    let answer = match opened {
        Ok(playlist) => message("hls", &Value::String(playlist)),
        Err(text) => {
            let answer = failure(api, "hls", &text);
            let _ = tell.send(Told::Way("hls", None, Became::Failed(text))).await;
            answer
        }
    };
    tokio::select! {
        biased;
        () = gone.cancelled() => {}
        _ = give.send(answer) => {}
    }
}

/// What a message asks for.
struct Wish {
    kind: Kind,
    codecs: String,
    about: Description,
}

impl Wish {
    fn new(call: &Call, kind: Kind, codecs: &str) -> Self {
        let about = Description {
            protocol: "ws".to_owned(),
            remote_addr: call.remote_addr(),
            user_agent: call.header("user-agent").to_owned(),
            ..Description::default()
        };
        Self { kind, codecs: codecs.to_owned(), about }
    }

    async fn attach(&self, api: &Api, stream: &Arc<Stream>) -> Result<Viewer, Error> {
        let (format_name, begin) = match self.kind {
            Kind::Mse => ("mse/fmp4", Begin::Live),
            Kind::Mp4 => ("mp4", Begin::Pictures),
            Kind::Mjpeg => {
                let (context, form) = (&api.context, picture::Form::Jpeg);
                let live = picture::Live::attach(context, stream, form, self.about.clone());
                return live.await.map(Box::new).map(Viewer::Jpeg);
            }
        };
        let wish = mp4::Wish {
            medias: of_list(&self.codecs, self.kind == Kind::Mse),
            description: Description { format_name: format_name.to_owned(), ..self.about.clone() },
            begin,
            wakes: true,
            picture: mp4::Picture::default(),
        };
        let viewer = Box::new(api.context.mp4.attach(stream, wish).await?);
        Ok(if self.kind == Kind::Mse { Viewer::Mse(viewer) } else { Viewer::Stills(viewer) })
    }
}

/// Who watches, by what he is sent.
enum Viewer {
    Mse(Box<mp4::Viewer>),
    Stills(Box<mp4::Viewer>),
    Jpeg(Box<picture::Live>),
}

impl Viewer {
    /// Its id among the viewers of the stream.
    fn id(&self) -> u64 {
        match self {
            Self::Mse(viewer) | Self::Stills(viewer) => viewer.id(),
            Self::Jpeg(live) => live.id(),
        }
    }

    /// What the answer says of it.
    fn content(&self) -> Value {
        match self {
            Self::Mse(viewer) | Self::Stills(viewer) => Value::String(viewer.content_type()),
            Self::Jpeg(_) => Value::Null,
        }
    }

    /// The next message. May be dropped and called again.
    async fn next(&mut self) -> Result<Bytes, End> {
        match self {
            Self::Mse(viewer) => viewer.next().await.map(Piece::into_bytes).map_err(End::from),
            Self::Stills(viewer) => {
                viewer.next_still().await.map(|still| still.bytes).map_err(End::from)
            }
            Self::Jpeg(live) => match live.next().await {
                // An image is one piece.
                Ok(pieces) => Ok(pieces.into_iter().next().unwrap_or_default()),
                Err(end) => Err(End::from(end)),
            },
        }
    }

    /// Cancelled when it is sent away.
    fn kicked(&self) -> CancellationToken {
        match self {
            Self::Mse(viewer) | Self::Stills(viewer) => viewer.kicked(),
            Self::Jpeg(live) => live.kicked(),
        }
    }

    fn park(&mut self, departure: Departure) {
        match self {
            Self::Mse(viewer) | Self::Stills(viewer) => viewer.park(departure),
            Self::Jpeg(live) => live.park(departure),
        }
    }

    async fn resume(&mut self) -> Result<(), Error> {
        match self {
            Self::Mse(viewer) | Self::Stills(viewer) => viewer.resume().await,
            Self::Jpeg(live) => live.resume().await,
        }
    }

    fn leave(self, departure: Departure) {
        match self {
            Self::Mse(viewer) | Self::Stills(viewer) => viewer.leave(departure),
            Self::Jpeg(live) => live.leave(departure),
        }
    }
}

/// Why nothing follows: the reason code, none if it was kicked, and in words.
struct End {
    code: Option<&'static str>,
    words: String,
}

impl From<mp4::End> for End {
    fn from(end: mp4::End) -> Self {
        let code = match end {
            mp4::End::Kicked(_) => None,
            mp4::End::Slow => Some("write_stall"),
            mp4::End::Source | mp4::End::Changed => Some("source_failed"),
        };
        Self { code, words: end.to_string() }
    }
}

impl From<picture::End> for End {
    fn from(end: picture::End) -> Self {
        let is_kicked = matches!(end, picture::End::Kicked(_));
        Self { code: (!is_kicked).then_some("source_failed"), words: end.to_string() }
    }
}

struct Task {
    socket: Arc<Socket>,
    kind: Kind,
    wish: Wish,
    give: mpsc::Sender<Message>,
    tell: mpsc::Sender<Told>,
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
    /// It leaves, so.
    Left(Departure),
    /// The page is hidden.
    Hidden,
    /// Nothing follows.
    Ended(End),
}

impl Task {
    async fn run(mut self, api: &Api, call: &Call) {
        let attached = async {
            let stream = find_stream(api, call).await?;
            let viewer = self.wish.attach(api, &stream).await;
            let viewer = viewer.map_err(|problem| problem.to_string())?;
            let candidates = why::of_viewer(&stream, viewer.id(), self.kind.name());
            Ok((viewer, candidates, hidden_linger(api, &stream)))
        };
        let attached = tokio::select! {
            biased;
            _ = left(&self.socket, &self.gone, &self.stopped) => return,
            attached = attached => attached,
        };
        let mut viewer = match attached {
            Ok((viewer, candidates, linger)) => {
                self.linger = linger;
                self.became(Became::Plays(candidates)).await;
                viewer
            }
            Err::<_, String>(text) => {
                self.became(Became::Failed(text.clone())).await;
                return self.say(failure(api, self.kind.name(), &text)).await;
            }
        };
        self.say(message(self.kind.answer(), &viewer.content())).await;
        let end = loop {
            match self.play(&mut viewer).await {
                Turn::Left(departure) => return viewer.leave(departure),
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
                departure = left => Err(departure),
                resumed = resumed => Ok(resumed),
            };
            match resumed {
                Err(departure) => return viewer.leave(departure),
                Ok(Err(problem)) => {
                    if viewer.kicked().is_cancelled() {
                        // With the reason of the kick.
                        drop(viewer);
                    } else {
                        viewer.leave(Departure::now("source_failed"));
                    }
                    let text = problem.to_string();
                    self.became(Became::Failed(text.clone())).await;
                    return self.say(failure(api, self.kind.name(), &text)).await;
                }
                Ok(Ok(())) if self.socket.is_introduced() => self.say(state(None)).await,
                Ok(Ok(())) => {}
            }
        };
        match end.code {
            Some(code) => viewer.leave(Departure::now(code)),
            // With the reason of the kick.
            None => drop(viewer),
        }
        self.became(Became::Failed(end.words.clone())).await;
        self.say(failure(api, self.kind.name(), &end.words)).await;
    }

    /// Hands on what comes.
    async fn play(&mut self, viewer: &mut Viewer) -> Turn {
        let give = &self.give;
        let kicked = viewer.kicked();
        let sent = async {
            loop {
                match viewer.next().await {
                    Ok(bytes) => tokio::select! {
                        biased;
                        // The next call says why.
                        () = kicked.cancelled() => {}
                        // Fails with the socket, which is told by its token.
                        _ = give.send(Message::Binary(bytes)) => {}
                    },
                    Err(end) => return end,
                }
            }
        };
        tokio::select! {
            biased;
            departure = left(&self.socket, &self.gone, &self.stopped) => Turn::Left(departure),
            () = to_hide(&mut self.is_hidden, self.linger) => Turn::Hidden,
            end = sent => Turn::Ended(end),
        }
    }

    async fn became(&self, became: Became) {
        tokio::select! {
            biased;
            _ = left(&self.socket, &self.gone, &self.stopped) => {}
            _ = self.tell.send(Told::Way(self.kind.name(), None, became)) => {}
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

/// Resolves when the viewer is gone, with how it leaves.
async fn left(socket: &Socket, gone: &CancellationToken, stopped: &CancellationToken) -> Departure {
    tokio::select! {
        // The end of a socket stops what goes over it, but that is not why.
        biased;
        () = gone.cancelled() => socket.departure().unwrap_or_else(|| Departure::now("left")),
        () = stopped.cancelled() => Departure::now("left"),
    }
}
