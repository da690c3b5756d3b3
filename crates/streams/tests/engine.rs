//! The engine with scripted sources: who is dialled, who gets which track, and
//! when a source is let go.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::codec::h264::ParameterSets;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, CancellationToken, Connection, Description, Ended, FrameQueue, OpenRequest, Opener,
    Origin, Producer, Request, Settings, Streams, Tracks,
};
use tokio::sync::mpsc;

/// What the scripted sources report.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Dialled(String),
    Running(String),
    Closed(String),
    DialDropped(String),
}

/// `test:NAME?v=h264&a=opus`, `fail:KIND`, `hang:`, `once:` (ends when told).
struct Scripted {
    events: mpsc::UnboundedSender<Event>,
    dials: AtomicUsize,
    end: tokio::sync::broadcast::Sender<()>,
    fail_next: Arc<Mutex<Option<ErrorKind>>>,
}

struct Source {
    name: String,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    events: mpsc::UnboundedSender<Event>,
    end: tokio::sync::broadcast::Receiver<()>,
}

fn media(kind: Kind, direction: Direction, id: CodecId) -> Media {
    Media::new(kind, direction, Codec::new(id))
}

struct OnDrop(Option<(mpsc::UnboundedSender<Event>, String)>);

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

struct Bench {
    streams: Streams,
    opener: Arc<Scripted>,
    events: mpsc::UnboundedReceiver<Event>,
}

fn bench() -> Bench {
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
    fn stream(&self, name: &str, sources: &[&str]) {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        self.streams.create(name, &sources, Origin::Config).unwrap();
    }

    async fn event(&mut self) -> Event {
        tokio::time::timeout(Duration::from_secs(10), self.events.recv()).await.unwrap().unwrap()
    }

    async fn until(&mut self, wanted: &Event) {
        while &self.event().await != wanted {}
    }
}

fn wants(codecs: &[(Kind, CodecId)]) -> Request {
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

const VIDEO: (Kind, CodecId) = (Kind::Video, CodecId::H264);
const OPUS: (Kind, CodecId) = (Kind::Audio, CodecId::Opus);

#[tokio::test]
async fn nothing_is_dialled_before_a_viewer_comes_and_all_is_let_go_with_the_last() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264&a=opus"]);
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 0);
    let stream = b.streams.get("cam").unwrap();
    let one = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap();
    assert_eq!(one.tracks.len(), 2);
    let two = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 1, "one dial for both");
    assert!(Arc::ptr_eq(&one.tracks[0].track, &two.tracks[0].track));
    b.until(&Event::Running("test:a?v=h264&a=opus".into())).await;
    drop(one);
    assert_eq!(stream.viewers(), 1);
    drop(two);
    assert_eq!(b.event().await, Event::Closed("test:a?v=h264&a=opus".into()));
    // The next viewer dials anew.
    let _three = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_second_source_is_dialled_only_if_the_first_does_not_suffice() {
    let b = bench();
    b.stream("cam", &["test:a?v=h264&a=aac", "test:b?a=opus"]);
    let stream = b.streams.get("cam").unwrap();
    let video = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 1);
    let both = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 2);
    assert_eq!(both.tracks[1].codec.id, CodecId::Opus);
    drop(video);
    let all = stream.attach(wants(&[(Kind::Audio, CodecId::All)])).await.unwrap();
    let ids: Vec<_> = all.tracks.iter().map(|t| t.codec.id.clone()).collect();
    assert_eq!(ids, [CodecId::Aac, CodecId::Opus]);
}

#[tokio::test]
async fn who_can_make_do_with_something_else_dials_nothing_twice() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264", "test:b?a=opus"]);
    let stream = b.streams.get("cam").unwrap();
    let h265 = || wants(&[(Kind::Video, CodecId::H265)]);
    let otherwise = [media(Kind::Video, Direction::SendOnly, CodecId::H264)];
    let other = stream.attach_or(h265(), &otherwise).await.unwrap();
    assert_eq!(other.tracks[0].codec.id, CodecId::H264);
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 2);
    // The one that gives nothing is let go.
    b.until(&Event::Closed("test:b?a=opus".into())).await;
    // What was asked for first comes first, from whichever source.
    b.stream("both", &["test:c?v=h264", "test:d?v=h265"]);
    let stream = b.streams.get("both").unwrap();
    let first = stream.attach_or(h265(), &otherwise).await.unwrap();
    assert_eq!(first.tracks.len(), 1);
    assert_eq!(first.tracks[0].codec.id, CodecId::H265);
    // Neither is there: the words are those of what was wanted.
    b.stream("none", &["test:e?a=aac"]);
    let error = b.streams.get("none").unwrap().attach_or(h265(), &otherwise).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: codecs not matched: audio:AAC => video:H265");
}

#[tokio::test]
async fn a_source_that_was_dialled_for_nothing_is_closed() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h265"]);
    let stream = b.streams.get("cam").unwrap();
    let error = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap_err();
    let text = "streams: codecs not matched: video:H265 => video:H264, audio:OPUS";
    assert_eq!(error.to_string(), text);
    b.until(&Event::Closed("test:a?v=h265".into())).await;
}

#[tokio::test]
async fn error_texts_of_the_contract() {
    let b = bench();
    b.stream("down", &["fail:no route", "fail:no route", "fail:refused"]);
    let error = b.streams.get("down").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: no route, refused");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    b.stream("empty", &[]);
    let error = b.streams.get("empty").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: unknown error");
    b.stream("template", &["test:{input}"]);
    let error = b.streams.get("template").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: unknown error");
    let error = b.streams.create("x", &["nope:x".into()], Origin::Api).unwrap_err();
    assert_eq!(error.to_string(), "streams: source not supported");
}

#[tokio::test]
async fn giving_up_ends_the_dial() {
    let mut b = bench();
    b.stream("cam", &["hang:x"]);
    let stream = b.streams.get("cam").unwrap();
    {
        let dial = stream.attach(wants(&[VIDEO]));
        tokio::pin!(dial);
        tokio::select! {
            _ = &mut dial => panic!("a hanging dial ended"),
            event = b.events.recv() => assert_eq!(event, Some(Event::Dialled("hang:x".into()))),
        }
    }
    assert_eq!(b.event().await, Event::DialDropped("hang:x".into()));
}

#[tokio::test]
async fn viewers_stay_attached_when_the_source_begins_anew() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let stream = b.streams.get("cam").unwrap();
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let queue = FrameQueue::new();
    let t = &attached.tracks[0];
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&t.sender));
    let _subscription = t.track.subscribe(sink);
    let mut last = i64::MIN;
    for restart in 0..3 {
        for _ in 0..5 {
            let (_, frame) = queue.recv().await.unwrap();
            assert!(frame.dts > last, "the timeline goes on after restart {restart}");
            last = frame.dts;
        }
        b.until(&Event::Running("test:a?v=h264".into())).await;
        b.opener.end.send(()).unwrap();
        b.until(&Event::Closed("test:a?v=h264".into())).await;
        // Drain what came before the end.
        while let Some((_, frame)) = queue.try_recv() {
            last = frame.dts;
        }
    }
    assert_eq!(stream.viewers(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_came_is_counted_since_the_source_was_opened() {
    let b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let stream = b.streams.get("cam").unwrap();
    let came = || {
        let producers = stream.snapshot().producers.unwrap();
        producers[0].connection.as_ref().unwrap().receivers[0].packets
    };
    let see = async |frames: u64| {
        let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
        let queue = FrameQueue::new();
        let t = &attached.tracks[0];
        let (_, sink) = queue.input(Kind::Video, Arc::clone(&t.sender));
        let _subscription = t.track.subscribe(sink);
        for _ in 0..frames {
            queue.recv().await.unwrap();
        }
        came()
    };
    assert!(see(20).await >= 20);
    let again = see(1).await;
    assert!((1..20).contains(&again), "{again}");
}

#[tokio::test]
async fn a_stream_can_be_the_source_of_another() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264&a=opus"]);
    b.stream("alias", &["cam"]);
    let stream = b.streams.get("alias").unwrap();
    let attached = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap();
    let queue = FrameQueue::new();
    let t = &attached.tracks[0];
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&t.sender));
    let subscription = t.track.subscribe(sink);
    for _ in 0..3 {
        assert!(queue.recv().await.is_some());
    }
    assert_eq!(b.streams.get("cam").unwrap().viewers(), 1);
    drop(subscription);
    drop(attached);
    b.until(&Event::Closed("test:a?v=h264&a=opus".into())).await;
}

#[tokio::test]
async fn a_ring_of_streams_is_an_error_not_a_hang() {
    let b = bench();
    b.stream("a", &["b"]);
    b.stream("b", &["c"]);
    b.stream("c", &["a"]);
    let error = b.streams.get("a").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert!(error.to_string().contains("its own source"), "{error}");
}

#[tokio::test]
async fn a_stream_may_be_named_by_its_source() {
    let mut lab = bench();
    let name = "test:cam?v=h264";
    let stream = lab.streams.patch(name, name, Origin::Api).unwrap();
    let attached = stream.attach(wants(&[(Kind::Video, CodecId::H264)])).await.unwrap();
    lab.until(&Event::Dialled(name.into())).await;
    drop(attached);
    lab.until(&Event::Closed(name.into())).await;
}

#[tokio::test]
async fn a_pushed_source_feeds_viewers_and_they_outlive_it() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = || vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let connection = || Arc::new(Connection::new(Description::default()));
    let write = |publication: &rs2rtc_streams::Publication, pts: i64| {
        let writer = publication.tracks().writer(0).unwrap();
        let payload = Payload::Data(Bytes::from_static(b"x"));
        writer.write(Frame::new(CodecId::H264, true, pts, Instant::now(), payload));
    };
    let publication = stream.publish(medias(), connection());
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let queue = FrameQueue::new();
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&attached.tracks[0].sender));
    let _subscription = attached.tracks[0].track.subscribe(sink);
    write(&publication, 0);
    assert!(queue.recv().await.is_some());
    drop(publication);
    assert_eq!(stream.snapshot().producers.unwrap().len(), 0);
    let again = stream.publish(medias(), connection());
    write(&again, 77);
    assert!(queue.recv().await.is_some(), "the viewer goes on with the new push");
    drop(attached);
    drop(again);
    assert_eq!(stream.snapshot().producers.unwrap().len(), 0);
}

#[tokio::test]
async fn changed_parameter_sets_are_told_once() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let connection = Arc::new(Connection::new(Description::default()));
    let publication = stream.publish(medias, connection);
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let mut tracks = publication.tracks();
    let writer = tracks.writer(0).unwrap();
    let keyframe = |number: i64, sets: &ParameterSets| {
        let idr = Bytes::from_static(&[0x65, 0x88]);
        let nals = sets.nals().cloned().chain([idr]).collect();
        Frame::new(CodecId::H264, true, number, Instant::now(), Payload::Nals(nals))
    };
    let small = ParameterSets::from_fmtp("sprop-parameter-sets=Z0IAHukCwSk=,aM4xsg==");
    let large = ParameterSets::from_fmtp(
        "sprop-parameter-sets=Z2QAH6wkhAFAFuwEQAAAAwBAAAAMI8YMkg==,aO4yyLA=",
    );
    assert!(small.is_complete() && large.is_complete());
    let told = || {
        let records = b.streams.events().since(0).records;
        let told = records.iter().filter_map(|record| match &record.event {
            rs2rtc_streams::events::Event::SourceChanged { stream, source, codec, size } => {
                Some((stream.clone(), source.clone(), codec.clone(), *size))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    for number in 0..3 {
        writer.write(keyframe(number * 3000, &small));
    }
    assert_eq!(told(), [], "the first ones are no change");
    for number in 3..6 {
        writer.write(keyframe(number * 3000, &large));
    }
    let expected = ("push".to_owned(), "push".to_owned(), "H264".to_owned(), Some((1280, 720)));
    assert_eq!(told(), [expected]);
    let codec = attached.tracks[0].track.codec();
    assert_eq!(codec.fmtp, large.to_fmtp(), "who comes now is told the new ones");
    // The next push announces what does not hold any more: that is put right, not told.
    drop(publication);
    let mut media = media(Kind::Video, Direction::RecvOnly, CodecId::H264);
    media.codecs[0].fmtp = small.to_fmtp();
    let again = stream.publish(vec![media], Arc::new(Connection::new(Description::default())));
    let writer = again.tracks().writer(0).unwrap();
    assert_eq!(attached.tracks[0].track.codec().fmtp, small.to_fmtp());
    writer.write(keyframe(9 * 3000, &large));
    assert_eq!(attached.tracks[0].track.codec().fmtp, large.to_fmtp());
    assert_eq!(told().len(), 1);
    // One that changes them all the time is not told of each time.
    for number in 10..20 {
        writer.write(keyframe(number * 3000, if number % 2 == 0 { &small } else { &large }));
    }
    assert_eq!(told().len(), 1);
    drop(attached);
}

#[tokio::test]
async fn deleting_a_stream_ends_its_viewers_with_a_reason() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let attached = b.streams.get("cam").unwrap().attach(wants(&[VIDEO])).await.unwrap();
    let kicked = attached.kicked();
    assert!(b.streams.delete("cam"));
    kicked.cancelled().await;
    assert_eq!(attached.kick_reason().as_deref(), Some("stream was deleted"));
    drop(attached);
    b.until(&Event::Closed("test:a?v=h264".into())).await;
    assert!(!b.streams.delete("cam"));
}

#[tokio::test]
async fn aliases_and_templates() {
    let b = bench();
    b.stream("from_yaml", &["test:a?v=h264"]);
    let by_url =
        b.streams.patch("x", "rtsp://localhost:8554/from_yaml?video", Origin::Api).unwrap();
    assert!(Arc::ptr_eq(&by_url, &b.streams.get("from_yaml").unwrap()));
    assert_eq!(b.streams.list().len(), 2);
    b.stream("camera.from_hass", &["test:{input}#video=copy"]);
    let same = b.streams.get("camera.from_hass").unwrap();
    let patched = b.streams.patch("camera.from_hass", "test://example.com", Origin::Api).unwrap();
    assert!(Arc::ptr_eq(&same, &patched));
    let snapshot = patched.snapshot();
    assert_eq!(snapshot.producers.unwrap()[0].source, "test:test://example.com#video=copy");
}

#[tokio::test]
async fn a_failed_restart_is_retried_while_somebody_watches() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let stream = b.streams.get("cam").unwrap();
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    b.until(&Event::Running("test:a?v=h264".into())).await;
    *b.opener.fail_next.lock().unwrap() = Some(ErrorKind::Unreachable);
    b.opener.end.send(()).unwrap();
    b.until(&Event::Running("test:a?v=h264".into())).await;
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 3);
    drop(attached);
    b.until(&Event::Closed("test:a?v=h264".into())).await;
}

#[tokio::test]
async fn a_microphone_reaches_the_loudspeaker_media() {
    let b = bench();
    b.stream("door", &["test:a?v=h264&talk"]);
    let stream = b.streams.get("door").unwrap();
    let mut request = wants(&[VIDEO]);
    request.medias.push(media(Kind::Audio, Direction::RecvOnly, CodecId::Pcma));
    let attached = stream.attach(request).await.unwrap();
    assert_eq!(attached.tracks[1].direction, Direction::RecvOnly);
    assert_eq!(attached.tracks[1].track.children().len(), 1);
    let snapshot = stream.snapshot();
    assert_eq!(snapshot.producers.unwrap()[0].connection.as_ref().unwrap().senders.len(), 1);
}

#[tokio::test]
async fn shutdown_says_goodbye_to_every_source() {
    let mut b = bench();
    b.stream("a", &["test:a?v=h264"]);
    b.stream("b", &["test:b?v=h264"]);
    let one = b.streams.get("a").unwrap().attach(wants(&[VIDEO])).await.unwrap();
    let two = b.streams.get("b").unwrap().attach(wants(&[VIDEO])).await.unwrap();
    assert!(b.streams.shutdown(Duration::from_secs(2)).await);
    assert!(one.kicked().is_cancelled() && two.kicked().is_cancelled());
    let mut closed = 0;
    while let Ok(event) = b.events.try_recv() {
        closed += usize::from(matches!(event, Event::Closed(_)));
    }
    assert_eq!(closed, 2);
}

#[tokio::test]
async fn deleting_a_stream_ends_its_publisher_and_who_comes_late() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let connection = || Arc::new(Connection::new(Description::default()));
    let publication = stream.publish(medias.clone(), connection());
    assert!(b.streams.delete("push"));
    assert!(publication.kicked().is_cancelled());
    let late = stream.publish(medias, connection());
    assert!(late.kicked().is_cancelled(), "the stream is gone");
    let viewer = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert!(viewer.kicked().is_cancelled());
    assert_eq!(viewer.kick_reason().as_deref(), Some("stream was deleted"));
}

#[tokio::test]
async fn shutdown_ends_a_dial_that_hangs() {
    let mut b = bench();
    b.stream("cam", &["hang:x"]);
    let stream = b.streams.get("cam").unwrap();
    let waiting = async {
        let error = stream.attach(wants(&[VIDEO])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ended);
    };
    let stop = async {
        b.until(&Event::Dialled("hang:x".into())).await;
        assert!(b.streams.shutdown(Duration::from_secs(2)).await);
    };
    tokio::join!(waiting, stop);
}

#[tokio::test]
async fn a_microphone_is_taken_back_when_its_viewer_gives_up() {
    let b = bench();
    b.stream("door", &["test:a?v=h264&talk", "hang:x"]);
    let stream = b.streams.get("door").unwrap();
    let viewer = stream.attach(wants(&[VIDEO])).await.unwrap();
    let mut request = wants(&[]);
    request.medias.push(media(Kind::Audio, Direction::RecvOnly, CodecId::Pcma));
    request.medias.push(media(Kind::Audio, Direction::SendOnly, CodecId::Opus));
    let given_up = tokio::time::timeout(Duration::from_millis(50), stream.attach(request)).await;
    assert!(given_up.is_err(), "the second source hangs");
    let snapshot = stream.snapshot();
    assert!(snapshot.producers.unwrap()[0].connection.as_ref().unwrap().senders.is_empty());
    drop(viewer);
}
