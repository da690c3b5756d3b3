//! H.265 in RTP: packets with lengths, gaps, markers and timestamps from the input.

use rs2rtc_media::{Codec, CodecId};

const FMTP: &str = "sprop-vps=QAEMAf//AWAAAAMAAAMAAAMAAAMAmawJ;sprop-sps=QgEBAWAAAAMAAAMAAAMAAAMAmaAAoAgBaH+KrTuiS7/8AAQABbAgApMuADN/mAE=;sprop-pps=RAHgcvCyQA==";

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    for fmtp in ["", FMTP] {
        super::packets::run(&Codec::new(CodecId::H265).clock(90_000).fmtp(fmtp), data);
    }
}
