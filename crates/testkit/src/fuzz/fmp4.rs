//! Frames of any kind, at any time, into fragmented MP4: the times of a track never
//! have a gap, and every reader's begin at zero.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rs2rtc_media::codec::{h264, h265, mpa};
use rs2rtc_media::container::fmp4::{Cursor, Format, Pace, Picture, Track, init};
use rs2rtc_media::{Codec, Frame, Kind, Payload};

/// One run on arbitrary bytes: the first one chooses the codec, then come frames,
/// each with flags, a step of time, a length and so many bytes.
pub fn run(data: &[u8]) {
    let _ = mpa::samples(data);
    let Some((choice, mut rest)) = data.split_first() else { return };
    let id = Format::CODECS[usize::from(*choice) % Format::CODECS.len()].clone();
    let is_picture = id.kind() == Kind::Video;
    let rate = if is_picture { 90_000 } else { 8000 };
    let codec = Codec::new(id.clone()).clock(rate).channels(choice >> 6);
    let format = Format::new(&codec).expect("it is one of its codecs");
    let mut track = Track::new(0, format);
    let mut readers = [Pace::Live, Pace::Recording].map(|pace| Cursor::new(pace, &[rate], 0));
    let (mut pts, mut end, mut group) = (0_i64, None, Vec::new());
    let arrival = Instant::now();
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let [flags, step, scale, len] = *head;
        let take = usize::from(len).min(after.len());
        let payload = Bytes::copy_from_slice(&after[..take]);
        rest = &after[take..];
        let step = i64::from(step as i8) << (scale & 63);
        pts = pts.saturating_add(step);
        let keyframe = flags & 1 != 0 || !is_picture;
        let payload = match flags >> 1 & 3 {
            _ if !is_picture => Payload::Data(payload),
            0 if !id.is_nal() => Payload::Data(payload),
            _ if !id.is_nal() => {
                let half = payload.len() / 2;
                Payload::Opaque(vec![payload.slice(..half), payload.slice(half..)])
            }
            0 => Payload::Nals(vec![payload]),
            1 => Payload::Nals(h264::split_annexb(&payload)),
            _ => Payload::Nals(h265::split_annexb(&payload)),
        };
        let mut frame = Frame::new(id.clone(), keyframe, pts, arrival, payload);
        frame.dts = pts.saturating_sub(i64::from(flags >> 4) * 100);
        if track.learn(&frame) && track.format().is_complete() {
            let formats = [track.format().clone()];
            let segment = init::write(&formats, Picture::default(), &[u64::from(len)]);
            assert!(segment.windows(4).any(|w| w == b"moov"));
        }
        let Some(fragment) = track.fragment(&frame) else { continue };
        assert!(fragment.duration > 0 && !fragment.payload.is_empty());
        // At the ends of all time nothing fits behind.
        let is_sane = fragment.dts.unsigned_abs() < 1 << 60;
        assert!(!is_sane || end.is_none_or(|end| end == fragment.dts), "a gap");
        end = Some(fragment.end());
        let fragment = Arc::new(fragment);
        for reader in &mut readers {
            if flags & 8 != 0 {
                reader.missed();
            }
            let lead = reader.lead(&fragment);
            assert_eq!(lead.len(), 1);
            let _ = reader.place(&fragment);
        }
        if keyframe {
            group.clear();
        }
        group.push(fragment);
        let heads = Cursor::new(Pace::Live, &[rate], 0).place_burst(&group);
        assert_eq!(heads.len(), group.len());
    }
}
