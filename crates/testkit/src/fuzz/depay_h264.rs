//! H.264 in RTP: packets with lengths, gaps, markers and timestamps from the input.

use rs2rtc_media::{Codec, CodecId};

const FMTP: &str = "sprop-parameter-sets=Z2QAH6wkhAFAFuwEQAAAAwBAAAAMI8YMkg==,aO4yyLA=";

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    for fmtp in ["", FMTP] {
        super::packets::run(&Codec::new(CodecId::H264).clock(90_000).fmtp(fmtp), data);
    }
}
