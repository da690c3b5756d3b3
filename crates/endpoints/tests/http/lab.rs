//! Streams and viewers.

use std::path::Path;
use std::sync::Arc;

use rs2rtc_base::Error;
use rs2rtc_endpoints::Context;
use rs2rtc_endpoints::table::Table;
use rs2rtc_streams::{Description, Opener, Origin, Settings, Stream, Streams};

pub(crate) use crate::watching::view;

/// A stream of one source.
pub(crate) fn stream(source: &str) -> Arc<Stream> {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(table, Settings::default());
    context.set_streams(streams.clone());
    streams.create("cam", &[source.to_owned()], Origin::Config).unwrap()
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
