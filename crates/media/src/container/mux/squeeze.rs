//! Pictures of the past that are shown at once.

use std::sync::Arc;

use crate::frame::Frame;

/// Pictures a millisecond each, the newest at `newest` (in ticks of `clock_rate`): a
/// player shows what is live, not what was. A picture that is later than that
/// already stays where it is.
///
/// Pictures that are not shown in the order they are decoded in stay as they are:
/// their times say the order.
pub fn squeeze(frames: Vec<Arc<Frame>>, newest: i64, clock_rate: u32) -> Vec<Arc<Frame>> {
    if frames.iter().any(|frame| frame.pts != frame.dts) {
        return frames;
    }
    let step = i64::from((clock_rate / 1000).max(1));
    let count = frames.len();
    let squeezed = frames.into_iter().enumerate().map(|(index, frame)| {
        let later = i64::try_from(count - 1 - index).unwrap_or(i64::MAX);
        let at = frame.dts.max(newest.saturating_sub(later.saturating_mul(step)));
        if at == frame.dts { frame } else { Arc::new(frame.at(at, at)) }
    });
    squeezed.collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::codec::CodecId;
    use crate::frame::Payload;
    use bytes::Bytes;

    fn frame(pts: i64, dts: i64) -> Arc<Frame> {
        let payload = Payload::Nals(vec![Bytes::from_static(b"x")]);
        let frame = Frame::new(CodecId::H264, dts == 0, pts, Instant::now(), payload);
        Arc::new(frame.at(pts, dts))
    }

    fn times(frames: &[Arc<Frame>]) -> Vec<(i64, i64)> {
        frames.iter().map(|frame| (frame.pts, frame.dts)).collect()
    }

    #[test]
    fn pictures_end_where_the_next_one_follows() {
        let frames = vec![frame(0, 0), frame(3600, 3600), frame(7200, 7200)];
        let squeezed = squeeze(frames, 7200, 90_000);
        assert_eq!(times(&squeezed), [(7020, 7020), (7110, 7110), (7200, 7200)]);
        assert!(squeezed[0].keyframe);
        // Closer than that already.
        let frames = vec![frame(0, 0), frame(10, 10)];
        assert_eq!(times(&squeeze(frames, 10, 90_000)), [(0, 0), (10, 10)]);
        assert!(squeeze(Vec::new(), 0, 90_000).is_empty());
    }

    #[test]
    fn reordered_pictures_keep_their_times() {
        let frames = vec![frame(3600, 0), frame(14_400, 3600), frame(7200, 7200)];
        let expected = times(&frames);
        assert_eq!(times(&squeeze(frames, 7200, 90_000)), expected);
    }
}
