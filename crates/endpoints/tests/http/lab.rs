//! Streams and viewers.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::Error;
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media};
use rs2rtc_streams::{
    Attached, Connection, Description, FrameQueue, Opener, Origin, Request, Settings, Stream,
    Streams, Subscription,
};

/// A stream of one source.
pub(crate) fn stream(source: &str) -> Arc<Stream> {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(table, Settings::default());
    context.set_streams(streams.clone());
    streams.create("cam", &[source.to_owned()], Origin::Config).unwrap()
}

pub(crate) struct Viewer {
    pub(crate) queue: Arc<FrameQueue>,
    pub(crate) attached: Attached,
    _subscriptions: Vec<Subscription>,
}

pub(crate) async fn view(stream: &Arc<Stream>) -> Result<Viewer, Error> {
    let media = |kind| Media::new(kind, Direction::SendOnly, Codec::new(CodecId::Any));
    let request = Request {
        medias: vec![media(Kind::Video), media(Kind::Audio)],
        connection: Arc::new(Connection::new(Description::default())),
        source_tag: None,
        may_sleep: false,
    };
    let attached = stream.attach(request).await?;
    let queue = FrameQueue::new();
    let subscriptions = attached.tracks.iter().map(|t| {
        let (_, sink) = queue.input(t.track.kind, Arc::clone(&t.sender));
        t.track.subscribe(sink)
    });
    let _subscriptions = subscriptions.collect();
    Ok(Viewer { queue, attached, _subscriptions })
}

impl Viewer {
    pub(crate) async fn next(&self) -> Arc<Frame> {
        let frame = tokio::time::timeout(Duration::from_secs(20), self.queue.recv()).await;
        frame.expect("a frame in time").expect("the stream goes on").1
    }

    pub(crate) fn codecs(&self) -> Vec<String> {
        self.attached.tracks.iter().map(|t| t.codec.to_string()).collect()
    }
}

/// Why a source cannot be opened.
pub(crate) async fn failure(source: &str) -> Error {
    view(&stream(source)).await.err().expect("it fails")
}

/// What the API shows of a stream's first source.
pub(crate) fn description(stream: &Stream) -> Description {
    let producers = stream.snapshot().producers.unwrap();
    producers[0].connection.as_ref().expect("it is connected").description.clone()
}

/// A stream as FFmpeg writes it: 1.2 s, 12 pictures with a keyframe every 5.
pub(crate) fn media(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/container");
    std::fs::read(folder.join(name)).unwrap()
}
