//! What viewers of pictures see of a source that comes back as another one.

use rs2rtc_streams::{Publication, Tracks};

use super::*;

/// A stream that is pushed to.
pub(super) struct Pushed {
    pub(super) context: Arc<Context>,
    pub(super) stream: Arc<Stream>,
    source: Option<(Publication, Tracks)>,
    pictures: i64,
    _streams: Streams,
}

impl Pushed {
    pub(super) fn new() -> Self {
        let (context, streams) = context();
        let stream = streams.create("pushed", &[], Origin::Config).unwrap();
        Self { context, stream, source: None, pictures: 0, _streams: streams }
    }

    /// The source comes, or comes back, with pictures of this kind.
    pub(super) fn comes(&mut self, codec: Codec) {
        self.source = None;
        let medias = vec![Media::new(Kind::Video, Direction::RecvOnly, codec)];
        let publication =
            self.stream.publish(medias, Arc::new(Connection::new(Description::default())));
        let tracks = publication.tracks();
        self.source = Some((publication, tracks));
    }

    pub(super) fn write(&mut self, codec: CodecId, keyframe: bool, payload: Payload) {
        let (_, tracks) = self.source.as_mut().unwrap();
        self.pictures += 1;
        let pts = self.pictures * 3600;
        if let Some(writer) = tracks.writer(0) {
            writer.write(Frame::new(codec, keyframe, pts, Instant::now(), payload));
        }
    }

    /// A grey picture without compression.
    fn raw(&mut self, (width, height): (usize, usize)) {
        let picture = Bytes::from(vec![128; width * height * 3 / 2]);
        self.write(CodecId::RawVideo, true, Payload::Data(picture));
    }

    /// So many pictures of H.264 of this size.
    pub(super) fn h264(&mut self, (width, height): (usize, usize), count: usize) {
        let config = h264::Config { width, height, fps: 30, gop: 300, bitrate: 400_000 };
        let mut encoder = h264::Encoder::new(config).unwrap();
        let mut pattern = Pattern::new(width, height, 30);
        for number in 0..count {
            let unit = encoder.encode(pattern.render(number as u64, 0), false).unwrap();
            self.write(CodecId::H264, unit.keyframe, Payload::Nals(unit.units));
        }
    }

    pub(super) async fn live(&self, form: Form) -> Live {
        Live::attach(&self.context, &self.stream, form, Description::default()).await.unwrap()
    }

    async fn snapshot(&self) -> (usize, usize) {
        let (wish, viewer) = (Wish::default(), Viewer::default());
        size(&snapshot(&self.context, &self.stream, &wish, None, false, viewer).await.unwrap().jpeg)
    }
}

fn raw_codec((width, height): (usize, usize)) -> Codec {
    Codec::new(CodecId::RawVideo).fmtp(format!("width={width};height={height};colorspace=420jpeg"))
}

pub(super) fn size(image: &[u8]) -> (usize, usize) {
    let picture = jpeg::decode(image).unwrap();
    (picture.width, picture.height)
}

pub(super) const SMALL: (usize, usize) = (160, 120);
pub(super) const LARGE: (usize, usize) = (320, 240);

#[tokio::test]
async fn images_follow_the_size_of_a_source_that_comes_back() {
    let mut pushed = Pushed::new();
    pushed.comes(raw_codec(SMALL));
    let mut live = pushed.live(Form::Jpeg).await;
    pushed.raw(SMALL);
    assert_eq!(size(&live.next().await.unwrap()[0]), SMALL);
    pushed.comes(raw_codec(LARGE));
    pushed.raw(LARGE);
    assert_eq!(size(&live.next().await.unwrap()[0]), LARGE);
    // A camera's own images say how large they are.
    let image = |size: (usize, usize)| {
        jpeg::Encoder::new(80).unwrap().encode_image(&I420Frame::black(size.0, size.1)).unwrap()
    };
    let mut pushed = Pushed::new();
    pushed.comes(Codec::new(CodecId::Jpeg));
    let mut live = pushed.live(Form::Multipart).await;
    for picture in [SMALL, LARGE] {
        pushed.write(CodecId::Jpeg, true, Payload::Data(image(picture)));
        assert_eq!(size(&live.next().await.unwrap()[1]), picture);
        pushed.comes(Codec::new(CodecId::Jpeg));
    }
    // In another codec they are another track.
    pushed.comes(Codec::new(CodecId::H264));
    assert_eq!(live.next().await.unwrap_err(), End::Source);
}

#[tokio::test]
async fn raw_pictures_end_where_their_size_changes() {
    let mut pushed = Pushed::new();
    pushed.comes(raw_codec(SMALL));
    let mut live = pushed.live(Form::Y4m).await;
    pushed.raw(SMALL);
    assert!(live.next().await.unwrap()[0].starts_with(b"YUV4MPEG2 W160 H120 "));
    pushed.comes(raw_codec(SMALL));
    pushed.raw(SMALL);
    assert_eq!(live.next().await.unwrap()[0], &b"FRAME\n"[..]);
    pushed.comes(raw_codec(LARGE));
    pushed.raw(LARGE);
    let end = live.next().await.unwrap_err();
    assert_eq!(end, End::Form("the pictures have another size now".into()));
}

#[tokio::test]
async fn snapshots_are_of_the_source_that_came_back() {
    let mut pushed = Pushed::new();
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    let watching = pushed.stream.attach(Request {
        medias: vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::H264))],
        connection: Arc::new(Connection::new(Description::default())),
        source_tag: None,
        may_sleep: false,
    });
    let _watching = watching.await.unwrap();
    pushed.h264(SMALL, 3);
    assert_eq!(pushed.snapshot().await, SMALL);
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    // Until it shows something else the last picture is that of before.
    let poster = |picture| match picture {
        Some(Poster::Jpeg(picture)) => size(&picture.jpeg),
        other => panic!("{other:?}"),
    };
    let wish = Wish::default();
    let last = super::super::poster(&pushed.context, &pushed.stream, &wish).await.unwrap();
    assert_eq!(poster(last), SMALL);
    pushed.h264(LARGE, 3);
    assert_eq!(pushed.snapshot().await, LARGE);
    let last = super::super::poster(&pushed.context, &pushed.stream, &wish).await.unwrap();
    assert_eq!(poster(last), LARGE);
}
