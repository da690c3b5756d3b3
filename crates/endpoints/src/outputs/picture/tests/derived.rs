//! Motion JPEG and text that are made of H.264.

use super::changes::{LARGE, Pushed, SMALL, size};
use super::feed::Feed;
use super::*;
use crate::outputs::picture::derived::Converter;

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
async fn images_of_other_profiles_do_not_wait_for_the_next_frame() {
    if !has_ffmpeg() {
        return;
    }
    let high = ["-c:v", "libx264", "-profile:v", "high", "-bf", "0", "-g", "6", "-f", "h264"];
    let mut pushed = Pushed::new();
    pushed.comes(Codec::new(CodecId::H264).clock(90_000));
    let mut live = pushed.live(Form::Jpeg).await;
    for (number, frame) in (0..).zip(encoded(12, &high)) {
        pushed.write(CodecId::H264, frame.keyframe, frame.payload.clone());
        assert_eq!(image_number(&live.next().await.unwrap()[0]), number);
    }
}

#[test]
fn reordered_pictures_come_in_the_order_in_which_they_are_shown() {
    if !has_ffmpeg() {
        return;
    }
    let reordered = ["-c:v", "libx264", "-bf", "2", "-b_strategy", "0", "-g", "12", "-f", "h264"];
    let codec = Codec::new(CodecId::H264);
    let track = Arc::new(Track::new(Kind::Video, codec, Some(Default::default())));
    let (feed, _subscription) = Feed::passing(&track);
    let (mut converter, stop) = (Converter::new().unwrap(), CancellationToken::new());
    let mut numbers = Vec::new();
    for frame in encoded(30, &reordered) {
        track.push(&frame);
        if let Some(image) = converter.turn(&feed, &stop).unwrap() {
            let Payload::Data(jpeg) = image.payload else { panic!("no image") };
            numbers.push(image_number(&jpeg));
        }
    }
    assert!(numbers.len() >= 26 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}
