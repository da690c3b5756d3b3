//! Viewers of a stream whose frames the test writes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rs2rtc_media::container::mux::{Chunks, Muxer, adts, flv, mpegts, raw, wav};
use rs2rtc_media::container::{Demuxer, Time};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media, Payload};
use rs2rtc_streams::{Attached, CancellationToken, Connection, Description, Request, Tasks};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::super::scene::{OTHER_SETS, Scene, hex};
use super::*;
use crate::io::wire::Line;

const LIMIT: Duration = Duration::from_secs(20);

fn scene() -> Scene {
    Scene::new(Codec::new(CodecId::Aac).clock(16_000))
}

async fn attach(scene: &Scene, with_sound: bool) -> Attached {
    let media = |kind, id| Media::new(kind, Direction::SendOnly, Codec::new(id));
    let mut medias = vec![media(Kind::Video, CodecId::H264), media(Kind::Audio, CodecId::Aac)];
    medias.truncate(if with_sound { 2 } else { 1 });
    let connection = Arc::new(Connection::new(Description::default()));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    scene.stream.attach(request).await.unwrap()
}

/// A viewer that a task serves.
struct Viewer {
    take: mpsc::Receiver<Chunks>,
    connection: CancellationToken,
    demuxer: Demuxer,
    _tasks: Tasks,
}

/// Of a unit: its track, whether it is a keyframe, when it is decoded (0 if that is
/// not said), and what it is.
type Unit = (usize, bool, i64, Payload);

impl Viewer {
    async fn of_ts(scene: &Scene) -> Self {
        let attached = attach(scene, true).await;
        let muxer = mpegts::Muxer::new(&codecs(&attached)).unwrap();
        Self::start(attached, Box::new(muxer))
    }

    fn start(attached: Attached, muxer: Box<dyn Muxer>) -> Self {
        let (tasks, connection) = (Tasks::new(), CancellationToken::new());
        let (output, take) = Output::new(attached, muxer, Line::default(), connection.clone());
        tasks.spawn("http viewer", output.run(CancellationToken::new()));
        Self { take, connection, demuxer: Demuxer::new(), _tasks: tasks }
    }

    /// The next unit; `None` at the end of the answer.
    async fn unit(&mut self) -> Option<Unit> {
        loop {
            if let Some(unit) = self.demuxer.next_unit().unwrap() {
                let dts = if let Time::At { dts, .. } = unit.time { dts } else { 0 };
                return Some((unit.track, unit.keyframe, dts, unit.payload));
            }
            let chunks = timeout(LIMIT, self.take.recv()).await.unwrap()?;
            chunks.for_each(|bytes| self.demuxer.push(&bytes));
        }
    }

    async fn picture(&mut self) -> Unit {
        loop {
            let unit = self.unit().await.unwrap();
            if matches!(unit.3, Payload::Nals(_)) {
                return unit;
            }
        }
    }
}

#[tokio::test]
async fn a_viewer_that_comes_late_sees_the_newest_picture_at_once() {
    let mut scene = scene();
    let early = Viewer::of_ts(&scene).await;
    for n in 0..30 {
        scene.picture(n == 0 || n == 5);
    }
    let mut late = Viewer::of_ts(&scene).await;
    // Readers know the end of a unit by the next one.
    (0..3).for_each(|_| scene.picture(false));
    let mut times = Vec::new();
    for n in 0..27 {
        let (_, keyframe, dts, _) = late.picture().await;
        assert_eq!(keyframe, n == 0, "{n}");
        times.push(dts);
    }
    let burst: Vec<i64> = times[..25].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(burst, [90; 24], "a millisecond each");
    assert_eq!((times[25] - times[24], times[26] - times[25]), (3600, 3600), "then live");
    drop(early);
}

#[tokio::test]
async fn pictures_and_sound_begin_together() {
    let mut scene = scene();
    let mut viewer = Viewer::of_ts(&scene).await;
    scene.picture(false);
    for n in 0..6 {
        scene.picture(n == 0);
    }
    let (_, keyframe, picture, _) = viewer.picture().await;
    assert!(keyframe, "nothing comes before a keyframe");
    let sound = loop {
        let unit = viewer.unit().await.unwrap();
        if matches!(unit.3, Payload::Data(_)) {
            break unit.2;
        }
    };
    // Of the same moment: 90,000 and 16,000 ticks in a second.
    assert!((sound * 90 / 16 - picture).abs() < 90, "{sound} {picture}");
}

#[tokio::test]
async fn a_viewer_that_takes_nothing_goes_on_with_a_keyframe_and_is_sent_away_at_last() {
    let mut scene = scene();
    let mut viewer = Viewer::of_ts(&scene).await;
    (0..5).for_each(|n| scene.large_picture(n == 0, 100 << 10));
    let mut last = viewer.picture().await.2;
    // 15 MB more; what waits is 8 MiB at most.
    (5..155).for_each(|n| scene.large_picture(n % 50 == 0, 100 << 10));
    let after_gap = loop {
        let (_, keyframe, dts, _) = viewer.picture().await;
        if dts - last > 3600 {
            break keyframe;
        }
        last = dts;
    };
    assert!(after_gap, "it goes on with a keyframe");
    assert!(!viewer.connection.is_cancelled());
    // Nothing is taken in between: it never catches up.
    (155..655).for_each(|n| scene.large_picture(n % 50 == 0, 100 << 10));
    while viewer.unit().await.is_some() {}
    assert!(viewer.connection.is_cancelled(), "what was cut does not look whole");
    assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "write_stall");
    assert_eq!(scene.stream.viewers(), 0);
}

#[tokio::test]
async fn the_end_of_a_client_is_the_end_of_the_viewer() {
    let mut scene = scene();
    let mut viewer = Viewer::of_ts(&scene).await;
    (0..3).for_each(|n| scene.picture(n == 0));
    viewer.picture().await;
    drop(viewer.take);
    assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "left");
    assert_eq!(scene.stream.viewers(), 0);
}

#[tokio::test]
async fn a_kicked_viewer_has_what_it_got_whole() {
    let mut scene = scene();
    let attached = attach(&scene, true).await;
    let id = attached.connection().id;
    let muxer = mpegts::Muxer::new(&codecs(&attached)).unwrap();
    let mut viewer = Viewer::start(attached, Box::new(muxer));
    scene.picture(true);
    assert!(scene.stream.kick(id, "go away"));
    while viewer.unit().await.is_some() {}
    assert!(!viewer.connection.is_cancelled());
    assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "admin");
}

/// All containers of this module that hold pictures.
fn of_pictures(codecs: &[Codec]) -> [Box<dyn Muxer>; 3] {
    [
        Box::new(flv::Muxer::new(codecs).unwrap()),
        Box::new(mpegts::Muxer::new(codecs).unwrap()),
        Box::new(raw::Muxer::new(&codecs[..1]).unwrap()),
    ]
}

fn nals(payload: Payload) -> Vec<Bytes> {
    let Payload::Nals(nals) = payload else { panic!("a picture") };
    nals
}

#[tokio::test]
async fn a_source_that_comes_back_changed_goes_on_in_the_same_time() {
    for form in 0..3 {
        let mut scene = scene();
        let attached = attach(&scene, form < 2).await;
        let muxer = of_pictures(&codecs(&attached)).into_iter().nth(form).unwrap();
        let mut viewer = Viewer::start(attached, muxer);
        // Readers know the end of a picture by the next one, of annex B by the one
        // after that.
        (0..4).for_each(|n| scene.picture(n == 0));
        let mut pictures = Vec::new();
        for _ in 0..2 {
            pictures.push(viewer.picture().await);
        }
        scene.comes_back_changed();
        // Nothing can be made of it without a keyframe.
        scene.picture(false);
        (0..4).for_each(|n| scene.picture(n == 0));
        for _ in 0..4 {
            pictures.push(viewer.picture().await);
        }
        let keys: Vec<bool> = pictures.iter().map(|picture| picture.1).collect();
        assert_eq!(keys, [true, false, false, false, true, false], "{form}");
        // Annex B has no times; a reader counts pictures.
        let times: Vec<i64> = pictures.iter().map(|picture| picture.2).collect();
        assert!(form == 2 || times.is_sorted_by(|a, b| a < b), "time goes on: {times:?}");
        let changed = nals(pictures.swap_remove(4).3);
        let sets = [hex(OTHER_SETS.0), hex(OTHER_SETS.1)];
        assert!(sets.iter().all(|set| changed.contains(set)), "{form}");
        assert!(!viewer.connection.is_cancelled());
    }
}

#[tokio::test]
async fn a_track_that_does_not_come_back_ends_the_answer() {
    for form in 0..2 {
        let mut scene = scene();
        let attached = attach(&scene, true).await;
        let muxer = of_pictures(&codecs(&attached)).into_iter().nth(form).unwrap();
        let mut viewer = Viewer::start(attached, muxer);
        (0..3).for_each(|n| scene.picture(n == 0));
        viewer.picture().await;
        scene.comes_back_silent();
        scene.picture(true);
        while viewer.unit().await.is_some() {}
        assert!(!viewer.connection.is_cancelled(), "it is whole");
        assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "source_failed");
        // Who asks again gets what there is.
        let attached = attach(&scene, true).await;
        assert_eq!(codecs(&attached).len(), 1);
    }
}

#[tokio::test]
async fn sound_goes_on_with_its_source_unless_it_is_another() {
    let aac = |config: &str| {
        let codec = Codec::new(CodecId::Aac).clock(16_000).channels(1);
        codec.fmtp(format!("mode=AAC-hbr;config={config}"))
    };
    for adts in [true, false] {
        let sound = if adts { aac("1408") } else { Codec::new(CodecId::Pcma).clock(8000) };
        let mut scene = Scene::new(sound.clone());
        let medias =
            vec![Media::new(Kind::Audio, Direction::SendOnly, Codec::new(sound.id.clone()))];
        let connection = Arc::new(Connection::new(Description::default()));
        let request = Request { medias, connection, source_tag: None, may_sleep: false };
        let attached = scene.stream.attach(request).await.unwrap();
        let muxer: Box<dyn Muxer> = if adts {
            Box::new(adts::Muxer::new(&codecs(&attached)).unwrap())
        } else {
            Box::new(wav::Muxer::new(&codecs(&attached)).unwrap())
        };
        let mut viewer = Viewer::start(attached, muxer);
        let size = async |viewer: &mut Viewer| {
            let bytes = timeout(LIMIT, viewer.take.recv()).await.unwrap();
            bytes.map(|chunks| chunks.len())
        };
        // A header, where there is one, comes alone.
        let header = if adts { 0 } else { size(&mut viewer).await.unwrap() };
        scene.picture(true);
        let first = size(&mut viewer).await.unwrap();
        assert!(first >= 320 && (adts || header > 0));
        scene.comes_back_changed();
        scene.picture(true);
        assert_eq!(size(&mut viewer).await, Some(first), "no header in between");
        let other = if adts { aac("1210") } else { Codec::new(CodecId::Pcma).clock(16_000) };
        scene.comes_back_sounding(other);
        scene.picture(true);
        assert_eq!(size(&mut viewer).await, None);
        assert!(!viewer.connection.is_cancelled(), "it is whole");
        assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "source_failed");
    }
}
