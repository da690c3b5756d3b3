//! Viewers that come late. The camera is let go, and comes back for them.

use std::time::Duration;

use rs2rtc_testkit::playlist::{follows, read};
use tokio::time::{Instant, advance, timeout};

use super::changes::{attach, begin, hls, playlist, scene, two_seconds};
use super::session::Reload;
use super::*;
use crate::outputs::scene::Scene;

const LIMIT: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

async fn list(session: &Session) -> String {
    timeout(LIMIT, session.playlist(Reload::default())).await.unwrap().unwrap()
}

/// Starved of processor time, it asks for nothing for longer than it is waited for: it is
/// told what came since, and then what comes.
#[tokio::test(start_paused = true)]
async fn who_was_silent_goes_on() {
    for form in [Form::Ts, Form::Mp4] {
        for asks_for_list in [true, false] {
            let (mut scene, hls) = (scene(), hls());
            let session = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
            begin(&mut scene, &session).await;
            two_seconds(&mut scene);
            let before = read(&playlist(&session, 4).await);
            let last = before.sequence + before.segments.len() as u64 - 1;
            timeout(LIMIT, session.fetch(Some(last), None)).await.unwrap().unwrap();
            assert_eq!(scene.viewers(), 1);
            assert_eq!(timeout(LIMIT, scene.parked()).await.unwrap(), "poll_timeout");
            assert_eq!(scene.viewers(), 0, "the camera is let go");
            if asks_for_list {
                let next = session.playlist(Reload { segment: Some(last + 1), part: None });
                tokio::pin!(next);
                assert!(timeout(MOMENT, &mut next).await.is_err(), "it has all that is there");
                timeout(LIMIT, scene.resumed()).await.unwrap();
                two_seconds(&mut scene);
                follows(&before, &read(&timeout(LIMIT, next).await.unwrap().unwrap()));
            } else {
                // What it knows of is still there.
                timeout(MOMENT, session.fetch(Some(last), None)).await.unwrap().unwrap();
                timeout(LIMIT, scene.resumed()).await.unwrap();
                two_seconds(&mut scene);
            }
            assert_eq!(scene.viewers(), 1);
            let after = read(&playlist(&session, before.segments.len() + 1).await);
            follows(&before, &after);
        }
    }
}

/// One that is stopped asks for playlists and fetches nothing: it does not keep the camera,
/// nor does it wake it.
#[tokio::test(start_paused = true)]
async fn who_is_stopped_does_not_keep_the_camera() {
    let (mut scene, hls) = (scene(), hls());
    let session = hls.open(attach(&scene).await, Form::Mp4, Signalling::default()).unwrap();
    begin(&mut scene, &session).await;
    timeout(LIMIT, session.fetch(Some(0), None)).await.unwrap().unwrap();
    two_seconds(&mut scene);
    let parked = scene.parked();
    tokio::pin!(parked);
    while timeout(Duration::from_secs(1), &mut parked).await.is_err() {
        list(&session).await;
    }
    let stopped = list(&session).await;
    for _ in 0..100 {
        advance(Duration::from_secs(1)).await;
        // It is answered at once, whatever it waits for.
        let reload = Reload { segment: Some(4), part: Some(0) };
        let again = timeout(MOMENT, session.playlist(reload)).await.unwrap().unwrap();
        assert_eq!(again, stopped);
        assert_eq!(scene.viewers(), 0);
    }
    timeout(MOMENT, session.fetch(Some(1), None)).await.unwrap().unwrap();
    timeout(LIMIT, scene.resumed()).await.unwrap();
    assert_eq!(scene.viewers(), 1);
}

/// A picture every four seconds makes segments of four seconds, and who reads them asks
/// once in six (RFC 8216 6.3.4).
#[tokio::test(start_paused = true)]
async fn viewers_of_slow_cameras_stay() {
    for form in [Form::Ts, Form::Mp4] {
        let (mut scene, hls) = (scene(), hls());
        let session = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
        let slow = |scene: &mut Scene| {
            scene.picture_at(true, Instant::now().into_std());
            scene.skip(99);
        };
        // The first playlist waits for the second picture.
        let four = Duration::from_secs(4);
        let first = session.playlist(Reload::default());
        tokio::pin!(first);
        slow(&mut scene);
        assert!(timeout(four, &mut first).await.is_err());
        slow(&mut scene);
        assert!(timeout(four, &mut first).await.unwrap().is_ok());
        let mut last = None;
        for second in 1..60 {
            advance(Duration::from_secs(1)).await;
            if second % 4 == 0 {
                slow(&mut scene);
            }
            if second % 6 == 0 {
                let known = read(&list(&session).await);
                let newest = known.sequence + known.segments.len() as u64 - 1;
                assert_ne!(last.replace(newest), Some(newest));
                timeout(MOMENT, session.fetch(Some(newest), None)).await.unwrap().unwrap();
            }
        }
        let parked = scene.parked();
        tokio::pin!(parked);
        assert!(timeout(Duration::ZERO, &mut parked).await.is_err(), "it never let go");
        // Two target durations after the last segment it does.
        let before = Instant::now();
        timeout(LIMIT, parked).await.unwrap();
        assert!(before.elapsed() <= Duration::from_secs(12), "{:?}", before.elapsed());
    }
}

/// It is not waited for for ever, and what has not come yet is told from what is gone.
#[tokio::test(start_paused = true)]
async fn who_does_not_come_back_is_gone() {
    let (mut scene, hls) = (scene(), hls());
    let session = hls.open(attach(&scene).await, Form::Ts, Signalling::default()).unwrap();
    begin(&mut scene, &session).await;
    let refused = |number| timeout(LIMIT, session.fetch(Some(number), None));
    assert_eq!(refused(1).await.unwrap().unwrap_err(), Refused::TooLate);
    assert_eq!(refused(1000).await.unwrap().unwrap_err(), Refused::Gone);
    let last = Instant::now();
    assert_eq!(timeout(LIMIT, scene.parked()).await.unwrap(), "poll_timeout");
    assert!(last.elapsed() <= KEEP, "{:?}", last.elapsed());
    assert!(hls.session(session.id()).is_some());
    assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "poll_timeout");
    assert!(last.elapsed() <= KEEP_PARKED, "{:?}", last.elapsed());
    assert!(hls.session(session.id()).is_none());
}

/// There is nothing to fetch before the first playlist: who waits for it is there.
#[tokio::test(start_paused = true)]
async fn who_waits_for_the_first_picture_is_waited_for() {
    let (mut scene, hls) = (scene(), hls());
    let session = hls.open(attach(&scene).await, Form::Mp4, Signalling::default()).unwrap();
    for _ in 0..6 {
        let none = timeout(LIMIT, session.playlist(Reload::default())).await.unwrap();
        assert_eq!(none.unwrap_err(), Refused::TooLate);
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(scene.viewers(), 1);
    begin(&mut scene, &session).await;
    assert_eq!(timeout(LIMIT, scene.parked()).await.unwrap(), "poll_timeout");
}
