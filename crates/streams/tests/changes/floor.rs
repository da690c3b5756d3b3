//! Who is heard when several speak into one loudspeaker.

use std::sync::Arc;

use bytes::Bytes;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::floor::Lost;
use rs2rtc_streams::{Attached, Connection, Description, Request, Stream};
use tokio::time::{Instant, sleep};

use crate::lab::{Bench, MS, S, bench};

/// A viewer with a microphone and nothing else.
async fn microphone(door: &Arc<Stream>, address: &str) -> Attached {
    let description = Description { remote_addr: address.into(), ..Description::default() };
    let media = Media::new(Kind::Audio, Direction::RecvOnly, Codec::new(CodecId::Pcma));
    let connection = Arc::new(Connection::new(description));
    let request = Request { medias: vec![media], connection, source_tag: None, may_sleep: false };
    door.attach(request).await.unwrap()
}

/// 20 ms of one loud sample, which tells who said it.
fn says(viewer: &Attached, what: u8) {
    let payload = Payload::Data(Bytes::from(vec![what; 160]));
    let now = Instant::now().into_std();
    viewer.tracks[0].track.push(&Arc::new(Frame::new(CodecId::Pcma, true, 0, now, payload)));
}

/// What came out of the loudspeaker since it was last asked.
fn heard(b: &Bench) -> Vec<u8> {
    b.lab.heard.lock().unwrap().drain(..).map(|data| data[0]).collect()
}

/// What was told of the talk, oldest first.
fn told(b: &Bench) -> Vec<String> {
    let records = b.streams.events().since(0).records;
    let texts = records.iter().filter_map(|record| match &record.event {
        Event::TalkStarted { by, asked, .. } => Some(format!("+{by} {asked}")),
        Event::TalkEnded { by, reason, .. } => Some(format!("-{by} {reason}")),
        _ => None,
    });
    texts.collect()
}

/// Loud ones.
const A: u8 = 0x2A;
const B: u8 = 0xAA;

#[tokio::test(start_paused = true)]
async fn only_who_has_the_floor_is_heard() {
    let b = bench();
    let door = b.stream("door", &["cam:t?talk=pcma"]);
    let one = microphone(&door, "192.0.2.1:5004 host").await;
    let two = microphone(&door, "192.0.2.2:5004 host").await;
    sleep(50 * MS).await;
    let (asker, other) = (door.floor().asker("192.0.2.1:80"), door.floor().asker("192.0.2.2:80"));
    assert_eq!(asker.request("hall"), Ok(120 * S));
    assert_eq!(other.request("kitchen tablet").unwrap_err().by, "hall");
    door.speaks_for(one.connection().id, &asker);
    says(&one, A);
    says(&two, B);
    assert_eq!(heard(&b), [A]);
    let snapshot = door.snapshot().producers.unwrap();
    let senders = &snapshot[0].connection.as_ref().unwrap().senders;
    assert_eq!(senders.iter().map(|s| s.drops).sum::<u64>(), 1, "{senders:?}");
    // It is given back: the other one is heard, also without asking.
    asker.release();
    says(&one, A);
    says(&two, B);
    assert_eq!(heard(&b), [B]);
    // Who asks comes before who does not.
    assert!(asker.request("").is_ok());
    door.speaks_for(one.connection().id, &asker);
    says(&two, B);
    assert_eq!(heard(&b), []);
    // Its session ends.
    drop(one);
    let standing = door.floor().watch().borrow().clone();
    assert_eq!(standing.talking, None);
    assert_eq!(standing.last, Some((asker.number(), Lost::Left)));
    says(&two, B);
    assert_eq!(heard(&b), [B]);
    assert_eq!(
        told(&b),
        [
            "+hall true",
            "-hall released",
            "+192.0.2.2 false",
            "-192.0.2.2 taken",
            "+192.0.2.1 true",
            "-192.0.2.1 left",
            "+192.0.2.2 false"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn silence_and_the_limit_need_no_packet_to_be_noticed() {
    let b = bench();
    let door = b.stream("door", &["cam:t?talk=pcma"]);
    let one = microphone(&door, "").await;
    let asker = door.floor().asker("192.0.2.1:80");
    let mut watch = door.floor().watch();
    asker.request("hall").unwrap();
    let began = Instant::now();
    watch.wait_for(|standing| standing.last.is_some()).await.unwrap();
    assert_eq!(began.elapsed(), 10 * S);
    assert_eq!(told(&b), ["+hall true", "-hall silence"]);
    asker.request("hall").unwrap();
    door.speaks_for(one.connection().id, &asker);
    let began = Instant::now();
    while watch.borrow().talking.is_some() {
        says(&one, A);
        sleep(20 * MS).await;
    }
    // The one who speaks may notice it a packet later than the clock.
    assert!((120 * S..=120 * S + 20 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(told(&b).last().unwrap(), "-hall limit");
    // Who is gone has nothing any more, and nothing waits for him.
    asker.request("hall").unwrap();
    drop(asker);
    assert_eq!(told(&b).last().unwrap(), "-hall released");
    drop(one);
    sleep(S).await;
    assert!(!b.streams.tasks().names().iter().any(|(name, _)| *name == "talk floor"));
}

#[tokio::test(start_paused = true)]
async fn a_parked_talker_has_nothing_to_say() {
    let b = bench();
    let door = b.stream("door", &["cam:t?talk=pcma"]);
    let mut one = microphone(&door, "").await;
    let asker = door.floor().asker("192.0.2.1:80");
    asker.request("hall").unwrap();
    door.speaks_for(one.connection().id, &asker);
    one.park(rs2rtc_streams::Departure::now("hidden"));
    assert_eq!(told(&b), ["+hall true", "-hall left"]);
    one.resume().await.unwrap();
    sleep(50 * MS).await;
    says(&one, A);
    assert_eq!(heard(&b), [], "it asks again");
    asker.request("hall").unwrap();
    says(&one, A);
    assert_eq!(heard(&b), [A]);
}
