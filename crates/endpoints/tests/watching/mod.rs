//! A viewer that takes whatever a stream has.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_base::Error;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media};
use rs2rtc_streams::{
    Attached, Connection, Description, FrameQueue, Request, Stream, Subscription,
};

pub(crate) struct Viewer {
    pub(crate) queue: Arc<FrameQueue>,
    pub(crate) attached: Attached,
    _subscriptions: Vec<Subscription>,
}

/// Pictures and sound.
pub(crate) async fn view(stream: &Arc<Stream>) -> Result<Viewer, Error> {
    let media = |kind| Media::new(kind, Direction::SendOnly, Codec::new(CodecId::Any));
    watch(stream, vec![media(Kind::Video), media(Kind::Audio)]).await
}

/// The given medias.
pub(crate) async fn watch(stream: &Arc<Stream>, medias: Vec<Media>) -> Result<Viewer, Error> {
    let request = Request {
        medias,
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
