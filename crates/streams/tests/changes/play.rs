//! Playing to a camera.

use std::sync::Arc;

use rs2rtc_media::CodecId;
use rs2rtc_streams::{Origin, Stream};
use tokio::time::{Instant, sleep};

use crate::lab::{MS, S, bench, view};

const DOOR: &[&str] = &["cam:v?v=h264", "cam:t?talk=pcma"];

fn formats(stream: &Stream) -> (Vec<Option<String>>, usize) {
    let shown = stream.snapshot();
    let producers = shown.producers.unwrap();
    let open = producers.iter().map(|p| p.connection.as_ref().map(|_| p.source.clone()));
    (open.collect(), shown.consumers.map_or(0, |consumers| consumers.len()))
}

#[tokio::test(start_paused = true)]
async fn a_source_is_played_until_it_ends_and_then_the_camera_is_free() {
    let b = bench();
    let door = b.stream("door", DOOR);
    let bell = "cam:bell?a=opus&a=pcma&lives=500";
    door.play(bell, Origin::Config).await.unwrap();
    let began = Instant::now();
    sleep(100 * MS).await;
    assert_eq!(b.lab.open(), ["bell", "t"]);
    let shown = door.snapshot();
    let producers = shown.producers.unwrap();
    let consumers = shown.consumers.unwrap();
    assert!(producers[0].connection.is_none() && producers[1].connection.is_none());
    assert_eq!(producers[2].source, bell);
    let receiver = &producers[2].connection.as_ref().unwrap().receivers[0];
    assert_eq!(receiver.codec.id, CodecId::Pcma, "what the loudspeaker takes");
    assert!(receiver.packets > 0);
    let sender = &consumers[0].senders[0];
    assert_eq!((consumers.len(), sender.parent), (1, receiver.id));
    assert_eq!(receiver.children, [sender.id]);
    // Its end, and a second for what the camera has yet to say.
    while b.lab.open() == ["bell", "t"] {
        sleep(10 * MS).await;
    }
    assert_eq!(b.lab.open(), ["t"]);
    while !b.lab.open().is_empty() {
        sleep(10 * MS).await;
    }
    let lasted = began.elapsed();
    assert!(lasted >= 1500 * MS && lasted < 1600 * MS, "{lasted:?}");
    let heard = b.lab.heard.lock().unwrap().len();
    assert!(heard >= 45, "{heard} of 50 frames");
    assert_eq!(formats(&door), (vec![None, None], 0));
}

#[tokio::test(start_paused = true)]
async fn stopping_and_replacing_are_immediate() {
    let b = bench();
    let door = b.stream("door", DOOR);
    door.play("", Origin::Config).await.unwrap();
    door.play("cam:long?a=pcma", Origin::Config).await.unwrap();
    sleep(S).await;
    door.play("cam:other?a=pcma", Origin::Config).await.unwrap();
    sleep(20 * MS).await;
    assert_eq!(b.lab.open(), ["other", "t"]);
    assert_eq!(formats(&door).0, [None, None, Some("cam:other?a=pcma".to_owned())]);
    door.play("", Origin::Config).await.unwrap();
    sleep(20 * MS).await;
    assert!(b.lab.open().is_empty());
    door.play("cam:long?a=pcma", Origin::Config).await.unwrap();
    sleep(S).await;
    assert!(b.streams.delete("door"));
    sleep(20 * MS).await;
    assert!(b.lab.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_connection_serves_viewers_and_what_is_played() {
    let b = bench();
    let door = b.stream("door", &["cam:v?v=h264", "cam:both?v=h264&talk=pcma"]);
    let viewer = view(&door, &[CodecId::H264]).await;
    assert_eq!(b.lab.open(), ["v"]);
    door.play("cam:long?a=pcma", Origin::Config).await.unwrap();
    assert_eq!(b.lab.dialled(), ["v", "both", "long"]);
    drop(viewer);
    door.play("", Origin::Config).await.unwrap();
    sleep(100 * MS).await;
    let intercom = b.stream("intercom", &["cam:one?v=h264&talk=pcma"]);
    let viewer = view(&intercom, &[CodecId::H264]).await;
    intercom.play("cam:long?a=pcma", Origin::Config).await.unwrap();
    sleep(100 * MS).await;
    assert_eq!(b.lab.open(), ["long", "one"]);
    assert_eq!(b.lab.dialled().iter().filter(|name| *name == "one").count(), 1);
    let shown = intercom.snapshot();
    let camera = shown.producers.unwrap()[0].connection.clone().unwrap();
    assert_eq!((camera.receivers.len(), camera.senders.len()), (1, 1));
    assert_eq!(shown.consumers.unwrap().len(), 1, "only the viewer");
    drop(viewer);
    sleep(20 * MS).await;
    assert_eq!(b.lab.open(), ["long", "one"], "it still speaks");
}

#[tokio::test(start_paused = true)]
async fn errors_are_those_of_the_contract_and_leave_nothing_open() {
    let b = bench();
    let mute = b.stream("mute", &["cam:a?v=h264", "cam:b?v=h264&fail"]);
    let error = |stream: Arc<Stream>, source: &'static str| async move {
        stream.play(source, Origin::Config).await.unwrap_err().to_string()
    };
    assert_eq!(error(Arc::clone(&mute), "cam:s?a=pcma").await, "can't find consumer");
    assert_eq!(b.lab.dialled(), ["a", "b"], "the source is not opened for nothing");
    let door = b.stream("door", DOOR);
    assert_eq!(error(Arc::clone(&door), "cam:s?a=aac").await, "can't find consumer");
    assert_eq!(error(Arc::clone(&door), "cam:s?a=pcma&fail").await, "s does not answer");
    sleep(20 * MS).await;
    assert!(b.lab.open().is_empty());
    assert_eq!(formats(&door), (vec![None, None], 0));
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_goes_ends_the_source() {
    let b = bench();
    let door = b.stream("door", &["cam:t?talk=pcma&lives=300"]);
    door.play("cam:long?a=pcma", Origin::Config).await.unwrap();
    sleep(S).await;
    assert!(b.lab.open().is_empty());
    door.play("cam:long?a=pcma", Origin::Config).await.unwrap();
    b.stream("door", &["cam:u?talk=pcma"]);
    sleep(20 * MS).await;
    assert!(b.lab.open().is_empty(), "a replaced source is not spoken to");
}
