//! Clips of a stream whose frames the test writes.

use rs2rtc_media::{Codec, CodecId, Payload};

use super::super::super::scene::OTHER_SETS;
use super::super::of_query;
use super::super::tests::{MONO, STEREO, Scene, time};
use super::*;

const S: Duration = Duration::from_secs(1);

async fn open(scene: &Scene, before: Duration, after: Duration) -> Clip {
    let medias = of_query([("mp4", "all")].into_iter());
    let span = Span { medias, description: Description::default(), before, after };
    Clip::open(&scene.stream, span).await.unwrap()
}

/// What comes next; the test fails if nothing does.
async fn next(clip: &mut Clip) -> Result<Option<Vec<Bytes>>, End> {
    tokio::time::timeout(10 * S, clip.next()).await.unwrap()
}

/// The next fragment: its track, its time, and the pieces behind its head.
async fn fragment(clip: &mut Clip) -> (u32, u64, Vec<Bytes>) {
    let mut pieces = next(clip).await.unwrap().unwrap();
    let (track, time) = time(&pieces.remove(0));
    (track, time, pieces)
}

async fn init(clip: &mut Clip) {
    let pieces = next(clip).await.unwrap().unwrap();
    assert!(pieces[0].windows(4).any(|w| w == b"moov"));
}

#[tokio::test]
async fn begins_with_a_keyframe_that_has_passed_and_ends_in_its_time() {
    let mut scene = Scene::that_keeps(10 * S);
    for n in 0..10 {
        scene.picture(n == 1 || n == 5);
    }
    assert!(scene.stream.has_history(), "it is kept although nobody watches");
    let mut clip = open(&scene, 10 * S, 60 * S).await;
    init(&mut clip).await;
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    for n in 0..18 {
        let (track, time, pieces) = fragment(&mut clip).await;
        if track == 1 {
            pictures.push(time);
            let size: usize = pieces.iter().map(Bytes::len).sum();
            assert_eq!(size, 104, "one unit, without the sets that the beginning holds");
        } else {
            sounds.push(time);
        }
        assert!(n > 0 || track == 1, "a picture first");
    }
    // The clock of the source is judged by when frames come: here all at once.
    let is_near = |times: &[u64], step: u64| {
        (0..).zip(times).all(|(n, time)| time.abs_diff(n * step) < step / 4)
    };
    assert!(pictures.len() == 9 && is_near(&pictures, 3600), "{pictures:?}");
    assert!(sounds.len() == 9 && is_near(&sounds, 320), "{sounds:?}");
    // What comes follows without a gap.
    scene.picture(false);
    let (track, time, _) = fragment(&mut clip).await;
    assert!(track == 1 && time.abs_diff(9 * 3600) < 900, "{time}");
    let (track, time, _) = fragment(&mut clip).await;
    assert!(track == 2 && time.abs_diff(9 * 320) < 80, "{time}");
    scene.picture_at(false, Instant::now() + 100 * S);
    assert_eq!(next(&mut clip).await, Ok(None));
    let sent = scene.stream.snapshot().consumers.unwrap()[0].senders[0].packets;
    assert_eq!(sent, 10);
    drop(clip);
    assert_eq!(scene.stream.viewers(), 0);
}

#[tokio::test]
async fn clips_share_the_bytes_of_the_history() {
    let mut scene = Scene::that_keeps(10 * S);
    for n in 0..4 {
        scene.picture(n == 0);
    }
    let mut clips = [open(&scene, 10 * S, S).await, open(&scene, 10 * S, S).await];
    let mut first = Vec::new();
    for clip in &mut clips {
        init(clip).await;
        let (_, _, pieces) = fragment(clip).await;
        first.push(pieces[1].as_ptr());
    }
    assert_eq!(first[0], first[1]);
}

#[tokio::test]
async fn without_a_past_it_begins_with_the_next_keyframe() {
    for keep in [Duration::ZERO, 10 * S] {
        let mut scene = Scene::that_keeps(keep);
        scene.picture(false);
        let mut clip = open(&scene, Duration::ZERO, 60 * S).await;
        scene.picture(false);
        scene.picture(true);
        init(&mut clip).await;
        let (track, time, _) = fragment(&mut clip).await;
        assert_eq!((track, time), (1, 0));
    }
}

#[tokio::test]
async fn what_reaches_too_far_back_begins_with_the_picture_of_then() {
    let scene = Scene::that_keeps(10 * S);
    let mut clip = open(&scene, 5 * S, Duration::ZERO).await;
    assert_eq!(next(&mut clip).await, Ok(None), "nothing passed, nothing is to come");
    let formats = [Format::new(&Codec::new(CodecId::Opus).clock(48_000)).unwrap()];
    let epoch = Instant::now();
    let packet = |n: u32| {
        let payload = Payload::Data(Bytes::from_static(b"xx"));
        Arc::new(Frame::new(CodecId::Opus, true, i64::from(n) * 48_000, epoch + S * n, payload))
    };
    let passed: Vec<Arc<Frame>> = (0..10).map(packet).collect();
    let of = |seconds: u32| {
        let past = cut(&formats, 0, vec![passed.clone()], epoch + S * seconds);
        past.iter().map(|(_, frame)| frame.pts / 48_000).collect::<Vec<i64>>()
    };
    assert_eq!(of(7), [7, 8, 9]);
    assert_eq!(of(0).len(), 10);
    assert_eq!(of(100), [9]);
    assert!(cut(&formats, 0, vec![Vec::new()], epoch).is_empty());
}

#[tokio::test]
async fn other_parameter_sets_are_its_beginning_or_its_end() {
    let mut scene = Scene::that_keeps(10 * S);
    scene.picture(true);
    scene.picture(true);
    let mut early = open(&scene, 10 * S, 60 * S).await;
    init(&mut early).await;
    for _ in 0..4 {
        fragment(&mut early).await;
    }
    scene.sets = OTHER_SETS;
    scene.picture(true);
    scene.picture(false);
    assert_eq!(next(&mut early).await, Err(End::Changed));
    let mut late = open(&scene, 10 * S, Duration::ZERO).await;
    init(&mut late).await;
    for _ in 0..4 {
        fragment(&mut late).await;
    }
    assert_eq!(next(&mut late).await, Ok(None), "two pictures and their sound");
}

#[tokio::test]
async fn sound_that_begins_late_is_no_change() {
    let mut scene = Scene::of_mpeg_audio();
    scene.picture(true);
    let mut clip = open(&scene, 10 * S, 60 * S).await;
    init(&mut clip).await;
    assert_eq!(fragment(&mut clip).await.0, 1);
    scene.is_mute = false;
    scene.sound_head = MONO;
    for key in [false, true] {
        scene.picture(key);
        assert_eq!((fragment(&mut clip).await.0, fragment(&mut clip).await.0), (1, 2));
    }
    scene.sound_head = STEREO;
    scene.picture(false);
    assert_eq!(fragment(&mut clip).await.0, 1);
    assert_eq!(next(&mut clip).await, Err(End::Changed));
}

#[tokio::test]
async fn a_source_that_comes_back_goes_on_in_the_same_time() {
    let mut scene = Scene::that_keeps(10 * S);
    scene.picture(true);
    let mut clip = open(&scene, 10 * S, 60 * S).await;
    init(&mut clip).await;
    let mut before: Vec<(u32, u64)> = Vec::new();
    for _ in 0..2 {
        let (track, time, _) = fragment(&mut clip).await;
        before.push((track, time));
    }
    // Without its sound: the rest of the clip has pictures alone.
    scene.comes_back_silent();
    scene.picture(false);
    scene.picture(true);
    scene.picture(false);
    let (first, second) = (fragment(&mut clip).await, fragment(&mut clip).await);
    assert_eq!((first.0, second.0), (1, 1));
    assert!(before[0].1 < first.1 && first.1 < second.1, "{before:?} {first:?} {second:?}");
    scene.picture_at(false, Instant::now() + 100 * S);
    assert_eq!(next(&mut clip).await, Ok(None), "it is whole");
    // With other parameters it ends, as a file cannot say that.
    let mut scene = Scene::that_keeps(10 * S);
    let mut clip = open(&scene, Duration::ZERO, 60 * S).await;
    scene.picture(true);
    init(&mut clip).await;
    for _ in 0..2 {
        fragment(&mut clip).await;
    }
    scene.comes_back_changed();
    scene.picture(true);
    assert_eq!(next(&mut clip).await, Err(End::Changed));
}

#[tokio::test]
async fn a_clip_is_ended_like_any_viewer() {
    let mut scene = Scene::that_keeps(10 * S);
    scene.picture(true);
    let mut clip = open(&scene, 10 * S, 60 * S).await;
    init(&mut clip).await;
    for _ in 0..2 {
        fragment(&mut clip).await;
    }
    let id = scene.stream.snapshot().consumers.unwrap()[0].id;
    scene.stream.kick(id, "go away");
    assert_eq!(next(&mut clip).await, Err(End::Kicked(Some("go away".into()))));
}
