//! Pictures of the past that are shown at once.

use std::sync::Arc;

use crate::frame::Frame;

/// Pictures a millisecond each, the newest decoded at `newest` (in ticks of
/// `clock_rate`): a player shows what is live, not what was. A picture that is later
/// than that already stays where it is.
///
/// Where pictures are decoded in another order than they are shown in (B-frames),
/// those that are shown later than `newest` keep that time: they stand among those
/// that follow. `None` if the others cannot be in front of them.
pub fn squeeze(frames: &[Arc<Frame>], newest: i64, clock_rate: u32) -> Option<Vec<Arc<Frame>>> {
    let step = i64::from((clock_rate / 1000).max(1));
    // Next to each other the reordered are told apart in milliseconds too.
    let gap = if frames.iter().all(|frame| frame.pts == frame.dts) { 1 } else { step };
    let count = frames.len();
    let mut times: Vec<(i64, i64)> = (frames.iter().enumerate())
        .map(|(index, frame)| {
            let later = i64::try_from(count - 1 - index).unwrap_or(i64::MAX);
            let slot = newest.saturating_sub(later.saturating_mul(step));
            (frame.pts, frame.dts.max(slot))
        })
        .collect();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|index| times.get(*index).map(|(pts, _)| *pts));
    let mut shown: Option<i64> = None;
    for index in order {
        let (pts, dts) = times.get_mut(index)?;
        if *pts > newest {
            let fits = shown.is_none_or(|shown| shown < *pts) && *pts >= *dts;
            return fits.then(|| placed(frames, &times));
        }
        let at = (*pts).max(*dts).max(shown.map_or(i64::MIN, |shown| shown.saturating_add(gap)));
        if at > newest.max(*pts) {
            return None;
        }
        *pts = at;
        shown = Some(at);
    }
    Some(placed(frames, &times))
}

fn placed(frames: &[Arc<Frame>], times: &[(i64, i64)]) -> Vec<Arc<Frame>> {
    let at = |(frame, &(pts, dts)): (&Arc<Frame>, &(i64, i64))| {
        if (frame.pts, frame.dts) == (pts, dts) {
            Arc::clone(frame)
        } else {
            Arc::new(frame.at(pts, dts))
        }
    };
    frames.iter().zip(times).map(at).collect()
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
        let squeezed = squeeze(&frames, 7200, 90_000).unwrap();
        assert_eq!(times(&squeezed), [(7020, 7020), (7110, 7110), (7200, 7200)]);
        assert!(squeezed[0].keyframe);
        // Closer than that already.
        let frames = vec![frame(0, 0), frame(10, 10)];
        assert_eq!(times(&squeeze(&frames, 10, 90_000).unwrap()), [(0, 0), (10, 10)]);
        assert!(squeeze(&[], 0, 90_000).unwrap().is_empty());
    }

    /// Groups with B-frames, cut after any picture.
    #[test]
    fn reordered_pictures_keep_their_order() {
        // Times of showing in the order of decoding: pyramids of three, and pairs.
        let pyramid =
            |n: i64| [1, 5, 3, 2, 4].map(|k| 4 * n + k).into_iter().skip(usize::from(n > 0));
        let pairs = |n: i64| [1, 4, 2, 3].map(|k| 3 * n + k).into_iter().skip(usize::from(n > 0));
        let groups: [Vec<i64>; 2] =
            [(0..20).flat_map(pyramid).collect(), (0..20).flat_map(pairs).collect()];
        for shown in groups {
            // So late that none is shown before it is decoded.
            let delay = (0..).zip(&shown).map(|(n, pts)| n - pts).max().unwrap();
            let group: Vec<Arc<Frame>> =
                (0..).zip(&shown).map(|(n, pts)| frame((pts + delay) * 3600, n * 3600)).collect();
            for count in 1..group.len() {
                let newest = (i64::try_from(count).unwrap()) * 3600 - 90;
                let squeezed = squeeze(&group[..count], newest, 90_000).unwrap();
                let times = times(&squeezed);
                assert!(times.windows(2).all(|w| w[0].1 < w[1].1), "{count}: {times:?}");
                assert!(times.iter().all(|(pts, dts)| pts >= dts), "{count}: {times:?}");
                let order = |frames: &[Arc<Frame>]| {
                    let mut order: Vec<usize> = (0..count).collect();
                    order.sort_by_key(|n| frames[*n].pts);
                    order
                };
                assert_eq!(order(&squeezed), order(&group), "{count}: {times:?}");
                // What is decoded next is shown among or after them.
                let next = group[count..].iter().map(|frame| frame.pts).min().unwrap();
                let before = times.iter().filter(|(pts, _)| *pts < next).count();
                let expected = group[..count].iter().filter(|frame| frame.pts < next).count();
                assert_eq!(before, expected, "{count}: {times:?}");
                let span = times[count - 1].1 - times[0].1;
                assert!(span <= 90 * i64::try_from(count).unwrap(), "{count}: {times:?}");
            }
        }
    }

    #[test]
    fn times_that_cannot_be_kept_are_refused() {
        // Shown before they are decoded, and one that is shown a tick later.
        let frames = vec![frame(0, 0), frame(1, 7200), frame(3601, 3600)];
        assert!(squeeze(&frames, 3600, 90_000).is_none());
    }
}
