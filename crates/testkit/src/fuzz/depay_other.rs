//! Payloads in RTP that are carried as they come, and sound that needs no taking
//! apart. The first byte chooses the codec.

use rs2rtc_media::codec::{mpa, opus};
use rs2rtc_media::{Codec, CodecId};

const CODECS: [(CodecId, u32); 9] = [
    (CodecId::Vp8, 90_000),
    (CodecId::Vp9, 90_000),
    (CodecId::Opus, 48_000),
    (CodecId::Mpa, 90_000),
    (CodecId::Pcmu, 8000),
    (CodecId::G722, 8000),
    (CodecId::L16, 16_000),
    (CodecId::Pcml, 16_000),
    (CodecId::Flac, 48_000),
];

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    opus::duration(data);
    opus::channels(data);
    mpa::samples(data);
    let Some((choice, rest)) = data.split_first() else { return };
    let (id, clock) = CODECS[usize::from(*choice) % CODECS.len()].clone();
    super::packets::run(&Codec::new(id).clock(clock).channels(choice >> 6), rest);
}
