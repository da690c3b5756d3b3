//! Who is dialled for whom, which track they get, and what they are told if there is none.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rs2rtc_base::ErrorKind;
use rs2rtc_media::{CodecId, Direction, Kind};
use rs2rtc_streams::Origin;

use crate::lab::{Event, OPUS, VIDEO, bench, media, wants};

#[tokio::test]
async fn nothing_is_dialled_before_a_viewer_comes_and_all_is_let_go_with_the_last() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264&a=opus"]);
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 0);
    let stream = b.streams.get("cam").unwrap();
    let one = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap();
    assert_eq!(one.tracks.len(), 2);
    let two = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 1, "one dial for both");
    assert!(Arc::ptr_eq(&one.tracks[0].track, &two.tracks[0].track));
    b.until(&Event::Running("test:a?v=h264&a=opus".into())).await;
    drop(one);
    assert_eq!(stream.viewers(), 1);
    drop(two);
    assert_eq!(b.event().await, Event::Closed("test:a?v=h264&a=opus".into()));
    // The next viewer dials anew.
    let _three = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_second_source_is_dialled_only_if_the_first_does_not_suffice() {
    let b = bench();
    b.stream("cam", &["test:a?v=h264&a=aac", "test:b?a=opus"]);
    let stream = b.streams.get("cam").unwrap();
    let video = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 1);
    let both = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap();
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 2);
    assert_eq!(both.tracks[1].codec.id, CodecId::Opus);
    drop(video);
    let all = stream.attach(wants(&[(Kind::Audio, CodecId::All)])).await.unwrap();
    let ids: Vec<_> = all.tracks.iter().map(|t| t.codec.id.clone()).collect();
    assert_eq!(ids, [CodecId::Aac, CodecId::Opus]);
}

#[tokio::test]
async fn who_can_make_do_with_something_else_dials_nothing_twice() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264", "test:b?a=opus"]);
    let stream = b.streams.get("cam").unwrap();
    let h265 = || wants(&[(Kind::Video, CodecId::H265)]);
    let otherwise = [media(Kind::Video, Direction::SendOnly, CodecId::H264)];
    let other = stream.attach_or(h265(), &otherwise).await.unwrap();
    assert_eq!(other.tracks[0].codec.id, CodecId::H264);
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 2);
    // The one that gives nothing is let go.
    b.until(&Event::Closed("test:b?a=opus".into())).await;
    // What was asked for first comes first, from whichever source.
    b.stream("both", &["test:c?v=h264", "test:d?v=h265"]);
    let stream = b.streams.get("both").unwrap();
    let first = stream.attach_or(h265(), &otherwise).await.unwrap();
    assert_eq!(first.tracks.len(), 1);
    assert_eq!(first.tracks[0].codec.id, CodecId::H265);
    // Neither is there: the words are those of what was wanted.
    b.stream("none", &["test:e?a=aac"]);
    let error = b.streams.get("none").unwrap().attach_or(h265(), &otherwise).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: codecs not matched: audio:AAC => video:H265");
}

#[tokio::test]
async fn a_source_that_was_dialled_for_nothing_is_closed() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h265"]);
    let stream = b.streams.get("cam").unwrap();
    let error = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap_err();
    let text = "streams: codecs not matched: video:H265 => video:H264, audio:OPUS";
    assert_eq!(error.to_string(), text);
    b.until(&Event::Closed("test:a?v=h265".into())).await;
}

#[tokio::test]
async fn error_texts_of_the_contract() {
    let b = bench();
    b.stream("down", &["fail:no route", "fail:no route", "fail:refused"]);
    let error = b.streams.get("down").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: no route, refused");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    b.stream("empty", &[]);
    let error = b.streams.get("empty").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: unknown error");
    b.stream("template", &["test:{input}"]);
    let error = b.streams.get("template").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: unknown error");
    let error = b.streams.create("x", &["nope:x".into()], Origin::Api).unwrap_err();
    assert_eq!(error.to_string(), "streams: source not supported");
}

#[tokio::test]
async fn giving_up_ends_the_dial() {
    let mut b = bench();
    b.stream("cam", &["hang:x"]);
    let stream = b.streams.get("cam").unwrap();
    {
        let dial = stream.attach(wants(&[VIDEO]));
        tokio::pin!(dial);
        tokio::select! {
            _ = &mut dial => panic!("a hanging dial ended"),
            event = b.events.recv() => assert_eq!(event, Some(Event::Dialled("hang:x".into()))),
        }
    }
    assert_eq!(b.event().await, Event::DialDropped("hang:x".into()));
}

#[tokio::test]
async fn a_stream_may_be_named_by_its_source() {
    let mut lab = bench();
    let name = "test:cam?v=h264";
    let stream = lab.streams.patch(name, name, Origin::Api).unwrap();
    let attached = stream.attach(wants(&[(Kind::Video, CodecId::H264)])).await.unwrap();
    lab.until(&Event::Dialled(name.into())).await;
    drop(attached);
    lab.until(&Event::Closed(name.into())).await;
}

#[tokio::test]
async fn aliases_and_templates() {
    let b = bench();
    b.stream("from_yaml", &["test:a?v=h264"]);
    let by_url =
        b.streams.patch("x", "rtsp://localhost:8554/from_yaml?video", Origin::Api).unwrap();
    assert!(Arc::ptr_eq(&by_url, &b.streams.get("from_yaml").unwrap()));
    assert_eq!(b.streams.list().len(), 2);
    b.stream("camera.from_hass", &["test:{input}#video=copy"]);
    let same = b.streams.get("camera.from_hass").unwrap();
    let patched = b.streams.patch("camera.from_hass", "test://example.com", Origin::Api).unwrap();
    assert!(Arc::ptr_eq(&same, &patched));
    let snapshot = patched.snapshot();
    assert_eq!(snapshot.producers.unwrap()[0].source, "test:test://example.com#video=copy");
}

#[tokio::test]
async fn a_microphone_reaches_the_loudspeaker_media() {
    let b = bench();
    b.stream("door", &["test:a?v=h264&talk"]);
    let stream = b.streams.get("door").unwrap();
    let mut request = wants(&[VIDEO]);
    request.medias.push(media(Kind::Audio, Direction::RecvOnly, CodecId::Pcma));
    let attached = stream.attach(request).await.unwrap();
    assert_eq!(attached.tracks[1].direction, Direction::RecvOnly);
    assert_eq!(attached.tracks[1].track.children().len(), 1);
    let snapshot = stream.snapshot();
    assert_eq!(snapshot.producers.unwrap()[0].connection.as_ref().unwrap().senders.len(), 1);
}

#[tokio::test]
async fn a_microphone_is_taken_back_when_its_viewer_gives_up() {
    let b = bench();
    b.stream("door", &["test:a?v=h264&talk", "hang:x"]);
    let stream = b.streams.get("door").unwrap();
    let viewer = stream.attach(wants(&[VIDEO])).await.unwrap();
    let mut request = wants(&[]);
    request.medias.push(media(Kind::Audio, Direction::RecvOnly, CodecId::Pcma));
    request.medias.push(media(Kind::Audio, Direction::SendOnly, CodecId::Opus));
    let given_up = tokio::time::timeout(Duration::from_millis(50), stream.attach(request)).await;
    assert!(given_up.is_err(), "the second source hangs");
    let snapshot = stream.snapshot();
    assert!(snapshot.producers.unwrap()[0].connection.as_ref().unwrap().senders.is_empty());
    drop(viewer);
}
