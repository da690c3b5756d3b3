//! What a session sees of a source that comes back as another one.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_media::container::{Demuxer, Time};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media, Payload};
use rs2rtc_streams::{Connection, Description, Request};
use tokio::time::{Instant, timeout};

use super::super::super::scene::{OTHER_SETS, SETS, Scene, hex};
use super::*;

const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn attach(scene: &Scene) -> Attached {
    let media = |kind, id| Media::new(kind, Direction::SendOnly, Codec::new(id));
    let medias = vec![media(Kind::Video, CodecId::H264), media(Kind::Audio, CodecId::Aac)];
    let connection = Arc::new(Connection::new(Description::default()));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    scene.stream.attach(request).await.unwrap()
}

pub(super) fn scene() -> Scene {
    Scene::new(Codec::new(CodecId::Aac).clock(16_000).channels(1).fmtp("config=1408"))
}

pub(super) fn hls() -> Hls {
    Hls::new(Tasks::new(), CancellationToken::new())
}

/// Two seconds of pictures, a keyframe in each half of one: four segments.
pub(super) fn two_seconds(scene: &mut Scene) {
    (0..48).for_each(|n| scene.picture(n % 12 == 0));
}

/// The first playlist, whose first segment is that of the first picture.
pub(super) async fn begin(scene: &mut Scene, session: &Session) {
    (0..13).for_each(|n| scene.picture(n % 12 == 0));
    let first = timeout(LIMIT, session.playlist(Reload::default())).await.unwrap().unwrap();
    assert_eq!(first.matches("#EXTINF").count(), 1, "{first}");
}

/// The playlist once it has so many segments.
pub(super) async fn playlist(session: &Session, segments: usize) -> String {
    let mut number = 0;
    loop {
        let reload = Reload { segment: Some(number), part: None };
        let text = timeout(LIMIT, session.playlist(reload)).await.unwrap().unwrap();
        if text.matches("#EXTINF").count() >= segments {
            return text;
        }
        number += 1;
    }
}

fn has(bytes: &[u8], sought: &[u8]) -> bool {
    bytes.windows(sought.len()).any(|window| window == sought)
}

#[tokio::test]
async fn a_source_that_comes_back_changed_is_a_discontinuity() {
    for form in [Form::Ts, Form::Mp4] {
        let (mut scene, hls) = (scene(), hls());
        let session = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
        begin(&mut scene, &session).await;
        two_seconds(&mut scene);
        let before = playlist(&session, 3).await;
        assert!(!before.contains("#EXT-X-DISCONTINUITY\n"), "{before}");
        scene.comes_back_changed();
        scene.picture(false);
        two_seconds(&mut scene);
        let after = playlist(&session, 6).await;
        assert_eq!(after.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{after}");
        if form == Form::Mp4 {
            // One that is named in front of the change, and one behind it.
            let (front, back) = after.split_once("#EXT-X-DISCONTINUITY\n").unwrap();
            assert!(front.contains("#EXT-X-MAP:") && back.contains("#EXT-X-MAP:"), "{after}");
            assert!(front.contains("init.mp4?id=") && !front.contains("&n=0\""), "{after}");
            // The first one is named without a number, and asked for so after the change too.
            for (number, sets) in [(None, SETS), (Some(0), SETS), (Some(1), OTHER_SETS)] {
                let init = session.init(number).await.unwrap();
                assert!(has(&init, &hex(sets.0)), "{number:?}");
            }
            continue;
        }
        let mut demuxer = Demuxer::new();
        for number in 0..6 {
            let pieces = session.fetch(Some(number), None).await.unwrap();
            pieces.iter().for_each(|piece| demuxer.push(piece));
        }
        let (mut last, mut seen) = (i64::MIN, Vec::new());
        while let Some(unit) = demuxer.next_unit().unwrap() {
            let (Payload::Nals(nals), Time::At { dts, .. }) = (unit.payload, unit.time) else {
                continue;
            };
            assert!(dts > last, "time goes on: {last} {dts}");
            last = dts;
            for sets in [SETS, OTHER_SETS] {
                if unit.keyframe && nals.contains(&hex(sets.0)) && seen.last() != Some(&sets.0) {
                    seen.push(sets.0);
                }
            }
        }
        assert_eq!(seen, [SETS.0, OTHER_SETS.0]);
    }
}

#[tokio::test]
async fn a_track_that_does_not_come_back_ends_the_session() {
    for form in [Form::Ts, Form::Mp4] {
        let (mut scene, hls) = (scene(), hls());
        let session = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
        begin(&mut scene, &session).await;
        scene.comes_back_silent();
        two_seconds(&mut scene);
        assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "source_failed");
        assert!(hls.session(session.id()).is_none(), "its address leads nowhere");
        // Who asks again gets what there is.
        let attached = attach(&scene).await;
        assert_eq!(attached.tracks.len(), 1);
        let session = hls.open(attached, form, Signalling::default()).unwrap();
        let playlist = async { timeout(LIMIT, session.playlist(Reload::default())).await };
        two_seconds(&mut scene);
        assert!(playlist.await.unwrap().is_ok());
    }
}

/// A part was hinted at, but the picture that ends it comes so late that its segment ends
/// before it: who has asked gets it all the same.
#[tokio::test]
async fn a_part_that_moves_to_another_segment_is_given() {
    for form in [Form::Ts, Form::Mp4] {
        let (mut scene, hls) = (scene(), hls());
        let session = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
        begin(&mut scene, &session).await;
        // 0.8 s of the third segment.
        (0..32).for_each(|_| scene.picture(false));
        let before = playlist(&session, 2).await;
        let hint = before.rsplit_once("&n=2&part=").unwrap().1;
        let part = hint.trim_end_matches(&['"', '\n'][..]).parse().unwrap();
        let hinted = session.fetch(Some(2), Some(part));
        tokio::pin!(hinted);
        assert!(timeout(Duration::ZERO, &mut hinted).await.is_err(), "it has not come");
        scene.skip(22);
        scene.picture(false);
        let hinted = timeout(LIMIT, hinted).await.unwrap().unwrap();
        let after = playlist(&session, 3).await;
        assert!(!after.contains(&format!("n=2&part={part}\"")), "{after}");
        assert!(!after.contains("#EXT-X-DISCONTINUITY\n"), "{after}");
        let moved = timeout(LIMIT, session.fetch(Some(3), Some(0))).await.unwrap().unwrap();
        assert_eq!(hinted.last(), moved.last());
        // A number that nobody hinted at leads nowhere, and to no other segment's part.
        let far = timeout(LIMIT, session.fetch(Some(2), Some(999))).await.unwrap();
        assert_eq!(far.unwrap_err(), Refused::Gone);
        assert!(moved.last().is_some_and(|part| part.len() > 400), "a few pictures");
    }
}

/// Pictures are lost, and what comes needs them: no segment is open until the next
/// keyframe. Who waits for the next one waits, and is not sent away.
#[tokio::test]
async fn who_waits_in_a_hole_is_answered_after_it() {
    let (mut scene, hls) = (scene(), hls());
    let session = hls.open(attach(&scene).await, Form::Ts, Signalling::default()).unwrap();
    begin(&mut scene, &session).await;
    two_seconds(&mut scene);
    scene.skip(40);
    scene.picture(false);
    let list = playlist(&session, 5).await;
    assert!(!list.contains("#EXT-X-PRELOAD-HINT"), "nothing is open: {list}");
    let next = session.playlist(Reload { segment: Some(5), part: None });
    tokio::pin!(next);
    assert!(timeout(Duration::ZERO, &mut next).await.is_err(), "it waits");
    two_seconds(&mut scene);
    assert!(next.await.unwrap().contains("#EXT-X-DISCONTINUITY\n"));
}

/// A picture that comes so late that no segment may last until then: what it begins has a
/// keyframe for everybody, as players begin anew with it.
#[tokio::test]
async fn what_is_late_begins_with_a_keyframe() {
    let (mut scene, hls) = (scene(), hls());
    let session = hls.open(attach(&scene).await, Form::Ts, Signalling::default()).unwrap();
    begin(&mut scene, &session).await;
    (0..12).for_each(|_| scene.picture(false));
    for missing in [14, 39] {
        scene.skip(missing);
        scene.picture(false);
    }
    (0..40).for_each(|_| scene.picture(false));
    let list = playlist(&session, 4).await;
    assert_eq!(list.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{list}");
    let late = list.split_once("#EXT-X-DISCONTINUITY\n").unwrap().0.matches("#EXTINF").count();
    let mut demuxer = Demuxer::new();
    for number in 0..late as u64 + 1 {
        let pieces = timeout(LIMIT, session.fetch(Some(number), None)).await.unwrap().unwrap();
        if number == late as u64 {
            pieces.iter().for_each(|piece| demuxer.push(piece));
        }
    }
    let first = loop {
        let unit = demuxer.next_unit().unwrap().unwrap();
        if matches!(unit.payload, Payload::Nals(_)) {
            break unit;
        }
    };
    assert!(first.keyframe);
}

/// What comes of a track later is not taken by players: the first playlist waits for it,
/// but for a second only.
#[tokio::test(start_paused = true)]
async fn a_transport_stream_begins_with_its_sound() {
    for (form, ever) in [(Form::Ts, true), (Form::Ts, false), (Form::Mp4, false)] {
        let (mut scene, hls) = (scene(), hls());
        let began = Instant::now();
        let session = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
        scene.is_mute = true;
        two_seconds(&mut scene);
        // The first segment is there; its playlist waits.
        assert!(session.fetch(Some(0), None).await.is_ok());
        let playlist = session.playlist(Reload::default());
        tokio::pin!(playlist);
        let now = timeout(Duration::ZERO, &mut playlist).await;
        assert_eq!(now.is_err(), form == Form::Ts, "{form:?}");
        if form == Form::Mp4 {
            continue;
        }
        scene.is_mute = !ever;
        scene.picture(false);
        assert!(playlist.await.unwrap().contains("#EXTINF"));
        let waited = began.elapsed();
        assert_eq!(waited >= Duration::from_secs(1), !ever, "{waited:?}");
        assert!(waited < Duration::from_secs(2), "{waited:?}");
        // A viewer that comes later does not wait.
        let other = hls.open(attach(&scene).await, form, Signalling::default()).unwrap();
        assert!(timeout(Duration::ZERO, other.playlist(Reload::default())).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_viewer_without_its_socket_has_two_segments_time() {
    let (mut scene, hls) = (scene(), hls());
    let socket = CancellationToken::new();
    let signalling = Signalling { gone: socket.clone(), ..Signalling::default() };
    let session = hls.open(attach(&scene).await, Form::Mp4, signalling).unwrap();
    begin(&mut scene, &session).await;
    two_seconds(&mut scene);
    // It goes on fetching: its socket alone was lost.
    socket.cancel();
    let began = Instant::now();
    while began.elapsed() < KEEP_WITHOUT_SOCKET + Duration::from_millis(500) {
        assert!(session.fetch(None, None).await.is_ok());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(hls.session(session.id()).is_some());
    let last = Instant::now();
    assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "ws_fin+silence");
    assert!(last.elapsed() < KEEP, "{:?}", last.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_lets_go_at_once() {
    let (mut scene, hls) = (scene(), hls());
    let signalling = Signalling::default();
    let session = hls.open(attach(&scene).await, Form::Mp4, signalling.clone()).unwrap();
    begin(&mut scene, &session).await;
    two_seconds(&mut scene);
    assert!(session.fetch(None, None).await.is_ok());
    let said = Instant::now();
    // The end of the socket may overtake it.
    signalling.gone.cancel();
    signalling.bye.cancel();
    assert_eq!(timeout(LIMIT, scene.left()).await.unwrap(), "pagehide");
    assert_eq!(said.elapsed(), Duration::ZERO);
    assert!(hls.session(session.id()).is_none());
}
