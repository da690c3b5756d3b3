//! Leases under a paused clock: when a source is released, adopted, waited for,
//! tried again, and what its viewers keep meanwhile.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{
    Attached, BoxFuture, CancellationToken, Change, Connection, Departure, Description, Ended,
    OpenRequest, Opener, Options, Origin, Producer, Request, Settings, Sink, Stream, Streams,
    Tracks, Wake,
};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

/// How one source behaves.
#[derive(Clone)]
struct Script {
    codec: CodecId,
    dial: Duration,
    close: Duration,
    /// Errors of the next dials.
    fail: VecDeque<ErrorKind>,
    busy_until: Option<Instant>,
    lives: Option<Duration>,
    silent: bool,
    /// Goes on writing while it says goodbye.
    rude: bool,
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
struct Lab {
    scripts: Mutex<HashMap<String, Script>>,
    dials: Mutex<Vec<(String, Instant)>>,
    open: Arc<Mutex<HashMap<String, usize>>>,
    most: Arc<AtomicUsize>,
    runs: AtomicUsize,
}

/// Counts as open from the dial until dropped.
struct OpenGuard(Arc<Mutex<HashMap<String, usize>>>, String);

impl Drop for OpenGuard {
    fn drop(&mut self) {
        *self.0.lock().unwrap().get_mut(&self.1).unwrap() -= 1;
    }
}

impl Lab {
    fn script(&self, source: &str, change: impl FnOnce(&mut Script)) {
        change(self.scripts.lock().unwrap().entry(source.to_owned()).or_default());
    }

    fn dials(&self) -> usize {
        self.dials.lock().unwrap().len()
    }

    fn open_now(&self) -> usize {
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

struct Camera {
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
struct Eye {
    frames: Mutex<Vec<(i64, u8, Instant)>>,
    ended: AtomicBool,
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

struct Bench {
    lab: Arc<Lab>,
    streams: Streams,
}

fn bench() -> Bench {
    let lab = Arc::new(Lab::default());
    let streams = Streams::new(Arc::clone(&lab) as Arc<dyn Opener>, Settings::default());
    Bench { lab, streams }
}

fn video(id: CodecId) -> Request {
    let description = Description { format_name: "test".into(), ..Description::default() };
    Request {
        medias: vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(id))],
        connection: Arc::new(Connection::new(description)),
        source_tag: None,
        may_sleep: false,
    }
}

fn h264() -> Request {
    video(CodecId::H264)
}

fn watch(attached: &Attached) -> (Arc<Eye>, rs2rtc_streams::Subscription) {
    let eye = Arc::new(Eye::default());
    let subscription = attached.tracks[0].track.subscribe(Arc::clone(&eye) as Arc<dyn Sink>);
    (eye, subscription)
}

impl Bench {
    fn stream(&self, name: &str, source: &str, options: Options) -> Arc<Stream> {
        self.streams.create_with(name, &[source.to_owned()], options, Origin::Config).unwrap()
    }

    /// Waits for an event and gives it.
    async fn event(&self, after: &mut u64, wanted: impl Fn(&Event) -> bool) -> Event {
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

    fn events(&self) -> Vec<Event> {
        self.streams.events().since(0).records.iter().map(|r| r.event.clone()).collect()
    }
}

fn is_released(event: &Event) -> bool {
    matches!(event, Event::SourceReleased { .. })
}

fn is_failed(event: &Event) -> bool {
    matches!(event, Event::SourceFailed { .. })
}

#[tokio::test(start_paused = true)]
async fn the_last_viewer_to_go_releases_the_source_and_is_named() {
    let b = bench();
    let stream = b.stream("cam", "cam:1", Options::default());
    let one = stream.attach(h264()).await.unwrap();
    let two = stream.attach(h264()).await.unwrap();
    assert_eq!(b.streams.counters().leases_held, 2);
    sleep(S).await;
    let last = two.connection().id;
    drop(one);
    sleep(S).await;
    assert_eq!(b.lab.open_now(), 1);
    let decided = Instant::now().into_std();
    let heard = Some(decided - 70 * MS);
    let profile = "fast";
    two.detach(Departure { decided, heard, profile, ..Departure::now("close_notify") });
    let event = b.event(&mut 0, is_released).await;
    let Event::SourceReleased { viewer, reason, profile, detect, release, .. } = event else {
        unreachable!()
    };
    assert_eq!((viewer, reason.as_ref(), profile), (last, "close_notify", "fast"));
    assert_eq!(detect, Some(70 * MS));
    assert!(release >= 20 * MS && release <= 30 * MS, "{release:?}");
    assert_eq!(b.lab.open_now(), 0);
    let left: Vec<_> = b
        .events()
        .into_iter()
        .filter_map(|e| match e {
            Event::ViewerLeft { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(left, ["left", "close_notify"]);
    tokio::task::yield_now().await;
    let counters = b.streams.counters();
    assert_eq!((counters.leases_held, counters.runs, counters.tasks), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lingering_source_is_adopted_without_a_gap() {
    let b = bench();
    let options = Options { linger: Some(S), ..Options::default() };
    let stream = b.stream("cam", "cam:1", options);
    let one = stream.attach(h264()).await.unwrap();
    let (eye, _kept) = watch(&one);
    sleep(100 * MS).await;
    drop(one);
    sleep(900 * MS).await;
    let two = stream.attach(h264()).await.unwrap();
    sleep(3 * S).await;
    assert_eq!(b.lab.dials(), 1);
    let frames = eye.frames.lock().unwrap().clone();
    assert!(frames.windows(2).all(|w| w[1].2 - w[0].2 <= 20 * MS), "no gap");
    let left = Instant::now();
    drop(two);
    b.event(&mut 0, is_released).await;
    let took = left.elapsed();
    assert!(took >= S && took <= S + 50 * MS, "{took:?}");
    // Nobody holds what is still being dialled.
    let dial = timeout(5 * MS, stream.attach(h264())).await;
    assert!(dial.is_err());
    sleep(50 * MS).await;
    assert_eq!(b.lab.open_now(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_may_ask_for_a_linger() {
    let b = bench();
    let stream = b.stream("cam", "cam:1", Options::default());
    let asks = || Departure { linger: 2 * S, ..Departure::now("close_notify") };
    let mut viewer = stream.attach(h264()).await.unwrap();
    sleep(S).await;
    viewer.park(asks());
    sleep(100 * MS).await;
    assert_eq!(b.lab.open_now(), 0, "not after a park");
    viewer.resume().await.unwrap();
    sleep(S).await;
    viewer.detach(asks());
    sleep(1900 * MS).await;
    assert_eq!(b.lab.open_now(), 1);
    sleep(200 * MS).await;
    assert_eq!(b.lab.open_now(), 0);
    // The profile alone asks for nothing.
    let viewer = stream.attach(h264()).await.unwrap();
    sleep(S).await;
    viewer.detach(Departure { profile: "tolerant", ..Departure::now("connect_timeout") });
    sleep(100 * MS).await;
    assert_eq!(b.lab.open_now(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_exclusive_group_is_served_in_order_and_ends_a_linger() {
    let b = bench();
    let hub = |linger| Options { exclusive: Some("hub".into()), linger, ..Options::default() };
    let a = b.stream("a", "dev0/a", hub(None));
    let others = [b.stream("b", "dev0/b", hub(Some(60 * S))), b.stream("c", "dev0/c", hub(None))];
    let first = a.attach(h264()).await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for stream in others {
        let order = Arc::clone(&order);
        waiting.push(tokio::spawn(async move {
            let attached = stream.attach(h264()).await.unwrap();
            order.lock().unwrap().push(stream.name().to_owned());
            sleep(500 * MS).await;
            drop(attached);
        }));
        sleep(MS).await;
    }
    timeout(S, first.contended()).await.unwrap();
    assert_eq!(b.streams.counters().leases_waiting, 2);
    assert_eq!(b.lab.dials(), 1);
    let left = Instant::now();
    drop(first);
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), ["b", "c"]);
    assert_eq!(b.lab.most.load(Ordering::Relaxed), 1);
    assert!(left.elapsed() < 2 * S, "the linger of b did not hold c up: {:?}", left.elapsed());
    sleep(S).await;
    assert_eq!(b.lab.open_now(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_learns_who_holds_the_device() {
    let b = bench();
    let a = b.stream("porch", "dev7/a", Options::default());
    let c = b.stream("door", "dev7/b", Options::default());
    let _holder = a.attach(h264()).await.unwrap();
    let _second = a.attach(h264()).await.unwrap();
    let began = Instant::now();
    let error = c.attach(h264()).await.unwrap_err();
    assert_eq!(began.elapsed(), 5 * S);
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.to_string(), "streams: dev7 is in use by stream porch (2 viewers)");
    assert!(b.events().iter().any(
        |e| matches!(e, Event::SourceWaiting { stream, group, .. } if stream == "door" && group == "dev7")
    ));
}

#[tokio::test(start_paused = true)]
async fn a_reload_waits_for_the_device_and_not_longer() {
    let b = bench();
    b.lab.script("dev0", |s| {
        s.close = 200 * MS;
        s.rude = true;
    });
    let stream = b.stream("cam", "dev0", Options::default());
    let old = stream.attach(h264()).await.unwrap();
    sleep(S).await;
    let left = Instant::now();
    drop(old);
    let new = stream.attach(h264()).await.unwrap();
    let (eye, _kept) = watch(&new);
    sleep(100 * MS).await;
    let first = eye.frames.lock().unwrap()[0].2;
    // Close 200 ms, dial 10 ms, first frame 10 ms.
    assert!(first - left <= 250 * MS, "{:?}", first - left);
    assert_eq!(b.lab.most.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_in_use_is_asked_again_for_two_seconds() {
    let b = bench();
    b.lab.script("dev0", |s| s.busy_until = Some(Instant::now() + 300 * MS));
    let stream = b.stream("cam", "dev0", Options::default());
    let began = Instant::now();
    let attached = stream.attach(h264()).await.unwrap();
    assert!(began.elapsed() < 600 * MS, "{:?}", began.elapsed());
    assert!(b.streams.counters().busy_retries >= 5);
    drop(attached);
    sleep(S).await;
    b.lab.script("dev0", |s| s.busy_until = Some(Instant::now() + 3600 * S));
    let began = Instant::now();
    let error = stream.attach(h264()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    let took = began.elapsed();
    assert!(took >= 2 * S && took < 2500 * MS, "{took:?}");
    // Not exclusive: no second try.
    b.lab.script("cam:1", |s| s.fail.push_back(ErrorKind::Busy));
    let dials = b.lab.dials();
    let other = b.stream("other", "cam:1", Options::default());
    assert_eq!(other.attach(h264()).await.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(b.lab.dials(), dials + 1);
}

#[tokio::test(start_paused = true)]
async fn a_dial_nobody_waits_for_is_undone_before_the_next() {
    let b = bench();
    b.lab.script("dev0", |s| {
        s.dial = 10 * S;
        s.close = 300 * MS;
    });
    let stream = b.stream("cam", "dev0", Options::default());
    assert!(timeout(S, stream.attach(h264())).await.is_err());
    assert_eq!(b.lab.open_now(), 1, "it is undone");
    b.lab.script("dev0", |s| s.dial = 10 * MS);
    let again = stream.attach(h264()).await.unwrap();
    assert_eq!(b.lab.most.load(Ordering::Relaxed), 1);
    drop(again);
    sleep(S).await;
    assert_eq!(b.lab.open_now(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_parked_viewer_keeps_its_tracks_and_its_time() {
    let b = bench();
    b.lab.script("cam:1", |s| {
        s.rude = true;
        s.close = 500 * MS;
    });
    let stream = b.stream("cam", "cam:1", Options::default());
    let mut viewer = stream.attach(h264()).await.unwrap();
    let (eye, _kept) = watch(&viewer);
    let track = Arc::clone(&viewer.tracks[0].track);
    sleep(S).await;
    viewer.park(Departure::now("silence"));
    viewer.park(Departure::now("twice does nothing"));
    assert!(viewer.is_parked());
    let seen = eye.frames.lock().unwrap().len();
    assert!(stream.snapshot().consumers.unwrap().is_empty());
    assert_eq!(stream.viewers(), 0);
    sleep(50 * MS).await;
    assert_eq!(eye.frames.lock().unwrap().len(), seen, "a goodbye is not shown");
    assert!(track.cached_gop().is_empty() && track.last_keyframe().is_some());
    // The old run is still saying goodbye.
    viewer.resume().await.unwrap();
    assert!(!viewer.is_parked());
    assert!(Arc::ptr_eq(&track, &viewer.tracks[0].track));
    sleep(S).await;
    b.lab.script("cam:1", |s| s.rude = false);
    for pause in [0, 1, 10] {
        viewer.park(Departure::now("silence"));
        sleep(pause * S).await;
        viewer.resume().await.unwrap();
        sleep(S).await;
    }
    let frames = eye.frames.lock().unwrap().clone();
    assert!(frames.windows(2).all(|w| w[1].0 > w[0].0), "time goes on");
    assert!(frames.windows(2).all(|w| w[1].1 >= w[0].1), "no frame of an older run");
    let spans = (frames.last().unwrap().0 - frames[0].0) / 90;
    let took = (frames.last().unwrap().2 - frames[0].2).as_millis() as i64;
    assert!((spans - took).abs() < 200, "{spans} {took}");
    assert_eq!(frames.last().unwrap().1, 4);
    // Giving up a resume leaves it parked; a kick reaches it there.
    viewer.park(Departure::now("silence"));
    b.lab.script("cam:1", |s| s.dial = 10 * S);
    assert!(timeout(S, viewer.resume()).await.is_err());
    assert!(viewer.is_parked());
    sleep(S).await;
    assert_eq!(b.lab.open_now(), 0);
    assert!(stream.kick(viewer.connection().id, "enough"));
    assert!(viewer.kicked().is_cancelled());
    let parks = b.events().iter().filter(|e| matches!(e, Event::ViewerParked { .. })).count();
    let back = b.events().iter().filter(|e| matches!(e, Event::ViewerResumed { .. })).count();
    assert_eq!((parks, back), (5, 4));
}

#[tokio::test(start_paused = true)]
async fn a_track_that_does_not_come_back_ends() {
    let b = bench();
    b.lab.script("cam:1", |s| s.lives = Some(2 * S));
    let stream = b.stream("cam", "cam:1", Options::default());
    let viewer = stream.attach(h264()).await.unwrap();
    let mut parked = stream.attach(h264()).await.unwrap();
    parked.park(Departure::now("silence"));
    let (eye, _kept) = watch(&viewer);
    sleep(S).await;
    b.lab.script("cam:1", |s| s.codec = CodecId::H265);
    sleep(2 * S).await;
    assert!(eye.ended.load(Ordering::Relaxed));
    assert_eq!(parked.resume().await.unwrap_err().kind(), ErrorKind::Ended);
    assert!(parked.is_parked());
    let other = stream.attach(video(CodecId::H265)).await.unwrap();
    let (eye, _kept) = watch(&other);
    drop((viewer, parked));
    sleep(100 * MS).await;
    assert!(!eye.frames.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn with_wake_viewer_nothing_is_dialled_before_the_viewer_is_there() {
    let b = bench();
    let options = Options { wake: Wake::Viewer, ..Options::default() };
    let stream = b.stream("cam", "cam:1", options);
    let sleepy = || Request { may_sleep: true, ..h264() };
    let first = stream.attach(sleepy()).await.unwrap();
    assert!(!first.is_parked(), "its codecs were not known");
    drop(first);
    sleep(S).await;
    let mut second = stream.attach(sleepy()).await.unwrap();
    assert!(second.is_parked());
    sleep(S).await;
    assert_eq!((b.lab.dials(), b.lab.open_now()), (1, 0));
    let (eye, _kept) = watch(&second);
    second.resume().await.unwrap();
    sleep(S).await;
    assert_eq!(b.lab.dials(), 2);
    assert!(eye.frames.lock().unwrap().len() > 50);
    drop(second);
    // What was known of another source does not count.
    b.streams.patch("cam", "cam:2", Origin::Config).unwrap();
    sleep(S).await;
    let third = stream.attach(sleepy()).await.unwrap();
    assert!(!third.is_parked());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_crashes_is_left_alone_for_half_a_minute() {
    let b = bench();
    b.lab.script("cam:1", |s| s.lives = Some(100 * MS));
    let stream = b.stream("cam", "cam:1", Options::default());
    let viewer = stream.attach(h264()).await.unwrap();
    sleep(20 * S).await;
    assert_eq!(b.lab.dials(), 3);
    let late = timeout(2 * S, stream.attach(h264())).await.unwrap().unwrap();
    drop(late);
    sleep(2 * S).await;
    assert_eq!(b.lab.dials(), 3, "a new viewer does not start it");
    drop(viewer);
    let error = stream.attach(h264()).await.unwrap_err();
    assert!(error.to_string().contains("source ended"), "{error}");
    assert_eq!(b.lab.dials(), 3, "nor the first one after all had left");
    let open = b
        .events()
        .into_iter()
        .any(|e| matches!(e, Event::SourceFailed { retry: Some(retry), .. } if retry == 30 * S));
    assert!(open);
    sleep(31 * S).await;
    b.lab.script("cam:1", |s| s.lives = None);
    let _viewer = stream.attach(h264()).await.unwrap();
    assert_eq!(b.lab.dials(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_source_without_frames_is_opened_again() {
    let b = bench();
    b.lab.script("cam:1", |s| s.silent = true);
    let stream = b.stream("cam", "cam:1", Options::default());
    let viewer = stream.attach(h264()).await.unwrap();
    let (eye, _kept) = watch(&viewer);
    sleep(10 * S).await;
    b.lab.script("cam:1", |s| s.silent = false);
    let event = b.event(&mut 0, |e| matches!(e, Event::SourceStalled { .. })).await;
    let Event::SourceStalled { silent, .. } = event else { unreachable!() };
    assert!(silent >= 15 * S && silent <= 17 * S, "{silent:?}");
    sleep(S).await;
    assert_eq!(b.lab.dials(), 2);
    assert!(!eye.frames.lock().unwrap().is_empty());
    assert!(!eye.ended.load(Ordering::Relaxed));
    // Zero turns it off.
    b.lab.script("cam:2", |s| s.silent = true);
    let options = Options { stall: Some(Duration::ZERO), ..Options::default() };
    let quiet = b.stream("quiet", "cam:2", options);
    let _viewer = quiet.attach(h264()).await.unwrap();
    sleep(100 * S).await;
    assert_eq!(b.lab.dials(), 3);
}

#[tokio::test(start_paused = true)]
async fn each_class_of_error_is_tried_again_in_its_own_time() {
    for (kind, floor, ceiling) in [
        (ErrorKind::Unreachable, 0, 300),
        (ErrorKind::Ended, 0, 600),
        (ErrorKind::Gone, 100, 2100),
        (ErrorKind::Busy, 100, 2100),
        (ErrorKind::Auth, 1000, 20_100),
        (ErrorKind::NotFound, u64::MAX, u64::MAX),
        (ErrorKind::Unsupported, u64::MAX, u64::MAX),
        (ErrorKind::Config, u64::MAX, u64::MAX),
    ] {
        let b = bench();
        b.lab.script("cam:1", |s| s.lives = Some(15 * S));
        let stream = b.stream("cam", "cam:1", Options::default());
        let _viewer = stream.attach(h264()).await.unwrap();
        b.lab.script("cam:1", |s| s.fail.push_back(kind));
        let mut seq = 0;
        b.event(&mut seq, is_failed).await;
        b.event(&mut seq, is_failed).await;
        let (failed, dials) = (Instant::now(), b.lab.dials());
        if floor == u64::MAX {
            sleep(1000 * S).await;
            assert_eq!(b.lab.dials(), dials, "{kind}");
            // One try per new viewer.
            let _another = stream.attach(h264()).await.unwrap();
            sleep(2 * S).await;
            assert_eq!(b.lab.dials(), dials + 1, "{kind}");
            continue;
        }
        b.event(&mut seq, |e| matches!(e, Event::SourceOpening { .. })).await;
        let waited = failed.elapsed().as_millis() as u64;
        assert!(waited >= floor && waited <= ceiling, "{kind}: {waited}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_password_is_tried_at_once() {
    let b = bench();
    b.lab.script("cam:1", |s| s.lives = Some(15 * S));
    let stream = b.stream("cam", "cam:1", Options::default());
    let viewer = stream.attach(h264()).await.unwrap();
    let (eye, _kept) = watch(&viewer);
    b.lab.script("cam:1", |s| s.fail.extend([ErrorKind::Auth; 100]));
    sleep(100 * S).await;
    b.streams.patch("cam", "cam:2", Origin::Config).unwrap();
    let changed = Instant::now();
    sleep(S).await;
    let last = *eye.frames.lock().unwrap().last().unwrap();
    assert!(last.2 > changed, "it goes on");
    let dials = b.lab.dials.lock().unwrap().clone();
    let (source, at) = dials.last().unwrap();
    assert_eq!(source, "cam:2");
    assert!(*at - changed < 10 * MS);
    // Nobody watches: nothing is tried.
    b.lab.script("cam:2", |s| s.lives = Some(S));
    drop(viewer);
    let dials = b.lab.dials();
    sleep(1000 * S).await;
    assert_eq!(b.lab.dials(), dials);
}

#[tokio::test(start_paused = true)]
async fn an_outer_stream_lets_go_of_the_inner_one_with_its_reason() {
    let b = bench();
    b.stream("inner", "dev0", Options::default());
    let outer = b.stream("outer", "inner", Options::default());
    let other = b.stream("other", "dev0/x", Options::default());
    let viewer = outer.attach(h264()).await.unwrap();
    sleep(S).await;
    let (found, ()) = tokio::join!(timeout(3 * S, other.attach(h264())), async {
        timeout(S, viewer.contended()).await.unwrap();
        viewer.detach(Departure::now("close_notify"));
    });
    found.unwrap().unwrap();
    let reasons: Vec<_> = b
        .events()
        .into_iter()
        .filter_map(|e| match e {
            Event::SourceReleased { stream, reason, release, .. } => {
                assert!(release < 50 * MS, "{stream} {release:?}");
                Some((stream, reason.into_owned()))
            }
            _ => None,
        })
        .collect();
    for stream in ["inner", "outer"] {
        assert!(reasons.contains(&(stream.to_owned(), "close_notify".to_owned())), "{reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_preload_is_a_viewer_that_comes_back() {
    let b = bench();
    let error = b.streams.preload("cam", "pictures").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    b.streams.preload("cam", "video=h264").unwrap();
    sleep(S).await;
    b.lab.script("cam:1", |s| s.fail.extend([ErrorKind::Unreachable; 4]));
    let stream = b.stream("cam", "cam:1", Options::default());
    sleep(10 * S).await;
    assert_eq!(b.lab.dials(), 5);
    let listed = stream.snapshot().consumers.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].description.format_name, "preload");
    // A stream of the same name takes its place.
    let stream = b.stream("cam", "cam:2", Options::default());
    sleep(S).await;
    assert_eq!(stream.viewers(), 1);
    assert_eq!(b.lab.open_now(), 1);
    // Another codec: attached anew as soon as it matches again.
    b.lab.script("cam:2", |s| s.lives = Some(5 * S));
    assert!(stream.kick(listed_id(&stream), "kicked"));
    sleep(S).await;
    assert_eq!(stream.viewers(), 1);
    assert!(b.streams.unload("cam") && !b.streams.unload("cam"));
    sleep(S).await;
    assert_eq!((stream.viewers(), b.lab.open_now()), (0, 0));
    assert!(b.streams.shutdown(S).await);
}

fn listed_id(stream: &Stream) -> u64 {
    stream.snapshot().consumers.unwrap()[0].id
}

/// xorshift: schedules that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Viewers come, park, resume, give up and go at random, over two streams with
/// one device and one without: never two open at once on the device, and in the
/// end nothing is held.
#[tokio::test(start_paused = true)]
async fn random_schedules_leave_nothing_behind() {
    for seed in 1..=30_u64 {
        let b = bench();
        let mut random = Random(seed * 0x9e37_79b9_7f4a_7c15);
        for source in ["dev0/a", "dev0/b", "cam:1"] {
            b.lab.script(source, |s| {
                s.dial = random.below(80) as u32 * MS;
                s.close = random.below(300) as u32 * MS;
                s.lives = (random.below(2) == 0).then(|| (500 + random.below(4000) as u32) * MS);
                for _ in 0..random.below(6) {
                    let kinds = [ErrorKind::Unreachable, ErrorKind::Busy, ErrorKind::NotFound];
                    s.fail.push_back(kinds[random.below(3) as usize]);
                }
            });
        }
        let linger = |random: &mut Random| Options {
            linger: Some(random.below(3) as u32 * 200 * MS),
            ..Options::default()
        };
        let streams = [
            b.stream("a", "dev0/a", linger(&mut random)),
            b.stream("b", "dev0/b", linger(&mut random)),
            b.stream("c", "cam:1", linger(&mut random)),
            b.stream("d", "a", Options::default()),
        ];
        let mut viewers = Vec::new();
        for _ in 0..25 {
            let stream = Arc::clone(&streams[random.below(4) as usize]);
            let mut random = Random(random.0 ^ (random.below(u64::MAX) | 1));
            viewers.push(tokio::spawn(async move {
                let pause = |random: &mut Random, most| sleep(random.below(most) as u32 * MS);
                pause(&mut random, 8000).await;
                let patience = random.below(1500) as u32 * MS;
                let Ok(Ok(mut viewer)) = timeout(patience, stream.attach(h264())).await else {
                    return;
                };
                for _ in 0..random.below(4) {
                    pause(&mut random, 1500).await;
                    viewer.park(Departure::now("silence"));
                    pause(&mut random, 500).await;
                    let patience = random.below(800) as u32 * MS;
                    let _ = timeout(patience, viewer.resume()).await;
                }
                pause(&mut random, 1000).await;
                if random.below(2) == 0 {
                    viewer.detach(Departure::now("close_notify"));
                }
            }));
        }
        for viewer in viewers {
            viewer.await.unwrap();
        }
        sleep(10 * S).await;
        assert_eq!(b.lab.most.load(Ordering::Relaxed), 1, "seed {seed}");
        assert_eq!(b.lab.open_now(), 0, "seed {seed}");
        let counters = b.streams.counters();
        let left = (counters.leases_held, counters.leases_waiting, counters.runs, counters.tasks);
        assert_eq!(left, (0, 0, 0, 0), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_a_retry_fails_is_not_forgotten() {
    let b = bench();
    b.lab.script("cam:1", |s| s.lives = Some(15 * S));
    let stream = b.stream("cam", "cam:1", Options::default());
    let _viewer = stream.attach(h264()).await.unwrap();
    b.lab.script("cam:1", |s| {
        s.dial = 500 * MS;
        s.fail.push_back(ErrorKind::NotFound);
    });
    let mut seq = 0;
    b.event(&mut seq, is_failed).await;
    b.event(&mut seq, |e| matches!(e, Event::SourceOpening { .. })).await;
    // This one is not tried again by itself.
    let _another = stream.attach(h264()).await.unwrap();
    b.event(&mut seq, is_failed).await;
    let dials = b.lab.dials();
    sleep(2 * S).await;
    assert_eq!(b.lab.dials(), dials + 1);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_comes_up_ends_the_wait_at_once() {
    let b = bench();
    let mut viewers = Vec::new();
    for (name, source) in [("a", "cam:1"), ("b", "cam:2")] {
        b.lab.script(source, |s| s.lives = Some(15 * S));
        viewers.push(b.stream(name, source, Options::default()).attach(h264()).await.unwrap());
    }
    b.lab.script("cam:1", |s| s.fail.extend([ErrorKind::Unreachable; 1000]));
    b.lab.script("cam:2", |s| s.fail.extend([ErrorKind::Auth; 1000]));
    sleep(200 * S).await;
    let dials = |source: &str| {
        b.lab.dials.lock().unwrap().iter().filter(|(dialled, _)| dialled == source).count()
    };
    let mut woken = 0;
    for _ in 0..20 {
        let before = (dials("cam:1"), dials("cam:2"));
        b.streams.wake_sleeping(Change::Device);
        b.streams.wake_sleeping(Change::Network);
        sleep(1100 * MS).await;
        let tried = dials("cam:1") - before.0;
        assert!((1..=2).contains(&tried), "at once, and at most once a second: {tried}");
        woken += dials("cam:2") - before.1;
    }
    assert!(woken <= 3, "a camera that refuses a password is left alone: {woken}");
}
