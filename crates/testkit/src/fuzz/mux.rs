//! Frames of any content, size and time into everything that is written: what comes
//! out is what our readers take.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::container::Demuxer;
use rs2rtc_media::container::mux::{Chunks, Muxer, adts, flv, mpegts, raw, wav};
use rs2rtc_media::hls::{Form, Mp4, Names, Packager, Playlist, Segmenter, Ts};
use rs2rtc_media::{Codec, CodecId, Frame, Payload};

/// Frames of one run.
const MAX_FRAMES: usize = 200;

/// One run: five bytes tell of a frame, the rest of it is what follows.
pub fn run(data: &[u8]) {
    let codecs = [Codec::new(CodecId::H264).clock(90_000), Codec::new(CodecId::Aac).clock(16_000)];
    let frames = frames(data, &codecs);
    let mut muxers: Vec<Box<dyn Muxer>> = vec![
        Box::new(mpegts::Muxer::new(&codecs).expect("it carries these")),
        Box::new(flv::Muxer::new(&codecs).expect("it carries these")),
        Box::new(adts::Muxer::new(codecs.get(1..).unwrap_or_default()).expect("it is AAC")),
        Box::new(raw::Muxer::new(&codecs).expect("it begins with H.264")),
        Box::new(wav::Muxer::new(&[Codec::new(CodecId::L16).clock(8000)]).expect("it is PCM")),
    ];
    for muxer in &mut muxers {
        let mut out = Chunks::new();
        muxer.begin(&mut out);
        for (track, frame) in &frames {
            muxer.frame(*track, frame, &mut out);
        }
        let mut demuxer = Demuxer::new();
        demuxer.push(&out.into_bytes());
        while let Ok(Some(_)) = demuxer.next_unit() {}
        let _ = demuxer.end();
    }
    let frames: Vec<_> = frames.into_iter().map(|(track, f)| (track, Arc::new(f))).collect();
    let ts: Box<dyn Packager> = Box::new(Ts::new(&codecs).expect("it carries these"));
    cut(Form::Ts, Segmenter::new(ts, &codecs), &frames);
    let mp4: Box<dyn Packager> = Box::new(Mp4::new(&codecs).expect("it carries these"));
    cut(Form::Mp4, Segmenter::new(mp4, &codecs), &frames);
}

/// Whatever is cut, there is a playlist of it, and nothing in it is empty.
fn cut(form: Form, mut segmenter: Segmenter, frames: &[(usize, Arc<Frame>)]) {
    for (track, frame) in frames {
        segmenter.push(*track, frame);
        let text = Playlist::new(&segmenter, 0).write(Names { form, id: "x" });
        assert!(text.starts_with("#EXTM3U\n"));
    }
    let entry = segmenter.entry();
    assert_eq!(entry.is_some(), segmenter.closed().len() > 0);
    if let Some(entry) = entry {
        let text = Playlist::new(&segmenter, entry).write(Names { form, id: "x" });
        assert!(text.contains("#EXTINF:"), "a viewer has something to begin with");
    }
    for segment in segmenter.closed() {
        for part in 0..segment.parts.len() {
            if let Some(lead) = segmenter.lead(segment, part..part + 1) {
                let (bytes, counts) = lead.write();
                assert!(counts.iter().any(|(frames, _)| *frames > 0));
                assert!(form == Form::Mp4 || bytes.len() % 188 == 0);
            }
        }
    }
    for segment in segmenter.closed() {
        assert!(segment.duration > 0, "no segment is empty");
        assert!(form == Form::Mp4 || segment.size() > 0 && segment.size() % 188 == 0);
    }
}

fn frames(mut data: &[u8], codecs: &[Codec]) -> Vec<(usize, Frame)> {
    let mut frames = Vec::new();
    let mut at = 0_i64;
    while let Some(([flags, size, step, later, shift], rest)) = data.split_first_chunk::<5>()
        && frames.len() < MAX_FRAMES
    {
        // Tracks that are not there are asked for too.
        let track = usize::from(flags & 3);
        let (content, rest) = rest.split_at(usize::from(*size).min(rest.len()));
        data = rest;
        at = at.wrapping_add(i64::from(step.cast_signed()) << (shift % 57));
        let id = codecs.get(track).map_or(CodecId::Opus, |codec| codec.id.clone());
        let content = Bytes::copy_from_slice(content);
        let payload = match flags >> 4 & 3 {
            0 => Payload::Nals(vec![content; usize::from(flags >> 6)]),
            1 => Payload::Opaque(vec![content]),
            _ => Payload::Data(content),
        };
        let frame = Frame::new(id, flags & 4 != 0, 0, Instant::now(), payload);
        frames.push((track, frame.at(at.saturating_add(i64::from(*later) * 90), at)));
    }
    frames
}
