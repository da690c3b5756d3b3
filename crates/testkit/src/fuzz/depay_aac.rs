//! AAC in RTP: packets with lengths, gaps, markers and timestamps from the input.

use rs2rtc_media::{Codec, CodecId};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    for fmtp in ["", "mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2", "sizelength=0"] {
        super::packets::run(&Codec::new(CodecId::Aac).clock(16_000).fmtp(fmtp), data);
    }
}
