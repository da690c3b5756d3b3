//! AAC and the other simple payloads in RTP: packets with lengths, gaps, markers
//! and timestamps from the input.

use rs2rtc_media::codec::aac::{AdtsHeader, AudioSpecificConfig};
use rs2rtc_media::codec::opus;
use rs2rtc_media::{Codec, CodecId};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    AudioSpecificConfig::parse(data);
    AdtsHeader::parse(data);
    opus::duration(data);
    for fmtp in ["", "mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2", "sizelength=0"] {
        super::packets::run(&Codec::new(CodecId::Aac).clock(16_000).fmtp(fmtp), data);
    }
    for id in [CodecId::Jpeg, CodecId::Vp8, CodecId::Mpa] {
        super::packets::run(&Codec::new(id).clock(90_000), data);
    }
}
