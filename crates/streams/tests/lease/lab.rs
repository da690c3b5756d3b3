//! Scripted sources that may be devices, and viewers that note what they see.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{
    Attached, BoxFuture, CancellationToken, Connection, Description, Ended, OpenRequest, Opener,
    Options, Origin, Producer, Request, Settings, Sink, Stream, Streams, Tracks,
};
use tokio::time::{Instant, sleep, timeout};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);

/// How one source behaves.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) codec: CodecId,
    pub(crate) dial: Duration,
    pub(crate) close: Duration,
    /// Errors of the next dials.
    pub(crate) fail: VecDeque<ErrorKind>,
    pub(crate) busy_until: Option<Instant>,
    pub(crate) lives: Option<Duration>,
    pub(crate) silent: bool,
    /// Goes on writing while it says goodbye.
    pub(crate) rude: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            codec: CodecId::H264,
            dial: 10 * MS,
            close: 20 * MS,
            fail: VecDeque::new(),
            busy_until: None,
            lives: None,
            silent: false,
            rude: false,
        }
    }
}

#[derive(Default)]
pub(crate) struct Lab {
    pub(crate) scripts: Mutex<HashMap<String, Script>>,
    pub(crate) dials: Mutex<Vec<(String, Instant)>>,
    pub(crate) open: Arc<Mutex<HashMap<String, usize>>>,
    pub(crate) most: Arc<AtomicUsize>,
    pub(crate) runs: AtomicUsize,
}

/// Counts as open from the dial until dropped.
pub(crate) struct OpenGuard(Arc<Mutex<HashMap<String, usize>>>, String);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        *self.0.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

impl Lab {
    pub(crate) fn script(&self, source: &str, change: impl FnOnce(&mut Script)) {
        change(self.scripts.lock().unwrap().entry(source.to_owned()).or_default());
    }

    pub(crate) fn dials(&self) -> usize {
        self.dials.lock().unwrap().len()
    }

    pub(crate) fn open_now(&self) -> usize {
        self.open.lock().unwrap().values().sum()
    }

    /// The part before `/`: the device.
    fn enter(&self, source: &str) -> OpenGuard {
        let device = source.split('/').next().unwrap().to_owned();
        let mut open = self.open.lock().unwrap();
        let count = open.entry(device.clone()).or_default();
        *count += 1;
        if device.starts_with("dev") {
            self.most.fetch_max(*count, Ordering::Relaxed);
        }
        OpenGuard(Arc::clone(&self.open), device)
    }
}

pub(crate) struct Camera {
    script: Script,
    run: u8,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    _guard: OpenGuard,
}

impl Opener for Lab {
    fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
        Ok(())
    }

    fn exclusive_group(&self, source: &str) -> Option<String> {
        let device = source.split('/').next()?;
        device.starts_with("dev").then(|| device.to_owned())
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        let source = request.source;
        self.dials.lock().unwrap().push((source.clone(), Instant::now()));
        let mut scripts = self.scripts.lock().unwrap();
        let script = scripts.entry(source.clone()).or_default();
        let fail = script.fail.pop_front();
        let script = script.clone();
        drop(scripts);
        let guard = self.enter(&source);
        let run = self.runs.fetch_add(1, Ordering::Relaxed) as u8;
        Box::pin(async move {
            tokio::select! {
                () = sleep(script.dial) => {}
                () = request.cancel.cancelled() => {
                    // Undoes what it started.
                    sleep(script.close).await;
                    return Err(Error::new(ErrorKind::Ended, "given up"));
                }
            }
            if script.busy_until.is_some_and(|until| Instant::now() < until) {
                return Err(Error::new(ErrorKind::Busy, "Device or resource busy"));
            }
            if let Some(kind) = fail {
                return Err(Error::new(kind, format!("scripted {kind}")));
            }
            let medias = vec![Media::new(
                Kind::Video,
                Direction::RecvOnly,
                Codec::new(script.codec.clone()),
            )];
            let connection = Arc::new(Connection::new(Description::default()));
            let camera = Camera { script, run, medias, connection, _guard: guard };
            Ok(Box::new(camera) as Box<dyn Producer>)
        })
    }
}

impl Producer for Camera {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let born = Instant::now();
            let mut number = 0;
            let mut frame = |tracks: &mut Tracks| {
                number += 1;
                if let Some(writer) = tracks.writer(0).filter(|_| !self.script.silent) {
                    let payload = Payload::Data(Bytes::from(vec![self.run]));
                    let id = self.script.codec.clone();
                    let now = Instant::now().into_std();
                    writer.write(Frame::new(id, true, number * 900, now, payload));
                }
            };
            loop {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break,
                    () = sleep(10 * MS) => frame(&mut tracks),
                }
                if self.script.lives.is_some_and(|lives| born.elapsed() >= lives) {
                    return Ended::Finished;
                }
            }
            let goodbye = Instant::now() + self.script.close;
            while Instant::now() < goodbye {
                sleep(5 * MS).await;
                if self.script.rude {
                    frame(&mut tracks);
                }
            }
            Ended::Cancelled
        })
    }
}

/// What a viewer saw.
#[derive(Default)]
pub(crate) struct Eye {
    pub(crate) frames: Mutex<Vec<(i64, u8, Instant)>>,
    pub(crate) ended: AtomicBool,
}

impl Sink for Eye {
    fn push(&self, frame: &Arc<Frame>) {
        let Payload::Data(data) = &frame.payload else { return };
        self.frames.lock().unwrap().push((frame.dts, data[0], Instant::now()));
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

pub(crate) struct Bench {
    pub(crate) lab: Arc<Lab>,
    pub(crate) streams: Streams,
}

pub(crate) fn bench() -> Bench {
    let lab = Arc::new(Lab::default());
    let streams = Streams::new(Arc::clone(&lab) as Arc<dyn Opener>, Settings::default());
    Bench { lab, streams }
}

pub(crate) fn video(id: CodecId) -> Request {
    let description = Description { format_name: "test".into(), ..Description::default() };
    Request {
        medias: vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(id))],
        connection: Arc::new(Connection::new(description)),
        source_tag: None,
        may_sleep: false,
    }
}

pub(crate) fn h264() -> Request {
    video(CodecId::H264)
}

pub(crate) fn watch(attached: &Attached) -> (Arc<Eye>, rs2rtc_streams::Subscription) {
    let eye = Arc::new(Eye::default());
    let subscription = attached.tracks[0].track.subscribe(Arc::clone(&eye) as Arc<dyn Sink>);
    (eye, subscription)
}

impl Bench {
    pub(crate) fn stream(&self, name: &str, source: &str, options: Options) -> Arc<Stream> {
        self.streams.create_with(name, &[source.to_owned()], options, Origin::Config).unwrap()
    }

    /// Waits for an event and gives it.
    pub(crate) async fn event(&self, after: &mut u64, wanted: impl Fn(&Event) -> bool) -> Event {
        let search = async {
            loop {
                for record in self.streams.events().since(*after).records {
                    *after = record.seq;
                    if wanted(&record.event) {
                        return record.event.clone();
                    }
                }
                self.streams.events().changed(*after).await;
            }
        };
        timeout(600 * S, search).await.unwrap()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.streams.events().since(0).records.iter().map(|r| r.event.clone()).collect()
    }
}

pub(crate) fn is_released(event: &Event) -> bool {
    matches!(event, Event::SourceReleased { .. })
}

pub(crate) fn is_failed(event: &Event) -> bool {
    matches!(event, Event::SourceFailed { .. })
}
