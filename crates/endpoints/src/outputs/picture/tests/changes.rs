//! What viewers of pictures see of a source that comes back as another one.

use rs2rtc_streams::{Publication, Tracks};

use super::*;

/// A stream that is pushed to.
struct Pushed {
    context: Arc<Context>,
    stream: Arc<Stream>,
    source: Option<(Publication, Tracks)>,
    pictures: i64,
    _streams: Streams,
}

impl Pushed {
    fn new() -> Self {
        let (context, streams) = context();
        let stream = streams.create("pushed", &[], Origin::Config).unwrap();
        Self { context, stream, source: None, pictures: 0, _streams: streams }
    }

    /// The source comes, or comes back, with pictures of this kind.
    fn comes(&mut self, codec: Codec) {
        self.source = None;
        let medias = vec![Media::new(Kind::Video, Direction::RecvOnly, codec)];
        let publication =
            self.stream.publish(medias, Arc::new(Connection::new(Description::default())));
        let tracks = publication.tracks();
        self.source = Some((publication, tracks));
    }

    fn write(&mut self, codec: CodecId, keyframe: bool, payload: Payload) {
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
    fn h264(&mut self, (width, height): (usize, usize), count: usize) {
        let config = h264::Config { width, height, fps: 30, gop: 300, bitrate: 400_000 };
        let mut encoder = h264::Encoder::new(config).unwrap();
        let mut pattern = Pattern::new(width, height, 30);
        for number in 0..count {
            let unit = encoder.encode(pattern.render(number as u64, 0), false).unwrap();
            self.write(CodecId::H264, unit.keyframe, Payload::Nals(unit.units));
        }
    }

    async fn live(&self, form: Form) -> Live {
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

fn size(image: &[u8]) -> (usize, usize) {
    let picture = jpeg::decode(image).unwrap();
    (picture.width, picture.height)
}

const SMALL: (usize, usize) = (160, 120);
const LARGE: (usize, usize) = (320, 240);

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
async fn images_are_made_of_h264_once_for_all_who_look() {
    let mut pushed = Pushed::new();
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    let mut first = pushed.live(Form::Jpeg).await;
    let mut other = pushed.live(Form::Multipart).await;
    let derived = &Arc::clone(&pushed.context).pictures.workshop.derived;
    assert_eq!(derived.len(), 1);
    pushed.h264(SMALL, 1);
    assert_eq!(size(&first.next().await.unwrap()[0]), SMALL);
    assert_eq!(size(&other.next().await.unwrap()[1]), SMALL);
    // Who comes later begins with the newest image.
    let mut late = pushed.live(Form::Jpeg).await;
    assert_eq!(size(&late.next().await.unwrap()[0]), SMALL);
    // What is damaged is passed over: the next keyframe goes on, whatever its size.
    let damage = Payload::Nals(vec![Bytes::from_static(&[0x41, 0xff, 0xff, 0xff])]);
    pushed.write(CodecId::H264, false, damage);
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    pushed.h264(LARGE, 1);
    assert_eq!(size(&first.next().await.unwrap()[0]), LARGE);
    // It ends with the last who looks.
    first.park(Departure::now("hidden"));
    drop(other);
    assert_eq!(derived.len(), 1);
    drop(late);
    assert_eq!(derived.len(), 0);
    first.resume().await.unwrap();
    pushed.h264(SMALL, 1);
    assert_eq!(size(&first.next().await.unwrap()[0]), SMALL);
    pushed.comes(Codec::new(CodecId::Jpeg));
    assert_eq!(first.next().await.unwrap_err(), End::Source);
}

#[tokio::test]
async fn text_is_made_of_h264_and_uncompressed_pictures_are_not() {
    let mut pushed = Pushed::new();
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    let mut live = pushed.live(Form::Text(Style::parse("", "", ""))).await;
    pushed.h264(SMALL, 1);
    let pieces = live.next().await.unwrap();
    assert_eq!(pieces[0], rs2rtc_transcode::ascii::CLEAR);
    assert!(pieces[1].len() > 100);
    let y4m = Live::attach(&pushed.context, &pushed.stream, Form::Y4m, Description::default());
    let text = y4m.await.unwrap_err().to_string();
    assert_eq!(text, "streams: codecs not matched: video:H264 => video:RAW");
}

#[tokio::test]
async fn h264_that_cannot_be_decoded_says_so() {
    let mut pushed = Pushed::new();
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    let mut live = pushed.live(Form::Jpeg).await;
    let mut next = std::pin::pin!(live.next());
    // One is damage; more of them are none.
    let end = loop {
        let keyframe = Payload::Nals(vec![Bytes::from_static(&[0x65, 0xff, 0xff, 0xff])]);
        pushed.write(CodecId::H264, true, keyframe);
        tokio::select! {
            biased;
            end = &mut next => break end,
            () = tokio::task::yield_now() => {}
        }
    };
    let Err(End::Form(words)) = end else { panic!("no words") };
    assert!(words.contains("H264") && words.contains("ffmpeg:"), "{words}");
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
