//! What describes a codec: parameter sets, the records of MP4 and the texts of SDP.
//! What we write of it says the same when it is read back.

use bytes::Bytes;
use rs2rtc_media::codec::aac::{AdtsHeader, AudioSpecificConfig, config_bytes};
use rs2rtc_media::codec::{ParameterSets, h264, h265};
use rs2rtc_media::{Codec, CodecId};

/// One run on arbitrary bytes.
pub fn run(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Some(sets) = h264::ParameterSets::parse_record(&bytes) {
        let record = sets.write_record().expect("a record has an SPS");
        assert_eq!(h264::ParameterSets::parse_record(&record.into()), Some(sets));
    }
    if let Some(sets) = h265::ParameterSets::parse_record(&bytes)
        && let Some(record) = sets.write_record()
    {
        assert_eq!(h265::ParameterSets::parse_record(&record.into()), Some(sets));
    }
    for (id, nals) in
        [(CodecId::H264, h264::split_annexb(&bytes)), (CodecId::H265, h265::split_annexb(&bytes))]
    {
        let Some(sets) = ParameterSets::from_nals(&id, &nals) else { continue };
        let again = ParameterSets::from_codec(&Codec::new(id).fmtp(sets.to_fmtp()));
        assert_eq!(again.as_ref(), Some(&sets), "SDP carries them");
        sets.size();
    }
    let (front, slice) = data.split_at(data.len() / 2);
    if let Some(sps) = h264::Sps::parse(front) {
        h264::SliceHeader::parse(slice, &sps);
        sps.reorder_depth();
    }
    h264::slice_type(data);
    h265::Sps::parse(data);
    sound(data);
    let text = String::from_utf8_lossy(data);
    for id in [CodecId::H264, CodecId::H265, CodecId::from_name(&text)] {
        ParameterSets::from_codec(&Codec::new(id).fmtp(text.as_ref()));
    }
    config_bytes(&text);
    h264::mse_profile_level(&text);
}

fn sound(data: &[u8]) {
    if let Some(config) = AudioSpecificConfig::parse(data) {
        let again = AudioSpecificConfig::parse(&config.write());
        // Extensions are left out, and seven channels have no number that all know.
        let is_plain = !matches!(config.object_type, 5 | 29) && config.channels != 7;
        assert!(!is_plain || again == Some(config), "{config:?} {again:?}");
    }
    if let Some(header) = AdtsHeader::parse(data).filter(|header| header.header_len == 7) {
        assert_eq!(AdtsHeader::parse(&header.write()), Some(header));
    }
}
