//! Streams, our RTSP server, and a viewer.

use std::sync::Arc;
use std::time::Duration;

use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::outputs::rtsp::{Config, Server};
use rs2rtc_endpoints::table::Table;
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{
    Attached, CancellationToken, Connection, Description, FrameQueue, Opener, Origin, Request,
    Settings, Stream, Streams, Subscription,
};

/// Whatever takes longer is a failure.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Bench {
    pub(crate) context: Arc<Context>,
    pub(crate) streams: Streams,
    /// Of our RTSP server.
    pub(crate) port: u16,
    cancel: CancellationToken,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
        let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
        let streams = Streams::new(table, Settings::default());
        context.set_streams(streams.clone());
        let config = Config { listen: "127.0.0.1:0".into(), ..Config::default() };
        let gate = Arc::new(|_, _| Ok(()));
        let server = Server::bind(config, Arc::clone(&context), streams.clone(), gate).unwrap();
        let port = server.local_addr().unwrap().port();
        let cancel = CancellationToken::new();
        context.tasks.spawn("server", server.run(cancel.clone()));
        Self { context, streams, port, cancel }
    }

    pub(crate) fn stream(&self, name: &str, source: &str) -> Arc<Stream> {
        let sources: Vec<String> =
            Some(source).filter(|s| !s.is_empty()).map(Into::into).into_iter().collect();
        self.streams.create(name, &sources, Origin::Config).unwrap()
    }

    /// Waits until the first viewer has left. Gives the reason.
    pub(crate) async fn left(&self) -> String {
        let events = self.streams.events();
        let mut read = 0;
        loop {
            for record in events.since(read).records {
                read = record.seq;
                if let Event::ViewerLeft { reason, format, .. } = &record.event
                    && format != "viewer"
                {
                    return reason.to_string();
                }
            }
            tokio::time::timeout(LIMIT, events.changed(read)).await.expect("in time");
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

pub(crate) async fn attach(stream: &Arc<Stream>, medias: Vec<Media>) -> Attached {
    let connection = Arc::new(Connection::new(Description::default()));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    tokio::time::timeout(LIMIT, stream.attach(request)).await.expect("in time").unwrap()
}

pub(crate) struct Viewer {
    queue: Arc<FrameQueue>,
    attached: Attached,
    _subscriptions: Vec<Subscription>,
}

/// Somebody who takes pictures and sound.
pub(crate) async fn view(stream: &Arc<Stream>) -> Viewer {
    let media = |kind| Media::new(kind, Direction::SendOnly, Codec::new(CodecId::Any));
    let attached = attach(stream, vec![media(Kind::Video), media(Kind::Audio)]).await;
    attached.connection().describe(|about| "viewer".clone_into(&mut about.format_name));
    let queue = FrameQueue::new();
    let subscriptions = attached.tracks.iter().map(|t| {
        let (_, sink) = queue.input(t.track.kind, Arc::clone(&t.sender));
        t.track.subscribe(sink)
    });
    let _subscriptions = subscriptions.collect();
    Viewer { queue, attached, _subscriptions }
}

impl Viewer {
    pub(crate) async fn next(&self) -> Arc<Frame> {
        let frame = tokio::time::timeout(LIMIT, self.queue.recv()).await;
        frame.expect("a frame in time").expect("the stream goes on").1
    }

    pub(crate) fn codecs(&self) -> Vec<String> {
        self.attached.tracks.iter().map(|t| t.codec.to_string()).collect()
    }
}

pub(crate) async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let comes = async {
        while !is_true() {
            tokio::task::yield_now().await;
        }
    };
    let came = tokio::time::timeout(LIMIT, comes).await;
    came.unwrap_or_else(|_| panic!("not in time: {what}"));
}
