//! Streams that programs write to a pipe: pieces of any size into the demuxer, and
//! into each of its readers.

use rs2rtc_media::container::Demuxer;

/// One run on arbitrary bytes. The first one says how they are cut.
pub fn run(data: &[u8]) {
    // Files of the corpus begin as they are; others are cut anywhere.
    for stream in [data, data.get(1..).unwrap_or_default()] {
        demux(Demuxer::new(), stream, data.first().copied());
    }
}

/// What begins as a format does.
fn run_as(magic: &[u8], data: &[u8]) {
    let magic = if data.starts_with(magic) { &[] } else { magic };
    demux(Demuxer::new(), &[magic, data].concat(), data.last().copied());
}

fn demux(mut demuxer: Demuxer, stream: &[u8], cut: Option<u8>) {
    let size = usize::from(cut.unwrap_or_default() % 64) * 8 + 1;
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

/// AAC with ADTS headers.
pub fn adts(data: &[u8]) {
    run_as(&[0xff, 0xf1], data);
}

/// Bare sound with tags in front.
pub fn packed(data: &[u8]) {
    run_as(b"ID3", data);
}

/// Bare H.264 and H.265.
pub fn annexb(data: &[u8]) {
    run_as(&[0, 0, 0, 1], data);
}

/// Flash Video.
pub fn flv(data: &[u8]) {
    run_as(b"FLV\x01", data);
}

/// JPEG pictures one after another.
pub fn mjpeg(data: &[u8]) {
    run_as(&[0xff, 0xd8], data);
}

/// MP4 and fragmented MP4.
pub fn mp4(data: &[u8]) {
    run_as(b"\0\0\0\x08ftyp", data);
}

/// MPEG transport streams.
pub fn mpegts(data: &[u8]) {
    run_as(&[0x47], data);
}

/// JPEG pictures in parts.
pub fn mpjpeg(data: &[u8]) {
    demux(Demuxer::of_parts(), data, data.last().copied());
}

/// WAV.
pub fn wav(data: &[u8]) {
    run_as(b"RIFF", data);
}

/// Uncompressed pictures.
pub fn y4m(data: &[u8]) {
    run_as(b"YUV4", data);
}
