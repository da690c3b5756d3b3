//! Scripted sources, which tell what happens to them, and a bench with an engine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, OpenRequest, Opener, Origin,
    Producer, Request, Settings, Streams, Tracks,
};
use tokio::sync::mpsc;

/// What the scripted sources report.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Dialled(String),
    Running(String),
    Closed(String),
    DialDropped(String),
}

/// `test:NAME?v=h264&a=opus`, `fail:KIND`, `hang:`, `once:` (ends when told).
pub(crate) struct Scripted {
    events: mpsc::UnboundedSender<Event>,
    pub(crate) dials: AtomicUsize,
    pub(crate) end: tokio::sync::broadcast::Sender<()>,
    pub(crate) fail_next: Arc<Mutex<Option<ErrorKind>>>,
}

pub(crate) struct Source {
    name: String,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    events: mpsc::UnboundedSender<Event>,
    end: tokio::sync::broadcast::Receiver<()>,
}

pub(crate) fn media(kind: Kind, direction: Direction, id: CodecId) -> Media {
    Media::new(kind, direction, Codec::new(id))
}

pub(crate) struct OnDrop(Option<(mpsc::UnboundedSender<Event>, String)>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some((events, name)) = self.0.take() {
            let _ = events.send(Event::DialDropped(name));
        }
    }
}

impl Opener for Scripted {
    fn check(&self, source: &str, origin: Origin) -> Result<(), Error> {
        match source.split(':').next() {
            Some("exec") if origin == Origin::Api => {
                Err(Error::new(ErrorKind::Config, "streams: source from insecure producer"))
            }
            Some("test" | "fail" | "hang" | "exec") => Ok(()),
            _ => Err(Error::new(ErrorKind::Unsupported, "streams: source not supported")),
        }
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        self.dials.fetch_add(1, Ordering::Relaxed);
        let events = self.events.clone();
        let end = self.end.subscribe();
        let fail_next = self.fail_next.lock().unwrap().take();
        Box::pin(async move {
            let source = request.source.clone();
            let _ = events.send(Event::Dialled(source.clone()));
            if let Some(kind) = fail_next {
                return Err(Error::new(kind, "scripted"));
            }
            if source.starts_with("hang:") {
                let _guard = OnDrop(Some((events, source)));
                std::future::pending::<()>().await;
                unreachable!();
            }
            if let Some(text) = source.strip_prefix("fail:") {
                return Err(Error::new(ErrorKind::Unreachable, text));
            }
            let mut medias = Vec::new();
            if source.contains("v=h264") {
                medias.push(media(Kind::Video, Direction::RecvOnly, CodecId::H264));
            }
            if source.contains("v=h265") {
                medias.push(media(Kind::Video, Direction::RecvOnly, CodecId::H265));
            }
            if source.contains("a=aac") {
                medias.push(media(Kind::Audio, Direction::RecvOnly, CodecId::Aac));
            }
            if source.contains("a=opus") {
                medias.push(media(Kind::Audio, Direction::RecvOnly, CodecId::Opus));
            }
            if source.contains("talk") {
                medias.push(media(Kind::Audio, Direction::SendOnly, CodecId::Pcma));
            }
            let connection = Arc::new(Connection::new(Description {
                format_name: "test".into(),
                url: source.clone(),
                ..Description::default()
            }));
            Ok(Box::new(Source { name: source, medias, connection, events, end })
                as Box<dyn Producer>)
        })
    }
}

impl Producer for Source {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(mut self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            if cancel.is_cancelled() {
                let _ = self.events.send(Event::Closed(self.name));
                return Ended::Cancelled;
            }
            let _ = self.events.send(Event::Running(self.name.clone()));
            let mut number = 0;
            let mut ticks = tokio::time::interval(Duration::from_millis(5));
            let ended = loop {
                tokio::select! {
                    () = cancel.cancelled() => break Ended::Cancelled,
                    _ = self.end.recv() => break Ended::Finished,
                    _ = ticks.tick() => {
                        number += 1;
                        for index in 0..self.medias.len() {
                            let Some(writer) = tracks.writer(index) else { continue };
                            let id = self.medias[index].codecs[0].id.clone();
                            let payload = Payload::Data(Bytes::from_static(b"frame"));
                            writer.write(Frame::new(id, true, number * 450, Instant::now(), payload));
                        }
                    }
                }
            };
            let _ = self.events.send(Event::Closed(self.name));
            ended
        })
    }
}

pub(crate) struct Bench {
    pub(crate) streams: Streams,
    pub(crate) opener: Arc<Scripted>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
}

pub(crate) fn bench() -> Bench {
    let (events, receiver) = mpsc::unbounded_channel();
    let opener = Arc::new(Scripted {
        events,
        dials: AtomicUsize::new(0),
        end: tokio::sync::broadcast::channel(4).0,
        fail_next: Arc::default(),
    });
    let streams = Streams::new(Arc::clone(&opener) as Arc<dyn Opener>, Settings::default());
    Bench { streams, opener, events: receiver }
}

impl Bench {
    pub(crate) fn stream(&self, name: &str, sources: &[&str]) {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        self.streams.create(name, &sources, Origin::Config).unwrap();
    }

    pub(crate) async fn event(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.unwrap().unwrap()
    }

    pub(crate) async fn until(&mut self, wanted: &Event) {
        while &self.event().await != wanted {}
    }
}

pub(crate) fn wants(codecs: &[(Kind, CodecId)]) -> Request {
    Request {
        medias: codecs
            .iter()
            .map(|(kind, id)| media(*kind, Direction::SendOnly, id.clone()))
            .collect(),
        connection: Arc::new(Connection::new(Description::default())),
        source_tag: None,
        may_sleep: false,
    }
}

pub(crate) const VIDEO: (Kind, CodecId) = (Kind::Video, CodecId::H264);
pub(crate) const OPUS: (Kind, CodecId) = (Kind::Audio, CodecId::Opus);
