//! When a source is tried again, and who asks for it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rs2rtc_base::ErrorKind;
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{Change, Departure, Options, Origin, Stream};
use tokio::time::{Instant, sleep, timeout};

use crate::lab::{MS, S, bench, h264, is_failed, watch};

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

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_told_until_the_source_opens() {
    let b = bench();
    b.lab.script("cam:1", |s| s.fail.push_back(ErrorKind::Auth));
    let stream = b.stream("cam", "cam:1", Options::default());
    let told =
        || stream.snapshot().producers.unwrap()[0].error.as_ref().map(rs2rtc_base::Error::kind);
    assert_eq!(told(), None);
    stream.attach(h264()).await.unwrap_err();
    assert_eq!(told(), Some(ErrorKind::Auth), "also when nobody waits any more");
    let _viewer = stream.attach(h264()).await.unwrap();
    assert_eq!(told(), None);
}
