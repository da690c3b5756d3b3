//! Viewers of a stream whose frames the test writes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use rs2rtc_media::{Codec, CodecId, Frame, Kind, Payload};
use rs2rtc_streams::{
    BoxFuture, OpenRequest, Opener, Options, Origin, Producer, Publication, Settings, Streams,
    Tracks,
};

use super::*;

const SPS: &str = "6764001fac2484014016ec0440000003004000000c23c60c92";
const PPS: &str = "68ee32c8b0";
pub(super) const OTHER_SPS: &str = "67640033ac1514a02800f190";
pub(super) const OTHER_PPS: &str = "68ee3cb0";

struct NoSources;

impl Opener for NoSources {
    fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
        Ok(())
    }

    fn open(&self, _: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        Box::pin(async { Err(Error::new(ErrorKind::Unreachable, "no source")) })
    }
}

/// A stream with a picture and a sound that are written by hand.
pub(super) struct Scene {
    pub(super) hub: Hub,
    pub(super) stream: Arc<Stream>,
    publication: Option<Publication>,
    tracks: Tracks,
    pictures: i64,
    pub(super) sets: (&'static str, &'static str),
    _streams: Streams,
}

fn hex(text: &str) -> Bytes {
    let byte = |n: usize| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap();
    (0..text.len() / 2).map(byte).collect()
}

impl Scene {
    fn new() -> Self {
        Self::that_keeps(Duration::ZERO)
    }

    /// What has passed is kept for so long.
    pub(super) fn that_keeps(clip: Duration) -> Self {
        let streams = Streams::new(Arc::new(NoSources), Settings::default());
        let options = Options { clip, ..Options::default() };
        let stream = streams.create_with("yard", &[], options, Origin::Config).unwrap();
        let medias = vec![
            Media::new(Kind::Video, Direction::RecvOnly, Codec::new(CodecId::H264).clock(90_000)),
            Media::new(Kind::Audio, Direction::RecvOnly, Codec::new(CodecId::Pcma).clock(8000)),
        ];
        let publication = stream.publish(medias, Arc::new(Connection::new(Description::default())));
        Self {
            hub: Hub::default(),
            stream,
            tracks: publication.tracks(),
            publication: Some(publication),
            pictures: 0,
            sets: (SPS, PPS),
            _streams: streams,
        }
    }

    async fn viewer(&self, begin: Begin) -> Viewer {
        let wish = Wish {
            medias: of_list("avc1.640029,flac", begin != Begin::Pictures),
            description: Description::default(),
            begin,
            picture: Picture::default(),
        };
        self.hub.attach(&self.stream, wish).await.unwrap()
    }

    /// A picture, and the sound of the same 40 ms.
    pub(super) fn picture(&mut self, key: bool) {
        self.picture_at(key, Instant::now());
    }

    /// The same, which comes in at a moment.
    pub(super) fn picture_at(&mut self, key: bool, now: Instant) {
        let mut nals = vec![Bytes::from(vec![if key { 0x65 } else { 0x41 }; 100])];
        if key {
            nals.insert(0, hex(self.sets.1));
            nals.insert(0, hex(self.sets.0));
        }
        let pts = self.pictures;
        self.pictures += 1;
        if let Some(writer) = self.tracks.writer(0) {
            writer.write(Frame::new(CodecId::H264, key, pts * 3600, now, Payload::Nals(nals)));
        }
        if let Some(writer) = self.tracks.writer(1) {
            let sound = Payload::Data(Bytes::from(vec![0xd5; 320]));
            writer.write(Frame::new(CodecId::Pcma, true, pts * 320, now, sound));
        }
    }
}

/// What a viewer gets next; the test fails if nothing comes.
async fn next(viewer: &mut Viewer) -> Result<Piece, End> {
    tokio::time::timeout(Duration::from_secs(10), viewer.next()).await.unwrap()
}

async fn media(viewer: &mut Viewer) -> (Bytes, Bytes) {
    match next(viewer).await {
        Ok(Piece::Media { head, payload }) => (head, payload),
        other => panic!("{other:?}"),
    }
}

/// `tfdt` and the number of the track of a fragment.
pub(super) fn time(head: &[u8]) -> (u32, u64) {
    let of = |name: &[u8; 4]| head.windows(4).position(|w| w == name).unwrap() + 4;
    let (tfhd, tfdt) = (of(b"tfhd"), of(b"tfdt"));
    let track = u32::from_be_bytes(head[tfhd + 4..tfhd + 8].try_into().unwrap());
    (track, u64::from_be_bytes(head[tfdt + 4..tfdt + 12].try_into().unwrap()))
}

#[tokio::test]
async fn fragments_are_built_once_for_a_hundred_viewers() {
    let mut scene = Scene::new();
    let mut viewers = Vec::new();
    for _ in 0..100 {
        viewers.push(scene.viewer(Begin::Live).await);
    }
    assert_eq!(scene.stream.viewers(), 100);
    for n in 0..10 {
        scene.picture(n == 0);
    }
    let mut first: Vec<Bytes> = Vec::new();
    for viewer in &mut viewers {
        assert!(matches!(next(viewer).await, Ok(Piece::Init(_))));
        for n in 0..20 {
            let (_, payload) = media(viewer).await;
            match first.get(n) {
                Some(shared) => assert_eq!(shared.as_ptr(), payload.as_ptr(), "the same bytes"),
                None => first.push(payload),
            }
        }
    }
    let figures = scene.hub.figures();
    assert_eq!((figures.built, figures.sent, figures.skips), (20, 2000, 0));
    drop(viewers);
    assert_eq!(scene.stream.viewers(), 0);
    scene.picture(true);
    assert_eq!(scene.hub.figures().built, 20, "nothing is built for nobody");
}

#[tokio::test]
async fn a_viewer_that_comes_late_sees_the_newest_picture_at_once() {
    let mut scene = Scene::new();
    let mut early = scene.viewer(Begin::Live).await;
    for n in 0..8 {
        scene.picture(n == 0 || n == 3);
    }
    assert!(matches!(next(&mut early).await, Ok(Piece::Init(_))));
    let built = scene.hub.figures().built;
    let mut late = scene.viewer(Begin::Live).await;
    assert_eq!(scene.hub.figures().built, built, "they are there already");
    assert!(matches!(next(&mut late).await, Ok(Piece::Init(_))));
    let mut times = Vec::new();
    for _ in 3..8 {
        times.push(time(&media(&mut late).await.0));
    }
    assert!(times.iter().all(|(track, _)| *track == 1), "pictures only: {times:?}");
    assert_eq!(times[0].1, 0);
    assert!(times[4].1 < 1000, "the newest is shown at once: {times:?}");
    scene.picture(false);
    let (track, begins) = time(&media(&mut late).await.0);
    assert_eq!(track, 1);
    assert!(begins <= 1000, "live pictures follow without a gap");
    assert_eq!(time(&media(&mut late).await.0).0, 2, "and so does sound");
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_goes_on_with_the_newest_keyframe_and_ends_at_last() {
    let mut scene = Scene::new();
    let mut viewer = scene.viewer(Begin::Live).await;
    let mut end = None;
    for round in 1..=3 {
        for n in 0..420 {
            scene.picture(n % 60 == 0);
        }
        // All that was on its way, then what it missed.
        while end.is_none() && scene.hub.figures().skips < round {
            end = next(&mut viewer).await.err();
        }
    }
    assert_eq!(end, Some(End::Slow));
    let consumers = scene.stream.snapshot().consumers.unwrap();
    assert!(consumers[0].senders.iter().any(|s| s.drops > 0), "drops are counted");
}

#[tokio::test]
async fn other_parameter_sets_are_a_new_beginning_or_the_end() {
    let mut scene = Scene::new();
    let mut live = scene.viewer(Begin::Live).await;
    let mut recording = scene.viewer(Begin::Keyframe).await;
    scene.picture(true);
    for viewer in [&mut live, &mut recording] {
        assert!(matches!(next(viewer).await, Ok(Piece::Init(_))));
        for _ in 0..2 {
            media(viewer).await;
        }
    }
    scene.picture(true);
    for viewer in [&mut live, &mut recording] {
        for _ in 0..2 {
            media(viewer).await;
        }
    }
    scene.sets = (OTHER_SPS, OTHER_PPS);
    scene.picture(true);
    assert!(matches!(next(&mut live).await, Ok(Piece::Init(_))));
    media(&mut live).await;
    assert_eq!(next(&mut recording).await.unwrap_err(), End::Changed);
}

#[tokio::test]
async fn pictures_are_whole_files() {
    let mut scene = Scene::new();
    let mut early = scene.viewer(Begin::Pictures).await;
    scene.picture(true);
    scene.picture(false);
    let still = tokio::time::timeout(Duration::from_secs(10), early.next_still()).await;
    let still = still.unwrap().unwrap().bytes;
    for name in [b"ftyp", b"moov", b"moof", b"mdat"] {
        assert!(still.windows(4).any(|w| w == name));
    }
    // One who comes later has it at once.
    let mut late = scene.viewer(Begin::Pictures).await;
    let again = tokio::time::timeout(Duration::from_secs(10), late.next_still()).await;
    assert_eq!(again.unwrap().unwrap().bytes, still);
}

#[tokio::test]
async fn viewers_end_with_the_stream() {
    let mut scene = Scene::new();
    let mut viewer = scene.viewer(Begin::Live).await;
    scene.picture(true);
    assert!(matches!(next(&mut viewer).await, Ok(Piece::Init(_))));
    scene.stream.kick(viewer.id(), "go away");
    assert_eq!(next(&mut viewer).await.unwrap_err(), End::Kicked(Some("go away".into())));
    drop(viewer);
    assert_eq!(scene.stream.viewers(), 0);
    drop(scene.publication.take());
}

#[tokio::test]
async fn what_mp4_cannot_carry_is_refused_by_name() {
    let streams = Streams::new(Arc::new(NoSources), Settings::default());
    let stream = streams.create("yard", &[], Origin::Config).unwrap();
    let vp8 = Media::new(Kind::Video, Direction::RecvOnly, Codec::new(CodecId::Vp8));
    let _publication = stream.publish(vec![vp8], Arc::new(Connection::new(Description::default())));
    let wish = Wish {
        medias: of_query([("video", "any")].into_iter()),
        description: Description::default(),
        begin: Begin::Live,
        picture: Picture::default(),
    };
    let hub = Hub::default();
    let error = hub.attach(&stream, wish).await.unwrap_err();
    assert_eq!(error.to_string(), "mp4: unsupported codec: VP8");
    assert_eq!(stream.viewers(), 0);
}
