//! The recorded streams of the repository (`fuzz/corpus/container`) as frames.

use std::time::Instant;

use rs2rtc_media::container::{Demuxer, Time};
use rs2rtc_media::{Codec, Frame};

/// Codecs and frames of a stream, with the index of their track, in the order in
/// which they come. Pictures without times are shown ten times a second.
pub struct Recorded {
    /// By track.
    pub codecs: Vec<Codec>,
    /// With the index of their track.
    pub frames: Vec<(usize, Frame)>,
}

impl Recorded {
    /// Reads a file of the repository by its name.
    pub fn load(name: &str) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/container");
        Self::read(&std::fs::read(format!("{folder}/{name}")).unwrap())
    }

    /// Reads a whole stream of any format.
    pub fn read(stream: &[u8]) -> Self {
        let mut demuxer = Demuxer::new();
        demuxer.push(stream);
        demuxer.end().unwrap();
        let codecs = demuxer.tracks().unwrap().unwrap().to_vec();
        let mut played = vec![0_i64; codecs.len()];
        let mut frames = Vec::new();
        while let Some(unit) = demuxer.next_unit().unwrap() {
            let (codec, next) = (&codecs[unit.track], &mut played[unit.track]);
            let (pts, dts) = match unit.time {
                Time::At { pts, dts } => (pts, dts),
                Time::Arrival | Time::Lasts(_) => (*next, *next),
            };
            *next += match unit.time {
                Time::Lasts(ticks) => i64::from(ticks),
                _ => i64::from(codec.timestamp_rate()) / 10,
            };
            let (id, now) = (codec.id.clone(), Instant::now());
            let frame = Frame::new(id, unit.keyframe, 0, now, unit.payload).at(pts, dts);
            frames.push((unit.track, frame));
        }
        Self { codecs, frames }
    }
}
