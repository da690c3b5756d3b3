//! Pictures of the built-in camera and of streams that FFmpeg made of its pictures:
//! the strip in them tells which frame it is.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use rs2rtc_media::container::Demuxer;
use rs2rtc_streams::{CancellationToken, Opener, Options, Origin, Settings, Streams, Track, Wake};
use rs2rtc_transcode::demo::Pattern;
use rs2rtc_transcode::demo::strip::{self, Reading};
use rs2rtc_transcode::video::{Encoder as _, I420Frame, h264, jpeg};

use bytes::Bytes;
use rs2rtc_media::{Frame, Payload};

use super::*;
use crate::sources::ffmpeg;
use crate::table::Table;

mod changes;
mod derived;

const SIZE: (usize, usize) = (320, 240);

fn context() -> (Arc<Context>, Streams) {
    let context = Context::new(Default::default(), Default::default(), "rs2rtc/test");
    let table: Arc<dyn Opener> = Arc::new(Table::new(Arc::clone(&context)));
    let streams = Streams::new(table, Settings::default());
    context.set_streams(streams.clone());
    (context, streams)
}

/// Size of a picture, and what its strip says.
fn read(picture: &Picture) -> (usize, usize, Option<Reading>) {
    let decoded = jpeg::decode(&picture.jpeg).unwrap();
    let (width, height) = (decoded.width, decoded.height);
    (width, height, strip::read(|x, y| decoded.y[y * width + x], width, height))
}

fn frame_number(picture: &Picture) -> u32 {
    read(picture).2.expect("the strip is readable").frame
}

/// The number of the picture that an image shows.
fn image_number(jpeg: &[u8]) -> u32 {
    let decoded = jpeg::decode(jpeg).unwrap();
    let (width, height) = (decoded.width, decoded.height);
    strip::read(|x, y| decoded.y[y * width + x], width, height).unwrap().frame
}

/// Whether FFmpeg is there; says so if not, and fails in CI.
fn has_ffmpeg() -> bool {
    let there = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI needs ffmpeg");
    if !there {
        // Not by the macro, whose output a passing test does not show.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: needs ffmpeg\n");
    }
    there
}

/// So many pictures of the built-in camera, encoded by FFmpeg.
fn encoded(count: u64, arguments: &[&str]) -> Vec<Arc<Frame>> {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "yuv4mpegpipe", "-i", "-"])
        .args(arguments)
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let give = std::thread::spawn(move || {
        let mut pattern = Pattern::new(SIZE.0, SIZE.1, 25);
        writeln!(pipe, "YUV4MPEG2 W{} H{} F25:1 C420jpeg", SIZE.0, SIZE.1).unwrap();
        for number in 0..count {
            let picture = pattern.render(number, number * 40);
            pipe.write_all(b"FRAME\n").unwrap();
            for plane in [&picture.y, &picture.u, &picture.v] {
                pipe.write_all(plane).unwrap();
            }
        }
    });
    let output = child.wait_with_output().unwrap();
    give.join().unwrap();
    assert!(output.status.success());
    let mut demuxer = Demuxer::new();
    demuxer.push(&output.stdout);
    demuxer.end().unwrap();
    let codec = demuxer.tracks().unwrap().unwrap()[0].id.clone();
    let mut frames = Vec::new();
    while let Some(unit) = demuxer.next_unit().unwrap() {
        let pts = frames.len() as i64 * 3600;
        let frame = Frame::new(codec.clone(), unit.keyframe, pts, Instant::now(), unit.payload);
        frames.push(Arc::new(frame));
    }
    frames
}

/// The picture that a track with these frames gives.
async fn of_frames(frames: &[Arc<Frame>], wish: &Wish) -> Result<Picture, Error> {
    let (context, _streams) = context();
    let codec = Codec::new(frames[0].codec.clone());
    let track = Arc::new(Track::new(Kind::Video, codec.clone(), Some(Default::default())));
    frames.iter().for_each(|frame| track.push(frame));
    make::picture(&context, Subject::Newest(track), codec, wish).await
}

fn encoder() -> h264::Encoder {
    let config =
        h264::Config { width: SIZE.0, height: SIZE.1, fps: 30, gop: 300, bitrate: 400_000 };
    h264::Encoder::new(config).unwrap()
}

fn frame(encoder: &mut h264::Encoder, picture: &I420Frame) -> Arc<Frame> {
    let unit = encoder.encode(picture, false).unwrap();
    let payload = Payload::Nals(unit.units);
    Arc::new(Frame::new(CodecId::H264, unit.keyframe, 0, Instant::now(), payload))
}

/// One group of so many pictures.
fn group(count: u64) -> Vec<Arc<Frame>> {
    let (mut pattern, mut encoder) = (Pattern::new(SIZE.0, SIZE.1, 30), encoder());
    (0..count).map(|number| frame(&mut encoder, pattern.render(number, 0))).collect()
}

/// Whenever some are taken there are more: the newest one cannot be reached.
#[test]
fn a_camera_that_is_faster_than_its_decoder_gives_a_picture_in_time() {
    let frames = group(200);
    let (first, rest) = frames.split_first().unwrap();
    let track = Arc::new(Track::new(
        Kind::Video,
        Codec::new(first.codec.clone()),
        Some(Default::default()),
    ));
    track.push(first);
    let (feed, _subscription) = feed::Feed::of(&track);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for frame in rest {
                while feed.waiting() > 0 && !is_done.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                track.push(frame);
            }
        });
        let shot = work::decoded(&feed, &CancellationToken::new(), Duration::ZERO);
        is_done.store(true, Ordering::Relaxed);
        let frames = shot.ok().unwrap().frames();
        assert!(frames < 200, "{frames}");
    });
}

#[tokio::test]
async fn colours_are_those_of_the_camera() {
    // ITU-R BT.601 in television range, and the same in JFIF's full range.
    let colours = [
        ((81, 90, 240), (76, 85, 255)),
        ((145, 54, 34), (150, 44, 21)),
        ((41, 240, 110), (29, 255, 107)),
        ((235, 128, 128), (255, 128, 128)),
        ((16, 128, 128), (0, 128, 128)),
    ];
    for ((y, u, v), want) in colours {
        let mut picture = I420Frame::black(SIZE.0, SIZE.1);
        for (plane, value) in [(&mut picture.y, y), (&mut picture.u, u), (&mut picture.v, v)] {
            plane.fill(value);
        }
        let transform = Transform { width: Some(64), height: None, rotation: Rotation::Right };
        for transform in [Transform::default(), transform] {
            let wish = Wish { transform, quality: Some(95), engine: None };
            let made = of_frames(&[frame(&mut encoder(), &picture)], &wish).await.unwrap();
            let shown = jpeg::decode(&made.jpeg).unwrap();
            for (plane, want) in [(&shown.y, want.0), (&shown.u, want.1), (&shown.v, want.2)] {
                let worst = plane.iter().map(|s| s.abs_diff(want)).max().unwrap();
                assert!(worst <= 3, "{worst} from {want} in ({y}, {u}, {v})");
            }
        }
    }
}

#[tokio::test]
async fn those_who_ask_at_once_share_the_work() {
    let (context, _streams) = context();
    let codec = Codec::new(CodecId::H264);
    let track = Arc::new(Track::new(Kind::Video, codec.clone(), Some(Default::default())));
    group(30).iter().for_each(|frame| track.push(frame));
    let places = Arc::clone(&context.pictures.workshop.decoders);
    let all = places.acquire_many(places.available_permits() as u32).await.unwrap();
    let ask = |quality| {
        let wish = Wish { quality, ..Wish::default() };
        let (context, codec) = (Arc::clone(&context), codec.clone());
        let subject = Subject::Newest(Arc::clone(&track));
        async move { make::picture(&context, subject, codec, &wish).await.unwrap() }
    };
    // Nobody begins before all have asked.
    let begin = async {
        while context.tasks.len() < 3 {
            tokio::task::yield_now().await;
        }
        drop(all);
    };
    let (one, same, other, ()) = tokio::join!(ask(None), ask(None), ask(Some(30)), begin);
    assert_eq!(frame_number(&one), 29);
    assert_eq!(one.jpeg.as_ptr(), same.jpeg.as_ptr(), "the same image");
    assert_ne!(one.jpeg, other.jpeg);
    assert_eq!((one.decoding, one.frames), (other.decoding, other.frames), "decoded once");
    let again = ask(None).await;
    assert_ne!(again.jpeg.as_ptr(), one.jpeg.as_ptr(), "who comes later gets what is new then");
}

#[tokio::test]
async fn the_group_is_decoded_to_its_newest_picture() {
    let frames = group(90);
    let picture = of_frames(&frames, &Wish::default()).await.unwrap();
    assert_eq!((frame_number(&picture), picture.frames), (89, 90));
    assert_eq!(picture.taken, frames[89].arrival);
    let transform = Transform { width: None, height: Some(120), rotation: Rotation::Half };
    let small = Wish { transform, quality: Some(95), engine: None };
    let picture = of_frames(&frames[..10], &small).await.unwrap();
    assert_eq!(read(&picture).0, 160);
    // A damaged group is left for the next keyframe.
    let mut damaged = frames.clone();
    let cut = |nal: &Bytes| nal.slice(..nal.len().min(20));
    let Payload::Nals(nals) = &frames[40].payload else { panic!() };
    let payload = Payload::Nals(nals.iter().map(cut).collect());
    damaged[40] = Arc::new(Frame::new(CodecId::H264, false, 0, Instant::now(), payload));
    damaged.extend([Arc::clone(&frames[0]), Arc::clone(&frames[1])]);
    let picture = of_frames(&damaged, &Wish::default()).await.unwrap();
    assert_eq!((frame_number(&picture), picture.frames), (1, 2));
}

#[tokio::test]
async fn pictures_that_are_reordered_end_with_the_one_shown_last() {
    if !has_ffmpeg() {
        return;
    }
    let x264 = ["-c:v", "libx264", "-preset", "medium", "-bf", "3", "-g", "250"];
    let frames = encoded(60, &[&x264[..], &["-pix_fmt", "yuv420p", "-f", "h264"]].concat());
    assert_eq!(frames.len(), 60);
    let picture = of_frames(&frames, &Wish::default()).await.unwrap();
    assert_eq!(frame_number(&picture), 59);
    assert!(picture.frames < 60, "what nothing builds on is left out: {}", picture.frames);
}

#[tokio::test]
async fn what_is_not_decoded_here_is_left_to_ffmpeg() {
    if !has_ffmpeg() {
        return;
    }
    let hevc = ["-c:v", "libx265", "-x265-params", "log-level=none:bframes=3", "-f", "hevc"];
    let frames = encoded(40, &hevc);
    let picture = of_frames(&frames, &Wish::default()).await.unwrap();
    assert_eq!(frame_number(&picture), 39);
    let transform = Transform { width: Some(160), height: None, rotation: Rotation::Right };
    let wish = Wish { transform, quality: Some(90), engine: None };
    let picture = of_frames(&frames[..1], &wish).await.unwrap();
    assert_eq!((read(&picture).0, read(&picture).1), (120, 160));
    // Nothing will follow a poster.
    let context = context().0;
    let subject = Subject::Keyframe(Arc::clone(&frames[0]));
    let codec = Codec::new(CodecId::H265);
    let poster = make::picture(&context, subject, codec, &Wish::default()).await.unwrap();
    assert_eq!(frame_number(&poster), 0);
    // 4:4:4 is nothing for the library.
    let x264 = ["-c:v", "libx264", "-pix_fmt", "yuv444p", "-profile:v", "high444", "-f", "h264"];
    let picture = of_frames(&encoded(12, &x264), &Wish::default()).await.unwrap();
    assert_eq!(frame_number(&picture), 11);
}

#[tokio::test]
async fn a_poster_that_nothing_here_decodes_is_a_video_of_one_picture() {
    if !has_ffmpeg() {
        return;
    }
    let hevc = ["-c:v", "libx265", "-x265-params", "log-level=none", "-f", "hevc"];
    let keyframe = encoded(1, &hevc).remove(0);
    let (file, mime) = fmp4::still(&Codec::new(CodecId::H265), &keyframe).unwrap();
    assert!(mime.starts_with("video/mp4; codecs=\"hvc1."), "{mime}");
    let mut demuxer = Demuxer::new();
    demuxer.push(&file);
    demuxer.end().unwrap();
    assert_eq!(demuxer.tracks().unwrap().unwrap()[0].id, CodecId::H265);
    let unit = demuxer.next_unit().unwrap().unwrap();
    assert!(unit.keyframe && demuxer.next_unit().unwrap().is_none());
    let unknown = Frame::new(CodecId::H265, true, 0, Instant::now(), Payload::Nals(Vec::new()));
    assert!(fmp4::still(&Codec::new(CodecId::H265), &unknown).is_none());
}

#[tokio::test]
async fn without_ffmpeg_it_is_said_what_is_missing() {
    let config = ffmpeg::Config {
        templates: [("bin".to_owned(), "no-such-ffmpeg".to_owned())].into(),
        ..ffmpeg::Config::default()
    };
    let context = Context::new(Default::default(), config, "rs2rtc/test");
    let payload = Payload::Nals(vec![Bytes::from_static(&[0x26, 1, 2])]);
    let keyframe = Arc::new(Frame::new(CodecId::H265, true, 0, Instant::now(), payload));
    let (subject, codec) = (Subject::Keyframe(keyframe), Codec::new(CodecId::H265));
    let error = make::picture(&context, subject, codec, &Wish::default()).await.unwrap_err();
    assert!(error.to_string().contains("install ffmpeg"), "{error}");
}

#[tokio::test]
async fn a_snapshot_is_of_now_and_lets_go_at_once() {
    let (context, streams) = context();
    for source in ["demo:?gop=300&width=320&height=240", "demo:?video=mjpeg&width=320&height=240"] {
        let stream = streams.create("cam", &[source.to_owned()], Origin::Config).unwrap();
        let wish = Wish::default();
        let take = |cache| snapshot(&context, &stream, &wish, cache, false, Viewer::default());
        // One that sleeps starts.
        let first = take(None).await.unwrap();
        frame_number(&first);
        released(&stream).await;
        // The last keyframe stays.
        let last = || async {
            match poster(&context, &stream, &wish).await.unwrap() {
                Some(Poster::Jpeg(picture)) => picture,
                other => panic!("{other:?}"),
            }
        };
        let kept = last().await;
        frame_number(&kept);
        assert!(!stream.is_open());
        assert_eq!(last().await.jpeg.as_ptr(), kept.jpeg.as_ptr(), "made once");

        // One that runs gives what is newest.
        let held = watch(&stream, 40).await;
        let now = take(None).await.unwrap();
        assert!(frame_number(&now) >= 39, "40 frames have come: {source}");
        let cached = take(Some(Duration::from_secs(60))).await.unwrap();
        let same = take(Some(Duration::from_secs(60))).await.unwrap();
        assert_eq!(cached.jpeg, same.jpeg);
        // One that is too old is made anew, as soon as there is another frame.
        while take(Some(Duration::ZERO)).await.unwrap().taken <= same.taken {}
        let left = streams.list()[0].1.viewers();
        assert_eq!(left, 1, "only the one who watches");
        drop(held);
        streams.delete("cam");
    }
}

/// Waits until nothing of the stream is open.
async fn released(stream: &Stream) {
    loop {
        let last = stream.events().last();
        if !stream.is_open() {
            return;
        }
        stream.events().changed(last).await;
    }
}

/// Watches until so many frames have come.
async fn watch(stream: &Arc<Stream>, frames: usize) -> Attached {
    let medias = vec![Media::new(Kind::Video, Direction::SendOnly, Codec::new(CodecId::Any))];
    let connection = Arc::new(Connection::new(Description::default()));
    let request = Request { medias, connection, source_tag: None, may_sleep: false };
    let attached = stream.attach(request).await.unwrap();
    let queue = rs2rtc_streams::FrameQueue::new();
    let (_, sink) = queue.input(Kind::Video, Arc::clone(&attached.tracks[0].sender));
    let _subscription = attached.tracks[0].track.subscribe(sink);
    for _ in 0..frames {
        queue.recv().await.unwrap();
    }
    attached
}

#[tokio::test]
async fn a_stream_for_viewers_only_is_not_woken() {
    let (context, streams) = context();
    let options = Options { wake: Wake::Viewer, ..Options::default() };
    let source = "demo:?width=160&height=120".to_owned();
    let stream = streams.create_with("bell", &[source], options, Origin::Config).unwrap();
    let wish = Wish::default();
    let asleep = snapshot(&context, &stream, &wish, None, false, Viewer::default()).await;
    assert_eq!(asleep.unwrap_err().kind(), ErrorKind::Busy);
    assert!(poster(&context, &stream, &wish).await.unwrap().is_none());
    let woken = snapshot(&context, &stream, &wish, None, true, Viewer::default()).await;
    woken.unwrap();
    // While somebody watches nothing has to be woken.
    let held = watch(&stream, 1).await;
    snapshot(&context, &stream, &wish, None, false, Viewer::default()).await.unwrap();
    drop(held);
}

#[tokio::test]
async fn who_stops_waiting_lets_go() {
    let (context, streams) = context();
    let stream =
        streams.create("none", &["rtsp://127.0.0.1:1/x".to_owned()], Origin::Config).unwrap();
    let wish = Wish::default();
    let refused = snapshot(&context, &stream, &wish, None, false, Viewer::default()).await;
    assert!(refused.unwrap_err().to_string().starts_with("streams: "));
    let source = "demo:?width=160&height=120".to_owned();
    let stream = streams.create("cam", &[source], Origin::Config).unwrap();
    // Nothing is left of one that is dropped while it waits.
    {
        let mut waiting =
            std::pin::pin!(snapshot(&context, &stream, &wish, None, false, Viewer::default()));
        let pending = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())
        });
        assert!(pending.await);
    }
    assert_eq!(stream.viewers(), 0);
}
