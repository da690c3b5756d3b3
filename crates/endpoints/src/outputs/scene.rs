//! For tests: a stream whose frames the test writes.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::{
    BoxFuture, Connection, Description, OpenRequest, Opener, Origin, Producer, Publication,
    Settings, Stream, Streams, Tracks,
};

/// Parameter sets of 1280x720, and others.
pub(super) const SETS: (&str, &str) =
    ("6764001fac2484014016ec0440000003004000000c23c60c92", "68ee32c8b0");
pub(super) const OTHER_SETS: (&str, &str) = ("67640033ac1514a02800f190", "68ee3cb0");

/// Opens nothing.
struct NoSources;

impl Opener for NoSources {
    fn check(&self, _: &str, _: Origin) -> Result<(), Error> {
        Ok(())
    }

    fn open(&self, _: OpenRequest) -> BoxFuture<Result<Box<dyn Producer>, Error>> {
        Box::pin(async { Err(Error::new(ErrorKind::Unreachable, "no source")) })
    }
}

/// 25 pictures of H.264 in a second, and sound.
pub(super) struct Scene {
    pub(super) stream: Arc<Stream>,
    _publication: Publication,
    pub(super) sets: (&'static str, &'static str),
    pictures: i64,
    tracks: Tracks,
    sound: Codec,
    streams: Streams,
}

impl Scene {
    pub(super) fn new(sound: Codec) -> Self {
        let streams = Streams::new(Arc::new(NoSources), Settings::default());
        let stream = streams.create("yard", &[], Origin::Config).unwrap();
        let medias = vec![
            Media::new(Kind::Video, Direction::RecvOnly, Codec::new(CodecId::H264).clock(90_000)),
            Media::new(Kind::Audio, Direction::RecvOnly, sound.clone()),
        ];
        let publication = stream.publish(medias, Arc::new(Connection::new(Description::default())));
        let (tracks, _publication) = (publication.tracks(), publication);
        Self { stream, _publication, sets: SETS, pictures: 0, tracks, sound, streams }
    }

    /// A picture of 100 bytes, and the sound of the same 40 ms.
    pub(super) fn picture(&mut self, key: bool) {
        self.large_picture(key, 100);
    }

    pub(super) fn large_picture(&mut self, key: bool, size: usize) {
        let mut nals = vec![Bytes::from(vec![if key { 0x65 } else { 0x41 }; size])];
        if key {
            nals.insert(0, hex(self.sets.1));
            nals.insert(0, hex(self.sets.0));
        }
        let (pts, now) = (self.pictures, Instant::now());
        self.pictures += 1;
        if let Some(writer) = self.tracks.writer(0) {
            writer.write(Frame::new(CodecId::H264, key, pts * 3600, now, Payload::Nals(nals)));
        }
        if let Some(writer) = self.tracks.writer(1) {
            let ticks = i64::from(self.sound.timestamp_rate() / 25);
            let sound = Payload::Data(Bytes::from(vec![0xd5; 320]));
            writer.write(Frame::new(self.sound.id.clone(), true, pts * ticks, now, sound));
        }
    }

    /// Why the next viewer leaves, waiting for it.
    pub(super) async fn left(&self) -> String {
        use rs2rtc_streams::events::Event;
        let events = self.streams.events();
        let mut seq = 0;
        loop {
            for record in events.since(seq).records {
                seq = record.seq;
                if let Event::ViewerLeft { reason, .. } = &record.event {
                    return reason.to_string();
                }
            }
            events.changed(seq).await;
        }
    }
}

fn hex(text: &str) -> Bytes {
    let byte = |n: usize| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap();
    (0..text.len() / 2).map(byte).collect()
}
