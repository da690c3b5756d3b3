//! Other sources, or none any more, for viewers whose source is still being opened.

use std::sync::Arc;

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{
    Attached, BoxFuture, CancellationToken, Connected, Departure, Destination, Ended, Options,
    Origin, Stream,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::lab::{Bench, MS, S, bench, view, wants, watch};

const H264: CodecId = CodecId::H264;
const OPUS: CodecId = CodecId::Opus;

type Coming = JoinHandle<Result<Attached, Error>>;

/// A viewer that waits for its tracks.
fn comes(stream: &Arc<Stream>, codecs: &[CodecId]) -> Coming {
    let (stream, request) = (Arc::clone(stream), wants(codecs));
    tokio::spawn(async move { stream.attach(request).await })
}

/// What one that waits is told within a millisecond.
async fn told(coming: Coming) -> String {
    let asked = Instant::now();
    let error = coming.await.unwrap().unwrap_err();
    assert!(asked.elapsed() <= MS, "{:?}", asked.elapsed());
    error.to_string()
}

impl Bench {
    /// Nothing is open, and nobody holds anything.
    async fn is_at_rest(&self) {
        sleep(MS).await;
        assert!(self.lab.open().is_empty(), "{:?}", self.lab.open());
        let counters = self.streams.counters();
        assert_eq!((counters.leases_held, counters.leases_waiting, counters.runs), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_stream_ends_who_waits_and_the_dial() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264", "cam:b?a=opus&dial=9999999"]);
    let (one, two) = (comes(&cam, &[H264, OPUS]), comes(&cam, &[OPUS]));
    sleep(S).await;
    assert_eq!(b.lab.open(), ["a", "b"]);
    assert!(b.streams.delete("cam"));
    assert_eq!(told(one).await, "stream was deleted");
    assert_eq!(told(two).await, "stream was deleted");
    b.is_at_rest().await;
    // Who still has it in hand is told so, too.
    let late = cam.attach(wants(&[H264])).await.unwrap_err();
    assert_eq!((late.kind(), late.to_string().as_str()), (ErrorKind::Ended, "stream was deleted"));
    let late = cam.attach_if_open(wants(&[H264])).await.unwrap_err();
    assert_eq!(late.to_string(), "stream was deleted");
    assert_eq!(b.lab.dialled(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_source_that_goes_gets_the_one_that_comes() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&dial=9999999"]);
    let waiting: Vec<Coming> = (0..3).map(|_| comes(&cam, &[H264])).collect();
    sleep(S).await;
    let changed = Instant::now();
    b.stream("cam", &["cam:b?v=h264"]);
    let mut viewers = Vec::new();
    for coming in waiting {
        viewers.push(watch(coming.await.unwrap().unwrap()));
    }
    assert!(changed.elapsed() <= 11 * MS, "{:?}", changed.elapsed());
    assert_eq!(b.lab.dialled(), ["a", "b"], "one dial for all");
    assert_eq!(b.lab.open_beside("b"), [] as [&str; 0], "the old one is let go before");
    sleep(S).await;
    for eye in viewers.iter().flat_map(|viewer| &viewer.eyes) {
        eye.saw_everything();
    }
    drop(viewers);
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_stays_is_dialled_once_and_what_goes_never() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264", "cam:b?a=opus&dial=9999999", "cam:c?a=opus"]);
    let coming = comes(&cam, &[H264, OPUS]);
    sleep(S).await;
    b.stream("cam", &["cam:a?v=h264", "cam:d?a=opus"]);
    let viewer = watch(coming.await.unwrap().unwrap());
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b", "d"]), list(&["a", "d"])));
    drop(viewer);
    // One that failed is not asked again, one that was not asked yet and goes is not asked.
    let cam = b.stream("cam", &["cam:e?v=h264&fail", "cam:f?v=h264&dial=500&fail", "cam:g?v=h264"]);
    let coming = comes(&cam, &[H264]);
    sleep(100 * MS).await;
    b.stream("cam", &["cam:e?v=h264&fail", "cam:f?v=h264&dial=500&fail"]);
    let error = coming.await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "streams: e does not answer, f does not answer");
    assert_eq!(b.lab.dialled()[3..], ["e", "f"]);
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_goes_is_let_go_while_another_one_is_waited_for() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264", "cam:b?a=opus&dial=5000"]);
    let coming = comes(&cam, &[H264, OPUS]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["a", "b"]);
    b.stream("cam", &["cam:b?a=opus&dial=5000", "cam:c?v=h264"]);
    sleep(MS).await;
    assert_eq!(b.lab.open(), ["b"], "nobody can use it any more");
    let viewer = watch(coming.await.unwrap().unwrap());
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b", "c"]), list(&["b", "c"])));
    drop(viewer);
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_group_or_a_turn_is_told() {
    let b = bench();
    let hub = || Options { exclusive: Some("hub".to_owned()), ..Options::default() };
    let first = b.with_options("first", &["cam:a?v=h264"], hub());
    let holder = view(&first, &[H264]).await;
    let second = b.with_options("second", &["cam:b?v=h264"], hub());
    let coming = comes(&second, &[H264]);
    sleep(S).await;
    assert_eq!(b.streams.counters().leases_waiting, 1);
    assert!(b.streams.delete("second"));
    assert_eq!(told(coming).await, "stream was deleted");
    assert_eq!(b.streams.counters().leases_waiting, 0);
    drop(holder);
    b.is_at_rest().await;
    // Preloads go one after the other; those that are not wanted any more do not go.
    for n in 0..100 {
        b.stream(&format!("many{n}"), &[&format!("cam:many{n}?v=h264&dial=9999999")]);
        b.streams.preload(&format!("many{n}"), "video").unwrap();
    }
    sleep(S + 10 * MS).await;
    let begun = b.lab.dialled().len();
    assert!(begun < 60, "{begun}");
    for n in 0..100 {
        assert!(b.streams.delete(&format!("many{n}")));
    }
    b.is_at_rest().await;
    sleep(10 * S).await;
    assert_eq!(b.lab.dialled().len(), begun);
    // Their preload finds a stream of that name that is created later.
    b.stream("many7", &["cam:later?v=h264"]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["later"]);
}

#[tokio::test(start_paused = true)]
async fn a_preload_moves_with_the_source() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&dial=9999999"]);
    b.streams.preload("cam", "video").unwrap();
    sleep(S).await;
    b.stream("cam", &["cam:b?v=h264"]);
    sleep(20 * MS).await;
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b"]), list(&["b"])));
    assert_eq!(cam.viewers(), 1);
}

#[tokio::test(start_paused = true)]
async fn viewers_of_a_name_that_means_another_stream_now_are_told() {
    let b = bench();
    let old = b.stream("door", &["cam:a?v=h264&dial=9999999"]);
    b.stream("cam", &["cam:b?v=h264"]);
    b.streams.patch("bell", "door", Origin::Api).unwrap();
    let (one, two) = (comes(&old, &[H264]), comes(&b.streams.get("bell").unwrap(), &[H264]));
    sleep(S).await;
    b.streams.patch("bell", "cam", Origin::Api).unwrap();
    sleep(S).await;
    assert_eq!(b.lab.open(), ["a"], "one name of it is left");
    b.streams.patch("door", "cam", Origin::Api).unwrap();
    assert_eq!(told(one).await, "stream was replaced");
    assert_eq!(told(two).await, "stream was replaced");
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_reads_another_one_follows_it() {
    let b = bench();
    let outer = b.stream("outer", &["inner"]);
    b.stream("inner", &["cam:a?v=h264", "cam:b?a=opus&dial=9999999"]);
    let coming = comes(&outer, &[H264]);
    sleep(S).await;
    b.stream("inner", &["cam:a?v=h264", "cam:c?a=opus&dial=9999999"]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["a", "c"]);
    b.stream("inner", &["cam:d?v=h264"]);
    let viewer = watch(coming.await.unwrap().unwrap());
    sleep(S).await;
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b", "c", "d"]), list(&["d"])));
    viewer.eyes[0].saw_everything();
    drop(viewer);
    b.is_at_rest().await;
    // A name that means another stream now, and one that means nothing any more.
    b.stream("other", &["cam:e?v=h264"]);
    b.stream("inner", &["cam:f?v=h264&dial=9999999"]);
    let coming = comes(&outer, &[H264]);
    sleep(S).await;
    b.streams.patch("inner", "other", Origin::Api).unwrap();
    drop(coming.await.unwrap().unwrap());
    b.is_at_rest().await;
    b.stream("inner", &["cam:g?v=h264&dial=9999999"]);
    let coming = comes(&outer, &[H264]);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["g"]);
    assert!(b.streams.delete("inner"));
    assert_eq!(told(coming).await, "streams: stream not found: inner");
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_played_waits_for_the_loudspeaker_that_there_is() {
    let b = bench();
    let door = b.stream("door", &["cam:a?talk=pcma&dial=9999999"]);
    let plays = |source: &'static str| {
        let door = Arc::clone(&door);
        tokio::spawn(async move { door.play(source, Origin::Config).await })
    };
    let playing = plays("cam:bell?a=pcma");
    sleep(S).await;
    b.stream("door", &["cam:b?talk=pcma"]);
    playing.await.unwrap().unwrap();
    assert_eq!(b.lab.open(), ["b", "bell"]);
    assert_eq!(b.lab.open_beside("b"), [] as [&str; 0]);
    door.play("", Origin::Config).await.unwrap();
    // The sound is still being opened: the camera is let go for the new one meanwhile.
    let playing = plays("cam:slow?a=pcma&dial=1000");
    sleep(100 * MS).await;
    b.stream("door", &["cam:c?talk=pcma"]);
    sleep(MS).await;
    assert_eq!(b.lab.open(), ["slow"]);
    playing.await.unwrap().unwrap();
    assert_eq!(b.lab.open(), ["c", "slow"]);
    door.play("", Origin::Config).await.unwrap();
    let dialled = ["a", "b", "bell", "b", "slow", "c"];
    assert_eq!(b.lab.dialled(), dialled, "the sound is opened once");
    // A stream that is deleted ends both.
    let playing = plays("cam:never?a=pcma&dial=9999999");
    sleep(S).await;
    assert_eq!(b.lab.open(), ["c", "never"]);
    assert!(b.streams.delete("door"));
    sleep(MS).await;
    assert!(playing.is_finished());
    assert_eq!(playing.await.unwrap().unwrap_err().to_string(), "stream was deleted");
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_corrected_is_dialled_at_once() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264&dial=9999999"]);
    let (one, two) = (comes(&cam, &[H264]), comes(&cam, &[H264]));
    sleep(S).await;
    let changed = Instant::now();
    b.streams.patch("cam", "cam:b?v=h264&dial=500", Origin::Config).unwrap();
    sleep(100 * MS).await;
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b"]), list(&["b"])));
    assert_eq!(b.lab.open_beside("b"), [] as [&str; 0]);
    // The same once more is no other one.
    b.streams.patch("cam", "cam:b?v=h264&dial=500", Origin::Config).unwrap();
    let viewers = (one.await.unwrap().unwrap(), two.await.unwrap().unwrap());
    assert!(changed.elapsed() <= 501 * MS, "{:?}", changed.elapsed());
    assert_eq!(b.lab.dialled(), ["a", "b"]);
    // One that is open stays until the next dial.
    b.streams.patch("cam", "cam:c?v=h264", Origin::Config).unwrap();
    sleep(S).await;
    assert_eq!(b.lab.open(), ["b"]);
    drop(viewers);
    b.is_at_rest().await;
}

/// Takes everything, for ever.
struct Anything;

impl Destination for Anything {
    fn format_name(&self) -> &'static str {
        "test"
    }

    fn medias(&self) -> Vec<Media> {
        vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(H264))]
    }

    fn connect(&self) -> BoxFuture<Result<Box<dyn Connected>, Error>> {
        Box::pin(async { Ok(Box::new(Self) as Box<dyn Connected>) })
    }
}

impl Connected for Anything {
    fn send(self: Box<Self>, attached: Attached, cancel: CancellationToken) -> BoxFuture<Ended> {
        Box::pin(async move {
            cancel.cancelled().await;
            drop(attached);
            Ended::Cancelled
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_deleted_is_not_published() {
    let b = bench();
    *b.lab.destination.lock().unwrap() = Some(Arc::new(Anything));
    b.stream("cam", &["cam:a?v=h264&dial=9999999"]);
    let streams = b.streams.clone();
    let publishing =
        tokio::spawn(async move { streams.publish("cam", "test:there", Origin::Config).await });
    sleep(S).await;
    b.stream("cam", &["cam:b?v=h264&dial=9999999"]);
    sleep(S).await;
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b"]), list(&["b"])));
    assert!(b.streams.delete("cam"));
    sleep(MS).await;
    assert!(publishing.is_finished());
    assert_eq!(publishing.await.unwrap().unwrap_err().to_string(), "stream was deleted");
    b.is_at_rest().await;
    assert!(!b.streams.withdraw("cam", "test:there"));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_comes_back_does_not_wait_for_what_is_gone() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    let mut viewer = view(&cam, &[H264]).await;
    sleep(S).await;
    viewer.attached.park(Departure::now("hidden"));
    b.stream("cam", &["cam:b?v=h264&dial=9999999"]);
    sleep(MS).await;
    let began = Instant::now();
    let (resumed, ()) = tokio::join!(viewer.attached.resume(), async {
        sleep(S).await;
        assert_eq!(b.lab.open(), ["b"]);
        b.stream("cam", &["cam:c?v=h264"]);
    });
    resumed.unwrap();
    assert!(began.elapsed() <= S + 11 * MS, "{:?}", began.elapsed());
    assert_eq!((b.lab.dialled(), b.lab.open()), (list(&["a", "b", "c"]), list(&["c"])));
    sleep(S).await;
    viewer.eyes[0].saw_no_seam();
    assert_eq!(viewer.eyes[0].seen().last().unwrap().run, 2);
    viewer.attached.park(Departure::now("hidden"));
    b.stream("cam", &["cam:d?v=h264&dial=9999999"]);
    sleep(MS).await;
    let began = Instant::now();
    let (resumed, ()) = tokio::join!(viewer.attached.resume(), async {
        sleep(S).await;
        assert!(b.streams.delete("cam"));
    });
    let error = resumed.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::Ended, "stream was deleted")
    );
    assert!(began.elapsed() <= S + MS);
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_viewer_that_comes_back_in_the_middle_of_a_move_is_moved_too() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    let stays = view(&cam, &[H264]).await;
    let mut comes_back = view(&cam, &[H264]).await;
    sleep(S).await;
    comes_back.attached.park(Departure::now("hidden"));
    b.stream("cam", &["cam:b?v=h264&dial=500"]);
    sleep(100 * MS).await;
    comes_back.attached.resume().await.unwrap();
    drop(stays);
    sleep(S).await;
    assert_eq!(b.lab.open(), ["b"], "it holds what it sees");
    comes_back.eyes[0].saw_no_seam();
    assert!(comes_back.eyes[0].seen().last().unwrap().at.elapsed() <= 20 * MS);
    drop(comes_back);
    b.is_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_move_does_not_hold_up_who_comes_back_to_what_stays() {
    let b = bench();
    let cam = b.stream("cam", &["cam:a?v=h264", "cam:b?a=opus"]);
    let _both = view(&cam, &[H264, OPUS]).await;
    let mut picture = view(&cam, &[H264]).await;
    sleep(S).await;
    picture.attached.park(Departure::now("hidden"));
    b.stream("cam", &["cam:a?v=h264", "cam:c?a=opus&dial=9999999"]);
    sleep(S).await;
    let asked = Instant::now();
    picture.attached.resume().await.unwrap();
    assert!(asked.elapsed() <= MS);
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}
