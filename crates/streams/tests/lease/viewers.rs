//! When a source is let go of, taken over and waited for.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use rs2rtc_base::ErrorKind;
use rs2rtc_media::CodecId;
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{Departure, Options, Origin, Request, Wake};
use tokio::time::{Instant, sleep, timeout};

use crate::lab::{MS, S, bench, h264, is_released, video, watch};

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
async fn who_opens_nothing_joins_what_is_open_or_gets_nothing() {
    let b = bench();
    let stream = b.stream("cam", "cam:1", Options::default());
    assert!(stream.attach_if_open(h264()).await.unwrap().is_none(), "it was never open");
    let viewer = stream.attach(h264()).await.unwrap();
    let guest = stream.attach_if_open(h264()).await.unwrap().unwrap();
    // It holds the source like anybody else.
    drop(viewer);
    let (eye, kept) = watch(&guest);
    sleep(S).await;
    assert!(!eye.frames.lock().unwrap().is_empty());
    assert!(stream.attach_if_open(video(CodecId::Opus)).await.is_err(), "it has no such track");
    // From the moment on in which the last one leaves there is nothing to join.
    drop((kept, guest));
    assert!(stream.attach_if_open(h264()).await.unwrap().is_none());
    sleep(S).await;
    assert!(stream.attach_if_open(h264()).await.unwrap().is_none());
    assert_eq!((b.lab.dials(), b.lab.open_now()), (1, 0));
    // A dial of somebody else is waited for.
    let dialling = stream.attach(h264());
    tokio::pin!(dialling);
    let is_pending =
        std::future::poll_fn(|cx| std::task::Poll::Ready(dialling.as_mut().poll(cx).is_pending()));
    assert!(is_pending.await);
    let (viewer, guest) = tokio::join!(dialling, stream.attach_if_open(h264()));
    assert!(viewer.is_ok() && guest.unwrap().is_some());
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
