//! Streams that programs write to a pipe: pieces of any size into the demuxer.

use rs2rtc_media::container::Demuxer;

/// One run on arbitrary bytes. The first one says how they are cut.
pub fn run(data: &[u8]) {
    let size = usize::from(data.first().copied().unwrap_or_default() % 64) * 8 + 1;
    // Files of the corpus begin as they are; others are cut anywhere.
    for stream in [data, data.get(1..).unwrap_or_default()] {
        let mut demuxer = Demuxer::new();
        let mut units = 0;
        let mut take = |demuxer: &mut Demuxer| {
            while let Ok(Some(unit)) = demuxer.next_unit() {
                let tracks = demuxer.tracks().ok().flatten().map_or(0, <[_]>::len);
                assert!(unit.track < tracks, "a unit has a track");
                units += 1;
            }
        };
        for piece in stream.chunks(size) {
            demuxer.push(piece);
            take(&mut demuxer);
        }
        let _ = demuxer.end();
        take(&mut demuxer);
        assert!(units <= stream.len(), "each unit has a byte of its own");
    }
}
