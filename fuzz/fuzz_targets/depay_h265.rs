//! H.265 in RTP: packets with lengths, gaps, markers and timestamps from the input.
#![no_main]

#[path = "../packets.rs"]
mod packets;

use libfuzzer_sys::fuzz_target;
use rs2rtc_media::codec::h265::{ParameterSets, Sps};
use rs2rtc_media::{Codec, CodecId};

const FMTP: &str = "sprop-vps=QAEMAf//AWAAAAMAAAMAAAMAAAMAmawJ;sprop-sps=QgEBAWAAAAMAAAMAAAMAAAMAmaAAoAgBaH+KrTuiS7/8AAQABbAgApMuADN/mAE=;sprop-pps=RAHgcvCyQA==";

fuzz_target!(|data: &[u8]| {
    Sps::parse(data);
    ParameterSets::parse_record(&bytes::Bytes::copy_from_slice(data));
    for fmtp in ["", FMTP] {
        packets::run(&Codec::new(CodecId::H265).clock(90_000).fmtp(fmtp), data);
    }
});
