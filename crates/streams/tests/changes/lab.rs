//! Scripted sources. The text of one says what it gives and how it behaves:
//! `cam:NAME?v=h264&a=opus&talk=pcma&dial=10&lives=500&step=10&fail`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    Attached, BoxFuture, CancellationToken, Connection, Description, Destination, Ended,
    OpenRequest, Opener, Options, Origin, Producer, Request, Settings, Sink, Stream, Streams,
    Subscription, Tracks,
};
use tokio::time::{Instant, sleep};

pub(crate) const MS: Duration = Duration::from_millis(1);
pub(crate) const S: Duration = Duration::from_secs(1);
/// A frame comes every so often,
const STEP: Duration = Duration::from_millis(10);
/// and every so many are keyframes.
const GOP: usize = 7;

#[derive(Default)]
pub(crate) struct Lab {
    dials: Mutex<Vec<(String, Instant)>>,
    /// What was open when a source was dialled last.
    beside: Mutex<HashMap<String, Vec<String>>>,
    open: Arc<Mutex<HashMap<String, usize>>>,
    runs: AtomicUsize,
    /// What loudspeakers heard.
    pub(crate) heard: Arc<Mutex<Vec<Bytes>>>,
    pub(crate) destination: Mutex<Option<Arc<dyn Destination>>>,
}

/// Counts as open from the dial until dropped.
struct Guard(Arc<Mutex<HashMap<String, usize>>>, String);

impl Drop for Guard {
    fn drop(&mut self) {
        *self.0.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

impl Lab {
    /// Names of the sources that were dialled, in order.
    pub(crate) fn dialled(&self) -> Vec<String> {
        self.dials.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn dial_times(&self) -> Vec<Instant> {
        self.dials.lock().unwrap().iter().map(|(_, at)| *at).collect()
    }

    /// Names of the sources that were open when one was dialled last, sorted.
    pub(crate) fn open_beside(&self, name: &str) -> Vec<String> {
        self.beside.lock().unwrap().get(name).cloned().unwrap()
    }

    /// Names of the sources that are open, sorted.
    pub(crate) fn open(&self) -> Vec<String> {
        let open = self.open.lock().unwrap();
        let mut names: Vec<String> =
            open.iter().filter(|(_, count)| **count > 0).map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}

fn number(source: &str, key: &str) -> Option<u64> {
    let start = source.find(key)? + key.len();
    let digits = source[start..].split('&').next()?;
    digits.parse().ok()
}

struct Source {
    text: String,
    run: u8,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    heard: Arc<Mutex<Vec<Bytes>>>,
    _guard: Guard,
}

impl Opener for Lab {
    fn check(&self, source: &str, _: Origin) -> Result<(), Error> {
        if source.starts_with("cam:") {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported, "streams: source not supported"))
    }

    fn destination(&self, url: &str, _: Origin) -> Result<Option<Arc<dyn Destination>>, Error> {
        Ok(self.destination.lock().unwrap().clone().filter(|_| url.starts_with("test:")))
    }

    fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        let text = request.source;
        let rest = text.strip_prefix("cam:").unwrap();
        let name = rest.split('?').next().unwrap().to_owned();
        self.dials.lock().unwrap().push((name.clone(), Instant::now()));
        self.beside.lock().unwrap().insert(name.clone(), self.open());
        *self.open.lock().unwrap().entry(name.clone()).or_default() += 1;
        let guard = Guard(Arc::clone(&self.open), name.clone());
        let run = self.runs.fetch_add(1, Ordering::Relaxed) as u8;
        let heard = Arc::clone(&self.heard);
        Box::pin(async move {
            sleep(Duration::from_millis(number(&text, "dial=").unwrap_or(10))).await;
            if text.contains("fail") {
                return Err(Error::new(ErrorKind::Unreachable, format!("{name} does not answer")));
            }
            let medias: Vec<Media> = medias_of(&text);
            let connection = Arc::new(Connection::new(Description {
                format_name: "lab".into(),
                medias: medias.clone(),
                ..Description::default()
            }));
            let source = Source { text, run, medias, connection, heard, _guard: guard };
            Ok(Box::new(source) as Box<dyn Producer>)
        })
    }
}

fn medias_of(text: &str) -> Vec<Media> {
    use Direction::{RecvOnly, SendOnly};
    let all = [
        ("v=h264", Kind::Video, RecvOnly, CodecId::H264),
        ("v=h265", Kind::Video, RecvOnly, CodecId::H265),
        ("a=opus", Kind::Audio, RecvOnly, CodecId::Opus),
        ("a=aac", Kind::Audio, RecvOnly, CodecId::Aac),
        ("a=pcma", Kind::Audio, RecvOnly, CodecId::Pcma),
        ("talk=pcma", Kind::Audio, SendOnly, CodecId::Pcma),
    ];
    let given = all.into_iter().filter(|(key, ..)| text.contains(key));
    given.map(|(_, kind, direction, id)| Media::new(kind, direction, Codec::new(id))).collect()
}

/// Remembers what a loudspeaker was sent.
struct Speaker(Arc<Mutex<Vec<Bytes>>>);

impl Sink for Speaker {
    fn push(&self, frame: &Arc<Frame>) {
        if let Payload::Data(data) = &frame.payload {
            self.0.lock().unwrap().push(data.clone());
        }
    }
}

impl Producer for Source {
    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    fn medias(&self) -> &[Media] {
        &self.medias
    }

    fn run(self: Box<Self>, mut tracks: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            let born = Instant::now();
            let step = number(&self.text, "step=").map_or(STEP, Duration::from_millis);
            let lives = number(&self.text, "lives=").map(Duration::from_millis);
            let mut speakers: HashMap<u64, Subscription> = HashMap::new();
            // The camera was on before: it is in the middle of a group.
            let mut number = 3_usize;
            while !cancel.is_cancelled() {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => break,
                    () = sleep(step) => {}
                }
                number += 1;
                let wanted = tracks.wanted();
                let talks = wanted.iter().filter(|w| w.direction == Direction::SendOnly);
                let now: HashMap<u64, _> = talks.map(|w| (w.track.id, w)).collect();
                speakers.retain(|id, _| now.contains_key(id));
                for (id, w) in now {
                    speakers.entry(id).or_insert_with(|| {
                        w.track.subscribe(Arc::new(Speaker(Arc::clone(&self.heard))))
                    });
                }
                for (index, media) in self.medias.iter().enumerate() {
                    let Some(writer) = tracks.writer(index) else { continue };
                    let keyframe = media.kind == Kind::Audio || number.is_multiple_of(GOP);
                    let codec = &media.codecs[0];
                    let pts = number as i64 * i64::from(codec.timestamp_rate()) / 100;
                    let payload = Payload::Data(Bytes::from(vec![self.run]));
                    let now = Instant::now().into_std();
                    writer.write(Frame::new(codec.id.clone(), keyframe, pts, now, payload));
                }
                if lives.is_some_and(|lives| born.elapsed() >= lives) {
                    return Ended::Finished;
                }
            }
            Ended::Cancelled
        })
    }
}

/// A frame that a viewer saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) dts: i64,
    pub(crate) run: u8,
    pub(crate) keyframe: bool,
    pub(crate) at: Instant,
}

#[derive(Default)]
pub(crate) struct Eye {
    seen: Mutex<Vec<Seen>>,
    ended: AtomicBool,
}

impl Sink for Eye {
    fn push(&self, frame: &Arc<Frame>) {
        let Payload::Data(data) = &frame.payload else { return };
        let (dts, keyframe) = (frame.dts, frame.keyframe);
        let seen = Seen { dts, run: data[0], keyframe, at: Instant::now() };
        self.seen.lock().unwrap().push(seen);
    }

    fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

impl Eye {
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Not one frame is missing, all are of one run of one source.
    pub(crate) fn saw_everything(&self) {
        let seen = self.seen();
        assert!(seen.len() > 10, "{} frames", seen.len());
        for pair in seen.windows(2) {
            assert_eq!(pair[0].run, pair[1].run, "{pair:?}");
            assert_eq!(pair[1].at - pair[0].at, STEP, "a frame is missing: {pair:?}");
        }
        assert!(!self.has_ended());
    }

    /// Times rise, and whenever another run gives the frames it begins with a keyframe.
    pub(crate) fn saw_no_seam(&self) {
        for pair in self.seen().windows(2) {
            assert!(pair[1].dts > pair[0].dts, "time runs back: {pair:?}");
            assert!(pair[0].run == pair[1].run || pair[1].keyframe, "no keyframe first: {pair:?}");
        }
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

impl Bench {
    pub(crate) fn stream(&self, name: &str, sources: &[&str]) -> Arc<Stream> {
        self.with_options(name, sources, Options::default())
    }

    pub(crate) fn with_options(
        &self,
        name: &str,
        sources: &[&str],
        options: Options,
    ) -> Arc<Stream> {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        self.streams.create_with(name, &sources, options, Origin::Config).unwrap()
    }
}

pub(crate) fn wants(codecs: &[CodecId]) -> Request {
    let media = |id: &CodecId| Media::new(id.kind(), Direction::SendOnly, Codec::new(id.clone()));
    let medias: Vec<Media> = codecs.iter().map(media).collect();
    let description = Description {
        format_name: "viewer".into(),
        medias: medias.clone(),
        ..Description::default()
    };
    let connection = Arc::new(Connection::new(description));
    Request { medias, connection, source_tag: None, may_sleep: false }
}

/// A viewer with one eye per track.
pub(crate) struct Viewer {
    pub(crate) attached: Attached,
    pub(crate) eyes: Vec<Arc<Eye>>,
    _subscriptions: Vec<Subscription>,
}

pub(crate) async fn view(stream: &Arc<Stream>, codecs: &[CodecId]) -> Viewer {
    watch(stream.attach(wants(codecs)).await.unwrap())
}

pub(crate) fn watch(attached: Attached) -> Viewer {
    let mut eyes = Vec::new();
    let mut subscriptions = Vec::new();
    for t in &attached.tracks {
        let eye = Arc::new(Eye::default());
        subscriptions.push(t.track.subscribe(Arc::clone(&eye) as Arc<dyn Sink>));
        eyes.push(eye);
    }
    Viewer { attached, eyes, _subscriptions: subscriptions }
}
