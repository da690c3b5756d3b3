//! What the end of a stream, or of the program, does to viewers, publishers and sources.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::ErrorKind;
use rs2rtc_media::{CodecId, Direction, Kind};
use rs2rtc_streams::{Connection, Description};

use crate::lab::{Event, VIDEO, bench, media, wants};

#[tokio::test]
async fn deleting_a_stream_ends_its_viewers_with_a_reason() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let attached = b.streams.get("cam").unwrap().attach(wants(&[VIDEO])).await.unwrap();
    let kicked = attached.kicked();
    assert!(b.streams.delete("cam"));
    kicked.cancelled().await;
    assert_eq!(attached.kick_reason().as_deref(), Some("stream was deleted"));
    drop(attached);
    b.until(&Event::Closed("test:a?v=h264".into())).await;
    assert!(!b.streams.delete("cam"));
}

#[tokio::test]
async fn deleting_a_stream_ends_its_publisher_and_who_comes_late() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let connection = || Arc::new(Connection::new(Description::default()));
    let publication = stream.publish(medias.clone(), connection());
    assert!(b.streams.delete("push"));
    assert!(publication.kicked().is_cancelled());
    let late = stream.publish(medias, connection());
    assert!(late.kicked().is_cancelled(), "the stream is gone");
    let viewer = stream.attach(wants(&[VIDEO])).await.unwrap();
    assert!(viewer.kicked().is_cancelled());
    assert_eq!(viewer.kick_reason().as_deref(), Some("stream was deleted"));
}

#[tokio::test]
async fn shutdown_says_goodbye_to_every_source() {
    let mut b = bench();
    b.stream("a", &["test:a?v=h264"]);
    b.stream("b", &["test:b?v=h264"]);
    let one = b.streams.get("a").unwrap().attach(wants(&[VIDEO])).await.unwrap();
    let two = b.streams.get("b").unwrap().attach(wants(&[VIDEO])).await.unwrap();
    assert!(b.streams.shutdown(Duration::from_secs(2)).await);
    assert!(one.kicked().is_cancelled() && two.kicked().is_cancelled());
    let mut closed = 0;
    while let Ok(event) = b.events.try_recv() {
        closed += usize::from(matches!(event, Event::Closed(_)));
    }
    assert_eq!(closed, 2);
}

#[tokio::test]
async fn shutdown_ends_a_dial_that_hangs() {
    let mut b = bench();
    b.stream("cam", &["hang:x"]);
    let stream = b.streams.get("cam").unwrap();
    let waiting = async {
        let error = stream.attach(wants(&[VIDEO])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ended);
    };
    let stop = async {
        b.until(&Event::Dialled("hang:x".into())).await;
        assert!(b.streams.shutdown(Duration::from_secs(2)).await);
    };
    tokio::join!(waiting, stop);
}
