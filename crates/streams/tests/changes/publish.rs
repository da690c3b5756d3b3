//! Publishing to a server.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Kind, Media};
use rs2rtc_streams::{
    Attached, BoxFuture, CancellationToken, Connected, Destination, Ended, Origin,
};
use tokio::time::{Instant, sleep};

use crate::lab::{MS, S, bench};

/// Accepts everything for 200 ms, or until cancelled.
#[derive(Clone, Default)]
struct Server(Arc<Seen>);

#[derive(Default)]
struct Seen {
    begun: Mutex<Vec<Instant>>,
    patient: AtomicBool,
    /// Nobody is there; or who asks is refused.
    away: Mutex<Option<ErrorKind>>,
    asked: AtomicUsize,
}

impl Destination for Server {
    fn format_name(&self) -> &'static str {
        "test"
    }

    fn medias(&self) -> Vec<Media> {
        vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::H264))]
    }

    fn connect(&self) -> BoxFuture<Result<Box<dyn Connected>, Error>> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let away = *self.0.away.lock().unwrap();
        let there = Box::new(self.clone()) as Box<dyn Connected>;
        Box::pin(async move {
            match away {
                Some(kind) => Err(Error::new(kind, "nobody is there")),
                None => Ok(there),
            }
        })
    }
}

impl Connected for Server {
    fn send(self: Box<Self>, attached: Attached, cancel: CancellationToken) -> BoxFuture<Ended> {
        self.0.begun.lock().unwrap().push(Instant::now());
        let patient = self.0.patient.load(Ordering::Relaxed);
        Box::pin(async move {
            let kicked = attached.kicked();
            let life = async {
                if patient {
                    std::future::pending::<()>().await;
                }
                sleep(200 * MS).await;
            };
            tokio::select! {
                () = cancel.cancelled() => Ended::Cancelled,
                () = kicked.cancelled() => Ended::Cancelled,
                () = life => Ended::Failed(Error::new(ErrorKind::Ended, "connection lost")),
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn it_begins_again_every_five_seconds_also_while_the_camera_is_away() {
    let b = bench();
    let server = Server::default();
    *b.lab.destination.lock().unwrap() = Some(Arc::new(server.clone()));
    let begun = || server.0.begun.lock().unwrap().len();
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    let error = b.streams.publish("cam", "rtsp://127.0.0.1:1/x", Origin::Config).await.unwrap_err();
    assert_eq!(error.to_string(), "streams: unsupported scheme: rtsp://127.0.0.1:1/x");
    b.streams.publish("cam", "test:x", Origin::Config).await.unwrap();
    sleep(100 * MS).await;
    let shown = cam.snapshot().consumers.unwrap();
    assert_eq!((shown[0].description.format_name.as_str(), shown.len()), ("test", 1));
    sleep(S).await;
    assert_eq!((begun(), b.lab.open().len()), (1, 0), "the camera is free meanwhile");
    sleep(5 * S).await;
    assert_eq!(begun(), 2);
    b.stream("cam", &["cam:b?v=h264&fail"]);
    let tried = b.lab.dialled().len();
    sleep(21 * S).await;
    assert_eq!((begun(), b.lab.dialled().len() - tried), (2, 4), "every five seconds");
    b.stream("cam", &["cam:c?v=h264"]);
    sleep(6 * S).await;
    assert_eq!(begun(), 3);
    // The same once more takes its place; another one is another one.
    server.0.patient.store(true, Ordering::Relaxed);
    b.streams.publish("cam", "test:x", Origin::Config).await.unwrap();
    b.streams.publish_later("cam", "test:y").unwrap();
    sleep(60 * S).await;
    assert_eq!((begun(), cam.viewers()), (5, 2));
    assert!(b.streams.withdraw("cam", "test:y"));
    assert!(!b.streams.withdraw("cam", "test:y"));
    sleep(60 * S).await;
    assert_eq!((begun(), cam.viewers()), (5, 1), "the other one goes on");
    assert!(b.streams.delete("cam"));
    sleep(60 * S).await;
    assert_eq!((begun(), cam.viewers(), b.lab.open().len()), (5, 0, 0));
    let error = b.streams.publish("cam", "test:x", Origin::Config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn no_camera_is_opened_for_a_server_that_is_away() {
    let b = bench();
    let server = Server::default();
    *b.lab.destination.lock().unwrap() = Some(Arc::new(server.clone()));
    let asked = || server.0.asked.load(Ordering::Relaxed);
    let cam = b.stream("cam", &["cam:a?v=h264"]);
    *server.0.away.lock().unwrap() = Some(ErrorKind::Unreachable);
    b.streams.publish_later("cam", "test:x").unwrap();
    sleep(21 * S).await;
    assert_eq!((asked(), b.lab.dialled().len()), (5, 0));
    // Who is asked over the API opens it before the server is asked, and lets go of it.
    b.streams.publish("cam", "test:x", Origin::Api).await.unwrap();
    sleep(MS).await;
    assert_eq!((asked(), b.lab.dialled().len(), cam.viewers()), (6, 1, 0));
    // One that does not want us is left in peace for longer.
    *server.0.away.lock().unwrap() = Some(ErrorKind::Auth);
    sleep(115 * S).await;
    assert_eq!((asked(), b.lab.dialled().len()), (8, 1));
    *server.0.away.lock().unwrap() = None;
    server.0.patient.store(true, Ordering::Relaxed);
    sleep(60 * S).await;
    assert_eq!((asked(), cam.viewers(), b.lab.open().len()), (9, 1, 1));
    assert!(b.streams.withdraw("cam", "test:x"));
    sleep(MS).await;
    assert_eq!((cam.viewers(), b.lab.open().len()), (0, 0));
}
