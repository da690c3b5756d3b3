//! The time of a stream that is written: all its tracks on one line that begins
//! with its first frame.

use crate::codec::Codec;
use crate::frame::Frame;
use crate::time::rescale;

/// Maps the times of frames to ticks of one rate.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    /// Ticks in a second.
    rate: u32,
    /// Where the first frame is put, in ticks. Frames of other tracks may be
    /// earlier by so much.
    start: i64,
    /// The tick of the stream's own time that is `start`.
    origin: Option<i64>,
    /// By track: its clock rate, and the last decoding time that was given.
    tracks: Vec<(u32, i64)>,
}

impl Timeline {
    pub(crate) fn new(rate: u32, start: i64, codecs: &[Codec]) -> Self {
        let tracks = codecs.iter().map(|codec| (codec.timestamp_rate(), i64::MIN)).collect();
        Self { rate, start, origin: None, tracks }
    }

    /// Frames may be earlier than those before; the line stays where it is.
    pub(crate) fn rewind(&mut self) {
        self.tracks.iter_mut().for_each(|(_, last)| *last = i64::MIN);
    }

    /// The line begins with this decoding time of a track, unless it has begun.
    pub(crate) fn begin_at(&mut self, track: usize, dts: i64) {
        if let Some((rate, _)) = self.tracks.get(track) {
            let origin = rescale(dts, *rate, self.rate);
            self.origin.get_or_insert(origin);
        }
    }

    /// (presentation, decoding) of a frame, neither negative. Decoding times of a
    /// track rise, and none is later than its presentation. `None` for a track
    /// that is not there.
    pub(crate) fn place(&mut self, track: usize, frame: &Frame) -> Option<(i64, i64)> {
        let (rate, last) = self.tracks.get_mut(track)?;
        let pts = rescale(frame.pts, *rate, self.rate);
        let dts = rescale(frame.dts, *rate, self.rate);
        let origin = *self.origin.get_or_insert(dts);
        let shift = self.start.saturating_sub(origin);
        let dts = dts.saturating_add(shift).max(last.saturating_add(1)).max(0);
        *last = dts;
        Some((pts.saturating_add(shift).max(dts), dts))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;

    use super::*;
    use crate::codec::CodecId;
    use crate::frame::Payload;

    fn frame(pts: i64, dts: i64) -> Frame {
        let payload = Payload::Data(Bytes::new());
        Frame::new(CodecId::H264, true, 0, Instant::now(), payload).at(pts, dts)
    }

    #[test]
    fn tracks_share_a_line_and_times_rise() {
        let video = Codec::new(CodecId::H264).clock(90_000);
        let audio = Codec::new(CodecId::Aac).clock(48_000);
        let mut line = Timeline::new(1000, 500, &[video, audio]);
        assert_eq!(line.place(0, &frame(909_000, 900_000)), Some((600, 500)));
        assert_eq!(line.place(1, &frame(475_200, 475_200)), Some((400, 400)));
        assert_eq!(line.place(1, &frame(0, 0)), Some((401, 401)));
        assert_eq!(line.place(0, &frame(0, 918_000)), Some((700, 700)));
        assert_eq!(line.place(1, &frame(480_000, 480_000)), Some((500, 500)));
        assert_eq!(line.place(2, &frame(0, 0)), None);
        assert!(line.place(0, &frame(i64::MIN, i64::MAX)).is_some());
        assert!(line.place(0, &frame(i64::MAX, i64::MIN)).is_some());
    }
}
