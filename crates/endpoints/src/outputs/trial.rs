//! A trial of a source that is not configured yet, or a check of a stream that is: open it, see
//! which tracks it has, wait for a picture, let go, and tell each step with its time.
//!
//! Some cameras allow one session, so there is one dial and no second one beside
//! it. Whatever happens, the source of a trial is released at the end, and how long that
//! took is the last word. That of a stream is used as it is, if it runs, and stays open for
//! whoever else watches.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::{Error, ErrorKind, Redacted};
use rs2rtc_media::codec::ParameterSets;
use rs2rtc_media::{Codec, Frame, Kind, Media, filter};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{
    Attached, CancellationToken, Connection, Departure, Description, FrameQueue, Origin, Packets,
    ProducerSnapshot, Quality, Request, Stream, Streams, Timing,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::picture::{self, Poster, Transform, Wish};
use crate::Context;

/// How long opening the source may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);
/// How long the first picture may take.
const PICTURE_LIMIT: Duration = Duration::from_secs(15);
/// How long the next keyframe is waited for.
const KEYFRAME_LIMIT: Duration = Duration::from_secs(5);
/// How long a still of the first picture may take to be made.
const STILL_LIMIT: Duration = Duration::from_secs(5);
/// Its width in pixels, at most.
const STILL_WIDTH: u32 = 640;
/// Its bytes, at most: those of a keyframe that nothing here can decode.
const MAX_STILL: usize = 2 << 20;
/// How long packets of a stream are counted, at least.
const COUNTED: Duration = Duration::from_secs(2);
/// How long the release is waited for; sources promise two seconds.
const RELEASE_LIMIT: Duration = Duration::from_secs(5);
/// The same of a stream: others may have come for it meanwhile.
const SHARED_RELEASE_LIMIT: Duration = Duration::from_secs(2);

/// What a trial is doing, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reach the source, log in, and learn its tracks.
    Connect,
    /// Wait for a picture that decoding can begin with.
    Picture,
    /// What the source did for it, as its protocol has it.
    Protocol,
    /// Make a still of it.
    Still,
    /// Measure the distance of keyframes.
    Keyframes,
    /// Count what is lost; of a stream only.
    Packets,
    /// Close it.
    Release,
}

impl Step {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Picture => "picture",
            Self::Protocol => "protocol",
            Self::Still => "still",
            Self::Keyframes => "keyframes",
            Self::Packets => "packets",
            Self::Release => "release",
        }
    }
}

/// What is known of a track.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it carries.
    pub codec: Codec,
    /// Width and height in pixels, if the source told.
    pub size: Option<(u32, u32)>,
}

/// One report of a trial.
#[derive(Clone, Debug)]
pub enum Report {
    /// A step begins.
    Begun(Step),
    /// The source is open; true: it was before.
    Connected(Duration, bool),
    /// A step has worked.
    Done(Step, Duration),
    /// It is not possible, or of no use here.
    Skipped(Step),
    /// A step has failed. The release follows.
    Failed(Step, Duration, Error),
    /// The source is open: its tracks, and whether it has a loudspeaker.
    Tracks(Vec<Found>, bool),
    /// What the source did, and how long each took. Only of those that tell.
    Protocol(Vec<Timing>),
    /// The first picture, as it is to be looked at.
    Still(Poster),
    /// Time between two keyframes.
    Keyframes(Duration),
    /// What came meanwhile, and how good it was.
    Packets(Duration, Quality),
}

/// Who asks, and for what.
#[derive(Debug, Default)]
pub struct Asked {
    /// Of whom the stream's list of viewers tells.
    pub description: Description,
    /// Where a still of the first picture is made, if one is wanted.
    pub still: Option<Arc<Context>>,
}

/// Tries a source. Ends after the release; `cancel` leads there at once.
///
/// # Errors
/// If the source may not be named, before anything is dialled.
pub fn start(
    streams: &Streams,
    (source, origin): (&str, Origin),
    asked: Asked,
    reports: mpsc::Sender<Report>,
    cancel: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + use<>, Error> {
    let stream = streams.trial(source, origin)?;
    let trial = Trial::new(stream, false, asked, reports);
    Ok(trial.run(cancel))
}

/// Checks a stream that there is, the way that viewers go: a source that runs is used as it
/// is, and let go only if nobody else watches. Ends as [`start`] does.
pub fn check(
    stream: Arc<Stream>,
    asked: Asked,
    reports: mpsc::Sender<Report>,
    cancel: CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    Trial::new(stream, true, asked, reports).run(cancel)
}

struct Trial {
    stream: Arc<Stream>,
    /// Others may watch it.
    is_shared: bool,
    medias: Vec<Media>,
    connection: Arc<Connection>,
    still: Option<Arc<Context>>,
    reports: mpsc::Sender<Report>,
}

impl Trial {
    fn new(
        stream: Arc<Stream>,
        is_shared: bool,
        asked: Asked,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        let medias = filter::medias([("video", ""), ("audio", "")]);
        let Asked { description, still } = asked;
        let description = Description { medias: medias.clone(), ..description };
        let connection = Arc::new(Connection::new(description));
        Self { stream, is_shared, medias, connection, still, reports }
    }

    async fn run(self, cancel: CancellationToken) {
        let begin = self.stream.events().last();
        let still = tokio::select! {
            still = self.look(begin) => still,
            () = cancel.cancelled() => None,
            // Nobody listens any more.
            () = self.reports.closed() => None,
        };
        let last = match self.is_kept() {
            true => Report::Skipped(Step::Release),
            false => self.release(begin).await,
        };
        // The camera is not held for it any more.
        if let Some(still) = still {
            tokio::select! {
                report = still => self.say(report).await,
                () = cancel.cancelled() => {}
                () = self.reports.closed() => {}
            }
        }
        self.say(last).await;
    }

    /// Whether the source stays open although we have left.
    fn is_kept(&self) -> bool {
        let lingers = self.stream.options().linger.is_some_and(|linger| !linger.is_zero());
        self.is_shared && (lingers || self.stream.viewers() > 0 || self.stream.is_held())
    }

    async fn say(&self, report: Report) {
        // Without a listener the trial ends.
        let _ = self.reports.send(report).await;
    }

    /// Everything but the release. Dropped in the middle it lets go as well. Gives the still that
    /// is not made yet.
    async fn look(&self, begin: u64) -> Option<Still> {
        self.say(Report::Begun(Step::Connect)).await;
        let is_running = self.is_shared && self.stream.is_open();
        let from = Instant::now();
        let attached = match self.connect().await {
            Ok(attached) => attached,
            Err(error) => {
                self.say(Report::Failed(Step::Connect, from.elapsed(), error)).await;
                return None;
            }
        };
        self.say(Report::Connected(from.elapsed(), is_running)).await;
        let tracks = attached.tracks.iter().map(|track| found(&track.codec)).collect();
        self.say(Report::Tracks(tracks, self.has_speaker())).await;
        let (from, before) = (Instant::now(), self.quality());
        let still = self.picture(&attached, begin).await;
        if self.is_shared {
            self.say(Report::Begun(Step::Packets)).await;
            tokio::time::sleep_until(from + COUNTED).await;
            let after = self.quality();
            self.say(Report::Packets(from.elapsed(), since(before, after))).await;
        }
        attached.detach(Departure::now("left"));
        still
    }

    async fn connect(&self) -> Result<Attached, Error> {
        let (medias, connection) = (self.medias.clone(), Arc::clone(&self.connection));
        let request = Request { medias, connection, source_tag: None, may_sleep: false };
        match timeout(CONNECT_LIMIT, self.stream.attach(request)).await {
            Ok(result) => result,
            Err(_) => {
                Err(Error::new(ErrorKind::Unreachable, "the source does not answer: timed out"))
            }
        }
    }

    fn has_speaker(&self) -> bool {
        let producers = self.stream.snapshot().producers.unwrap_or_default();
        let mut medias = producers
            .iter()
            .filter_map(|p| p.connection.as_ref())
            .flat_map(|c| &c.description.medias);
        // From the source's side: it is sent sound.
        medias.any(|m| m.kind == Kind::Audio && m.direction == rs2rtc_media::Direction::SendOnly)
    }

    /// Of all its sources, also of one that is being opened again.
    fn quality(&self) -> Quality {
        let producers = self.stream.snapshot().producers.unwrap_or_default();
        producers.iter().map(|producer| producer.quality).fold(Quality::default(), |all, one| {
            let both = [all.packets, one.packets].into_iter().flatten();
            let sum = |all: Packets, one: Packets| Packets {
                received: all.received + one.received,
                lost: all.lost + one.lost,
            };
            let (frames, jumps) = (all.frames + one.frames, all.jumps + one.jumps);
            Quality { frames, jumps, packets: both.reduce(sum) }
        })
    }

    async fn picture(&self, attached: &Attached, begin: u64) -> Option<Still> {
        let Some(video) = attached.tracks.iter().find(|t| t.codec.id.kind() == Kind::Video) else {
            self.say(Report::Skipped(Step::Picture)).await;
            self.say(Report::Skipped(Step::Keyframes)).await;
            return None;
        };
        let queue = FrameQueue::new();
        let (_, sink) = queue.input(Kind::Video, Arc::clone(&video.sender));
        let (_subscription, cached) = video.track.subscribe_with_cache(sink);
        self.say(Report::Begun(Step::Picture)).await;
        let from = Instant::now();
        let source = self.source_of(video.track.id).map(|(source, _)| source);
        let first = match cached.first() {
            Some(frame) => Ok(Arc::clone(frame)),
            None => self.first(&queue, source, begin).await,
        };
        if let Some((_, timings)) = self.source_of(video.track.id)
            && !timings.is_empty()
        {
            self.say(Report::Protocol(timings)).await;
        }
        let first = match first {
            Ok(first) => first,
            Err(error) => {
                self.say(Report::Failed(Step::Picture, from.elapsed(), error)).await;
                return None;
            }
        };
        self.say(Report::Done(Step::Picture, from.elapsed())).await;
        self.say(Report::Begun(Step::Keyframes)).await;
        let wanted = self.still.clone();
        let mut made: Option<Still> = wanted.map(|context| -> Still {
            Box::pin(still(context, video.codec.clone(), Arc::clone(&first)))
        });
        let next = keyframe(&queue, KEYFRAME_LIMIT);
        tokio::pin!(next);
        let next = loop {
            tokio::select! {
                next = &mut next => break next,
                report = finished(&mut made) => {
                    made = None;
                    self.say(report).await;
                }
            }
        };
        let every = |next: Arc<Frame>| next.arrival.saturating_duration_since(first.arrival);
        let report = next.map(|next| Report::Keyframes(every(next)));
        self.say(report.unwrap_or(Report::Skipped(Step::Keyframes))).await;
        made
    }

    /// The first picture, or why there is none: what became of its source, if that is known and
    /// anything did.
    async fn first(
        &self,
        queue: &FrameQueue,
        source: Option<String>,
        begin: u64,
    ) -> Result<Arc<Frame>, Error> {
        let mut last = None;
        let first = async {
            let first = keyframe(queue, PICTURE_LIMIT);
            tokio::pin!(first);
            let mut seq = begin;
            loop {
                tokio::select! {
                    // It may have failed after its picture.
                    biased;
                    first = &mut first => return first,
                    error = self.failed(source.as_deref(), &mut seq) => last = Some(error),
                }
                // Opened once more it may still bring it.
                if !self.is_shared {
                    return None;
                }
            }
        };
        let first = first.await;
        first.ok_or_else(|| match last {
            Some(error) => error.context("no picture came"),
            None => {
                let text = "the source sends no picture that decoding could begin with";
                Error::new(ErrorKind::Protocol, text)
            }
        })
    }

    /// Waits for the next failure of a source; `None`: of any that the stream has.
    async fn failed(&self, named: Option<&str>, seq: &mut u64) -> Error {
        loop {
            for record in self.stream.events().since(*seq).records {
                *seq = record.seq;
                if let Event::SourceFailed { stream, source, error, kind, .. } = &record.event
                    && stream == self.stream.name()
                    && named.is_none_or(|named| named == source)
                {
                    return Error::new(*kind, error.clone());
                }
            }
            self.stream.events().changed(*seq).await;
        }
    }

    /// The open source that a track comes from, as events name it, and how it came to that.
    fn source_of(&self, track: u64) -> Option<(String, Vec<Timing>)> {
        let producers = self.stream.snapshot().producers.unwrap_or_default();
        producers.into_iter().find_map(|ProducerSnapshot { source, connection, .. }| {
            let open = connection?;
            let is_it = open.receivers.iter().any(|receiver| receiver.id == track);
            is_it.then(|| (Redacted(&source).to_string(), open.timings))
        })
    }

    async fn release(&self, begin: u64) -> Report {
        self.say(Report::Begun(Step::Release)).await;
        let from = Instant::now();
        let limit = if self.is_shared { SHARED_RELEASE_LIMIT } else { RELEASE_LIMIT };
        match timeout(limit, self.released(begin)).await {
            Ok(took) => Report::Done(Step::Release, took.unwrap_or_else(|| from.elapsed())),
            // Somebody has come meanwhile.
            Err(_) if self.is_kept() => Report::Skipped(Step::Release),
            Err(_) => {
                let text = "the source has not ended within the time that it has for that";
                let error = Error::new(ErrorKind::Protocol, text);
                Report::Failed(Step::Release, from.elapsed(), error)
            }
        }
    }

    /// Waits until all sources are closed, also one whose dial was given up and is being
    /// undone, and gives the longest time that took. `None` if nothing was opened.
    async fn released(&self, begin: u64) -> Option<Duration> {
        let mut seq = begin;
        // A dial has begun; only a release ends what it began, unless it failed.
        let (mut begun, mut was_open) = (false, false);
        let mut longest = None;
        loop {
            let batch = self.stream.events().since(seq);
            for record in batch.records {
                seq = record.seq;
                match &record.event {
                    event if event.stream() != self.stream.name() => {}
                    Event::SourceOpening { .. } => begun = true,
                    Event::SourceOpened { .. } => was_open = true,
                    Event::SourceFailed { .. } => begun = was_open,
                    // That of an earlier viewer may still be under way.
                    Event::SourceReleased { viewer, release, .. }
                        if [0, self.connection.id].contains(viewer) =>
                    {
                        (begun, longest) = (false, longest.max(Some(*release)));
                    }
                    _ => {}
                }
            }
            let producers = self.stream.snapshot().producers.unwrap_or_default();
            let is_open = producers.iter().any(|producer| producer.connection.is_some());
            if !is_open && (!begun || batch.missed) {
                return longest;
            }
            self.stream.events().changed(seq).await;
        }
    }
}

/// A still that is being made.
type Still = Pin<Box<dyn Future<Output = Report> + Send>>;

/// Waits for ever if there is none.
async fn finished(still: &mut Option<Still>) -> Report {
    match still {
        Some(still) => still.await,
        None => std::future::pending().await,
    }
}

/// What the camera sees. No fault of the source if it cannot be shown.
async fn still(context: Arc<Context>, codec: Codec, first: Arc<Frame>) -> Report {
    let width = found(&codec).size.map_or(STILL_WIDTH, |(width, _)| width.min(STILL_WIDTH));
    let transform = Transform { width: usize::try_from(width).ok(), ..Transform::default() };
    let wish = Wish { transform, ..Wish::default() };
    match timeout(STILL_LIMIT, picture::still(&context, &codec, &first, &wish)).await {
        Ok(Ok(Poster::Mp4 { file, .. })) if file.len() > MAX_STILL => Report::Skipped(Step::Still),
        Ok(Ok(shown)) => Report::Still(shown),
        Ok(Err(_)) | Err(_) => Report::Skipped(Step::Still),
    }
}

/// What came between two looks.
fn since(before: Quality, after: Quality) -> Quality {
    let earlier = before.packets.unwrap_or_default();
    Quality {
        frames: after.frames.saturating_sub(before.frames),
        jumps: after.jumps.saturating_sub(before.jumps),
        packets: after.packets.map(|later| Packets {
            received: later.received.saturating_sub(earlier.received),
            lost: later.lost.saturating_sub(earlier.lost),
        }),
    }
}

/// The next frame that decoding can begin with.
async fn keyframe(queue: &FrameQueue, limit: Duration) -> Option<Arc<Frame>> {
    let next = async {
        while let Some((_, frame)) = queue.recv().await {
            if frame.keyframe {
                return Some(frame);
            }
        }
        None
    };
    timeout(limit, next).await.ok().flatten()
}

fn found(codec: &Codec) -> Found {
    let size = ParameterSets::from_codec(codec).and_then(|sets| sets.size());
    Found { codec: codec.clone(), size }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rs2rtc_streams::{BoxFuture, Ended, OpenRequest, Opener, Producer, Settings, Tracks};

    use super::*;

    /// A source that never answers, and takes its time to undo what it has begun.
    #[derive(Clone, Default)]
    struct Slow {
        undone: Arc<AtomicBool>,
    }

    impl Opener for Slow {
        fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
            Ok(())
        }

        fn undoes(&self, _: &str) -> bool {
            true
        }

        fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
            let undone = Arc::clone(&self.undone);
            Box::pin(async move {
                request.cancel.cancelled().await;
                tokio::time::sleep(Duration::from_millis(300)).await;
                undone.store(true, Ordering::Relaxed);
                Err(Error::new(ErrorKind::Ended, "nobody waits for it any more"))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dial_that_was_given_up_is_released_when_it_is_undone() {
        let slow = Slow::default();
        let streams = Streams::new(Arc::new(slow.clone()), Settings::default());
        let (give, mut take) = mpsc::channel(16);
        let cancel = CancellationToken::new();
        let source = ("slow:1", Origin::Api);
        let asked = Asked::default();
        let trial = start(&streams, source, asked, give, cancel.clone()).unwrap();
        let listen = async {
            let mut events = streams.events().last();
            loop {
                let batch = streams.events().since(events);
                let mut records = batch.records.iter();
                if records.any(|r| matches!(r.event, Event::SourceOpening { .. })) {
                    break;
                }
                events = batch.records.last().map_or(events, |record| record.seq);
                streams.events().changed(events).await;
            }
            cancel.cancel();
            let mut last = None;
            while let Some(report) = take.recv().await {
                if matches!(report, Report::Done(Step::Release, _)) {
                    assert!(slow.undone.load(Ordering::Relaxed), "it is still being undone");
                }
                last = Some(report);
            }
            last
        };
        let ((), last) = tokio::join!(trial, listen);
        assert!(matches!(last, Some(Report::Done(Step::Release, _))), "{last:?}");
    }

    /// Sources: `dead:` is never reached, `mute:` opens and sends nothing, `short:` too, and ends.
    struct Sources;

    struct Source {
        connection: Arc<Connection>,
        medias: Vec<Media>,
        ends: bool,
    }

    impl Opener for Sources {
        fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
            Ok(())
        }

        fn open(&self, request: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
            let codec = Codec::new(rs2rtc_media::CodecId::H264).clock(90_000);
            let medias = vec![Media::new(Kind::Video, rs2rtc_media::Direction::RecvOnly, codec)];
            let connection = Arc::new(Connection::new(Description::default()));
            connection.timed(request.source.clone(), Duration::from_millis(7));
            Box::pin(async move {
                if request.source == "dead:1" {
                    return Err(Error::new(ErrorKind::Unreachable, "connection refused"));
                }
                let ends = request.source == "short:1";
                Ok(Box::new(Source { connection, medias, ends }) as Box<dyn Producer>)
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

        fn run(self: Box<Self>, _: Tracks, cancel: CancellationToken) -> BoxFuture<Ended> {
            Box::pin(async move {
                let wait = Duration::from_secs(if self.ends { 2 } else { 3600 });
                tokio::select! {
                    () = cancel.cancelled() => Ended::Cancelled,
                    () = tokio::time::sleep(wait) => {
                        Ended::Failed(Error::new(ErrorKind::Busy, "453 Not Enough Bandwidth"))
                    }
                }
            })
        }
    }

    /// What a check of such a stream says of its picture, and of its protocol before that.
    async fn no_picture(sources: &[&str]) -> (Vec<Timing>, ErrorKind, String) {
        let streams = Streams::new(Arc::new(Sources), Settings::default());
        let sources: Vec<String> = sources.iter().map(|&source| source.into()).collect();
        let stream = streams.create("cam", &sources, Origin::Config).unwrap();
        let (give, mut take) = mpsc::channel(16);
        let run = check(stream, Asked::default(), give, CancellationToken::new());
        let listen = async {
            let (mut protocol, mut failed) = (Vec::new(), None);
            while let Some(report) = take.recv().await {
                match report {
                    Report::Protocol(timings) => protocol = timings,
                    Report::Failed(Step::Picture, _, error) => failed = Some(error),
                    _ => {}
                }
            }
            let failed = failed.expect("a failure");
            (protocol, failed.kind(), failed.to_string())
        };
        tokio::join!(run, listen).1
    }

    #[tokio::test(start_paused = true)]
    async fn why_no_picture_came_is_said_of_the_source_that_it_was_to_come_from() {
        let mute = "the source sends no picture that decoding could begin with";
        let (protocol, kind, text) = no_picture(&["dead:1", "mute:1"]).await;
        assert_eq!(protocol, [("mute:1".to_owned(), Duration::from_millis(7))]);
        assert_eq!((kind, text.as_str()), (ErrorKind::Protocol, mute));
        let (_, kind, text) = no_picture(&["dead:1", "short:1"]).await;
        let busy = "no picture came: 453 Not Enough Bandwidth";
        assert_eq!((kind, text.as_str()), (ErrorKind::Busy, busy));
    }
}
