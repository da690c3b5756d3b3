//! Viewers of a stream whose frames the test writes.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_media::{Codec, CodecId, Kind, Media};
use rs2rtc_streams::{Options, Origin, Settings, Streams};

use super::super::scene::{self, NoSources, OTHER_SETS};
use super::*;

/// A stream whose frames the test writes, and the viewers' fragmenters.
pub(super) struct Scene {
    pub(super) hub: Hub,
    of: scene::Scene,
}

impl Deref for Scene {
    type Target = scene::Scene;

    fn deref(&self) -> &scene::Scene {
        &self.of
    }
}

impl DerefMut for Scene {
    fn deref_mut(&mut self) -> &mut scene::Scene {
        &mut self.of
    }
}

impl Scene {
    fn new() -> Self {
        Self::that_keeps(Duration::ZERO)
    }

    /// What has passed is kept for so long.
    pub(super) fn that_keeps(clip: Duration) -> Self {
        Self::of_sound(Codec::new(CodecId::Pcma).clock(8000), clip)
    }

    /// Its sound is MPEG audio, and begins late.
    pub(super) fn of_mpeg_audio() -> Self {
        let codec = Codec::new(CodecId::Mpa).clock(90_000);
        let mut scene = Self::of_sound(codec, Duration::from_secs(10));
        scene.is_mute = true;
        scene
    }

    fn of_sound(sound: Codec, clip: Duration) -> Self {
        let options = Options { clip, ..Options::default() };
        let of = scene::Scene::with(sound, options);
        Self { hub: Hub::default(), of }
    }

    async fn viewer(&self, begin: Begin) -> Viewer {
        self.viewer_of(of_list("avc1.640029,flac", begin != Begin::Pictures), begin).await
    }

    async fn viewer_of(&self, medias: Vec<Media>, begin: Begin) -> Viewer {
        let wish = Wish {
            medias,
            description: Description::default(),
            begin,
            wakes: true,
            picture: Picture::default(),
        };
        self.hub.attach(&self.stream, wish).await.unwrap()
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
    scene.sets = OTHER_SETS;
    scene.picture(true);
    assert!(matches!(next(&mut live).await, Ok(Piece::Init(_))));
    media(&mut live).await;
    assert_eq!(next(&mut recording).await.unwrap_err(), End::Changed);
}

/// Headers of MPEG audio: 48 kHz with one channel, and 44.1 kHz with two.
pub(super) const MONO: &[u8] = &[0xff, 0xfb, 0x14, 0xc0];
pub(super) const STEREO: &[u8] = &[0xff, 0xfb, 0x10, 0];

#[tokio::test]
async fn sound_that_begins_late_is_no_change() {
    let mut scene = Scene::of_mpeg_audio();
    let all = of_query([("mp4", "all")].into_iter());
    let mut live = scene.viewer_of(all.clone(), Begin::Live).await;
    let mut recording = scene.viewer_of(all, Begin::Keyframe).await;
    scene.picture(true);
    for viewer in [&mut live, &mut recording] {
        assert!(matches!(next(viewer).await, Ok(Piece::Init(_))));
        assert_eq!(time(&media(viewer).await.0).0, 1);
    }
    scene.is_mute = false;
    scene.sound_head = MONO;
    scene.picture(false);
    // Who can be told is told what the sound is.
    assert_eq!(time(&media(&mut live).await.0).0, 1);
    assert!(matches!(next(&mut live).await, Ok(Piece::Init(_))));
    assert_eq!(time(&media(&mut live).await.0).0, 2);
    for track in [1, 2] {
        assert_eq!(time(&media(&mut recording).await.0).0, track);
    }
    scene.picture(true);
    for track in [1, 2] {
        assert_eq!(time(&media(&mut recording).await.0).0, track);
    }
    // Other sound than that is a change.
    scene.sound_head = STEREO;
    scene.picture(false);
    assert_eq!(time(&media(&mut recording).await.0).0, 1);
    assert_eq!(next(&mut recording).await.unwrap_err(), End::Changed);
}

/// Tracks and times of so many fragments.
async fn times(viewer: &mut Viewer, count: usize) -> Vec<(u32, u64)> {
    let mut times = Vec::new();
    for _ in 0..count {
        times.push(time(&media(viewer).await.0));
    }
    times
}

#[tokio::test]
async fn a_source_that_comes_back_changed_begins_anew_in_the_same_time() {
    let mut scene = Scene::new();
    let mut live = scene.viewer(Begin::Live).await;
    let mut recording = scene.viewer(Begin::Keyframe).await;
    (0..3).for_each(|n| scene.picture(n == 0));
    let mut before = Vec::new();
    for viewer in [&mut live, &mut recording] {
        assert!(matches!(next(viewer).await, Ok(Piece::Init(_))));
        before = times(viewer, 6).await;
    }
    scene.comes_back_changed();
    scene.picture(false);
    (0..3).for_each(|n| scene.picture(n == 0));
    // Sound that came before the keyframe belongs to what was.
    let piece = loop {
        match next(&mut live).await.unwrap() {
            Piece::Init(init) => break init,
            Piece::Media { head, .. } => before.push(time(&head)),
        }
    };
    let sps = scene::hex(OTHER_SETS.0);
    assert!(piece.windows(sps.len()).any(|w| w == sps), "the new parameters are announced");
    assert!(before[6..].iter().all(|(track, _)| *track == 2), "{before:?}");
    let after = times(&mut live, 6).await;
    assert_eq!(after[0].0, 1, "a picture first");
    for track in [1, 2] {
        let all = before.iter().chain(&after).filter(|(t, _)| *t == track);
        let all: Vec<u64> = all.map(|(_, time)| *time).collect();
        assert!(all.is_sorted_by(|a, b| a < b), "time goes on: {all:?}");
    }
    // A file cannot say it: it is whole, and ends.
    let end = loop {
        match next(&mut recording).await {
            Ok(piece) => assert!(matches!(piece, Piece::Media { .. })),
            Err(end) => break end,
        }
    };
    assert_eq!(end, End::Changed);
}

#[tokio::test]
async fn a_track_that_does_not_come_back_ends_its_viewers() {
    for begin in [Begin::Live, Begin::Keyframe] {
        let mut scene = Scene::new();
        let mut viewer = scene.viewer(begin).await;
        scene.picture(true);
        assert!(matches!(next(&mut viewer).await, Ok(Piece::Init(_))));
        times(&mut viewer, 2).await;
        scene.comes_back_silent();
        scene.picture(true);
        assert_eq!(next(&mut viewer).await.unwrap_err(), End::Source);
        drop(viewer);
        // Who asks again gets what there is.
        let mut viewer = scene.viewer(begin).await;
        scene.picture(true);
        assert!(matches!(next(&mut viewer).await, Ok(Piece::Init(_))));
        assert!(times(&mut viewer, 1).await.iter().all(|(track, _)| *track == 1));
    }
    // Who wants pictures alone never had the sound.
    let mut scene = Scene::new();
    let mut stills = scene.viewer(Begin::Pictures).await;
    scene.picture(true);
    let limit = Duration::from_secs(10);
    tokio::time::timeout(limit, stills.next_still()).await.unwrap().unwrap();
    scene.comes_back_silent();
    scene.sets = OTHER_SETS;
    scene.picture(true);
    let still = tokio::time::timeout(limit, stills.next_still()).await.unwrap().unwrap().bytes;
    let sps = scene::hex(OTHER_SETS.0);
    assert!(still.windows(sps.len()).any(|w| w == sps));
}

#[tokio::test]
async fn viewers_of_a_deleted_stream_are_told_so() {
    let mut scene = Scene::new();
    let mut viewer = scene.viewer(Begin::Live).await;
    scene.picture(true);
    assert!(matches!(next(&mut viewer).await, Ok(Piece::Init(_))));
    scene.delete();
    let end = loop {
        match next(&mut viewer).await {
            Ok(_) => {}
            Err(end) => break end,
        }
    };
    assert_eq!(end, End::Kicked(Some("stream was deleted".into())));
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
        wakes: true,
        picture: Picture::default(),
    };
    let hub = Hub::default();
    let error = hub.attach(&stream, wish).await.unwrap_err();
    assert_eq!(error.to_string(), "mp4: unsupported codec: VP8");
    assert_eq!(stream.viewers(), 0);
}
