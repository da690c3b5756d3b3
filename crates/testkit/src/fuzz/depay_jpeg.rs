//! JPEG in RTP (RFC 2435): packets with lengths, gaps, markers and timestamps from
//! the input; pictures that come out go into packets again.

use rs2rtc_media::{Codec, CodecId};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    super::packets::run(&Codec::new(CodecId::Jpeg).clock(90_000), data);
}
