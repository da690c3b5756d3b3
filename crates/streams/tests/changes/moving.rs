//! Other sources and settings for a stream that is watched.

use std::sync::Arc;

use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{Connection, Departure, Description, Options, Origin};
use tokio::time::{sleep, timeout};

use crate::lab::{MS, S, bench, view, wants, watch};

const H264: CodecId = CodecId::H264;
const OPUS: CodecId = CodecId::Opus;

#[tokio::test(start_paused = true)]
async fn what_does_not_change_loses_no_frame() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264", "cam:b?a=opus"]);
    let other = b.stream("other", &["cam:o?v=h264"]);
    let viewer = view(&cam, &[H264, OPUS]).await;
    let bystander = view(&other, &[H264]).await;
    sleep(S).await;
    for eye in viewer.eyes.iter().chain(&bystander.eyes) {
        eye.forget();
    }
    let linger = Options { linger: Some(3 * S), stall: Some(60 * S), ..Options::default() };
    sleep(100 * MS).await;
    b.with_options("cam", &["cam:a?v=h264", "cam:b?a=opus"], linger.clone());
    sleep(100 * MS).await;
    b.with_options("cam", &["cam:b?a=opus", "cam:c?v=h264", "cam:a?v=h264"], linger.clone());
    sleep(100 * MS).await;
    b.with_options("cam", &["cam:a?v=h264", "cam:b?a=opus"], linger);
    sleep(100 * MS).await;
    for eye in viewer.eyes.iter().chain(&bystander.eyes) {
        eye.saw_everything();
        assert_eq!(eye.seen().len(), 40);
    }
    assert_eq!(b.lab.dialled(), ["a", "b", "o"]);
    assert_eq!(cam.options().linger, Some(3 * S));
    drop(viewer);
    sleep(2 * S).await;
    assert_eq!(b.lab.open(), ["a", "b", "o"], "the new linger holds");
    // Without it they are let go at once.
    b.stream("cam", &["cam:a?v=h264", "cam:b?a=opus"]);
    sleep(STEP_AFTER).await;
    assert_eq!(b.lab.open(), ["o"]);
}

const STEP_AFTER: std::time::Duration = std::time::Duration::from_millis(20);

#[tokio::test(start_paused = true)]
async fn viewers_of_a_changed_source_go_on_with_the_new_one() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&a=opus"]);
    let one = view(&cam, &[H264, OPUS]).await;
    let two = view(&cam, &[H264]).await;
    sleep(S).await;
    b.stream("cam", &["cam:b?v=h264&a=opus"]);
    sleep(S).await;
    assert_eq!(b.lab.dialled(), ["a", "b"], "one dial for both");
    assert_eq!(b.lab.open(), ["b"], "the old one is released");
    for eye in one.eyes.iter().chain(&two.eyes) {
        eye.saw_no_seam();
        assert!(eye.seen().last().unwrap().run == 1 && !eye.has_ended());
    }
    let gap = one.eyes[0].seen().windows(2).map(|pair| pair[1].at - pair[0].at).max().unwrap();
    assert!(gap <= 100 * MS, "the picture stands for {gap:?}");
    let shown = cam.snapshot();
    let producer = shown.producers.unwrap()[0].connection.clone().unwrap();
    let consumers = shown.consumers.unwrap();
    assert_eq!(consumers.len(), 2);
    for sender in consumers.iter().flat_map(|consumer| &consumer.senders) {
        let from = producer.receivers.iter().find(|r| r.id == sender.parent).unwrap();
        assert!(from.children.contains(&sender.id));
    }
    drop(one);
    assert_eq!(b.lab.open(), ["b"]);
    drop(two);
    sleep(STEP_AFTER).await;
    assert!(b.lab.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn tracks_of_one_source_find_two_and_those_of_two_find_one() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&a=opus"]);
    let viewer = view(&cam, &[H264, OPUS]).await;
    sleep(S).await;
    b.stream("cam", &["cam:b?v=h264", "cam:c?a=opus"]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["b", "c"]);
    b.stream("cam", &["cam:c?a=opus", "cam:d?v=h264&a=opus"]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["c", "d"]);
    b.stream("cam", &["cam:d?v=h264&a=opus"]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["d"], "a source that stays takes over what it did not give yet");
    assert_eq!(b.lab.dialled(), ["a", "b", "c", "d"]);
    for eye in &viewer.eyes {
        eye.saw_no_seam();
        assert!(eye.seen().last().unwrap().at.elapsed() <= STEP_AFTER && !eye.has_ended());
    }
    drop(viewer);
    sleep(STEP_AFTER).await;
    assert!(b.lab.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_tracks_can_find_the_same_one() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264", "cam:b?v=h264"]);
    let mut both = wants(&[]);
    both.medias.push(Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::All)));
    let viewer = watch(cam.attach(both).await.unwrap());
    assert_eq!(viewer.eyes.len(), 2);
    sleep(S).await;
    b.stream("cam", &["cam:c?v=h264"]);
    sleep(S).await;
    let shown = cam.snapshot();
    let receivers = shown.producers.unwrap()[0].connection.clone().unwrap().receivers;
    assert_eq!((receivers.len(), receivers[0].children.len()), (1, 2));
    b.stream("cam", &["cam:d?v=h264"]);
    sleep(S).await;
    for eye in &viewer.eyes {
        eye.saw_no_seam();
        assert!(eye.seen().last().unwrap().at.elapsed() <= STEP_AFTER && !eye.has_ended());
        assert_eq!(eye.seen().last().unwrap().run, 3);
    }
    assert_eq!(b.lab.open(), ["d"]);
    drop(viewer);
    sleep(STEP_AFTER).await;
    assert!(b.lab.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_track_that_nobody_gives_any_more_ends_alone() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&a=opus"]);
    let viewer = view(&cam, &[H264, OPUS]).await;
    sleep(S).await;
    b.stream("cam", &["cam:b?v=h264"]);
    sleep(S).await;
    assert!(viewer.eyes[1].has_ended());
    viewer.eyes[0].saw_no_seam();
    assert!(!viewer.eyes[0].has_ended());
    assert_eq!(viewer.eyes[0].seen().last().unwrap().run, 1);
    b.stream("cam", &["cam:c?v=h264&fail", "cam:d?v=h265"]);
    sleep(S).await;
    assert!(viewer.eyes[0].has_ended());
    assert_eq!(b.lab.dialled(), ["a", "b", "c", "d"]);
    assert!(b.lab.open().is_empty(), "what gives nothing is let go");
    // Who comes now is told why.
    let error = cam.attach(wants(&[H264])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: c does not answer");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_leaves_while_it_is_moved_ends_the_dial() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    let viewer = view(&cam, &[H264]).await;
    sleep(100 * MS).await;
    b.stream("cam", &["cam:b?v=h264&dial=5000"]);
    sleep(100 * MS).await;
    assert_eq!(b.lab.open(), ["b"]);
    drop(viewer);
    sleep(MS).await;
    assert!(b.lab.open().is_empty());
    // The stream is as good as new.
    let next = cam.attach(wants(&[H264]));
    assert!(timeout(6 * S, next).await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_change_in_the_middle_of_a_move_counts() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    let viewer = view(&cam, &[H264]).await;
    sleep(100 * MS).await;
    b.stream("cam", &["cam:b?v=h264&dial=5000"]);
    sleep(100 * MS).await;
    b.stream("cam", &["cam:c?v=h264"]);
    sleep(S).await;
    assert_eq!((b.lab.dialled(), b.lab.open()), (strings(&["a", "b", "c"]), strings(&["c"])));
    viewer.eyes[0].saw_no_seam();
    assert_eq!(viewer.eyes[0].seen().last().unwrap().run, 2);
    // Who attaches while the sources change lands at the new ones, too.
    b.stream("cam", &["cam:d?v=h264&dial=500"]);
    let late = tokio::join!(view(&cam, &[H264]), async {
        sleep(100 * MS).await;
        b.stream("cam", &["cam:e?v=h264"]);
    });
    sleep(2 * S).await;
    assert_eq!(b.lab.open(), ["e"]);
    assert!(late.0.eyes[0].seen().last().unwrap().at.elapsed() <= STEP_AFTER);
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn a_parked_viewer_comes_back_to_the_new_source() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    let mut viewer = view(&cam, &[H264]).await;
    sleep(100 * MS).await;
    viewer.attached.park(Departure::now("hidden"));
    sleep(100 * MS).await;
    b.stream("cam", &["cam:b?v=h264"]);
    sleep(100 * MS).await;
    assert_eq!(b.lab.dialled(), ["a"], "nobody watches");
    viewer.attached.resume().await.unwrap();
    sleep(S).await;
    viewer.eyes[0].saw_no_seam();
    assert_eq!(viewer.eyes[0].seen().last().unwrap().run, 1);
    viewer.attached.park(Departure::now("hidden"));
    b.stream("cam", &["cam:c?v=h265"]);
    sleep(100 * MS).await;
    assert!(viewer.attached.resume().await.is_err(), "it has no such track");
    assert!(viewer.eyes[0].has_ended());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_reads_any_more_is_not_listed() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&a=opus"]);
    let listed = || -> Vec<(CodecId, u64)> {
        let producer = cam.snapshot().producers.unwrap()[0].connection.clone().unwrap();
        producer.receivers.iter().map(|track| (track.codec.id.clone(), track.id)).collect()
    };
    let picture = view(&cam, &[H264]).await;
    let mut both = view(&cam, &[H264, OPUS]).await;
    sleep(S).await;
    let all = listed();
    assert_eq!(all.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), [H264, OPUS]);
    both.attached.park(Departure::now("hidden"));
    assert_eq!(listed(), all[..1], "who is parked reads nothing");
    both.attached.resume().await.unwrap();
    assert_eq!(listed(), all);
    drop(both);
    assert_eq!(listed(), all[..1]);
    // It goes on where it was when somebody reads it again.
    let sound = view(&cam, &[OPUS]).await;
    assert_eq!(listed(), all);
    drop(picture);
    assert_eq!(listed(), all[1..]);
    drop(sound);
    // What is kept for clips comes in for nobody in particular.
    let clip = Options { clip: 10 * S, ..Options::default() };
    b.with_options("cam", &["cam:a?v=h264&a=opus"], clip);
    let _sound = view(&cam, &[OPUS]).await;
    sleep(S).await;
    assert_eq!(listed(), all);
    // A push is taken in as it comes.
    let push = b.stream("push", &[]);
    let media = Media::new(Kind::Video, Direction::RecvOnly, Codec::new(H264));
    let connection = Arc::new(Connection::new(Description::default()));
    let publication = push.publish(vec![media.clone()], connection);
    let receivers = || {
        let producer = push.snapshot().producers.unwrap()[0].connection.clone().unwrap();
        producer.receivers.len()
    };
    assert_eq!(receivers(), 0);
    publication.tracks().open(0, &media.codecs[0]).unwrap();
    assert_eq!(receivers(), 1);
    drop(view(&push, &[H264]).await);
    assert_eq!(receivers(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_microphone_goes_with_its_viewer() {
    let b = bench();
    let door = b.stream("door", &["cam:a?v=h264&talk=pcma"]);
    let mut request = wants(&[H264]);
    let microphone = Media::new(Kind::Audio, Direction::RecvOnly, Codec::new(CodecId::Pcma));
    request.medias.push(microphone);
    let viewer = watch(door.attach(request).await.unwrap());
    let senders = || {
        let producers = door.snapshot().producers.unwrap();
        producers.iter().filter_map(|p| p.connection.as_ref()).map(|c| c.senders.len()).sum()
    };
    assert_eq!(senders(), 1);
    sleep(100 * MS).await;
    b.stream("door", &["cam:b?v=h264", "cam:c?talk=pcma"]);
    sleep(S).await;
    assert_eq!((b.lab.open(), senders()), (strings(&["b", "c"]), 1));
    b.stream("door", &["cam:b?v=h264"]);
    sleep(S).await;
    assert_eq!((b.lab.open(), senders()), (strings(&["b"]), 0), "nobody listens");
    assert!(!viewer.eyes[0].has_ended());
    drop(viewer);
    sleep(STEP_AFTER).await;
    assert!(b.lab.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn aliases_follow_their_stream_and_can_become_one() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    b.streams.patch("alias", "cam", Origin::Api).unwrap();
    let viewer = view(&b.streams.get("alias").unwrap(), &[H264]).await;
    b.stream("cam", &["cam:b?v=h264"]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["b"]);
    // The name gets a stream of its own; its viewers are those of the old one.
    let own = b.stream("alias", &["cam:c?v=h264"]);
    assert!(!Arc::ptr_eq(&own, &cam) && Arc::ptr_eq(&b.streams.get("cam").unwrap(), &cam));
    sleep(S).await;
    assert_eq!(b.lab.open(), ["b"]);
    assert!(!viewer.eyes[0].has_ended());
    // Gone with its last name only.
    b.streams.patch("second", "cam", Origin::Api).unwrap();
    assert!(b.streams.delete("cam"));
    assert!(!viewer.attached.kicked().is_cancelled());
    assert!(b.streams.delete("second"));
    assert_eq!(viewer.attached.kick_reason().as_deref(), Some("stream was deleted"));
}

#[tokio::test(start_paused = true)]
async fn a_filled_template_stays_filled() {
    let b = bench();
    let template = b.stream("hass", &["cam:{input}&v=h264"]);
    b.streams.patch("hass", "nonsense:x", Origin::Config).unwrap_err();
    b.streams.patch("hass", "cam:x?", Origin::Config).unwrap();
    let source = |at: usize| template.snapshot().producers.unwrap()[at].source.clone();
    assert_eq!(source(0), "cam:cam:x?&v=h264");
    b.stream("hass", &["cam:y?v=h265", "cam:{input}&v=h264"]);
    assert_eq!((source(0), source(1)), ("cam:y?v=h265".into(), "cam:cam:x?&v=h264".into()));
}
