//! For tests: a stream whose frames the test writes.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_base::{Error, ErrorKind};
use rs2rtc_media::{Codec, CodecId, Direction, Frame, Kind, Media, Payload};
use rs2rtc_streams::events::Event;
use rs2rtc_streams::{
    BoxFuture, Connection, Description, OpenRequest, Opener, Options, Origin, Producer,
    Publication, Settings, Stream, Streams, Tracks,
};

/// Parameter sets of 1280x720, and others.
pub(super) const SETS: (&str, &str) =
    ("6764001fac2484014016ec0440000003004000000c23c60c92", "68ee32c8b0");
pub(super) const OTHER_SETS: (&str, &str) = ("67640033ac1514a02800f190", "68ee3cb0");

/// Opens nothing.
pub(super) struct NoSources;

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
    source: Option<(Publication, Tracks)>,
    pub(super) sets: (&'static str, &'static str),
    pictures: i64,
    sound: Codec,
    /// Its sound does not come.
    pub(super) is_mute: bool,
    /// What packets of sound begin with.
    pub(super) sound_head: &'static [u8],
    pub(super) streams: Streams,
}

/// Pictures of H.264, as a source gives them.
pub(super) fn h264() -> Media {
    Media::new(Kind::Video, Direction::RecvOnly, Codec::new(CodecId::H264).clock(90_000))
}

impl Scene {
    pub(super) fn new(sound: Codec) -> Self {
        Self::with(sound, Options::default())
    }

    pub(super) fn with(sound: Codec, options: Options) -> Self {
        let streams = Streams::new(Arc::new(NoSources), Settings::default());
        let stream = streams.create_with("yard", &[], options, Origin::Config).unwrap();
        let (sets, pictures) = (SETS, 0);
        let mut scene = Self {
            stream,
            source: None,
            sets,
            pictures,
            sound,
            is_mute: false,
            sound_head: &[],
            streams,
        };
        scene.comes(true);
        scene
    }

    /// The source comes, with its sound or without it.
    fn comes(&mut self, with_sound: bool) {
        let sound = Media::new(Kind::Audio, Direction::RecvOnly, self.sound.clone());
        let medias = [h264()].into_iter().chain(with_sound.then_some(sound)).collect();
        let connection = Arc::new(Connection::new(Description::default()));
        let publication = self.stream.publish(medias, connection);
        let tracks = publication.tracks();
        self.source = Some((publication, tracks));
    }

    /// The source is lost and comes back with other parameter sets. Its own time
    /// begins anew.
    pub(super) fn comes_back_changed(&mut self) {
        self.source = None;
        (self.pictures, self.sets) = (0, OTHER_SETS);
        self.comes(true);
    }

    /// It comes back without its sound.
    pub(super) fn comes_back_silent(&mut self) {
        self.source = None;
        self.comes(false);
    }

    /// It comes back with other sound.
    pub(super) fn comes_back_sounding(&mut self, sound: Codec) {
        self.source = None;
        self.sound = sound;
        self.comes(true);
    }

    /// So many pictures do not come, nor does their sound.
    pub(super) const fn skip(&mut self, pictures: i64) {
        self.pictures += pictures;
    }

    /// A picture of 100 bytes, and the sound of the same 40 ms.
    pub(super) fn picture(&mut self, key: bool) {
        self.large_picture(key, 100);
    }

    pub(super) fn large_picture(&mut self, key: bool, size: usize) {
        self.frames(key, size, Instant::now());
    }

    /// As [`Self::picture`], which comes in at a moment.
    pub(super) fn picture_at(&mut self, key: bool, now: Instant) {
        self.frames(key, 100, now);
    }

    fn frames(&mut self, key: bool, size: usize, now: Instant) {
        let Some((_, tracks)) = &mut self.source else { return };
        // One slice, which begins with the first macroblock: readers that are told
        // no more find where a picture begins.
        let mut slice = vec![if key { 0x65 } else { 0x41 }; size];
        slice[1] = if key { 0x88 } else { 0x9a };
        let mut nals = vec![Bytes::from(slice)];
        if key {
            nals.insert(0, hex(self.sets.1));
            nals.insert(0, hex(self.sets.0));
        }
        let pts = self.pictures;
        self.pictures += 1;
        if let Some(writer) = tracks.writer(0) {
            writer.write(Frame::new(CodecId::H264, key, pts * 3600, now, Payload::Nals(nals)));
        }
        if let Some(writer) = tracks.writer(1).filter(|_| !self.is_mute) {
            let ticks = i64::from(self.sound.timestamp_rate() / 25);
            let mut packet = vec![0xd5; 320];
            packet[..self.sound_head.len()].copy_from_slice(self.sound_head);
            let sound = Payload::Data(Bytes::from(packet));
            writer.write(Frame::new(self.sound.id.clone(), true, pts * ticks, now, sound));
        }
    }

    /// The stream is deleted.
    pub(super) fn delete(&self) {
        assert!(self.streams.delete("yard"));
    }

    /// Why the next viewer leaves, waiting for it.
    pub(super) async fn left(&self) -> String {
        self.event(|event| match event {
            Event::ViewerLeft { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .await
    }

    /// Why a viewer let go of the source.
    pub(super) async fn parked(&self) -> String {
        self.event(|event| match event {
            Event::ViewerParked { reason, .. } => Some(reason.to_string()),
            _ => None,
        })
        .await
    }

    /// A viewer has taken hold of the source again.
    pub(super) async fn resumed(&self) {
        self.event(|event| matches!(event, Event::ViewerResumed { .. }).then_some(())).await;
    }

    /// Viewers that have a hold on the source.
    pub(super) fn viewers(&self) -> usize {
        self.stream.snapshot().consumers.map_or(0, |viewers| viewers.len())
    }

    async fn event<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let events = self.streams.events();
        let mut seq = 0;
        loop {
            for record in events.since(seq).records {
                seq = record.seq;
                if let Some(found) = wanted(&record.event) {
                    return found;
                }
            }
            events.changed(seq).await;
        }
    }
}

pub(super) fn hex(text: &str) -> Bytes {
    let byte = |n: usize| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap();
    (0..text.len() / 2).map(byte).collect()
}
