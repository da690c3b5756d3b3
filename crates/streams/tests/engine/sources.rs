//! Sources that begin anew, come from other streams, are pushed, or change what they send.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_base::ErrorKind;
use rs2rtc_media::codec::h264::ParameterSets;
use rs2rtc_media::{CodecId, Direction, Frame, Kind, Payload};
use rs2rtc_streams::{Connection, Description, FrameQueue, Packets, Quality};

use crate::lab::{Event, OPUS, VIDEO, bench, media, wants};

#[tokio::test]
async fn viewers_stay_attached_when_the_source_begins_anew() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let stream = b.streams.get("cam").unwrap();
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let queue = FrameQueue::new();
    let t = &attached.tracks[0];
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&t.sender));
    let _subscription = t.track.subscribe(sink);
    let mut last = i64::MIN;
    for restart in 0..3 {
        for _ in 0..5 {
            let (_, frame) = queue.recv().await.unwrap();
            assert!(frame.dts > last, "the timeline goes on after restart {restart}");
            last = frame.dts;
        }
        b.until(&Event::Running("test:a?v=h264".into())).await;
        b.opener.end.send(()).unwrap();
        b.until(&Event::Closed("test:a?v=h264".into())).await;
        // Drain what came before the end.
        while let Some((_, frame)) = queue.try_recv() {
            last = frame.dts;
        }
    }
    assert_eq!(stream.viewers(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_came_is_counted_since_the_source_was_opened() {
    let b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let stream = b.streams.get("cam").unwrap();
    let came = || {
        let producers = stream.snapshot().producers.unwrap();
        producers[0].connection.as_ref().unwrap().receivers[0].packets
    };
    let see = async |frames: u64| {
        let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
        let queue = FrameQueue::new();
        let t = &attached.tracks[0];
        let (_, sink) = queue.input(Kind::Video, Arc::clone(&t.sender));
        let _subscription = t.track.subscribe(sink);
        for _ in 0..frames {
            queue.recv().await.unwrap();
        }
        came()
    };
    assert!(see(20).await >= 20);
    let again = see(1).await;
    assert!((1..20).contains(&again), "{again}");
}

#[tokio::test]
async fn a_stream_can_be_the_source_of_another() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264&a=opus"]);
    b.stream("alias", &["cam"]);
    let stream = b.streams.get("alias").unwrap();
    let attached = stream.attach(wants(&[VIDEO, OPUS])).await.unwrap();
    let queue = FrameQueue::new();
    let t = &attached.tracks[0];
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&t.sender));
    let subscription = t.track.subscribe(sink);
    for _ in 0..3 {
        assert!(queue.recv().await.is_some());
    }
    assert_eq!(b.streams.get("cam").unwrap().viewers(), 1);
    drop(subscription);
    drop(attached);
    b.until(&Event::Closed("test:a?v=h264&a=opus".into())).await;
}

#[tokio::test]
async fn a_ring_of_streams_is_an_error_not_a_hang() {
    let b = bench();
    b.stream("a", &["b"]);
    b.stream("b", &["c"]);
    b.stream("c", &["a"]);
    let error = b.streams.get("a").unwrap().attach(wants(&[VIDEO])).await.unwrap_err();
    assert!(error.to_string().contains("its own source"), "{error}");
}

#[tokio::test]
async fn a_pushed_source_feeds_viewers_and_they_outlive_it() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = || vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let connection = || Arc::new(Connection::new(Description::default()));
    let write = |publication: &rs2rtc_streams::Publication, pts: i64| {
        let writer = publication.tracks().writer(0).unwrap();
        let payload = Payload::Data(Bytes::from_static(b"x"));
        writer.write(Frame::new(CodecId::H264, true, pts, Instant::now(), payload));
    };
    let publication = stream.publish(medias(), connection());
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let queue = FrameQueue::new();
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&attached.tracks[0].sender));
    let _subscription = attached.tracks[0].track.subscribe(sink);
    write(&publication, 0);
    assert!(queue.recv().await.is_some());
    drop(publication);
    assert_eq!(stream.snapshot().producers.unwrap().len(), 0);
    let again = stream.publish(medias(), connection());
    write(&again, 77);
    assert!(queue.recv().await.is_some(), "the viewer goes on with the new push");
    drop(attached);
    drop(again);
    assert_eq!(stream.snapshot().producers.unwrap().len(), 0);
}

#[tokio::test]
async fn how_good_a_source_is_is_counted() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let publication = stream.publish(medias, Arc::new(Connection::new(Description::default())));
    let _attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let writer = publication.tracks().writer(0).unwrap();
    let quality = || stream.snapshot().producers.unwrap()[0].quality;
    assert_eq!(quality(), Quality::default(), "nothing came, and nothing is numbered");
    let hour = 3600 * 90_000;
    for pts in [0, 3000, 6000, hour, hour + 3000, 0] {
        let payload = Payload::Data(Bytes::from_static(b"x"));
        writer.write(Frame::new(CodecId::H264, true, pts, Instant::now(), payload));
    }
    assert_eq!(quality(), Quality { frames: 6, jumps: 2, packets: None });
    for lost in [0, 3, 2] {
        writer.count_packet(lost);
    }
    assert_eq!(quality().packets, Some(Packets { received: 3, lost: 5 }));
    assert!(stream.is_held());
    drop(publication);
    assert!(!stream.is_held());
}

#[tokio::test]
async fn changed_parameter_sets_are_told_once() {
    let b = bench();
    b.stream("push", &[]);
    let stream = b.streams.get("push").unwrap();
    let medias = vec![media(Kind::Video, Direction::RecvOnly, CodecId::H264)];
    let connection = Arc::new(Connection::new(Description::default()));
    let publication = stream.publish(medias, connection);
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    let mut tracks = publication.tracks();
    let writer = tracks.writer(0).unwrap();
    let keyframe = |number: i64, sets: &ParameterSets| {
        let idr = Bytes::from_static(&[0x65, 0x88]);
        let nals = sets.nals().cloned().chain([idr]).collect();
        Frame::new(CodecId::H264, true, number, Instant::now(), Payload::Nals(nals))
    };
    let small = ParameterSets::from_fmtp("sprop-parameter-sets=Z0IAHukCwSk=,aM4xsg==");
    let large = ParameterSets::from_fmtp(
        "sprop-parameter-sets=Z2QAH6wkhAFAFuwEQAAAAwBAAAAMI8YMkg==,aO4yyLA=",
    );
    assert!(small.is_complete() && large.is_complete());
    let told = || {
        let records = b.streams.events().since(0).records;
        let told = records.iter().filter_map(|record| match &record.event {
            rs2rtc_streams::events::Event::SourceChanged { stream, source, codec, size } => {
                Some((stream.clone(), source.clone(), codec.clone(), *size))
            }
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    for number in 0..3 {
        writer.write(keyframe(number * 3000, &small));
    }
    assert_eq!(told(), [], "the first ones are no change");
    for number in 3..6 {
        writer.write(keyframe(number * 3000, &large));
    }
    let expected = ("push".to_owned(), "push".to_owned(), "H264".to_owned(), Some((1280, 720)));
    assert_eq!(told(), [expected]);
    let codec = attached.tracks[0].track.codec();
    assert_eq!(codec.fmtp, large.to_fmtp(), "who comes now is told the new ones");
    // The next push announces what does not hold any more: that is put right, not told.
    drop(publication);
    let mut media = media(Kind::Video, Direction::RecvOnly, CodecId::H264);
    media.codecs[0].fmtp = small.to_fmtp();
    let again = stream.publish(vec![media], Arc::new(Connection::new(Description::default())));
    let writer = again.tracks().writer(0).unwrap();
    assert_eq!(attached.tracks[0].track.codec().fmtp, small.to_fmtp());
    writer.write(keyframe(9 * 3000, &large));
    assert_eq!(attached.tracks[0].track.codec().fmtp, large.to_fmtp());
    assert_eq!(told().len(), 1);
    // One that changes them all the time is not told of each time.
    for number in 10..20 {
        writer.write(keyframe(number * 3000, if number % 2 == 0 { &small } else { &large }));
    }
    assert_eq!(told().len(), 1);
    drop(attached);
}

#[tokio::test]
async fn a_failed_restart_is_retried_while_somebody_watches() {
    let mut b = bench();
    b.stream("cam", &["test:a?v=h264"]);
    let stream = b.streams.get("cam").unwrap();
    let attached = stream.attach(wants(&[VIDEO])).await.unwrap();
    b.until(&Event::Running("test:a?v=h264".into())).await;
    *b.opener.fail_next.lock().unwrap() = Some(ErrorKind::Unreachable);
    b.opener.end.send(()).unwrap();
    b.until(&Event::Running("test:a?v=h264".into())).await;
    assert_eq!(b.opener.dials.load(Ordering::Relaxed), 3);
    drop(attached);
    b.until(&Event::Closed("test:a?v=h264".into())).await;
}
